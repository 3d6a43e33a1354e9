"""Column generation: from no neurons to a certified optimum over all networks with vector outputs.

    master   the copositive program over the neurons found so far: with Phi_j (n, a) the features of u_j, |u_j| = 1,

                 min over w >= 0   1/2 tr( Y' (I + 2 sum_j w_j Phi_j Phi_j')^{-1} Y ) + beta^2 sum_j w_j

             its residual is R = (I + 2 sum w_j Phi_j Phi_j')^{-1} Y, its output weights A_j = 2 w_j Phi_j'R; it has one
             variable a neuron, whatever the number of outputs, and Newton steps over w >= 0 solve it
    oracle   M(R), exactly, over all faces of the cells; the strongest local maxima above beta are added
    bound    t R with t = clip( <R, Y> / |R|^2, +- beta / M(R) ) is dual feasible; the best one over the rounds is kept

Squared loss. When M(R) <= beta the network is optimal among networks of every width.
Source: the copositive form of Sahiner, Ergen, Pauly and Pilanci (arXiv 2012.13329); the method is this project's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from convexnn.losses import get_loss
from convexnn.numerics import Array, BoolArray, check_positive, relative_gap
from convexnn.patterns import enumerate_patterns
from convexnn.theorems.shared.extreme_points import nonnegative_fit
from convexnn.theorems.vector_output.faces import faces_of
from convexnn.theorems.vector_output.patches import Patches, Pooling, patches_of
from convexnn.theorems.vector_output.vector_network import VectorNetwork
from convexnn.types import Data

#: Newton steps of a master problem; weights below this share of the largest are dropped with their neurons.
NEWTON_STEPS, FAINT = 200, 1e-12
#: A new neuron must differ from the old ones by this much, |u - u_j|; at most CUTS are added in a round.
DISTINCT, CUTS = 1e-9, 20


@dataclass(frozen=True)
class Columns:
    """The end of a run.

    network, value   neurons with their output weights, and the training objective of that network
    lower            a lower bound for every network of every width (for the cells of D when they were given)
    directions       (m, h) unit directions of the neurons
    history          (rounds, 3) value, best lower bound, neurons
    """

    network: VectorNetwork
    value: float
    lower: float
    gap: float
    directions: Array
    history: Array = field(repr=False)
    converged: bool = False


def column_generation(
    data: Data,
    pooling: Pooling | Array = "sum",
    patterns: BoolArray | None = None,
    tol: float = 1e-7,
    rounds: int = 200,
    limit: int = 20_000,
) -> Columns:
    """Run until (value - lower) <= tol max(1, value), or for `rounds` rounds; then it says so and keeps its bounds.

    patterns  a bool array (n K, P) of cells to search; default all cells, at most `limit`
    """
    check_positive(tol=tol, rounds=rounds)
    patches = patches_of(data.X, pooling)
    D = enumerate_patterns(patches.rows, limit=limit) if patterns is None else patterns
    if len(D) != len(patches.rows):
        raise ValueError(f"patterns has {len(D)} rows; pass one for each of the {len(patches.rows)} rows of patches")
    faces, Y, beta = faces_of(patches.rows, D), data.y.reshape(data.n, -1), data.beta
    U, w, R, best, history = np.zeros((0, patches.rank)), np.zeros(0), Y.copy(), 0.0, []
    for _ in range(int(rounds)):
        top, strong = faces.local_maxima(patches.pulls(D, R), above=beta)
        best = max(best, dual_value(R, Y, beta, top))
        A = output_weights(patches.features(U), w, R)
        value = objective_of(patches.features(U), A, Y, beta)
        history.append((value, best, len(U)))
        fresh = _fresh([neuron.u for neuron in strong], U)
        if value - best <= tol * max(1.0, value) or not len(fresh):
            break
        U, start = np.vstack([U, fresh]), np.concatenate([w, np.zeros(len(fresh))])
        w, R = master(patches.features(U), Y, beta, start)
        kept = w > FAINT * max(float(w.max(initial=0.0)), 1e-300)
        U, w = U[kept], w[kept]
    gap = relative_gap(value, best)
    network = assemble(patches, U, A)
    return Columns(network, value, best, gap, patches.lift(U), np.array(history), bool(gap <= tol))


def _fresh(neurons: list[Array], U: Array) -> Array:
    """The first CUTS of the neurons that differ from each other and from the rows of U."""
    kept: list[Array] = []
    for u in neurons:
        if all(np.linalg.norm(other - u) > DISTINCT for other in [*U, *kept]):
            kept.append(u)
        if len(kept) == CUTS:
            break
    return np.array(kept)


def master(Phi: Array, Y: Array, beta: float, start: Array) -> tuple[Array, Array]:
    """The weights w (m,) >= 0 of features Phi (n, a, m) and the residual R (n, c).

    Newton's method with the bounds kept: each step solves its quadratic model over w >= 0 as non-negative least
    squares, then searches along the line.
    """
    w = start.copy()
    value, gradient, hessian, R = _master_at(Phi, Y, beta, w)
    for _ in range(NEWTON_STEPS):
        step = _newton_point(w, gradient, hessian) - w
        slope = float(gradient @ step)
        if not slope < -1e-16 * max(1.0, value):
            break
        for t in 0.5 ** np.arange(40.0):
            found = _master_at(Phi, Y, beta, w + t * step)
            if found[0] <= value + 1e-4 * t * slope:
                break
        else:
            break
        w, (value, gradient, hessian, R) = np.maximum(w + t * step, 0.0), found
    return w, R


def _newton_point(w: Array, gradient: Array, hessian: Array) -> Array:
    """argmin over x >= 0 of gradient'(x - w) + 1/2 (x - w)'H (x - w)."""
    scale = np.sqrt(np.maximum(np.diag(hessian), 1e-300))
    H = hessian / np.outer(scale, scale) + 1e-13 * np.eye(len(w))
    values, vectors = np.linalg.eigh(H)
    root = np.sqrt(np.maximum(values, 1e-14))
    L = (vectors * root).T  # H = L'L, in the scaled variables
    target = L @ (w * scale) - (vectors.T @ (gradient / scale)) / root
    return np.asarray(nonnegative_fit(np.ascontiguousarray(L.T), -target)) / scale


def _master_at(Phi: Array, Y: Array, beta: float, w: Array) -> tuple[float, Array, Array, Array]:
    """Value, gradient beta^2 - |Phi_j'R|^2, Hessian 4 <Phi_i'R, Phi_i' K^{-1} Phi_j Phi_j'R> and R = K^{-1} Y."""
    n, a, m = Phi.shape
    flat = Phi.transpose(2, 1, 0).reshape(m * a, n)  # rows: features
    K = np.eye(n) + 2 * (flat.T * np.repeat(w, a)) @ flat
    solved = np.linalg.solve(K, np.hstack([Y, flat.T]))
    R, whitened = np.asarray(solved[:, : Y.shape[1]]), solved[:, Y.shape[1] :]
    pulls = flat @ R  # (m a, c)
    inner = (flat @ whitened) * (pulls @ pulls.T)
    hessian = 4 * inner.reshape(m, a, m, a).sum((1, 3))
    gradient = beta**2 - np.square(pulls).reshape(m, -1).sum(1)
    return 0.5 * float((Y * R).sum()) + beta**2 * float(w.sum()), gradient, hessian, R


def output_weights(Phi: Array, w: Array, R: Array) -> Array:
    """A_j = 2 w_j Phi_j'R, shape (m, a, c)."""
    return 2 * w[:, None, None] * np.einsum("nam,nc->mac", Phi, R)


def objective_of(Phi: Array, A: Array, Y: Array, beta: float) -> float:
    """1/2 |sum_j Phi_j A_j - Y|^2 + beta sum_j |A_j|_F for unit directions."""
    fit = np.einsum("nam,mac->nc", Phi, A)
    return 0.5 * float(np.square(fit - Y).sum()) + beta * float(np.linalg.norm(A, axis=(1, 2)).sum())


def dual_value(v: Array, Y: Array, beta: float, largest: float) -> float:
    """max over t of <t v, Y> - 1/2 |t v|^2 with |t| M(v) <= beta, where M(v) = largest."""
    reach = beta / largest if largest > 0 else np.inf
    t = float(np.clip(float((v * Y).sum()) / max(float((v * v).sum()), 1e-300), -reach, reach))
    return t * float((v * Y).sum()) - 0.5 * t * t * float((v * v).sum())


def assemble(patches: Patches, U: Array, A: Array) -> VectorNetwork:
    """The balanced network of directions U (m, r) of any length and output weights A (m, a, c)."""
    size = np.linalg.norm(U, axis=1) if len(U) else np.zeros(0)
    strength = np.linalg.norm(A, axis=(1, 2)) if len(U) else np.zeros(0)
    live = (size > 0) & (strength > 0)
    scale = np.sqrt(strength[live] / size[live])
    outputs = A[live] / scale[:, None, None]
    return VectorNetwork(patches.lift(U[live] * scale[:, None]), outputs, get_loss("squared"), patches.pool)
