"""What a head is: a sum of products (mixing weights) x (output weights), and its lifted linear map.

    f = sum_j s(mix(X, left_j)) out(X, right_j),     lifted:  Z_g = sum_{j in g} left_j right_j'    (p, q)

A group g is a gate (and a feature block for the block Fourier operator). With fixed masks f is linear in Z. Work arrays
hold one token or one sample a row; the Kronecker products of the theorem are never formed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from convexnn.operators import Operator

Activation = Literal["linear", "gated", "relu", "softmax"]
ACTIVATIONS: tuple[Activation, ...] = ("linear", "gated", "relu", "softmax")


class Head(ABC):
    """One architecture for tokens X (n, s, d) and c outputs a token."""

    name: str
    blocks: int = 1

    @abstractmethod
    def sides(self, s: int, d: int, c: int) -> tuple[int, int]:
        """p and q: the sizes of left_j and right_j."""

    @abstractmethod
    def gate_shape(self, s: int, d: int) -> tuple[int, ...]:
        """Shape of one gate: that of the mixing weights."""

    @abstractmethod
    def masks(self, X: Tensor, gates: Tensor) -> Tensor:
        """0/1 masks of the gates, samples first, the gates' axis second."""

    @abstractmethod
    def forward(self, X: Tensor, masks: Tensor | None, Z: Tensor) -> Tensor:
        """The lifted map Z (G, p, q) -> (n, s, c); masks None is the linear activation."""

    @abstractmethod
    def adjoint(self, X: Tensor, masks: Tensor | None, V: Tensor) -> Tensor:
        """Its adjoint, V (n, s, c) -> (G, p, q)."""

    @abstractmethod
    def network(self, X: Tensor, left: Tensor, right: Tensor, activation: Activation, gates: Tensor | None) -> Tensor:
        """The network as the paper draws it: left (G, m, p), right (G, m, q) -> (n, s, c)."""


def activate(before: Tensor, activation: Activation, mask: Tensor | None) -> Tensor:
    """The activation of mixed tokens; a gated one multiplies by its own mask."""
    if activation == "gated":
        assert mask is not None
        return before * mask
    return torch.relu(before) if activation == "relu" else before


@dataclass(frozen=True)
class HeadOperator(Operator):
    """The lifted map of a head: all tokens' outputs, row-major (n, s c), or their mean over the tokens (n, c)."""

    head: Head
    X: Tensor
    masks: Tensor | None
    c: int
    pooled: bool

    @property
    def domain(self) -> tuple[int, int, int]:
        gates = 1 if self.masks is None else self.masks.shape[1]
        return (gates * self.head.blocks, *self.head.sides(self.X.shape[1], self.X.shape[2], self.c))

    @property
    def codomain(self) -> tuple[int, int]:
        return (self.X.shape[0], self.c if self.pooled else self.X.shape[1] * self.c)

    @property
    def like(self) -> Tensor:
        return self.X

    def forward(self, Z: Tensor) -> Tensor:
        f = self.head.forward(self.X, self.masks, Z)
        return f.mean(1) if self.pooled else f.reshape(f.shape[0], -1)

    def adjoint(self, V: Tensor) -> Tensor:
        return self.head.adjoint(self.X, self.masks, spread(V, self.X.shape[1], self.pooled))

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        masks = None if self.masks is None else self.masks.to(device, dtype)
        return replace(self, X=self.X.to(device, dtype), masks=masks)


def spread(V: Tensor, s: int, pooled: bool) -> Tensor:
    """Dual vectors (n, s c), or (n, c) of pooled outputs, as one vector a token (n, s, c)."""
    return V[:, None, :].expand(-1, s, -1) / s if pooled else V.reshape(V.shape[0], s, -1)
