"""The programs in the paper's letters, squared loss, for CVXPY: cell by cell, with sums over patches written out.

max pooling lists every cell of the patches and of their differences, finer than needed; the circular program is in z
and complex F z; the three-layer one in c_k, with every combination of patterns, empty cells included.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from convexnn.numerics import BoolArray
from convexnn.patterns import enumerate_patterns
from convexnn.types import Data


def pooled_reference(data: Data, pooling: str) -> Any:
    """Sum, average and max pooling, and "flat" linear with the nuclear norm."""
    import cvxpy as cp

    n, K, h = data.X.shape
    patch = [data.X[:, k] for k in range(K)]
    if pooling == "flat":
        Z = cp.Variable((h, K))
        f = sum(patch[k] @ Z[:, k] for k in range(K))
        return cp.Problem(cp.Minimize(0.5 * cp.sum_squares(f - data.y) + data.beta * cp.normNuc(Z)))
    M = np.vstack(patch)
    if pooling == "max":
        M = np.vstack([M, *(patch[k] - patch[j] for k in range(K) for j in range(k))])
    f, penalty, constraints = 0, 0, []
    for D in enumerate_patterns(M).T:
        E = sum(on[:, None] * patch[k] for k, on in enumerate(_above(D, n, K, pooling)))
        E = E / K if pooling == "average" else E
        for sign in (1, -1):
            c = cp.Variable(h)
            f, penalty = f + sign * (E @ c), penalty + cp.norm(c, 2)
            constraints.append(((2.0 * D - 1)[:, None] * M) @ c >= 0)
    return cp.Problem(cp.Minimize(0.5 * cp.sum_squares(f - data.y) + data.beta * penalty), constraints)


def _above(D: BoolArray, n: int, K: int, pooling: str) -> list[BoolArray]:
    """For every patch, the samples in which it counts: active, and with max pooling not below any other patch."""
    above = [D[k * n : (k + 1) * n] for k in range(K)]
    if pooling == "max":
        pair = iter(np.split(D[K * n :], K * (K - 1) // 2))
        for k in range(K):
            for j in range(k):
                larger = next(pair)
                above[k], above[j] = above[k] & larger, above[j] & ~larger
    return above


def circular_reference(data: Data, rho: float) -> Any:
    """beta / rho times the sum of the moduli of F z, F the unitary transform; X (n, d)."""
    import cvxpy as cp

    d = data.X.shape[1]
    F = np.exp(-2j * np.pi * np.outer(np.arange(d), np.arange(d)) / d) / np.sqrt(d)
    f, penalty, constraints = 0, 0, []
    for D in enumerate_patterns(data.X).T:
        for sign in (1, -1):
            z = cp.Variable(d)
            f = f + sign * ((D[:, None] * data.X) @ z)
            parts = cp.vstack([F.real @ z, F.imag @ z])
            penalty = penalty + cp.sum(cp.norm(parts, 2, axis=0))
            constraints.append(((2.0 * D - 1)[:, None] * data.X) @ z >= 0)
    return cp.Problem(cp.Minimize(0.5 * cp.sum_squares(f - data.y) + data.beta / rho * penalty), constraints)


def two_relu_reference(data: Data) -> Any:
    """Every first-layer combination, every sign vector, every second-layer pattern, whether or not the cells meet."""
    import cvxpy as cp
    from scipy.sparse import block_diag

    K, h = data.X.shape[1:]
    first = [enumerate_patterns(data.X[:, k]).T for k in range(K)]
    maps, cones = [], []
    for D1, signs in product(product(*first), product((1, -1), repeat=K)):
        A = np.hstack([signs[k] * D1[k][:, None] * data.X[:, k] for k in range(K)])
        inner = block_diag([(2.0 * D1[k] - 1)[:, None] * data.X[:, k] for k in range(K)]).toarray()
        for D2 in enumerate_patterns(A).T if A.any() else ():
            for outer in (1, -1):
                maps.append(outer * D2[:, None] * A)
                cones.append(np.vstack([(2.0 * D2 - 1)[:, None] * A, inner]))
    c = cp.Variable(len(maps) * K * h)
    lengths = cp.norm(cp.reshape(c, (len(maps), K * h), order="C"), 2, axis=1)
    fit = 0.5 * cp.sum_squares(np.hstack(maps) @ c - data.y)
    return cp.Problem(cp.Minimize(fit + data.beta * cp.sum(lengths)), [block_diag(cones).tocsr() @ c >= 0])
