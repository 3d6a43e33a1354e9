"""From samples, targets and weights to what the theorem takes, and a network back to the units of the data.

rows      equal rows of equal target are one row with the sum of their weights, in sorted order: repeating a row
          and doubling its weight are the same problem to the last bit, and the order of the rows plays no part
columns   centred (with an intercept) and divided by their standard deviation, both weighted; constant ones are 0
targets   squared loss: centred (with an intercept) and, for regression, divided by their standard deviation
bias      a column of ones beside the features: a regularised bias
weights   squared loss: rows and targets times sqrt(w), since s(c x'u) = c s(x'u) for c > 0; else `Weighted`
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.losses import Loss, get_loss
from convexnn.networks import Bias, TwoLayer
from convexnn.numerics import EPS, Array
from convexnn.types import Data
from convexnn.weighted_loss import Weighted


@dataclass(frozen=True)
class Prepared:
    """The training problem in the units of the program, and the affine maps to and from those of the data.

    F (m, d) or (m, d + 1) features, T (m, c) targets; f(x) = offset + scale * network((x - mean) / spread)
    total    sum of the weights, the number by which a sum of losses grows with the sample
    """

    F: Array
    T: Array
    loss: Loss
    intercept: bool
    mean: Array
    spread: Array
    offset: Array
    scale: Array
    total: float

    def data(self, beta: float) -> Data:
        """What the two-layer theorem takes."""
        return Data(self.F, self.T, beta, "estimator")

    def in_units_of_the_data(self, network: TwoLayer) -> TwoLayer:
        """The same function of x instead of ((x - mean) / spread, 1)."""
        d = len(self.mean)
        W, gates = network.U.detach().numpy(), network.gates
        U, b = self._affine(W[:, :d], W[:, d] if self.intercept else np.zeros(len(W)))
        if gates is not None:
            given = gates.numpy()
            gate, own = self._affine(given[:, :d], given[:, d] if self.intercept else np.zeros(len(given)))
            stacked = np.column_stack([gate, own])
        A = network.A.detach().numpy() * self.scale
        bias: Bias = "regularised" if self.intercept else "none"
        return TwoLayer(U, A, network.loss, b, self.offset, None if gates is None else stacked, bias)

    def _affine(self, W: Array, b: Array) -> tuple[Array, Array]:
        scaled = W / self.spread
        return scaled, b - scaled @ self.mean


def prepare(X: Array, T: Array, weights: Array | None, loss: str, intercept: bool, rescale: bool) -> Prepared:
    """X (n, d), T (n, c) and weights (n,) > 0 or None as a training problem; rescale: targets to unit deviation."""
    squared = loss == "squared"
    plain = weights is None
    w = np.ones(len(X)) if weights is None else weights
    if squared or not plain:
        X, T, w = merged(X, T, w)
    mean, spread = _moments(X, w)
    mean = mean if intercept else np.zeros(X.shape[1])
    offset, scale = np.zeros(T.shape[1]), np.ones(T.shape[1])
    if squared:
        centre, deviation = _moments(T, w)
        offset = centre if intercept else offset
        scale = deviation if rescale else scale
    F = (X - mean) / spread
    F = np.hstack([F, np.ones((len(F), 1))]) if intercept else F
    T = (T - offset) / scale
    if squared:
        root = np.sqrt(w)[:, None]
        return Prepared(root * F, root * T, get_loss(loss), intercept, mean, spread, offset, scale, float(w.sum()))
    chosen = get_loss(loss) if plain else Weighted(get_loss(loss), w)
    return Prepared(F, T, chosen, intercept, mean, spread, offset, scale, float(w.sum()))


def merged(X: Array, T: Array, w: Array) -> tuple[Array, Array, Array]:
    """Distinct rows of [X T] in sorted order, each with the sum of the weights of its copies."""
    rows, index = np.unique(np.hstack([X, T]) + 0.0, axis=0, return_inverse=True)  # + 0.0: -0 and 0 are one value
    total = np.bincount(index.reshape(-1), weights=w, minlength=len(rows)).astype(np.float64)
    return rows[:, : X.shape[1]], rows[:, X.shape[1] :], total


def _moments(X: Array, w: Array) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of the columns; the deviation of a constant column counts as 1."""
    share = w / w.sum()
    mean = share @ X
    deviation = np.sqrt(share @ np.square(X - mean))
    constant = deviation <= 64 * EPS * np.abs(X).max(axis=0, initial=0.0)
    return np.where(constant, X[0], mean), np.where(constant, 1.0, deviation)
