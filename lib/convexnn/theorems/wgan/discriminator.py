"""A quadratic discriminator D(x) = sum_j v_j (x'u_j)^2, |u_j| = 1, trained against the generator's best answer."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.networks import Network
from convexnn.numerics import Array, tensor
from convexnn.theorems.wgan.second_moments import GeneratorAnswer

#: A neuron is divided by its length plus this, so that a zero neuron stays zero.
TINY = 1e-300


class QuadraticDiscriminator(Network):
    """Parameters U (m, d), v (m,). `forward` is the quadratic form Q (d, d) that the game sees; `discriminate` is D.

    The rows of U count by their direction: |u_j| = 1 is the theorem's constraint, not a decay. penalty = sum_j |v_j|.
    """

    def __init__(self, U: Array, v: Array, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.loss = GeneratorAnswer(0.5 * weight, np.inf)  # M belongs to the data: see training_loss
        self.U, self.v = nn.Parameter(tensor(U).clone()), nn.Parameter(tensor(v).clone())

    def directions(self) -> Tensor:
        """The unit neurons, (m, d)."""
        return self.U / (self.U.norm(dim=1, keepdim=True) + TINY)

    def forward(self, X: Tensor) -> Tensor:
        u = self.directions()
        return (u.mT * self.v) @ u

    def discriminate(self, x: Tensor) -> Tensor:
        """D(x) for rows x, shape (n,)."""
        return (x @ self.directions().mT).square() @ self.v

    def penalty(self) -> Tensor:
        return self.v.abs().sum()

    def training_loss(self, X: Tensor, Y: Tensor, beta: float) -> Tensor:
        """-payoff against the best generator whose S <= 2 sigma_1(X)^2 I; the latents Y matter by their rank only."""
        moment, Q = X.mT @ X, self(X)
        answer = 2 * torch.linalg.eigvalsh(moment)[-1]
        capped = (torch.linalg.eigvalsh(Q) - 0.5 * self.weight).clamp(min=0).sum()
        return -(Q * moment).sum() + answer * capped + beta * self.penalty()

    def reset(self, seed: int) -> None:
        """Gaussian directions, small output weights of both signs."""
        rng = np.random.default_rng(seed)
        with torch.no_grad():
            self.U.copy_(tensor(rng.standard_normal(self.U.shape)))
            self.v.copy_(tensor(0.1 * self.weight * rng.standard_normal(len(self.v))))
