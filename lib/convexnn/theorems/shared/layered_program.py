"""From groups of three-layer branches to the finite program, and from its solution to branch directions.

The gauge is the theorem's: GroupL2() is the (2,1) norm sum_j |v_j|, Frobenius() the norm of a whole branch. X enters in
coordinates of its row space. `branches_of` returns, for each active group and sign, the vectors v_j in the data's own
coordinates, the signs s_j and the output sign e: ( s_j v_j ) are the first layer up to scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convexnn.gauges import Gauge
from convexnn.layered import LayeredCone, LayeredOperator
from convexnn.losses import Loss, get_loss
from convexnn.numerics import Array, tensor
from convexnn.program import Program
from convexnn.theorems.shared.layered_patterns import LayeredGroups
from convexnn.theorems.shared.patterned import row_space
from convexnn.types import Data, Solution


@dataclass(frozen=True)
class LayeredModel:
    """What recovery needs: the groups, the row-space basis, the data, and what a network to be trained must share."""

    groups: LayeredGroups
    basis: Array | None
    X: Array
    shared: dict[str, Any]

    def network_options(self) -> dict[str, Any]:
        """What a network to be trained against this program must share with it."""
        return self.shared

    def check(self, X: Array) -> None:
        """Raise ValueError unless X is the matrix the program was made from."""
        if X.shape != self.X.shape or not np.array_equal(X, self.X):
            raise ValueError(f"data has X of shape {X.shape}, not the X of the solution's program; pass that one")


def layered_program(
    data: Data,
    groups: LayeredGroups,
    gauge: Gauge,
    loss: str | Loss = "squared",
    name: str = "layered",
    assumptions: tuple[str, ...] = (),
    shared: dict[str, Any] | None = None,
) -> Program:
    """The finite program; Z (2 G, d', m), groups with output sign +1 first. Scope "network" for complete groups.

    `shared` goes to the model: options of the network that is trained against the program.
    Raises ValueError for several outputs or groups of another number of rows.
    """
    if data.y.size != data.n:
        raise ValueError(f"y has shape {data.y.shape}; a three-layer program takes one output")
    if groups.D2.shape[1] != data.n:
        raise ValueError(f"the groups have {groups.D2.shape[1]} rows, X has {data.n}; make them from this X")
    features, basis = row_space(data.X, "none")
    X, D1, D2, s = (tensor(part) for part in (features, groups.D1, groups.D2, groups.s))
    return Program(
        loss=get_loss(loss),
        operator=LayeredOperator(X, D1, D2),
        gauge=gauge,
        cone=LayeredCone(X, D1, D2, s),
        beta=data.beta,
        Y=tensor(data.y).reshape(data.n, 1),
        scope="network" if groups.complete else "program",
        name=name,
        assumptions=assumptions,
        model=LayeredModel(groups, basis, data.X, shared or {}),
    )


@dataclass(frozen=True)
class ActiveBranches:
    """V (k, d, m) with v_j in the columns, s (k, m) and e (k,): the active groups of a solution."""

    V: Array
    s: Array
    e: Array


def branches_of(solution: Solution) -> ActiveBranches:
    """The active groups; one branch of zeros when there is none."""
    model = solution.program.model
    active = np.flatnonzero(solution.active)
    if not len(active):
        d, m = model.X.shape[1], model.groups.neurons
        return ActiveBranches(np.zeros((1, d, m)), np.ones((1, m)), np.ones(1))
    Z = solution.Z[active]
    V = Z if model.basis is None else np.einsum("rd,krm->kdm", model.basis, Z)
    e = solution.program.operator.group_signs.cpu().numpy()[active]
    return ActiveBranches(V, model.groups.s[active % len(model.groups)], e)
