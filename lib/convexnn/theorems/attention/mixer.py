"""The MLP-Mixer head: f = sum_j s(W1_j X) W2_j, W1 (s, s) mixes tokens, W2 (d, c) features.

    Z = sum_j vec(W1_j) vec(W2_j)'  (s^2, d c),    Z[t s + q, b d + a] = sum_j W1_j[q, t] W2_j[a, b]
    f[q, b] = sum_{t,a} mask[q, a] X[t, a] Z[t q, b a]          (both vec run down columns)

Every output is an unrestricted linear map of all tokens and features; only the norm couples them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.theorems.attention.head import Activation, Head, activate


@dataclass(frozen=True)
class Mixer(Head):
    """p = s^2, q = d c; a gate is an s x s matrix."""

    name: str = "mixer"

    def sides(self, s: int, d: int, c: int) -> tuple[int, int]:
        return s * s, d * c

    def gate_shape(self, s: int, d: int) -> tuple[int, ...]:
        return (s, s)

    def masks(self, X: Tensor, gates: Tensor) -> Tensor:
        return (torch.einsum("gqt,nta->ngqa", gates, X) >= 0).to(X.dtype)

    def forward(self, X: Tensor, masks: Tensor | None, Z: Tensor) -> Tensor:
        _n, s, d = X.shape
        Z4 = Z.reshape(len(Z), s, s, -1, d)
        if masks is None:
            return torch.einsum("nta,tqba->nqb", X, Z4[0])
        f = X.new_zeros(len(X), s, Z4.shape[3])
        for g in range(len(Z)):
            f = f + torch.einsum("nqa,nqba->nqb", masks[:, g], torch.einsum("nta,tqba->nqba", X, Z4[g]))
        return f

    def adjoint(self, X: Tensor, masks: Tensor | None, V: Tensor) -> Tensor:
        _n, s, _d = X.shape
        if masks is None:
            return torch.einsum("nta,nqb->tqba", X, V).reshape(1, s * s, -1)
        outer = [torch.einsum("nqb,nqa->nqba", V, masks[:, g]) for g in range(masks.shape[1])]
        return torch.stack([torch.einsum("nta,nqba->tqba", X, o).reshape(s * s, -1) for o in outer])

    def network(self, X: Tensor, left: Tensor, right: Tensor, activation: Activation, gates: Tensor | None) -> Tensor:
        _n, s, d = X.shape
        W1 = left.reshape(*left.shape[:2], s, s).transpose(2, 3)
        W2 = right.reshape(*right.shape[:2], -1, d).transpose(2, 3)
        mask = None if gates is None else self.masks(X, gates)[:, :, None]
        return (activate(W1 @ X[:, None, None], activation, mask) @ W2).sum((1, 2))
