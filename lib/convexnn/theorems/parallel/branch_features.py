"""Data for which a ReLU branch of any depth has a finite list of outputs: rank one, and orthonormal rows.

With unit layer norms and a scalar end, the outputs of a branch of L >= 2 layers fill, up to convex hull,

    rank one     X = c a'  (|a| = 1)      the segments 0..(c)_+ and 0..(-c)_+
    whitened     X X' = I                 {z >= 0 : |z| <= 1}

Rank one: the two rays have disjoint supports, every layer keeps p (c)_+ + q (-c)_+ with p, q >= 0, and p + q <= 1 by
Cauchy-Schwarz. Whitened: |(A W)_+|_F <= |A|_F |W|_F bounds the output, and the chain z e_1', e_1 e_1', ... attains it.
So both gauges are those of two layers. On other data a shared hidden layer gives more than two layers do.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from convexnn.numerics import Array, tensor

#: Relative size of the second singular value, of the defect of X X' = I, and of products of label columns.
CLASS_TOL = 1e-8


def branch_class(X: Array) -> str:
    """ "rank one" or "whitened"; raises ValueError for other data, where only two and three layers are finite."""
    s = np.linalg.svd(X, compute_uv=False)
    if len(s) == 1 or s[1] <= CLASS_TOL * s[0]:
        return "rank one"
    off = float(np.abs(X @ X.T - np.eye(len(X))).max())
    if off <= CLASS_TOL:
        return "whitened"
    raise ValueError(
        f"X has neither rank one (singular values {s[0]:.3g}, {s[1]:.3g}) nor orthonormal rows (off by {off:.2g}); "
        "for deep ReLU branches whiten the rows, data.whiten_rows(X), or take three layers (parallel/three_layer.py)"
    )


def rays(X: Array) -> tuple[Array, Array, Array]:
    """X = c a' with |a| = 1: a, the features (2, n) = ((c)_+, (-c)_+) scaled by |x|, and their squared norms (2,)."""
    _, _, Vt = np.linalg.svd(X, full_matrices=False)
    c = X @ Vt[0]
    features = np.array([np.maximum(c, 0), np.maximum(-c, 0)])
    return Vt[0], features, (features**2).sum(1)


def ray_matrices(X: Array) -> Tensor:
    """The features as a dictionary (2, n, 1) for a MatrixOperator."""
    return tensor(rays(X)[1])[:, :, None]


def check_separable(Y: Array, loss: str = "squared") -> None:
    """Raise ValueError unless Y has one column, or non-negative orthogonal columns and the squared loss.

    Else a branch that feeds several outputs is cheaper than one for each (its output weights cost |w|, not |w|_1), and
    the gauge is copositive. With the squared loss and such columns no branch wants two outputs.
    """
    if Y.shape[1] == 1:
        return
    if loss != "squared":
        raise ValueError(
            f"loss is {loss!r} with {Y.shape[1]} outputs; on whitened rows one branch then serves several outputs, and "
            "this program is not finite: take deep_relu.program for cross entropy, or loss='squared'"
        )
    products = Y.T @ Y
    off = float(np.abs(products - np.diag(np.diag(products))).max())
    if (Y < 0).any() or off > CLASS_TOL * float(products.max()):
        raise ValueError(
            f"y has {Y.shape[1]} columns that are not non-negative and orthogonal; on whitened rows the theorem is "
            "finite for one output or for such columns, e.g. one-hot labels np.eye(c)[labels]"
        )
