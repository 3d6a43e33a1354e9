"""The optimum as a formula where centred rows span everything, rank(H X) = n - 1: squared loss.

    one output   w = X^+ y_+ and X^+ y_-,  strengths (|y_+| - beta)_+ and -(|y_-| - beta)_+
    one-hot Y    w_j = X^+ y_j,            strengths (|y_j| - beta)_+ e_j
    (g, a) ~ ( |y - mean y| , sum(y) / sqrt(n) ) / |y|,     value  sum_j h(|y_j|),  h(t) = beta t - beta^2/2 or t^2/2

Why: U' is square and orthogonal, so this is the closed form for whitened rows. Depth below only has to make the rank
n - 1; then the value is the same for every depth, because the lower bound is that of U' = I.
Where H X has rank n - 1 but X has not full row rank, X^+ y is (H X)^+ H y; that one is used here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from convexnn.numerics import Array
from convexnn.theorems.batch_norm.whitening import Whitening, whitening
from convexnn.theorems.shared.closed_forms import one_hot, whitened
from convexnn.theorems.shared.normalised import Normalised
from convexnn.types import Data


@dataclass(frozen=True)
class ClosedForm:
    """An optimal network and its training objective."""

    network: Normalised
    value: float


def closed_form(data: Data, inner: Iterable[Array] = ()) -> ClosedForm:
    """The optimal network on (..((X W_1)_+ W_2)_+ ..), for one output or one-hot targets.

    inner  weights W_1, W_2, .. of the layers below; they carry no penalty and any that leave rank n - 1 are optimal
    Raises ValueError where the rank is smaller, or several targets are not one-hot.
    """
    layers, A = list(inner), data.X
    for W in layers:
        A = np.maximum(A @ W, 0)
    if A.ndim != 2:
        raise ValueError(f"X has shape {A.shape}; this form takes rows (n, d), use the program for patches")
    white = whitening(A)
    if white.rank != data.n - 1:
        raise ValueError(
            f"the centred features have rank {white.rank}, the closed form needs n - 1 = {data.n - 1}; use a program, "
            "or a wider layer below"
        )
    case = replace(data, X=white.features)
    form = whitened(case) if data.y.size == data.n else one_hot(case)
    strong = np.linalg.norm(form.network.U.detach().numpy(), axis=1)
    outputs = form.network.A.detach().numpy()
    network = from_whitened(white, form.network.U.detach().numpy() / strong[:, None], outputs * strong[:, None], layers)
    return ClosedForm(network, form.value)


def from_whitened(
    white: Whitening, S: Array, A: Array, inner: Sequence[Array] = (), gates: Array | None = None
) -> Normalised:
    """Neurons s_j (m, r + 1) on U' with outputs A_j (m, c) as a balanced normalised network.

    w = V S^{-1} s_q / |s_q|,  (g, a) = rho (|s_q|, s_a) / |s|,  output A |s| / rho,  rho^2 = |s| |A|
    A neuron without s_q is a constant: gain 0, any direction that is not constant on the data.
    """
    size, strength = np.linalg.norm(S, axis=1), np.linalg.norm(A, axis=1)
    live = (size > 0) & (strength > 0)
    S, A, size = S[live], A[live], size[live]
    root = np.sqrt(strength[live] / size)
    gain = np.linalg.norm(S[:, :-1], axis=1)
    flat = gain <= 1e-12 * size
    unit = np.where(flat[:, None], np.eye(white.rank)[:1], S[:, :-1] / np.where(flat, 1.0, gain)[:, None])
    gain = np.where(flat, 0.0, gain)
    fixed = None if gates is None else gates[:, live]
    outputs = A / root[:, None]
    return Normalised(inner, white.weights(unit.T), gain * root, S[:, -1] * root, outputs, gates=fixed)
