"""The exact optimum with every neuron confined to the closed cell it is in, offset and free biases included.

    min over z_k, o    L( sum_k s_k D_k R z_k + 1 o ) + beta sum_k |z_k|_decayed + [ridge] beta/2 o^2
    subject to         (2 D_k - I) R z_k >= 0

a second-order cone program in the strengths z_k = |a_k| w_k; its dual vector proves what descent can only approach.
Only rows near a neuron are written down, those that turn out violated are added. One output, one row a sample.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse

from convexnn.numerics import Array, BoolArray
from convexnn.your_network.problem import Neurons, Problem

#: Largest n p m of a program, rows within this cosine of a cell's boundary are written down, rounds of adding others.
LARGEST, NEAR, ROUNDS = 400_000, 0.2, 6
#: Violations up to this share of |x||z| are rounding, and strengths below FAINT of the largest are dropped.
VIOLATED, FAINT = 1e-9, 1e-8


def fits(problem: Problem, net: Neurons) -> bool:
    """Whether the program exists for this problem and is of reasonable size."""
    plain = problem.outputs == 1 and problem.K == 1 and problem.loss.name != "cross_entropy"
    return plain and 0 < net.width * problem.rows.size <= LARGEST


def inside_cells(problem: Problem, net: Neurons) -> tuple[Neurons, Array | None]:
    """The better of `net` and the program's optimum, and the program's dual vector (n, 1) where it was solved."""
    z, s = one_per_cell(problem, net)
    if not len(z):
        return net, None
    rows = problem.rows
    D = rows @ z.T >= 0
    S = np.where(D, 1.0, -1.0)
    lengths = np.maximum(np.linalg.norm(rows, axis=1), 1e-300)[:, None]
    wanted = S * (rows @ z.T) <= NEAR * lengths * np.linalg.norm(z, axis=1)
    for _ in range(ROUNDS):
        solved = _solve(problem, s, D, S, wanted)
        if solved is None:
            return net, None
        z, o, v = solved
        wrong = S * (rows @ z.T) < -VIOLATED * lengths * np.linalg.norm(z, axis=1)
        if not (wrong & ~wanted).any():
            break
        wanted |= wrong
    size = np.sqrt(z**2 @ problem.decayed)
    kept = np.linalg.norm(z, axis=1) > FAINT * max(1e-300, float(np.linalg.norm(z, axis=1).max()))
    root = np.sqrt(np.where(size > 0, size, 1.0))[:, None]
    better = problem.balanced(Neurons((z / root)[kept], (s[:, None] * root)[kept], o))
    return better if problem.value(better) < problem.value(net) else net, v


def one_per_cell(problem: Problem, net: Neurons) -> tuple[Array, Array]:
    """Strengths z (k, p) and signs (k,) with the neurons of one cell and one sign added up."""
    net = net.keep(problem.alive(net))
    a = net.A[:, 0]
    z = np.abs(a)[:, None] * net.W
    key = np.concatenate([np.packbits(problem.rows @ net.W.T >= 0, axis=0).T, (a > 0)[:, None]], axis=1)
    _, first, group = np.unique(key, axis=0, return_index=True, return_inverse=True)
    joined = np.zeros((len(first), z.shape[1]))
    np.add.at(joined, group.ravel(), z)
    return joined, np.sign(a[first])


def _solve(problem: Problem, s: Array, D: BoolArray, S: Array, wanted: BoolArray) -> tuple[Array, Array, Array] | None:
    """z (k, p), o (1,) and v (n, 1), or None when the conic solver gives up."""
    import cvxpy as cp

    R, (k, p) = problem.rows, (len(s), problem.rows.shape[1])
    A = np.hstack([s[j] * D[:, j : j + 1] * R for j in range(k)])
    cone = sparse.block_diag([S[wanted[:, j], j][:, None] * R[wanted[:, j]] for j in range(k)], format="csr")
    z, o, f = cp.Variable(k * p), cp.Variable(), cp.Variable(problem.n)
    penalised = cp.reshape(z, (k, p), order="C")[:, : p - 1 if problem.free_bias else p]
    fit = f == A @ z + (o if problem.constants != "none" else 0.0)
    constraints = [fit, *([cone @ z >= 0] if cone.shape[0] else []), *([o == 0] if problem.constants == "none" else [])]
    cost = loss_of(problem, f) + problem.beta * cp.sum(cp.norm(penalised, 2, axis=1))
    if problem.constants == "ridge":
        cost += 0.5 * problem.ridge * problem.beta * cp.square(o)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "inaccurate": the caller compares values anyway
            cp.Problem(cp.Minimize(cost), constraints).solve(
                solver=cp.CLARABEL, tol_gap_rel=1e-11, tol_gap_abs=1e-11, tol_feas=1e-11
            )
    except (cp.SolverError, ValueError):
        return None
    if z.value is None or not np.isfinite(z.value).all():
        return None
    offset = np.zeros(1) if problem.constants == "none" else np.reshape(np.asarray(o.value, dtype=np.float64), 1)
    return np.asarray(z.value).reshape(k, p), offset, np.asarray(fit.dual_value)[:, None]


def loss_of(problem: Problem, f: Any) -> Any:
    """The loss as a cvxpy expression."""
    import cvxpy as cp

    y = problem.Y[:, 0]
    m = cp.multiply(y, f)
    terms = {
        "squared": lambda: 0.5 * cp.sum_squares(f - y),
        "logistic": lambda: cp.sum(cp.logistic(-m)),
        "hinge": lambda: cp.sum(cp.pos(1 - m)),
        "squared_hinge": lambda: 0.5 * cp.sum(cp.square(cp.pos(1 - m))),
    }
    return terms[problem.loss.name]()
