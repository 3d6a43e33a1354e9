"""Activation patterns: the cells of the arrangement {u : x_k'u = 0}, all of them or a sample.

A pattern is a column of D, D[k, i] = 1[x_k'h_i >= 0] for a gate h_i inside cell i. Only cells with interior are
patterns: a u on a face lies in the closure of a cell i and (Xu)_+ = D_i X u there, so faces add nothing.

Count in general position, r = rank X, n = number of distinct lines among the rows:

    P = 2 sum_{k<r} C(n - 1, k)  <=  2 r (e (n - 1) / r)^r

Zero rows never switch (their bit is 1); rows that are multiples of each other switch together.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import comb
from typing import Literal, overload

import numpy as np

from convexnn.numerics import Array, BoolArray, check_finite

#: Rows are zero, parallel, or vanish at a vertex when the relative size is below this.
TIE_TOL = 1e-10
#: `enumerate_patterns` refuses arrangements with more cells than this unless told otherwise.
MAX_PATTERNS = 2_000_000
#: Rows collected before duplicates are dropped.
DISTINCT_EVERY = 200_000


@overload
def count_patterns(n: Array) -> int: ...
@overload
def count_patterns(n: int, r: int) -> int: ...
def count_patterns(n: int | Array, r: int | None = None) -> int:
    """Number of patterns in general position, 2 sum_{k<r} C(n-1, k).

    count_patterns(n, r) takes the number of distinct lines and the rank; count_patterns(X) reads both off X and is
    an upper bound when the lines of X are not in general position.
    """
    if not isinstance(n, int | np.integer):
        lines = _lines(np.asarray(n, dtype=np.float64))
        return count_patterns(len(lines.rows), lines.rows.shape[1])
    if r is None or r < 0 or n < 0:
        raise ValueError(f"count_patterns got n={n}, r={r}; pass a matrix X, or two integers n >= 0 and r >= 0")
    return 2 * sum(comb(int(n) - 1, k) for k in range(min(r, n))) if n and r else 1


@dataclass(frozen=True)
class _Lines:
    """The distinct lines among the rows of X, in coordinates of its row space where the rows are well spread.

    Patterns do not change when X is multiplied by an invertible matrix from the right, the numerics of vertices do:
    columns are brought to one length, then the rows to orthonormal columns.
    """

    rows: Array  # (m, r) unit rows, pairwise not parallel
    index: np.ndarray  # (n,) which line a row lies on, -1 for a zero row
    orientation: Array  # (n,) +1 or -1, 0 for a zero row
    lift: Array  # (r, d); u = lift.T @ z


def _lines(X: Array) -> _Lines:
    check_finite(X=X)
    if X.ndim != 2 or 0 in X.shape:
        raise ValueError(f"X has shape {X.shape}; pass a matrix with at least one row and one column")
    lengths = np.linalg.norm(X, axis=0)
    X = X / np.where(lengths > 0, lengths, 1.0)
    norms = np.linalg.norm(X, axis=1)
    alive = np.flatnonzero(norms > TIE_TOL * norms.max(initial=0.0)) if norms.max() > 0 else np.array([], dtype=int)
    index, orientation = np.full(len(X), -1), np.zeros(len(X))
    if len(alive) == 0:
        return _Lines(np.zeros((0, 0)), index, orientation, np.zeros((0, X.shape[1])))
    unit = X[alive] / norms[alive, None]
    _, s, Vt = np.linalg.svd(unit, full_matrices=False)
    basis = Vt[s > TIE_TOL * s[0] * max(unit.shape)]
    reduced = unit @ basis.T
    keep: list[int] = []
    for k, z in enumerate(reduced):
        dots = reduced[keep] @ z if keep else np.zeros(0)
        distance = np.sqrt(np.maximum(2 - 2 * np.abs(dots), 0))
        same = np.flatnonzero(distance < 1e-7)
        # 2 - 2|cos| loses half the digits: confirm with the difference itself.
        equal = [j for j in same if np.linalg.norm(z - np.sign(dots[j]) * reduced[keep[j]]) < TIE_TOL * 10]
        if not equal:
            keep.append(k)
        line = equal[0] if equal else len(keep) - 1
        index[alive[k]] = line
        orientation[alive[k]] = np.sign(reduced[keep[line]] @ z)
    _, s, Wt = np.linalg.svd(reduced[keep], full_matrices=False)
    spread = Wt.T / np.maximum(s, TIE_TOL * s[0])
    rows = reduced[keep] @ spread
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return _Lines(rows, index, orientation, spread.T @ basis / np.where(lengths > 0, lengths, 1.0))


@overload
def enumerate_patterns(X: Array, *, return_gates: Literal[False] = False, limit: int = ...) -> BoolArray: ...
@overload
def enumerate_patterns(X: Array, *, return_gates: Literal[True], limit: int = ...) -> tuple[BoolArray, Array]: ...
def enumerate_patterns(
    X: Array, *, return_gates: bool = False, limit: int = MAX_PATTERNS
) -> BoolArray | tuple[BoolArray, Array]:
    """Every pattern of X with a cell of non-empty interior, each once, in lexicographic order.

    X : (n, d) float64. Returns D (n, P) bool, and with `return_gates` also H (P, d): X @ H[i] has the signs of D[:, i].
    Cost: a vertex for each of the C(n, r - 1) subsets of rows, 2^r sign vectors of n bits at each, duplicates dropped
    as they come; ties are resolved by recursion on the tied rows.
    Raises ValueError when the counting formula exceeds `limit`: sample instead, or raise the limit.
    Source: Pilanci and Ergen (arXiv 2002.10553), arrangement of hyperplanes; this library's vertex enumeration.
    """
    lines = _lines(np.asarray(X, dtype=np.float64))
    m, r = lines.rows.shape
    expected = count_patterns(m, r)
    if expected > limit:
        raise ValueError(
            f"X has {m} distinct lines of rank {r}: up to {expected:,} patterns, more than limit={limit:,}; "
            "use sample_patterns(X, P), patterns=<int>, or pass a higher limit"
        )
    signs, gates = _cells(lines.rows)
    full = np.where(lines.index < 0, 1.0, lines.orientation * np.pad(signs, ((0, 0), (0, 1)))[:, lines.index])
    D = full.T > 0
    order = np.lexsort(D[::-1])
    D = np.ascontiguousarray(D[:, order])
    if not return_gates:
        return D
    H = gates[order] @ lines.lift
    return D, H / np.maximum(np.linalg.norm(H, axis=1, keepdims=True), 1e-300)


def _cells(Z: Array) -> tuple[Array, Array]:
    """Signs (P, m) and interior points (P, r) of all cells of a central arrangement of pairwise non-parallel lines.

    Each cell of an essential arrangement has an extreme ray. At the ray q spanned by a flat, the cells that touch q
    are the cells of the rows vanishing at q (an arrangement of one dimension less): recursion, then de-duplication.
    """
    m, r = Z.shape
    if r == 0:
        return np.ones((1, m)), np.zeros((1, 0))
    if r == 1:
        return np.array([np.sign(Z[:, 0]), -np.sign(Z[:, 0])]), np.array([[1.0], [-1.0]])
    kept: list[tuple[Array, Array]] = []
    rows = 0
    for q, tied in _rays(Z):
        kept.append(_cells_at(Z, q, tied))
        rows += len(kept[-1][0])
        if rows > DISTINCT_EVERY:
            kept, rows = [_distinct(kept)], 0
    return _distinct(kept)


def _distinct(blocks: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Blocks of signs and gates joined, each sign vector once."""
    S, H = (np.concatenate(parts) for parts in zip(*blocks))
    _, first = np.unique(np.packbits(S > 0, axis=1), axis=0, return_index=True)
    return S[first], H[first]


def _rays(Z: Array) -> list[tuple[Array, np.ndarray]]:
    """The one-dimensional flats: unit q and the indices of the rows that vanish there, each flat once."""
    m, r = Z.shape
    subsets = np.array(list(combinations(range(m), r - 1)))
    rays: list[tuple[Array, np.ndarray]] = []
    seen: set[bytes] = set()
    for start in range(0, len(subsets), 50_000):
        chunk = subsets[start : start + 50_000]
        _, s, Vt = np.linalg.svd(Z[chunk], full_matrices=True)
        independent = s[:, -1] > 1e-9
        Q = Vt[independent, -1]
        vanish = np.abs(Z @ Q.T) < TIE_TOL * 10 / s[independent, -1]
        for q, tied, subset in zip(Q, vanish.T, chunk[independent]):
            tied[subset] = True
            if tied.sum() > r - 1:  # a degenerate flat is met by several subsets
                if (name := np.packbits(tied).tobytes()) in seen:
                    continue
                seen.add(name)
            rays.append((q, np.flatnonzero(tied)))
    return rays


def _cells_at(Z: Array, q: Array, tied: np.ndarray) -> tuple[Array, Array]:
    """The cells whose closure holds q or -q."""
    r = Z.shape[1]
    local = Z[tied]
    if len(tied) == r - 1:  # independent rows: every sign vector is a cell
        inner = np.array(list(product((1.0, -1.0), repeat=r - 1)))
        steps = np.linalg.lstsq(local, inner.T, rcond=None)[0].T
    else:
        _, s, Vt = np.linalg.svd(local, full_matrices=False)
        basis = Vt[: r - 1][s[: r - 1] > 1e-9 * s[0]]  # they vanish at q: their rank is below r
        inner, points = _cells(local @ basis.T)
        steps = points @ basis
    outer = Z @ q
    outer[tied] = 0.0
    loose = np.flatnonzero(outer)
    moved = np.abs(steps @ Z[loose].T)
    length = 0.5 * (np.abs(outer[loose]) / np.maximum(moved, 1e-300)).min(1, initial=1.0)
    signs, gates = [], []
    for side in (1.0, -1.0):
        block = np.tile(side * np.sign(outer), (len(inner), 1))
        block[:, tied] = inner
        signs.append(block)
        gates.append(side * q + length[:, None] * steps)
    H = np.concatenate(gates)
    return np.concatenate(signs), H / np.linalg.norm(H, axis=1, keepdims=True)


def sample_patterns(
    X: Array, P: int, *, seed: int = 0, return_gates: bool = False, distinct: bool = True
) -> BoolArray | tuple[BoolArray, Array]:
    """The patterns 1[X h >= 0] of P Gaussian gates h, without duplicates and without the all-zero pattern.

    Returns D (n, P') bool with P' <= P, in the order drawn, and with `return_gates` also H (P', d).
    A cell is hit with probability equal to its solid angle: thin cells are missed. Larger P with the same seed
    gives a superset, so the values of the sampled programs are monotone.
    """
    check_finite(X=X)
    if np.ndim(X) != 2 or 0 in np.shape(X):
        raise ValueError(f"X has shape {np.shape(X)}; pass a matrix with at least one row and one column")
    if isinstance(P, bool) or not (isinstance(P, int | np.integer) and P >= 1):
        raise ValueError(f"P is {P!r}; pass a positive number of gates to draw")
    H = np.random.default_rng(seed).standard_normal((int(P), X.shape[1]))
    D = X @ H.T >= 0
    keep = np.flatnonzero(D.any(0))
    if distinct:
        keep = keep[first_occurrences(D[:, keep])]
    D = np.ascontiguousarray(D[:, keep])
    return (D, H[keep]) if return_gates else D


def patterns_of(X: Array, H: Array) -> BoolArray:
    """D (n, P) with D[k, i] = 1[x_k'h_i >= 0] for gates H (P, d)."""
    return np.asarray(X @ H.T >= 0)


def first_occurrences(D: BoolArray) -> np.ndarray:
    """Indices of the first column of each distinct pattern, ascending (exact: whole packed words are compared)."""
    return np.sort(np.unique(pack(D), axis=0, return_index=True)[1])


def pack(D: BoolArray) -> np.ndarray:
    """Bit-packed patterns, (P, ceil(n / 8)) uint8: n P / 8 bytes, one row a pattern."""
    return np.packbits(D, axis=0).T.copy()


def unpack(words: np.ndarray, n: int) -> BoolArray:
    """The inverse of `pack`."""
    return np.unpackbits(np.ascontiguousarray(words.T), axis=0, count=n).astype(bool)


def is_realised(X: Array, D: BoolArray) -> BoolArray:
    """(P,) whether the cell of each pattern has an interior (one LP each)."""
    depth = np.array([_deepest(X, D[:, i])[1] for i in range(D.shape[1])])
    return depth > 1e-9


def gates_of(X: Array, D: BoolArray) -> Array:
    """H (P, d) with 1[X h_i >= 0] = D[:, i], each deep inside its cell (one LP each).

    Raises ValueError naming the first column that is no pattern of X.
    """
    H = np.zeros((D.shape[1], X.shape[1]))
    for i in range(D.shape[1]):
        H[i], depth = _deepest(X, D[:, i])
        if not depth > 1e-9:
            raise ValueError(f"column {i} of patterns is not the activation pattern of any gate; use sample_patterns")
    return H


def _deepest(X: Array, pattern: BoolArray) -> tuple[Array, float]:
    """argmax and max over |u|_inf <= 1 of min_k s_k x_k'u / |x_k|; the value is <= 0 for an empty cell."""
    from scipy.optimize import linprog

    norms = np.linalg.norm(X, axis=1)
    if not pattern[norms == 0].all():
        return np.zeros(X.shape[1]), 0.0
    unit = np.where(pattern[norms > 0], 1.0, -1.0)[:, None] * X[norms > 0] / norms[norms > 0, None]
    rows = np.hstack([-unit, np.ones((len(unit), 1))])
    bounds = [(-1.0, 1.0)] * X.shape[1] + [(None, 1.0)]
    solved = linprog(np.append(np.zeros(X.shape[1]), -1.0), A_ub=rows, b_ub=np.zeros(len(unit)), bounds=bounds)
    return (solved.x[:-1], -solved.fun) if solved.status == 0 else (np.zeros(X.shape[1]), 0.0)
