"""The dual of a standard deep network, as a certified search over one number.

A standard network of L layers with squared decay, all layers but the last two of norm at most t, is

    P = min over t   beta (L-2)/2 t^2 + min { loss(f) + b cost(f) },   b = beta t^{-(L-2)}

where cost(f) is what the last two layers pay with unit norms before them. Dualising those two layers replaces cost by
its convex envelope, the gauge of the *parallel* network, and the inner minimum by V(b) = min_f loss(f) + b gauge(f):

    D = min over b > 0   V(b) + price(b) <= P,      price(b) = beta (L-2)/2 (beta / b)^{2/(L-2)}
      = min over f       loss(f) + (beta L/2) gauge(f)^{2/L}.

V is concave and price convex, so on an interval of b the sum lies above (chord of lower bounds of V) + price, whose
minimum is a formula. Splitting the worst interval gives bounds on D that close. Source: Wang, Ergen and Pilanci
(arXiv 2110.06482) for the dual; the search is this project's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from convexnn.numerics import check_positive

#: value(b) -> (lower, upper) bounds of V(b); a closed form returns the same number twice.
Value = Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class DualBound:
    """lower <= D <= upper; `b` is the parallel regularisation at which the smallest value was seen, inf for f = 0."""

    lower: float
    upper: float
    b: float
    evaluations: int


def standard_dual(
    value: Value, beta: float, depth: int, null: float, top: float, tol: float = 1e-9, limit: int = 200
) -> DualBound:
    """Bounds on D for a standard network of `depth` layers with squared decay.

    value  bounds of V, the optimum of the parallel problem with gauge weight b
    null   loss(0);  top  a b from which on f = 0 is optimal, so that V(b) = null
    tol    upper - lower to reach;  limit  evaluations of `value`
    Raises ValueError for a depth below 2. Losses are >= 0, so that V >= 0.
    """
    check_positive(beta=beta, top=top, tol=tol)
    if not depth >= 2:
        raise ValueError(f"depth is {depth}; pass a number of layers >= 2")
    if depth == 2:
        lower, upper = value(beta)
        return DualBound(lower, upper, beta, 1)
    if null <= 0:
        return DualBound(0.0, 0.0, np.inf, 0)
    q = 2.0 / (depth - 2)
    a = beta * (depth - 2) / 2 * beta**q  # price(b) = a b^{-q}
    start = (a / null) ** (1 / q)  # below it the price alone exceeds loss(0)
    if start >= top:
        return DualBound(null, null, np.inf, 0)
    points = [(float(b), *value(float(b))) for b in np.geomspace(start, top, 9)]
    while True:
        points.sort()
        best = min([(up + a * b**-q, b) for b, _, up in points] + [(null, np.inf)])
        worst, where = min(_floor(left, right, a, q) for left, right in pairwise(points))
        known = min(abs(where / b - 1) for b, _, _ in points) < 1e-12
        if best[0] - worst <= tol or known or len(points) >= limit:
            return DualBound(min(worst, null), best[0], best[1], len(points))
        points.append((where, *value(where)))


def _floor(
    left: tuple[float, float, float], right: tuple[float, float, float], a: float, q: float
) -> tuple[float, float]:
    """The minimum over [left, right] of the chord of V's lower bounds plus a b^{-q}, and where it is."""
    (b0, v0, _), (b1, v1, _) = left, right
    slope = (v1 - v0) / (b1 - b0)
    b = b1 if slope <= 0 else float(np.clip((a * q / slope) ** (1 / (q + 1)), b0, b1))
    return v0 + slope * (b - b0) + a * b**-q, b
