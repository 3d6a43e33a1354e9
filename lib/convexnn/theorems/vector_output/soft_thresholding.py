"""Whitened rows: the optimal network is a soft-thresholded singular value decomposition of the targets.

X X' = I (n <= d) and Y = sum_k s_k l_k r_k'. When every l_k with s_k > beta can be chosen entrywise non-negative,

    f* = sum_k (s_k - beta)_+ l_k r_k',    u_k = X'l_k,  a_k = (s_k - beta)_+ r_k,    value = sum_k h(s_k)

with h(t) = beta t - beta^2 / 2 for t > beta, else t^2 / 2. Otherwise sum_k h(s_k) is only a lower bound: (X u)_+ has
length at most |u|, so sigma_max(v) bounds M(v), and the bound is the nuclear norm's. Repeated singular values: a basis
of the whole space is chosen, since a generic one has mixed signs; non-negative orthonormal vectors have disjoint
supports.

Semi-non-negative factorisation: the fit of any network is H A with H = (X U)_+ >= 0; on whitened rows every H >= 0 is
reached by U = H'X, so training is    min over H >= 0, A   1/2 |H A - Y|^2 + beta/2 ( |H|^2 + |A|^2 ).
Source: Sahiner, Ergen, Pauly and Pilanci (arXiv 2012.13329); the sign condition in this form is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.losses import get_loss
from convexnn.numerics import Array, check_positive
from convexnn.theorems.shared.closed_forms import CLASS_TOL, huber
from convexnn.theorems.vector_output.vector_network import VectorNetwork
from convexnn.types import Data

#: Entries of a unit singular vector above minus this count as non-negative; singular values are equal within it.
SIGN_TOL = 1e-8


@dataclass(frozen=True)
class SoftThreshold:
    """The optimal network, its objective, and the fit V = sum_k (s_k - beta)_+ X'l_k r_k' in the data's coordinates."""

    network: VectorNetwork
    value: float
    V: Array


def soft_threshold(data: Data) -> SoftThreshold:
    """The closed form. Raises ValueError when rows are not orthonormal or a surviving l_k has both signs."""
    X, Y = _whitened(data)
    left, s, _ = np.linalg.svd(Y, full_matrices=False)
    kept, directions, outputs = s > data.beta, [], []
    for group in _clusters(s[kept]):
        L = nonnegative_basis(left[:, group])
        if L is None:
            raise ValueError(
                f"y has a singular value {s[group[0]]:.4g} > beta whose left singular vectors have both signs; the "
                "soft threshold is only a lower bound here (`threshold_bound`), use column_generation or a program"
            )
        directions.append(L.T @ X)
        outputs.append((s[group[0]] - data.beta) / s[group[0]] * (L.T @ Y))
    U = np.vstack([np.zeros((0, data.d)), *directions])
    A = np.vstack([np.zeros((0, Y.shape[1])), *outputs])
    root = np.sqrt(np.linalg.norm(A, axis=1))[:, None]
    network = VectorNetwork(U * root, (A / root)[:, None, :], get_loss("squared"), np.ones((1, 1)))
    return SoftThreshold(network, threshold_bound(data), U.T @ A)


def threshold_bound(data: Data) -> float:
    """sum_k h(s_k): a lower bound for every network on whitened rows, attained when the sign condition holds."""
    return sum(huber(float(s), data.beta) for s in np.linalg.svd(_whitened(data)[1], compute_uv=False))


def nonnegative_basis(L: Array) -> Array | None:
    """A non-negative orthonormal basis (n, k) of the span of L (n, k, orthonormal), or None when there is none.

    Such vectors have disjoint supports, so the projector L L' is block diagonal with blocks l l' of rank one.
    """
    P = L @ L.T
    support, basis = np.diag(P) > SIGN_TOL, []
    while support.any():
        row = int(np.argmax(np.where(support, np.diag(P), -1.0)))
        l = P[row] / np.sqrt(P[row, row])
        basis.append(np.maximum(l, 0.0))
        support &= l <= SIGN_TOL
    B = np.array(basis).T
    return B if B.shape == L.shape and np.abs(B @ B.T - P).max() <= 100 * SIGN_TOL else None


def semi_nmf(Y: Array, beta: float, factors: int, seed: int = 0, sweeps: int = 500) -> tuple[Array, Array, float]:
    """H (n, k) >= 0, A (k, c) and 1/2 |H A - Y|^2 + beta/2 (|H|^2 + |A|^2) by exact block updates from a random start.

    h_k = (R a_k)_+ / (|a_k|^2 + beta),  a_k = R'h_k / (|h_k|^2 + beta)  with R = Y - the other factors; it never rises.
    """
    check_positive(beta=beta, factors=factors, sweeps=sweeps)
    rng = np.random.default_rng(seed)
    H, A = np.abs(rng.standard_normal((len(Y), factors))), rng.standard_normal((factors, Y.shape[1]))
    R = Y - H @ A
    for _ in range(sweeps):
        for k in range(factors):
            R += np.outer(H[:, k], A[k])
            H[:, k] = np.maximum(R @ A[k], 0) / (float(A[k] @ A[k]) + beta)
            A[k] = R.T @ H[:, k] / (float(H[:, k] @ H[:, k]) + beta)
            R -= np.outer(H[:, k], A[k])
    return H, A, 0.5 * float(np.square(R).sum()) + 0.5 * beta * float(np.square(H).sum() + np.square(A).sum())


def factors_to_network(data: Data, H: Array, A: Array) -> VectorNetwork:
    """The network U = H'X with hidden activations H on whitened rows. Raises ValueError for a negative entry of H."""
    X, _ = _whitened(data)
    if (H < 0).any():
        raise ValueError(f"H has the entry {H.min():.3g}; activations of a ReLU network are >= 0")
    return VectorNetwork(H.T @ X, A[:, None, :], get_loss("squared"), np.ones((1, 1)))


def _whitened(data: Data) -> tuple[Array, Array]:
    if data.X.ndim != 2:
        raise ValueError(f"X has shape {data.X.shape}; this closed form takes a matrix (n, d)")
    off = float(np.abs(data.X @ data.X.T - np.eye(data.n)).max())
    if off > CLASS_TOL:
        raise ValueError(f"X X' differs from I by {off:.2g}; whiten the rows first (n <= d): data.whiten_rows(X)")
    return data.X, data.y.reshape(data.n, -1)


def _clusters(s: Array) -> list[list[int]]:
    """Indices of equal singular values, in falling order."""
    groups: list[list[int]] = []
    for k, value in enumerate(s):
        if groups and s[groups[-1][0]] - value <= SIGN_TOL * s[0]:
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups
