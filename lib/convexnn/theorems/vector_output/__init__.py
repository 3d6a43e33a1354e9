"""Two-layer ReLU networks with vector outputs: a copositive program with a constrained nuclear norm.

Training    p* = min over m, u_j, a_j   L( sum_j (X u_j)_+ a_j' ) + beta/2 sum_j ( |u_j|^2 + |a_j|_2^2 )
equals, for every width m >= m* with m* <= n c,

    min over V_1..V_P   L( sum_i D_i X V_i ) + beta sum_i N_i(V_i),     V_i (d, c)
    N_i(V) = min { sum_k |u_k| |g_k| : V = sum_k u_k g_k', S_i X u_k >= 0 }
           = min over W in C_i   1/2 tr V'W^+V + 1/2 tr W

with C_i = conv { u u' : S_i X u >= 0 }; for the squared loss, with W = 2 beta U, it is the copositive program

    min over U_i in C_i   1/2 tr( Y' (I + 2 sum_i D_i X U_i X'D_i)^{-1} Y ) + beta^2 sum_i tr U_i,

and its dual is   max_v -L*(-v)  s.t.  M(v) = max_{|u|<=1} |v'(Xu)_+|_2 <= beta   (v is n by c).
Why: weight decay is beta |u||a|_2 after the best rescaling; inside a cell (Xu)_+ is linear, so the neurons of a cell
add up to a matrix, priced by its cheapest factors inside the cell. The sign of a neuron lives in a: no v - w here.

How the norm and the cone meet the one convex program. They do not separate, so `gauge` carries the cell and `cone` is
free. The judge needs an upper bound on the objective of a point and on the pull M(v) of a dual vector; both hold:

    rank X <= 2   a cell is an arc: value, prox and polar of N_i are formulas (`_planar_cone`); nothing is lost
    rank X >= 3   evaluating N_i is NP-hard in general. `program(data, directions=U)` keeps one direction a group: its
                  value is that of a network (an upper bound on N_i), its polar the exact M(v) over the whole cell (an
                  upper bound on that group's own polar). The interval of a certificate is valid for the training
                  problem, and closes when U holds the optimal neurons: `column_generation(data).directions` does.

`column_generation` is the fast road at every rank, and `certify(program, encode(data, network, program))` judges it.
X (n, K, h) holds patches: ReLU convolution with pooling is the same theorem on the stacked rows (see `_patches`). A
column of ones in X is a regularised bias. Gated ReLU drops the cells: the nuclear norm of `activation="gated"`.
Tests: tests/theorems/test_vector_output.py.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from convexnn.cones import FreeCone
from convexnn.losses import Loss, get_loss
from convexnn.networks import ACTIVATIONS, Activation, Network
from convexnn.numerics import Array, BoolArray, check_choice, check_count, tensor
from convexnn.patterns import gates_of
from convexnn.program import Program
from convexnn.theorems.shared.patterned import select_patterns
from convexnn.theorems.vector_output.claim_list import claims, source
from convexnn.theorems.vector_output.columns import column_generation
from convexnn.theorems.vector_output.encoding import Model, encode
from convexnn.theorems.vector_output.groups import gated_groups, relu_groups
from convexnn.theorems.vector_output.patches import Pooling, operator_of, patches_of, pooling_matrix
from convexnn.theorems.vector_output.references import copositive_reference, nuclear_reference
from convexnn.theorems.vector_output.vector_network import VectorNetwork
from convexnn.types import Data, Solution

__all__ = [
    "assumptions",
    "claims",
    "column_generation",
    "encode",
    "network",
    "objective",
    "program",
    "recover",
    "reference",
    "sample",
    "sizes",
    "source",
]

# ---- 1 the statement ------------------------------------------------------------------------------------------------

sizes = ("tiny", "quick", "full")


def assumptions(data: Data) -> tuple[str, ...]:
    """The theorem's conditions in words; raises ValueError where the data break one."""
    if not isinstance(data, Data):
        raise ValueError(f"data is a {type(data).__name__}; pass Data(X, y, beta)")
    if data.X.ndim not in (2, 3) or data.y.ndim > 2:
        raise ValueError(
            f"X has shape {data.X.shape}, y {data.y.shape}; the theorem takes X (n, d) or patches (n, K, h), y (n, c)"
        )
    return ("beta > 0", "width m >= m*, at most n c", "weight decay 1/2 (|u_j|^2 + |a_j|_2^2) on every neuron")


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """tiny: Gaussian X and Y; quick and full: the three-armed spiral with one-hot targets, 20 and 50 points an arm."""
    check_choice("size", size, sizes)
    rng = np.random.default_rng(seed)
    if size == "tiny":
        return Data(rng.standard_normal((6, 2)), rng.standard_normal((6, 2)), 0.1, "tiny")
    X, labels = spiral({"quick": 20, "full": 50}[size], rng)
    return Data(X, np.eye(3)[labels], 0.1, size)


def spiral(points: int, rng: np.random.Generator) -> tuple[Array, np.ndarray]:
    """Arm k: radius r from 0 to 1/2, angle a from 4 k to 4 k + 4 plus 0.15 N(0, 1), x = (r sin a, r cos a).

    The first point of every arm is the origin, which no network without bias can fit.
    """
    arms = []
    for k in range(3):
        radius = np.linspace(0, 1, points) / 2
        angle = np.linspace(4 * k, 4 * k + 4, points) + 0.15 * rng.standard_normal(points)
        arms.append(np.column_stack([radius * np.sin(angle), radius * np.cos(angle)]))
    return np.vstack(arms), np.repeat(np.arange(3), points)


# ---- 2 the reference: the paper's letters, in CVXPY -----------------------------------------------------------------


def reference(
    data: Data,
    form: Literal["copositive", "nuclear"] = "copositive",
    patterns: BoolArray | Literal["all"] = "all",
    cells: Literal["relu", "gated"] = "relu",
    loss: str = "squared",
) -> Any:
    """A cvxpy.Problem: the copositive program, or the finite program with V_i and W_i; doubly non-negative matrices.

    Exact for rank X <= 2 or n <= 4, a lower bound otherwise; cells="gated" drops the inequalities. The copositive form
    has the squared loss only.
    """
    assumptions(data)
    check_choice("form", form, ("copositive", "nuclear"))
    check_choice("cells", cells, ("relu", "gated"))
    if data.X.ndim != 2:
        raise ValueError(f"X has shape {data.X.shape}; the printed programs are for matrices (n, d)")
    if form == "copositive" and get_loss(loss).name != "squared":
        raise ValueError(f"loss is {loss!r}; the copositive form needs 'squared', use form='nuclear'")
    D = patterns if not isinstance(patterns, str) else None
    if form == "copositive":
        return copositive_reference(data, D, cells == "relu")
    return nuclear_reference(data, D, cells == "relu", get_loss(loss).name)


# ---- 3 the program --------------------------------------------------------------------------------------------------


def program(
    data: Data,
    patterns: Literal["all"] | int | BoolArray = "all",
    activation: Activation = "relu",
    loss: str | Loss = "squared",
    pooling: Pooling | Array = "sum",
    directions: Array | None = None,
    seed: int = 0,
    limit: int = 100_000,
) -> Program:
    """The finite program; Z = (V_1..V_P) of shape (P, r, a c) in row-space coordinates (a = 1 without pooling rows).

    patterns    "all" cells of the stacked rows, an int (that many Gaussian gates), or a bool array (n K, P)
    directions  (m, h) neurons: one more group for each, fixed to that direction; needed when the rank is above 2
    Raises ValueError for an unknown option, too many cells, or a rank above 2 without directions.
    """
    conditions = assumptions(data)
    check_choice("activation", activation, ACTIVATIONS)
    patches = patches_of(data.X, pooling)
    if not data.X.any():
        raise ValueError("X is zero, so every network without bias predicts 0 and the zero network is optimal")
    D, found, complete = select_patterns(patches.rows, patterns, "none", seed, limit)
    gates = gates_of(patches.rows, D) if found is None else found
    groups = gated_groups(D, gates) if activation == "gated" else relu_groups(patches, D, gates, directions)
    relu = activation == "relu"
    return Program(
        loss=get_loss(loss),
        operator=operator_of(patches, groups.D, data.y.reshape(data.n, -1).shape[1]),
        gauge=groups.gauge,
        cone=FreeCone(),
        beta=data.beta,
        Y=tensor(data.y).reshape(data.n, -1),
        scope="network" if relu and complete else "program",
        name="vector_output",
        assumptions=(*conditions, *(("the patterns are all cells of the arrangement",) if complete else ())),
        model=Model(activation, patches, groups, data.X),
    )


# ---- 4 the map back -------------------------------------------------------------------------------------------------


def recover(data: Data, solution: Solution) -> VectorNetwork:
    """The network of a solution: V_i = sum_k u_k g_k' with u_k in cell i and least cost, each neuron balanced.

    Returns a float64 VectorNetwork whose training objective equals `solution.value`; `_vector_network.merge` joins the
    neurons that sit on the boundary of two cells. Raises ValueError when `data` is not the program's.
    """
    model, patches = solution.program.model, solution.program.model.patches
    model.check(data.X)
    a, c = patches.pool.shape[0], data.y.reshape(data.n, -1).shape[1]
    U, A, group = [np.zeros((0, patches.rank))], [np.zeros((0, a, c))], []
    for i in np.flatnonzero(solution.active):
        left, right = model.groups.factors(solution.Z[i], int(i))
        U.append(left)
        A.append(right.reshape(len(left), a, c))
        group += [i] * len(left)
    gates = patches.lift(model.groups.gates[group]) if model.activation == "gated" else None
    return VectorNetwork(patches.lift(np.vstack(U)), np.concatenate(A), solution.program.loss, patches.pool, gates)


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(
    width: int,
    data: Data,
    activation: Activation = "relu",
    loss: str | Loss = "squared",
    pooling: Pooling | Array = "sum",
    seed: int = 0,
    gates: Array | None = None,
) -> VectorNetwork:
    """A network of `width` neurons with seeded weights, ready for gradient training; gated ones draw Gaussian gates."""
    check_count(width=width)
    check_choice("activation", activation, ACTIVATIONS)
    h, c = data.X.shape[-1], data.y.reshape(data.n, -1).shape[1]
    if gates is not None and gates.shape != (width, h):
        raise ValueError(f"gates has shape {gates.shape}; pass ({width}, {h})")
    if activation == "gated" and gates is None:
        gates = np.random.default_rng(seed).standard_normal((width, h))
    pool = pooling_matrix(pooling, data.X.shape[1] if data.X.ndim == 3 else 1)
    built = VectorNetwork(np.zeros((width, h)), np.zeros((width, len(pool), c)), get_loss(loss), pool, gates)
    built.reset(seed)
    return built


def objective(network: torch.nn.Module, data: Data) -> float:
    """L(f(X), y) + beta/2 sum_j (|u_j|^2 + |a_j|_2^2): the training problem exactly as the theorem states it."""
    if not isinstance(network, Network):
        raise ValueError("network is not a convexnn Network; build one with vector_output.network or recover")
    return network.objective(data)
