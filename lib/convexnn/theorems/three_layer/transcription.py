"""The finite program and its finite dual in the paper's letters, for CVXPY; independent of the fast program.

P1: all first-layer patterns. A tuple of options (D_1j, s_j) with a second-layer pattern D_2 is a group:

    primal   min 1/2 |sum_g D_2 sum_j D_1j X (v_j - w_j) - y|^2 + beta sum (|v_j| + |w_j|),  both in the cones
    dual     max lam'y - |lam|^2 / 2   s.t. for every group and sign e there are alpha_j, alpha >= 0 with
             | e X'D_1j D_2 lam + s_j X'(2 D_1j - I) alpha_j + X'D_1j (2 D_2 - I) alpha | <= beta   for all j

`shared=True` keeps one pattern index for all neurons of a branch: a smaller feasible set.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np

from convexnn.numerics import Array
from convexnn.patterns import enumerate_patterns

Group = tuple[list[Array], list[float], Array]


def groups_in_print(X: Array, m: int, shared: bool = False) -> list[Group]:
    """Tuples of options with the second-layer patterns that are not fixed by the first layer."""
    P1 = [D.astype(float) for D in enumerate_patterns(X).T if D.any()]
    options = [(i, s) for i in range(len(P1)) for s in (1.0, -1.0)]
    found = []
    for T in combinations_with_replacement(options, m):
        if all(s < 0 for _, s in T) or (shared and len({i for i, _ in T}) > 1):
            continue
        D, s = [P1[i] for i, _ in T], [sign for _, sign in T]
        rise = np.max([Dj * (sj > 0) for Dj, sj in zip(D, s)], axis=0)
        fall = np.max([Dj * (sj < 0) for Dj, sj in zip(D, s)], axis=0)
        both = np.flatnonzero(rise * fall)
        for bits in product((0.0, 1.0), repeat=len(both)):
            D2 = np.where(fall > 0, 0.0, 1.0)
            D2[both] = bits
            found.append((D, s, D2))
    return found


def matrices(X: Array, groups: list[Group]) -> tuple[Array, Any]:
    """Phi (n, G m d) and the block-diagonal sparse rows of the cones."""
    from scipy.sparse import block_diag

    Phi, C = [], []
    for D, s, D2 in groups:
        Phi.append(np.hstack([(D2 * Dj)[:, None] * X for Dj in D]))
        first = block_diag([sj * (2 * Dj - 1)[:, None] * X for Dj, sj in zip(D, s)]).toarray()
        C.append(np.vstack([first, np.hstack([((2 * D2 - 1) * Dj)[:, None] * X for Dj in D])]))
    return np.hstack(Phi), block_diag(C, format="csr")


def primal(X: Array, y: Array, beta: float, m: int, shared: bool = False, frobenius: bool = False) -> Any:
    """The program as a cvxpy.Problem."""
    import cvxpy as cp

    Phi, C = matrices(X, groups := groups_in_print(X, m, shared))
    v, w = cp.Variable(Phi.shape[1]), cp.Variable(Phi.shape[1])
    size = (len(groups), m * X.shape[1]) if frobenius else (len(groups) * m, X.shape[1])

    def norm(z: Any) -> Any:
        return cp.sum(cp.norm(cp.reshape(z, size, order="C"), 2, axis=1))

    value = cp.sum_squares(Phi @ (v - w) - y) / 2 + beta * (norm(v) + norm(w))
    return cp.Problem(cp.Minimize(value), [C @ v >= 0, C @ w >= 0])


def dual(X: Array, y: Array, beta: float, m: int, frobenius: bool = False) -> Any:
    """The finite dual as a cvxpy.Problem."""
    import cvxpy as cp

    Phi, C = matrices(X, groups := groups_in_print(X, m))
    size = (len(groups), m * X.shape[1]) if frobenius else (len(groups) * m, X.shape[1])
    lam, limits = cp.Variable(len(X)), []
    for e in (1.0, -1.0):
        alpha = cp.Variable(C.shape[0], nonneg=True)
        pull = cp.reshape(e * (Phi.T @ lam) + C.T @ alpha, size, order="C")
        limits.append(cp.norm(pull, 2, axis=1) <= beta)
    return cp.Problem(cp.Maximize(lam @ y - cp.sum_squares(lam) / 2), limits)
