"""From any start to a certified global optimum of two-layer training: price, re-weigh, polish, and prove.

One round prices the residual v = -grad L (both signs), adds the neurons that pull harder than beta, solves for the
strengths (a lasso) and polishes all weights; the objective never rises. When pricing finds little more, the cells that
are in use are solved exactly, and `bounds.network_bound` says how far the network is from the best of any width.
Scope: one output, ReLU, bias "none" or "regularised". Source: this project; the lasso over neurons is the restricted
form of arXiv 2002.10553, equation (8). Tests: tests/bounds/test_globalize.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from convexnn.bounds import NetworkBound, network_bound
from convexnn.bounds.pricing import price, starts
from convexnn.bounds.restricted import Task, from_weights, inside_cells, none, one_per_cell, polish, strengths
from convexnn.bounds.zonotope import zonotopes
from convexnn.claims import Status
from convexnn.losses import Loss, get_loss
from convexnn.networks import Bias, TwoLayer
from convexnn.neurons import simplify
from convexnn.numerics import Array, check_choice, check_positive, relative_gap
from convexnn.types import Data

#: Cell programs with more than this many numbers in their matrices are left to the polish.
CELL_PROGRAM_LIMIT = 300_000
#: Rounds of pricing, and of exact cells, in one call.
ROUNDS, EXACT_ROUNDS = 60, 40
#: Share of the budget after which training gives way to proving.
SHARE = 0.4


@dataclass(frozen=True)
class Round:
    """One line of the history; `lower` is -inf until a bound is proved, `price` is the best price found over beta."""

    elapsed_s: float
    value: float
    lower: float
    neurons: int
    price: float


@dataclass(frozen=True)
class GlobalSolution:
    """A network, its true training objective, and what every network of any width must pay at least.

    gap      (value - lower) / max(1, |value|)
    status   "certified" when gap <= tol, else "inconclusive"
    """

    network: TwoLayer
    value: float
    lower: float
    gap: float
    status: Status
    message: str
    bound: NetworkBound = field(repr=False)
    history: tuple[Round, ...] = field(repr=False, default=())
    elapsed_s: float = 0.0


def globalize(
    data: Data,
    beta: float | None = None,
    start: TwoLayer | Array | None = None,
    budget: float = 60.0,
    tol: float = 1e-6,
    seed: int = 0,
    loss: str | Loss = "squared",
    bias: Bias = "none",
) -> GlobalSolution:
    """Train to the global optimum over all widths, as far as `budget` seconds reach, and say how far that is.

    beta    replaces data.beta
    start   None, a TwoLayer network of the same bias, or directions (k, d) ((k, d + 1) with a bias)
    Returns a GlobalSolution; `value` is recomputed from the returned network in float64.
    Raises ValueError for several outputs, an unregularised bias, gates, or a start of the wrong shape.
    """
    check_positive(tol=tol, budget=budget)
    data = data if beta is None else replace(data, beta=beta)
    search = _Search(data, get_loss(loss), bias, budget, tol, seed)
    search.begin(start)
    search.explore()
    bound = search.conclude()
    return search.report(bound)


class _Search:
    """The state of one call; times are seconds since its start."""

    def __init__(self, data: Data, loss: Loss, bias: Bias, budget: float, tol: float, seed: int) -> None:
        check_choice("bias", bias, ("none", "regularised"))
        if data.X.ndim != 2 or data.y.size != data.n:
            raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; globalize takes a matrix and one output")
        self.data, self.loss, self.bias = data, loss, bias
        self.tol, self.budget, self.rng = tol, budget, np.random.default_rng(seed)
        self.started = time.perf_counter()
        self.full = data.X if bias == "none" else np.hstack([data.X, np.ones((data.n, 1))])
        _, s, Vt = np.linalg.svd(self.full, full_matrices=False)
        self.basis = Vt[: max(1, int((s > 1e-12 * max(s[0], 1e-300) * max(self.full.shape)).sum()))]
        self.task = Task(self.full @ self.basis.T, data.y.reshape(-1), data.beta, loss)
        self.atoms = none(len(self.basis))
        self.kinked = loss.smoothness == np.inf
        self.dual: Array | None = None
        self.history: list[Round] = []

    def pull(self) -> Array:
        """The dual vector: -grad L, or for a loss with kinks the one that the last cell program returned."""
        if self.kinked and self.dual is not None:
            return self.dual
        return self.task.pull(self.atoms.fit(self.task.X))

    def elapsed(self) -> float:
        return time.perf_counter() - self.started

    def begin(self, start: TwoLayer | Array | None) -> None:
        """Atoms from the start: its neurons with their strengths, or directions with strengths to be found."""
        if start is None:
            return
        width = self.full.shape[1]
        if isinstance(start, TwoLayer):
            if start.gates is not None or start.bias != self.bias or start.A.shape[1] != 1:
                raise ValueError(
                    f"start has bias={start.bias!r}; pass an ungated one-output network with bias={self.bias!r}"
                )
            U = start.U.detach().numpy()
            W = U if self.bias == "none" else np.column_stack([U, start.b.detach().numpy()])
            self.atoms = from_weights(W @ self.basis.T, start.A.detach().numpy()[:, 0])
            self.improve([], self.kinked)
            return
        U = np.asarray(start, dtype=np.float64)
        if U.ndim != 2 or U.shape[1] != width:
            raise ValueError(f"start has shape {U.shape}; pass directions (k, {width}), a TwoLayer network or None")
        W = U @ self.basis.T
        W = W[np.linalg.norm(W, axis=1) > 0]
        W = W / np.linalg.norm(W, axis=1, keepdims=True)
        self.improve([(W, 1.0), (W, -1.0)], self.kinked)

    def explore(self) -> None:
        """Rounds of pricing until it finds nothing above beta (1 + tol / 2), or its share of the budget is spent."""
        exact = self.kinked
        for k in range(ROUNDS + EXACT_ROUNDS):
            before = self.atoms.value(self.task)
            best, new = self.price(exact)
            if not new and exact:
                best, new = self.price(exact, 2000)
            self.record(best)
            if not new or self.elapsed() > SHARE * self.budget:
                break
            self.improve(new, exact)
            after = self.atoms.value(self.task)
            stalled = before - after <= max(1e-5, 100 * self.tol) * abs(before) and best < 1.02
            exact = self.cells_fit() and (exact or stalled or k >= ROUNDS)
        if not exact and self.cells_fit() and self.elapsed() < SHARE * self.budget:
            self.improve([], True)

    def cells_fit(self) -> bool:
        """Whether the cells in use make a conic program of reasonable size."""
        return len(self.atoms) * self.task.X.size <= CELL_PROGRAM_LIMIT

    def improve(self, new: list[tuple[Array, float]], exact: bool) -> None:
        """Add columns and lower the objective: exactly inside the cells, or by lasso and descent."""
        atoms = self.atoms
        for U, sign in new:
            atoms = atoms.plus(U, sign)
        if exact:
            self.atoms, self.dual = inside_cells(self.task, atoms)
            return
        atoms = strengths(self.task, atoms)
        polished = one_per_cell(self.task, polish(self.task, atoms).strong())
        self.atoms = min((self.atoms, atoms, polished), key=lambda candidate: candidate.value(self.task))

    def price(self, exact: bool, count: int = 200) -> tuple[float, list[tuple[Array, float]]]:
        """The best price over beta and, per output sign, the dissimilar directions that pay for themselves."""
        v = self.pull()
        best, new = 0.0, []
        for sign in (1.0, -1.0):
            Z = zonotopes(self.task.X, sign * v)
            U, value = price(Z, starts(Z, count, self.rng, self.atoms.U))
            best = max(best, float(value[0]) / self.task.beta if len(value) else 0.0)
            worth = value > self.task.beta * (1 + (0.5 * self.tol if exact else max(1e-5, self.tol)))
            picked = list(_dissimilar(U[worth] @ Z.basis, 0.999999 if exact else 0.95, 20))
            if picked:
                new.append((np.array(picked), sign))
        return best, new

    def record(self, best: float) -> None:
        lower = self.history[-1].lower if self.history else -np.inf
        self.history.append(Round(self.elapsed(), self.atoms.value(self.task), lower, len(self.atoms), best))

    def conclude(self) -> NetworkBound:
        """The bound; where it meets a column that pricing missed, the network is improved and bounded again.

        A column may improve the dual vector without a visible gain of the value: then one last bound is not eager, so
        that it never ends as the weak bound of a search that stopped at its first column.
        """
        last_time = False
        while True:
            v = self.pull()
            left = max(0.5, self.budget - self.elapsed())
            eager = not last_time and self.elapsed() < SHARE * self.budget
            value, last, task = self.atoms.value(self.task), self.history[-1], self.task
            duals = np.stack([v] if self.dual is None else [v, self.dual])
            bound = network_bound(
                task.X, task.y, duals, task.beta, self.loss, left, 0.5 * self.tol, eager=eager, value=value
            )
            self.history.append(Round(self.elapsed(), value, max(last.lower, bound.lower), len(self.atoms), last.price))
            late = self.elapsed() > 0.9 * self.budget
            if relative_gap(value, bound.lower) <= self.tol or not len(bound.directions) or late or last_time:
                return bound
            pull = np.maximum(self.task.X @ bound.directions.T, 0).T @ v
            new = [(bound.directions[pull * s > 0][:20], s) for s in (1.0, -1.0) if (pull * s > 0).any()]
            self.improve(new, self.cells_fit())
            self.explore()
            last_time = not self.atoms.value(self.task) < value - 1e-12 * abs(value)

    def report(self, bound: NetworkBound) -> GlobalSolution:
        """The network merged and pruned, its objective from scratch, and the verdict in one sentence."""
        network = self.network()
        if network.width:
            fewer = simplify(network, self.data.X)
            network = fewer if fewer.objective(self.data) <= network.objective(self.data) * (1 + 1e-9) else network
        value = network.objective(self.data)
        lower = max(bound.lower, max(line.lower for line in self.history))
        gap = relative_gap(value, lower)
        certified = gap <= self.tol
        status: Status = "certified" if certified else "inconclusive"
        advice = "" if certified else f" > tol {self.tol:.0e}; raise budget (now {self.budget:g} s)"
        message = f"{network.width} neurons reach {value:.8g}, no network goes below {lower:.8g}: gap {gap:.1e}{advice}"
        return GlobalSolution(network, value, lower, gap, status, message, bound, tuple(self.history), self.elapsed())

    def network(self) -> TwoLayer:
        """The atoms as a balanced TwoLayer network in the coordinates of the data."""
        root = np.sqrt(self.atoms.a)
        W = (self.atoms.U * root[:, None]) @ self.basis
        U, b = (W, None) if self.bias == "none" else (W[:, :-1], W[:, -1])
        return TwoLayer(U, (self.atoms.s * root)[:, None], self.loss, b, bias=self.bias)


def _dissimilar(U: Array, cosine: float, count: int) -> Iterator[Array]:
    """The first rows of U whose cosine with those already taken stays below `cosine`."""
    taken = np.zeros((0, U.shape[1]))
    for u in U:
        if len(taken) == count:
            return
        if not (taken @ u > cosine).any():
            taken = np.concatenate([taken, u[None]])
            yield u
