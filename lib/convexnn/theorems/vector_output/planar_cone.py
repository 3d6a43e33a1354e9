"""Cones of the plane, where the constrained nuclear norm, its prox and its polar are formulas.

    N(V) = min { sum_k |u_k| |g_k| : V = sum_k u_k g_k', u_k in K },     K = {u : angle(u, e) <= phi}, 0 < phi < pi/2

In the orthonormal frame (e, f) of the arc write V = e V_e' + f V_f'. A matrix W >= 0 is a sum of squares u u', u in K,
exactly when  sin^2(phi) W_ee >= cos^2(phi) W_ff  (a cone of the plane has two extreme rays, t = cos e +- sin f). Hence

    N(V)     = |V|_* when W = (V V')^{1/2} passes that test, else |g_1| + |g_2| for V = t_1 g_1' + t_2 g_2'
    polar(Q) = max_{u in K, |u| <= 1} |Q'u|:   polar^2 = m + R cos( max(|psi| - 2 phi, 0) )
               with |Q'u|^2 = m + R cos(2 theta - psi) at the angle theta: the top singular value when it is in the arc
    prox     = singular value thresholding when its W passes the test, else a problem on one or two rays
Laws (tests/theorems/test_vector_output_norm.py): the gauge laws of `convexnn.gauges`, and brute force over the arc.
Source: derived for this project; the norm is that of Sahiner, Ergen, Pauly and Pilanci (arXiv 2012.13329).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convexnn.gauges import Gauge
from convexnn.numerics import Array, BoolArray, tensor

#: Steps of the guarded secant iteration for two active rays, and the relative accuracy at which it stops.
ROOT_STEPS, ROOT_TOL = 60, 1e-13


@dataclass(frozen=True)
class PlanarNuclear(Gauge):
    """The constrained nuclear norm of P cones of the plane; exact value, prox and polar.

    frame (P, 2, 2)  rows e (the arc's middle) and f (across);  cos, sin (P,)  of half the opening angle phi
    """

    frame: Tensor
    cos: Tensor
    sin: Tensor
    conic: bool = True

    def _local(self, Z: Tensor) -> tuple[Tensor, Tensor]:
        local = self.frame.to(Z) @ Z
        return local[:, 0], local[:, 1]

    def per_group(self, Z: Tensor) -> Tensor:
        e, f = self._local(Z)
        cos, sin = self.cos.to(Z), self.sin.to(Z)
        A, B, root = e.square().sum(1), f.square().sum(1), _root_of_determinant(e, f)
        inside = sin**2 * (A + root) >= cos**2 * (B + root)
        first, second = self.rays_of(Z)
        return torch.where(inside, (A + B + 2 * root).sqrt(), first.norm(dim=1) + second.norm(dim=1))

    def rays_of(self, Z: Tensor) -> tuple[Tensor, Tensor]:
        """g_1, g_2 (P, c) with Z = t_1 g_1' + t_2 g_2' on the two extreme rays."""
        e, f = self._local(Z)
        along, across = e / self.cos.to(Z)[:, None], f / self.sin.to(Z)[:, None]
        return 0.5 * (along + across), 0.5 * (along - across)

    def rays(self) -> Tensor:
        """(P, 2, 2): rows t_1, t_2, unit vectors."""
        e, f = self.cos[:, None] * self.frame[:, 0], self.sin[:, None] * self.frame[:, 1]
        return torch.stack([e + f, e - f], 1)

    def polar(self, Q: Tensor) -> Tensor:
        e, f = self._local(Q)
        middle, radius, psi = _harmonic(e, f)
        outside = (psi.abs() - 2 * torch.atan2(self.sin, self.cos).to(Q)).clamp(min=0)
        return (middle + radius * torch.cos(outside)).clamp(min=0).sqrt()

    def prox(self, Z: Tensor, step: float) -> Tensor:
        live = torch.nonzero(self.polar(Z) > step).flatten()
        W = torch.zeros_like(Z)
        if len(live) == 0:
            return W
        frame, cos, sin = (x[live].to(Z) for x in (self.frame, self.cos, self.sin))
        local = frame @ Z[live]
        thresholded, inside = _threshold(local, step, cos, sin)
        outside = torch.nonzero(~inside).flatten()
        if len(outside):
            thresholded[outside] = _on_rays(local[outside], step, cos[outside], sin[outside])
        W[live] = frame.transpose(1, 2) @ thresholded
        return W

    def factors(self, V: Array, i: int) -> tuple[Array, Array]:
        """Rows u_k and g_k, k <= 2, of cell i with V = sum u_k g_k', |u_k| = |g_k| and sum |u_k||g_k| = N(V)."""
        frame = self.frame[i].cpu().numpy()
        U = planar_factors(frame @ V, float(self.cos[i]), float(self.sin[i]))
        return U @ frame, np.asarray(np.linalg.lstsq(U.T, frame @ V, rcond=None)[0])


def planar_nuclear(X: Array, D: BoolArray, gates: Array) -> PlanarNuclear:
    """The gauge of the cones {u : (2 D_i - I) X u >= 0} for data of rank two; gates (P, 2) lie inside them."""
    rows = X[np.linalg.norm(X, axis=1) > 0]
    signs = np.where(D[np.linalg.norm(X, axis=1) > 0], 1.0, -1.0)
    inner = np.arctan2(gates[:, 1], gates[:, 0])
    normal = np.arctan2(rows[:, 1], rows[:, 0])[:, None] + np.where(signs < 0, np.pi, 0.0)
    turn = (normal - inner + np.pi) % (2 * np.pi) - np.pi  # within a right angle of the gate
    low, high = turn.max(0) - 0.5 * np.pi, turn.min(0) + 0.5 * np.pi
    middle, phi = inner + 0.5 * (low + high), 0.5 * (high - low)
    if not (phi > 0).all():
        raise ValueError(f"column {int(np.argmin(phi))} of patterns has no cell with interior; use enumerate_patterns")
    frame = np.stack([np.cos(middle), np.sin(middle), -np.sin(middle), np.cos(middle)], 1).reshape(-1, 2, 2)
    return PlanarNuclear(tensor(frame), tensor(np.cos(phi)), tensor(np.sin(phi)))


def planar_factors(V: Array, cos: float, sin: float) -> Array:
    """Left factors (k, 2), k <= 2, in the arc's frame with V = sum_k u_k g_k' of least cost and g_k = V' W^+ u_k.

    W = (V V')^{1/2} = sum u u' where that is possible, else the two rays, scaled so that |u_k| = |g_k|.
    """
    e, f = tensor(V[0])[None], tensor(V[1])[None]
    root = float(_root_of_determinant(e, f))
    gram = V @ V.T
    W = (gram + root * np.eye(2)) / max(float(np.sqrt(np.trace(gram) + 2 * root)), 1e-300)
    if sin**2 * W[0, 0] >= cos**2 * W[1, 1]:
        return square_factors(W, cos, sin)
    g = 0.5 * np.array([V[0] / cos + V[1] / sin, V[0] / cos - V[1] / sin])
    return np.array([[cos, sin], [cos, -sin]]) * np.sqrt(np.linalg.norm(g, axis=1))[:, None]


def square_factors(W: Array, cos: float, sin: float) -> Array:
    """u_1, u_2 in the arc with u_1 u_1' + u_2 u_2' = W, for W >= 0 with sin^2 W_ee >= cos^2 W_ff.

    In the basis of the rays W has non-negative entries [[a, b], [b, c]], and so has its triangular root.
    """
    total, skew = W[0, 0] / cos**2, W[1, 1] / sin**2
    a, c = (0.25 * (total + skew) + 0.5 * sign * W[0, 1] / (cos * sin) for sign in (1.0, -1.0))
    b = max(0.25 * (total - skew), 0.0)
    a, c, swap = (a, c, False) if a >= c else (c, a, True)
    if not a > 0:
        return np.zeros((0, 2))
    L = np.array([[np.sqrt(a), b / np.sqrt(a)], [0.0, np.sqrt(max(c - b * b / a, 0.0))]])
    T = np.array([[cos, -sin], [cos, sin]]) if swap else np.array([[cos, sin], [cos, -sin]])
    U = L @ T
    return U[np.linalg.norm(U, axis=1) > 0]


def _root_of_determinant(e: Tensor, f: Tensor) -> Tensor:
    """sqrt(|e|^2 |f|^2 - (e'f)^2) without the cancellation of that formula."""
    size = e.norm(dim=1)
    unit = e / size.clamp(min=1e-300)[:, None]
    return size * (f - (f * unit).sum(1, keepdim=True) * unit).norm(dim=1)


def _harmonic(e: Tensor, f: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """m, R, psi with |cos(t) e + sin(t) f|^2 = m + R cos(2 t - psi)."""
    A, B, C = e.square().sum(1), f.square().sum(1), (e * f).sum(1)
    half = 0.5 * (A - B)
    return 0.5 * (A + B), torch.hypot(half, C), torch.atan2(C, half)


def _threshold(local: Tensor, step: float, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Singular value thresholding in the frame, and whether its W = sum (s_k / step - 1)_+ l_k l_k' is in the cone."""
    e, f = local[:, 0], local[:, 1]
    middle, radius, psi = _harmonic(e, f)
    top = (middle + radius).sqrt()
    low = _root_of_determinant(e, f) / top.clamp(min=1e-300)
    c, s = torch.cos(0.5 * psi), torch.sin(0.5 * psi)
    axes = torch.stack([torch.stack([c, s], 1), torch.stack([-s, c], 1)], 1)  # rows l_1, l_2
    sizes = torch.stack([top, low], 1)
    keep = (1 - step / sizes.clamp(min=1e-300)).clamp(min=0)
    weight = (sizes / step - 1).clamp(min=0)
    diagonal = (weight[:, :, None] * axes.square()).sum(1)
    inside = sin**2 * diagonal[:, 0] >= cos**2 * diagonal[:, 1]
    return axes.transpose(1, 2) @ (keep[:, :, None] * (axes @ local)), inside


def _on_rays(local: Tensor, step: float, cos: Tensor, sin: Tensor) -> Tensor:
    """argmin 1/2 |W - Z|^2 + step (|g_1| + |g_2|), W = t_1 g_1' + t_2 g_2': one ray where that is optimal, else two."""
    rays = torch.stack([torch.stack([cos, sin], 1), torch.stack([cos, -sin], 1)], 1)
    pulls = rays @ local  # (k, 2, c): t_1'Z, t_2'Z
    kept = pulls * (1 - step / pulls.norm(dim=2, keepdim=True).clamp(min=1e-300)).clamp(min=0)
    best, undecided = torch.zeros_like(local), torch.ones_like(cos, dtype=torch.bool)
    for j in (0, 1):
        W = rays[:, j, :, None] * kept[:, j, None, :]
        optimal = undecided & ((rays[:, 1 - j, None, :] @ (local - W))[:, 0].norm(dim=1) <= step)
        best[optimal] = W[optimal]
        undecided &= ~optimal
    both = torch.nonzero(undecided).flatten()
    if len(both):
        best[both] = _two_rays(local[both], step, cos[both], sin[both])
    return best


def _two_rays(local: Tensor, step: float, cos: Tensor, sin: Tensor) -> Tensor:
    """Both rays active: the residual R = Z - W has |R't_1| = |R't_2| = step, that is R_e'R_f = 0 and E(s) = step^2.

    With M = s (cos^2 ee' + sin^2 ff') + k (ef' + fe') and R = (I + M)^{-1} Z the first equation is a quadratic in k;
    E(s) = cos^2 |R_e|^2 + sin^2 |R_f|^2 falls in s (the dual is convex), and 1 / sqrt(E) is nearly a line.
    """
    low, high = torch.zeros_like(cos), torch.ones_like(cos)

    def excess(s: Tensor) -> Tensor:
        e, f = _residual(local, s, cos, sin)
        E = cos**2 * e.square().sum(1) + sin**2 * f.square().sum(1)
        return step / E.sqrt().clamp(min=1e-300) - 1

    for _ in range(200):
        short = excess(high) < 0
        if not bool(short.any()):
            break
        low, high = torch.where(short, high, low), torch.where(short, 2 * high, high)
    s = _illinois(excess, low, high)
    return local - torch.stack(_residual(local, s, cos, sin), 1)


def _residual(local: Tensor, s: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    e, f = local[:, 0], local[:, 1]
    x, y = 1 + s * cos**2, 1 + s * sin**2
    A, B, C = e.square().sum(1), f.square().sum(1), (e * f).sum(1)
    sum_ = y * A + x * B
    k = 2 * x * y * C / (sum_ + (sum_**2 - 4 * C**2 * x * y).clamp(min=0).sqrt()).clamp(min=1e-300)
    D = (x * y - k**2).clamp(min=1e-300)[:, None]
    return (y[:, None] * e - k[:, None] * f) / D, (x[:, None] * f - k[:, None] * e) / D


def _illinois(function: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """The root of an increasing function in each bracket: false position, the stale end's value halved."""
    at_low, at_high = function(low), function(high)
    for _ in range(ROOT_STEPS):
        s = high - at_high * (high - low) / (at_high - at_low).clamp(min=1e-300)
        s = torch.minimum(torch.maximum(s, low), high)
        value = function(s)
        if bool(((value.abs() <= ROOT_TOL) | (high - low <= ROOT_TOL * high)).all()):
            break
        right = value >= 0
        at_low, at_high = (
            torch.where(right, 0.5 * at_low, value),
            torch.where(right, value, 0.5 * at_high),
        )
        low, high = torch.where(right, low, s), torch.where(right, s, high)
    return s
