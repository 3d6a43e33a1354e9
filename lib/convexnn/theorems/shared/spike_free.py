"""Spike-free data: the rectified ellipsoid is the part of the ellipsoid in the positive orthant, hence convex.

    {(A u)_+ : |u| <= 1} = {A u : |u| <= 1, A u >= 0}

Then one pattern, D = I, carries the whole training problem (no bias):

    p* = min over v, w   L( A (v - w) ) + beta ( |v| + |w| )    s.t.  A v >= 0,  A w >= 0

For other data the program is an upper bound. Whitened rows (A A' = I, n <= d) and orthogonal rows are spike-free;
data with more samples than features are not, unless their rows are positive multiples of a few independent ones.
Source: Ergen and Pilanci (arXiv 2002.11219); the sign test is derived for this project.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.cones import PatternCone
from convexnn.gauges import GroupL2
from convexnn.losses import Loss, get_loss
from convexnn.networks import BIASES, Bias
from convexnn.numerics import Array, check_choice, check_finite, tensor
from convexnn.operators import GatedOperator
from convexnn.program import Program
from convexnn.theorems.shared.patterned import Model, row_space
from convexnn.types import Data

#: Entries of a normalised inverse Gram matrix below this count as zero; so does 1 - cosine of two parallel rows.
SIGN_TOL, PARALLEL_TOL = 1e-9, 1e-12


@dataclass(frozen=True)
class SpikeFree:
    """The verdict of the sign test in one word and one sentence; it is true exactly when `holds` is."""

    holds: bool
    reason: str

    def __bool__(self) -> bool:
        return self.holds


def is_spike_free(A: Array, bias: Bias = "none") -> SpikeFree:
    """Whether every u has a z with |z| <= |u| and (A u)_+ = A z.

    Full row rank: exactly when the off-diagonal entries of (A A')^{-1} are <= 0. Any rank: exactly when the non-zero
    rows are positive multiples of r = rank A independent ones, and those pass the test.

    bias "regularised": the same of [A 1]. "unregularised": (A u + b 1)_+ = A z + c 1 with b, c free; exactly when the
    distinct rows are the corners of a simplex without obtuse dihedral angles, that is affinely independent with no
    positive off-diagonal entry in the pseudo-inverse of the Gram matrix of the centred rows.
    """
    check_finite(A=A)
    check_choice("bias", bias, BIASES)
    if bias == "unregularised":
        return _free_bias(A)
    if bias == "regularised":
        A = np.hstack([A, np.ones((len(A), 1))])
    size = np.linalg.norm(A, axis=1)
    rows = A[size > 0] / size[size > 0, None]
    if not len(rows):
        return SpikeFree(True, "all rows are zero")
    B = _directions(rows)
    rank = np.linalg.matrix_rank(B)  # of unit rows: a short row counts like a long one
    if len(B) > rank:
        return SpikeFree(False, f"{len(B)} different row directions but rank {rank}: (A u)_+ leaves the range of A")
    return _signs(np.asarray(np.linalg.inv(B @ B.T), dtype=np.float64))


def _signs(G: Array) -> SpikeFree:
    """The verdict on an inverse Gram matrix: no entry off the diagonal may be positive."""
    scale = np.sqrt(np.diag(G))
    worst = float((G / np.outer(scale, scale) - np.eye(len(G))).max(initial=0.0))
    if worst > SIGN_TOL:
        return SpikeFree(False, f"the inverse Gram matrix has a positive off-diagonal entry, {worst:.2g} normalised")
    return SpikeFree(True, "the inverse Gram matrix of the row directions has no positive off-diagonal entry")


def _free_bias(A: Array) -> SpikeFree:
    """With a free bias constants cost nothing, so the norm is that of the centred rows."""
    points = np.unique(A, axis=0)
    centred = points - points.mean(0)
    rank = int(np.linalg.matrix_rank(centred)) if len(points) > 1 else 0
    if len(points) > rank + 1:
        return SpikeFree(False, f"{len(points)} different samples in {rank} dimensions: they are no simplex")
    if rank == 0:
        return SpikeFree(True, "all samples are equal")
    return _signs(np.asarray(np.linalg.pinv(centred @ centred.T), dtype=np.float64))


def _directions(rows: Array) -> Array:
    """One representative of each direction among unit rows."""
    kept: list[Array] = []
    for row in rows:
        if not any(float(np.square(row - other).sum()) <= 2 * PARALLEL_TOL for other in kept):
            kept.append(row)
    return np.array(kept)


def largest_spike(A: Array, draws: int = 2000, seed: int = 0, bias: Bias = "none") -> float:
    """The largest violation found at random: max over u of |A^+ (A u)_+| / |A^+ A u| - 1, or inf off the range of A.

    Half the draws have entries of very different sizes: spikes appear where the negative part of A u is small.
    With an unregularised bias A^+ z is the slope of the affine function that fits z, and the draws move by constants.
    """
    check_finite(A=A)
    rng = np.random.default_rng(seed)
    if bias == "unregularised":
        return _largest_free_spike(A, draws, rng)
    if bias == "regularised":
        A = np.hstack([A, np.ones((len(A), 1))])
    inverse = np.linalg.pinv(A)
    rank = np.linalg.matrix_rank(A)
    U = rng.standard_normal((draws, A.shape[1])) @ (inverse @ A).T
    wild = rng.standard_normal((draws, len(A))) * np.exp(2 * rng.standard_normal((draws, len(A))))
    Z = np.vstack([U @ A.T, wild @ (A @ inverse).T])
    rectified = np.maximum(Z, 0)
    off = np.linalg.norm(rectified - rectified @ (A @ inverse).T, axis=1)
    if rank < len(A) and (off > 1e-8 * np.linalg.norm(Z, axis=1)).any():
        return float("inf")
    before, after = (np.linalg.norm(z @ inverse.T, axis=1) for z in (Z, rectified))
    return float((after / np.maximum(before, 1e-300)).max() - 1)


def _largest_free_spike(A: Array, draws: int, rng: np.random.Generator) -> float:
    """`largest_spike` for (A u + b 1)_+: b runs over the values that put a kink near a sample."""
    centred = A - A.mean(0)
    inverse = np.linalg.pinv(centred)
    Z = rng.standard_normal((draws, A.shape[1])) @ A.T
    wild = rng.standard_normal((draws, len(A))) * np.exp(2 * rng.standard_normal((draws, len(A))))
    Z = np.vstack([Z, wild @ (centred @ inverse).T])
    kink = Z[np.arange(len(Z)), rng.integers(len(A), size=len(Z))]
    Z = Z - (kink + 0.1 * rng.standard_normal(len(Z)) * rng.integers(2, size=len(Z)))[:, None]
    level = [z - z.mean(1, keepdims=True) for z in (Z, np.maximum(Z, 0))]
    before, after = (z @ inverse.T for z in level)
    off = np.linalg.norm(level[1] - after @ centred.T, axis=1)
    if (off > 1e-8 * np.linalg.norm(Z, axis=1)).any():
        return float("inf")
    sizes = np.linalg.norm(before, axis=1)
    return float((np.linalg.norm(after, axis=1) / np.maximum(sizes, 1e-300)).max() - 1)


def one_pattern_program(data: Data, loss: str | Loss = "squared", bias: Bias = "none") -> Program:
    """The program with D = I; its scope is "network" exactly when the data are spike-free.

    Z = (v, w) of shape (2, r, c) in coordinates of the row space; `two_layer.recover` maps it back.
    """
    if data.X.ndim != 2 or data.y.ndim > 2:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; the program takes matrices (n, d), (n, c)")
    features, basis = row_space(data.X, bias)
    ones = np.ones((data.n, 1))
    X, Y, D = tensor(features), tensor(data.y).reshape(data.n, -1), tensor(ones)
    verdict, free = is_spike_free(data.X, bias), bias == "unregularised"
    return Program(
        loss=get_loss(loss),
        operator=GatedOperator(X, D, (1.0, -1.0), Y.shape[1]),
        gauge=GroupL2(free=int(free)),
        cone=PatternCone(X, D, copies=2),
        beta=data.beta,
        Y=Y,
        scope="network" if verdict else "program",
        name="spike_free",
        assumptions=("beta > 0", f"spike-free: {verdict.holds}, since {verdict.reason}"),
        free_columns=tensor(ones) if free else None,
        model=Model("relu", bias, ones.astype(bool), None, basis, data.X),
    )
