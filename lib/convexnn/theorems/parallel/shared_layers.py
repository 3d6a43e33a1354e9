"""Classes that share neurons: where a standard deep ReLU network is cheaper than one branch for each class.

Data X = Y = I_n, one sample a class. One scalar-ended branch a class costs (L/2) n under either decay (every scale is
1). Let B be the n x v incidence matrix of n blocks of k points out of v, any two blocks with at most one point in
common, and W = (1/k) (B' - (1 - B') / (k-1)). Then B W has ones on the diagonal and nothing above zero elsewhere, so

    (B W)_+ = I_n,      layers  B, I_v (L-3 times), W, I_n

is a standard network of L layers with the same predictions; with its layers brought to one norm it costs

    (L/2) ( k n * v^{L-3} * (n/k^2) (k + (v-k)/(k-1)^2) * n )^{1/L}         under squared decay.

    pairs of 5 points       n = 10    22.757 < 25 for L = 5,    21.15 > 20 for L = 4
    triples of 13 points    n = 26    50.88 < 52 for L = 4      (a Steiner triple system)

So from four layers on the value of class-wise branches, which is what the collapse of classes costs, is not the
optimum of the standard problem. Three layers: this construction never wins. It says nothing against the L-th power
decay, where class-wise branches are optimal. Source: constructions of this project.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from convexnn.losses import get_loss
from convexnn.numerics import Array, check_choice
from convexnn.theorems.shared.branches import Branches, balanced_branch, stack

#: Points, and the blocks on them; the triples are {0, 1, 4} and {0, 2, 7} shifted modulo 13.
DESIGNS: dict[str, tuple[int, list[tuple[int, ...]]]] = {
    "pairs of 5": (5, list(combinations(range(5), 2))),
    "triples of 13": (13, [tuple((p + s) % 13 for p in base) for base in ((0, 1, 4), (0, 2, 7)) for s in range(13)]),
}


def incidence(design: str) -> Array:
    """(n, v) 0/1: which points a block has."""
    check_choice("design", design, DESIGNS)
    v, blocks = DESIGNS[design]
    B = np.zeros((len(blocks), v))
    for row, block in enumerate(blocks):
        B[row, list(block)] = 1.0
    return B


def shared_network(design: str, depth: int, power: int = 2) -> Branches:
    """The standard network through the design's points, all layers brought to the same norm."""
    B = incidence(design)
    _check(depth)
    n, v = B.shape
    k = B[0].sum()
    W = (B.T - (1 - B.T) / (k - 1)) / k
    layers = [B, *[np.eye(v)] * (depth - 3), W, np.eye(n)]
    norms = np.array([np.linalg.norm(layer) for layer in layers])
    root = norms.prod() ** (1 / depth)
    return Branches([(M * root / norm)[None] for M, norm in zip(layers, norms)], get_loss("squared"), "relu", power)


def separate_network(design: str, depth: int, power: int = 2) -> Branches:
    """One scalar-ended branch of scale 1 for each class."""
    _check(depth)
    one = [np.ones(1)] * (depth - 1)
    branches = [balanced_branch([e, *one, e], 1.0) for e in np.eye(len(incidence(design)))]
    return Branches(stack(branches), get_loss("squared"), "relu", power)


def _check(depth: int) -> None:
    if not depth >= 3:
        raise ValueError(f"depth is {depth}; the construction needs at least three layers")
