"""A fully connected network that is cheaper than a collapsed one: classes are the edges of a complete graph.

With B (K, v) the 0/1 incidence matrix of the K = v (v-1) / 2 edges, two edges share 2, 1 or 0 vertices, so

    ( B (B' - 1/2 11') )_+ = (B B' - 11')_+ = I_K

and on X = I_K the layers  B, I_v (L - 3 times), B' - 1/2 11', I_K  reproduce Y = I_K through v < K hidden neurons.
Their squared norms are 2K, v, v K / 4 and K, so after balancing, weight decay 1/2 sum |W_l|^2 costs

    (L/2) ( K^3 v^{L-2} / 2 )^{1/L}    against   (L/2) K   for the collapsed network, orthogonal features in all layers

For L = 5 it is less than the collapsed cost when 2 v < (v - 1)^2, that is v >= 4; for L <= 4 it never is. Branches that
end in one neuron cannot share hidden neurons, and for them the collapsed network stays optimal.
Source: derived for this project; that deep collapse need not be optimal is in Sukenik et al. (arXiv 2405.14468).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from convexnn.numerics import Array
from convexnn.theorems.deep_relu.networks import Standard
from convexnn.theorems.shared.schatten import check_depth, decay, shrink


def incidence(v: int) -> Array:
    """(K, v) the edges of the complete graph on v >= 3 vertices."""
    if not v >= 3:
        raise ValueError(f"v is {v}; a complete graph with two or more edges has at least 3 vertices")
    return np.array([[float(k in edge) for k in range(v)] for edge in combinations(range(v), 2)])


def edge_network(v: int, depth: int, scale: float = 1.0) -> Standard:
    """The balanced network with f(I_K) = scale I_K; depth >= 3."""
    check_depth(depth, least=3)
    B = incidence(v)
    K = len(B)
    return Standard([B, *[np.eye(v)] * (depth - 3), B.T - 0.5, scale * np.eye(K)]).balanced()


def edge_cost(v: int, depth: int) -> float:
    """1/2 sum of squared norms of `edge_network(v, depth)`."""
    check_depth(depth, least=3)
    K = v * (v - 1) / 2
    return 0.5 * depth * (K**3 * v ** (depth - 2) / 2) ** (1 / depth)


def collapsed_cost(K: int, depth: int) -> float:
    """1/2 sum of squared norms of the collapsed network that reproduces I_K: K branches of scale 1."""
    return K * float(decay(1.0, depth))


def trained_scale(v: int, depth: int, beta: float) -> float:
    """The scale at which the edge network is best: min over s of K/2 (1 - s)^2 + beta cost s^{2/L}."""
    K = v * (v - 1) // 2
    # in r = sqrt(K) s the price is beta' (L/2) r^{2/L}
    tilted = beta * edge_cost(v, depth) / (0.5 * depth * K ** (1 / depth))
    return float(shrink(np.sqrt(K), tilted, depth) / np.sqrt(K))
