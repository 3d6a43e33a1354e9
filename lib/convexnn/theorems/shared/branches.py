"""Deep networks made of branches: the standard network is one branch, the parallel one a sum of many.

    f(X) = sum_j g( ... g( g(X T_1 ...) W_{1,j} ) ... W_{k-1,j} ) W_{k,j}          g = identity or ReLU, no biases
    penalty = 1/2 sum_i |T_i|_F^2 + weight * sum_j sum_l |W_{l,j}|_F^power

weight = 1/2 and power = 2 is squared weight decay, power = depth the power for which a branch costs its scale s:

    1/2 sum_l |W_l|_F^2 >= (L/2) s^{2/L},     1/2 sum_l |W_l|_F^L >= (L/2) s,     s = prod_l |W_l|_F

with equality exactly when all layers of the branch have the same norm. T_1 .. T_l is a trunk that all branches share.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, check_positive, tensor
from convexnn.types import Data

ACTIVATIONS = ("linear", "relu")
#: Seed s starts with Gaussian weights of size SCALES[s mod 3] / sqrt(fan-in): zero is a local minimum of squared decay
#: in three layers and more, so runs must also start far from it.
SCALES = (0.6, 1.0, 1.6)


class Branches(Network):
    """m branches of the same shape; `layers[l]` is (m, in, out), `trunk[i]` is (in, out).

    Scalar-ended branches have a last hidden layer of one neuron; matrix-ended ones have several.
    """

    def __init__(
        self,
        layers: Sequence[Array],
        loss: Loss,
        activation: str = "linear",
        power: int = 2,
        weight: float = 0.5,
        trunk: Sequence[Array] = (),
    ) -> None:
        super().__init__()
        check_choice("activation", activation, ACTIVATIONS)
        check_positive(power=power, weight=weight)
        _check_chain(layers, trunk)
        self.loss, self.activation, self.power, self.weight = loss, activation, int(power), float(weight)
        self.layers = nn.ParameterList([nn.Parameter(tensor(W).clone()) for W in layers])
        self.trunk = nn.ParameterList([nn.Parameter(tensor(T).clone()) for T in trunk])

    @property
    def depth(self) -> int:
        """Number of weight matrices between input and output, trunk included."""
        return len(self.layers) + len(self.trunk)

    @property
    def width(self) -> int:
        """m, the number of branches."""
        return int(self.layers[0].shape[0])

    def _act(self, H: Tensor) -> Tensor:
        return torch.relu(H) if self.activation == "relu" else H

    def forward(self, X: Tensor) -> Tensor:
        H = X
        for T in self.trunk:
            H = self._act(H @ T)
        H = H.expand(self.width, *H.shape)
        for W in self.layers[:-1]:
            H = self._act(H @ W)
        return (H @ self.layers[-1]).sum(0)

    def penalty(self) -> Tensor:
        squares = torch.stack([W.square().sum((1, 2)) for W in self.layers])
        shared = 0.5 * sum((T.square().sum() for T in self.trunk), squares.new_zeros(()))
        return shared + self.weight * (squares if self.power == 2 else squares ** (self.power / 2)).sum()

    def reset(self, seed: int) -> None:
        rng, scale = np.random.default_rng(seed), SCALES[seed % len(SCALES)]
        with torch.no_grad():
            for W in (*self.trunk, *self.layers):
                W.copy_(tensor(scale * rng.standard_normal(tuple(W.shape)) / np.sqrt(W.shape[-2])))

    def norms(self) -> Array:
        """(k, m) Frobenius norms of the branch layers."""
        return np.array([W.detach().flatten(1).norm(dim=1).numpy() for W in self.layers])

    def scales(self) -> Array:
        """(m,) the scale s of every branch: the product of its layers' norms."""
        return np.asarray(self.norms().prod(0))


def _check_chain(layers: Sequence[Array], trunk: Sequence[Array]) -> None:
    if len(layers) < 2:
        raise ValueError(f"layers has {len(layers)} entries; a branch needs at least two")
    shapes = [np.shape(T) for T in trunk] + [np.shape(W)[1:] for W in layers]
    if any(len(np.shape(W)) != 3 or np.shape(W)[0] != np.shape(layers[0])[0] for W in layers):
        raise ValueError(f"layers have shapes {[np.shape(W) for W in layers]}; pass (m, in, out) with one m for all")
    for before, after in pairwise(shapes):
        if before[1] != after[0]:
            raise ValueError(f"a layer of shape {before} is followed by {after}; the sizes in between must agree")


def balanced_branch(vectors: Sequence[Array], scale: float) -> list[Array]:
    """Layers of a scalar-ended branch: rank-one u_l u_{l+1}' of norm scale^{1/L}, u_0 .. u_L unit vectors."""
    root = scale ** (1.0 / (len(vectors) - 1))
    return [root * np.outer(u, v)[None] for u, v in pairwise(vectors)]


def stack(branches: Sequence[Sequence[Array]]) -> list[Array]:
    """Branches of equal shapes as layers of shape (m, in, out)."""
    return [np.concatenate(layer) for layer in zip(*branches)]


def trunked(width: int, trunk: int, depth: int, data: Data, hidden: int, loss: str | Loss = "squared") -> Branches:
    """A linear network of `trunk` shared layers that ends in `width` scalar-ended branches, `depth` layers in all.

    penalty = 1/2 sum_i |T_i|_F^2 + (1/k) sum_j sum_l |W_{l,j}|_F^k with k = depth - trunk >= 2 layers a branch. With T
    the product of the trunk's norms and S the sum of the branches' scales it is at least (l/2) T^{2/l} + S, and the
    best factorisation of a matrix costs ((l+2)/2) sum sigma^{2/(l+2)}: squared decay of l + 2 layers, whatever k is.
    """
    if not 0 <= trunk <= depth - 2:
        raise ValueError(f"trunk is {trunk}; pass 0 to {depth - 2} shared layers of {depth}, two are left to branches")
    k, c = depth - trunk, data.y.reshape(data.n, -1).shape[1]
    shared = [data.d] + [hidden] * trunk
    inner = [shared[-1], *[hidden] * (k - 2), 1, c]
    built = Branches(
        [np.zeros((width, a, b)) for a, b in pairwise(inner)],
        get_loss(loss),
        power=k,
        weight=1.0 / k,
        trunk=[np.zeros(shape) for shape in pairwise(shared)],
    )
    built.reset(0)
    return built
