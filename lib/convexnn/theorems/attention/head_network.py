"""The non-convex network of every head: weight decay on merged mixing and output weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss
from convexnn.networks import Network
from convexnn.numerics import Array, tensor
from convexnn.theorems.attention.head import Activation, Head


class HeadNetwork(Network):
    """left (G, m, p), right (G, m, q): m heads in each of the G groups; gates (gates, ...) or None.

    penalty = 1/2 sum ( |left|^2 + |right|^2 ); outputs (n, s c) row-major, or their token mean (n, c).
    """

    gates: Tensor | None

    def __init__(
        self,
        head: Head,
        left: Array,
        right: Array,
        loss: Loss,
        activation: Activation,
        gates: Array | None,
        pooled: bool,
    ) -> None:
        super().__init__()
        self.head, self.loss, self.activation, self.pooled = head, loss, activation, pooled
        self.left, self.right = nn.Parameter(tensor(left).clone()), nn.Parameter(tensor(right).clone())
        self.register_buffer("gates", None if gates is None else tensor(gates).clone())

    @property
    def width(self) -> int:
        """Heads that are not zero, over all groups."""
        return int(((self.left != 0).any(-1) & (self.right != 0).any(-1)).sum())

    def forward(self, X: Tensor) -> Tensor:
        f = self.head.network(X, self.left, self.right, self.activation, self.gates)
        return f.mean(1) if self.pooled else f.reshape(f.shape[0], -1)

    def penalty(self) -> Tensor:
        return 0.5 * (self.left.square().sum() + self.right.square().sum())

    def lift(self) -> Array:
        """Z_g = sum_j left_j right_j', the network's point in the convex program."""
        return np.asarray((self.left.transpose(1, 2) @ self.right).detach().numpy())

    def reset(self, seed: int) -> None:
        """Gaussian weights of norm about 1/2 a head."""
        rng = np.random.default_rng(seed)
        with torch.no_grad():
            for W in (self.left, self.right):
                W.copy_(tensor(0.5 * rng.standard_normal(tuple(W.shape)) / np.sqrt(W.shape[-1])))


def unlift(Z: Array, least: float = 1e-12) -> tuple[Array, Array]:
    """Balanced heads of Z (G, p, q) by singular values: (G, m, p), (G, m, q), m the largest rank, zeros after it."""
    U, s, Vh = np.linalg.svd(Z, full_matrices=False)
    m = max(1, int((s > least * max(1e-300, s.max(initial=0.0))).sum(1).max(initial=0)))
    root = np.sqrt(np.where(s > least * s.max(initial=0.0), s, 0.0))[:, :m, None]
    return U.transpose(0, 2, 1)[:, :m] * root, Vh[:, :m] * root
