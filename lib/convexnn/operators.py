"""Matrix-free linear maps Z -> predictions, with adjoints, and the normal equations that ADMM solves.

Law (tests/laws/test_operators.py): <A Z, V> = <Z, A' V> for every Z, V, and the same answer for every chunk size.
No operator ever forms [D_1 X ... D_P X]; work arrays stay below `CHUNK_BYTES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from convexnn.cones import Cone
from convexnn.numerics import product

CHUNK_BYTES = 64 * 2**20
#: On a CPU a pass is faster in pieces of a cache's size.
CACHE_BYTES = 4 * 2**20


class Operator(ABC):
    """A linear map from groups Z of shape `domain` to predictions of shape (n, c)."""

    @property
    @abstractmethod
    def domain(self) -> tuple[int, ...]:
        """Shape of Z, groups first."""

    @property
    @abstractmethod
    def codomain(self) -> tuple[int, int]:
        """Shape (n, c) of the predictions."""

    @abstractmethod
    def forward(self, Z: Tensor) -> Tensor:
        """A Z, shape (n, c)."""

    @abstractmethod
    def adjoint(self, V: Tensor) -> Tensor:
        """A' V, shape `domain`."""

    @abstractmethod
    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """The same operator elsewhere."""

    @property
    @abstractmethod
    def like(self) -> Tensor:
        """Any tensor of the operator's device and dtype."""

    @property
    def group_signs(self) -> Tensor:
        """(G,) the sign with which each group enters the predictions; +1 unless the operator has families."""
        return self.like.new_ones(self.domain[0])

    def block_size(self) -> float:
        """An upper bound on max_g |A_g|_F for one output; what rounding errors of A_g'v are measured by."""
        return 1.1 * self.norm() * self.domain[1] ** 0.5

    def norm(self, iterations: int = 30, seed: int = 0) -> float:
        """The largest singular value of A by Lanczos on A A' (a lower estimate; callers keep a margin).

        All Lanczos vectors are kept orthogonal, so a start that is nearly blind to the top vector does not matter.
        """
        generator = torch.Generator().manual_seed(seed)
        v = torch.randn(self.codomain, generator=generator, dtype=torch.float64).to(self.like).reshape(-1)
        basis, diagonal, off = [v / v.norm()], [], []
        for _ in range(min(iterations, v.numel())):
            w = self.forward(self.adjoint(basis[-1].reshape(self.codomain))).reshape(-1)
            diagonal.append(w @ basis[-1])
            Q = torch.stack(basis)
            w = w - Q.T @ (Q @ w)
            w = w - Q.T @ (Q @ w)
            size = w.norm()
            if not float(size) > 1e-10 * max(1e-300, float(torch.stack(diagonal).abs().max())):
                break
            off.append(size)
            basis.append(w / size)
        k = len(diagonal)
        T = torch.diag(torch.stack(diagonal))
        if k > 1:
            side = torch.diag(torch.stack(off[: k - 1]), 1)
            T = T + side + side.T
        return float(torch.linalg.eigvalsh(T)[-1].clamp(min=0)) ** 0.5

    def normal_solver(self, cone: Cone, alpha: float, gamma: float) -> Callable[[Tensor], Tensor]:
        """R -> (I + alpha A'A + gamma G'G)^{-1} R by conjugate gradients (G = rows of the cone)."""

        def apply(Z: Tensor) -> Tensor:
            return Z + alpha * self.adjoint(self.forward(Z)) + gamma * cone.adjoint(cone.rows(Z))

        def solve(R: Tensor) -> Tensor:
            Z = torch.zeros_like(R)
            residual, direction = R.clone(), R.clone()
            rho = residual.square().sum()
            target = 1e-24 * rho
            for _ in range(10 * max(self.codomain)):
                if rho <= target:
                    break
                image = apply(direction)
                step = rho / (direction * image).sum()
                Z += step * direction
                residual -= step * image
                rho, previous = residual.square().sum(), rho
                direction = residual + (rho / previous) * direction
            return Z

        return solve


@dataclass(frozen=True)
class GatedOperator(Operator):
    """Two-layer gated map: f = sum_s s * sum_i D_i X Z_{s,i}.

    X      (n, d)         data
    D      (n, P) 0/1     activation patterns, dtype of X
    signs  (+1,) for gated ReLU, (+1, -1) for the v and w families of ReLU; Z holds all of +1, then all of -1
    c      outputs;  domain (len(signs) * P, d, c)

    Cost of a pass: 2 n d P c flops for any number of signs (the families are merged before the product).
    """

    X: Tensor
    D: Tensor
    signs: tuple[float, ...] = (1.0,)
    c: int = 1

    @property
    def domain(self) -> tuple[int, int, int]:
        return (len(self.signs) * self.D.shape[1], self.X.shape[1], self.c)

    @property
    def codomain(self) -> tuple[int, int]:
        return (self.X.shape[0], self.c)

    @property
    def like(self) -> Tensor:
        return self.X

    @property
    def group_signs(self) -> Tensor:
        """(G,) the sign of each group's family."""
        return torch.tensor(self.signs, device=self.X.device, dtype=self.X.dtype).repeat_interleave(self.D.shape[1])

    def block_size(self) -> float:
        return float(self.X.norm())

    def _chunks(self) -> Iterator[slice]:
        room = min(CHUNK_BYTES, CACHE_BYTES) if self.X.device.type == "cpu" else CHUNK_BYTES
        size = max(1, room // (self.X.element_size() * self.X.shape[0] * self.c))
        return (slice(start, start + size) for start in range(0, self.D.shape[1], size))

    def forward(self, Z: Tensor) -> Tensor:
        P, d = self.D.shape[1], self.X.shape[1]
        W = (self.group_signs[:, None, None] * Z).reshape(len(self.signs), P, d, self.c).sum(0)
        f = self.X.new_zeros(self.codomain)
        for part in self._chunks():
            XW = product(self.X, W[part].permute(1, 0, 2).reshape(d, -1)).reshape(self.X.shape[0], -1, self.c)
            f += XW.mul_(self.D[:, part, None]).sum(1)
        return f

    def adjoint(self, V: Tensor) -> Tensor:
        pulls = []
        for part in self._chunks():
            gated = (self.D[:, part, None] * V[:, None, :]).reshape(self.X.shape[0], -1)
            pulls.append(product(self.X.T, gated).reshape(self.X.shape[1], -1, self.c).permute(1, 0, 2))
        Q = torch.cat(pulls) if pulls else self.X.new_zeros((0, self.X.shape[1], self.c))
        return torch.cat([sign * Q for sign in self.signs])

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return replace(self, X=self.X.to(device, dtype), D=self.D.to(device, dtype))

    def normal_solver(self, cone: Cone, alpha: float, gamma: float) -> Callable[[Tensor], Tensor]:
        """Woodbury: G'G = X'X in every block, so one d x d and one n x n Cholesky factor serve all groups.

        With B = I + gamma X'X:  A B^{-1} A' = len(signs) * (X B^{-1} X') o (D D').
        """
        block_gram = cone.shared_gram()
        if block_gram is None:
            return super().normal_solver(cone, alpha, gamma)
        identity = torch.eye(self.X.shape[1], device=self.X.device, dtype=self.X.dtype)
        block = torch.linalg.cholesky(identity + gamma * block_gram.to(self.X))

        def block_solve(R: Tensor) -> Tensor:
            flat = R.permute(1, 0, 2).reshape(R.shape[1], -1)
            return torch.cholesky_solve(flat, block).reshape(R.shape[1], R.shape[0], R.shape[2]).permute(1, 0, 2)

        inner = len(self.signs) * (self.X @ torch.cholesky_solve(self.X.T, block)) * (self.D @ self.D.T)
        inner.diagonal().add_(1.0 / alpha)
        outer = torch.linalg.cholesky(inner)

        def solve(R: Tensor) -> Tensor:
            Z = block_solve(R)
            return Z - block_solve(self.adjoint(torch.cholesky_solve(self.forward(Z), outer)))

        return solve


@dataclass(frozen=True)
class MatrixOperator(Operator):
    """f = sum_g E_g Z_g with explicit matrices E of shape (G, n, p): dictionaries and small templates."""

    E: Tensor
    c: int = 1

    @property
    def domain(self) -> tuple[int, int, int]:
        return (self.E.shape[0], self.E.shape[2], self.c)

    @property
    def codomain(self) -> tuple[int, int]:
        return (self.E.shape[1], self.c)

    @property
    def like(self) -> Tensor:
        return self.E

    def block_size(self) -> float:
        return float(self.E.flatten(1).norm(dim=1).max()) if len(self.E) else 0.0

    def forward(self, Z: Tensor) -> Tensor:
        return torch.einsum("gnp,gpc->nc", self.E, Z)

    def adjoint(self, V: Tensor) -> Tensor:
        return torch.einsum("gnp,nc->gpc", self.E, V)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return replace(self, E=self.E.to(device, dtype))
