"""Small sets that the files of convex geometry share: points on a line, spike-free and spiked matrices."""

from __future__ import annotations

import numpy as np

from convexnn import Data

FIVE_X = np.arange(-2.0, 3.0).reshape(-1, 1)
FIVE_Y = np.array([1.0, -1.0, 1.0, 1.0, -1.0])
#: The catalogue's spike-free matrix whose two-neuron interpolant is not optimal: A A' is the inverse of G.
G = np.array([[1.0, -0.4, -0.4], [-0.4, 1.0, 0.0], [-0.4, 0.0, 1.0]])
A_STIELTJES = np.linalg.cholesky(np.linalg.inv(G))


def on_a_line(seed: int, n: int = 7, loss: str = "squared", beta: float = 0.2) -> Data:
    rng = np.random.default_rng(seed)
    t, y = rng.uniform(-2, 2, n), rng.standard_normal(n)
    return Data(t[:, None], y if loss == "squared" else np.where(y > 0, 1.0, -1.0), beta)


def orthonormal_rows(seed: int, n: int, d: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, n)))[0].T


SPIKES = {
    "whitened": (orthonormal_rows(0, 3, 5), True),
    "orthogonal": (orthonormal_rows(1, 3, 5) * np.array([[1.0], [2.0], [0.3]]), True),
    "stieltjes": (A_STIELTJES, True),
    "positive rank one": (np.outer([1.0, 2.0, 0.0, 3.0], [1.0, -1.0]), True),
    "repeated rows": (np.vstack([A_STIELTJES, 2 * A_STIELTJES[:1]]), True),
    "mixed": (np.outer([1.0, -2.0], [1.0, -1.0]), False),
    "orthonormal columns": (orthonormal_rows(2, 3, 5).T, False),
    "gaussian": (np.random.default_rng(3).standard_normal((3, 4)), False),
    "nearly parallel": (np.array([[1.0, 0.0], [1.0, 0.05], [0.0, 1.0]]), False),
    "slightly obtuse": (np.array([[1.0, 0.0], [-0.01, 1.0]]), False),
    "negative product": (np.array([[1.0, 0.0], [-0.5, 1.0]]), False),
    "non-negative products": (np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0.5]]), False),
}
