"""Gauges: what weight decay becomes. Value, prox and polar of a sum over groups.

A gauge acts on Z of shape (G, p, c), G groups of p x c matrices, and is a sum over groups

    gauge(Z) = sum_g N(Z_g),      polar_g(Q) = max { <Q_g, Z_g> : N(Z_g) <= 1 }

so that beta * gauge(Z) >= <Q, Z> for every Z iff max_g polar_g(Q) <= beta.
Laws (tests/laws/test_gauges.py): <Q, Z> <= sum_g polar_g(Q) N(Z_g) with equality attained;
prox_N(Z) + projection on {polar <= 1}(Z) = Z (Moreau).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


class Gauge(ABC):
    """A sum over groups of one norm (or seminorm) N. `free` trailing rows of each group are not penalised.

    conic: N has a cone of its own; gradient steps crawl there, so `solve` takes alternating directions.
    """

    free: int = 0
    conic: bool = False

    @abstractmethod
    def per_group(self, Z: Tensor) -> Tensor:
        """(G,) values N(Z_g)."""

    @abstractmethod
    def prox(self, Z: Tensor, step: float) -> Tensor:
        """argmin_W  step * gauge(W) + 1/2 |W - Z|^2."""

    @abstractmethod
    def polar(self, Q: Tensor) -> Tensor:
        """(G,) values of the dual norm of N at Q_g; +inf where Q_g pulls on an unpenalised entry."""

    def value(self, Z: Tensor) -> Tensor:
        """gauge(Z), a scalar >= 0."""
        return self.per_group(Z).sum()


def _shrink(size: Tensor, step: float) -> Tensor:
    """(1 - step/size)_+, zero where size is zero."""
    return (1 - step / size.clamp(min=torch.finfo(size.dtype).tiny)).clamp(min=0)


class L1(Gauge):
    """N(z) = sum |z_ij|;  polar = max |q_ij|."""

    def per_group(self, Z: Tensor) -> Tensor:
        return Z.abs().sum((1, 2))

    def prox(self, Z: Tensor, step: float) -> Tensor:
        return Z.sign() * (Z.abs() - step).clamp(min=0)

    def polar(self, Q: Tensor) -> Tensor:
        return Q.abs().amax((1, 2))


@dataclass(frozen=True)
class GroupL2(Gauge):
    """N(Z_g) = sum over columns k of |Z_g[:, k]|_2 (one neuron feeds one output);  polar = max_k |Q_g[:, k]|_2.

    free: that many trailing rows of each group are not penalised (an unregularised bias).
    """

    free: int = 0

    def _penalised(self, Z: Tensor) -> Tensor:
        return Z[:, : Z.shape[1] - self.free]

    def per_group(self, Z: Tensor) -> Tensor:
        return self._penalised(Z).norm(dim=1).sum(1)

    def prox(self, Z: Tensor, step: float) -> Tensor:
        head = self._penalised(Z)
        shrunk = head * _shrink(head.norm(dim=1, keepdim=True), step)
        return torch.cat([shrunk, Z[:, Z.shape[1] - self.free :]], 1) if self.free else shrunk

    def polar(self, Q: Tensor) -> Tensor:
        bound = self._penalised(Q).norm(dim=1).amax(1)
        if not self.free:
            return bound
        pulled = (Q[:, Q.shape[1] - self.free :] != 0).any(2).any(1)
        return torch.where(pulled, torch.full_like(bound, torch.inf), bound)


class Frobenius(Gauge):
    """N(Z_g) = |Z_g|_F;  polar = |Q_g|_F."""

    def per_group(self, Z: Tensor) -> Tensor:
        return Z.flatten(1).norm(dim=1)

    def prox(self, Z: Tensor, step: float) -> Tensor:
        return Z * _shrink(self.per_group(Z), step)[:, None, None]

    def polar(self, Q: Tensor) -> Tensor:
        return Q.flatten(1).norm(dim=1)


class Nuclear(Gauge):
    """N(Z_g) = sum of singular values;  polar = the largest one. One group is the nuclear norm, many the block one."""

    def per_group(self, Z: Tensor) -> Tensor:
        return torch.linalg.svdvals(Z).sum(1)

    def prox(self, Z: Tensor, step: float) -> Tensor:
        U, s, Vh = torch.linalg.svd(Z, full_matrices=False)
        return (U * (s - step).clamp(min=0)[:, None, :]) @ Vh

    def polar(self, Q: Tensor) -> Tensor:
        return torch.linalg.matrix_norm(Q, 2)
