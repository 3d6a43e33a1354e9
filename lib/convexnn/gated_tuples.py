"""Groups of three-layer branches: m neurons with a pattern each, and one pattern of the second layer.

    f = sum_g e_g D2_g sum_j D1_{g,j} X z_{g,j}      e = +1 for the first G groups, -1 for the second G
    K_g:  s_j (2 D1_{g,j} - I) X z_{g,j} >= 0,   (2 D2_g - I) sum_j D1_{g,j} X z_{g,j} >= 0

Z has shape (2 G, m d, 1), neuron after neuron. The map is a `GatedOperator` on the G m patterns D2_g D1_{g,j}.
Laws: tests/laws/test_gated_tuples.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from convexnn.cones import Cone, _cone_multipliers
from convexnn.gauges import Gauge, _shrink
from convexnn.numerics import to_numpy
from convexnn.operators import GatedOperator, Operator


@dataclass(frozen=True)
class Tuples:
    """X (n, d), D1 (G, m, n), s (G, m), D2 (G, n), all float; inside (G, m, d) strictly inside every cone."""

    X: Tensor
    D1: Tensor
    s: Tensor
    D2: Tensor
    inside: Tensor

    @property
    def m(self) -> int:
        """Neurons of a branch."""
        return self.D1.shape[1]

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        parts = (self.X, self.D1, self.s, self.D2, self.inside)
        return type(self)(*(part.to(device, dtype) for part in parts))

    def slacks(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """First-layer rows (2 G, m, n) and second-layer rows (2 G, n) at z (2 G, m, d)."""
        half = len(self.D1)
        first, second = [], []
        for part in (z[:half], z[half:]):
            before = part @ self.X.T
            first.append(self.s[..., None] * (2 * self.D1 - 1) * before)
            second.append((2 * self.D2 - 1) * (self.D1 * before).sum(1))
        return torch.cat(first), torch.cat(second)

    def gather(self, first: Tensor, second: Tensor) -> Tensor:
        """C'(first, second), shape (2 G, m, d)."""
        half = len(self.D1)
        pulls = []
        for a, b in ((first[:half], second[:half]), (first[half:], second[half:])):
            weight = self.s[..., None] * (2 * self.D1 - 1) * a + self.D1 * ((2 * self.D2 - 1) * b)[:, None]
            pulls.append(weight @ self.X)
        return torch.cat(pulls)


@dataclass(frozen=True)
class TupleOperator(Operator):
    """The doubly gated map of `Tuples`, both output signs."""

    tuples: Tuples

    @cached_property
    def _flat(self) -> GatedOperator:
        t = self.tuples
        gates = (t.D2[:, None] * t.D1).reshape(-1, len(t.X)).T.contiguous()
        return GatedOperator(t.X, gates, (1.0, -1.0), 1)

    @property
    def domain(self) -> tuple[int, int, int]:
        return (2 * len(self.tuples.D1), self.tuples.m * self.tuples.X.shape[1], 1)

    @property
    def codomain(self) -> tuple[int, int]:
        return (len(self.tuples.X), 1)

    @property
    def like(self) -> Tensor:
        return self.tuples.X

    @property
    def group_signs(self) -> Tensor:
        return self.like.new_tensor([1.0, -1.0]).repeat_interleave(len(self.tuples.D1))

    def block_size(self) -> float:
        return self.tuples.m**0.5 * float(self.tuples.X.norm())

    def forward(self, Z: Tensor) -> Tensor:
        return self._flat.forward(Z.reshape(self._flat.domain))

    def adjoint(self, V: Tensor) -> Tensor:
        return self._flat.adjoint(V).reshape(self.domain)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return replace(self, tuples=self.tuples.to(device, dtype))


@dataclass(frozen=True)
class TupleCone(Cone):
    """The product over groups of the cones of `Tuples`: (m + 1) n rows a group, first layer first."""

    tuples: Tuples

    def rows(self, Z: Tensor) -> Tensor:
        t = self.tuples
        first, second = t.slacks(Z.reshape(len(Z), t.m, -1))
        return torch.cat([first.flatten(1), second], 1)[:, :, None]

    def adjoint(self, T: Tensor) -> Tensor:
        t, n = self.tuples, len(self.tuples.X)
        first = T[:, : t.m * n, 0].reshape(len(T), t.m, n)
        return t.gather(first, T[:, t.m * n :, 0]).reshape(len(T), -1, 1)

    def matrix(self, group: int) -> Tensor:
        """G_g, ((m + 1) n, m d)."""
        t, g = self.tuples, group % len(self.tuples.D1)
        first = torch.block_diag(*((t.s[g, j] * (2 * t.D1[g, j] - 1))[:, None] * t.X for j in range(t.m)))
        second = torch.cat([((2 * t.D2[g] - 1) * t.D1[g, j])[:, None] * t.X for j in range(t.m)], 1)
        return torch.cat([first, second])

    def adjoint_at(self, T: Tensor, groups: Tensor) -> Tensor:
        return torch.stack([self.matrix(int(g)).T @ T[k] for k, g in enumerate(groups)])

    def multipliers(self, Q: Tensor, groups: Tensor, free: int = 0) -> Tensor:
        found = []
        for k, g in enumerate(groups):
            G = to_numpy(self.matrix(int(g)))
            lam, live = np.zeros(len(G)), np.abs(G).max(1) > 0
            lam[live] = _cone_multipliers(G[live], to_numpy(Q[k, :, 0]), free)
            found.append(lam)
        return torch.as_tensor(np.array(found)[:, :, None], dtype=Q.dtype, device=Q.device)

    def violation(self, Z: Tensor) -> Tensor:
        t = self.tuples
        size = t.X.norm(dim=1)
        fired = t.D1.sum(1).sqrt().clamp(min=1).repeat(2, 1) * size
        scale = torch.cat([size.repeat(len(Z), t.m), fired], 1) * Z.flatten(1).norm(dim=1)[:, None]
        return ((-self.rows(Z)[:, :, 0]).clamp(min=0) / scale.clamp(min=1e-300)).amax(1)

    def shared_gram(self) -> Tensor | None:
        return None

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return replace(self, tuples=self.tuples.to(device, dtype))


@dataclass(frozen=True)
class NeuronL2(Gauge):
    """N(z) = sum_j |z_j|_2 over the m neurons of a group (the (2,1) norm);  polar = max_j |q_j|_2."""

    m: int

    def _neurons(self, Z: Tensor) -> Tensor:
        return Z.reshape(len(Z), self.m, -1)

    def per_group(self, Z: Tensor) -> Tensor:
        return self._neurons(Z).norm(dim=2).sum(1)

    def prox(self, Z: Tensor, step: float) -> Tensor:
        z = self._neurons(Z)
        return (z * _shrink(z.norm(dim=2, keepdim=True), step)).reshape(Z.shape)

    def polar(self, Q: Tensor) -> Tensor:
        return self._neurons(Q).norm(dim=2).amax(1)
