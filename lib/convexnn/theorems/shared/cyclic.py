"""The patches of a circular convolution; shared by every theorem with filters on a circle."""

from __future__ import annotations

import numpy as np

from convexnn.numerics import Array, check_finite


def cyclic_patches(X: Array, h: int) -> Array:
    """(n, d, h): every cyclic window of length h of each row of X (n, d), a circular convolution's patches."""
    check_finite(X=X)
    if X.ndim != 2 or not 1 <= h <= X.shape[1]:
        raise ValueError(f"X has shape {X.shape} and h is {h}; pass a matrix (n, d) and 1 <= h <= d")
    d = X.shape[1]
    return np.ascontiguousarray(X[:, (np.arange(d)[:, None] + np.arange(h)) % d])
