"""A theorem put to the test in one call: formulate, solve, certify, recover, try to break it by training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from convexnn.bounds import NetworkBound, network_bound
from convexnn.data import split, standardise
from convexnn.neurons import simplify
from convexnn.numerics import Array, relative_gap
from convexnn.solving import solve
from convexnn.training import Training, train
from convexnn.types import Data, Solution, Verdict

#: A recovered network must score the program's value to this relative difference.
RECOVERY_TOL = 1e-6
#: How far below a certified bound a training run may end before the claim is contradicted (rounding).
BELOW_TOL = 1e-9


def run(theorem: Any, data: Data, tol: float = 1e-6, seeds: Iterable[int] = range(5), **options: Any) -> Verdict:
    """Solve `theorem.program(data, **options)` to `tol`, then `verify` it.

    theorem  a module of `convexnn.theorems`
    options  passed to `theorem.program`
    Returns a Verdict: certified (program scope or network scope, as the certificate says), inconclusive, or
    contradicted when a recovered or trained network disagrees with the certificate.
    """
    return verify(theorem, data, solve(theorem.program(data, **options), tol=tol), seeds=seeds)


def verify(
    theorem: Any,
    data: Data,
    solution: Solution,
    seeds: Iterable[int] = range(5),
    width: int | None = None,
    steps: int = 2000,
    optimiser: str = "adam",
) -> Verdict:
    """Recover the network of a solution, compare objectives, and train networks of `width` against the lower bound.

    Training runs of the same architecture can only refute a network-scope bound; at program scope they are reported.
    """
    network = theorem.recover(data, solution)
    achieved = theorem.objective(network, data)
    defect = abs(relative_gap(achieved, solution.value))
    options = _options(solution)
    gates = options.get("gates")  # gated rivals have the program's gates, one neuron each
    width = len(gates) if gates is not None else width or max(2 * (data.n + 1), 10)
    rival = theorem.network(width, data, **options)
    training = train(rival, data, optimiser=optimiser, seeds=seeds, steps=steps)
    numbers = {
        "value": solution.value,
        "lower": solution.lower,
        "gap": solution.gap,
        "recovered": achieved,
        "recovery_defect": defect,
        "best_training": training.value,
        "above_bound": relative_gap(training.value, solution.lower),
        "width": width,
        "seeds": len(training.seeds),
    }
    return _judge(solution, defect, training.value, len(training.seeds), numbers)


def _judge(solution: Solution, defect: float, best: float, runs: int, numbers: dict[str, Any]) -> Verdict:
    scope = solution.certificate.scope
    if scope == "network" and not best >= solution.lower - BELOW_TOL * max(1.0, abs(solution.lower)):
        return Verdict("contradicted", f"training reached {best:.8g}, below the bound {solution.lower:.8g}", numbers)
    if not solution.gap <= solution.tol:  # also catches NaN
        return Verdict("inconclusive", solution.message, numbers)
    if not defect <= RECOVERY_TOL:
        return Verdict("contradicted", f"the recovered network is {defect:.1e} away from the program's value", numbers)
    rivals = f"best of {runs} trainings {'above' if best >= solution.lower else 'below'} the bound"
    return Verdict("certified", f"gap below {solution.tol:.0e} ({scope} scope), {rivals}", numbers)


def _options(solution: Solution) -> dict[str, Any]:
    """What a rival network must share with the program: the loss, and the theorem's own settings."""
    model = solution.program.model
    shared = getattr(model, "network_options", None)
    return {"loss": solution.program.loss, **(shared() if shared else {})}


def against_width(
    theorem: Any, data: Data, widths: Iterable[int], seeds: Iterable[int], steps: int = 2000, **options: Any
) -> Array:
    """(W, S) training objectives: one row a width, one column a seed; each is the best point of its run."""
    chosen = tuple(seeds)
    rows = [train(theorem.network(w, data, **options), data, seeds=chosen, steps=steps).final for w in widths]
    return np.array(rows)


def against_draws(
    theorem: Any, data: Data, draws: Iterable[int], seeds: Iterable[int], tol: float = 1e-6, **options: Any
) -> Array:
    """(K, S) certified values of the program with that many sampled patterns; the same seed gives nested samples."""
    chosen = tuple(seeds)
    return np.array([[_sampled(theorem, data, P, seed, tol, options) for seed in chosen] for P in draws])


def _sampled(theorem: Any, data: Data, P: int, seed: int, tol: float, options: dict[str, Any]) -> float:
    solution = solve(theorem.program(data, patterns=P, seed=seed, **options), tol=tol)
    if solution.status != "solved":
        raise ValueError(f"the program with {P} sampled patterns (seed {seed}) is not solved: {solution.message}")
    return solution.value


@dataclass(frozen=True)
class Comparison:
    """One real data set: the sampled program, the trained networks, and what is known about all networks.

    beta            regularisation, `share` of the sampled program's beta_max
    solution        the certified sampled program;  network: its recovered and simplified network
    training        gradient training of a wide network on the same objective
    bound           a lower bound for every network of every width
    accuracy        test accuracy of the recovered and of the best trained network
    """

    data: Data
    solution: Solution
    network: Any
    training: Training
    bound: NetworkBound
    accuracy: tuple[float, float]

    @property
    def excess(self) -> float:
        """How far the sampled program's certified lower bound lies above the best training run, relative to the run."""
        return (self.solution.lower - self.training.value) / self.training.value


def real(
    theorem: Any,
    X: Array,
    y: Array,
    share: float,
    patterns: int = 100,
    width: int = 100,
    seeds: Iterable[int] = range(3),
    steps: int = 2000,
    budget: float = 5.0,
    tol: float = 1e-6,
    name: str = "data",
) -> Comparison:
    """Split (70/30, seed 0), standardise, append a regularised bias, and compare program, training and bound.

    X (n, d), y (n,) labels -1/+1, squared loss. `budget` seconds go to the network-scope bound.
    """
    X_train, y_train, X_test, y_test = split(X, y, seed=0)
    X_train, X_test = standardise(X_train, X_test)
    top = theorem.program(Data(X_train, y_train, 1.0), patterns=patterns, bias="regularised").beta_max()
    data = Data(X_train, y_train, share * top, name)
    solution = solve(theorem.program(data, patterns=patterns, bias="regularised"), tol=tol)
    network = simplify(theorem.recover(data, solution), data.X)
    training = train(theorem.network(width, data, bias="regularised"), data, seeds=seeds, steps=steps)
    residuals = [data.y - net.predict(data.X)[:, 0] for net in (training.best, network)]
    with_bias = np.hstack([data.X, np.ones((data.n, 1))])
    bound = network_bound(with_bias, data.y, residuals, data.beta, budget_s=budget)
    accuracy = tuple(float(np.mean(np.sign(net.predict(X_test)[:, 0]) == y_test)) for net in (network, training.best))
    return Comparison(data, solution, network, training, bound, (accuracy[0], accuracy[1]))
