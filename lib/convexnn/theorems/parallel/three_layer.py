"""Parallel three-layer ReLU branches on any data: the finite convex program, its certified bound, the map back.

    min over branches  1/2 |sum_k ((X W_k)_+ w_k)_+ a_k - y|^2 + beta/2 sum_k (|W_k|_F^3 + |w_k|^3 + |a_k|^3)
    =  min over v      1/2 |sum_{g,e} e D_g sum_j D_{g,j} X v_{g,e,j} - y|^2 + (3 beta/2) sum_{g,e,j} |v_{g,e,j}|
       s.t.            s_j (2 D_{g,j} - I) X v_{g,e,j} >= 0,      (2 D_g - I) sum_j D_{g,j} X v_{g,e,j} >= 0

The groups, the program and the map back are those of `shared.layered_*`; here beta counts cubic decay with weight 1/2,
so the gauge has the weight 3 beta / 2. Two neurons a branch; one output; small data only: the number of groups grows
like n^{2 rank X}.

Source: Ergen and Pilanci (arXiv 2110.05518), group norm and cubic decay derived by this project.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convexnn.gauges import GroupL2
from convexnn.program import Program
from convexnn.theorems.shared.branches import Branches
from convexnn.theorems.shared.layered_network import cubic_branches, prune_cubic
from convexnn.theorems.shared.layered_patterns import LayeredGroups, enumerate_groups
from convexnn.theorems.shared.layered_program import layered_program
from convexnn.types import Data, Solution

NEURONS = 2
#: L/2 for L = 3: the weight of the gauge for each unit of beta.
GAUGE_WEIGHT = 1.5


@dataclass(frozen=True)
class ThreeLayer:
    """Bounds lower <= optimum <= upper over all parallel networks, and a network of value `upper`."""

    lower: float
    upper: float
    network: Branches
    groups: int


def three_layer_program(data: Data, groups: LayeredGroups | None = None) -> Program:
    """The finite program over all groups, or the given ones.

    Raises ValueError for several outputs, or data with more groups than `enumerate_groups` takes.
    """
    if data.y.size != data.n:
        raise ValueError(f"y has shape {data.y.shape}; the three-layer program takes one output")
    chosen = enumerate_groups(data.X, NEURONS) if groups is None else groups
    scaled = Data(data.X, data.y, GAUGE_WEIGHT * data.beta)
    return layered_program(scaled, chosen, GroupL2(), name="parallel three layers")


def three_layer(data: Data, solve: Callable[[Program], Solution], groups: LayeredGroups | None = None) -> ThreeLayer:
    """Solve the program with `solve`, rebuild, prune to n branches: `upper` is the objective of that network."""
    solution = solve(three_layer_program(data, groups))
    network = prune_cubic(cubic_branches(solution, weight=0.5), data.X)
    return ThreeLayer(solution.lower, network.objective(data), network, len(solution.program.model.groups))
