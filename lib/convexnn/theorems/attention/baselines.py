"""The MLP baseline, and what it shares with the Fourier operator: every token is a row, and rows do not interact.

    f_q = sum_j s(r_q'w1_j) w2_j,   Z = sum_j w1_j w2_j'  (r, c),   f_q = sum_g mask_g[q] r_q' Z_g

For the MLP r_q = x_q. With B blocks features and outputs are cut in B pieces, one group of Z each.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.theorems.attention.head import Activation, Head, activate


@dataclass(frozen=True)
class Tokenwise(Head):
    """p = d / B, q = c / B; a gate is one vector for each block, (B, d / B)."""

    name: str = "mlp"
    blocks: int = 1

    def rows(self, X: Tensor) -> Tensor:
        """What one output token sees, block by block: (n, s, B, r)."""
        return X.reshape(*X.shape[:2], self.blocks, -1)

    def sides(self, s: int, d: int, c: int) -> tuple[int, int]:
        if d % self.blocks or c % self.blocks:
            raise ValueError(f"blocks is {self.blocks}; it must divide the {d} features and the {c} outputs")
        return d // self.blocks, c // self.blocks

    def gate_shape(self, s: int, d: int) -> tuple[int, ...]:
        return (self.blocks, self.sides(s, d, self.blocks)[0])

    def masks(self, X: Tensor, gates: Tensor) -> Tensor:
        return (torch.einsum("nqbr,gbr->ngqb", self.rows(X), gates) >= 0).to(X.dtype)

    def forward(self, X: Tensor, masks: Tensor | None, Z: Tensor) -> Tensor:
        rows = self.rows(X)
        blocks = Z.reshape(-1, self.blocks, *Z.shape[1:])
        each = torch.einsum("nqbr,gbrk->ngqbk", rows, blocks)
        if masks is not None:
            each = each * masks[..., None]
        return each.sum(1).flatten(2)

    def adjoint(self, X: Tensor, masks: Tensor | None, V: Tensor) -> Tensor:
        n, s, _ = X.shape
        split = V.reshape(n, 1, s, self.blocks, -1)
        gated = split if masks is None else split * masks[..., None]
        return torch.einsum("nqbr,ngqbk->gbrk", self.rows(X), gated).flatten(0, 1)

    def mix(self, X: Tensor, left: Tensor) -> Tensor:
        """r_q'w1_j for left (gates, B, m, r): (n, gates, s, B, m)."""
        return torch.einsum("nqbr,gbmr->ngqbm", self.rows(X), left)

    def network(self, X: Tensor, left: Tensor, right: Tensor, activation: Activation, gates: Tensor | None) -> Tensor:
        left, right = (W.reshape(-1, self.blocks, *W.shape[1:]) for W in (left, right))
        mask = None if gates is None else self.masks(X, gates)[..., None]
        after = activate(self.mix(X, left), activation, mask)
        return torch.einsum("ngqbm,gbmk->nqbk", after, right).flatten(2)
