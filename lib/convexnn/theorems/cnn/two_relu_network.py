"""The three-layer network with two ReLUs on patches, and the same function as ordinary torch layers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, tensor


class TwoReluNetwork(Network):
    """f(X) = sum_j ( sum_k (X_k u_jk)_+ w_1jk )_+ w_2j; penalty 1/2 ( |w1|^2 + |w2|^2 ).

    U (m, K, h), or (m, 1, h) when all patches share the filter; w1 (m, K), w2 (m,). Every u is divided by its length.
    """

    def __init__(self, U: Array, w1: Array, w2: Array, loss: Loss) -> None:
        super().__init__()
        self.loss = loss
        self.U, self.w1, self.w2 = (nn.Parameter(tensor(part).clone()) for part in (U, w1, w2))

    def filters(self) -> Tensor:
        """(m, K, h) unit filters."""
        return (self.U / self.U.norm(dim=2, keepdim=True)).expand(-1, self.w1.shape[1], -1)

    def forward(self, X: Tensor) -> Tensor:
        inner = torch.relu(torch.einsum("nkh,mkh->nmk", X, self.filters()))
        return (torch.relu((inner * self.w1).sum(2)) @ self.w2)[:, None]

    def penalty(self) -> Tensor:
        return 0.5 * (self.w1.square().sum() + self.w2.square().sum())

    def reset(self, seed: int) -> None:
        """Gaussian filters, w1 ~ N(0, 1/K), w2 ~ N(0, 1/m)."""
        rng = np.random.default_rng(seed)
        with torch.no_grad():
            for p, scale in ((self.U, 1), (self.w1, self.w1.shape[1]), (self.w2, self.w1.shape[0])):
                p.copy_(tensor(rng.standard_normal(tuple(p.shape)) / np.sqrt(scale)))

    def sequential(self) -> nn.Sequential:
        """The same function of (n, K, h): Conv1d with one group a patch, ReLU, Conv1d over patches, ReLU, Linear."""
        m, K = self.w1.shape
        with torch.no_grad():
            U = self.filters()
            first = nn.Conv1d(K, K * m, U.shape[2], groups=K, bias=False).double()
            second = nn.Conv1d(m * K, m, 1, groups=m, bias=False).double()
            head = nn.Linear(m, 1, bias=False).double()
            first.weight.copy_(U.transpose(0, 1).reshape(K * m, 1, -1))
            second.weight.copy_(self.w1[:, :, None])
            head.weight.copy_(self.w2[None])
        return nn.Sequential(first, nn.ReLU(), nn.ChannelShuffle(K), second, nn.ReLU(), nn.Flatten(), head)


def two_relu_network(
    width: int, X: Array, shared: bool = False, loss: str | Loss = "squared", seed: int = 0
) -> TwoReluNetwork:
    """A seeded network of `width` neurons for patches X (n, K, h); `shared` is what the theorem does not cover."""
    if width < 1 or X.ndim != 3:
        raise ValueError(f"width is {width}, X has shape {X.shape}; pass width >= 1 and patches (n, K, h)")
    K, h = X.shape[1:]
    built = TwoReluNetwork(
        np.zeros((width, 1 if shared else K, h)), np.zeros((width, K)), np.zeros(width), get_loss(loss)
    )
    built.reset(seed)
    return built
