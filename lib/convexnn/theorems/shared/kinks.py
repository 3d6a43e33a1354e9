"""Data on a line: neurons that break at the data points, the functions they make, and what interpolation costs.

With an unregularised bias a neuron on n points of a line is a ramp (t - k)_+ or (k - t)_+ in the line's coordinate t,
and an optimal network needs no kink k between the data. So the dictionary is

    columns (t - t_j)_+ and (t_j - t)_+,  t_j the distinct data points, zero columns left out: 2 (distinct - 1) of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from convexnn.cones import Cone
from convexnn.networks import TwoLayer
from convexnn.numerics import Array, check_finite
from convexnn.operators import Operator

#: Rows lie on a line when the second singular value of the centred matrix is below this share of the first;
#: two points of the line are one when they are closer than this share of its length.
LINE_TOL = 1e-10


@dataclass(frozen=True)
class Kinks:
    """What recovery needs: the line's unit direction, and the kink and the side (+1 right, -1 left) of every ramp."""

    direction: Array  # (d,)
    kinks: Array  # (G,)
    sides: Array  # (G,)
    X: Array  # (n, d) the data the program was made from

    def network_options(self) -> dict[str, Any]:
        """A rival network is built by `convex_geometry.network`, whose bias is always unregularised."""
        return {}

    def check(self, X: Array) -> None:
        """Raise ValueError unless X is the matrix the program was made from."""
        if X.shape != self.X.shape or not np.array_equal(X, self.X):
            raise ValueError(f"data has X of shape {X.shape}, not the X of the solution's program; pass that one")


def line(X: Array) -> tuple[Array, Array]:
    """The unit direction (d,) of the line that carries the rows of X, and their coordinates t = X direction, (n,).

    Raises ValueError when the rows lie on no line, or are all equal.
    """
    centred = X - X.mean(0)
    _, s, Vt = np.linalg.svd(centred, full_matrices=False)
    if not s[0] > LINE_TOL * max(1e-300, np.abs(X).max()):
        raise ValueError("all rows of X are equal, so every network is a constant on them; pass two different points")
    if len(s) > 1 and s[1] > LINE_TOL * s[0]:
        raise ValueError(
            f"the rows of X lie on no line (singular values {s[0]:.3g}, {s[1]:.3g} after centring); the kinks "
            "need one-dimensional or rank-one data, for others use two_layer.program(bias='unregularised')"
        )
    direction = Vt[0] * np.sign(Vt[0][np.abs(Vt[0]).argmax()])
    return direction, X @ direction


def distinct(t: Array) -> Array:
    """The sorted points of the line, with those that coincide up to rounding merged."""
    ordered = np.sort(t)
    return ordered[np.concatenate([[True], np.diff(ordered) > LINE_TOL * (ordered[-1] - ordered[0])])]


def dictionary(t: Array) -> tuple[Array, Array, Array]:
    """The ramps on the points t as columns (n, G), with their kinks (G,) and sides (G,)."""
    points = distinct(t)
    kinks = np.concatenate([points[:-1], points[1:]])
    sides = np.concatenate([np.ones(len(points) - 1), -np.ones(len(points) - 1)])
    return np.maximum(sides * (t[:, None] - kinks), 0.0), kinks, sides


@dataclass(frozen=True)
class KinkOperator(Operator):
    """f = K z + c0: Z has shape (G, 2, c), rows 0 are the ramps' weights z, and Z[0, 1] is the free offset c0.

    The second row of the other groups does nothing; it is there because a gauge frees the same rows in every group.
    """

    K: Tensor
    c: int = 1

    @property
    def domain(self) -> tuple[int, int, int]:
        return (self.K.shape[1], 2, self.c)

    @property
    def codomain(self) -> tuple[int, int]:
        return (self.K.shape[0], self.c)

    @property
    def like(self) -> Tensor:
        return self.K

    def forward(self, Z: Tensor) -> Tensor:
        return self.K @ Z[:, 0] + Z[0, 1]

    def adjoint(self, V: Tensor) -> Tensor:
        Q = V.new_zeros(self.domain)
        Q[:, 0] = self.K.T @ V
        Q[0, 1] = V.sum(0)
        return Q

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return replace(self, K=self.K.to(device, dtype))

    def normal_solver(self, cone: Cone, alpha: float, gamma: float) -> Callable[[Tensor], Tensor]:
        """(I + alpha A'A)^{-1} R = R - A'(I / alpha + A A')^{-1} A R, one n x n factor; ramps have no cone."""
        gram = cone.shared_gram()
        if gram is None or bool(gram.any()):
            return super().normal_solver(cone, alpha, gamma)
        inner = self.K @ self.K.T + 1.0
        inner.diagonal().add_(1.0 / alpha)
        factor = torch.linalg.cholesky(inner)
        return lambda R: R - self.adjoint(torch.cholesky_solve(self.forward(R), factor))


def interpolation_cost(t: Array, y: Array) -> float:
    """The least sum of output weights |w| (slopes +-1, free biases, free offset) of a network through the points.

        max( V, (V + |s_1 + s_{n-1}|) / 2 ),    V = sum_i |s_{i+1} - s_i|,  s_i the slopes of the chords

    Ramps share the slope changes; what they cannot share of the mean slope is paid once, at the end points. (The norm
    of the chord function on the whole line, max(V, |s_1 + s_{n-1}|), is larger where the second term decides: the
    function may be continued as it likes outside the data.)
    Raises ValueError for repeated points. Source: derived for this project and compared with the linear program.
    """
    check_finite(t=t, y=y)
    if np.ndim(t) != 1 or np.shape(y) != np.shape(t):
        raise ValueError(f"t has shape {np.shape(t)}, y {np.shape(y)}; pass one value for each point, both (n,)")
    order = np.argsort(t)
    steps = np.diff(t[order])
    if len(t) < 2 or not (steps > 0).all():
        raise ValueError("t holds a point twice, or fewer than two points; interpolation needs distinct points")
    s = np.diff(np.asarray(y)[order]) / steps
    variation = float(np.abs(np.diff(s)).sum())
    return max(variation, 0.5 * (variation + abs(float(s[0] + s[-1]))))


def pull_of_ramps(v: Array, t: Array, kinks: Array) -> Array:
    """v'(t - k)_+ and v'(k - t)_+ for every kink k, shape (2, K): the dual constraint over all neurons on the line.

    Both are piecewise linear in k and break at the data, so their extremes lie there; with 1'v = 0 they differ by v't.
    """
    return np.stack([np.maximum(sign * (kinks[:, None] - t), 0) @ v for sign in (-1.0, 1.0)])


def bend(f: Callable[[Array], Array], X: Array) -> float:
    """How far f is from linear between neighbours: max |f(midpoint) - mean of f at the ends|, for points X on a line.

    It is 0 for a linear spline with kinks at the data.
    """
    ordered = X[np.argsort(line(X)[1])]
    ends = f(ordered)
    return float(np.abs(f(0.5 * (ordered[:-1] + ordered[1:])) - 0.5 * (ends[:-1] + ends[1:])).max())


def kinks_of(network: TwoLayer, direction: Array) -> Array:
    """Where the neurons of a network break, in the coordinate of a line with this unit direction."""
    slope = network.U.detach().numpy() @ direction
    live = slope != 0
    return np.asarray(-network.b.detach().numpy()[live] / slope[live])


def sign_changes(network: TwoLayer, direction: Array, low: float, high: float) -> Array:
    """The exact ends of the decision regions of a one-output network on the segment [low, high] of a line.

    Between two kinks the function is linear, so its zero is found by one division.
    """
    inside = kinks_of(network, direction)
    knots = np.unique(np.concatenate([[low, high], inside[(inside > low) & (inside < high)]]))
    f = network.predict(knots[:, None] * direction)[:, 0]
    crossing = np.flatnonzero(f[:-1] * f[1:] < 0)
    share = f[crossing] / (f[crossing] - f[crossing + 1])
    return np.asarray(knots[crossing] + share * (knots[crossing + 1] - knots[crossing]))
