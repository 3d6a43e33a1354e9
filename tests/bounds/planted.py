"""Instances that the bound tests share."""

import numpy as np

#: seed, n, d -> M+(y), M+(-y) for default_rng(seed), X then y standard normal (all-cells non-negative least squares).
GOLDEN = {
    (0, 5, 2): (0.0, 2.24620186),
    (1, 6, 2): (0.37699563, 1.16024803),
    (2, 6, 3): (0.72826655, 2.06563004),
    (4, 10, 3): (2.73660133, 2.94054359),
}


def gaussian(seed, n, d):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, rng.standard_normal(n)


def planted(n, d, seed=0):
    """Gaussian X, y = a five-neuron network plus ten per cent noise."""
    rng = np.random.default_rng(seed)
    X, W, a = rng.standard_normal((n, d)), rng.standard_normal((d, 5)), rng.standard_normal(5)
    f = np.maximum(X @ W, 0) @ a
    return X, f + 0.1 * np.linalg.norm(f) / np.sqrt(n) * rng.standard_normal(n)


def phi(X, v, U):
    """v'(Xu)_+ at the rows of U scaled to unit length."""
    U = U / np.linalg.norm(U, axis=1, keepdims=True)
    return np.maximum(U @ X.T, 0) @ v
