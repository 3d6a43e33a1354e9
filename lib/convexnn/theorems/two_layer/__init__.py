"""Two-layer ReLU and gated ReLU networks, scalar output (several outputs: one neuron feeds one output).

Training    p* = min over m, u_j, a_j   L( sum_j (X u_j)_+ a_j ) + beta/2 sum_j ( |u_j|^2 + a_j^2 )
equals, for every width m >= m* with m* <= n + 1,

    min over v_i, w_i   L( sum_i D_i X (v_i - w_i) ) + beta sum_i ( |v_i| + |w_i| )
    subject to          S_i X v_i >= 0,  S_i X w_i >= 0,      S_i = 2 D_i - I,  i = 1..P  all patterns of X

and its dual   max_v -L*(-v)  s.t.  M(v) = max_{|u|<=1} |v'(Xu)_+| <= beta   (squared loss: v'y - 1/2 |v|^2).
Why: weight decay on (u, a) is beta |u| |a| after the best rescaling; inside a cell (Xu)_+ = D_i X u is linear;
neurons of one cell and one sign add up. Gated ReLU fixes the gates, so the cones go and v_i - w_i merges.

Bias: "none"; "regularised" appends a column of ones; "unregularised" leaves the last coordinate out of the norm and
uses the patterns of [X 1] (the value is an infimum, attained with a free output offset).
Tests: tests/theorems/test_two_layer.py.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from convexnn.cones import Cone, FreeCone, PatternCone
from convexnn.gauges import GroupL2
from convexnn.losses import Loss, get_loss
from convexnn.networks import ACTIVATIONS, BIASES, Activation, Bias, Network, TwoLayer
from convexnn.numerics import Array, BoolArray, check_choice, check_count, tensor
from convexnn.operators import GatedOperator
from convexnn.patterns import enumerate_patterns
from convexnn.program import Program
from convexnn.theorems.shared.patterned import Model, row_space, select_patterns
from convexnn.theorems.two_layer.claim_list import claims, source
from convexnn.theorems.two_layer.consequences import cone_decomposition, low_rank, minimum_norm
from convexnn.theorems.two_layer.encoding import encode
from convexnn.types import Data, Solution

__all__ = [
    "assumptions",
    "claims",
    "cone_decomposition",
    "encode",
    "low_rank",
    "minimum_norm",
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
    if data.X.ndim != 2 or data.y.ndim > 2:
        raise ValueError(
            f"X has shape {data.X.shape}, y {data.y.shape}; the two-layer theorem takes matrices (n, d), (n, c)"
        )
    return ("beta > 0", "width m >= m*, at most n c + 1", "weight decay on both layers with the factor 1/2")


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """Gaussian X with targets of a small ReLU network plus ten per cent noise; tiny is pure noise."""
    check_choice("size", size, sizes)
    rng = np.random.default_rng(seed)
    if size == "tiny":
        return Data(rng.standard_normal((6, 2)), rng.standard_normal(6), 0.1, "tiny")
    n, d, neurons = {"quick": (24, 2, 3), "full": (40, 3, 5)}[size]
    X = rng.standard_normal((n, d))
    y = np.maximum(X @ rng.standard_normal((d, neurons)), 0) @ rng.choice([-1.0, 1.0], neurons)
    return Data(X, y + 0.1 * np.std(y) * rng.standard_normal(n), 0.1, size)


# ---- 2 the reference: the paper's letters, in CVXPY -----------------------------------------------------------------


def reference(
    data: Data,
    patterns: BoolArray | Literal["all"] = "all",
    activation: Activation = "relu",
    loss: str = "squared",
    bias: Bias = "none",
) -> Any:
    """The finite program as printed, a cvxpy.Problem; `patterns` are those of [X 1] when there is a bias."""
    import cvxpy as cp

    check_choice("activation", activation, ACTIVATIONS)
    check_choice("bias", bias, BIASES)
    X, y, beta = data.X, data.y.reshape(data.n, -1), data.beta
    if bias != "none":
        X = np.hstack([X, np.ones((len(X), 1))])
    if isinstance(patterns, int):
        raise ValueError(f"patterns is {patterns}; the reference takes 'all' or a bool array, e.g. program.model.D")
    D = (enumerate_patterns(X) if isinstance(patterns, str) else patterns).astype(float)
    d, P = X.shape[1], D.shape[1]
    penalised = d - 1 if bias == "unregularised" else d
    fit, penalty, constraints = [], 0, []
    for _ in range(y.shape[1]):
        v = cp.Variable((d, P))
        w = cp.Variable((d, P))
        fit.append(cp.sum(cp.multiply(D, X @ (v - w)), axis=1))
        if activation == "relu":
            penalty += cp.sum(cp.norm(v[:penalised], 2, axis=0)) + cp.sum(cp.norm(w[:penalised], 2, axis=0))
            constraints += [cp.multiply(2 * D - 1, X @ v) >= 0, cp.multiply(2 * D - 1, X @ w) >= 0]
        else:
            penalty += cp.sum(cp.norm(v[:penalised], 2, axis=0))
            constraints += [w == 0]
    return cp.Problem(cp.Minimize(_reference_loss(fit, y, get_loss(loss).name) + beta * penalty), constraints)


def _reference_loss(fit: list[Any], y: Array, loss: str) -> Any:
    import cvxpy as cp

    f = cp.vstack(fit).T
    if loss == "squared":
        return 0.5 * cp.sum_squares(f - y)
    if loss == "cross_entropy":
        return cp.sum(cp.log_sum_exp(f, axis=1)) - cp.sum(cp.multiply(y, f))
    margin = cp.multiply(y, f)
    terms = {
        "logistic": cp.logistic(-margin),
        "hinge": cp.pos(1 - margin),
        "squared_hinge": cp.square(cp.pos(1 - margin)) / 2,
    }
    return cp.sum(terms[loss])


# ---- 3 the program --------------------------------------------------------------------------------------------------


def program(
    data: Data,
    patterns: Literal["all"] | int | BoolArray = "all",
    activation: Activation = "relu",
    loss: str | Loss = "squared",
    bias: Bias = "none",
    seed: int = 0,
    limit: int = 100_000,
) -> Program:
    """The finite convex program; Z = (v_1..v_P, w_1..w_P) of shape (2P, d, c), or (P, d, c) for gated ReLU.

    patterns    "all" enumerates the cells of X (of [X 1] with a bias); an int draws that many Gaussian gates with
                `seed`; a bool array (n, P) is used as given
    The all-zero pattern is dropped: its block adds nothing. With rank X < d, Z is in row-space coordinates.
    Raises ValueError for an unknown option, a pattern array of another height, or more than `limit` cells.
    """
    conditions = assumptions(data)
    check_choice("activation", activation, ACTIVATIONS)
    check_choice("bias", bias, BIASES)
    features, basis = row_space(data.X, bias)
    D, gates, complete = select_patterns(features, patterns, bias, seed, limit)
    if basis is not None and gates is not None:
        gates = gates @ basis
    X, D_float = tensor(features), tensor(D)
    relu = activation == "relu"
    cone: Cone = PatternCone(X, 2 * D_float - 1, copies=2) if relu else FreeCone()
    free = None
    if bias == "unregularised":
        constant = torch.ones(data.n, 1, dtype=torch.float64) if D.all(0).any() else None  # the all-ones cell
        free = constant if relu else D_float
    return Program(
        loss=get_loss(loss),
        operator=GatedOperator(X, D_float, (1.0, -1.0) if relu else (1.0,), data.y.reshape(data.n, -1).shape[1]),
        gauge=GroupL2(free=1 if bias == "unregularised" else 0),
        cone=cone,
        beta=data.beta,
        Y=tensor(data.y).reshape(data.n, -1),
        scope="network" if relu and complete else "program",
        name="two_layer",
        assumptions=(*conditions, *(("the patterns are all cells of the arrangement",) if complete else ())),
        free_columns=free,
        model=Model(activation, bias, D, gates, basis, data.X),
    )


# ---- 4 the map back -------------------------------------------------------------------------------------------------


#: Output weight of a gated neuron that is a constant on its gate (unregularised bias): its cost is half its square.
FAINT = 1e-7


def recover(data: Data, solution: Solution) -> TwoLayer:
    """The network of a solution: u = v_i / sqrt|v_i|, a = + sqrt|v_i|, and u = w_i / sqrt|w_i|, a = - sqrt|w_i|.

    Returns a float64 TwoLayer whose training objective equals `solution.value`. With an unregularised bias a group
    without slope becomes part of the offset (gated: a neuron of output weight FAINT, the value being an infimum).
    Use `convexnn.neurons.simplify` to merge and prune it. Raises ValueError when `data` is not the program's.
    """
    model, Z = solution.program.model, solution.Z
    model.check(data.X)
    signs = solution.program.operator.group_signs.cpu().numpy()
    group, column = np.nonzero(np.abs(Z).max(1) > 0)
    vectors = Z[group, :, column]
    if model.basis is not None:
        vectors = vectors @ model.basis
    u, b = vectors[:, : data.d], vectors[:, data.d] if model.bias != "none" else np.zeros(len(vectors))
    strength = np.linalg.norm(vectors if model.bias == "regularised" else u, axis=1)
    constant, offset = strength == 0, np.zeros(Z.shape[2])
    s = np.where(constant, FAINT, np.sqrt(strength))
    if model.activation == "relu":
        np.add.at(offset, column[constant], signs[group[constant]] * b[constant])
        group, column, u, b, s = (kept[~constant] for kept in (group, column, u, b, s))
    A = np.zeros((len(s), Z.shape[2]))
    A[np.arange(len(s)), column] = signs[group] * s
    gates = model.network_gates()[group % model.D.shape[1]] if model.activation == "gated" else None
    return TwoLayer(u / s[:, None], A, solution.program.loss, b / s, offset, gates, model.bias)


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(
    width: int,
    data: Data,
    activation: Activation = "relu",
    loss: str | Loss = "squared",
    bias: Bias = "none",
    seed: int = 0,
    gates: Array | None = None,
) -> TwoLayer:
    """A network of `width` neurons with seeded weights, ready for gradient training; gated ones draw Gaussian gates."""
    check_count(width=width)
    check_choice("activation", activation, ACTIVATIONS)
    if gates is not None and gates.shape != (width, data.d + 1):
        raise ValueError(f"gates has shape {gates.shape}; pass ({width}, {data.d + 1}), the offset last")
    c = data.y.reshape(data.n, -1).shape[1]
    if activation == "gated" and gates is None:
        gates = np.random.default_rng(seed).standard_normal((width, data.d + 1))
        gates[:, -1] *= bias != "none"
    built = TwoLayer(np.zeros((width, data.d)), np.zeros((width, c)), get_loss(loss), gates=gates, bias=bias)
    built.reset(seed)
    return built


def objective(network: torch.nn.Module, data: Data) -> float:
    """L(f(X), y) + beta/2 sum_j (|u_j|^2 + |a_j|_1^2): the training problem exactly as the theorem states it."""
    if not isinstance(network, Network):
        raise ValueError("network is not a convexnn Network; build one with two_layer.network or two_layer.recover")
    return network.objective(data)
