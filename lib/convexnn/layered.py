"""Three-layer branches as one linear map and one cone: the doubly gated operator and its product cone.

A group g is a branch with fixed patterns: m neurons with first-layer patterns D_{g,j} and second-layer signs s_{g,j},
and a second-layer pattern D_g. Its variable is Z_g = [v_1 .. v_m] of shape (d, m); families repeat all groups with the
output signs e = +1, -1:

    f = sum_{g,e} e D_g sum_j D_{g,j} X v_{g,e,j}
    first layer    s_{g,j} (2 D_{g,j} - I) X v_{g,e,j} >= 0  for every j     (rows 0 .. m n - 1, neuron by neuron)
    second layer   (2 D_g - I) sum_j D_{g,j} X v_{g,e,j} >= 0                (rows m n .. (m + 1) n - 1)

With this shape `GroupL2` is the (2,1) norm sum_j |v_j| and `Frobenius` the norm of the whole block.
Laws (tests/laws/test_layered.py): those of every operator and cone, and equality with explicit matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from convexnn.cones import Cone, _cone_multipliers
from convexnn.numerics import product, to_numpy
from convexnn.operators import GatedOperator, Operator


@dataclass(frozen=True)
class LayeredOperator(Operator):
    """f = sum_s s * sum_g D_g sum_j D_{g,j} X v_{s,g,j}: a gated map with the patterns D_g D_{g,j}.

    X (n, d), D1 (G, m, n) and D2 (G, n) with values 0/1, dtype of X. Cost of a pass: 2 n d G m flops.
    """

    X: Tensor
    D1: Tensor
    D2: Tensor
    signs: tuple[float, ...] = (1.0, -1.0)

    @property
    def neurons(self) -> int:
        """m, the neurons of the first layer of a branch."""
        return int(self.D1.shape[1])

    @property
    def gates(self) -> Tensor:
        """(G, m, n) the diagonals of D_g D_{g,j}."""
        return self.D2[:, None] * self.D1

    @property
    def domain(self) -> tuple[int, int, int]:
        return (len(self.signs) * len(self.D1), self.X.shape[1], self.neurons)

    @property
    def codomain(self) -> tuple[int, int]:
        return (self.X.shape[0], 1)

    @property
    def like(self) -> Tensor:
        return self.X

    @property
    def group_signs(self) -> Tensor:
        """(len(signs) * G,) the output sign of each group."""
        return self.X.new_tensor(self.signs).repeat_interleave(len(self.D1))

    def block_size(self) -> float:
        return float(self.X.norm()) * self.neurons**0.5

    def _gated(self) -> GatedOperator:
        return GatedOperator(self.X, self.gates.flatten(0, 1).T, self.signs)

    def forward(self, Z: Tensor) -> Tensor:
        return self._gated().forward(Z.permute(0, 2, 1).reshape(-1, Z.shape[1], 1))

    def adjoint(self, V: Tensor) -> Tensor:
        return self._gated().adjoint(V).reshape(self.domain[0], self.neurons, -1).permute(0, 2, 1)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        X, D1, D2 = (part.to(device, dtype) for part in (self.X, self.D1, self.D2))
        return replace(self, X=X, D1=D1, D2=D2)


@dataclass(frozen=True)
class LayeredCone(Cone):
    """The product cone of every group, repeated for each of `copies` families; s (G, m) with entries -1/+1.

    A second-layer row in which no neuron fires is zero and constrains nothing.
    """

    X: Tensor
    D1: Tensor
    D2: Tensor
    s: Tensor
    copies: int = 2

    def _at(self, groups: Tensor | None) -> tuple[Tensor, Tensor]:
        """First-layer signs (A, m, n) and second-layer weights (A, m, n) of the groups, by default all once."""
        pick = slice(None) if groups is None else groups % len(self.D1)
        D1, D2, s = self.D1[pick], self.D2[pick], self.s[pick]
        return s[:, :, None] * (2 * D1 - 1), D1 * (2 * D2[:, None] - 1)

    def _weights(self) -> tuple[Tensor, Tensor]:
        first, second = self._at(None)
        return first.repeat(self.copies, 1, 1), second.repeat(self.copies, 1, 1)

    def rows(self, Z: Tensor) -> Tensor:
        first, second = self._weights()
        H = product(Z.permute(0, 2, 1).reshape(-1, Z.shape[1]), self.X.T).reshape(first.shape)
        return torch.cat([first * H, (second * H).sum(1, keepdim=True)], 1).flatten(1)[:, :, None]

    def _gather(self, T: Tensor, first: Tensor, second: Tensor) -> Tensor:
        m = first.shape[1]
        T = T.reshape(len(T), m + 1, -1)
        mixed = first * T[:, :m] + second * T[:, m:]
        return product(mixed.flatten(0, 1), self.X).reshape(len(T), m, -1).permute(0, 2, 1)

    def adjoint(self, T: Tensor) -> Tensor:
        return self._gather(T, *self._weights())

    def adjoint_at(self, T: Tensor, groups: Tensor) -> Tensor:
        return self._gather(T, *self._at(groups))

    def violation(self, Z: Tensor) -> Tensor:
        fired = self.D1.sum(1, keepdim=True).sqrt().repeat(self.copies, 1, 1)
        size = torch.cat([torch.ones_like(self.D1).repeat(self.copies, 1, 1), fired], 1) * self.X.norm(dim=1)
        scale = size.flatten(1) * Z.flatten(1).norm(dim=1)[:, None]
        outside = (-self.rows(Z)[:, :, 0]).clamp(min=0) / scale.clamp(min=1e-300)
        return torch.where(scale > 0, outside, torch.zeros_like(outside)).amax(1)

    def shared_gram(self) -> Tensor | None:
        return None

    def matrices(self, groups: Tensor) -> Tensor:
        """(A, (m + 1) n, m d) the rows of some groups; columns neuron by neuron."""
        first, second = self._at(groups)
        (A, m, n), d = first.shape, self.X.shape[1]
        G = self.X.new_zeros(A, m + 1, n, m, d)
        for j in range(m):
            G[:, j, :, j] = first[:, j, :, None] * self.X
            G[:, m, :, j] = second[:, j, :, None] * self.X
        return G.reshape(A, (m + 1) * n, m * d)

    def multipliers(self, Q: Tensor, groups: Tensor, free: int = 0) -> Tensor:
        if free:
            raise ValueError(f"free is {free}; the cone of a three-layer branch has no unpenalised coordinates")
        lam = np.zeros((len(groups), (self.D1.shape[1] + 1) * self.X.shape[0], 1))
        flat = to_numpy(Q.permute(0, 2, 1).flatten(1))
        for k in range(len(groups)):
            lam[k, :, 0] = _cone_multipliers(to_numpy(self.matrices(groups[k : k + 1])[0]), flat[k], 0)
        return torch.as_tensor(lam, dtype=Q.dtype, device=Q.device)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        X, D1, D2, s = (part.to(device, dtype) for part in (self.X, self.D1, self.D2, self.s))
        return replace(self, X=X, D1=D1, D2=D2, s=s)
