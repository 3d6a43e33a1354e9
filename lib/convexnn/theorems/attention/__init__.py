"""Attention and its alternatives: every linear or gated head is one nuclear norm.

Training   min over W1_j, W2_j   sum_i L( sum_j s(mix(X_i, W1_j)) out(X_i, W2_j), Y_i )
                                 + beta/2 sum_j ( |W1_j|_F^2 + |W2_j|_F^2 )
equals, with at least m* heads,   min over Z   sum_i L( (A Z)_i, Y_i ) + beta sum_g |Z_g|_*,    m* <= rank Z*,

    head              mix(X, W1)     out(X, W2)   Z_g                   what a sample's map is steered by
    self_attention    X W1 X'        X W2         d^2 x d c             Gram matrices of its tokens
    mixer             W1 X           W2           s^2 x d c             nothing: a fixed map of all tokens
    fno               circ(X) w1     w2           s d x c               nothing: a circular convolution
    block_fno         the same       the same     B of s d/B x c/B      nothing: a convolution in each feature block
    mlp               X w1           w2           d x c                 nothing: tokens stay apart

and max_v -L*(-v) s.t. |(A'v)_g|_2 <= beta is its dual (self-attention: |sum_i (X_i'X_i) (x) (X_i'v_i)|_2 <= beta).
Why: weight decay is beta |W1||W2| after the best rescaling; with s fixed (linear, gated) f is linear in W1 (x) W2, and
the hull of the rank-one matrices of norm one is the nuclear ball. Gated heads have one group a gate.

ReLU: the left factors must also stay in the cell of their pattern. That is exact and solved here with one output for
rows that do not interact (`mlp`, `fno`): two-layer cells on the stacked rows. Elsewhere the norm over a cell is NP-hard
to evaluate and `program` refuses. Softmax is not homogeneous and has no such program; decay on separate Q, K, V, O is a
quasi-norm (`beyond`, `separate`). Targets (n, s, c) are one vector a token, (n, c) the mean over the tokens.
Tests: tests/theorems/test_attention.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from convexnn.cones import FreeCone, PatternCone
from convexnn.gauges import GroupL2, Nuclear
from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, check_count, tensor
from convexnn.operators import GatedOperator
from convexnn.program import Program
from convexnn.theorems.attention.baselines import Tokenwise
from convexnn.theorems.attention.choosing import HEADS, HeadName, gates_of, head_of, outputs
from convexnn.theorems.attention.claim_list import claims, source
from convexnn.theorems.attention.head import Activation, Head, HeadOperator
from convexnn.theorems.attention.head_network import HeadNetwork, unlift
from convexnn.theorems.attention.references import lifted_reference
from convexnn.theorems.attention.self_attention import SelfAttention
from convexnn.theorems.shared.patterned import select_patterns
from convexnn.types import Data, Solution

__all__ = [
    "HEADS", "assumptions", "claims", "gates_of", "head_of", "network", "objective", "program", "recover", "reference",
    "sample", "sizes", "source",
]  # fmt: skip

# ---- 1 the statement ------------------------------------------------------------------------------------------------

sizes = ("tiny", "quick", "full")


def assumptions(data: Data) -> tuple[str, ...]:
    """The theorem's conditions in words; raises ValueError where the data break one."""
    if not isinstance(data, Data):
        raise ValueError(f"data is a {type(data).__name__}; pass Data(X, y, beta)")
    if data.X.ndim != 3 or (data.y.ndim == 3 and data.y.shape[1] != data.X.shape[1]):
        raise ValueError(
            f"X has shape {data.X.shape}, y {data.y.shape}; pass tokens X (n, s, d) and y (n, s, c) or (n, c)"
        )
    return ("beta > 0", "at least rank Z* heads", "weight decay on merged mixing and output weights", "no softmax")


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """Gaussian tokens and targets: 5 samples of 3 tokens (tiny), 12 of 4 (quick), 60 of 8 (full)."""
    check_choice("size", size, sizes)
    n, s, d, c = {"tiny": (5, 3, 2, 2), "quick": (12, 4, 4, 2), "full": (60, 8, 6, 4)}[size]
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((n, s, d)), rng.standard_normal((n, s, c)), 0.3, size)


# ---- 2 the reference: the paper's letters, in CVXPY -----------------------------------------------------------------


def reference(data: Data, head: HeadName = "self_attention", gates: Array | None = None, blocks: int = 2) -> Any:
    """A cvxpy.Problem with the blocks Z^(k,l) written out; squared loss, linear, or gated by the given gates."""
    assumptions(data)
    return lifted_reference(data, head, gates, blocks)


# ---- 3 the program --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """What maps a solution back: the head, its activation and gates."""

    head: Head
    activation: Activation
    gates: Array | None
    pooled: bool

    def network_options(self) -> dict[str, Any]:
        return {
            "head": self.head.name, "activation": self.activation, "gates": self.gates, "blocks": self.head.blocks
        }  # fmt: skip


def program(
    data: Data,
    head: HeadName = "self_attention",
    activation: Activation = "linear",
    gates: int | Array | None = None,
    blocks: int = 2,
    loss: str | Loss = "squared",
    seed: int = 0,
) -> Program:
    """The lifted program, Z of shape (groups, p, q); the Kronecker products are never formed.

    gates   gated heads: an array of gates, or how many Gaussian ones to draw with `seed`
    Raises ValueError for softmax, and for ReLU where no exact program is known (more than one output, or interaction).
    """
    conditions = assumptions(data)
    built, (c, pooled) = head_of(head, blocks), outputs(data)
    given = gates_of(built, data, gates, activation, seed)
    model = Model(built, activation, given, pooled)
    if activation == "softmax":
        raise ValueError("activation is 'softmax': it is not homogeneous, and no convex program is known; use 'gated'")
    if activation == "relu":
        return _relu_program(data, model, get_loss(loss), conditions)
    X = tensor(data.X)
    built.sides(X.shape[1], X.shape[2], c)
    masks = None if given is None else built.masks(X, tensor(given))
    return Program(
        loss=get_loss(loss),
        operator=HeadOperator(built, X, masks, c, pooled),
        gauge=Nuclear(),
        cone=FreeCone(),
        beta=data.beta,
        Y=tensor(data.y).reshape(data.n, -1),
        scope="network" if activation == "linear" else "program",
        name="attention",
        assumptions=conditions,
        model=model,
    )


def _relu_program(data: Data, model: Model, loss: Loss, conditions: tuple[str, ...]) -> Program:
    """One output a token, rows that do not interact: the two-layer cells of the stacked rows."""
    c, pooled = outputs(data)
    if not isinstance(model.head, Tokenwise) or model.head.blocks != 1 or c != 1 or pooled:
        raise ValueError(
            f"activation is 'relu' for {model.head.name} with c = {c}: a nuclear norm over cells, NP-hard to evaluate; "
            "use activation='gated', or head 'mlp' or 'fno' with targets (n, s, 1)"
        )
    rows = model.head.rows(tensor(data.X)).reshape(data.n * data.X.shape[1], -1)
    D, _, complete = select_patterns(rows.numpy(), "all", "none", 0, 100_000)
    D_ = tensor(D.astype(float))
    return Program(
        loss=loss,
        operator=GatedOperator(rows, D_, (1.0, -1.0)),
        gauge=GroupL2(),
        cone=PatternCone(rows, 2 * D_ - 1, copies=2),
        beta=data.beta,
        Y=tensor(data.y).reshape(-1, 1),
        scope="network" if complete else "program",
        name="attention",
        assumptions=(*conditions, "the patterns are all cells of the arrangement"),
        model=model,
    )


# ---- 4 the map back -------------------------------------------------------------------------------------------------


def recover(data: Data, solution: Solution) -> HeadNetwork:
    """Heads of a solution: singular vectors of every Z_g (ReLU: the nonzero groups), each head balanced."""
    model: Model = solution.program.model
    if model.activation == "relu":
        Z, signs = solution.Z[:, :, 0], solution.program.operator.group_signs.numpy()
        live = np.flatnonzero(np.linalg.norm(Z, axis=1) > 0)
        root = np.sqrt(np.linalg.norm(Z[live], axis=1))[:, None]
        left, right = (Z[live] / np.maximum(root, 1e-300))[None], (signs[live][:, None] * root)[None]
    else:
        left, right = unlift(solution.Z)
    return HeadNetwork(model.head, left, right, solution.program.loss, model.activation, model.gates, model.pooled)


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(
    width: int,
    data: Data,
    head: HeadName = "self_attention",
    activation: Activation = "linear",
    gates: int | Array | None = None,
    blocks: int = 2,
    loss: str | Loss = "squared",
    seed: int = 0,
) -> HeadNetwork:
    """`width` heads in every group (one gate, one feature block), with seeded weights, ready for gradient training."""
    check_count(width=width)
    assumptions(data)
    built, (c, pooled) = head_of(head, blocks), outputs(data)
    given = gates_of(built, data, gates, activation, seed)
    if activation == "softmax" and not isinstance(built, SelfAttention):
        raise ValueError(f"activation is 'softmax' for {head}; only self_attention has scores to normalise")
    p, q = built.sides(data.X.shape[1], data.X.shape[2], c)
    G = (1 if given is None else len(given)) * built.blocks
    made = HeadNetwork(
        built, np.zeros((G, width, p)), np.zeros((G, width, q)), get_loss(loss), activation, given, pooled
    )
    made.reset(seed)
    return made


def objective(network: torch.nn.Module, data: Data) -> float:
    """L(f(X), y) + beta/2 sum_j (|W1_j|^2 + |W2_j|^2): the training problem exactly as the theorem states it."""
    if not isinstance(network, Network):
        raise ValueError("network is not a convexnn Network; build one with attention.network or recover")
    return network.objective(data)
