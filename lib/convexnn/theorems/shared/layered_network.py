"""Three-layer branches with cubic decay: from a solution with the (2,1) norm to weights, and down to n branches.

w_1j = s_j v_j / sqrt(|v_j| T),   w_2j = s_j sqrt(|v_j| / T),   a = e T,   T = sum_j |v_j|      unit norms, then
every layer gets the norm T^{1/3}, so that weight * (|W|^3 + |w|^3 + |a|^3) = 3 weight T
"""

from __future__ import annotations

import numpy as np

from convexnn.losses import Loss
from convexnn.numerics import Array
from convexnn.theorems.shared.branch_pruning import prune_scales
from convexnn.theorems.shared.branches import Branches
from convexnn.theorems.shared.layered_program import branches_of
from convexnn.types import Solution


def cubic_branches(solution: Solution, weight: float) -> Branches:
    """One branch for each active group, one of zeros when there is none."""
    found = branches_of(solution)
    size = np.linalg.norm(found.V, axis=1)  # (k, m)
    T = size.sum(1)
    safe = np.maximum(T, 1e-300)[:, None]
    root = np.sqrt(np.maximum(size, 1e-300)) * np.sqrt(safe)  # a product of two tiny numbers would be zero
    cube = np.cbrt(T)[:, None]
    W = found.V * (found.s / root * cube)[:, None, :]
    w = found.s * np.sqrt(size / safe) * cube
    a = found.e[:, None] * cube
    return _cubic([W, w[:, :, None], a[:, :, None]], solution.program.loss, weight)


def prune_cubic(network: Branches, X: Array) -> Branches:
    """At most n branches with the same predictions and no larger penalty, each layer at the cube root of its scale."""
    scales = network.scales()
    live = np.flatnonzero(scales > 0)
    if not len(live):
        return network
    layers = [W.detach().numpy()[live] for W in network.layers]
    H = np.broadcast_to(X, (len(live), *X.shape))
    for W in layers[:-1]:
        H = np.maximum(H @ W, 0)
    outputs = (H @ layers[-1])[:, :, 0].T / scales[live]
    keep, c = prune_scales(outputs, scales[live])
    norms = [np.linalg.norm(W[keep], axis=(1, 2), keepdims=True) for W in layers]
    balanced = [W[keep] / norm * np.cbrt(c)[:, None, None] for W, norm in zip(layers, norms)]
    return _cubic(balanced, network.loss, network.weight)


def _cubic(layers: list[Array], loss: Loss, weight: float) -> Branches:
    return Branches(layers, loss, "relu", 3, weight)
