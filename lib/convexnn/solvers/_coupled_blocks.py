"""Groups with explicit maps and rows in their norm cones and polyhedral cones: the Newton elimination.

    t = C w + h >= 0,  lambda >= 0,     q = s E'theta + C'lambda,    |q_j| <= beta for every column j (or |q|_F <= beta)
    F = N + C' diag(lambda / t) C                                              p m x p m
    dw = F^{-1} (e + s E'dtheta),       A F^{-1} A' = sum_b E_b (F_{b,+}^{-1} + F_{b,-}^{-1}) E_b'

Arrays are (S, B, ...), S output signs; w and q are (S, B, m, p), columns first. Everything that does not touch the maps
or the rows is `_layered_blocks`. A step costs B (k + n) (p m)^2 flops for the blocks and n^2 B p m for the matrix.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convexnn.coupled import CoupledCone, CoupledOperator
from convexnn.solvers._layered_blocks import LayeredBlocks
from convexnn.solvers._symmetric import batched_cholesky


class CoupledBlocks(LayeredBlocks):
    """All groups with all output signs; `whole`: one norm a group (Frobenius), else one a column."""

    def __init__(self, operator: CoupledOperator, cone: CoupledCone, beta: float, whole: bool) -> None:
        self.beta, E, C = beta, operator.E.transpose(2, 3), cone.C.transpose(2, 3)
        self.G, self.n, self.m, self.d = E.shape
        self.features = E.flatten(2).mT.contiguous()  # (B, m p, n)
        self.second = C.flatten(2).contiguous()  # (B, k, m p)
        self.sign = operator.like.new_tensor(operator.signs)[:, None, None, None]
        self.q_size = self.m * self.d if whole else self.d
        self.zero_rows = (self.second == 0).all(2).to(self.second)
        self.row_shape = (self.second.shape[1],)
        self.row_size = float(self.second.norm(dim=2).sum(1).max())
        self.f: Tensor | None = None

    def rows(self, w: Tensor) -> Tensor:
        """(S, B, k) C w."""
        return torch.matmul(self.second, w.flatten(2)[..., None])[..., 0]

    def gather(self, lam: Tensor) -> Tensor:
        """(S, B, m, p) C'lambda."""
        return torch.matmul(self.second.mT, lam[..., None]).reshape(*lam.shape[:2], self.m, self.d)

    def pull(self, theta: Tensor) -> Tensor:
        """(S, B, m, p) s E'theta."""
        return self.sign * (self.features @ theta).reshape(self.G, self.m, self.d)

    def push(self, w: Tensor) -> Tensor:
        """(n, 1) sum s E w."""
        merged = (self.sign * w).sum(0).flatten(1)
        return torch.einsum("gpn,gp->n", self.features, merged)[:, None]

    def _factor_blocks(self) -> None:
        F = torch.matmul(self.second.mT, self.ratio[..., None] * self.second)
        N = self.scaling.block().reshape(len(self.sign), self.G, -1, self.q_size, self.q_size)
        for j in range(N.shape[2]):
            at = slice(j * self.q_size, (j + 1) * self.q_size)
            F[:, :, at, at] += N[:, :, j]
        self.factor = batched_cholesky(F.flatten(0, 1))
        self.inverse = torch.cholesky_inverse(self.factor).reshape(F.shape).sum(0)
