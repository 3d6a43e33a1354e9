"""Data with a falling spectrum whose targets live on the first directions: where truncation can help."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convexnn.numerics import Array
from convexnn.types import Data


class Task(NamedTuple):
    """Training data with its test rows and targets."""

    data: Data
    X_test: Array
    y_test: Array


def falling(seed: int, n: int = 80, d: int = 20, informative: int = 3, beta: float = 0.02, noise: float = 0.3) -> Task:
    """x = Q diag(i^-1.5) z with z Gaussian; y a fixed function of z_1 .. z_3 plus noise; 400 test rows."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n + 400, d))
    Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    X = (Z * np.arange(1, d + 1) ** -1.5) @ Q.T
    first = Z[:, :informative]
    y = np.maximum(first @ np.array([1.0, 0.5, -0.5])[:informative], 0) - 0.5 * np.abs(first[:, -1])
    y = y + noise * rng.standard_normal(len(y))
    return Task(Data(X[:n], y[:n], beta, "falling"), X[n:], y[n:])
