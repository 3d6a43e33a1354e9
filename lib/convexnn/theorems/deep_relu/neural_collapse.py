"""Neural collapse in four numbers, all 0 where it is complete.

With last hidden features H (n, m), class means mu_k, their mean mu, centred means M (rows mu_k - mu), covariances
within and between the classes Sw and Sb, and classifier columns w_k:

    NC1  tr(Sw Sb^+) / K                                        samples of a class have one feature vector
    NC2  largest of  std |M_k| / mean |M_k|  and  |cos(M_j, M_k) + 1/(K-1)|      centred means: a simplex of equal sides
    NC3  | C/|C| - M/|M| |_F,  C the centred classifier rows    classifier and means are the same up to scale
    NC4  share of samples whose predicted class is not that of the nearest class mean

Source: the metrics are those in common use; that they vanish at the optimum is a corollary in Ergen and Pilanci (arXiv
2002.09773), re-derived here: the features of class k are e_k sqrt(s_k / n_k) up to duplicated neurons.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convexnn.numerics import Array, check_finite

#: Singular values of Sb below this share of the largest are zero.
RANK_TOL = 1e-10


class Collapse(NamedTuple):
    """NC1 to NC4 as distances from collapse."""

    nc1: float
    nc2: float
    nc3: float
    nc4: float


def class_means(H: Array, labels: Array) -> Array:
    """(K, m) the mean feature of every class 0 .. K-1. Raises ValueError for an empty class."""
    check_finite(H=H)
    counts = np.bincount(labels)
    if len(counts) < 2 or (counts == 0).any():
        raise ValueError(f"labels have class counts {counts.tolist()}; pass every class 0 .. K-1 at least once, K >= 2")
    return np.array([H[labels == k].mean(0) for k in range(len(counts))])


def collapse(H: Array, A: Array, labels: Array) -> Collapse:
    """The four metrics of features H (n, m), output weights A (m, K) and labels (n,) in 0 .. K-1."""
    means = class_means(H, labels)
    K = len(means)
    if A.shape != (H.shape[1], K):
        raise ValueError(f"A has shape {A.shape}; features and labels need ({H.shape[1]}, {K})")
    M = means - means.mean(0)
    spread = H - means[labels]
    Sw, Sb = spread.T @ spread / len(H), M.T @ M / K
    nc1 = float(np.trace(Sw @ np.linalg.pinv(Sb, rcond=RANK_TOL, hermitian=True))) / K
    size = np.linalg.norm(M, axis=1)
    cosines = _cosines(M)[~np.eye(K, dtype=bool)]
    nc2 = max(float(size.std() / max(size.mean(), 1e-300)), float(np.abs(cosines + 1 / (K - 1)).max()))
    C = (A - A.mean(1, keepdims=True)).T
    nc3 = float(np.linalg.norm(_unit(C) - _unit(M)))
    nearest = np.square(H[:, None, :] - means).sum(2).argmin(1)
    return Collapse(nc1, nc2, nc3, float(np.mean((H @ A).argmax(1) != nearest)))


def largest_cosine(H: Array, labels: Array) -> float:
    """The largest cosine between two uncentred class means: 0 where the classes have orthogonal features."""
    means = class_means(H, labels)
    return float(_cosines(means)[~np.eye(len(means), dtype=bool)].max())


def _cosines(M: Array) -> Array:
    rows = M / np.maximum(np.linalg.norm(M, axis=1, keepdims=True), 1e-300)
    return np.asarray(rows @ rows.T)


def _unit(M: Array) -> Array:
    return np.asarray(M / max(float(np.linalg.norm(M)), 1e-300))
