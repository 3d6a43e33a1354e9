"""Deep circular networks with one ReLU, and the same function as ordinary torch layers on signals.

f(x) = sum_j ( x'U_{1j} .. U_{L-2,j} w_{1j} )_+ w_{2j},   U = circ(u): (U w)_t = sum_s u_{t-s} w_s
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, tensor

Normalise = Literal["product", "each"]


class CircularNetwork(Network):
    """U (m, L - 2, h) filters padded with zeros to length d, w1 (m, d), w2 (m,); penalty 1/2 ( |w1|^2 + |w2|^2 ).

    normalise  "product": the eigenvalues of U_1 .. U_{L-2} together have length rho; "each": every |u_l| = 1
    The lengths of the stored filters do not matter: they are divided out.
    """

    def __init__(
        self, U: Array, w1: Array, w2: Array, loss: Loss, rho: float, normalise: Normalise = "product"
    ) -> None:
        super().__init__()
        check_choice("normalise", normalise, ("product", "each"))
        self.loss, self.rho, self.normalise = loss, rho, normalise
        self.U, self.w1, self.w2 = (nn.Parameter(tensor(part).clone()) for part in (U, w1, w2))

    def _product(self) -> Tensor:
        """(m, d // 2 + 1) eigenvalues of the normalised product of the filters."""
        d = self.w1.shape[1]
        U = nn.functional.pad(self.U, (0, d - self.U.shape[2]))
        if self.normalise == "each":
            return torch.fft.rfft(U / U.norm(dim=2, keepdim=True)).prod(1)
        product = torch.fft.rfft(U).prod(1)
        length = torch.fft.irfft(product, d).norm(dim=1, keepdim=True) * d**0.5
        return product * (self.rho / length)

    def filters(self) -> Tensor:
        """(m, d) the vectors z_j = U_1j .. U_{L-2,j} w_1j."""
        return torch.fft.irfft(self._product() * torch.fft.rfft(self.w1), self.w1.shape[1])

    def forward(self, X: Tensor) -> Tensor:
        return (torch.relu(X @ self.filters().T) @ self.w2)[:, None]

    def penalty(self) -> Tensor:
        return 0.5 * (self.w1.square().sum() + self.w2.square().sum())

    def reset(self, seed: int) -> None:
        """Gaussian filters, w1 ~ N(0, 1/d), w2 ~ N(0, 1/m)."""
        rng = np.random.default_rng(seed)
        m, d = self.w1.shape
        with torch.no_grad():
            for p, scale in ((self.U, 1), (self.w1, d), (self.w2, m)):
                p.copy_(tensor(rng.standard_normal(tuple(p.shape)) / np.sqrt(scale)))

    def sequential(self) -> nn.Sequential:
        """The same on (n, 1, d): circular padding, Conv1d with the filters, grouped Conv1d with w1, ReLU, Linear."""
        m, d = self.w1.shape
        with torch.no_grad():
            U = torch.fft.irfft(self._product(), d)
            first = nn.Conv1d(1, m, d, bias=False).double()
            second = nn.Conv1d(m, m, d, groups=m, bias=False).double()
            head = nn.Linear(m, 1, bias=False).double()
            first.weight.copy_(U[:, None])  # (x'U)_s = sum_k x_{s+k} u_k
            second.weight.copy_(self.w1[:, None])
            head.weight.copy_(self.w2[None])
        return nn.Sequential(nn.CircularPad1d((0, d - 1)), first, second, nn.ReLU(), nn.Flatten(), head)


def circular_network(
    width: int,
    d: int,
    depth: int = 3,
    rho: float | None = None,
    length: int | None = None,
    normalise: Normalise = "product",
    loss: str | Loss = "squared",
    seed: int = 0,
) -> CircularNetwork:
    """A seeded network of `width` branches; `length` < d gives short filters, which the theorem does not cover."""
    h = d if length is None else length
    if width < 1 or depth < 3 or not 1 <= h <= d:
        raise ValueError(
            f"width is {width}, depth {depth}, length {h}; pass width >= 1, depth >= 3, 1 <= length <= {d}"
        )
    zeros = np.zeros((width, depth - 2, h)), np.zeros((width, d)), np.zeros(width)
    built = CircularNetwork(*zeros, get_loss(loss), d**0.5 if rho is None else rho, normalise)
    built.reset(seed)
    return built
