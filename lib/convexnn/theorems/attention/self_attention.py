"""Self-attention with merged weights: f = sum_j s(X W1_j X') X W2_j, and no softmax.

    Z = sum_j vec(W1_j) vec(W2_j')'  (d^2, d c),    Z[k d + a, l c + b] = sum_j W1_j[a, k] W2_j[l, b]
    f_q = x_q' M_q,   M_q[a, b] = sum_{k,l} G_q[k, l] Z[k a, l b],   G_q = sum_t mask[q, t] x_t x_t'

vec of W1 runs down columns, that of W2 along rows. Without masks every token has the Gram matrix G = X'X: a linear map
steered by second moments. A mask keeps, for query q, the keys t with x_q' h x_t >= 0. The dual norm of a residual v is

    | sum_q G_q (x) x_q v_q' |_2 = | L R' |_2,   columns  x_t (x) x_q  and  mask[q, t] x_t (x) v_q  over all (i, q, t),

so its square is an eigenvalue of two n s^2 square Gram matrices: exact where the d^2 x d c matrix has no room.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.numerics import product
from convexnn.theorems.attention.head import Activation, Head, activate


@dataclass(frozen=True)
class SelfAttention(Head):
    """p = d^2, q = d c; a gate is a d x d matrix."""

    name: str = "self_attention"

    def sides(self, s: int, d: int, c: int) -> tuple[int, int]:
        return d * d, d * c

    def gate_shape(self, s: int, d: int) -> tuple[int, ...]:
        return (d, d)

    def masks(self, X: Tensor, gates: Tensor) -> Tensor:
        return (torch.einsum("nqa,gak,ntk->ngqt", X, gates, X) >= 0).to(X.dtype)

    def forward(self, X: Tensor, masks: Tensor | None, Z: Tensor) -> Tensor:
        n, s, d = X.shape
        blocks = Z.reshape(len(Z), d, d, d, -1).permute(0, 1, 3, 2, 4).reshape(len(Z), d * d, -1)  # (k l, a b)
        if masks is None:
            M = product(_gram(X), blocks[0]).reshape(n, d, -1)
            return X @ M
        f = X.new_zeros(n, s, Z.shape[2] // d)
        for g in range(len(Z)):
            M = product(_masked_gram(X, masks[:, g]), blocks[g]).reshape(n * s, d, -1)
            f = f + (X.reshape(n * s, 1, d) @ M).reshape(n, s, -1)
        return f

    def adjoint(self, X: Tensor, masks: Tensor | None, V: Tensor) -> Tensor:
        n, s, d = X.shape
        if masks is None:
            pulls = [product(_gram(X).T, (X.transpose(1, 2) @ V).reshape(n, -1))]
        else:
            outer = (X[..., :, None] * V[..., None, :]).reshape(n * s, -1)
            pulls = [product(_masked_gram(X, masks[:, g]).T, outer) for g in range(masks.shape[1])]
        Q = torch.stack(pulls).reshape(len(pulls), d, d, d, -1)
        return Q.permute(0, 1, 3, 2, 4).reshape(len(pulls), d * d, -1)

    def network(self, X: Tensor, left: Tensor, right: Tensor, activation: Activation, gates: Tensor | None) -> Tensor:
        _n, _s, d = X.shape
        W1 = left.reshape(*left.shape[:2], d, d).transpose(2, 3)
        W2 = right.reshape(*right.shape[:2], d, -1)
        scores = torch.einsum("nqa,gmak->ngmqk", X, W1) @ X.transpose(1, 2)[:, None, None]
        if activation == "softmax":
            weights = torch.softmax(scores, -1)
        else:
            mask = None if gates is None else self.masks(X, gates)[:, :, None]
            weights = activate(scores, activation, mask)
        return (weights @ torch.einsum("nta,gmab->ngmtb", X, W2)).sum((1, 2))


def _gram(X: Tensor) -> Tensor:
    """G_i = X_i'X_i, one row a sample."""
    return (X.transpose(1, 2) @ X).reshape(X.shape[0], -1)


def _masked_gram(X: Tensor, mask: Tensor) -> Tensor:
    """sum_t mask[q, t] x_t x_t', one row a query token; mask (n, s, s)."""
    squares = (X[..., :, None] * X[..., None, :]).reshape(*X.shape[:2], -1)
    return (mask @ squares).reshape(X.shape[0] * X.shape[1], -1)


def top_pair(X: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[float, Tensor, Tensor]:
    """The largest singular value of A'V and its unit singular vectors (d^2,), (d c,), from Gram matrices of n s^2.

    X (n, s, d), V (n, s, c), mask (n, s, s) or None. Raises ValueError where the Gram matrices would be too large.
    """
    n, s, _d = X.shape
    if n * s * s > 6000:
        raise ValueError(f"n s^2 is {n * s * s}; the exact dual norm factors a matrix of that side, at most 6000")
    weight = (torch.ones(n, s, s).to(X) if mask is None else mask).reshape(-1)  # (i, q, t)
    tokens = torch.einsum("iqa,jpa->iqjp", X, X)
    pulls = torch.einsum("iqb,jpb->iqjp", V, V)
    left = torch.einsum("iqjp,itju->iqtjpu", tokens, tokens).reshape(len(weight), -1)
    right = torch.einsum("iqjp,itju->iqtjpu", pulls, tokens).reshape(len(weight), -1)
    right = weight[:, None] * right * weight
    size, basis = torch.linalg.eigh(right)
    root = basis * size.clamp(min=0).sqrt()
    squares, vectors = torch.linalg.eigh(root.T @ left @ root)
    u = root @ vectors[:, -1]
    w = weight * (left @ u)
    p = torch.einsum("iqt,itk,iqa->ka", u.reshape(n, s, s), X, X).reshape(-1)
    q = torch.einsum("iqt,itl,iqb->lb", w.reshape(n, s, s), X, V).reshape(-1)
    tiny = torch.finfo(X.dtype).tiny
    return float(squares[-1].clamp(min=0).sqrt()), p / p.norm().clamp(min=tiny), q / q.norm().clamp(min=tiny)
