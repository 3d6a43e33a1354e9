"""Real Fourier coordinates: one column a frequency, in which the l1 norm of F z is a sum of lengths.

With the unitary transform F, an orthonormal real basis z = sum_k B[:, k] a_k has a_k in R (frequency 0, and d/2 for
even d) or in R^2 (cosine and sine of a conjugate pair), and

    |F z|_1 = sum_k mu_k |a_k|,    mu = 1 for a frequency that is its own conjugate, sqrt(2) for a pair
"""

from __future__ import annotations

import numpy as np

from convexnn.numerics import Array


def real_fourier(d: int) -> tuple[Array, Array]:
    """B (d, 2, S) with S = d // 2 + 1 frequencies, orthonormal or zero columns, and mu (S,)."""
    k, t = np.arange(d // 2 + 1), np.arange(d)
    own = (k == 0) | (2 * k == d)
    angle = 2 * np.pi * np.outer(t, k) / d
    B = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.where(own, 1.0, np.sqrt(2.0)) / np.sqrt(d)
    B[:, 1, own] = 0.0
    return B, np.where(own, 1.0, np.sqrt(2.0))


def spectrum(z: Array) -> Array:
    """F z along the last axis, F unitary."""
    return np.asarray(np.fft.fft(z, norm="ortho"))
