"""Several outputs: the norm on a neuron's output weights decides which dual norm its activations must obey.

    min over m, u_j, w_j   1/2 | sum_j (A u_j)_+ w_j' - Y |^2 + beta/2 sum_j ( |u_j|^2 + |w_j|_p^2 )       w_j in R^c
    max over V             <V, Y> - 1/2 |V|^2     s.t.   | V'(A u)_+ |_q <= beta for every |u| <= 1,   1/p + 1/q = 1

p = 2 (weight decay) couples the outputs; p = 1 separates into c problems of one output; p = inf shares a neuron among
all outputs at the price of one. No bias, squared loss, small sets: the oracle for p = 2 is a principal component over
each cell's cone, found face by face, which takes time exponential in the rank.
Source: Ergen and Pilanci (arXiv 2002.11219), vector outputs; p = inf and the oracles are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import numpy as np
from torch import Tensor

from convexnn.losses import get_loss
from convexnn.networks import TwoLayer
from convexnn.numerics import Array, check_choice, check_positive
from convexnn.patterns import enumerate_patterns
from convexnn.theorems.shared.extreme_points import Pull, support
from convexnn.theorems.shared.patterned import row_space
from convexnn.types import Data

Norm = Literal["l1", "l2", "linf"]
#: p of each norm, as numpy and cvxpy write it.
P: dict[str, float] = {"l1": 1, "l2": 2, "linf": np.inf}
#: A point of a cone may violate a row by this much, relative to the row and the point.
INSIDE = -1e-10


class VectorNetwork(TwoLayer):
    """A two-layer network without bias whose penalty is 1/2 sum_j ( |u_j|_2^2 + |w_j|_p^2 )."""

    norm: Norm = "l2"

    def penalty(self) -> Tensor:
        sizes = self.A.norm(p=P[self.norm], dim=1)
        return 0.5 * (self.U.square().sum() + sizes.square().sum())


def vector_network(U: Array, W: Array, norm: Norm) -> VectorNetwork:
    """Neurons U (m, d) with output weights W (m, c), balanced: |u_j|_2 = |w_j|_p; those without weight are dropped."""
    check_choice("norm", norm, P)
    strength, size = np.linalg.norm(W, P[norm], axis=1), np.linalg.norm(U, axis=1)
    live = strength * size > 1e-9 * max(1e-300, float((strength * size).max(initial=0.0)))
    root = np.sqrt(strength[live] / size[live])[:, None]
    network = VectorNetwork(U[live] * root, W[live] / root, get_loss("squared"))
    network.norm = norm
    return network


def cone_component(Q: Array, G: Array) -> Pull:
    """max u'Q u s.t. G u >= 0, |u| <= 1 for a positive semidefinite Q: the top eigenvector, or a maximum on a face.

    A maximiser inside the cone is an eigenvector of the top eigenvalue (a maximum on the sphere that is local is
    global); if the cone does not hold it, some row of G vanishes there and the problem loses a dimension.
    """
    w, E = np.linalg.eigh(Q)
    reach = np.linalg.norm(G, axis=1)
    for u in (E[:, -1], -E[:, -1]):
        if (G @ u >= INSIDE * reach).all():
            return Pull(float(w[-1]), u)
    best = Pull(0.0, np.zeros(len(Q)))
    if len(Q) == 1:
        return best
    for k in np.flatnonzero(reach > 0):
        B = np.linalg.svd(G[k : k + 1])[2][1:].T  # an orthonormal basis of the face's plane
        inside = np.delete(G, k, axis=0) @ B
        found = cone_component(B.T @ Q @ B, np.where(np.abs(inside) <= 1e-12 * reach.max(), 0.0, inside))
        best = max(best, Pull(found.value, B @ found.u), key=lambda p: p.value)
    return best


def vector_dual_norm(A: Array, V: Array, norm: Norm) -> list[Pull]:
    """max_{|u| <= 1} |V'(A u)_+|_q over all cells first, then other directions that pull; q is dual to `norm`.

    l1: the largest single output.  l2: a principal component in each cell's cone.  linf: the largest signed sum.
    """
    check_choice("norm", norm, P)
    c = V.shape[1]
    if norm == "l2":
        found = _components(A, V)
    else:
        signs = np.vstack([np.eye(c), -np.eye(c)]) if norm == "l1" else np.array(list(product((1.0, -1.0), repeat=c)))
        found = [support(A, V @ s) for s in signs]
    return sorted(found, key=lambda p: -p.value)


def _components(A: Array, V: Array) -> list[Pull]:
    D = enumerate_patterns(A)
    found, best = [Pull(0.0, np.zeros(A.shape[1]))], 0.0
    half = [(D[:, i, None] * A).T @ V for i in range(D.shape[1])]  # A'D_i V
    bounds = np.array([np.linalg.norm(H, 2) for H in half])
    for i in np.argsort(-bounds):
        if bounds[i] <= best:
            break
        top = cone_component(half[i] @ half[i].T, np.where(D[:, i], 1.0, -1.0)[:, None] * A)
        found.append(Pull(float(np.sqrt(max(top.value, 0.0))), top.u))
        best = max(best, found[-1].value)
    return found


@dataclass(frozen=True)
class VectorCuts:
    """The end of a run: a network with its training objective, and a bound that holds for every network."""

    network: VectorNetwork
    value: float
    lower: float
    converged: bool
    V: Array = field(repr=False)


def vector_cutting_plane(data: Data, norm: Norm = "l2", tol: float = 1e-6, rounds: int = 100) -> VectorCuts:
    """Cutting planes for several outputs with the exact oracle of `norm`; each round adds the best five directions.

    Raises ValueError for an unknown norm or targets that are no matrix.
    """
    check_choice("norm", norm, P)
    check_positive(tol=tol, rounds=rounds)
    if data.X.ndim != 2 or data.y.ndim != 2:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; pass matrices (n, d) and (n, c)")
    A, basis = row_space(data.X, "none")
    U, W, V, best = np.zeros((0, A.shape[1])), np.zeros((0, data.y.shape[1])), data.y, 0.0
    for _ in range(int(rounds)):
        pulls = vector_dual_norm(A, V, norm)
        best = max(best, _dual(V, data.y, data.beta, pulls[0].value))
        value = 0.5 * float((V**2).sum()) + data.beta * float(np.linalg.norm(W, P[norm], axis=1).sum())
        if value - best <= tol * max(1.0, value):
            break
        U = np.vstack([U, *(p.u for p in pulls[:5] if p.value > data.beta)])
        W = _group_lasso(np.maximum(A @ U.T, 0), data.y, data.beta, P[norm])
        live = np.linalg.norm(W, axis=1) > 1e-9 * max(1e-300, float(np.abs(W).max()))
        U, W = U[live], W[live]
        V = data.y - np.maximum(A @ U.T, 0) @ W
    network = vector_network(U if basis is None else U @ basis, W, norm)
    return VectorCuts(network, network.objective(data), best, value - best <= tol * max(1.0, value), V)


def _group_lasso(Phi: Array, Y: Array, beta: float, p: float) -> Array:
    """argmin_W 1/2 |Phi W - Y|^2 + beta sum_j |W_j|_p, by a conic solver."""
    import cvxpy as cp

    W = cp.Variable((Phi.shape[1], Y.shape[1]))
    penalty = cp.sum(cp.norm(W, "inf" if p == np.inf else int(p), axis=1))
    tight = {"tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9}
    cp.Problem(cp.Minimize(0.5 * cp.sum_squares(Phi @ W - Y) + beta * penalty)).solve(solver=cp.CLARABEL, **tight)
    return np.asarray(W.value)


def _dual(V: Array, Y: Array, beta: float, top: float) -> float:
    """max over t of the dual value of t V with t top <= beta."""
    reach = beta / top if top > 0 else np.inf
    t = float(np.clip((V * Y).sum() / max(float((V * V).sum()), 1e-300), 0.0, reach))
    return t * float((V * Y).sum()) - 0.5 * t * t * float((V * V).sum())
