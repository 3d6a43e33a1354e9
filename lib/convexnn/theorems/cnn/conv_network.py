"""The two-layer convolutional network on patches, and the same function as ordinary torch layers on images."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss
from convexnn.networks import Network
from convexnn.numerics import Array, tensor

Pooling = Literal["sum", "average", "max", "flat"]
POOLINGS: tuple[Pooling, ...] = ("sum", "average", "max", "flat")


class ConvNetwork(Network):
    """f(X) = sum_j pool_k (X_k u_j)_+ w_j on patches X (n, K, h); "flat" is linear: sum_j sum_k X_k u_j w_jk.

    U (m, h), W (m, 1) or (m, K) for "flat"; penalty = 1/2 (|U|_F^2 + |W|_F^2).
    """

    def __init__(self, U: Array, W: Array, loss: Loss, pooling: Pooling) -> None:
        super().__init__()
        self.loss, self.pooling = loss, pooling
        self.U, self.W = nn.Parameter(tensor(U).clone()), nn.Parameter(tensor(W).clone())

    def forward(self, X: Tensor) -> Tensor:
        before = X @ self.U.T
        if self.pooling == "flat":
            return torch.einsum("nkm,mk->n", before, self.W)[:, None]
        hidden = torch.relu(before)
        pooled: Tensor = hidden.amax(1) if self.pooling == "max" else hidden.sum(1)
        return (pooled / X.shape[1] if self.pooling == "average" else pooled) @ self.W

    def penalty(self) -> Tensor:
        return 0.5 * (self.U.square().sum() + self.W.square().sum())

    def reset(self, seed: int) -> None:
        """u ~ N(0, 1/h), w ~ N(0, 1/m)."""
        rng = np.random.default_rng(seed)
        with torch.no_grad():
            for p, scale in ((self.U, self.U.shape[1]), (self.W, self.W.shape[0])):
                p.copy_(tensor(rng.standard_normal(tuple(p.shape)) / np.sqrt(scale)))

    def sequential(self, channels: int, out: tuple[int, int], stride: int = 1) -> nn.Sequential:
        """The same function of images as Conv2d, ReLU, pooling and Linear; `out` is the convolution's output size.

        Raises ValueError when h is not channels k^2, or when "flat" weights do not number out[0] out[1].
        """
        W, K = self.W[:, :, None], out[0] * out[1]
        if self.pooling == "flat":
            return _layers(self.U, W, channels, out, stride, None, torch.eye(K, dtype=torch.float64), relu=False)
        if self.pooling == "max":
            return _layers(self.U, W, channels, out, stride, nn.MaxPool2d(out), None)
        return _layers(self.U, W * (K if self.pooling == "sum" else 1), channels, out, stride, nn.AvgPool2d(out), None)


def pooled_layers(U: Tensor, A: Tensor, pool: Tensor, channels: int, out: tuple[int, int]) -> nn.Sequential:
    """Conv2d, ReLU, Flatten, Linear for U (m, h), A (m, a, c) and any linear pooling P (a, K): several outputs."""
    return _layers(U, A, channels, out, 1, None, pool)


def _layers(
    U: Tensor,
    A: Tensor,
    channels: int,
    out: tuple[int, int],
    stride: int,
    pooling: nn.Module | None,
    pool: Tensor | None,
    relu: bool = True,
) -> nn.Sequential:
    """A pooling layer, or the matrix P folded into the last layer's weight (c, m K)."""
    (m, h), (a, c), K = U.shape, A.shape[1:], out[0] * out[1]
    k = round((h / channels) ** 0.5)
    if channels * k * k != h or (pool is not None and tuple(pool.shape) != (a, K)):
        raise ValueError(
            f"U has h = {h}, the output weights {tuple(A.shape)}: not square kernels of {channels} channels on {out}"
        )
    conv = nn.Conv2d(channels, m, k, stride=stride, bias=False).double()
    head = nn.Linear(m if pool is None else m * K, c, bias=False).double()
    with torch.no_grad():
        conv.weight.copy_(U.reshape(m, channels, k, k))
        head.weight.copy_(A[:, 0].T if pool is None else torch.einsum("mac,ak->cmk", A, pool).reshape(c, m * K))
    middle = [*([nn.ReLU()] if relu else []), *([pooling] if pooling is not None else [])]
    return nn.Sequential(conv, *middle, nn.Flatten(), head)
