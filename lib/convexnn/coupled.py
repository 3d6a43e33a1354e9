"""Groups of several columns that act together on one output: explicit maps and explicit cone rows for every group.

    f = sum_g <E_g, Z_g>,   E (G, n, p, m), Z (G, p, m)          K_g = { Z : <C_g, Z> >= 0 },   C (B, k, p, m)

With this shape `GroupL2` is the sum of the lengths of the m columns of a group, `Frobenius` the length of the whole
group and `Nuclear` its nuclear norm. The B blocks of maps and rows are repeated with the signs +1, -1 (v and w).
Laws (tests/laws/test_coupled.py): those of every operator and cone; Woodbury's formula inverts the normal equations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from convexnn.cones import Cone, _cone_multipliers
from convexnn.numerics import to_numpy
from convexnn.operators import Operator


@dataclass(frozen=True)
class CoupledOperator(Operator):
    """f = sum_s s * sum_g <E_g, Z_{s,g}>; E (B, n, p, m). Cost of a pass: 2 n p m B flops for any number of signs."""

    E: Tensor
    signs: tuple[float, ...] = (1.0, -1.0)

    @property
    def domain(self) -> tuple[int, int, int]:
        return (len(self.signs) * self.E.shape[0], self.E.shape[2], self.E.shape[3])

    @property
    def codomain(self) -> tuple[int, int]:
        return (self.E.shape[1], 1)

    @property
    def like(self) -> Tensor:
        return self.E

    @property
    def group_signs(self) -> Tensor:
        return self.E.new_tensor(self.signs).repeat_interleave(self.E.shape[0])

    def block_size(self) -> float:
        return float(self.E.flatten(1).norm(dim=1).max()) if len(self.E) else 0.0

    def flat(self) -> Tensor:
        """(B, n, p m), the maps on Z_g read row by row."""
        return self.E.flatten(2)

    def forward(self, Z: Tensor) -> Tensor:
        merged = (self.group_signs[:, None, None] * Z).reshape(len(self.signs), *self.E[:, 0].shape).sum(0)
        return torch.einsum("gnpm,gpm->n", self.E, merged)[:, None]

    def adjoint(self, V: Tensor) -> Tensor:
        Q = torch.einsum("gnpm,nc->gpm", self.E, V)
        return torch.cat([sign * Q for sign in self.signs])

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return replace(self, E=self.E.to(device, dtype))

    def normal_solver(self, cone: Cone, alpha: float, gamma: float) -> Callable[[Tensor], Tensor]:
        """Woodbury: with B_g = I + gamma C_g'C_g, one factor of I / alpha + sum_g E_g B_g^-1 E_g' (n x n)."""
        C = cone.C.flatten(2) if isinstance(cone, CoupledCone) else self.flat()[:, :0]
        E, identity = self.flat(), torch.eye(self.flat().shape[2]).to(self.E)
        block = torch.linalg.cholesky(identity + gamma * C.mT @ C)
        inner = len(self.signs) * torch.einsum("gnp,gpm->nm", E, torch.cholesky_solve(E.mT.contiguous(), block))
        inner.diagonal().add_(1.0 / alpha)
        outer = torch.linalg.cholesky(inner)
        blocks = block.repeat(len(self.signs), 1, 1)

        def divide(R: Tensor) -> Tensor:
            return torch.cholesky_solve(R.flatten(1)[:, :, None], blocks).reshape(R.shape)

        def solve(R: Tensor) -> Tensor:
            Z = divide(R)
            return Z - divide(self.adjoint(torch.cholesky_solve(self.forward(Z), outer)))

        return solve


@dataclass(frozen=True)
class CoupledCone(Cone):
    """K_g = {Z : <C_b, Z> >= 0}, b = g mod B, for each of `copies` families; rows of zeros say nothing."""

    C: Tensor
    copies: int = 2

    def _pick(self, groups: Tensor) -> Tensor:
        return self.C[groups % len(self.C)]

    def rows(self, Z: Tensor) -> Tensor:
        families = Z.reshape(self.copies, *self.C[:, 0].shape)
        return torch.einsum("gkpm,sgpm->sgk", self.C, families).flatten(0, 1)[:, :, None]

    def adjoint(self, T: Tensor) -> Tensor:
        families = T.reshape(self.copies, *self.C.shape[:2])
        return torch.einsum("gkpm,sgk->sgpm", self.C, families).flatten(0, 1)

    def adjoint_at(self, T: Tensor, groups: Tensor) -> Tensor:
        return torch.einsum("gkpm,gkc->gpm", self._pick(groups), T)

    def violation(self, Z: Tensor) -> Tensor:
        sizes = self.C.flatten(2).norm(dim=2).repeat(self.copies, 1)
        scale = sizes * Z.flatten(1).norm(dim=1)[:, None]
        outside = (-self.rows(Z)[:, :, 0]).clamp(min=0) / scale.clamp(min=1e-300)
        return torch.where(scale > 0, outside, torch.zeros_like(outside)).amax(1)

    def shared_gram(self) -> Tensor | None:
        return None

    def multipliers(self, Q: Tensor, groups: Tensor, free: int = 0) -> Tensor:
        if free:
            raise ValueError(f"free is {free}; coupled groups have no unpenalised coordinates")
        rows, flat = to_numpy(self._pick(groups).flatten(2)), to_numpy(Q.flatten(1))
        lam = np.array([_cone_multipliers(G, q, 0) for G, q in zip(rows, flat)]).reshape(len(groups), -1, 1)
        return torch.as_tensor(lam, dtype=Q.dtype, device=Q.device)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return replace(self, C=self.C.to(device, dtype))
