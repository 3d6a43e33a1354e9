"""The factored (Burer-Monteiro) road: train the heads themselves, and certify them by a dual norm.

    repeat  minimise the network's objective over the present heads (L-BFGS);  v = residual;  sigma = |A'v|_2
            stop if sigma <= beta (1 + tol), else add the head of the top singular pair, where it pulls most

The bound is the dual value of t v with t sigma <= beta: it needs the residual and the dual norm, never Z. The dual norm
is a matrix norm of the lifted pull where that is small, else, for linear self-attention, the eigenvalue of `top_pair`.
A stationary point pulls exactly beta on its own heads, so sigma > beta names the missing one. Squared loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from convexnn.numerics import EPS, Array, check_positive, tensor
from convexnn.theorems.attention.head import HeadOperator, spread
from convexnn.theorems.attention.head_network import HeadNetwork
from convexnn.theorems.attention.self_attention import SelfAttention, top_pair
from convexnn.types import Data

#: Lifted pulls up to so many entries are formed for their norm.
DENSE_ENTRIES = 4_000_000


@dataclass(frozen=True)
class Factored:
    """A network, its objective, a lower bound for every network of any width, and the dual norm over beta.

    history  (rounds, 3) heads, value, dual norm over beta
    """

    network: HeadNetwork
    value: float
    lower: float
    pull: float
    history: Array

    @property
    def gap(self) -> float:
        """(value - lower) / max(1, value)."""
        return (self.value - self.lower) / max(1.0, abs(self.value))


def dual_norm(network: HeadNetwork, X: Array, V: Array, dense: int = DENSE_ENTRIES) -> tuple[float, int, Array, Array]:
    """max_g |(A'V)_g|_2 over the network's groups, that group, and its unit singular vectors.

    Raises ValueError for a lifted pull above `dense` entries unless the head is linear self-attention.
    """
    Xt, Vt, head = tensor(X), tensor(V), network.head
    p, q = network.left.shape[-1], network.right.shape[-1]
    if p * q > dense:
        if not isinstance(head, SelfAttention) or network.gates is not None:
            raise ValueError(
                f"the pull of {head.name} has {p} x {q} entries; only linear self-attention goes without it"
            )
        sigma, left, right = top_pair(Xt, spread(Vt.reshape(len(X), -1), X.shape[1], network.pooled))
        return sigma, 0, left.numpy(), right.numpy()
    masks = None if network.gates is None else head.masks(Xt, network.gates)
    c = Vt.numel() // len(X) // (1 if network.pooled else X.shape[1])
    Q = HeadOperator(head, Xt, masks, c, network.pooled).adjoint(Vt.reshape(len(X), -1))
    g = int(torch.linalg.matrix_norm(Q, 2).argmax())
    U, s, Vh = torch.linalg.svd(Q[g], full_matrices=False)
    return float(s[0]), g, U[:, 0].numpy(), Vh[0].numpy()


def bound(network: HeadNetwork, data: Data) -> tuple[float, float]:
    """A lower bound on the optimum over all widths, and the residual's dual norm over beta; from the network alone."""
    Y = data.y.reshape(data.n, -1)
    v = Y - network.predict(data.X)
    sigma = dual_norm(network, data.X, v)[0] * (1 + 1e4 * EPS)  # room for the eigenvalue's rounding
    reach = data.beta / sigma if sigma > 0 else np.inf
    best = float((v * Y).sum() / max(1e-300, (v * v).sum()))
    t = min(best, reach) if best > 0 else 0.0
    return float(t * (v * Y).sum() - 0.5 * t * t * (v * v).sum()), sigma / data.beta


def factored(
    data: Data, network: HeadNetwork, tol: float = 1e-7, rounds: int = 40, steps: int = 2000, grow: bool = True
) -> Factored:
    """Train `network` by L-BFGS from its present weights; with `grow`, add heads until the dual norm is beta (1 + tol).

    Raises ValueError for another loss or activation than the theorem's.
    """
    check_positive(tol=tol, rounds=rounds, steps=steps)
    if network.loss.name != "squared" or network.activation not in ("linear", "gated"):
        raise ValueError(f"factored needs the squared loss and a linear or gated head, not {network.activation}")
    best, history = network, []
    for _ in range(rounds if grow else 1):
        best, value = descend(best, data, steps)
        v = data.y.reshape(data.n, -1) - best.predict(data.X)
        sigma, g, p, q = dual_norm(best, data.X, v)
        history.append((best.width, value, sigma / data.beta))
        if not grow or sigma <= data.beta * (1 + tol):
            break
        best = _with_head(best, g, p, q)
    best, value = descend(best, data, steps) if grow and sigma > data.beta * (1 + tol) else (best, value)
    lower, pull = bound(best, data)
    return Factored(best, value, lower, pull, np.array(history, dtype=float))


def descend(network: HeadNetwork, data: Data, steps: int) -> tuple[HeadNetwork, float]:
    """L-BFGS on the training objective from the network's present weights."""
    X, Y = tensor(data.X), tensor(data.y).reshape(data.n, -1)
    shapes = (network.left.shape, network.right.shape)
    split = network.left.numel()

    def build(flat: Array) -> HeadNetwork:
        left, right = flat[:split].reshape(shapes[0]), flat[split:].reshape(shapes[1])
        gates = None if network.gates is None else network.gates.numpy()
        return HeadNetwork(network.head, left, right, network.loss, network.activation, gates, network.pooled)

    moved = build(np.concatenate([network.left.detach().numpy().ravel(), network.right.detach().numpy().ravel()]))
    moving: list[Tensor] = [moved.left, moved.right]

    def evaluate(flat: Array) -> tuple[float, Array]:
        with torch.no_grad():
            moved.left.copy_(tensor(flat[:split]).reshape(shapes[0]))
            moved.right.copy_(tensor(flat[split:]).reshape(shapes[1]))
        value = moved.training_loss(X, Y, data.beta)
        grads = torch.autograd.grad(value, moving)
        return value.item(), torch.cat([g.reshape(-1) for g in grads]).numpy()

    start = torch.cat([w.detach().reshape(-1) for w in moving]).numpy()
    options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 1e-16, "gtol": 1e-11, "maxcor": 20}
    found = minimize(evaluate, start, jac=True, method="L-BFGS-B", options=options)
    done = build(found.x)
    return done, done.objective(data)


def _with_head(network: HeadNetwork, group: int, p: Array, q: Array, size: float = 1e-2) -> HeadNetwork:
    """One more small head in `group`, along the pull; the other groups get a zero head, which stays zero."""
    left, right = network.left.detach().numpy(), network.right.detach().numpy()
    more_left, more_right = (np.zeros((len(W), 1, W.shape[2])) for W in (left, right))
    more_left[group, 0], more_right[group, 0] = size * p, size * q
    gates = None if network.gates is None else network.gates.numpy()
    sides = (np.concatenate([left, more_left], 1), np.concatenate([right, more_right], 1))
    return HeadNetwork(network.head, *sides, network.loss, network.activation, gates, network.pooled)
