"""Players of the quadratic game: a primal-dual method on the convex side, four kinds of descent-ascent on the other.

primal-dual       Chambolle-Pock on the bilinear game in (S, Q); its ergodic means are judged
simultaneous      both players step on the same gradients
alternating       the discriminator answers the generator's step
optimistic        steps on 2 g_t - g_{t-1}
extragradient     steps on the gradients of a trial point

Descent-ascent moves W, u_j (projected on the ball) and v_j (soft-thresholded by step * beta_d). Nothing in this file
says how good a player is: `second_moments.judge_players` does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_choice, check_positive
from convexnn.theorems.wgan.second_moments import bound_on_moments, judge_players

METHODS = ("simultaneous", "alternating", "optimistic", "extragradient")
Weights = tuple[Array, Array, Array]


@dataclass(frozen=True)
class Play:
    """A run: values (T,) of the generator's penalty, bounds' gaps (T,) at `iterations`, the last S and Q."""

    iterations: Array
    values: Array
    gaps: Array
    S: Array
    Q: Array


def primal_dual(X: Array, beta: float, weight: float = 1.0, steps: int = 2000, tol: float = 1e-8) -> Play:
    """Solve min_S max_Q b tr S + <Q, X'X - S> - beta |Q|_* with 0 <= S <= M I; stops at a judged gap of `tol`."""
    check_positive(beta=beta, weight=weight, steps=steps)
    Y, b, M = X.T @ X, 0.5 * weight, bound_on_moments(X)
    ratio = M / max(b, 1e-300)  # the players' sizes: S moves on the scale of M, Q on that of b
    tau, sigma = 0.99 * ratio, 0.99 / ratio
    S, Q = np.zeros_like(Y), np.zeros_like(Y)
    best, log = (np.inf, S, Q), []
    for t in range(1, int(steps) + 1):
        w, V = np.linalg.eigh(S + tau * (Q - b * np.eye(len(Y))))
        new = (V * np.clip(w, 0, M)) @ V.T
        w, V = np.linalg.eigh(Q + sigma * (Y - 2 * new + S))
        Q = (V * (np.sign(w) * np.maximum(np.abs(w) - sigma * beta, 0))) @ V.T
        S = new
        if t % 10 == 0:
            found = judge_players(X, beta, S, Q, weight).gap
            log.append((t, b * np.trace(S), found))
            best = min(best, (found, S, Q), key=lambda pair: pair[0])
            if found <= tol:
                break
    rows = np.array(log).reshape(-1, 3)
    return Play(rows[:, 0], rows[:, 1], rows[:, 2], best[1], best[2])


def start(d: int, p: int, width: int, seed: int) -> Weights:
    """Seeded weights W (p, d), U (m, d) in the ball, v (m,)."""
    rng = np.random.default_rng(seed)
    U = rng.standard_normal((width, d))
    return 0.1 * rng.standard_normal((p, d)), U / np.linalg.norm(U, axis=1)[:, None], 0.1 * rng.standard_normal(width)


def gradients(weights: Weights, Y: Array, A: Array, weight: float) -> Weights:
    """Descent directions of W and ascent directions of (u, v) for the payoff without beta_d; A = Z'Z."""
    W, U, v = weights
    S = W.T @ A @ W
    WU = W @ U.T
    down = weight * A @ W - 2 * A @ (WU * v) @ U
    up = 2 * v[:, None] * (U @ (Y - S))
    return down, up, np.einsum("jd,de,je->j", U, Y - S, U)


def _move(weights: Weights, g: Weights, steps: tuple[float, float], beta: float) -> Weights:
    """One projected step: W down; u up, then into the ball; v up, then towards zero by step * beta."""
    (W, U, v), (down, up) = weights, steps
    U = U + up * g[1]
    U = U / np.maximum(np.linalg.norm(U, axis=1), 1.0)[:, None]
    v = v + up * g[2]
    return W - down * g[0], U, np.sign(v) * np.maximum(np.abs(v) - up * beta, 0)


def descent_ascent(
    X: Array,
    Z: Array,
    beta: float,
    method: str = "simultaneous",
    step: float = 0.01,
    steps: int = 2000,
    weight: float = 1.0,
    width: int = 8,
    seed: int = 0,
    every: int = 20,
) -> Play:
    """Play (W, U, v) from seeded weights; steps are relative: divided by beta_g lam_1(Z'Z) and by the data's sigma_1^2.

    A run whose weights stop being finite, or whose moments exceed 1e6 times the data's, ends there with gap inf.
    """
    check_choice("method", method, METHODS)
    check_positive(step=step, steps=steps)
    Y, A = X.T @ X, Z.T @ Z
    lr = (step / (weight * float(np.linalg.norm(A, 2))), step * weight / float(np.linalg.norm(Y, 2)))
    weights = start(X.shape[1], Z.shape[1], width, seed)
    old = gradients(weights, Y, A, weight)
    log: list[tuple[float, float, float]] = []
    for t in range(int(steps) + 1):
        W, U, v = weights
        S = W.T @ A @ W
        size = float(np.trace(S))
        if not size <= 1e6 * np.trace(Y):
            log.append((t, np.inf, np.inf))
            break
        if t % every == 0:
            log.append((t, 0.5 * weight * size, judge_players(X, beta, S, (U.T * v) @ U, weight).gap))
        g = gradients(weights, Y, A, weight)
        if method == "alternating":
            weights = (_move(weights, g, lr, beta)[0], U, v)
            weights = _move(weights, gradients(weights, Y, A, weight), (0.0, lr[1]), beta)
        elif method == "extragradient":
            weights = _move(weights, gradients(_move(weights, g, lr, beta), Y, A, weight), lr, beta)
        else:
            used = g if method == "simultaneous" else tuple(2 * a - b for a, b in zip(g, old))
            weights, old = _move(weights, used, lr, beta), g  # type: ignore[arg-type]
    rows = np.array(log)
    return Play(rows[:, 0], rows[:, 1], rows[:, 2], S, (U.T * v) @ U)
