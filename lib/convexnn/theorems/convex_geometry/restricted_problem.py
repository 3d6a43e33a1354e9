"""The master of a cutting plane: the best strengths of the neurons found so far, and their dual vector.

    min over a, c0   L( Phi a + c0 1 ) + beta |a|_1              Phi (n, k) the activations of k unit neurons
    max over v       -L*(-v)   s.t.  |Phi'v| <= beta,  1'v = 0   (the equality, and c0, only with a free offset)

Squared and squared hinge loss: the dual is the nearest point of a polyhedron, solved exactly as one non-negative least
squares problem. Hinge: a linear program. Logistic: Newton, each step a weighted lasso.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from convexnn.losses import Loss, get_loss
from convexnn.numerics import Array, check_choice, check_finite
from convexnn.theorems.shared.extreme_points import nonnegative_fit

#: The linear program's own tolerances; their defaults, 1e-7, would end up in the bound.
EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}

#: Newton steps of the logistic master; near the optimum each doubles the digits.
NEWTON_STEPS = 60


@dataclass(frozen=True)
class Strengths:
    """Output weights a (k,), the free offset c0 (zero without one), and the dual vector v (n,) = -grad L."""

    a: Array
    c0: float
    v: Array


def restricted(Phi: Array, y: Array, beta: float, loss: str | Loss = "squared", offset: bool = False) -> Strengths:
    """Solve the master for one output; exact up to rounding.

    Raises ValueError for a loss without a master (cross entropy), or when two neurons coincide up to rounding.
    """
    check_finite(Phi=Phi, y=y)
    name = get_loss(loss).name
    check_choice("loss", name, MASTERS)
    return MASTERS[name](Phi, y, beta, offset)


def least_distance(target: Array, G: Array, h: Array) -> tuple[Array, Array]:
    """argmin |s - target| s.t. G s >= h, and multipliers lambda >= 0 with s = target + G'lambda.

    It is non-negative least squares on the rows (G, h - G target) (Lawson and Hanson's least distance problem).
    """
    need = h - G @ target
    rows = np.column_stack([G, need])
    q = nonnegative_fit(rows, -np.eye(rows.shape[1])[-1])
    scale = 1.0 - float(need @ q)
    if not scale > 0:
        raise ValueError("the restricted problem is degenerate: two neurons coincide up to rounding; loosen tol")
    lam = q / scale
    return np.asarray(target + G.T @ lam), np.asarray(lam)


def _squared(Phi: Array, y: Array, beta: float, offset: bool) -> Strengths:
    """v is the point of {|Phi'v| <= beta, 1'v = 0} nearest to y."""
    e = np.ones(len(y)) / np.sqrt(len(y)) if offset else None
    a, c = _lasso(Phi, y, beta, e)
    c0 = c / np.sqrt(len(y)) if offset else 0.0
    return Strengths(a, c0, y - Phi @ a - c0)


def _lasso(Phi: Array, y: Array, beta: float, e: Array | None) -> tuple[Array, float]:
    """argmin 1/2 |Phi a + c e - y|^2 + beta |a|_1 for a unit vector e whose weight c is free; taking e out of every
    column takes the equality e'v = 0 out of the dual."""
    k = Phi.shape[1]
    C, target = (Phi, y) if e is None else (Phi - np.outer(e, e @ Phi), y - e * float(e @ y))
    _, lam = least_distance(target, np.vstack([-C.T, C.T]), np.full(2 * k, -beta))
    a = np.asarray(lam[:k] - lam[k:])
    return a, 0.0 if e is None else float(e @ (y - Phi @ a))


def _squared_hinge(Phi: Array, y: Array, beta: float, offset: bool) -> Strengths:
    """v = y s with s the point of {s >= 0, |Phi'(y s)| <= beta, y's = 0} nearest to 1."""
    n, k = Phi.shape
    signed = y[:, None] * Phi
    ends = np.vstack([y, -y]) if offset else np.zeros((0, n))
    G = np.vstack([-signed.T, signed.T, np.eye(n), ends])
    s, lam = least_distance(np.ones(n), G, np.concatenate([np.full(2 * k, -beta), np.zeros(n + len(ends))]))
    c0 = float(lam[-1] - lam[-2]) if offset else 0.0
    return Strengths(lam[:k] - lam[k : 2 * k], c0, y * np.maximum(s, 0))


def _hinge(Phi: Array, y: Array, beta: float, offset: bool) -> Strengths:
    """min beta 1'(p + q) + 1'xi  s.t.  y (Phi (p - q) + c0) + xi >= 1;  v = y s, s the multipliers in [0, 1]."""
    n, k = Phi.shape
    signed, free = y[:, None] * Phi, y[:, None] if offset else np.zeros((n, 0))
    price = np.concatenate([np.full(2 * k, beta), np.zeros(free.shape[1]), np.ones(n)])
    bounds = [(0, None)] * (2 * k) + [(None, None)] * free.shape[1] + [(0, None)] * n
    rows = np.hstack([signed, -signed, free, np.eye(n)])
    found = linprog(price, A_ub=-rows, b_ub=-np.ones(n), bounds=bounds, method="highs-ds", options=EXACT)
    if not found.success:
        raise ValueError(f"the restricted hinge program was not solved ({found.message}); rescale the data")
    s = np.clip(-found.ineqlin.marginals, 0.0, 1.0)
    return Strengths(found.x[:k] - found.x[k : 2 * k], float(found.x[2 * k]) if offset else 0.0, y * s)


def _logistic(Phi: Array, y: Array, beta: float, offset: bool) -> Strengths:
    """Newton: the quadratic model at the current fit is a weighted lasso, solved exactly; halving keeps the descent."""
    a, c0 = np.zeros(Phi.shape[1]), 0.0

    def value(a: Array, c0: float) -> float:
        return float(np.logaddexp(0, -y * (Phi @ a + c0)).sum() + beta * np.abs(a).sum())

    for _ in range(NEWTON_STEPS):
        f, now = Phi @ a + c0, value(a, c0)
        v = _logistic_pull(f, y)
        root = np.sqrt(np.maximum(np.abs(v) * (1 - np.abs(v)), 1e-14))
        size = float(np.linalg.norm(root))
        goal, c = _lasso(root[:, None] * Phi, root * f + v / root, beta, root / size if offset else None)
        step, rise = goal - a, c / size - c0 if offset else 0.0
        t = 1.0
        while t > 1e-8 and value(a + t * step, c0 + t * rise) > now + 1e-14 * max(1.0, now):
            t /= 2
        a, c0 = a + t * step, c0 + t * rise
        if max(float(np.abs(step).max(initial=0.0)), abs(rise)) <= 1e-11 * max(1.0, float(np.abs(a).max(initial=0.0))):
            break
    return Strengths(a, c0, _logistic_pull(Phi @ a + c0, y))


def _logistic_pull(f: Array, y: Array) -> Array:
    """v = -grad sum log(1 + exp(-y f)) = y / (1 + exp(y f))."""
    return np.asarray(y * np.exp(-np.logaddexp(0, y * f)))


Master = Callable[[Array, Array, float, bool], Strengths]
MASTERS: dict[str, Master] = {
    "squared": _squared,
    "squared_hinge": _squared_hinge,
    "hinge": _hinge,
    "logistic": _logistic,
}
