"""Global bounds on  min_{r >= 0}  phi(r) + (beta L / 2) r^(2/L)  for a convex, decreasing phi: a judge for depth.

The second term is concave, so there may be several local minima and no stationary point proves anything. Between two
knots a < b of the scale r

    phi(r) >= max of its tangents at a and b,        r^(2/L) >= its chord,

and the smallest value of the right sides is at an end or where the tangents meet. Intervals whose bound is below the
best value found are halved; the error falls with the square of their length.

phi is known through a curve p -> (r, phi, -phi'), r falling in p: for a norm ball the Lagrange multiplier is the slope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_positive
from convexnn.theorems.shared.schatten import decay

#: p (k,) -> rows r, phi, slope = -phi'(r) >= 0, each (k,)
Curve = Callable[[Array], Array]


@dataclass(frozen=True)
class ScaleBounds:
    """lower <= minimum <= upper; `upper` is attained at the parameter `at` of the curve, where the scale is `r`."""

    lower: float
    upper: float
    at: float
    r: float


def scale_search(curve: Curve, knots: Array, beta: float, L: int, tol: float = 1e-12, rounds: int = 60) -> ScaleBounds:
    """Bounds on the minimum over the whole curve, to an absolute `tol` where `rounds` halvings allow.

    knots  rising parameters that cover the curve; the last one may be inf, where r = 0
    """
    check_positive(beta=beta, tol=tol)
    p = np.asarray(knots, dtype=np.float64)
    if p.ndim != 1 or len(p) < 2 or np.isnan(p).any() or not (np.diff(p) > 0).all():
        raise ValueError(f"knots is {knots!r}; pass at least two rising parameters")
    left, right = p[:-1], p[1:]
    best, at, done = np.inf, p[-1], np.inf  # `done`: the smallest bound of the intervals given up
    for _ in range(rounds):
        A, B = curve(left), curve(right)
        for end, points in ((left, A), (right, B)):
            values = points[1] + beta * decay(points[0], L)
            k = int(values.argmin())
            if values[k] < best:
                best, at = float(values[k]), float(end[k])
        bound = _interval(A, B, beta, L)
        open_ = bound < best - tol
        done = min(done, float(bound[~open_].min(initial=np.inf)))
        if not open_.any():
            break
        left, right = left[open_], right[open_]
        middle = _middle(left, right)
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    else:
        done = min(done, float(_interval(curve(left), curve(right), beta, L).min()))
    return ScaleBounds(min(done, best), best, at, float(curve(np.array([at]))[0][0]))


def _interval(A: Array, B: Array, beta: float, L: int) -> Array:
    """Lower bounds between the scales r_b <= r_a (A at the smaller parameter)."""
    (ra, fa, ga), (rb, fb, gb) = A, B
    width = np.maximum(ra - rb, 0.0)
    chord = beta * (decay(ra, L) - decay(rb, L)) / np.where(width > 0, width, 1.0)
    # tangents: fb - gb (r - rb)  and  fa + ga (ra - r); they meet at a distance x from rb
    steeper = np.maximum(gb - ga, 0.0)
    meet = np.where(steeper > 0, (fb - fa - ga * width) / np.where(steeper > 0, steeper, 1.0), 0.0)
    x = np.clip(meet, 0.0, width)
    start = beta * decay(rb, L)
    inside = fb - gb * x + start + chord * x
    return np.asarray(np.minimum(np.minimum(fb + start, fa + beta * decay(ra, L)), inside))


def _middle(left: Array, right: Array) -> Array:
    """A parameter between: arithmetic near zero, geometric elsewhere, twice the left end before infinity."""
    endless = np.isinf(right)
    high = np.where(endless, 4.0 * np.maximum(left, 1e-300), right)
    return np.where(left > 0, np.sqrt(left) * np.sqrt(high), 0.5 * high)


def euclidean(X: Array, y: Array) -> tuple[Curve, Array]:
    """phi(r) = min { 1/2 |Xw - y|^2 : |w|_2 <= r } on w(p) = (X'X + p I)^-1 X'y, slope p r; and knots."""
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    live = s > 1e-12 * max(float(s[0]), 1e-300)
    s, b = s[live], U.T[live] @ y
    rest = 0.5 * max(float(y @ y - b @ b), 0.0)
    pull = float(np.linalg.norm(s * b))

    def curve(p: Array) -> Array:
        gone = np.isinf(p)
        q = np.where(gone, 1.0, p)[:, None]
        r = np.linalg.norm(s * b / (s**2 + q), axis=1)
        fit = 0.5 * ((q * b / (s**2 + q)) ** 2).sum(1)
        slope = q[:, 0] * r
        return np.stack(
            [np.where(gone, 0.0, r), rest + np.where(gone, 0.5 * float(b @ b), fit), np.where(gone, pull, slope)]
        )

    reach = float(s[0]) ** 2 if len(s) else 1.0
    return curve, np.concatenate([[0.0], reach * np.geomspace(1e-8, 1e8, 65), [np.inf]])


def nuclear(sigma: Array) -> tuple[Curve, Array]:
    """phi(r) = min { 1/2 |s - sigma|^2 : sum s <= r, s >= 0 } along s(p) = (sigma - p)_+, slope p; and its knots."""

    def curve(p: Array) -> Array:
        s = np.maximum(sigma - p[:, None], 0.0)
        return np.stack([s.sum(1), 0.5 * ((s - sigma) ** 2).sum(1), p])

    top = max(float(sigma.max(initial=0.0)), 1e-300)
    return curve, np.unique(np.concatenate([[0.0], sigma, top * np.linspace(0, 1, 33)]))


def one_value(sigma: float) -> tuple[Curve, Array]:
    """phi(r) = 1/2 (r - sigma)^2 on [0, sigma], slope p = sigma - r: the scalar problem, without its closed form."""
    return nuclear(np.array([sigma]))
