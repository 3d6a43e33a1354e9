"""The cells a gated program is built on: row-space coordinates, patterns with their gates, and the two kinds of bias.

Shared by every theorem whose groups are patterns of one matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from convexnn.networks import Activation, Bias
from convexnn.numerics import Array, BoolArray, check_choice
from convexnn.patterns import enumerate_patterns, gates_of, sample_patterns


@dataclass(frozen=True)
class Model:
    """What recovery needs: the cells, their gates in the coordinates of [X 1], and the row-space basis of Z."""

    activation: Activation
    bias: Bias
    D: BoolArray  # (n, P)
    gates: Array | None  # (P, d) or (P, d + 1) with a bias
    basis: Array | None  # (r, d'): u = basis.T @ z; None when Z is in the original coordinates
    X: Array  # (n, d) the data the program was made from

    def network_options(self) -> dict[str, Any]:
        """What a network to be trained against this program must share with it; gated ones share the gates."""
        shared: dict[str, Any] = {"activation": self.activation, "bias": self.bias}
        return {**shared, "gates": self.network_gates()} if self.activation == "gated" else shared

    def network_gates(self) -> Array:
        """(P, d + 1) gates with their own offset last, found by linear programs where only patterns are known."""
        found = self.gates if self.gates is not None else gates_of(with_ones(self.X, self.bias), self.D)
        d = self.X.shape[1]
        return np.hstack([found[:, :d], found[:, d:] if self.bias != "none" else np.zeros((len(found), 1))])

    def check(self, X: Array) -> None:
        """Raise ValueError unless X is the matrix the program was made from."""
        if X.shape != self.X.shape or not np.array_equal(X, self.X):
            raise ValueError(f"data has X of shape {X.shape}, not the X of the solution's program; pass that one")


def with_ones(X: Array, bias: Bias) -> Array:
    return X if bias == "none" else np.hstack([X, np.ones((len(X), 1))])


def row_space(X: Array, bias: Bias) -> tuple[Array, Array | None]:
    """The matrix whose rows the groups see, in coordinates of its row space when that is smaller."""
    ones = np.ones((len(X), 1))
    data = np.hstack([X, ones]) if bias == "regularised" else X
    _, s, Vt = np.linalg.svd(data, full_matrices=False)
    rank = max(1, int((s > 1e-12 * max(s[0], 1e-300) * max(data.shape)).sum()))
    basis = Vt[:rank] if rank < data.shape[1] else None
    features = data if basis is None else data @ basis.T
    if bias != "unregularised":
        return features, basis
    if basis is not None:
        basis = np.block([[basis, np.zeros((rank, 1))], [np.zeros((1, data.shape[1])), np.ones((1, 1))]])
    return np.hstack([features, ones]), basis


def select_patterns(
    features: Array, patterns: Literal["all"] | int | BoolArray, bias: Bias, seed: int, limit: int
) -> tuple[BoolArray, Array | None, bool]:
    """D without its zero columns, the gates in the coordinates of `features`, and whether D is complete."""
    n = len(features)
    if isinstance(patterns, str):
        check_choice("patterns", patterns, ["all"])
        D, gates = enumerate_patterns(features, return_gates=True, limit=limit)
        keep = D.any(0)
        return D[:, keep], gates[keep], True
    if isinstance(patterns, int | np.integer) and not isinstance(patterns, bool):
        D, gates = sample_patterns(features, int(patterns), seed=seed, return_gates=True)
        if bias == "unregularised" and not D.all(0).any():  # the constant functions live on the all-ones cell
            constant = np.eye(features.shape[1])[-1:]
            D, gates = np.hstack([np.ones((n, 1), dtype=bool), D]), np.vstack([constant, gates])
        if D.shape[1] == 0:
            raise ValueError(f"patterns={patterns} with seed={seed} drew only the all-zero pattern; draw more gates")
        return D, gates, False
    D = np.asarray(patterns)
    if D.ndim != 2 or D.shape[0] != n or D.dtype != np.bool_:
        raise ValueError(f"patterns has shape {D.shape}, dtype {D.dtype}; pass 'all', an int, or a bool array ({n}, P)")
    if not D.any():
        raise ValueError("patterns holds only the all-zero pattern, which predicts nothing; pass at least one other")
    return D[:, D.any(0)], None, False
