"""The quadratic game in the players' matrices, and the pair of bounds that judges any two players.

    p* = min over 0 <= S <= M I   max over Q     b tr S + <Q, X'X - S> - beta_d |Q|_*,      b = beta_g / 2

S = G'G is all that a quadratic discriminator sees of the generator, Q = sum_j v_j u_j u_j' all that it is itself. With
M = 2 sigma_1(X)^2 the bound on S does not bind at the saddle and makes the generator's answer finite:

    L(Q) = -min_S = -<Q, Y> + M tr(Q - b I)_+,   Y = X'X;       L*(-v) = b tr S  where  S = Y - v  and  0 <= S <= M I

so the *discriminator's* problem  min_Q L(Q) + beta_d |Q|_*  is a row of the library's table, its dual vector is the
generator's second moment, and the library's judge certifies it. Its value is -p*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convexnn.losses import Loss
from convexnn.numerics import EPS, Array, relative_gap

#: Eigenvalues may leave [0, M] by this many units in the last place of M for each dimension.
DOMAIN_ULPS = 256.0


def _symmetric(A: Tensor) -> Tensor:
    return 0.5 * (A + A.mT)


@dataclass(frozen=True)
class GeneratorAnswer(Loss):
    """L(Q) = -<Q, Y> + M tr(Q - b I)_+, what the best generator leaves of a quadratic discriminator's payoff."""

    b: float
    M: float
    name: str = "generator_answer"
    smoothness: float = float("inf")

    def value(self, f: Tensor, Y: Tensor) -> Tensor:
        Q = _symmetric(f)
        return -(Q * Y).sum() + self.M * (torch.linalg.eigvalsh(Q) - self.b).clamp(min=0).sum()

    def gradient(self, f: Tensor, Y: Tensor) -> Tensor:
        w, V = torch.linalg.eigh(_symmetric(f))
        return -Y + self.M * (V * (w > self.b).to(w.dtype)) @ V.mT

    def conjugate(self, z: Tensor, Y: Tensor) -> Tensor:
        w = torch.linalg.eigvalsh(_symmetric(Y + z))
        slack = DOMAIN_ULPS * EPS * len(w) * self.M
        skew = (z - z.mT).abs().max() <= 2 * slack
        inside = bool(skew) and bool(w.min() >= -slack) and bool(w.max() <= self.M + slack)
        return self.b * w.sum() if inside else z.new_tensor(torch.inf)

    def prox(self, f: Tensor, Y: Tensor, step: float) -> Tensor:
        w, V = torch.linalg.eigh(_symmetric(f + step * Y))
        w = torch.where(w > self.b, torch.clamp(w - step * self.M, min=self.b), w)
        return (V * w) @ V.mT

    def into_domain(self, v: Tensor, Y: Tensor) -> Tensor:
        w, V = torch.linalg.eigh(_symmetric(Y - v))
        return Y - _symmetric((V * w.clamp(0.0, self.M)) @ V.mT)


@dataclass(frozen=True)
class Bounds:
    """lower <= p* <= upper, from the best response to each player."""

    lower: float
    upper: float

    @property
    def gap(self) -> float:
        return relative_gap(self.upper, self.lower)


def bound_on_moments(X: Array) -> float:
    """M = 2 sigma_1(X)^2."""
    return 2 * float(np.linalg.norm(X, 2)) ** 2


def judge_players(X: Array, beta: float, S: Array, Q: Array, weight: float = 1.0) -> Bounds:
    """Bounds on p* from any S >= 0 and any symmetric Q, each answered exactly; written apart from every player.

    upper  b tr S + C (|X'X - S|_2 - beta)_+ : the best discriminator with |Q|_* <= C = 2 b d, twice what it ever needs
    lower  <Q, X'X> - beta |Q|_* - M tr(Q - b I)_+ : the best generator with S <= M I
    Raises ValueError when S is not positive semidefinite.
    """
    b, Y = 0.5 * weight, X.T @ X
    S, Q = 0.5 * (S + S.T), 0.5 * (Q + Q.T)
    if np.linalg.eigvalsh(S).min() < -1e-9 * max(1.0, float(np.abs(S).max())):
        raise ValueError("S has a negative eigenvalue; a second moment G'G has none: pass G.T @ G")
    excess = max(0.0, float(np.abs(np.linalg.eigvalsh(Y - S)).max()) - beta)
    w = np.linalg.eigvalsh(Q)
    upper = b * float(np.trace(S)) + 2 * b * len(Y) * excess
    lower = float((Q * Y).sum() - beta * np.abs(w).sum() - bound_on_moments(X) * np.maximum(w - b, 0).sum())
    return Bounds(max(lower, 0.0), upper)
