"""The trained rival of the closed form: the same stages and the same game, played by Adam with alternating steps.

Generator W of a stage and a discriminator of `neurons` quadratic neurons take turns; the payoff is the stage's own

    sum_j v_j (|X u_j|^2 - |H W u_j|^2) / n + (beta_g/2)|H W|^2 / n - (beta_d/n) sum_j |v_j|,       |u_j| <= 1

and earlier stages are frozen, as in the closed form. The best generator so far by a given quality is remembered, with
the seconds that it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array
from convexnn.theorems.wgan.images import sliced_distance
from convexnn.theorems.wgan.progressive import Progressive, Stage, features

Quality = Callable[[Progressive], float]


@dataclass(frozen=True)
class Descent:
    """times_s (T,) and qualities (T,) of the last stage, and the chain that was best."""

    times_s: Array
    qualities: Array
    best: Progressive


def distance_to(held_out: Array, latents: Sequence[Array]) -> Quality:
    """The sliced distance of what a chain makes from `latents` to the images `held_out`."""
    return lambda chain: sliced_distance(chain.generate(latents), held_out)


class Adam:
    """Adam on one array; `step` returns the move, of size about `rate`."""

    def __init__(self, rate: float, like: Array) -> None:
        self.rate, self.t = rate, 0
        self.m, self.s = np.zeros_like(like), np.zeros_like(like)

    def step(self, g: Array) -> Array:
        """The move for gradient g; momentum 0, as progressive GANs use, and 0.99 for the squares."""
        self.t += 1
        self.s = 0.99 * self.s + 0.01 * g * g
        return np.asarray(self.rate * g / (np.sqrt(self.s / (1 - 0.99**self.t)) + 1e-8))


def train_by_descent(
    images: Sequence[Array], chain: Progressive, quality: Quality, steps: int = 1500, every: int = 50,
    neurons: int = 32, rate: float = 2e-3, weight: float = 1.0, seed: int = 0,
) -> Descent:  # fmt: skip
    """Train stages of the sizes and beta_d of `chain` by descent-ascent, `steps` for each; quality: lower is better."""
    rng = np.random.default_rng(seed)
    drawn, rows, stages = chain.draw(len(images[0]), seed), None, list[Stage]()
    spent, log, best = 0.0, [], (np.inf, chain)
    for i, (stack, twin) in enumerate(zip(images, chain.stages)):
        H = features(rows, stages[-1].shape if stages else None, drawn[i], chain.fresh)
        X = stack.reshape(len(stack), -1) - twin.mean
        player = _Players(X, H, twin.beta, weight, neurons, rate, rng)
        for _ in range(0, steps, every):
            started = time.perf_counter()
            for _ in range(every):
                player.turn()
            spent += time.perf_counter() - started
            if i + 1 == len(images):
                made = Stage(twin.shape, player.W.copy(), twin.mean, 0, 0, 0, twin.beta, np.nan, spent)
                trained = Progressive((*stages, made), chain.latents, chain.fresh)
                found = quality(trained)
                log.append((spent, found))
                best = min(best, (found, trained), key=lambda pair: pair[0])
        stages.append(Stage(twin.shape, player.W, twin.mean, 0, 0, 0, twin.beta, np.nan, spent))
        rows = H @ player.W
    times, qualities = np.array(log).T
    return Descent(times, qualities, best[1])


class _Players:
    """Weights of one stage's game and their optimisers."""

    def __init__(
        self, X: Array, H: Array, beta: float, weight: float, neurons: int, rate: float, rng: np.random.Generator
    ) -> None:
        self.X, self.H, self.beta, self.weight, self.n = X, H, beta, weight, len(X)
        self.W = rng.standard_normal((H.shape[1], X.shape[1])) * 0.01
        U = rng.standard_normal((neurons, X.shape[1]))
        self.U, self.v = U / np.linalg.norm(U, axis=1)[:, None], np.zeros(neurons)
        self.moves = Adam(rate, self.W), Adam(rate, self.U), Adam(10 * rate, self.v)

    def turn(self) -> None:
        """The discriminator steps, then the generator answers."""
        G = self.H @ self.W
        real, fake = self.X @ self.U.T, G @ self.U.T
        up = 2 * self.v[:, None] * (real.T @ self.X - fake.T @ G) / self.n
        gain = ((real**2).sum(0) - (fake**2).sum(0)) / self.n
        shrink = np.sign(self.v) * self.beta / self.n
        self.v = self.v + self.moves[2].step(np.where(self.v == 0, _soft(gain, self.beta / self.n), gain - shrink))
        self.U = self.U + self.moves[1].step(up)
        self.U /= np.maximum(np.linalg.norm(self.U, axis=1), 1.0)[:, None]
        fake = G @ self.U.T
        down = self.H.T @ (self.weight * G - 2 * (fake * self.v) @ self.U) / self.n
        self.W = self.W - self.moves[0].step(down)


def _soft(a: Array, by: float) -> Array:
    return np.asarray(np.sign(a) * np.maximum(np.abs(a) - by, 0))
