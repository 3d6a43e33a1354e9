"""Column generation over groups of three-layer branches: solve, price, add, until pricing finds nothing.

    master   the program of the groups so far; `solve` is passed in, so any loss and both norms work
    oracle   max over branches of |v' ((X W)_+ w)_+| at unit cost, v the certified dual vector, by projected ascent from
             Gaussian branches; the groups of the best ones are added

The oracle is a local search: the last value is an upper bound for all groups, its certificate is about the groups at
hand, and a search that finds nothing proves nothing. Compare with a complete enumeration where there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array
from convexnn.program import Program
from convexnn.theorems.shared.layered_patterns import LayeredGroups, groups_of
from convexnn.types import Solution

#: Ascent steps of the oracle, the branches that one round may add, and the moved copies of each.
ASCENT_STEPS, CUTS, NEIGHBOURS = 60, 40, 12


@dataclass(frozen=True)
class LayeredColumns:
    """The last solution, its groups, and (rounds, 3) value, largest pull over beta, groups."""

    solution: Solution
    groups: LayeredGroups
    history: Array


def layered_columns(
    X: Array,
    start: LayeredGroups,
    program: Callable[[LayeredGroups], Program],
    solve: Callable[[Program], Solution],
    whole: bool = False,
    rounds: int = 20,
    starts: int = 200,
    tol: float = 1e-6,
    seed: int = 0,
) -> LayeredColumns:
    """Rounds of master and oracle; `whole` prices the Frobenius norm of a branch, else the (2,1) norm."""
    rng, groups, history = np.random.default_rng(seed), start, []
    for _ in range(rounds):
        solution = solve(program(groups))
        v = solution.certificate.v[:, 0]
        U, s, pulls = strongest_branches(X, v, groups.neurons, whole, starts, rng)
        history.append((solution.value, float(pulls.max()) / solution.program.beta, len(groups)))
        good = np.argsort(-pulls)
        good = good[pulls[good] > solution.program.beta * (1 + tol)][:CUTS]
        near = np.repeat(good, NEIGHBOURS)  # the best branches lie on walls: the groups on both sides are added
        moved = U[near] + 0.02 * rng.standard_normal(U[near].shape) * np.abs(U[near]).max((1, 2), keepdims=True)
        grown = groups.join(groups_of(X, moved, s[near])) if len(good) else groups
        if len(grown) == len(groups):
            break
        groups = grown
    return LayeredColumns(solution, groups, np.array(history))


def strongest_branches(
    X: Array, v: Array, m: int, whole: bool, starts: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Branches of unit cost U (k, d, m), s (k, m), and their pulls |v'phi| after ascent; u_j = |w_j| W_j."""
    U = rng.standard_normal((starts, X.shape[1], m)) * np.abs(rng.standard_normal((starts, 1, m)))
    s = rng.choice([-1.0, 1.0], (starts, m))
    best, best_U = np.full(starts, -1.0), U
    for k in range(ASCENT_STEPS):
        U = U / np.maximum(_cost(U, whole), 1e-300)[:, None, None]
        H = X @ U
        z = (np.maximum(H, 0) * s[:, None]).sum(2)
        pull = np.maximum(z, 0) @ v
        better = np.abs(pull) > best
        best, best_U = np.where(better, np.abs(pull), best), np.where(better[:, None, None], U, best_U)
        weight = np.sign(pull)[:, None] * (z > 0) * v
        slope = np.einsum("nd,kn,knm->kdm", X, weight, (H > 0) * s[:, None])
        length = np.linalg.norm(slope, axis=(1, 2), keepdims=True)
        U = U + 0.5 / (1 + 0.1 * k) * slope / np.maximum(length, 1e-300)
    return best_U, s, best


def _cost(U: Array, whole: bool) -> Array:
    return np.asarray(np.linalg.norm(U, axis=(1, 2)) if whole else np.linalg.norm(U, axis=1).sum(1))
