"""Blocks of the lifted partition: which rows are fixed in each, and the multipliers that bound it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

#: softplus(SMALL) is the share of beta at which a multiplier starts.
SMALL = -9.0


@dataclass
class Blocks:
    """B blocks over n rows with at most k fixed rows each; unit rows e_i, weights relative to them.

    side (B,) +-1; signs (B, n) in {-1, 0, 1}; fixed (B, k) row numbers, -1 for none
    logc (B, n), mix (B, n, 3) logits of the pieces 0, c'u, curve; mu, rho (B, k), N (B, k, k): before softplus
    mass (B,), u (B, r), U (B, r, r): running averages of the relaxed neuron of each block
    """

    side: Tensor
    signs: Tensor
    fixed: Tensor
    logc: Tensor
    mix: Tensor
    mu: Tensor
    rho: Tensor
    N: Tensor
    mass: Tensor
    u: Tensor
    U: Tensor

    def variables(self) -> list[Tensor]:
        """What the ascent moves, next to v."""
        return [self.logc, self.mix, self.mu, self.rho, self.N]

    def at(self, index: Tensor) -> Blocks:
        """Copies of the blocks at `index`, repeats allowed."""
        return Blocks(*(getattr(self, part.name)[index].clone() for part in fields(self)))

    def __len__(self) -> int:
        return len(self.side)


def root(n: int, r: int, like: Tensor) -> Blocks:
    """One block for each output sign, nothing fixed."""
    zero = like.new_zeros
    return Blocks(
        side=torch.cat([zero(1) + 1, zero(1) - 1]),
        signs=zero(2, n),
        fixed=torch.zeros(2, 0, dtype=torch.long, device=like.device),
        logc=zero(2, n) - 0.5 * np.log(r),
        mix=torch.cat([zero(2, n, 2), zero(2, n, 1) + 1], 2),
        mu=zero(2, 0),
        rho=zero(2, 0),
        N=zero(2, 0, 0),
        mass=zero(2) + 0.5,
        u=zero(2, r),
        U=(torch.eye(r, dtype=like.dtype, device=like.device) / r).expand(2, r, r),
    )


def unplus(x: Tensor) -> Tensor:
    """The inverse of softplus, at least SMALL."""
    return torch.where(x < 30, torch.log(torch.expm1(x.clamp(min=1e-9, max=30.0))), x).clamp(min=SMALL)


def widened(fixed: Tensor, mu: Tensor, rho: Tensor, N: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One more place for a fixed row in every block; its multipliers start near zero."""
    B, k = fixed.shape
    none = fixed.new_full((B, 1), -1)
    wide = N.new_full((B, k + 1, k + 1), SMALL)
    wide[:, :k, :k] = N
    place = mu.new_full((B, 1), SMALL)
    return torch.cat([fixed, none], 1), torch.cat([mu, place], 1), torch.cat([rho, place], 1), wide


def compact(b: Blocks) -> Blocks:
    """Used places first, and as few places as the fullest block needs."""
    order = torch.argsort((b.fixed < 0).to(torch.int8), dim=1, stable=True)[:, : int((b.fixed >= 0).sum(1).max())]
    b.fixed, b.mu, b.rho = (torch.gather(x, 1, order) for x in (b.fixed, b.mu, b.rho))
    width = b.N.shape[2]
    N = torch.gather(b.N, 1, order[:, :, None].expand(-1, -1, width))
    b.N = torch.gather(N, 2, order[:, None, :].expand(-1, order.shape[1], -1))
    return b
