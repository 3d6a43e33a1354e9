"""Distances to zonotopes: batched box least squares by an interior point, device-agnostic, float64.

    min_{0 <= t <= c}  |w - B't|,      w (K, r),  B (m, r) shared or (K, m, r),  c (K, m) or (m,), may be infinite

Primal-dual predictor-corrector on u = w - B't with multipliers al, ga >= 0 of the two bounds:

    Theta = 1 / (al/t + ga/(c - t)),   (I + B' Theta B) du = -B' Theta h,   dt = Theta (h + B du)

One r x r system a problem and step; ten steps give 1e-9 relative, more where the distance is zero. Every t returned
is in its box, so |w - B't| is a valid upper bound on the distance whatever happened.
Source: this project; the scheme is the standard predictor-corrector. tests/bounds/test_box_least_squares.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: An infinite bound is this number: its multiplier and everything divided by it vanish.
FAR = 1e30
#: A product below the first share of the mean makes the next step aim at the second share of it, without a corrector:
#: the plain predictor-corrector goes in circles on one problem in ten thousand.
CENTRED, RECENTRE = 1e-2, 0.3


@dataclass
class _State:
    """The live problems; `where` are their places in the batch."""

    t: Tensor
    al: Tensor
    ga: Tensor
    u: Tensor
    where: Tensor

    def at(self, keep: Tensor) -> _State:
        return _State(self.t[keep], self.al[keep], self.ga[keep], self.u[keep], self.where[keep])


def box_least_squares(
    w: Tensor,
    B: Tensor,
    upper: Tensor,
    steps: int = 22,
    enough: float = -1.0,
    mask: Tensor | None = None,
    give_up: bool = False,
) -> tuple[Tensor, Tensor]:
    """t (K, m) in its box and the residual w - B't (K, r).

    upper    (K, m) or (m,), entries > 0, inf allowed (then t >= 0 only)
    enough   problems whose residual norm falls to this are left alone: their bound is good enough
    mask     (K, m) bool, False for padding; such t are 0
    give_up  also leave problems alone that are proved to stay above `enough` (their residual is then loose)
    """
    K, m = w.shape[0], B.shape[-2]
    if m == 0 or K == 0:
        return w.new_zeros(K, m), w.clone()
    scale = B.norm(dim=-1)
    live = scale > 0 if mask is None else (scale > 0) & mask
    scale = torch.where(live, scale, torch.ones_like(scale))
    rows = B / scale[..., None]
    if mask is not None:
        rows *= mask[..., None]
    c = (upper * scale).expand(K, m).clamp(max=FAR)
    t = _interior(w, rows, c, steps, enough, give_up) / scale
    t = torch.minimum((t * live).clamp(min=0.0), upper.expand(K, m))
    return t, w - _adjoint(B, t)


def _adjoint(B: Tensor, t: Tensor) -> Tensor:
    """B't, (K, r)."""
    return t @ B if B.ndim == 2 else torch.bmm(t[:, None, :], B)[:, 0]


def _forward(B: Tensor, u: Tensor) -> Tensor:
    """B u, (K, m)."""
    return u @ B.T if B.ndim == 2 else torch.bmm(B, u[:, :, None])[:, :, 0]


def _interior(w: Tensor, B: Tensor, c: Tensor, steps: int, enough: float, give_up: bool) -> Tensor:
    """The interior-point loop on unit rows; returns the last t of every problem."""
    finite = c < FAR
    sc = torch.maximum(w.norm(dim=1), 0.05 * (c * finite).sum(1)).clamp(min=1e-300)
    t = torch.where(finite, 0.5 * c, 0.05 * sc[:, None])
    al = (0.2 * sc)[:, None].expand_as(c).contiguous()
    state = _State(t, al, al * finite, w - _adjoint(B, t), torch.arange(len(w), device=w.device))
    best, rows, width, flat = t.clone(), B, c, _outer(B)
    for k in range(steps):
        state, good, mu = _step(state, rows, flat, width)
        at = state.where
        best[at] = state.t
        going = good & (mu > 1e-19 * sc[at].square()) & (state.u.norm(dim=1) > enough)
        if give_up and k in (5, 8, 11):
            going &= ~(_dual(state, rows, width, w[at]) > enough)
        if not bool(going.any()):
            break
        if int(going.sum()) < 0.8 * len(going):
            state, width = state.at(going), width[going]
            rows = rows if B.ndim == 2 else rows[going]
    return best


def _dual(s: _State, B: Tensor, c: Tensor, w: Tensor) -> Tensor:
    """A lower bound on each minimum: x'w - sum c_j (b_j'x)_+ at x = u / |u|; -inf where an infinite c_j is pulled."""
    x = s.u / s.u.norm(dim=1, keepdim=True).clamp(min=1e-300)
    return (x * w).sum(1) - (c * (_forward(B, x) - 1e-12).clamp(min=0)).sum(1)


def _outer(B: Tensor) -> Tensor | None:
    """Rows b b' flattened, for shared B: sum_j theta_j b_j b_j' is then one matrix product."""
    return (B[:, :, None] * B[:, None, :]).reshape(len(B), -1) if B.ndim == 2 else None


def _step(s: _State, B: Tensor, flat: Tensor | None, c: Tensor) -> tuple[_State, Tensor, Tensor]:
    """One predictor-corrector step, whether it could be taken, and the complementarity before it."""
    r, m = s.u.shape[1], 2 * c.shape[1]
    room = c - s.t
    down, up = s.al / s.t, s.ga / room
    theta = (down + up).clamp_(min=1e-13).reciprocal_()
    H = (theta @ flat).view(-1, r, r) if flat is not None else torch.bmm((B * theta[:, :, None]).mT, B)
    L, info = torch.linalg.cholesky_ex(H + torch.eye(r, dtype=H.dtype, device=H.device))
    base = _forward(B, s.u)  # h of the predictor: -rd + ct/t - cs/room with ct = -t al, cs = -room ga

    def move(h: Tensor) -> tuple[Tensor, Tensor]:
        du = -torch.cholesky_solve(_adjoint(B, theta * h)[:, :, None], L)[:, :, 0]
        return du, theta * (h + _forward(B, du))

    _, dt = move(base)
    dal, dga = -s.al - down * dt, up * dt - s.ga
    a = _longest(s, room, dt, dal, dga)[:, None]
    mu = ((s.t * s.al).sum(1) + (room * s.ga).sum(1)) / m
    after = ((s.t + a * dt) * (s.al + a * dal)).sum(1) + ((room - a * dt) * (s.ga + a * dga)).sum(1)
    target = ((after / m / mu.clamp(min=1e-300)).clamp(0.0, 1.0) ** 3 * mu)[:, None]
    poor = _smallest(s, room)[:, None] < CENTRED * mu[:, None]
    target = torch.where(poor, torch.maximum(target, RECENTRE * mu[:, None]), target)
    second = torch.where(poor, 0.0, a) * dt
    low, high = (target - second * dal) / s.t, (target + second * dga) / room
    du, dt = move(base + low - high)
    dal, dga = low - s.al - down * dt, high - s.ga + up * dt
    a = 0.995 * _longest(s, room, dt, dal, dga)
    good = (info == 0) & torch.isfinite(a) & torch.isfinite(dt.sum(1))
    if not bool(good.all()):
        a = torch.where(good, a, torch.zeros_like(a))
        du, dt, dal, dga = (torch.where(good[:, None], x, torch.zeros_like(x)) for x in (du, dt, dal, dga))
    a = a[:, None]
    return _State(s.t + a * dt, s.al + a * dal, s.ga + a * dga, s.u + a * du, s.where), good, mu


def _smallest(s: _State, room: Tensor) -> Tensor:
    """The smallest product of a distance and its multiplier."""
    return torch.minimum(s.t * s.al, torch.where(s.ga > 0, room * s.ga, torch.inf)).amin(1)


def _longest(s: _State, room: Tensor, dt: Tensor, dal: Tensor, dga: Tensor) -> Tensor:
    """The largest step in [0, 1] that keeps t, c - t, al, ga >= 0."""
    speed = torch.maximum(dt / room, -dt / s.t).amax(1)
    speed = torch.maximum(speed, (-dal / s.al).amax(1))
    return torch.maximum(speed, (-dga / s.ga.clamp(min=1e-300)).amax(1)).clamp_(min=1.0).reciprocal_()
