"""Parallel ReLU branches of any depth with the path norm, shared layers or trees.

    R_k = |a_k| sqrt( 1' (W_1 o W_1) (W_2 o W_2) ... 1 )        the l2 norm of all products along paths
    penalty = 1/2 sum_k ( R_k^2 / a_k^2 + a_k^2 )  >=  sum_k R_k,  equality when |a_k| is the norm of the other layers

The penalty is a polynomial; minimising it over the scale of a_k gives the path norm, so both problems have one optimum.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss
from convexnn.networks import Network
from convexnn.numerics import Array, tensor
from convexnn.theorems.shared.branch_pruning import prune_scales


class PathBranches(Network):
    """f(X) = sum_k relu(... relu(X W_{1,k}) ... W_{L-1,k}) a_k; layers (K, in, out), the last with out = 1; a (K,).

    masks: fixed 0/1 arrays of the layers' shapes (without K), which make a branch a tree.
    """

    def __init__(self, layers: list[Array], a: Array, loss: Loss, masks: list[Array] | None = None) -> None:
        super().__init__()
        self.loss = loss
        self.layers = nn.ParameterList([nn.Parameter(tensor(W).clone()) for W in layers])
        self.a = nn.Parameter(tensor(a).clone())
        for k, W in enumerate(layers):
            self.register_buffer(f"mask{k}", tensor(np.ones(W.shape[1:]) if masks is None else masks[k]))

    @property
    def width(self) -> int:
        """K, the number of branches."""
        return int(self.a.shape[0])

    def weights(self) -> list[Tensor]:
        """The layers with their masks applied."""
        return [W * getattr(self, f"mask{k}") for k, W in enumerate(self.layers)]

    def features(self, X: Tensor) -> Tensor:
        """(K, n) outputs of the branches before their last weight."""
        h = X.expand(self.width, *X.shape)
        for W in self.weights():
            h = torch.relu(h @ W)
        return h[:, :, 0]

    def forward(self, X: Tensor) -> Tensor:
        return (self.a @ self.features(X))[:, None]

    def squared_inner_norms(self) -> Tensor:
        """(K,) R_k^2 / a_k^2."""
        total = torch.ones_like(self.layers[0][:, :, 0])[:, None]
        for W in self.weights():
            total = total @ W.square()
        return total[:, 0, 0]

    def path_norms(self) -> Array:
        """(K,) R_k."""
        with torch.no_grad():
            return np.asarray((self.a.abs() * self.squared_inner_norms().sqrt()).numpy())

    def penalty(self) -> Tensor:
        return 0.5 * (self.squared_inner_norms().sum() + self.a.square().sum())

    def weight_decay(self) -> float:
        """1/2 of the squares of all weights, for comparison: it is not invariant."""
        with torch.no_grad():
            return float(0.5 * (sum(W.square().sum() for W in self.weights()) + self.a.square().sum()))

    def reset(self, seed: int) -> None:
        """Layers of variance 1 / fan-in, the second and later ones with a positive mean; a of both signs."""
        rng = np.random.default_rng(seed)
        with torch.no_grad():
            for k, W in enumerate(self.layers):
                draw = rng.standard_normal(tuple(W.shape)) + 0.5 * (k > 0)
                W.copy_(tensor(draw / np.sqrt(W.shape[1])))
            self.a.copy_(tensor(rng.standard_normal(self.width) / np.sqrt(self.width)))


def rescaled(network: PathBranches, seed: int) -> PathBranches:
    """The same function: every hidden neuron's weights in are multiplied by a positive c, those out divided by it."""
    rng = np.random.default_rng(seed)
    layers = [W.detach().numpy().copy() for W in network.weights()]
    a = network.a.detach().numpy().copy()
    for k, W in enumerate(layers):
        c = np.exp(rng.standard_normal((len(W), 1, W.shape[2])))
        layers[k] = layers[k] * c
        if k + 1 < len(layers):
            layers[k + 1] = layers[k + 1] / c.transpose(0, 2, 1)
        else:
            a = a / c[:, 0, 0]
    return PathBranches(layers, a, network.loss)


def balanced(network: PathBranches) -> PathBranches:
    """The same function with |a_k| equal to the norm of the other layers: its penalty is the sum of path norms."""
    inner = network.squared_inner_norms().detach().numpy() ** 0.5
    a, layers = network.a.detach().numpy(), [W.detach().numpy().copy() for W in network.weights()]
    live = (inner > 0) & (a != 0)
    layers = [W[live] for W in layers]
    scale = np.sqrt(np.abs(a[live]) / inner[live])
    layers[-1] = layers[-1] * scale[:, None, None]
    return PathBranches(layers, a[live] / scale, network.loss)


def prune(network: PathBranches, X: Array) -> PathBranches:
    """At most n branches with the same predictions and no larger sum of path norms, balanced."""
    network = balanced(network)
    norms = network.path_norms()
    with torch.no_grad():
        signed = (network.a[:, None] * network.features(tensor(X))).numpy()
    keep, c = prune_scales((signed / norms[:, None]).T, norms)
    root = np.sqrt(c / norms[keep])
    layers = [W.detach().numpy()[keep] for W in network.layers]
    layers[-1] = layers[-1] * root[:, None, None]
    return PathBranches(layers, network.a.detach().numpy()[keep] * root, network.loss)


def unrolled(network: PathBranches) -> PathBranches:
    """A four-layer branch as a tree: each second-layer neuron gets its own copy of the first layer.

    Path norms and predictions stay. Raises ValueError for another depth.
    """
    if len(network.layers) != 3:
        raise ValueError(f"network has {len(network.layers) + 1} layers; unrolled takes four")
    W1, W2, W3 = (W.detach().numpy() for W in network.weights())
    m1, m2 = W2.shape[1:]
    mask = np.kron(np.eye(m2), np.ones((m1, 1)))
    tall = W2.transpose(0, 2, 1).reshape(len(W2), -1, 1) * mask
    masks = [np.ones((W1.shape[1], m1 * m2)), mask, np.ones((m2, 1))]
    return PathBranches([np.tile(W1, (1, 1, m2)), tall, W3], network.a.detach().numpy(), network.loss, masks)


def deep_network(width: int, d: int, hidden: tuple[int, int], loss: Loss, seed: int, tree: bool) -> PathBranches:
    """`width` four-layer branches with `hidden` neurons; tree: hidden[0] first-layer neurons for each second one."""
    m1, m2 = hidden
    shared = PathBranches(
        [np.ones((width, d, m1)), np.ones((width, m1, m2)), np.ones((width, m2, 1))], np.ones(width), loss
    )
    built = unrolled(shared) if tree else shared
    built.reset(seed)
    return built
