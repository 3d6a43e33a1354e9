"""Parallel deep networks with the depth's own power of decay have no duality gap; standard ones have.

Training m scalar-ended branches of L layers, linear or ReLU,

    min over branches   loss( sum_j g(... g(X W_{1,j}) ... w_{L-1,j}) w_{L,j}' ) + beta/2 sum_j sum_l |W_{l,j}|_F^L

equals a convex program once there are enough branches, because a branch of scale s = prod_l |W_l|_F costs (L/2) s:

    linear                    min over W      loss(X W) + (beta L/2) |W|_*            rank W branches suffice
    ReLU, whitened rows       min over u, v   loss(X (u - v)) + (beta L/2) (|u| + |v|),   X u >= 0, X v >= 0
    ReLU, rank one X = c a'   min over p, q   loss((c)_+ p' + (-c)_+ q') + (beta L/2) (|p| + |q|)

    dual (squared loss)       max over Lambda  <Lambda, Y> - 1/2 |Lambda|^2  s.t.  sigma_max(X' Lambda) <= beta L/2

The *other* problem is called weight decay too: a standard network with squared decay. Its value has (beta L/2) s^{2/L}
in place of (beta L/2) s, is not convex for L >= 3, and lies above its own dual as soon as the solution has rank two.
Neither value bounds the other. Files: `branches` (networks), `interpolation` (gaps, staircase), `bidual` (duals of
standard networks), `strengths` (closed forms), `three_layer` (general data), `shared_layers`.
Tests: tests/theorems/test_parallel.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from convexnn.cones import FreeCone
from convexnn.gauges import Frobenius, Nuclear
from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, check_count, tensor
from convexnn.operators import MatrixOperator
from convexnn.program import Program
from convexnn.theorems.parallel.branch_features import branch_class, check_separable, ray_matrices, rays
from convexnn.theorems.parallel.claim_list import claims as claims
from convexnn.theorems.parallel.claim_list import source as source
from convexnn.theorems.shared.branches import ACTIVATIONS, Branches, balanced_branch, stack
from convexnn.theorems.shared.schatten import check_depth
from convexnn.theorems.shared.spike_free import one_pattern_program
from convexnn.types import Data, Solution

# ---- 1 the statement ------------------------------------------------------------------------------------------------

sizes = ("tiny", "quick", "full")


def assumptions(data: Data) -> tuple[str, ...]:
    """The theorem's conditions in words; raises ValueError where the data break one."""
    if not isinstance(data, Data):
        raise ValueError(f"data is a {type(data).__name__}; pass Data(X, y, beta)")
    if data.X.ndim != 2 or data.y.ndim > 2:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; the theorem takes matrices (n, d), (n, c)")
    return (
        "beta > 0",
        "branches end in one neuron, and their decay is the L-th power of each layer's norm, L the depth",
        "as many branches as the solution needs: its rank (linear), at most n c (ReLU)",
    )


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """Gaussian X and the targets of a linear map of rank two or three plus noise, several outputs."""
    check_choice("size", size, sizes)
    rng = np.random.default_rng(seed)
    n, d, c, rank = {"tiny": (6, 3, 2, 2), "quick": (30, 8, 5, 3), "full": (2000, 120, 40, 12)}[size]
    X = rng.standard_normal((n, d))
    W = rng.standard_normal((d, rank)) @ rng.standard_normal((rank, c)) / np.sqrt(rank)
    Y = X @ W + 0.5 * rng.standard_normal((n, c))
    return Data(X, Y, {"tiny": 0.3, "quick": 1.0, "full": 10.0}[size], size)


# ---- 2 the reference: the paper's letters, in CVXPY -----------------------------------------------------------------


def reference(
    data: Data, depth: int = 3, activation: str = "linear", loss: str | Loss = "squared", dual: bool = False
) -> Any:
    """The convex program as a cvxpy.Problem; dual=True: the printed dual of the linear network, squared loss."""
    import cvxpy as cp

    check_choice("activation", activation, ACTIVATIONS)
    X, Y, b = data.X, data.y.reshape(data.n, -1), data.beta * depth / 2
    if dual:
        Lam = cp.Variable(Y.shape)
        score = cp.sum(cp.multiply(Lam, Y)) - cp.sum_squares(Lam) / 2
        return cp.Problem(cp.Maximize(score), [cp.sigma_max(Lam.T @ X) <= b])
    constraints: list[Any] = []
    if activation == "linear":
        W = cp.Variable((data.d, Y.shape[1]))
        f, cost = X @ W, cp.normNuc(W)
    elif branch_class(X) == "rank one":
        U, s, _ = np.linalg.svd(X)
        ray = s[0] * U[:, 0]
        p, q = cp.Variable((1, Y.shape[1])), cp.Variable((1, Y.shape[1]))
        f = np.maximum(ray, 0)[:, None] @ p + np.maximum(-ray, 0)[:, None] @ q
        cost = cp.norm(p[0]) + cp.norm(q[0])
    else:
        z, w = cp.Variable(Y.shape, nonneg=True), cp.Variable(Y.shape, nonneg=True)
        f, cost = z - w, cp.sum(cp.norm(z, 2, axis=0)) + cp.sum(cp.norm(w, 2, axis=0))
    return cp.Problem(cp.Minimize(_reference_loss(f, Y, get_loss(loss).name) + b * cost), constraints)


def _reference_loss(f: Any, Y: Array, loss: str) -> Any:
    import cvxpy as cp

    margin = cp.multiply(Y, f)
    return {
        "squared": lambda: cp.sum_squares(f - Y) / 2,
        "logistic": lambda: cp.sum(cp.logistic(-margin)),
        "hinge": lambda: cp.sum(cp.pos(1 - margin)),
        "squared_hinge": lambda: cp.sum(cp.square(cp.pos(1 - margin))) / 2,
        "cross_entropy": lambda: cp.sum(cp.log_sum_exp(f, axis=1)) - cp.sum(cp.multiply(Y, f)),
    }[loss]()


# ---- 3 the program --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """What recovery needs: depth, activation, the class of the data, and the data."""

    depth: int
    activation: str
    kind: str  # "linear", "whitened" or "rank one"
    X: Array
    basis: Array | None = None

    def network_options(self) -> dict[str, Any]:
        """What a network to be trained against this program must share with it."""
        return {"depth": self.depth, "activation": self.activation}

    def check(self, X: Array) -> None:
        """Raise ValueError unless X is the matrix the program was made from."""
        if X.shape != self.X.shape or not np.array_equal(X, self.X):
            raise ValueError(f"data has X of shape {X.shape}, not the X of the solution's program; pass that one")


def program(data: Data, depth: int = 3, activation: str = "linear", loss: str | Loss = "squared") -> Program:
    """The convex program of parallel branches with L-th power decay; its regularisation is beta L/2.

    linear      Z = W (1, d, c), nuclear norm, any data
    relu        whitened rows: Z = (u, v) with one pattern; rank one: Z = (p, q) on two rays
    Raises ValueError for a depth below 2, an unknown option, ReLU on data of no finite class, or several outputs on
    whitened rows for which the finite gauge is not that of the networks.
    """
    conditions = assumptions(data)
    check_choice("activation", activation, ACTIVATIONS)
    check_depth(depth)
    Y, b, chosen = tensor(data.y).reshape(data.n, -1), data.beta * depth / 2, get_loss(loss)
    kind = "linear" if activation == "linear" else branch_class(data.X)
    told = (*conditions, *(() if kind == "linear" else (f"X is {kind}",)))
    if kind == "whitened":
        check_separable(data.y.reshape(data.n, -1), chosen.name)
        one = one_pattern_program(data, chosen)
        model = Model(depth, activation, kind, data.X, one.model.basis)
        return replace(one, beta=b, scope="network", name="parallel", assumptions=told, model=model)
    E = tensor(data.X)[None] if kind == "linear" else ray_matrices(data.X)
    return Program(
        loss=chosen,
        operator=MatrixOperator(E, Y.shape[1]),
        gauge=Nuclear() if kind == "linear" else Frobenius(),
        cone=FreeCone(),
        beta=b,
        Y=Y,
        scope="network",
        name="parallel",
        assumptions=told,
        model=Model(depth, activation, kind, data.X),
    )


# ---- 4 the map back -------------------------------------------------------------------------------------------------


def recover(data: Data, solution: Solution) -> Branches:
    """Branches whose training objective is the program's value: every layer of a branch has the norm s^{1/L}.

    linear: one branch for each singular triple s, u, v of W, first layer along u, last along v. ReLU: one for each
    non-zero group, first layer along the group's direction, last along +- the output. Raises ValueError when `data`
    is not the program's.
    """
    model = solution.program.model
    model.check(data.X)
    triples = _triples(solution, model) or [(np.eye(data.d)[0], 0.0, np.eye(solution.Z.shape[2])[0])]
    one = [np.ones(1)] * (model.depth - 1)
    branches = [balanced_branch([u, *one, v], s) for u, s, v in triples]
    return Branches(stack(branches), solution.program.loss, model.activation, model.depth)


def _triples(solution: Solution, model: Model) -> list[tuple[Array, float, Array]]:
    """Direction in, scale, direction out of every branch."""
    Z = solution.Z
    if model.kind == "linear":
        U, s, Vt = np.linalg.svd(Z[0], full_matrices=False)
        return [(u, float(size), v) for u, size, v in zip(U.T, s, Vt) if size > 1e-12 * s[0]]
    if model.kind == "rank one":
        a = rays(model.X)[0]
        sizes = np.linalg.norm(Z[:, 0], axis=1)
        return [(sign * a, float(s), z / s) for sign, s, z in zip((1.0, -1.0), sizes, Z[:, 0]) if s > 0]
    signs = solution.program.operator.group_signs.cpu().numpy()
    found = []
    for group, k in zip(*np.nonzero(np.abs(Z).max(1) > 0)):
        u = Z[group, :, k] if model.basis is None else Z[group, :, k] @ model.basis
        size = float(np.linalg.norm(u))
        found.append((u / size, size, signs[group] * np.eye(Z.shape[2])[k]))
    return found


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(
    width: int,
    data: Data,
    depth: int = 3,
    activation: str = "linear",
    loss: str | Loss = "squared",
    power: int | None = None,
    hidden: int = 2,
    standard: bool = False,
    seed: int = 0,
) -> Branches:
    """Seeded networks of both kinds, ready for gradient training.

    parallel   `width` scalar-ended branches with `hidden` neurons in the other hidden layers, power = depth
    standard   one matrix-ended network with `width` neurons in every hidden layer, power = 2
    power      2 or the depth, to train an architecture with the other one's decay
    """
    check_count(width=width, hidden=hidden)
    check_depth(depth)
    chosen = power if power is not None else 2 if standard else depth
    check_choice("power", chosen, (2, depth))
    c = data.y.reshape(data.n, -1).shape[1]
    inner = [width if standard else hidden] * (depth - 2) + [width if standard else 1]
    sizes_in_order, m = [data.d, *inner, c], 1 if standard else width
    layers = [np.zeros((m, a, b)) for a, b in pairwise(sizes_in_order)]
    built = Branches(layers, get_loss(loss), activation, chosen)
    built.reset(seed)
    return built


def objective(network: torch.nn.Module, data: Data) -> float:
    """loss(f(X), Y) + beta/2 sum of |W|_F^power over all layers: the problem exactly as the network states it."""
    if not isinstance(network, Network):
        raise ValueError("network is not a convexnn Network; build one with parallel.network or parallel.recover")
    return network.objective(data)
