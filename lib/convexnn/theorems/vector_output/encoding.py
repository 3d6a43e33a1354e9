"""What a program for vector outputs remembers of its data, and the map network -> program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convexnn.networks import Activation
from convexnn.numerics import Array, BoolArray
from convexnn.program import Program
from convexnn.theorems.vector_output.directed_gauge import nearest_cells
from convexnn.theorems.vector_output.groups import Groups
from convexnn.theorems.vector_output.patches import Patches
from convexnn.theorems.vector_output.vector_network import VectorNetwork
from convexnn.types import Data

#: A neuron belongs to a group of a program with directions when |u/|u| - direction| is below this.
SAME_DIRECTION = 1e-7


@dataclass(frozen=True)
class Model:
    """What recovery needs: the stacked patches, the groups with their cells, and the data they were made from."""

    activation: Activation
    patches: Patches
    groups: Groups
    X: Array

    def network_options(self) -> dict[str, Any]:
        """What a network to be trained against this program must share with it; r neurons for each gate suffice."""
        shared: dict[str, Any] = {"activation": self.activation, "pooling": self.patches.pool}
        if self.activation == "gated":
            shared["gates"] = np.repeat(self.patches.lift(self.groups.gates), self.patches.rank, axis=0)
        return shared

    def check(self, X: Array) -> None:
        """Raise ValueError unless X is the array the program was made from."""
        if X.shape != self.X.shape or not np.array_equal(X, self.X):
            raise ValueError(f"data has X of shape {X.shape}, not the X of the solution's program; pass that one")


def encode(data: Data, network: VectorNetwork, target: Program) -> Array:
    """Network -> convex variables: u_j a_j' is added to the group whose closed cell (and direction) holds u_j.

    The objective does not rise: N(sum) <= sum |u_j||a_j| <= 1/2 sum (|u_j|^2 + |a_j|^2).
    Raises ValueError when network and program differ in kind, or a neuron has no group.
    """
    model: Model = target.model
    model.check(data.X)
    gated = network.gates is not None
    if gated != (model.activation == "gated"):
        raise ValueError(
            f"network is {'gated' if gated else 'relu'}, the program {model.activation}; pass the same kind"
        )
    U, A = network.U.detach().numpy(), network.A.detach().numpy().reshape(network.width, -1)
    W = model.patches.drop(U)
    live = np.flatnonzero((np.linalg.norm(W, axis=1) > 0) & A.any(1))
    Z = np.zeros(target.operator.domain)
    for j, group in zip(live, _groups(model, network, W, live)):
        if group is not None:
            Z[group] += np.outer(W[j], A[j])
    return Z


def _groups(model: Model, network: VectorNetwork, W: Array, live: np.ndarray) -> list[int | None]:
    """The group of every live neuron; None for one that is zero on the data."""
    if network.gates is not None:
        patterns = model.patches.rows @ model.patches.drop(network.gates.numpy()[live]).T >= 0
        return [_matching(model.groups.D, pattern, j) for pattern, j in zip(patterns.T, live)]
    unit = W[live] / np.linalg.norm(W[live], axis=1, keepdims=True)
    active = (model.patches.rows @ unit.T > 0).any(0)
    if model.groups.directions is not None:
        return [_directed(model.groups.directions, u, j) if on else None for u, j, on in zip(unit, live, active)]
    cells = nearest_cells(model.patches.rows, model.groups.D, unit[active])
    where = iter(cells)
    return [int(next(where)) if on else None for on in active]


def _matching(D: BoolArray, pattern: BoolArray, j: int) -> int | None:
    same = np.flatnonzero((pattern[:, None] == D).all(0))
    if len(same) == 0 and pattern.any():
        raise ValueError(f"the gate of neuron {j} has a pattern that is not in the program; add it to `patterns`")
    return int(same[0]) if len(same) else None


def _directed(directions: Array, u: Array, j: int) -> int:
    distance = np.linalg.norm(directions - u, axis=1)
    if not distance.min() <= SAME_DIRECTION:
        raise ValueError(f"neuron {j} is none of the program's directions; pass directions=network.U")
    return int(distance.argmin())
