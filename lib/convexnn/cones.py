"""Cones on the groups: where a gated linear map equals the ReLU network that it stands for.

Every cone here is a product over groups of polyhedral cones  K_g = {u : G_g u >= 0}, column by column of Z_g.

    project(Q)      = argmin_{Z in K} |Z - Q| = Q + G' lambda,      lambda = multipliers(Q) >= 0
    polar over K:     max { <Q_g, u> : u in K_g, |u| <= 1 } = |Q_g + G_g' lambda_g| = min over lambda >= 0

so *any* lambda >= 0 bounds the pull of Q on K from above; the optimal one makes it exact.
Laws (tests/laws/test_cones.py): Moreau decomposition, <rows(Z), T> = <Z, adjoint(T)>, projection is idempotent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from scipy.optimize import lsq_linear, nnls
from torch import Tensor

from convexnn.numerics import to_numpy

#: Weight of the equality rows in the non-negative least squares of a cone with unpenalised coordinates.
EQUALITY_WEIGHT = 1e4
#: Relative slack under which a point counts as inside, and the optimality defect that a least-squares answer may have.
ROUNDING, OPTIMAL_TOL = 1e-13, 1e-9


class Cone(ABC):
    """A product over groups of cones {u : G_g u >= 0}."""

    @abstractmethod
    def rows(self, Z: Tensor) -> Tensor:
        """G Z: the slacks, shape (G, k, c); feasible when all are >= 0."""

    @abstractmethod
    def adjoint(self, T: Tensor) -> Tensor:
        """G' T, shape of Z."""

    @abstractmethod
    def multipliers(self, Q: Tensor, groups: Tensor, free: int = 0) -> Tensor:
        """lambda >= 0, shape (len(groups), k, c): argmin |Q_g + G_g' lambda_g| for the groups in the index tensor.

        Q holds only those groups. With `free` trailing coordinates the sum is exactly zero there (dual equality).
        """

    @abstractmethod
    def adjoint_at(self, T: Tensor, groups: Tensor) -> Tensor:
        """G_g' T_g for the groups in the index tensor."""

    @abstractmethod
    def violation(self, Z: Tensor) -> Tensor:
        """(G,) how far each group is outside: max_k (-G_k u)_+ / (|G_k| |u|), 0 inside."""

    @abstractmethod
    def shared_gram(self) -> Tensor | None:
        """G_g' G_g when it is the same matrix for every group, else None."""

    @abstractmethod
    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """The same cone elsewhere."""

    def project(self, Z: Tensor) -> Tensor:
        """The nearest point of the cone; groups that are inside up to rounding are returned untouched."""
        outside = torch.nonzero(self.violation(Z) > ROUNDING).flatten()
        if len(outside) == 0:
            return Z
        projected = Z.clone()
        lam = self.multipliers(Z[outside], outside)
        projected[outside] = Z[outside] + self.adjoint_at(lam, outside)
        return projected


@dataclass(frozen=True)
class FreeCone(Cone):
    """No constraint: k = 0 rows."""

    def rows(self, Z: Tensor) -> Tensor:
        return Z.new_zeros((Z.shape[0], 0, Z.shape[2]))

    def adjoint(self, T: Tensor) -> Tensor:
        return T.new_zeros((T.shape[0], 1, T.shape[2]))  # broadcasts against any Z

    def adjoint_at(self, T: Tensor, groups: Tensor) -> Tensor:
        return self.adjoint(T)

    def multipliers(self, Q: Tensor, groups: Tensor, free: int = 0) -> Tensor:
        return Q.new_zeros((len(groups), 0, Q.shape[2]))

    def violation(self, Z: Tensor) -> Tensor:
        return Z.new_zeros(Z.shape[0])

    def shared_gram(self) -> Tensor | None:
        return torch.zeros(())

    def project(self, Z: Tensor) -> Tensor:
        return Z

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return self


@dataclass(frozen=True)
class PatternCone(Cone):
    """K_i = {u : S_i X u >= 0}, S_i = 2 D_i - I, repeated for each of `copies` families (v and w).

    X (n, d), S (n, P) with entries -1/+1; groups 0..copies*P-1, group g has pattern g mod P.
    """

    X: Tensor
    S: Tensor
    copies: int = 1

    def _S(self, groups: Tensor) -> Tensor:
        return self.S[:, groups % self.S.shape[1]].T[:, :, None]

    def rows(self, Z: Tensor) -> Tensor:
        return self.S.T.repeat(self.copies, 1)[:, :, None] * torch.einsum("nd,gdc->gnc", self.X, Z)

    def adjoint(self, T: Tensor) -> Tensor:
        return torch.einsum("nd,gnc->gdc", self.X, self.S.T.repeat(self.copies, 1)[:, :, None] * T)

    def adjoint_at(self, T: Tensor, groups: Tensor) -> Tensor:
        return torch.einsum("nd,gnc->gdc", self.X, self._S(groups) * T)

    def violation(self, Z: Tensor) -> Tensor:
        scale = self.X.norm(dim=1)[None, :, None] * Z.norm(dim=1)[:, None, :]
        outside = (-self.rows(Z)).clamp(min=0) / scale.clamp(min=1e-300)
        return outside.flatten(1).amax(1)

    def shared_gram(self) -> Tensor | None:
        return self.X.T @ self.X

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return replace(self, X=self.X.to(device, dtype), S=self.S.to(device, dtype))

    def multipliers(self, Q: Tensor, groups: Tensor, free: int = 0) -> Tensor:
        X, Qn, S = to_numpy(self.X), to_numpy(Q), to_numpy(self._S(groups))[:, :, 0]
        lam = np.zeros((len(groups), X.shape[0], Q.shape[2]))
        for k in range(len(groups)):
            signed = S[k][:, None] * X
            for column in range(Q.shape[2]):
                lam[k, :, column] = _cone_multipliers(signed, Qn[k, :, column], free)
        return torch.as_tensor(lam, dtype=Q.dtype, device=Q.device)


@dataclass(frozen=True)
class RowCone(Cone):
    """K_g = {u : G_g u >= 0} with explicit rows G (groups, k, p): cones that share no matrix; zero rows say nothing."""

    G: Tensor

    def rows(self, Z: Tensor) -> Tensor:
        return torch.einsum("gkp,gpc->gkc", self.G, Z)

    def adjoint(self, T: Tensor) -> Tensor:
        return torch.einsum("gkp,gkc->gpc", self.G, T)

    def adjoint_at(self, T: Tensor, groups: Tensor) -> Tensor:
        return torch.einsum("gkp,gkc->gpc", self.G[groups], T)

    def violation(self, Z: Tensor) -> Tensor:
        scale = self.G.norm(dim=2)[:, :, None] * Z.norm(dim=1)[:, None, :]
        return ((-self.rows(Z)).clamp(min=0) / scale.clamp(min=1e-300)).flatten(1).amax(1)

    def shared_gram(self) -> Tensor | None:
        return None

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return replace(self, G=self.G.to(device, dtype))

    def multipliers(self, Q: Tensor, groups: Tensor, free: int = 0) -> Tensor:
        G, Qn = to_numpy(self.G[groups]), to_numpy(Q)
        columns = [[_cone_multipliers(rows, q, free) for q in block.T] for rows, block in zip(G, Qn)]
        lam = np.array(columns).reshape(len(groups), Q.shape[2], G.shape[1]).transpose(0, 2, 1)
        return torch.as_tensor(lam.copy(), dtype=Q.dtype, device=Q.device)


def _cone_multipliers(G: np.ndarray, q: np.ndarray, free: int) -> np.ndarray:
    """argmin_{lam >= 0} |q + G'lam| over the penalised coordinates, with the `free` trailing ones brought to zero."""
    scale = float(np.abs(q).max(initial=0.0))
    reach = np.linalg.norm(G, axis=1)
    if scale == 0.0 or (free == 0 and np.all(G @ (q / scale) >= -ROUNDING * reach)):
        return np.zeros(G.shape[0])
    weights = np.ones(len(q))
    weights[len(q) - free :] = EQUALITY_WEIGHT
    lam = _nonnegative_least_squares(weights[:, None] * G.T, -weights * q / scale) * scale
    for column in range(len(q) - free, len(q)):
        lam = _cancel(G, q, lam, column)
    return lam


def _nonnegative_least_squares(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """argmin_{x >= 0} |A x - b|, checked: scipy's active-set routine is known to stop at a wrong point now and then.

    When its optimality conditions fail, a bounded-variable solver of another kind has the second word.
    """
    column = np.linalg.norm(A, axis=0)

    def defect(x: np.ndarray) -> float:
        gradient = A.T @ (A @ x - b)  # >= 0 everywhere, = 0 where x > 0
        wrong = np.where(x > 0, np.abs(gradient), np.maximum(-gradient, 0.0))
        return float((wrong / np.maximum(column, 1e-300)).max(initial=0.0) / max(1.0, np.linalg.norm(b)))

    try:
        x = nnls(A, b, maxiter=30 * A.shape[1])[0]
        if defect(x) <= OPTIMAL_TOL:
            return np.asarray(x)
    except RuntimeError:  # cycling
        x = np.zeros(A.shape[1])
    other = np.maximum(lsq_linear(A, b, bounds=(0, np.inf), method="bvls", tol=1e-15).x, 0.0)
    return other if defect(other) < defect(x) else x


def _cancel(G: np.ndarray, q: np.ndarray, lam: np.ndarray, column: int) -> np.ndarray:
    """Raise one multiplier so that (q + G'lam)[column] = 0; the row with the smallest side effect is chosen."""
    excess = q[column] + G[:, column] @ lam
    helpful = G[:, column] * excess < 0
    if excess == 0 or not helpful.any():
        return lam
    cost = np.where(helpful, np.linalg.norm(G, axis=1) / np.maximum(np.abs(G[:, column]), 1e-300), np.inf)
    row = int(np.argmin(cost))
    lam = lam.copy()
    lam[row] += -excess / G[row, column]
    return lam
