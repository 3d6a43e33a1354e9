"""The master of a cutting plane: the best strengths of the neurons found so far, and their dual vector.

    min over a, c0   L( Phi a + c0 1 ) + beta |a|_1              Phi (n, k) the activations of k unit neurons
    max over v       -L*(-v)   s.t.  |Phi'v| <= beta,  1'v = 0   (the equality, and c0, only with a free offset)

Squared and squared hinge loss: the dual is the nearest point of a polyhedron, solved exactly as one non-negative least
squares problem. Hinge: a linear program. Logistic: a smooth problem with bounds, then Newton steps on the support.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog, minimize

from convexnn.losses import Loss, get_loss
from convexnn.numerics import Array, check_choice, check_finite
from convexnn.theorems._extreme_points import nonnegative_fit

#: The linear program's own tolerances; their defaults, 1e-7, would end up in the bound.
EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


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
    """v is the point of {|Phi'v| <= beta, 1'v = 0} nearest to y; centring the columns takes the equality away."""
    centre = (lambda z: z - z.mean(0)) if offset else (lambda z: z)
    k, C = Phi.shape[1], centre(Phi)
    v, lam = least_distance(centre(y), np.vstack([-C.T, C.T]), np.full(2 * k, -beta))
    a = lam[:k] - lam[k:]
    return Strengths(a, float((y - Phi @ a).mean()) if offset else 0.0, v)


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
    """a = p - q with p, q >= 0 makes the penalty linear; Newton on the support takes the last digits."""
    n, k = Phi.shape
    columns = np.hstack([Phi, np.ones((n, 1 if offset else 0))])
    m = columns.shape[1]
    if m == 0:
        return Strengths(np.zeros(0), 0.0, _logistic_parts(0 * y, y)[1])
    price = np.concatenate([np.full(k, beta), np.zeros(m - k)])

    def both(x: Array) -> tuple[float, Array]:
        value, v = _logistic_parts(columns @ (x[:m] - x[m:]), y)
        g = -columns.T @ v
        return value + float(price @ (x[:m] + x[m:])), np.concatenate([price + g, price - g])

    options = {"maxiter": 5000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 50}
    found = minimize(both, np.zeros(2 * m), jac=True, method="L-BFGS-B", bounds=[(0, None)] * 2 * m, options=options)
    w = _newton(columns, y, price, found.x[:m] - found.x[m:], k)
    return Strengths(w[:k], float(w[k]) if offset else 0.0, _logistic_parts(columns @ w, y)[1])


def _logistic_parts(f: Array, y: Array) -> tuple[float, Array]:
    """sum log(1 + exp(-y f)) and v = -grad = y / (1 + exp(y f))."""
    m = y * f
    return float(np.logaddexp(0, -m).sum()), np.asarray(y * np.exp(-np.logaddexp(0, m)))


def _newton(columns: Array, y: Array, price: Array, w: Array, k: int, steps: int = 30) -> Array:
    """Newton steps with halving on the support and signs of w; a weight that would change sign ends them."""
    small = np.abs(w[:k]) <= 1e-7 * max(1.0, float(np.abs(w).max(initial=0.0)))
    w = np.append(np.where(small, 0.0, w[:k]), w[k:])
    live = np.append(~small, np.ones(len(w) - k, dtype=bool))
    sign, S = np.sign(w[live]), columns[:, live]

    def value(x: Array) -> float:
        return _logistic_parts(S @ x, y)[0] + float(price[live] @ np.abs(x))

    x = w[live]
    for _ in range(steps if live.any() else 0):
        v = _logistic_parts(S @ x, y)[1]
        curvature = np.abs(v) * (1 - np.abs(v))
        g = price[live] * np.where(price[live] > 0, sign, 0) - S.T @ v
        step = np.linalg.lstsq(S.T @ (curvature[:, None] * S), g, rcond=1e-13)[0]
        t = 1.0
        while t > 1e-8 and value(x - t * step) > value(x):
            t /= 2
        moved = x - t * step
        if (moved * sign < 0)[price[live] > 0].any() or value(moved) >= value(x):
            break
        x = moved
    out = np.zeros(len(w))
    out[live] = x
    return out


Master = Callable[[Array, Array, float, bool], Strengths]
MASTERS: dict[str, Master] = {
    "squared": _squared,
    "squared_hinge": _squared_hinge,
    "hinge": _hinge,
    "logistic": _logistic,
}
