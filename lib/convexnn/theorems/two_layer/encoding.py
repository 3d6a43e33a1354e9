"""Network -> program: the inverse of `two_layer.recover`, for ReLU and gated networks and every kind of bias."""

from __future__ import annotations

import numpy as np

from convexnn.networks import TwoLayer
from convexnn.numerics import Array
from convexnn.program import Program
from convexnn.theorems.shared.patterned import Model, with_ones
from convexnn.types import Data


def encode(data: Data, network: TwoLayer, target: Program) -> Array:
    """Network -> convex variables: |a_j| u_j is added to the cell whose closure holds u_j (gated: that has its gate).

    The objective does not rise: |sum| <= sum of norms <= 1/2 sum (|u|^2 + a^2).
    Raises ValueError when network and program differ in kind, or a neuron's pattern is not among the program's.
    """
    model = target.model
    model.check(data.X)
    kind = "relu" if network.gates is None else "gated"
    if (kind, network.bias) != (model.activation, model.bias):
        raise ValueError(
            f"network is {kind} with bias {network.bias!r}, the program {model.activation} with {model.bias!r}; "
            "encode needs the same kind on both sides"
        )
    Z, P = np.zeros(target.operator.domain), model.D.shape[1]
    U, b, A = (p.detach().numpy() for p in (network.U, network.b, network.A))
    vectors = U if model.bias == "none" else np.column_stack([U, b])
    for j in np.flatnonzero(A.any(1) & vectors.any(1)).tolist():
        cell = _cell(model, network, vectors[j], j)
        if cell is None:
            continue
        z = vectors[j] if model.basis is None else model.basis @ vectors[j]
        for k in np.flatnonzero(A[j]).tolist():
            if kind == "gated":
                Z[cell, :, k] += A[j, k] * z
            else:
                Z[cell + (P if A[j, k] < 0 else 0), :, k] += abs(A[j, k]) * z
    return _add_offset(Z, network, model)


def _cell(model: Model, network: TwoLayer, u: Array, j: int) -> int | None:
    """The program's cell of neuron j; None for a neuron that is zero on the data."""
    X = with_ones(model.X, model.bias)
    if network.gates is not None:
        pattern = with_ones(model.X, "regularised") @ network.gates[j].numpy() >= 0
        same = np.flatnonzero((pattern[:, None] == model.D).all(0))
        if len(same) == 0 and pattern.any():
            raise ValueError(f"the gate of neuron {j} has a pattern that is not in the program; add it to `patterns`")
        return int(same[0]) if len(same) else None
    before = X @ u
    if not (before > 0).any():
        return None
    slack = np.where(model.D, 1.0, -1.0) * before[:, None]
    worst = (slack / np.maximum(np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(u), 1e-300)).min(0)
    if worst.max() < -1e-9:
        raise ValueError(f"the pattern of neuron {j} is not in the program; pass patterns='all' or add it")
    return int(np.argmax(worst))


def _add_offset(Z: Array, network: TwoLayer, model: Model) -> Array:
    """The output offset is a group without slope on the all-ones cell (gated: on an all-ones gate)."""
    values = network.offset.tolist()
    if any(values):
        if not model.D.all(0).any():
            raise ValueError("network has an output offset but the program has no all-ones pattern to carry it; add it")
        ones, P = int(np.argmax(model.D.all(0))), model.D.shape[1]
        for k, value in enumerate(values):
            gated = model.activation == "gated"
            Z[ones + (P if value < 0 and not gated else 0), -1, k] += value if gated else abs(value)
    return Z
