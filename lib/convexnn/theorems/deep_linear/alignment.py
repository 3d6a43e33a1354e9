"""What the layers of a trained linear network look like: ranks, balance, alignment.

At every stationary point of squared decay  W_l' W_l = W_{l+1} W_{l+1}':  the layers share their singular values, hence
their Frobenius and operator norms, and the right singular vectors of one are the left ones of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from convexnn.numerics import Array

#: A singular value of a trained layer counts when it is above this share of the scale it is compared with.
RANK_SHARE = 1e-2


def imbalance(layers: Sequence[Array]) -> float:
    """max_l |W_l' W_l - W_{l+1} W_{l+1}'|_F / max_l |W_l|_F^2, 0 for zero layers; it needs no singular vectors."""
    size = max(float(np.sum(W**2)) for W in layers)
    defects = [float(np.linalg.norm(A.T @ A - B @ B.T)) for A, B in pairwise(layers)]
    return max(defects) / size if size > 0 else 0.0


def misalignment(layers: Sequence[Array], rank: int) -> float:
    """1 - min |<v_i(W_l), u_i(W_{l+1})>| over the first `rank` singular triples of consecutive layers.

    Singular vectors are only defined for distinct singular values; `imbalance` has no such limit.
    """
    triples = [np.linalg.svd(W, full_matrices=False) for W in layers]
    cosines = [np.abs((A[2][:rank] * B[0].T[:rank]).sum(1)) for A, B in pairwise(triples)]
    return float(1.0 - min((c.min(initial=1.0) for c in cosines), default=1.0))


def ranks(layers: Sequence[Array], scale: float) -> list[int]:
    """How many singular values of each layer exceed RANK_SHARE * scale."""
    return [int((np.linalg.svd(W, compute_uv=False) > RANK_SHARE * scale).sum()) for W in layers]


def operator_norms(layers: Sequence[Array]) -> Array:
    """(L,) largest singular values."""
    return np.array([np.linalg.norm(W, 2) for W in layers])


def column_cosines(W1: Array, w: Array) -> Array:
    """|cos| between the nonzero columns of a first layer and w: all one for one output."""
    sizes = np.linalg.norm(W1, axis=0)
    kept = sizes > RANK_SHARE * sizes.max(initial=0.0)
    return np.asarray(np.abs(W1[:, kept].T @ w) / (sizes[kept] * np.linalg.norm(w)))
