"""Consequences of the two-layer theorem: interpolation, low-rank data, and what a gated solution says about ReLU."""

from __future__ import annotations

import numpy as np

from convexnn.numerics import Array, check_finite
from convexnn.patterns import enumerate_patterns
from convexnn.types import Data


def minimum_norm(X: Array, y: Array) -> float:
    """The gauge of y: the smallest sum_j |a_j| of a ReLU network with |u_j| <= 1 that interpolates y.

        min sum_i |v_i| + |w_i|   s.t.  sum_i D_i X (v_i - w_i) = y,  S_i X v_i >= 0,  S_i X w_i >= 0

    It is the limit of p*(beta) / beta as beta tends to 0. Returns inf when no network interpolates.
    Source: Pilanci and Ergen (arXiv 2002.10553), the rectified-ellipsoid gauge.
    """
    import cvxpy as cp

    check_finite(X=X, y=y)
    D = enumerate_patterns(X).astype(float)
    v, w = cp.Variable((X.shape[1], D.shape[1])), cp.Variable((X.shape[1], D.shape[1]))
    constraints = [
        cp.sum(cp.multiply(D, X @ (v - w)), axis=1) == y,
        cp.multiply(2 * D - 1, X @ v) >= 0,
        cp.multiply(2 * D - 1, X @ w) >= 0,
    ]
    problem = cp.Problem(cp.Minimize(cp.sum(cp.norm(v, 2, axis=0)) + cp.sum(cp.norm(w, 2, axis=0))), constraints)
    return float(problem.solve(solver=cp.CLARABEL))


def low_rank(data: Data, k: int) -> tuple[Data, float]:
    """The data with X replaced by its best rank-k approximation, and the factor its optimum can lose.

        p* <= p_k <= p* (1 + sigma_{k+1} |y| / (2 beta))^2        squared loss, sigma the first dropped singular value

    One-sided: the optimal neurons lie in the top-k right singular space, where X u and X_k u agree.
    Source: derived for this project.
    """
    U, s, Vt = np.linalg.svd(data.X, full_matrices=False)
    if not 1 <= k <= len(s):
        raise ValueError(f"k is {k}; pass a rank between 1 and {len(s)}")
    sigma = float(s[k]) if k < len(s) else 0.0
    factor = (1 + sigma * float(np.linalg.norm(data.y)) / (2 * data.beta)) ** 2
    return Data((U[:, :k] * s[:k]) @ Vt[:k], data.y, data.beta, f"{data.name}, rank {k}"), factor


def cone_decomposition(X: Array, D: Array, W: Array) -> float:
    """The extra norm that a gated solution needs to become a ReLU network with the same predictions.

        min sum_i |a_i| + |b_i|   s.t.  a_i - b_i = W_i,  a_i, b_i in K_i

    X (n, d), D (n, P) bool, W (P, d). The predictions D_i X W_i are kept, so  L(f) + beta * (this value)  is an upper
    bound on the ReLU program, and the gated program a lower one. Infinite when a cone has no interior.
    Source: Mishkin, Sahiner and Pilanci (arXiv 2202.01331), cone decompositions.
    """
    import cvxpy as cp

    total = 0.0
    for i in np.flatnonzero(np.linalg.norm(W, axis=1) > 0):
        S = np.where(D[:, i], 1.0, -1.0)[:, None] * X
        a = cp.Variable(X.shape[1])
        problem = cp.Problem(cp.Minimize(cp.norm(a) + cp.norm(a - W[i])), [S @ a >= 0, S @ (a - W[i]) >= 0])
        total += float(problem.solve(solver=cp.CLARABEL))
    return total
