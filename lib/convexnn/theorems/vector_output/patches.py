"""Networks whose neurons see patches of a sample and are pooled: a matrix of data is the case of one patch.

Sample i has patches X_i (K, h); a neuron u is pooled with the rows p_1..p_a of P (a, K) and feeds a output rows:

    f(X_i) = sum_j sum_a ( p_a'(X_i u_j)_+ ) A_j[a]          A_j (a, c);  K = a = 1, P = 1: sum_j (x_i'u_j)_+ a_j'

The cells are those of all n K stacked patch rows. With F = sum_i D_i X V_i on the stacked rows, V_i (h, a c), the
predictions are f[i] = sum_{k, a} P[a, k] F[(i, k), a]: a gated map followed by the fixed linear pooling.
Source: Sahiner, Ergen, Pauly and Pilanci (arXiv 2012.13329) for vector outputs and pooling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from convexnn.cones import Cone
from convexnn.numerics import Array, BoolArray, check_choice, check_finite, tensor
from convexnn.operators import GatedOperator, Operator
from convexnn.theorems.shared.cyclic import cyclic_patches as cyclic_patches  # where convolutions look for it
from convexnn.theorems.shared.patterned import row_space

Pooling = Literal["sum", "average", "none"]
POOLINGS: tuple[Pooling, ...] = ("sum", "average", "none")


def pooling_matrix(pooling: Pooling | Array, patches: int) -> Array:
    """P (a, K): "sum" of the patches, their "average", "none" (each patch has its own output weights), or a matrix.

    Raises ValueError for an unknown word or a matrix without K columns.
    """
    if isinstance(pooling, str):
        check_choice("pooling", pooling, POOLINGS)
        ones = np.ones((1, patches))
        return {"sum": ones, "average": ones / patches, "none": np.eye(patches)}[pooling]
    check_finite(pooling=pooling)
    P = np.asarray(pooling, dtype=np.float64)
    if P.ndim != 2 or P.shape[1] != patches or P.shape[0] == 0:
        raise ValueError(f"pooling has shape {P.shape}; pass one of {', '.join(POOLINGS)} or a matrix (a, {patches})")
    return P


@dataclass(frozen=True)
class Patches:
    """The stacked patch rows in coordinates of their row space.

    rows   (n K, r) float64;  basis (r, h) or None: u = basis.T z;  pool (a, K);  n samples
    """

    rows: Array
    basis: Array | None
    pool: Array
    n: int

    @property
    def rank(self) -> int:
        """r, the dimension of the neurons that matter."""
        return int(self.rows.shape[1])

    def features(self, U: Array) -> Array:
        """Pooled activations (n, a, m) of neurons U (m, r)."""
        hidden = np.maximum(self.rows @ U.T, 0).reshape(self.n, self.pool.shape[1], len(U))
        return np.asarray(np.einsum("ak,nkm->nam", self.pool, hidden))

    def pulls(self, D: BoolArray, v: Array) -> Array:
        """(P, r, a c): the pull X'D_i V of a dual vector v (n, c) on every cell of D (n K, P)."""
        spread = np.einsum("ak,nc->nkac", self.pool, v).reshape(len(self.rows), -1)
        outer = (self.rows[:, :, None] * spread[:, None, :]).reshape(len(self.rows), -1)
        return (D.T.astype(np.float64) @ outer).reshape(D.shape[1], self.rank, -1)

    def lift(self, U: Array) -> Array:
        """Neurons (m, r) in the coordinates of the data, (m, h)."""
        return U if self.basis is None else U @ self.basis

    def drop(self, U: Array) -> Array:
        """Neurons (m, h) in row-space coordinates; what is orthogonal to all patches is lost."""
        return U if self.basis is None else U @ self.basis.T


def patches_of(X: Array, pooling: Pooling | Array = "sum") -> Patches:
    """X (n, d) is one patch a sample, X (n, K, h) has K of them. Raises ValueError for another shape."""
    if X.ndim not in (2, 3):
        raise ValueError(f"X has shape {X.shape}; pass a matrix (n, d), or patches (n, K, h)")
    stacked = X.reshape(-1, X.shape[-1])
    rows, basis = row_space(stacked, "none")
    return Patches(rows, basis, pooling_matrix(pooling, 1 if X.ndim == 2 else X.shape[1]), len(X))


@dataclass(frozen=True)
class PooledOperator(Operator):
    """f[i] = sum_{k, a} P[a, k] F[(i, k), a] with F = gated(Z): gated has n K rows and a c outputs."""

    gated: GatedOperator
    pool: Tensor

    @property
    def domain(self) -> tuple[int, int, int]:
        return self.gated.domain

    @property
    def codomain(self) -> tuple[int, int]:
        (rows, outputs), (a, K) = self.gated.codomain, self.pool.shape
        return (rows // K, outputs // a)

    @property
    def like(self) -> Tensor:
        return self.gated.like

    def forward(self, Z: Tensor) -> Tensor:
        (n, c), (a, K) = self.codomain, self.pool.shape
        return torch.einsum("ak,nkac->nc", self.pool, self.gated.forward(Z).reshape(n, K, a, c))

    def adjoint(self, V: Tensor) -> Tensor:
        spread = torch.einsum("ak,nc->nkac", self.pool, V)
        return self.gated.adjoint(spread.reshape(self.gated.codomain))

    def normal_solver(self, cone: Cone, alpha: float, gamma: float) -> Callable[[Tensor], Tensor]:
        """Without a cone: Woodbury with A A', which is one n x n matrix for every output; n passes build it."""
        if cone.rows(self.like.new_zeros(self.domain)).shape[1] > 0:
            return super().normal_solver(cone, alpha, gamma)
        n, c = self.codomain
        units = torch.zeros(n, n, c, device=self.like.device, dtype=self.like.dtype)
        units[:, :, 0] = torch.eye(n)
        gram = torch.stack([self.forward(self.adjoint(unit))[:, 0] for unit in units])
        factor = torch.linalg.cholesky(gram + torch.eye(n).to(gram) / alpha)
        return lambda R: R - self.adjoint(torch.cholesky_solve(self.forward(R), factor))

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return replace(self, gated=self.gated.to(device, dtype), pool=self.pool.to(device, dtype))


def operator_of(patches: Patches, D: BoolArray, c: int) -> Operator:
    """The gated map of patterns D (n K, G) to c outputs, pooled unless a sample is one patch of weight one."""
    a, K = patches.pool.shape
    gated = GatedOperator(tensor(patches.rows), tensor(D), (1.0,), a * c)
    return gated if a == K == 1 and patches.pool[0, 0] == 1 else PooledOperator(gated, tensor(patches.pool))
