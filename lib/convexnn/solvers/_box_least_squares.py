"""Many small least-squares problems with bounds at once, by an interior point: ten to twelve batched steps.

    min { |w - B't| : 0 <= t <= c },     B (m, r) with r small, c may be inf

u = w - B't is kept exactly, so |u| is a valid upper bound on the minimum at every iteration, whatever t in the box.
With c = inf and B = -S X it is the projection on the cone {z : S X z >= 0}: u = w + X'S t (Moreau).
Newton's matrix is I + B' Theta B, r x r, Theta = 1/(al/t + ga/(c - t)); rows are scaled to unit length first.
Mehrotra's predictor and corrector, one step length; problems that have converged are frozen.
Law (tests/solvers/test_box_least_squares.py): equal to an active-set solver to 1e-8.
Source: solver notes of this project, section 6.4; Mehrotra (1992).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.numerics import product

ITERATIONS = 20
TO_BOUNDARY = 0.995
THETA_CAP = 1e13
#: A product below the first share of the mean makes the next step aim at the second share of it, without a corrector:
#: the plain predictor-corrector goes in circles on one problem in a thousand.
CENTRED, RECENTRE = 1e-2, 0.3
CONVERGED = 1e-18


class Rows(ABC):
    """The matrices B_1..B_k of the batch, rows of unit length or zero; `length` holds the lengths taken out."""

    length: Tensor

    @abstractmethod
    def times(self, u: Tensor) -> Tensor:
        """(k, m) B u."""

    @abstractmethod
    def transposed(self, t: Tensor) -> Tensor:
        """(k, r) B't."""

    @abstractmethod
    def gram(self, weight: Tensor) -> Tensor:
        """(k, r, r) B' diag(weight) B."""

    @abstractmethod
    def at(self, index: Tensor) -> Rows:
        """Some problems of the batch."""


class DenseRows(Rows):
    """One matrix for each problem: B (k, m, r)."""

    def __init__(self, B: Tensor) -> None:
        self.length = B.norm(dim=2)
        self.B = B / torch.where(self.length > 0, self.length, 1.0)[:, :, None]

    def times(self, u: Tensor) -> Tensor:
        return torch.einsum("kmr,kr->km", self.B, u)

    def transposed(self, t: Tensor) -> Tensor:
        return torch.einsum("kmr,km->kr", self.B, t)

    def gram(self, weight: Tensor) -> Tensor:
        return self.B.transpose(1, 2) @ (weight[:, :, None] * self.B)

    def at(self, index: Tensor) -> Rows:
        return DenseRows(self.B[index])


class SignedRows(Rows):
    """B_k = S_k X with one X (m, r) and signs S (k, m): the Gram matrices come from one product with m x r(r+1)/2."""

    def __init__(self, X: Tensor, S: Tensor, pairs: PairProducts | None = None) -> None:
        length = X.norm(dim=1)
        self.X = X / torch.where(length > 0, length, 1.0)[:, None]
        self.S, self.length = S, length.expand(len(S), -1)
        self.pairs = PairProducts(self.X) if pairs is None else pairs

    def times(self, u: Tensor) -> Tensor:
        return self.S * (u @ self.X.T)

    def transposed(self, t: Tensor) -> Tensor:
        return (self.S * t) @ self.X

    def gram(self, weight: Tensor) -> Tensor:
        return self.pairs.weighted(weight)

    def at(self, index: Tensor) -> Rows:
        return SignedRows(self.X, self.S[index], self.pairs)


class PairProducts:
    """X' diag(c_g) X for many weights c_g by one GEMM: the columns x_i x_j, i <= j, of the rows of X."""

    def __init__(self, X: Tensor) -> None:
        self.r = X.shape[1]
        self.i, self.j = torch.triu_indices(self.r, self.r, device=X.device)
        self.table = X[:, self.i] * X[:, self.j]

    def weighted(self, weight: Tensor) -> Tensor:
        """(k, r, r) from weights (k, m)."""
        packed = product(weight, self.table)
        full = packed.new_empty(len(weight), self.r, self.r)
        full[:, self.i, self.j] = packed
        full[:, self.j, self.i] = packed
        return full


@dataclass
class _Batch:
    """The iterate of the problems that are still running."""

    rows: Rows
    w: Tensor
    c: Tensor
    t: Tensor
    low: Tensor  # multiplier of t >= 0
    high: Tensor  # multiplier of t <= c, zero where c = inf

    def at(self, index: Tensor) -> _Batch:
        parts = (a[index] for a in (self.w, self.c, self.t, self.low, self.high))
        return _Batch(self.rows.at(index), *parts)


def box_least_squares(
    w: Tensor, rows: Rows, upper: Tensor | None = None, iterations: int = ITERATIONS, enough: float = 0.0
) -> tuple[Tensor, Tensor]:
    """argmin_t |w_k - B_k't_k| with 0 <= t <= upper for every problem k.

    w (k, r);  rows: the B_k;  upper (k, m) >= 0 with inf allowed, or None for t >= 0 alone
    enough: a problem is done once |u| is at most that
    Returns t (k, m), inside its bounds, and u = w - B't (k, r). |u| bounds the minimum from above.
    """
    c = torch.full_like(rows.length, torch.inf) if upper is None else upper * rows.length
    c = torch.where(rows.length > 0, c, 1.0)
    bounded = torch.isfinite(c)
    scale = torch.maximum(w.norm(dim=1), 0.05 * torch.where(bounded, c, 0.0).sum(1)).clamp(min=1e-300)[:, None]
    fixed = c <= 1e-14 * scale
    c = torch.where(fixed, scale, c)  # a row without room is left out below; here it only must not divide by zero
    t = torch.where(bounded, 0.5 * c, 0.05 * scale)
    batch = _Batch(rows, w, c, t, 0.2 * scale.expand_as(t), torch.where(bounded, 0.2 * scale, 0.0))
    keep = (~fixed & (rows.length > 0)).to(w.dtype)
    result, running = t.clone(), torch.arange(len(w), device=w.device)
    for _ in range(iterations):
        done = ~_advance(batch, keep[running], scale[running, 0])
        result[running] = batch.t
        if enough:
            done |= (batch.w - batch.rows.transposed(batch.t * keep[running])).norm(dim=1) <= enough
        if bool(done.all()):
            break
        if bool(done.any()):
            batch, running = batch.at(~done), running[~done]
    result = torch.minimum(result.clamp(min=0), c) * keep
    return result / torch.where(rows.length > 0, rows.length, 1.0), w - rows.transposed(result)


def _advance(b: _Batch, keep: Tensor, scale: Tensor) -> Tensor:
    """One predictor-corrector step in place; which problems go on."""
    bounded = torch.isfinite(b.c)
    room = torch.where(bounded, b.c - b.t, 1.0)
    theta = (1 / (b.low / b.t + b.high / room)).clamp(max=THETA_CAP) * keep
    H = b.rows.gram(theta)
    H.diagonal(dim1=1, dim2=2).add_(1.0)
    factor, info = torch.linalg.cholesky_ex(H)
    u = b.w - b.rows.transposed(b.t * keep)
    stationary = -b.rows.times(u) - b.low + b.high
    pairs = (1 + bounded).sum(1)
    mu = ((b.t * b.low) + room * b.high).sum(1) / pairs
    affine = _direction(b, room, theta, factor, stationary, -b.t * b.low, -room * b.high)
    a = _length(b, room, affine)[:, None]
    dt, dlow, dhigh = affine
    upper_after = torch.where(bounded, (room - a * dt) * (b.high + a * dhigh), 0.0)
    after = ((b.t + a * dt) * (b.low + a * dlow) + upper_after).sum(1)
    target = ((after / pairs / mu).clamp(0, 1) ** 3 * mu)[:, None]
    smallest = torch.minimum(b.t * b.low, torch.where(bounded, room * b.high, torch.inf)).amin(1)
    poor = (smallest < CENTRED * mu)[:, None]
    target = torch.where(poor, torch.maximum(target, RECENTRE * mu[:, None]), target)
    second = torch.where(poor, 0.0, dt)
    low = target - b.t * b.low - second * dlow
    high = torch.where(bounded, target - room * b.high + second * dhigh, 0.0)
    dt, dlow, dhigh = step = _direction(b, room, theta, factor, stationary, low, high)
    a = (TO_BOUNDARY * _length(b, room, step)).clamp(max=1.0)[:, None]
    good = (info == 0) & torch.isfinite(a[:, 0]) & torch.isfinite(dt).all(1)
    a = torch.where(good[:, None], a, 0.0)
    for value, change in ((b.t, dt), (b.low, dlow), (b.high, dhigh)):
        value.add_(torch.where(good[:, None], a * change, 0.0))
    return good & (mu > CONVERGED * scale.square())


def _direction(
    b: _Batch, room: Tensor, theta: Tensor, factor: Tensor, stationary: Tensor, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Newton step of (t, low, high) for the complementarity targets `low` and `high`."""
    h = -stationary + low / b.t - high / room
    du = -torch.cholesky_solve(b.rows.transposed(theta * h)[:, :, None], factor)[:, :, 0]
    dt = theta * (h + b.rows.times(du))
    return dt, (low - b.low * dt) / b.t, (high + b.high * dt) / room


def _length(b: _Batch, room: Tensor, step: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """(k,) the largest step that keeps t, c - t and both multipliers >= 0."""
    dt, dlow, dhigh = step
    bounded = torch.isfinite(b.c)
    sides = [(b.t, dt), (b.low, dlow)]
    limits = [torch.where(d < 0, -x / d, torch.inf).amin(1) for x, d in sides]
    limits += [torch.where(bounded & (d < 0), -x / d, torch.inf).amin(1) for x, d in ((room, -dt), (b.high, dhigh))]
    return torch.stack(limits).amin(0)
