"""The contrast: infinitely wide networks in the lazy regime are a fixed kernel, the neural tangent kernel.

    k(x, x') = ( |x||x'| (sin t + (pi - t) cos t) + x'x' (pi - t) ) / (2 pi),     t the angle between x and x'

It is E[(g'x)_+ (g'x')_+] + x'x' E[1(g'x > 0) 1(g'x' > 0)] over Gaussian g: both layers of a two-layer ReLU network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_finite


def tangent_kernel(X: Array, Z: Array) -> Array:
    """k(x_i, z_j), shape (n, m)."""
    check_finite(X=X, Z=Z)
    size = np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(Z, axis=1))
    inner = X @ Z.T
    t = np.arccos(np.clip(inner / np.maximum(size, 1e-300), -1.0, 1.0))
    return np.asarray((size * (np.sin(t) + (np.pi - t) * np.cos(t)) + inner * (np.pi - t)) / (2 * np.pi))


@dataclass(frozen=True)
class KernelFit:
    """The minimum-norm interpolant (ridge = 0) or ridge fit of the tangent kernel; a bias is one more coordinate 1."""

    points: Array
    coefficients: Array

    def predict(self, X: Array) -> Array:
        """Predictions (m,) for rows X (m, d) without the coordinate of the bias."""
        return np.asarray(tangent_kernel(_with_one(X), self.points) @ self.coefficients)


def kernel_fit(X: Array, y: Array, ridge: float = 0.0) -> KernelFit:
    """Coefficients of min 1/2 |K c - y|^2 + ridge/2 c'K c, that is (K + ridge I) c = y."""
    check_finite(X=X, y=y)
    if not ridge >= 0:
        raise ValueError(f"ridge is {ridge}; pass a number >= 0")
    points = _with_one(X)
    K = tangent_kernel(points, points) + ridge * np.eye(len(X))
    return KernelFit(points, np.asarray(np.linalg.solve(K, y)))


def _with_one(X: Array) -> Array:
    return np.hstack([X, np.ones((len(X), 1))])
