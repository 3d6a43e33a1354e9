"""What a program for batch normalisation remembers of its data, and the map back where ReLU comes first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convexnn.losses import Loss
from convexnn.networks import Activation
from convexnn.numerics import Array, BoolArray
from convexnn.theorems.batch_norm.whitening import Whitening
from convexnn.theorems.shared.normalised import Normalised, Place


@dataclass(frozen=True)
class Model:
    """What recovery needs."""

    activation: Activation
    place: Place
    white: Whitening
    D: BoolArray
    gates: Array | None  # (P, r + 1) on U'
    lift: list[Array]
    X: Array

    def network_options(self) -> dict[str, Any]:
        """What a network to be trained against this program must share with it."""
        gated = {"gates": self.white.gates(self.gates)} if self.gates is not None else {}
        return {"activation": self.activation, "place": self.place, **gated}


def network_after(model: Model, S: Array, A: Array, group: list[int], free: int, loss: Loss) -> Normalised:
    """z = V_i S_i^{-1} q + N_i w; the free coordinates cost nothing, so the strength is |(q, a)| alone."""
    p = S.shape[1] - free
    size = np.linalg.norm(S[:, :p], axis=1)
    keep = size > 0
    S, A, group, size = S[keep], A[keep], [g for g, k in zip(group, keep) if k], size[keep]
    root = np.sqrt(np.linalg.norm(A, axis=1) * size)
    scale = (root / size)[:, None]
    V = np.array([model.lift[g] @ s for g, s in zip(group, S)]).reshape(-1, model.X.shape[1]).T
    gain = np.linalg.norm(S[:, : p - 1], axis=1) * scale[:, 0]
    outputs = A / np.linalg.norm(A, axis=1, keepdims=True) * root[:, None]
    return Normalised([], V, gain, S[:, p - 1] * scale[:, 0], outputs, loss, "after")
