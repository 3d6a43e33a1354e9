"""The training objective around a network: values on a plane through its weights, and how often lines bend down.

    plane     objective(theta + |theta| (a p + b q)),   p, q random unit directions, a, b in [-reach, reach]
    bending   the share of negative second differences of the objective along random lines through theta

A convex function has no negative second difference. Lengths are in units of |theta|, so networks of different sizes
are compared on steps as long as their weights.
"""

from __future__ import annotations

import numpy as np
import torch

from convexnn.networks import Network
from convexnn.numerics import Array, tensor
from convexnn.types import Data

#: A second difference counts as negative below this share of the largest one on its line.
FLAT = 1e-9


def plane(network: Network, data: Data, at: Array, seed: int = 0) -> Array:
    """(T, T) objectives; rows follow the second direction, columns the first."""
    p, q = _directions(network, 2, seed)
    return _values(network, data, [a * p + b * q for b in at for a in at]).reshape(len(at), len(at))


def bending(network: Network, data: Data, at: Array, lines: int = 40, seed: int = 0) -> float:
    """The share of negative second differences at equal steps `at` over `lines` random lines."""
    values = np.array([_values(network, data, [a * p for a in at]) for p in _directions(network, lines, seed)])
    second = np.diff(values, 2, axis=1)
    return float(np.mean(second < -FLAT * np.abs(second).max(1, keepdims=True)))


def _directions(network: Network, count: int, seed: int) -> Array:
    """Random directions as long as the weights."""
    theta = torch.nn.utils.parameters_to_vector(network.parameters()).detach().numpy()
    drawn = np.random.default_rng(seed).standard_normal((count, len(theta)))
    return drawn * np.linalg.norm(theta) / np.linalg.norm(drawn, axis=1, keepdims=True)


def _values(network: Network, data: Data, steps: list[Array]) -> Array:
    """Objectives at theta + step; the network ends as it came."""
    parameters = list(network.parameters())
    theta = torch.nn.utils.parameters_to_vector(parameters).detach().clone()
    found = []
    try:
        for step in steps:
            with torch.no_grad():
                torch.nn.utils.vector_to_parameters(theta + tensor(step), parameters)
            found.append(network.objective(data))
    finally:
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(theta, parameters)
    return np.array(found)
