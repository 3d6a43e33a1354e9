"""The two finite programs in the paper's letters, written for CVXPY and for nothing else.

    before   min  1/2 | sum_k sum_i D_i^(k) U'_(k) (s_i - s_i') - y |^2 + beta sum_i ( |s_i| + |s_i'| ),
             (2 D_i - I) U' s_i, (2 D_i - I) U' s_i' >= 0
    after    min  1/2 | sum_i H D_i X (z_i - z_i') + 1 (a_i - a_i') / sqrt(n) - y |^2
                  + beta sum_i ( |(H D_i X z_i, a_i)| + |(H D_i X z_i', a_i')| ),   (2 D_i - I) X z_i, .. >= 0

The second is written in z, without any decomposition of H D_i X: |H D_i X z| = |q|.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convexnn.numerics import Array, BoolArray
from convexnn.patterns import enumerate_patterns
from convexnn.types import Data


def printed_program(data: Data, place: str, D: BoolArray | None) -> Any:
    """A cvxpy.Problem for one output and the squared loss."""
    if data.y.size != data.n:
        raise ValueError(f"y has shape {data.y.shape}; the printed programs here have one output")
    return _after(data, D) if place == "after" else _before(data, D)


def _before(data: Data, D: BoolArray | None) -> Any:
    import cvxpy as cp

    M = np.vstack(list(data.X.swapaxes(0, 1))) if data.X.ndim == 3 else data.X  # patch by patch, as printed
    N = len(M)
    basis = _orthonormal(M - np.ones((N, N)) @ M / N)
    Up = np.column_stack([basis, np.ones(N) / np.sqrt(N)])
    fit, price, constraints = 0, 0, []
    for d in (enumerate_patterns(Up) if D is None else _by_patch(D, data)).T:
        on, sign = d.astype(float)[:, None] * Up, (2 * d.astype(float) - 1)[:, None] * Up
        E = sum(np.split(on, N // data.n))
        s, t = cp.Variable(Up.shape[1]), cp.Variable(Up.shape[1])
        fit = fit + E @ (s - t)
        price = price + cp.norm(s, 2) + cp.norm(t, 2)
        constraints += [sign @ s >= 0, sign @ t >= 0]
    return cp.Problem(cp.Minimize(0.5 * cp.sum_squares(fit - data.y.reshape(-1)) + data.beta * price), constraints)


def _after(data: Data, D: BoolArray | None) -> Any:
    import cvxpy as cp

    n, X = data.n, data.X
    H = np.eye(n) - np.ones((n, n)) / n
    fit, price, constraints = 0, 0, []
    for d in (enumerate_patterns(X) if D is None else D).T:
        image, sign = H @ np.diag(d.astype(float)) @ X, (2 * d.astype(float) - 1)[:, None] * X
        for outer in (1.0, -1.0):
            z, a = cp.Variable(X.shape[1]), cp.Variable(1)
            fit = fit + outer * (image @ z + np.ones((n, 1)) @ a / np.sqrt(n))
            price = price + cp.norm(cp.hstack([image @ z, a]), 2)
            constraints += [sign @ z >= 0]
    return cp.Problem(cp.Minimize(0.5 * cp.sum_squares(fit - data.y.reshape(-1)) + data.beta * price), constraints)


def _orthonormal(centred: Array) -> Array:
    """An orthonormal basis of the column space, from the eigenvectors of the Gram matrix."""
    values, vectors = np.linalg.eigh(centred @ centred.T)
    return np.asarray(vectors[:, values > 1e-12 * values[-1]])


def _by_patch(D: BoolArray, data: Data) -> BoolArray:
    """Rows ordered sample by sample become patch by patch."""
    return D if data.X.ndim == 2 else D.reshape(data.n, -1, D.shape[1]).swapaxes(0, 1).reshape(len(D), -1)
