"""Parallel three-layer ReLU branches on any data: a finite convex program with independent patterns for every neuron.

Training K branches of m first-layer neurons with the norm of each layer to its third power,

    min over W_k, w_k, a_k   L( sum_k ((X W_k)_+ w_k)_+ a_k ) + beta/3 sum_k ( |W_k|_F^3 + |w_k|^3 + |a_k|^3 )

(the same value as beta/2 sum_k (|w_k|^2 + a_k^2) with |W_k|_F <= 1), equals for K >= K*, K* <= n,

    min over v   L( sum_{g,e} e D_g sum_j D_{g,j} X v_{g,e,j} ) + beta sum_{g,e,j} |v_{g,e,j}|
    subject to   s_{g,j} (2 D_{g,j} - I) X v_{g,e,j} >= 0,   (2 D_g - I) sum_j D_{g,j} X v_{g,e,j} >= 0

over groups g: a first-layer pattern and a sign for *each* neuron, and a second-layer pattern; e = +-1 the output sign.
One pattern for all neurons of a branch is not enough. Squared decay of all three layers is another, non-convex problem
(3 beta/2 times the sum of s_k^{2/3}). Finite dual: `transcription`. Special cases: `special_cases`.
Tests: tests/theorems/test_three_layer.py.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from convexnn.gauges import GroupL2
from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice
from convexnn.program import Program
from convexnn.theorems.shared.branches import Branches
from convexnn.theorems.shared.layered_network import cubic_branches, prune_cubic
from convexnn.theorems.shared.layered_patterns import LayeredGroups, enumerate_groups, sample_groups
from convexnn.theorems.shared.layered_program import layered_program
from convexnn.theorems.three_layer import transcription
from convexnn.theorems.three_layer.claim_list import claims as claims
from convexnn.theorems.three_layer.claim_list import source as source
from convexnn.types import Data, Solution

# ---- 1 the statement ------------------------------------------------------------------------------------------------

sizes = ("tiny", "quick", "full")
#: Weight of the sum of cubes of the layers' norms: a branch of scale T then costs T.
WEIGHT = 1.0 / 3.0


def assumptions(data: Data) -> tuple[str, ...]:
    """The theorem's conditions in words; raises ValueError where the data break one."""
    if not isinstance(data, Data):
        raise ValueError(f"data is a {type(data).__name__}; pass Data(X, y, beta)")
    if data.X.ndim != 2 or data.y.size != data.n:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; the theorem takes (n, d) and one output")
    return (
        "beta > 0",
        "branches end in one neuron and one output; no biases unless X has a column of ones",
        "the decay is the third power of each layer's norm, or last-two-layer decay with |W_k|_F <= 1",
        "at least K* <= n branches",
    )


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """Gaussian X and y; full has targets of a random three-layer network."""
    check_choice("size", size, sizes)
    rng = np.random.default_rng(seed)
    if size != "full":
        n = {"tiny": 4, "quick": 5}[size]
        return Data(rng.standard_normal((n, 2)), rng.standard_normal(n), 0.1, size)
    X = rng.standard_normal((100, 4))
    y = np.maximum(np.maximum(X @ rng.standard_normal((4, 6)), 0) @ rng.standard_normal((6, 3)), 0)
    return Data(X, y @ np.array([1.0, -1.0, 0.5]) + 0.1 * rng.standard_normal(100), 0.1, size)


# ---- 2 the reference: the paper's letters, in CVXPY -----------------------------------------------------------------


def reference(data: Data, neurons: int = 2, dual: bool = False, shared: bool = False) -> Any:
    """The finite program, or its finite dual, over all groups (squared loss); shared=True: the wrong index set."""
    y = data.y.reshape(-1)
    if dual:
        return transcription.dual(data.X, y, data.beta, neurons)
    return transcription.primal(data.X, y, data.beta, neurons, shared)


# ---- 3 the program --------------------------------------------------------------------------------------------------


def program(
    data: Data,
    neurons: int = 2,
    groups: Literal["all"] | int | LayeredGroups = "all",
    loss: str | Loss = "squared",
    seed: int = 0,
    limit: int = 5000,
) -> Program:
    """The finite program with the (2,1) norm; Z has shape (2 G, rank X, neurons).

    groups  "all" enumerates those with an interior, an int draws that many branches with `seed`, or groups as given
    Raises ValueError for several outputs, or more than `limit` groups.
    """
    told = assumptions(data)
    if isinstance(groups, str):
        check_choice("groups", groups, ["all"])
        groups = enumerate_groups(data.X, neurons, limit)
    elif not isinstance(groups, LayeredGroups):
        groups = sample_groups(data.X, neurons, groups, seed)
    shared = {"neurons": groups.neurons}
    return layered_program(data, groups, GroupL2(), loss, "three_layer", told, shared)


# ---- 4 the map back -------------------------------------------------------------------------------------------------


def recover(data: Data, solution: Solution) -> Branches:
    """One branch for each active group: every layer has the norm T^{1/3}, T = sum_j |v_j| (shared.layered_network)."""
    solution.program.model.check(data.X)
    return cubic_branches(solution, WEIGHT)


def prune(network: Branches, X: Array) -> Branches:
    """At most n branches with the same predictions and no larger penalty, each layer at the cube root of its scale."""
    return prune_cubic(network, X)


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(
    width: int, data: Data, neurons: int = 2, loss: str | Loss = "squared", power: int = 3, seed: int = 0
) -> Branches:
    """`width` seeded branches; power=2 is squared decay of every layer, beta/2 times the squares: another problem."""
    if width < 1:
        raise ValueError(f"width is {width}; pass at least one branch")
    if power not in (2, 3):
        raise ValueError(f"power is {power}; pass 3 (the theorem's decay) or 2 (squared decay)")
    shapes = ((width, data.d, neurons), (width, neurons, 1), (width, 1, 1))
    made = Branches([np.zeros(s) for s in shapes], get_loss(loss), "relu", power, 1.0 / power)
    made.reset(seed)
    return made


def objective(network: torch.nn.Module, data: Data) -> float:
    """The regularised training objective."""
    if not isinstance(network, Network):
        raise ValueError(f"network is a {type(network).__name__}; pass one of this theorem's networks")
    return network.objective(data)
