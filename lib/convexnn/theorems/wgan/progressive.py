"""Progressive training in closed form: every stage is the quadratic game on images of twice as many pixels.

    stage i:   H = [features, 1],   W = V_H D^-1 (Sigma_k^2 - beta_i)^(1/2) V_X',   beta_i = sigma_{k_i + 1}(X_i)^2

features of the first stage are latents, later the generated images, upsampled (nearest neighbour). X_i is centred. Then
(H W)'(H W) = V (Sigma^2 - beta_i)_+ V' for the k_i first components: the stage identity, `Stage.moment_error`.

The chain is linear, so rank H <= min(k_1 .. k_{i-1}, latents + 1) + 1, and a schedule that grows past it divides by
rounding errors. The guard compares k_i with the numerical rank of H: "raise", "cap" it, add "fresh" latents to every
stage, or "off", which is what an unguarded schedule does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_choice, check_finite
from convexnn.theorems.wgan.closed_form import RCOND

GUARDS = ("raise", "cap", "fresh", "off")


class RankError(ValueError):
    """A stage wants more components than its features have."""


@dataclass(frozen=True)
class Stage:
    """One frozen stage. shape (h, w, channels); rank of its features; asked and used components; beta_d."""

    shape: tuple[int, int, int]
    W: Array
    mean: Array
    asked: int
    used: int
    rank: int
    beta: float
    moment_error: float
    elapsed_s: float


@dataclass(frozen=True)
class Progressive:
    """A chain of stages; `latents` columns feed the first stage, and every stage when `fresh`."""

    stages: tuple[Stage, ...]
    latents: int
    fresh: bool

    def draw(self, n: int, seed: int) -> list[Array]:
        """Gaussian latents for n images, one (n, latents) array a stage."""
        rng = np.random.default_rng(seed)
        return [rng.standard_normal((n, self.latents)) for _ in range(max(1, len(self.stages)))]

    def generate(self, latents: Sequence[Array], dtype: type = np.float64) -> Array:
        """Images (n, h, w, channels) of the last stage, mean added; `dtype` is the precision of the products."""
        rows: Array | None = None
        for i, stage in enumerate(self.stages):
            H = features(rows, None if i == 0 else self.stages[i - 1].shape, latents[i], self.fresh)
            rows = H.astype(dtype) @ stage.W.astype(dtype)
        assert rows is not None  # a chain has stages
        return np.asarray(rows + self.stages[-1].mean, dtype=np.float64).reshape(-1, *self.stages[-1].shape)


def features(rows: Array | None, shape: tuple[int, int, int] | None, latent: Array, fresh: bool) -> Array:
    """[upsampled images, latents, 1]; images from the second stage on, latents in the first one or when fresh."""
    parts = []
    if rows is not None and shape is not None:
        parts.append(rows.reshape(-1, *shape).repeat(2, axis=1).repeat(2, axis=2).reshape(len(rows), -1))
    if rows is None or fresh:
        parts.append(latent.astype(parts[0].dtype if parts else latent.dtype))
    return np.column_stack([*parts, np.ones(len(latent))])


def train_stages(
    images: Sequence[Array], components: Sequence[int], latents: int = 48, seed: int = 0, guard: str = "raise"
) -> Progressive:
    """Train the whole chain; images[i] is (n, h_i, w_i, channels) in [0, 1] with h_{i+1} = 2 h_i.

    components  k_i for every stage;  guard  see the module
    Raises RankError (guard="raise") naming the stage, and ValueError for images that do not double.
    """
    check_choice("guard", guard, GUARDS)
    _check_images(images, components)
    chain = Progressive((), latents, guard == "fresh")
    n = len(images[0])
    drawn = Progressive((None,) * len(images), latents, chain.fresh).draw(n, seed)  # type: ignore[arg-type]
    rows, stages = None, list(chain.stages)
    for i, (stack, k) in enumerate(zip(images, components)):
        started = time.perf_counter()
        H = features(rows, stages[-1].shape if stages else None, drawn[i], chain.fresh)
        mean = stack.reshape(n, -1).mean(0)
        X = stack.reshape(n, -1) - mean
        W, used, rank, beta, target = fit_stage(X, H, int(k), guard, i + 1)
        elapsed = time.perf_counter() - started
        rows = H @ W
        error = moment_error(rows, target)
        shape = (int(stack.shape[1]), int(stack.shape[2]), int(stack.shape[3]))
        stages.append(Stage(shape, W, mean, int(k), used, rank, beta, error, elapsed))
    return Progressive(tuple(stages), latents, chain.fresh)


def _oriented(A: Array) -> tuple[Array, Array]:
    """Singular values and right vectors (rows), each with its largest entry positive: a sign is a different image."""
    s, V = np.linalg.svd(A, full_matrices=False)[1:]
    return s, V * np.sign(V[np.arange(len(V)), np.abs(V).argmax(1)])[:, None]


def fit_stage(X: Array, H: Array, k: int, guard: str, number: int) -> tuple[Array, int, int, float, Array]:
    """W, components used, rank of H, beta, and T with T'T the second moment that the stage is to have."""
    D, Vh = _oriented(H)
    s, Vx = _oriented(X)
    rank, most = int((RCOND * D[0] < D).sum()), int((s > RCOND * s[0]).sum())
    used = min(k, most - (most == len(s)))
    if guard != "off" and used > rank:
        if guard in ("raise", "fresh"):
            raise RankError(
                f"stage {number} asks for k={k} components, but its features have rank {rank}: it would divide by "
                "rounding errors; lower k, draw more latents, or use guard='cap' or guard='fresh'"
            )
        used = rank
    used = min(used, len(D))
    beta = float(s[used] ** 2) if used < len(s) else 0.0
    strength = np.sqrt(np.maximum(s[:used] ** 2 - beta, 0))
    target = strength[:, None] * Vx[:used]
    return (Vh[:used].T / D[:used]) @ target, used, rank, beta, target


def moment_error(G: Array, target: Array) -> float:
    """|G'G - T'T|_F / |T'T|_F, computed in the row space of the two."""
    basis = np.linalg.qr(np.vstack([G, target]).T)[0]
    small, wanted = G @ basis, target @ basis
    moment = wanted.T @ wanted
    return float(np.linalg.norm(small.T @ small - moment) / np.linalg.norm(moment))


def _check_images(images: Sequence[Array], components: Sequence[int]) -> None:
    if len(images) != len(components) or not images:
        raise ValueError(f"components has {len(components)} entries for {len(images)} stages; give one for each")
    for i, stack in enumerate(images):
        check_finite(**{f"images[{i}]": stack})
        if stack.ndim != 4 or (i and stack.shape[1:3] != (2 * images[i - 1].shape[1], 2 * images[i - 1].shape[2])):
            raise ValueError(f"images[{i}] has shape {stack.shape}; pass (n, h, w, channels), twice the stage before")
        if int(components[i]) < 1:
            raise ValueError(f"components[{i}] is {components[i]}; a stage needs at least one component")
