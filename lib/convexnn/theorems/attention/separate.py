"""Attention with decay on separate Q, K, V, O: the problem that the theorem does not cover, ready for training.

    f = sum_j s( X Q_j K_j' X' / sqrt(d) ) X V_j O_j,     penalty  1/2 sum_j ( |Q_j|^2 + |K_j|^2 + |V_j|^2 + |O_j|^2 )

The output is a product of four factors, the penalty their squares. Near zero the loss moves by the fourth power of the
weights and the penalty by the second, so zero is a strict local minimum for every beta > 0; and a head's price is the
root of a product of nuclear norms (`beyond.separate_decay`), so that one strong head is cheaper than two weak ones.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, tensor
from convexnn.theorems.attention.head import Activation
from convexnn.theorems.attention.head_network import HeadNetwork
from convexnn.theorems.attention.self_attention import SelfAttention


class SeparateHeads(Network):
    """Q, K, V (m, d, d) and O (m, d, c), full inner sizes; outputs (n, s c).

    activation  "linear" or "softmax";   start  standard deviation of the Gaussian starts
    """

    def __init__(
        self,
        Q: Array,
        K: Array,
        V: Array,
        O: Array,
        loss: str | Loss = "squared",
        activation: str = "linear",
        start: float = 0.7,
    ) -> None:
        super().__init__()
        check_choice("activation", activation, ("linear", "softmax"))
        self.loss, self.activation, self.start = get_loss(loss), activation, start
        self.Q, self.K, self.V, self.O = (nn.Parameter(tensor(W).clone()) for W in (Q, K, V, O))

    @classmethod
    def of_size(cls, heads: int, d: int, c: int, start: float = 0.7) -> SeparateHeads:
        """`heads` heads for d features and c outputs, seed 0."""
        square = np.zeros((heads, d, d))
        made = cls(square, square, square, np.zeros((heads, d, c)), start=start)
        made.reset(0)
        return made

    def merged(self) -> HeadNetwork:
        """The same function with W1 = Q K' / sqrt(d) and W2 = V O as its weights."""
        left = self.Q @ self.K.transpose(1, 2) / self.Q.shape[1] ** 0.5
        columns, rows = left.transpose(1, 2).flatten(1), (self.V @ self.O).flatten(1)
        sides = [W.detach().numpy()[None] for W in (columns, rows)]
        kind: Activation = "softmax" if self.activation == "softmax" else "linear"
        return HeadNetwork(SelfAttention(), sides[0], sides[1], self.loss, kind, None, False)

    def forward(self, X: Tensor) -> Tensor:
        scores = torch.einsum("nqa,mab,mkb,ntk->nmqt", X, self.Q, self.K, X) / X.shape[2] ** 0.5
        weights = torch.softmax(scores, -1) if self.activation == "softmax" else scores
        return torch.einsum("nmqt,nta,mab,mbc->nqc", weights, X, self.V, self.O).reshape(len(X), -1)

    def penalty(self) -> Tensor:
        return 0.5 * sum((W.square().sum() for W in self.parameters()), start=self.Q.new_zeros(()))

    def reset(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        with torch.no_grad():
            for W in self.parameters():
                W.copy_(tensor(self.start * rng.standard_normal(tuple(W.shape))))
