"""Batch normalisation: an ordinary ReLU network on whitened data, with one direction more for the shift.

Training, with BN(z) = g H z / |H z| + a / sqrt(N) over the batch, before the ReLU

    p* = min over m, w_j, g_j, a_j, A_j   L( sum_j (BN_j(X w_j))_+ A_j', y ) + beta/2 sum_j ( g_j^2 + a_j^2 + |A_j|^2 )

equals, with H X = U S V' and U' = [U, 1/sqrt(N)], for the patterns D_i of U' and every width m >= m*, m* <= n + 1,

    min over s_i, s_i'   L( sum_i D_i U' (s_i - s_i'), y ) + beta sum_i ( |s_i| + |s_i'| )
    subject to           (2 D_i - I) U' s_i >= 0,  (2 D_i - I) U' s_i' >= 0
    dual                 max_v -L*(-v)   s.t.   |v'(U's)_+| <= beta  for every |s| = 1

What decay penalises: f does not see the scale of w, nor of anything below, so decay there costs nothing in the infimum
(which is not attained); g, a and A are left. Why the rest: BN(Xw) = U's with |s|^2 = g^2 + a^2.
The solution w = V S^{-1} s_q does not depend on how small a singular value is; gradient descent does, and so do
predictions on other rows: `program(data, keep=k)` cuts U to k columns.

X (n, K, h) holds patches: convolution, statistics over all n K positions, sum pooling. Several outputs: gated ReLU has
the nuclear norm; ReLU is the vector-output program on `whitening(X).features`; one-hot targets have `closed_form`.
place="after" normalises what the ReLU lets through; its program is another one (see `blocks`).
Tests: tests/theorems/test_batch_norm.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch

from convexnn.losses import Loss, get_loss
from convexnn.networks import ACTIVATIONS, Activation, Network
from convexnn.numerics import Array, BoolArray, check_choice, check_count, tensor
from convexnn.patterns import gates_of
from convexnn.program import Program
from convexnn.theorems.batch_norm import blocks
from convexnn.theorems.batch_norm.claim_list import claims, source
from convexnn.theorems.batch_norm.closed_form import closed_form, from_whitened
from convexnn.theorems.batch_norm.recovery import Model, network_after
from convexnn.theorems.batch_norm.references import printed_program
from convexnn.theorems.batch_norm.whitening import whitening
from convexnn.theorems.shared.normalised import PLACES, Normalised, Place
from convexnn.theorems.shared.patterned import select_patterns
from convexnn.types import Data, Solution

__all__ = [
    "assumptions",
    "claims",
    "closed_form",
    "from_whitened",
    "network",
    "objective",
    "program",
    "recover",
    "reference",
    "sample",
    "sizes",
    "source",
    "whitening",
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
    whitening(data.X)
    return (
        "beta > 0",
        "width m >= m*, at most n + 1",
        "full batch: mean and length over all rows, no epsilon",
        "decay 1/2 (g^2 + a^2 + |A|^2) on gains, shifts and outputs; decay below is worth nothing",
    )


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """Rows with singular values that fall like i^-1.5, targets that depend on the first directions; tiny is noise."""
    check_choice("size", size, sizes)
    rng = np.random.default_rng(seed)
    if size == "tiny":
        return Data(rng.standard_normal((7, 2)), rng.standard_normal(7), 0.15, "tiny")
    n, d = {"quick": (24, 2), "full": (60, 3)}[size]
    latent = rng.standard_normal((n, d))
    y = np.maximum(latent[:, 0], 0) - 0.5 * np.abs(latent[:, 1]) + 0.1 * rng.standard_normal(n)
    return Data(latent * np.arange(1, d + 1) ** -1.5 + rng.standard_normal(d), y, 0.1, size)


# ---- 2 the reference: the paper's letters, in CVXPY -----------------------------------------------------------------


def reference(data: Data, place: Place = "before", patterns: BoolArray | Literal["all"] = "all") -> Any:
    """The finite program for one output and the squared loss, a cvxpy.Problem; place="after" in the directions z."""
    assumptions(data)
    check_choice("place", place, PLACES)
    return printed_program(data, place, None if isinstance(patterns, str) else patterns)


# ---- 3 the program --------------------------------------------------------------------------------------------------


def program(
    data: Data,
    patterns: Literal["all"] | int | BoolArray = "all",
    activation: Activation = "relu",
    place: Place = "before",
    keep: int | None = None,
    loss: str | Loss = "squared",
    seed: int = 0,
    limit: int = 100_000,
) -> Program:
    """The finite program; Z = (s_1 .. s_P, s_1' .. s_P') of shape (2P, r + 1, 1), or (P, r + 1, c) for gated ReLU.

    patterns  "all" cells of U' (of X for place="after"), an int (that many Gaussian gates), or a bool array (N, P)
    keep      the explicit regulariser: only the first k directions of U; the scope is then "program"
    Raises ValueError for an unknown option, and for ReLU with several outputs.
    """
    conditions = assumptions(data)
    check_choice("activation", activation, ACTIVATIONS)
    check_choice("place", place, PLACES)
    c, relu = data.y.reshape(data.n, -1).shape[1], activation == "relu"
    if relu and c > 1:
        raise ValueError(
            f"y has {c} outputs; ReLU needs the vector-output program on whitening(X).features, or closed_form for "
            "one-hot targets; activation='gated' takes several outputs here"
        )
    white = whitening(data.X, keep)
    if place == "after":
        if data.X.ndim != 2 or keep is not None or not relu:
            raise ValueError("place='after' takes rows (n, d), all directions and activation='relu'")
        D, _, complete = select_patterns(data.X, patterns, "none", seed, limit)
        parts, D = blocks.after(data.X, D)
        gates = None
    else:
        D, gates, complete = select_patterns(white.features, patterns, "none", seed, limit)
        parts = blocks.before(white.features, D, data.n, c, relu)
        gates = None if relu else gates_of(white.features, D) if gates is None else gates
    network_scope = relu and complete and white.rank == white.full_rank
    return Program(
        loss=get_loss(loss),
        operator=parts.operator,
        gauge=parts.gauge,
        cone=parts.cone,
        beta=data.beta,
        Y=tensor(data.y).reshape(data.n, -1),
        scope="network" if network_scope else "program",
        name="batch_norm",
        assumptions=(*conditions, *(("the patterns are all cells of the arrangement",) if complete else ())),
        model=Model(activation, place, white, D, gates, parts.lift, data.X),
    )


# ---- 4 the map back -------------------------------------------------------------------------------------------------


def recover(data: Data, solution: Solution) -> Normalised:
    """The network of a solution: w = V S^{-1} s_q, (g, a) = (|s_q|, s_a) / sqrt|s|, output +- sqrt|s|.

    Its training objective equals `solution.value`; `module(X)` and `convolution(images, ..)` give the ordinary torch
    layers with the training statistics. Raises ValueError when `data` is not the program's.
    """
    model: Model = solution.program.model
    if data.X.shape != model.X.shape or not np.array_equal(data.X, model.X):
        raise ValueError(f"data has X of shape {data.X.shape}, not the X of the solution's program; pass that one")
    active, P = np.flatnonzero(solution.active), model.D.shape[1]
    S, A, group = [], [], []
    for i in active:
        left, size, right = np.linalg.svd(solution.Z[i], full_matrices=False)
        live = size > 1e-13 * size[0]
        S.append(left[:, live].T)
        A.append((size[:, None] * right)[live] * (1.0 if i < P else -1.0))
        group += [int(i) % P] * int(live.sum())
    p, c = solution.Z.shape[1:]
    rows, outputs = np.vstack([np.zeros((0, p)), *S]), np.vstack([np.zeros((0, c)), *A])
    if model.place == "after":
        return network_after(model, rows, outputs, group, solution.program.gauge.free, solution.program.loss)
    fixed = None if model.gates is None else model.white.gates(model.gates[group])
    network = from_whitened(model.white, rows, outputs, gates=fixed)
    network.loss = solution.program.loss
    return network


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(
    width: int,
    data: Data,
    activation: Activation = "relu",
    place: Place = "before",
    hidden: Iterable[int] = (),
    loss: str | Loss = "squared",
    seed: int = 0,
    gates: Array | None = None,
) -> Normalised:
    """A network of `width` normalised neurons over layers of the sizes `hidden`, with seeded weights."""
    check_count(width=width)
    check_choice("activation", activation, ACTIVATIONS)
    inputs = [data.X.shape[-1], *hidden]
    if activation == "gated" and gates is None:
        gates = np.random.default_rng(seed).standard_normal((inputs[-1] + 1, width))
    if gates is not None and gates.shape != (inputs[-1] + 1, width):
        raise ValueError(f"gates has shape {gates.shape}; pass ({inputs[-1] + 1}, {width}), the offset last")
    c = data.y.reshape(data.n, -1).shape[1]
    W = [np.zeros(pair) for pair in pairwise(inputs)]
    none = np.zeros(width)
    built = Normalised(W, np.zeros((inputs[-1], width)), none, none, np.zeros((width, c)), loss, place, gates)
    built.reset(seed)
    return built


def objective(network: torch.nn.Module, data: Data) -> float:
    """L(f(X), y) + beta/2 sum_j (g_j^2 + a_j^2 + |A_j|^2): the training problem exactly as the theorem states it."""
    if not isinstance(network, Network):
        raise ValueError("network is not a convexnn Network; build one with batch_norm.network or batch_norm.recover")
    return network.objective(data)
