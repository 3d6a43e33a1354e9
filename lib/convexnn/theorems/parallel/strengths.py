"""Data on which training splits into scalar problems, and the values of both kinds of weight decay on them.

For some data the loss is  rest + sum_i kappa_i/2 (s_i - sigma_i)^2  in the strengths s_i >= 0 of the directions that an
optimal network uses, and the gauge of the parallel network is sum_i s_i:

    linear, X'X = I or XX' = I      sigma = singular values of X'Y                              kappa = 1
    ReLU, rows whitened             sigma = |y_+|, |y_-|, or |y_k| for one-hot columns          kappa = 1
    ReLU, X = c a', one output      sigma_i = |z_i'y| / |z_i|^2 on z = (c)_+, (-c)_+            kappa_i = |z_i|^2

    parallel, power L     rest + sum_i kappa_i h_i(beta L / 2),   h_i(b) = min_s (s - sigma_i)^2 / 2 + b s / kappa_i
    standard, power 2     rest + sum_i kappa_i min_s (s - sigma_i)^2 / 2 + (beta L / (2 kappa_i)) s^{2/L}   "apart"
                          when no two directions can share layers, and the dual below when all of them can
    its dual              min over g of (the least loss with sum s <= g) + (beta L / 2) g^{2/L}

Proofs: linear, by von Neumann's trace inequality. Rank one with opposite signs, L <= 4: the two rays never meet in a
layer before the last hidden one, so each layer's squared norm splits. Whitened rows, one output, L = 3: rows of y_+
and of y_- split the first layer, the signs of the output weights split the others. One-hot columns: not proved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_choice
from convexnn.theorems.parallel.bidual import DualBound, standard_dual
from convexnn.theorems.parallel.branch_features import CLASS_TOL, branch_class, check_separable, rays
from convexnn.theorems.shared.branches import ACTIVATIONS
from convexnn.theorems.shared.closed_forms import huber
from convexnn.theorems.shared.schatten import envelope
from convexnn.types import Data


@dataclass(frozen=True)
class Strengths:
    """sigma and kappa (k,), largest pull first; `meet` says that all directions can share their layers at no cost.

    proved_to  the depth up to which `standard` is proved to be the optimum of the standard network; above it the value
               is attained by a network, hence an upper bound
    """

    sigma: Array
    kappa: Array
    rest: float
    beta: float
    meet: bool
    proved_to: float

    @property
    def null(self) -> float:
        """The loss of the zero network."""
        return self.rest + 0.5 * float(self.kappa @ self.sigma**2)

    @property
    def top(self) -> float:
        """The gauge weight from which on the zero network is optimal."""
        return float((self.kappa * self.sigma).max(initial=0.0))

    def gauge_value(self, b: float, branches: int | None = None) -> float:
        """V(b) = min rest + sum kappa/2 (s - sigma)^2 + b sum s, with at most `branches` of the s non-zero."""
        kept = len(self.sigma) if branches is None else branches
        used = [k * huber(float(s), b / k) for s, k in zip(self.sigma, self.kappa)]
        zero = 0.5 * self.kappa * self.sigma**2
        best = np.argsort(zero - used)[::-1][:kept]
        return self.null - float((zero - used)[best].sum())

    def parallel(self, depth: int, branches: int | None = None) -> float:
        """The optimum of parallel networks with L-th power decay, at most `branches` of them when given."""
        return self.gauge_value(self.beta * depth / 2, branches)

    def standard(self, depth: int) -> float:
        """The value of a standard network with squared decay: the optimum up to depth `proved_to`."""
        return self.dual(depth).upper if self.meet else self.apart(depth)

    def apart(self, depth: int) -> float:
        """Squared decay when every direction pays for layers of its own: parallel branches with power 2 as well."""
        costs = [k * float(envelope(s, self.beta / k, depth)) for s, k in zip(self.sigma, self.kappa)]
        return self.rest + float(np.sum(costs))

    def dual(self, depth: int, tol: float = 1e-10) -> DualBound:
        """Bounds on the dual of the standard network with squared decay."""

        def value(b: float) -> tuple[float, float]:
            return self.gauge_value(b), self.gauge_value(b)

        if self.top == 0:
            return DualBound(self.null, self.null, np.inf, 0)
        return standard_dual(value, self.beta, depth, self.null, self.top, tol)


def strengths(data: Data, activation: str = "linear") -> Strengths:
    """The scalar problems of `data` (squared loss). Raises ValueError for data that do not split."""
    check_choice("activation", activation, ACTIVATIONS)
    Y = data.y.reshape(data.n, -1)
    if activation == "linear":
        return _linear(data, Y)
    if branch_class(data.X) == "rank one":
        return _rank_one(data, Y)
    check_separable(Y)
    parts = [np.maximum(Y, 0), np.maximum(-Y, 0)] if Y.shape[1] == 1 else [Y]
    sigma = np.sort(np.concatenate([np.linalg.norm(part, axis=0) for part in parts]))[::-1]
    proved = np.inf if np.sum(sigma > 0) <= 1 else 3 if Y.shape[1] == 1 else 2
    return Strengths(sigma, np.ones(len(sigma)), 0.0, data.beta, False, proved)


def _linear(data: Data, Y: Array) -> Strengths:
    X = data.X
    off = min(np.abs(G - np.eye(len(G))).max() for G in (X.T @ X, X @ X.T))
    if not off <= CLASS_TOL:
        raise ValueError(f"X'X and XX' differ from I by {off:.2g}; orthonormalise, e.g. np.linalg.qr(X)[0], or solve")
    sigma = np.asarray(np.linalg.svd(X.T @ Y, compute_uv=False), dtype=np.float64)
    rest = 0.5 * float(np.square(Y).sum() - np.square(sigma).sum())
    return Strengths(sigma, np.ones(len(sigma)), max(rest, 0.0), data.beta, False, np.inf)


def _rank_one(data: Data, Y: Array) -> Strengths:
    if Y.shape[1] != 1:
        raise ValueError(f"y has {Y.shape[1]} columns; rank-one data split into scalar problems for one output")
    _, Z, kappa = rays(data.X)
    live = kappa > 0
    pulls, kappa = Z[live] @ Y[:, 0], kappa[live]
    pulls[np.abs(pulls) <= CLASS_TOL * np.sqrt(kappa) * np.linalg.norm(Y)] = 0.0  # rounding has no sign
    sigma = np.abs(pulls) / kappa
    meet = bool((pulls >= 0).all() or (pulls <= 0).all())
    rest = 0.5 * float(np.square(Y).sum() - (kappa * sigma**2).sum())
    return Strengths(sigma, kappa, max(rest, 0.0), data.beta, meet, np.inf if meet else 4)
