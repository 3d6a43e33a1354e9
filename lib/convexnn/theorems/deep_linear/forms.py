"""Deep linear networks whose optimum is a formula or a search over one number: whitened data, and one output.

    whitened     every singular value of X is 1 (X'X = I, X X' = I or a part of either), M = X'Y = U diag(sigma) V':
                 W = U diag(s) V',   squared:             s_i = argmin 1/2 (s - sigma_i)^2 + (beta L / 2) s^(2/L)
                                     normalised, power:   s_i = (sigma_i - strength)_+
    one output   w = (X'X + p I)^-1 X'y, p found by a search over |w|_2 with global bounds
    bidual       the dual value of the squared problem, one norm t for all inner layers:
                 D = min_t beta (L-2)/2 t^2 + min_W 1/2 |XW - Y|^2 + beta t^-(L-2) |W|_*
                   = min_W 1/2 |XW - Y|^2 + (beta L / 2) |W|_*^(2/L)
Why: the loss of whitened data is 1/2 |W - M|^2 plus a constant on the row space of X, and von Neumann's trace
inequality aligns W with M. The gap P - D comes from sum s^(2/L) > (sum s)^(2/L): it vanishes exactly
when L = 2 or D has a minimiser of rank at most one. Equal singular values do not close it.
Source: Ergen and Pilanci (arXiv 2002.09773), Wang, Ergen and Pilanci (arXiv 2110.06482); thresholds derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from convexnn.losses import get_loss
from convexnn.numerics import Array
from convexnn.theorems.deep_linear.linear_network import DeepLinear, Depth, parallel, standard
from convexnn.theorems.deep_linear.scale_search import ScaleBounds, euclidean, nuclear, one_value, scale_search
from convexnn.theorems.shared.schatten import check_depth, decay, envelope, shrink, stationary
from convexnn.types import Data

#: Singular values of X count as 1, or as 0, when they are not further off than this.
WHITE_TOL = 1e-8


@dataclass(frozen=True)
class DeepForm:
    """An optimal network in balanced form, its training objective, and a lower bound for every network.

    sigma  singular values of the whitened targets X'Y (one output: |X'y|);  s  those of the network's product
    """

    network: DeepLinear
    value: float
    lower: float
    sigma: Array
    s: Array

    @property
    def rank(self) -> int:
        """Rank of every layer of the optimal network."""
        return int((self.s > 0).sum())


class Interpolation(NamedTuple):
    """Least cost of an exact fit with squared decay, and its dual value."""

    primal: float
    dual: float

    @property
    def gap(self) -> float:
        return self.primal - self.dual


def whitened(data: Data, depth: Depth) -> DeepForm:
    """The optimal network for whitened data, squared loss: standard for squared decay, else parallel."""
    U, sigma, Vt = np.linalg.svd(_targets(data), full_matrices=False)
    beta, L = _equivalent(data.beta, depth)
    s = shrink(sigma, beta, L)
    build = standard if depth.problem == "squared" else parallel
    network = build(U[:, s > 0], s[s > 0], Vt[s > 0], get_loss("squared"), depth)
    rest = _unreachable(data, sigma)
    lower = sum(scale_search(*one_value(x), beta, L).lower for x in sigma[sigma > 0])
    return DeepForm(network, rest + float(envelope(sigma, beta, L).sum()), rest + lower, sigma, s)


def one_output(data: Data, depth: Depth) -> DeepForm:
    """The optimal network for one output and any X, squared loss: one branch of rank one, or nothing."""
    if data.y.size != data.n or data.X.ndim != 2:
        raise ValueError(f"y has shape {data.y.shape}; this form has one output, use `whitened` or a convex problem")
    y, d = data.y.reshape(-1), data.d
    beta, L = _equivalent(data.beta, depth)
    found = scale_search(*euclidean(data.X, y), beta, L)
    w, size = np.zeros(d), 0.0
    if found.r > 0:
        w = _ridge(data.X, y, found.at)
        size = float(np.linalg.norm(w))
    s = np.array([size])[: int(size > 0)]
    frame = (w / (size or 1.0))[:, None][:, : len(s)]
    network = parallel(frame, s, np.ones((len(s), 1)), get_loss("squared"), depth)
    pull = np.array([float(np.linalg.norm(data.X.T @ y))])
    return DeepForm(network, found.upper, found.lower, pull, s)


def traps(data: Data, layers: int) -> Array:
    """Objectives of the local minima of squared decay on whitened data, the lowest (the optimum) first.

    Every singular triple is either dropped or kept at its own larger stationary point, so there are 2^k of them with
    k <= 12 stationary points (more are refused); gradient descent from a random start ends at one of them. L >= 3: with
    two layers there is one minimum.
    """
    check_depth(layers, 3)
    sigma = np.asarray(np.linalg.svd(_targets(data), compute_uv=False), dtype=np.float64)
    s = stationary(sigma, data.beta, layers)
    gains = (0.5 * sigma**2 - 0.5 * (s - sigma) ** 2 - data.beta * decay(s, layers))[s > 0]
    if len(gains) > 12:
        raise ValueError(f"data has {len(gains)} singular values that can be kept; pass at most 12, e.g. fewer outputs")
    subsets = np.array(list(product((0.0, 1.0), repeat=len(gains)))).reshape(2 ** len(gains), len(gains))
    return np.sort(0.5 * float((data.y**2).sum()) - subsets @ gains)


def bidual(data: Data, depth: Depth) -> ScaleBounds:
    """Bounds on D for whitened data and squared decay; `r` is |W|_* of its minimiser, t = r^(1/L)."""
    sigma = np.asarray(np.linalg.svd(_targets(data), compute_uv=False), dtype=np.float64)
    found = scale_search(*nuclear(sigma), data.beta, depth.layers)
    rest = _unreachable(data, sigma)
    return ScaleBounds(found.lower + rest, found.upper + rest, found.at, found.r)


def common_t(data: Data, layers: int) -> tuple[float, float]:
    """(D, t) by minimising over one inner norm t: a grid, then a bounded search; slower and blunter than `bidual`."""
    sigma = np.asarray(np.linalg.svd(_targets(data), compute_uv=False), dtype=np.float64)
    rest = _unreachable(data, sigma)

    def value(t: float) -> float:
        inner = envelope(sigma, Depth(layers, "normalised", t).strength(data.beta), 2).sum()
        return float(0.5 * data.beta * (layers - 2) * t**2 + inner + rest)

    grid = np.geomspace(1e-3, 1.0, 400) * 2 * max(float(sigma.sum()), 1e-300) ** (1.0 / layers)
    k = int(np.argmin([value(t) for t in grid]))
    around = (grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)])
    found = minimize_scalar(value, bounds=around, method="bounded", options={"xatol": 1e-12})
    null = 0.5 * float((sigma**2).sum()) + rest
    return (null, 0.0) if null <= found.fun else (float(found.fun), float(found.x))


def critical_beta(sigma: Array | float, depth: Depth) -> Array:
    """The beta at which a singular value sigma of the whitened targets leaves the optimal network.

    normalised sigma t^(L-2), power 2 sigma / L, and for squared decay the inverse of sigma = tau_L(beta),
    beta = [ (L-2)/(L-1) sigma ]^(2(L-1)/L) / (L-2);  all of them sigma for L = 2
    """
    sigma, L = np.asarray(sigma, dtype=np.float64), depth.layers
    if depth.is_convex:
        return np.asarray(sigma / depth.strength(1.0))
    return np.asarray(((L - 2) / (L - 1) * sigma) ** (2 * (L - 1) / L) / (L - 2))


def between(critical: Array) -> Array:
    """One beta on every step of a staircase: geometric means of neighbours, 0.7 of the smallest, 1.2 of the largest."""
    c = np.sort(np.asarray(critical, dtype=np.float64))
    return np.concatenate([[0.7 * c[0]], np.sqrt(c[:-1] * c[1:]), [1.2 * c[-1]]])


def interpolation(sigma: Array, L: int) -> Interpolation:
    """P = (L/2) sum_i sigma_i^(2/L) and D = (L/2) (sum_i sigma_i)^(2/L) for X^+ Y with these singular values."""
    return Interpolation(float(decay(sigma, L).sum()), float(decay(float(np.sum(sigma)), L)))


def partial_dual(sigma: Array, L: int, inner: int, t: float = 1.0) -> float:
    """t^-(L-2) |sigma|_{2/(inner+2)}: the dual value when the first `inner` layers are left out of the exchange.

    The Schatten quasi-norm of a product that keeps `inner` layers of norm t and gives branches to the rest; `inner`
    runs from 0 (the dual) to L - 2 (the primal).
    """
    check_depth(L)
    if not 0 <= inner <= L - 2:
        raise ValueError(f"inner is {inner}; with {L} layers it runs from 0 to {L - 2}")
    q = 2.0 / (inner + 2)
    return float(t ** -(L - 2) * (np.asarray(sigma) ** q).sum() ** (1 / q))


def _equivalent(beta: float, depth: Depth) -> tuple[float, int]:
    """(beta, L) of the scalar problem that each singular value solves; a norm is the case of two layers."""
    return (depth.strength(beta), 2) if depth.is_convex else (beta, depth.layers)


def _targets(data: Data) -> Array:
    """X'Y for whitened X. Raises ValueError when X has a singular value that is neither 0 nor 1."""
    if data.X.ndim != 2:
        raise ValueError(f"X has shape {data.X.shape}; this form takes a matrix (n, d)")
    found = np.linalg.svd(data.X, compute_uv=False)
    off = np.abs(found[:, None] - np.array([0.0, 1.0])).min(1).max()
    if not off <= WHITE_TOL:
        raise ValueError(
            f"X has a singular value {off:.2g} away from 0 and 1; whiten it: data.whiten_rows(X) when n <= d, "
            "data.whiten_rows(X.T).T when n > d. A Gaussian X is only close to white"
        )
    return np.asarray(data.X.T @ data.y.reshape(data.n, -1))


def _unreachable(data: Data, sigma: Array) -> float:
    """1/2 |Y|^2 - 1/2 |X'Y|^2: the part of the loss that no linear network changes."""
    return 0.5 * max(float((data.y**2).sum() - (sigma**2).sum()), 0.0)


def _ridge(X: Array, y: Array, p: float) -> Array:
    """(X'X + p I)^-1 X'y, the pseudo-inverse solution for p = 0."""
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    live = s > 1e-12 * s[0]
    return np.asarray(Vt[live].T @ (s[live] / (s[live] ** 2 + p) * (U.T[live] @ y)))
