"""Searches that know nothing of the theorems: grids of directions, random deviations, random feasible points."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from convexnn.numerics import Array, check_choice
from convexnn.theorems.wgan.closed_form import Form
from convexnn.theorems.wgan.line import gap_at_kinks
from convexnn.theorems.wgan.moments import COEFFICIENTS, KINDS


def gap_on_circle(kind: str, X: Array, G: Array, points: int = 200001) -> float:
    """The gap of a discriminator over a grid of directions in the plane; for polynomials at the best length."""
    check_choice("kind", kind, KINDS)
    U = _directions(points)
    if kind == "polynomial":
        a, b, _ = COEFFICIENTS
        second = a * (((X @ U) ** 2).sum(0) - ((G @ U) ** 2).sum(0))
        first = b * ((X @ U).sum(0) - (G @ U).sum(0))
        turn = np.clip(-first / np.where(second == 0, 1.0, 2 * second), 0, 1)  # where the parabola in the length turns
        return float(np.maximum(np.abs(second + first), np.abs(second * turn**2 + first * turn)).max())
    activation: Any = {"linear": lambda t: t, "quadratic": np.square, "relu": lambda t: np.maximum(t, 0)}[kind]
    return float(np.abs(activation(X @ U).sum(0) - activation(G @ U).sum(0)).max())


def _directions(points: int) -> Array:
    """Unit vectors of the plane, (2, points)."""
    angles = np.linspace(0, 2 * np.pi, points)
    return np.stack([np.cos(angles), np.sin(angles)])


def payoff(X: Array, Z: Array, W: Array, Q: Array, beta: float, weight: float = 1.0) -> float:
    """<Q, X'X - G'G> + (beta_g/2)|G|_F^2 - beta_d |Q|_* with G = Z W and the discriminator x'Q x."""
    G = Z @ W
    game = float((Q * (X.T @ X - G.T @ G)).sum() + 0.5 * weight * (G**2).sum())
    return game - beta * float(np.abs(np.linalg.eigvalsh(Q)).sum())


def least_regret(
    X: Array, Z: Array, form: Form, beta: float, weight: float = 1.0, count: int = 500, seed: int = 0
) -> float:
    """The smallest loss, over the value, of `count` random deviations of each player; negative if one helps."""
    assert form.W is not None
    rng = np.random.default_rng(seed)
    worst = np.inf
    for size in np.geomspace(1e-4, 10.0, count):
        step = rng.standard_normal(form.W.shape)
        W = form.W + size * np.linalg.norm(form.W) * step / np.linalg.norm(step)
        worst = min(worst, payoff(X, Z, W, form.Q, beta, weight) - form.value)
        half = rng.standard_normal(form.Q.shape)
        Q = form.Q + size * weight * (half + half.T) / np.linalg.norm(half + half.T)
        worst = min(worst, form.value - payoff(X, Z, form.W, Q, beta, weight))
    return worst / max(1.0, abs(form.value))


def random_generators(X: Array, Z: Array, beta: float, count: int = 500, seed: int = 0) -> Array:
    """|W|_F^2 of random feasible linear generators: G'G = X'X - beta E with |E|_2 <= 1, and random rotations.

    Needs Z'Z invertible and as many latent as data columns, or more.
    """
    rng = np.random.default_rng(seed)
    Y, (e, V) = X.T @ X, np.linalg.eigh(Z.T @ Z)
    d, p = len(Y), len(e)
    costs = []
    for _ in range(count):
        tilt = 0.0 if rng.random() < 0.5 else rng.random() * beta
        B = np.linalg.eigh(Y + tilt * np.diag(rng.standard_normal(d)))[1]
        inner = B @ np.diag(np.minimum(rng.uniform(0, 1, d) ** 0.1, 1.0)) @ B.T
        s, T = np.linalg.eigh(Y - beta * inner)
        root = (T * np.sqrt(np.maximum(s, 0))) @ T.T
        if np.abs(np.linalg.eigvalsh(Y - root @ root)).max() > beta:
            continue
        R = np.linalg.qr(rng.standard_normal((p, d)))[0]
        if rng.random() < 0.5:  # near the best pairing of directions
            R = np.linalg.qr(np.eye(p)[:, ::-1][:, :d] @ T[:, ::-1].T + 0.1 * rng.random() * R)[0]
        costs.append(float(((V / np.sqrt(e)) @ R @ root).__pow__(2).sum()))
    return np.array(costs)


def random_rows(x: Array, beta: float, count: int = 500, seed: int = 0) -> Array:
    """Random samples w of the line whose gap to x is at most beta; (count, n), not sorted."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        move = rng.standard_normal(len(x)) - rng.random() * 2 * x
        t = 1.0
        while gap_at_kinks(x, x + t * move) > beta:
            t *= 0.8
        rows.append(x + t * move)
    return np.array(rows)


def linear_program(X: Array, Z: Array, beta: float, weight: float = 1.0) -> Any:
    """min (beta_g/2)|Z W|_F^2  s.t.  |X'1 - W'Z'1|_2 <= beta: a cvxpy.Problem; Z = I is the free generator."""
    import cvxpy as cp

    W = cp.Variable((Z.shape[1], X.shape[1]))
    mean = X.sum(0) - W.T @ Z.sum(0)
    return cp.Problem(cp.Minimize(weight / 2 * cp.sum_squares(Z @ W)), [cp.norm(mean) <= beta])


def searched_samples(X: Array, beta: float, seeds: range, directions: int = 180) -> list[Array]:
    """Local searches (SLSQP) for cheap samples in the plane under the ReLU gap, on a grid of directions.

    The budget is a little below beta, so that a point on the grid's edge is feasible between its directions as well.
    """
    turn = np.linspace(0, 2 * np.pi, directions, endpoint=False)
    U = np.column_stack([np.cos(turn), np.sin(turn)])
    real = np.maximum(X @ U.T, 0).sum(0)

    def room(flat: Array) -> Array:
        excess = np.maximum(flat.reshape(X.shape) @ U.T, 0).sum(0) - real
        return np.concatenate([0.98 * beta - excess, 0.98 * beta + excess])

    def slope(flat: Array) -> Array:
        active = (flat.reshape(X.shape) @ U.T > 0).T[:, :, None] * U[:, None, :]
        return np.concatenate([-active, active]).reshape(2 * directions, -1)

    found = []
    for seed in seeds:
        start = np.random.default_rng(seed).standard_normal(X.size)
        limit = {"type": "ineq", "fun": room, "jac": slope}
        end = minimize(
            lambda g: 0.5 * float(g @ g), start, jac=lambda g: g, method="SLSQP", constraints=[limit],
            options={"maxiter": 300},
        )  # fmt: skip
        if end.success:
            found.append(end.x.reshape(X.shape))
    return found
