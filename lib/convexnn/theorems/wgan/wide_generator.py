"""Descent-ascent with a linear discriminator and a wide one-hidden-layer generator: it converges, at a kernel's rate.

    min_U max_q   q'(mean X - mean G_U) - |q|^2 / 2,      G_U(z) = A'(U z)_+ / sqrt(m),   A fixed, only U is trained

Around its start a wide generator is linear in U, and d = mean X - mean G moves by -eta K q with the kernel K = J J' of
the mean. One step of both players is the matrix [[1 - s, s], [-eta K, 1]] on (q, d). Its spectral radius is the rate;
it is below one when K has no zero eigenvalue, which needs m >= the number of columns. That a finite width
does converge is measured here, not proved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_positive


@dataclass(frozen=True)
class Walk:
    """distances (T,) |d| after each step; `rate` measured on the second half of the fall, `predicted` by the kernel."""

    distances: Array
    rate: float
    predicted: float
    movement: float  # |U - U_0| / |U_0|


def descent_on_means(
    target: Array, Z: Array, width: int, step: float = 0.2, answer: float = 0.2, steps: int = 400, seed: int = 0
) -> Walk:
    """Simultaneous descent-ascent from seeded weights towards the mean `target` (d,) with latents Z (n, p).

    step    eta times the mean eigenvalue of K;  answer   s, the discriminator's step in (0, 1]
    """
    check_positive(width=width, step=step, answer=answer, steps=steps)
    rng = np.random.default_rng(seed)
    U = rng.standard_normal((width, Z.shape[1])) / np.sqrt(Z.shape[1])
    A = rng.standard_normal((width, len(target)))
    first, K = U.copy(), kernel(Z, U, A)
    eta = step / (np.trace(K) / len(target))
    q, distances = np.zeros(len(target)), []
    for _ in range(int(steps) + 1):
        active = Z @ U.T > 0
        d = target - (np.where(active, Z @ U.T, 0).mean(0) @ A) / np.sqrt(width)
        distances.append(float(np.linalg.norm(d)))
        pull = active.T.astype(float) @ Z / len(Z)
        U = U + eta * (A @ q)[:, None] * pull / np.sqrt(width)
        q = q + answer * (d - q)
    moved = float(np.linalg.norm(U - first) / np.linalg.norm(first))
    return Walk(np.array(distances), _rate(np.array(distances)), predicted_rate(K, eta, answer), moved)


def kernel(Z: Array, U: Array, A: Array) -> Array:
    """K = J J' (d, d) of the generated mean: sum_j a_j a_j' |mean_i 1[u_j'z_i > 0] z_i|^2 / m."""
    pull = (Z @ U.T > 0).T.astype(float) @ Z / len(Z)
    return (A.T * (pull**2).sum(1)) @ A / len(U)


def predicted_rate(K: Array, eta: float, answer: float) -> float:
    """The largest |eigenvalue| of one step of both players."""
    blocks = [np.array([[1 - answer, answer], [-eta * k, 1.0]]) for k in np.linalg.eigvalsh(K)]
    return float(max(np.abs(np.linalg.eigvals(block)).max() for block in blocks))


def _rate(distances: Array, floor: float = 1e-11) -> float:
    """Factor per step: the slope of the logarithm's running maximum over the second half before the floor."""
    alive = np.flatnonzero(distances > floor * max(distances[0], 1e-300))
    last = int(alive[-1])
    tail = np.log(np.maximum.accumulate(distances[: last + 1][::-1])[::-1])
    at = np.arange(last // 2, last + 1)
    return float(np.exp(np.polyfit(at, tail[at], 1)[0])) if len(at) > 2 else float("nan")
