"""Parallel three-layer ReLU branches on any data: the finite convex program, its checked dual bound, the map back.

    min over branches  1/2 |sum_k ((X W_k)_+ w_k)_+ a_k - y|^2 + beta/2 sum_k (|W_k|_F^3 + |w_k|^3 + |a_k|^3)
    =  min over v      1/2 |sum_{g,e} e D_g sum_j D_{g,j} X v_{g,e,j} - y|^2 + (3 beta/2) sum_{g,e,j} |v_{g,e,j}|
       s.t.            s_j (2 D_{g,j} - I) X v_{g,e,j} >= 0,      (2 D_g - I) sum_j D_{g,j} X v_{g,e,j} >= 0

A group g is a pair of neurons, each with its own first-layer pattern D_{g,j} and the sign s_j of its second-layer
weight, and a second-layer pattern D_g; e = +-1 is the sign of a_k. Two neurons a branch; one output; small data only:
the number of groups grows like n^{2 rank X}. Rows where both neurons of opposite sign fire are the only free bits of
D_g. A feasible dual vector v = y - f needs, for each group and sign e, multipliers mu_j, mu >= 0 with

    | e X' D_{g,j} D_g v + s_j X' (2 D_{g,j} - I) mu_j + X' D_{g,j} (2 D_g - I) mu |  <=  3 beta / 2     for every j.

Source: Ergen and Pilanci (arXiv 2110.05518), group norm and cubic decay derived by this project.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
from scipy.optimize import linprog, nnls

from convexnn.losses import get_loss
from convexnn.numerics import Array
from convexnn.patterns import enumerate_patterns
from convexnn.theorems.shared.branches import Branches
from convexnn.types import Data

#: More groups than this are refused: the conic solver would take minutes.
GROUP_LIMIT = 3000
#: Branches of a scale below this, absolute and relative to the largest, are dropped.
FAINT = 1e-7
#: The multipliers prove the lower bound, so the solver is asked for more than its default eight digits.
ACCURACY = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}


@dataclass(frozen=True)
class Groups:
    """D1 (G, 2, n), s (G, 2), D2 (G, n): first-layer patterns, signs of the second layer, second-layer patterns."""

    D1: Array
    s: Array
    D2: Array

    def features(self, X: Array) -> Array:
        """(G, 2, n, d): D_g D_{g,j} X."""
        return np.asarray((self.D2[:, None] * self.D1)[..., None] * X)

    def slacks(self, X: Array) -> tuple[Array, Array]:
        """First-layer rows s_j (2 D_{g,j} - I) X and second-layer rows (2 D_g - I) D_{g,j} X, each (G, 2, n, d)."""
        first = (self.s[..., None] * (2 * self.D1 - 1))[..., None] * X
        return first, ((2 * self.D2[:, None] - 1) * self.D1)[..., None] * X


@dataclass(frozen=True)
class ThreeLayer:
    """Bounds lower <= optimum <= upper over all parallel networks, and a network of value `upper`."""

    lower: float
    upper: float
    network: Branches
    groups: int


def enumerate_groups(X: Array) -> Groups:
    """All pairs of neurons with second-layer patterns that can occur; pairs of two negative signs output nothing."""
    patterns = [D for D in enumerate_patterns(X).astype(float).T if D.any()]
    if not patterns:
        raise ValueError("X is zero: no neuron fires on any row")
    options = [(D, s) for s in (1.0, -1.0) for D in patterns]
    found = []
    for (D, s), (E, t) in combinations(options, 2):
        if s > 0 and t > 0:
            found.append(((D, E), (s, t), np.ones(len(X))))
        elif s > 0:
            both = np.flatnonzero((D > 0) & (E > 0))  # elsewhere only one neuron fires: its sign is the pattern
            for bits in product((0.0, 1.0), repeat=len(both)):
                D2 = D * (1 - E)
                D2[both] = bits
                found.append(((D, E), (s, t), D2))
    if len(found) > GROUP_LIMIT:
        raise ValueError(f"X gives {len(found)} groups, more than {GROUP_LIMIT}; take fewer rows or a smaller rank")
    return Groups(*(np.array(part) for part in zip(*found)))


def solve_three_layer(data: Data) -> ThreeLayer:
    """Solve the finite program with Clarabel; both bounds are recomputed from the returned arrays in float64.

    Raises ValueError for several outputs, or data with more than GROUP_LIMIT groups.
    """
    if data.y.size != data.n:
        raise ValueError(f"y has shape {data.y.shape}; the three-layer program takes one output")
    X, y, groups = data.X, data.y.reshape(-1), enumerate_groups(data.X)
    V, multipliers = _solve(X, y, 1.5 * data.beta, groups)
    network = prune(_rebuild(X, V, groups), data)
    upper = network.objective(data)
    lower = _lower(X, y, 1.5 * data.beta, groups, y - network.predict(X)[:, 0], multipliers)
    return ThreeLayer(lower, upper, network, len(groups.s))


def _solve(X: Array, y: Array, b: float, groups: Groups) -> tuple[Array, tuple[Array, Array]]:
    """V (2, G, 2, d) for the signs e = +1, -1, and the multipliers mu_j (2, G, 2, n), mu (2, G, n)."""
    import cvxpy as cp
    from scipy.sparse import block_diag, csr_matrix

    (G, _, n), d = groups.D1.shape, X.shape[1]
    Phi = groups.features(X).transpose(2, 0, 1, 3).reshape(n, -1)
    first, second = groups.slacks(X)
    C1 = block_diag([csr_matrix(R) for R in first.reshape(-1, n, d)])
    C2 = block_diag([csr_matrix(np.hstack(list(R))) for R in second])
    parts = [cp.Variable(2 * G * d) for _ in range(2)]
    cones: list[Any] = [C @ z >= 0 for z in parts for C in (C1, C2)]
    cost = sum(cp.sum(cp.norm(cp.reshape(z, (2 * G, d), order="C"), 2, axis=1)) for z in parts)
    fit = cp.sum_squares(Phi @ (parts[0] - parts[1]) - y) / 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Solution may be inaccurate")  # twelve digits are asked for; the bounds judge
        cp.Problem(cp.Minimize(fit + b * cost), cones).solve(solver=cp.CLARABEL, **ACCURACY)
    V = np.array([z.value for z in parts]).reshape(2, G, 2, d)
    mu = [np.maximum(c.dual_value, 0) for c in cones]
    return V, (np.array(mu[0::2]).reshape(2, G, 2, n), np.array(mu[1::2]).reshape(2, G, n))


def _lower(X: Array, y: Array, b: float, groups: Groups, v: Array, multipliers: tuple[Array, Array]) -> float:
    """max over t of the dual value of t v, t at most b over the largest pull that the multipliers prove."""
    mu1, mu2 = multipliers
    pull = np.einsum("gjnd,n->gjd", groups.features(X), v)
    first, second = groups.slacks(X)
    total = np.einsum("gjnd,egjn->egjd", first, mu1) + np.einsum("gjnd,egn->egjd", second, mu2)
    largest = float(np.linalg.norm(np.array([pull, -pull]) + total, axis=-1).max())
    t = min(b / max(largest, 1e-300), float(v @ y) / max(float(v @ v), 1e-300))
    return t * float(v @ y) - 0.5 * t * t * float(v @ v)


def _rebuild(X: Array, V: Array, groups: Groups) -> Branches:
    """Branches of norms T^{1/3}: w_1j = s_j v_j / sqrt(|v_j| T), w_2j = s_j sqrt(|v_j| / T), a = e T, T = sum |v_j|."""
    size = np.linalg.norm(V, axis=-1)
    T = size.sum(-1)
    e, g = np.nonzero(max(FAINT * float(T.max()), FAINT) < T)
    if not len(g):  # f = 0 is optimal
        e = g = np.zeros(1, dtype=int)
        V, size, T = 0 * V, 0 * size, 0 * T
    size, total, s = size[e, g], T[e, g], groups.s[g]
    root, cube = np.sqrt(np.maximum(size * total[:, None], 1e-300)), np.cbrt(total)
    W = (s / root * cube[:, None])[:, :, None] * V[e, g]
    w = s * np.sqrt(size / np.maximum(total, 1e-300)[:, None]) * cube[:, None]
    a = np.where(e == 0, 1.0, -1.0) * cube
    return Branches([W.transpose(0, 2, 1), w[:, :, None], a[:, None, None]], get_loss("squared"), "relu", 3)


def prune(network: Branches, data: Data) -> Branches:
    """At most n branches with the same predictions and no larger sum of scales: a vertex of a linear program."""
    scales = network.scales()
    if not scales.all():
        return network
    outputs = np.array([_alone(network, k).predict(data.X)[:, 0] / scales[k] for k in range(network.width)]).T
    target = outputs @ scales
    found = linprog(np.ones(len(scales)), A_eq=outputs, b_eq=target, method="highs-ds")
    if found.status != 0:
        return network
    keep = np.flatnonzero(found.x > 1e-10 * found.x.max())
    if not len(keep):
        return network
    c = nnls(outputs[:, keep], target)[0]
    keep, c = keep[c > 0], c[c > 0]
    if np.abs(outputs[:, keep] @ c - target).max() > 1e-7 or c.sum() > scales.sum() * (1 + 1e-7):
        return network
    stretch = np.cbrt(c / scales[keep])[:, None, None]
    layers = [W.detach().numpy()[keep] * stretch for W in network.layers]
    return Branches(layers, network.loss, "relu", 3)


def _alone(network: Branches, k: int) -> Branches:
    return Branches([W.detach().numpy()[k : k + 1] for W in network.layers], network.loss, "relu", network.power)
