"""The groups of three-layer branches: all that have an interior, or those of sampled forward passes.

    group   neurons j = 1..m with a first-layer pattern D_{g,j} and the sign s_{g,j} of their second-layer weight, and a
            second-layer pattern D_g = 1[ sum_j s_j (X u_j)_+ >= 0 ]

Order within a group is irrelevant; a neuron option (D, s) may repeat. Groups that output nothing are dropped: only
negative signs, or D_g D_{g,j} = 0 for all j. Rows in which no neuron fires are zero: their bit of D_g has no effect
and is set to 1. Cells of lower dimension lie in the closure of those with one.

    groups = sample_groups(X, neurons=4, draws=1000, seed=0)        # joint samples; more draws: a superset
    groups = enumerate_groups(X, neurons=2)                         # all of them, small data
    program = layered_program(data, groups, GroupL2())              # shared.layered_program; or Frobenius()
    solution = solve(program)                                       # interior point on the product cones

Source: the sampling of Ergen and Pilanci (arXiv 2110.05518); enumeration by linear programs is this project's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb
from typing import Any

import numpy as np
from scipy.optimize import linprog

from convexnn.numerics import Array, check_finite
from convexnn.patterns import enumerate_patterns

#: Relative margin |rows| from which a cell counts as having an interior.
INTERIOR = 1e-7


@dataclass(frozen=True)
class LayeredGroups:
    """D1 (G, m, n), D2 (G, n) bool, s (G, m) of -1/+1; `complete` when every group with an interior is here."""

    D1: Array
    D2: Array
    s: Array
    complete: bool = False

    def __len__(self) -> int:
        return len(self.s)

    @property
    def neurons(self) -> int:
        return int(self.s.shape[1])

    def join(self, other: LayeredGroups) -> LayeredGroups:
        """Both, each group once, those of `self` first."""
        D1, D2, s = (np.concatenate(pair) for pair in zip((self.D1, self.D2, self.s), (other.D1, other.D2, other.s)))
        return _distinct(D1, D2, s, self.complete or other.complete)

    def take(self, groups: Any) -> LayeredGroups:
        """Some of the groups."""
        return LayeredGroups(self.D1[groups], self.D2[groups], self.s[groups])


def groups_of(X: Array, U: Array, s: Array) -> LayeredGroups:
    """The groups of branches with first-layer neurons U (k, d, m) and second-layer signs s (k, m)."""
    H = X @ U  # (k, n, m)
    D1 = (H >= 0).transpose(0, 2, 1)
    z = (np.maximum(H, 0) * s[:, None, :]).sum(2)
    return _distinct(D1, z >= 0, np.asarray(s, dtype=np.float64), False)


def sample_groups(X: Array, neurons: int, draws: int, seed: int = 0) -> LayeredGroups:
    """The distinct groups of `draws` Gaussian branches; the first-layer and second-layer patterns are drawn jointly.

    More draws with one seed give a superset, so the values of the programs are monotone.
    """
    _check(X, neurons)
    if isinstance(draws, bool) or not (isinstance(draws, int | np.integer) and draws >= 1):
        raise ValueError(f"draws is {draws!r}; pass a positive number of branches to draw")
    rng, d = np.random.default_rng(seed), X.shape[1]
    weights = rng.standard_normal((int(draws), d + 1, neurons))
    b = weights[:, d]
    scaled = weights[:, :d] * np.abs(b)[:, None, :]
    found = groups_of(X, scaled, np.where(b >= 0, 1.0, -1.0))
    if not len(found):
        raise ValueError(f"draws={draws} with seed={seed} gave no branch with an output; draw more")
    return found


def enumerate_groups(X: Array, neurons: int, limit: int = 5000) -> LayeredGroups:
    """Every group with an interior, one linear program for each undecided bit; raises ValueError above `limit`.

    Options that fire nowhere are left out: an idle neuron is a copy of another one with v_j = 0.
    """
    _check(X, neurons)
    patterns = [D for D in enumerate_patterns(X).T if D.any()]
    tuples = comb(2 * len(patterns) + neurons - 1, neurons) - comb(len(patterns) + neurons - 1, neurons)
    if tuples > limit:  # each tuple with a positive neuron has a group
        raise ValueError(_too_many(limit, neurons))
    options = [(D, s) for s in (1.0, -1.0) for D in patterns]
    found: list[tuple[Array, Array, Array]] = []
    for chosen in combinations_with_replacement(range(len(options)), neurons):
        D1 = np.array([options[o][0] for o in chosen])
        s = np.array([options[o][1] for o in chosen])
        if not (s > 0).any():
            continue
        found += [(D1, D2, s) for D2 in _second_patterns(X, D1, s)]
        if len(found) > limit:
            raise ValueError(_too_many(limit, neurons))
    if not found:
        raise ValueError("X is zero: no neuron fires on any row")
    D1, D2, s = (np.array(part) for part in zip(*found))
    return _distinct(D1, D2, s, True)


def shared_patterns_only(groups: LayeredGroups) -> LayeredGroups:
    """The groups whose neurons have one first-layer pattern: the program with a shared index, which is too small."""
    return groups.take(np.flatnonzero((groups.D1[:, :1] == groups.D1).all((1, 2))))


def _second_patterns(X: Array, D1: Any, s: Any) -> Iterator[Any]:
    """The D_g of given neurons: bits where the firing neurons differ in sign are searched, the others are known."""
    up, down = D1[s > 0].any(0), D1[s < 0].any(0)
    free = np.flatnonzero(up & down)
    D2: Any = ~down | up
    rows = _first_rows(X, D1, s)

    def descend(depth: int, above: list[Array]) -> Iterator[Any]:
        if depth and not _has_interior(np.vstack([rows, *above])):
            return
        if depth == len(free):
            yield D2.copy()
            return
        row = _second_row(X, D1, free[depth])
        for bit in (True, False):
            D2[free[depth]] = bit
            yield from descend(depth + 1, [*above, row if bit else -row])

    yield from descend(0, [])


def _first_rows(X: Array, D1: Array, s: Array) -> Array:
    m, (n, d) = len(s), X.shape
    rows = np.zeros((m, n, m, d))
    for j in range(m):
        rows[j, :, j] = (s[j] * np.where(D1[j], 1.0, -1.0))[:, None] * X
    return rows.reshape(m * n, m * d)


def _second_row(X: Array, D1: Array, k: int) -> Array:
    return (D1[:, k, None] * X[k]).reshape(1, -1)


def _has_interior(rows: Array) -> bool:
    """Is there a V with rows V > 0, up to rows that are zero?"""
    size = np.linalg.norm(rows, axis=1)
    unit = rows[size > 0] / size[size > 0, None]
    A = np.hstack([-unit, np.ones((len(unit), 1))])
    bounds = [(-1.0, 1.0)] * rows.shape[1] + [(None, 1.0)]
    solved = linprog(np.append(np.zeros(rows.shape[1]), -1.0), A_ub=A, b_ub=np.zeros(len(unit)), bounds=bounds)
    return solved.status == 0 and -solved.fun > INTERIOR


def _distinct(D1: Any, D2: Any, s: Any, complete: bool) -> LayeredGroups:
    """Neurons sorted within each group, free bits set to 1, silent groups dropped, each group once in first order."""
    D1, D2 = np.asarray(D1, dtype=bool), D2 | ~D1.any(1)
    alive = (D1.any(2) & (s > 0)).any(1) & (D1 & D2[:, None]).any((1, 2))
    D1, D2, s = D1[alive], D2[alive], s[alive]
    D2 = np.where((D1 & (s < 0)[:, :, None]).any(1), D2, True)  # only positive neurons: nothing is negative
    words = np.concatenate([np.packbits(D1, axis=2), (s > 0)[:, :, None].astype(np.uint8)], 2)
    for g in range(len(s)):
        order = np.lexsort(words[g].T[::-1])
        D1[g], s[g], words[g] = D1[g][order], s[g][order], words[g][order]
    keys = np.concatenate([words.reshape(len(s), words.shape[1] * words.shape[2]), np.packbits(D2, axis=1)], 1)
    first = np.sort(np.unique(keys, axis=0, return_index=True)[1]) if len(s) else np.arange(0)
    return LayeredGroups(D1[first], D2[first], s[first], complete)


def _too_many(limit: int, neurons: int) -> str:
    return f"X gives more than {limit} groups of {neurons} neurons; draw some, sample_groups or groups=<how many>"


def _check(X: Array, neurons: int) -> None:
    check_finite(X=X)
    if np.ndim(X) != 2 or 0 in np.shape(X):
        raise ValueError(f"X has shape {np.shape(X)}; pass a matrix with at least one row and one column")
    if isinstance(neurons, bool) or not (isinstance(neurons, int | np.integer) and neurons >= 1):
        raise ValueError(f"neurons is {neurons!r}; pass a positive number of first-layer neurons")
