"""Whitened rows as a map of the features, so that test samples can be whitened too.

    X = U S V',   T = V S^{-1} V':   X T = U V' = (X X')^{-1/2} X,   rows orthonormal for n <= d and full rank

A collapsed network then predicts with x'T (U V')'y_k = x'X^+ y_k: the classes of minimum-norm least squares.
"""

from __future__ import annotations

import numpy as np

from convexnn.data import Dataset, one_hot
from convexnn.data import matrix as features
from convexnn.numerics import EPS, Array, check_finite


def whitening(X: Array) -> Array:
    """T (d, d) with X T (X T)' = I. Raises ValueError where X (n, d) has more rows than rank."""
    check_finite(X=X)
    _, s, Vt = np.linalg.svd(X, full_matrices=False)
    if X.shape[0] > X.shape[1] or not s[-1] > max(X.shape) * EPS * s[0]:
        raise ValueError(
            f"X has shape {X.shape} and smallest singular value {s[-1]:.2g}; rows can be whitened only with n <= d and "
            "full row rank: take fewer samples or more features"
        )
    return np.asarray((Vt.T / s) @ Vt)


def undersampled(
    train: Dataset, test: Dataset, per_class: int, components: int, seed: int
) -> tuple[Array, Array, Array, Array]:
    """(X, Y, X_test, labels): `per_class` random training images of every class, whitened, and all test images.

    Features are the leading principal components of all training images; T is made from the drawn rows.
    """
    rng = np.random.default_rng(seed)
    pool, held_out = features(train), features(test)
    centre = pool.mean(0)
    axes = np.linalg.svd(pool - centre, full_matrices=False)[2][:components].T
    drawn = [rng.choice(np.flatnonzero(train.y == k), per_class, replace=False) for k in range(len(train.classes))]
    rows = np.concatenate(drawn)
    X = (pool[rows] - centre) @ axes
    T = whitening(X)
    return X @ T, one_hot(train.y[rows], len(train.classes)), (held_out - centre) @ axes @ T, np.asarray(test.y)
