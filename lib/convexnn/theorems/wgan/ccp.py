"""ReLU discriminators and a free generator: the convex-concave procedure, and a bound that needs no convexity.

    min_G (beta_g/2) |G|_F^2   s.t.   | 1'(X u)_+ - 1'(G u)_+ | <= beta_d   for every |u| <= 1

One half of the constraint, 1'(G u)_+ <= 1'(X u)_+ + beta_d, is convex; the other is not. At an iterate G^t, feasible
for every u, its convex side is replaced by a tangent: sum over { i : (G^t u)_i > 0 } of (G u)_i >= 1'(X u)_+ - beta_d.
The tangent lies below, so what satisfies it is truly feasible, and G^t satisfies it: the step's problem has a solution
and values rise by no more than tol. A step is solved by cutting planes: most violated u are added until the exact gap
over all u is at most beta_d (1 + tol). (Linearising at a point that violates some u can leave nothing feasible.)

The result depends on the start: the problem is not convex. A bound for every G: gap >= |m| / 2 with m = X'1 - G'1
(take u and -u), so |G'1| >= |X'1| - 2 beta_d and (beta_g/2)|G|_F^2 >= (beta_g/2) (|X'1| - 2 beta_d)_+^2 / n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_finite, check_positive
from convexnn.theorems.wgan.moments import relu, relu_directions


@dataclass(frozen=True)
class Procedure:
    """A generated sample, its value, its exact gap; `values` (T,) after every step, and the u stored (k, d)."""

    G: Array
    value: float
    gap: float
    values: Array
    U: Array


def mean_bound(X: Array, beta: float, weight: float = 1.0) -> float:
    """(beta_g/2) (|X'1| - 2 beta_d)_+^2 / n: no generator of any kind has less."""
    return 0.5 * weight * max(0.0, float(np.linalg.norm(X.sum(0))) - 2 * beta) ** 2 / len(X)


def cheapest(X: Array, beta: float, U: Array, at: Array, weight: float = 1.0) -> Array:
    """The cheapest sample for the directions U (k, d), with the reverse half linearised `at`; a quadratic program."""
    import cvxpy as cp

    new = cp.Variable(X.shape)
    real = np.maximum(X @ U.T, 0).sum(0)
    pull = new @ U.T
    constraints = [
        cp.sum(cp.pos(pull), axis=0) <= real + beta,
        cp.sum(cp.multiply((at @ U.T > 0).astype(float), pull), axis=0) >= real - beta,
    ]
    problem = cp.Problem(cp.Minimize(weight / 2 * cp.sum_squares(new)), constraints)
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    if new.value is None:
        raise RuntimeError(f"the step's program ended with status {problem.status}; raise tol, or start from X")
    return np.asarray(new.value)


def step(X: Array, beta: float, U: Array, at: Array, weight: float, tol: float, cuts: int = 100) -> tuple[Array, Array]:
    """One step from the feasible sample `at`: the cheapest sample for all u, and the directions that were needed."""
    for _ in range(cuts):
        G = cheapest(X, beta, U, at, weight)
        gaps, found = relu_directions(X, G)
        if gaps.max() <= beta * (1 + tol):
            return G, U
        worst = np.argsort(-gaps)[:4]
        U = np.vstack([U, found[worst[gaps[worst] > beta * (1 + 0.5 * tol)]]])
    raise RuntimeError(f"{cuts} rounds of cuts leave a gap of {gaps.max() / beta:.6f} beta; raise tol")


def convex_concave(
    X: Array, beta: float, start: Array | None = None, weight: float = 1.0, tol: float = 1e-4, steps: int = 30
) -> Procedure:
    """Run the procedure from `start` (default: X itself, which is feasible for every u) until values stand still.

    Raises ValueError for a start of another shape, or one whose gap exceeds beta_d: it must be feasible.
    """
    check_finite(X=X)
    check_positive(beta=beta, weight=weight, tol=tol, steps=steps)
    G = X if start is None else np.asarray(start, dtype=float)
    if G.shape != X.shape:
        raise ValueError(f"start has shape {G.shape}, X {X.shape}; pass as many rows as are real")
    gap = relu(X, G)
    if not gap <= beta * (1 + tol):
        raise ValueError(f"start has gap {gap:.3g} > beta = {beta:.3g}; start from a feasible sample, such as X")
    U, values = np.vstack([np.eye(X.shape[1]), -np.eye(X.shape[1])]), [0.5 * weight * float((G**2).sum())]
    for _ in range(steps):
        G, U = step(X, beta, U, G, weight, tol)
        values.append(0.5 * weight * float((G**2).sum()))
        if values[-2] - values[-1] <= tol * max(1.0, values[-2]):
            break
    return Procedure(G, values[-1], relu(X, G), np.array(values), U)
