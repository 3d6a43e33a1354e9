"""The programs for vector outputs in the paper's letters, written for CVXPY and for nothing else.

    copositive   min over U_i in C_i    1/2 tr( Y' (I + 2 sum_i D_i X U_i X'D_i)^{-1} Y ) + beta^2 sum_i tr U_i
    nuclear      min over V_i, W_i in C_i, R_i   L( sum_i D_i X V_i ) + beta/2 sum_i ( tr W_i + tr R_i ),
                 [W_i, V_i; V_i', R_i] >= 0

C_i = conv { u u' : S_i X u >= 0 } is replaced by { U >= 0 : S_i X U X'S_i >= 0 entry by entry }, which equals it for
rank X <= 2 and for n <= 4 and contains it always.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convexnn.numerics import Array, BoolArray
from convexnn.patterns import enumerate_patterns
from convexnn.types import Data


def _cells(data: Data, D: BoolArray | None) -> list[tuple[Array, Array]]:
    """D_i X and S_i X for every pattern, with plain diagonal matrices."""
    patterns = enumerate_patterns(data.X) if D is None else D
    pairs = []
    for d in patterns.T:
        diagonal = np.diag(d.astype(float))
        pairs.append((diagonal @ data.X, (2 * diagonal - np.eye(data.n)) @ data.X))
    return pairs


def _constraints(U: Any, SX: Array, coned: bool) -> list[Any]:
    """S X U X'S >= 0: each pair of rows once, at unit length; the diagonal is >= 0 already because U >= 0."""
    import cvxpy as cp

    size = np.linalg.norm(SX, axis=1)
    unit = SX[size > 0] / size[size > 0, None]
    return [cp.upper_tri(unit @ U @ unit.T) >= 0] if coned and len(unit) > 1 else []


def copositive_reference(data: Data, D: BoolArray | None, coned: bool) -> Any:
    """The copositive program over doubly non-negative matrices; its variables in order of their id are 2 beta U_i.

    That scale is the one of the weights, whatever beta is; with U_i itself the solver loses digits when beta is small.
    """
    import cvxpy as cp

    Y = data.y.reshape(data.n, -1)
    kernel, trace, constraints = np.eye(data.n), 0, []
    for DX, SX in _cells(data, D):
        U = cp.Variable((data.X.shape[1], data.X.shape[1]), PSD=True) / (2 * data.beta)
        kernel = kernel + 2 * (DX @ U @ DX.T)
        trace = trace + cp.trace(U)
        constraints += _constraints(U, SX, coned)
    fit = sum(cp.matrix_frac(y, kernel) for y in Y.T)
    return cp.Problem(cp.Minimize(0.5 * fit + data.beta**2 * trace), constraints)


def nuclear_reference(data: Data, D: BoolArray | None, coned: bool, loss: str) -> Any:
    """The finite program with the norm N_i written as a semidefinite block."""
    import cvxpy as cp

    Y = data.y.reshape(data.n, -1)
    d, c = data.X.shape[1], Y.shape[1]
    fit, price, constraints = 0, 0, []
    for DX, SX in _cells(data, D):
        block = cp.Variable((d + c, d + c), PSD=True)
        fit = fit + DX @ block[:d, d:]
        price = price + 0.5 * cp.trace(block)
        constraints += _constraints(block[:d, :d], SX, coned)
    margin = cp.multiply(Y, fit)
    terms = {
        "squared": lambda: 0.5 * cp.sum_squares(fit - Y),
        "cross_entropy": lambda: cp.sum(cp.log_sum_exp(fit, axis=1)) - cp.sum(cp.multiply(Y, fit)),
        "logistic": lambda: cp.sum(cp.logistic(-margin)),
        "hinge": lambda: cp.sum(cp.pos(1 - margin)),
        "squared_hinge": lambda: cp.sum(cp.square(cp.pos(1 - margin))) / 2,
    }
    return cp.Problem(cp.Minimize(terms[loss]() + data.beta * price), constraints)


def moment_reference(data: Data) -> Any:
    """A lower bound without any patterns: moments L of (p, q, u, a), p = (Xu)_+, q = (-Xu)_+, size 2 n + d + c.

        min 1/2 |L_pa - Y|^2 + beta/2 tr(L_uu + L_aa)
        s.t. L >= 0,  p - q = X u,  diag L_pq = 0,  L_pp, L_pq, L_qq >= 0 entry by entry

    The equation is used to write L = B M B^T with the moments M of (q, u, a) alone: M has an interior, L has none.

    Source: Prakhya, Birdal and Yurtsever (2025), a completely positive program of which this is the relaxation.
    """
    import cvxpy as cp

    Y = data.y.reshape(data.n, -1)
    n, d, c = data.n, data.X.shape[1], Y.shape[1]
    M = cp.Variable((n + d + c, n + d + c), PSD=True)
    B = np.vstack([np.hstack([np.eye(n), data.X, np.zeros((n, c))]), np.eye(n + d + c)])  # p = q + X u
    L = B @ M @ B.T
    constraints = [cp.diag(L[:n, n : 2 * n]) == 0, L[: 2 * n, : 2 * n] >= 0]
    price = 0.5 * data.beta * cp.trace(L[2 * n :, 2 * n :])
    return cp.Problem(cp.Minimize(0.5 * cp.sum_squares(L[:n, 2 * n + d :] - Y) + price), constraints)
