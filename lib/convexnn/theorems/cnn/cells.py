"""The cells of pooled filters: which patches are active, or which one wins; the map and the cone of each.

    sum, average   D (n K, P), the joint patterns of all stacked patch rows M,   E_i = w sum_k D_i^(k) X_k, w = 1 or 1/K
                   (2 D_i - I) M u >= 0
    max            the patch a_t that wins in sample t, or none:   row t of E is X_{a_t}[t], or 0
                   X_a u >= 0 and (X_a - X_k) u >= 0 for the other k, or -X_k u >= 0 for all k

The patterns are joint since all patches see one filter. Max cells are found among the cells of all patches and all
differences of two patches of a sample. E is summed over patches: only the cone has n K rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from convexnn.numerics import Array, BoolArray, check_choice
from convexnn.patterns import enumerate_patterns, sample_patterns

#: All cells, that many Gaussian filters, or filters (m, h) whose cells are wanted.
Patterns = Literal["all"] | int | Array


@dataclass(frozen=True)
class Cells:
    """E (P, n, h) maps, C (P, k, h) with cones C_i u >= 0, and whether all cells are here."""

    E: Array
    C: Array
    complete: bool

    def inside(self, U: Array) -> BoolArray:
        """(P, m) which of the filters U (m, h) lie in which cell."""
        return np.asarray((self.C @ U.T >= 0).all(1))


def cells_of(X: Array, pooling: str, patterns: Patterns, seed: int, limit: int) -> Cells:
    """The cells of X (n, K, h): all, those of `patterns` Gaussian filters drawn with `seed`, or those of given filters.

    Raises ValueError for another word, filters of another length, or more than `limit` cells.
    """
    if isinstance(patterns, str):
        check_choice("patterns", patterns, ["all"])
    if isinstance(patterns, np.ndarray) and (patterns.ndim != 2 or patterns.shape[1] != X.shape[2]):
        raise ValueError(f"patterns has shape {patterns.shape}; pass filters (m, {X.shape[2]}), a number, or 'all'")
    if pooling == "max":
        return _winning(X, patterns, seed, limit)
    return _summed(X, 1 / X.shape[1] if pooling == "average" else 1.0, patterns, seed, limit)


def _directions(rows: Array, patterns: Patterns, seed: int, limit: int) -> Array:
    """One filter (h,) of every cell, or of those asked for."""
    if isinstance(patterns, np.ndarray):
        return patterns
    if isinstance(patterns, str):
        return enumerate_patterns(rows, return_gates=True, limit=limit)[1]
    return sample_patterns(rows, patterns, seed=seed, return_gates=True)[1]


def _summed(X: Array, weight: float, patterns: Patterns, seed: int, limit: int) -> Cells:
    rows = X.reshape(-1, X.shape[2])
    live = rows.any(1)  # a patch of zeros says nothing
    D = (rows @ _directions(rows[live], patterns, seed, limit).T >= 0).T
    D = np.unique(D[(D & live).any(1)], axis=0)
    E = weight * np.einsum("gnk,nkh->gnh", D.reshape(len(D), *X.shape[:2]).astype(float), X, optimize=True)
    C = np.where(D[:, live], 1.0, -1.0)[:, :, None] * rows[live]
    return Cells(E, C, isinstance(patterns, str))


def _winning(X: Array, patterns: Patterns, seed: int, limit: int) -> Cells:
    n, K, h = X.shape
    first, second = np.triu_indices(K, 1)
    rows = np.concatenate([X, X[:, first] - X[:, second]], axis=1).reshape(-1, h)
    values = np.einsum("nkh,gh->gnk", X, _directions(rows[rows.any(1)], patterns, seed, limit), optimize=True)
    winner = np.where(values.max(2) >= 0, values.argmax(2), -1)
    winner = np.unique(winner[(winner >= 0).any(1)], axis=0)
    active = (winner >= 0)[:, :, None]
    won = X[np.arange(n), np.maximum(winner, 0)]  # (P, n, h)
    E = np.where(active, won, 0.0)
    itself = winner[:, :, None] == np.arange(K)
    C = np.where(itself[..., None], won[:, :, None], E[:, :, None] - X)  # E = 0 where no patch is active
    C = C.reshape(len(C), n * K, h)
    return Cells(E, C, isinstance(patterns, str))
