"""The regularisation path: one certified solution for each beta, from the zero network down, and which one to take.

Errors are those of cross-validation where it was done: every fold follows its own path with warm starts, with beta in
proportion to its weight (the objective is a sum over samples, so a fold of four fifths takes four fifths of beta).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from convexnn.networks import TwoLayer
from convexnn.numerics import Array, check_positive
from convexnn.types import Solution

#: The default path: so many betas from beta_max down to this share of it.
COUNT, RATIO = 20, 1e-3


@dataclass(frozen=True)
class RegularisationPath:
    """One row for each beta, largest first; every gap is the judge's.

    betas, values, lowers, gaps, times_s, penalties  (K,) floats; penalty is the gauge, |u_j| |a_j| summed over neurons
    active, neurons   (K,) groups of the program that are not zero, and neurons of the network it stands for
    solved            (K,) bool: the gap is <= tol
    errors            (K, folds) held-out errors, or None; lower is better
    """

    betas: Array
    values: Array
    lowers: Array
    gaps: Array
    penalties: Array
    active: Array
    neurons: Array
    times_s: Array
    solved: np.ndarray[Any, Any]
    errors: Array | None = None
    error_name: str = "held-out error"
    networks: tuple[TwoLayer, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.betas)

    @property
    def mean_errors(self) -> Array:
        """(K,) mean over folds. Raises ValueError without cross-validation."""
        if self.errors is None:
            raise ValueError("this path has no held-out errors; fit with beta='cv' or a list of betas")
        return np.asarray(self.errors.mean(axis=1))

    @property
    def best(self) -> int:
        """Position of the smallest mean error; of equal ones the largest beta."""
        return int(np.argmin(self.mean_errors))

    @property
    def simplest(self) -> int:
        """Position of the largest beta whose mean error is within one standard error of the smallest."""
        means, best = self.mean_errors, self.best
        own = np.asarray(self.errors)[best]
        spread = own.std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else 0.0
        return int(np.argmax(means <= means[best] + spread))

    def arrays(self) -> dict[str, Any]:
        """What `plotting.estimators.draw_regularisation_path` draws, and what a result file keeps."""
        names = ("betas", "values", "lowers", "gaps", "penalties", "active", "neurons", "times_s")
        found = {f"reg_{name}": getattr(self, name) for name in names}
        if self.errors is None:
            return found
        chosen = {"reg_best": self.best, "reg_simplest": self.simplest}
        return {**found, "reg_errors": self.errors, "reg_error_name": self.error_name, **chosen}

    def with_errors(self, errors: Array, name: str) -> RegularisationPath:
        """The same path with held-out errors (K, folds)."""
        return replace(self, errors=errors, error_name=name)


def collect(solutions: Sequence[Solution], networks: Sequence[TwoLayer]) -> RegularisationPath:
    """The path of solutions along decreasing beta and the networks that belong to them."""
    rows = [
        (s.program.beta, s.value, s.lower, s.gap, _penalty(s), s.active.sum(), network.width, s.elapsed_s)
        for s, network in zip(solutions, networks)
    ]
    betas, values, lowers, gaps, penalties, active, neurons, times = np.array(rows, dtype=np.float64).T
    solved = np.array([s.status == "solved" for s in solutions])
    kept = tuple(networks)
    return RegularisationPath(
        betas, values, lowers, gaps, penalties, active, neurons, times, solved=solved, networks=kept
    )


def _penalty(solution: Solution) -> float:
    return float(np.linalg.norm(solution.Z, axis=1).sum())


def check_betas(betas: Any) -> Array:
    """Distinct betas, largest first. Raises ValueError naming beta."""
    given = np.asarray(betas, dtype=np.float64)
    if given.ndim != 1 or given.size == 0:
        raise ValueError(f"beta has shape {given.shape}; pass a number, 'cv', or a list of numbers > 0")
    for value in given:
        check_positive(beta=float(value))
    return np.unique(given)[::-1].copy()
