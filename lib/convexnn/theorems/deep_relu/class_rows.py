"""Targets whose columns are non-negative and orthogonal, and the gauge of non-negative features that they make finite.

One neuron on whitened rows (X X' = I) has activations z = (X u)_+, and {z : |u| <= 1} is every z >= 0 with |z| <= 1.
So training measures the fit F (n, c) by  gamma(F) = min { sum_j |z_j| |w_j| : F = sum_j z_j w_j', z_j >= 0 }, whose
dual norm  max { |V'z| : z >= 0, |z| = 1 }  is a copositive problem. With A = [a_1 .. a_K] the normalised non-negative
orthogonal columns ("classes") and F = A B, V = A Q it depends on the K x c matrix Q alone:

    max { |Q'z| : z in R^K, z >= 0, |z| = 1 }  <=  min( sigma_max(Q), sqrt( lambda_max( max(Q Q', 0) ) ) )

since z'Mz <= z'max(M, 0)z for z >= 0. The bound is an equality where the rows of Q do not pull together (Q Q' <= 0 off
the diagonal), which is the case at every collapsed optimum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convexnn.gauges import Frobenius
from convexnn.numerics import Array, check_matrix
from convexnn.theorems.deep_relu.branch_scale import ClassLoss, LogisticClass, SoftmaxClass, SquaredClass
from convexnn.theorems.deep_relu.networks import Penalty
from convexnn.types import Data

#: X X' counts as the identity, and columns as orthogonal and non-negative, when no entry is off by more than this.
CLASS_TOL = 1e-8

#: Losses for which the targets decide the classes; the others are refused.
LOSSES = ("squared", "logistic", "cross_entropy")


@dataclass(frozen=True)
class Classes:
    """A (n, K) unit non-negative orthogonal columns; W (K, c) unit outputs of a collapsed optimum; one loss a class."""

    A: Array
    W: Array
    losses: tuple[ClassLoss, ...]


@dataclass(frozen=True)
class ClassModel:
    """What recovery needs: the classes, the architecture and its penalty, and the data."""

    classes: Classes
    depth: int
    penalty: Penalty
    t: float
    X: Array

    def network_options(self) -> dict[str, Any]:
        """What a network to be trained against this program must share with it."""
        return {"depth": self.depth, "penalty": self.penalty, "t": self.t}

    def check(self, X: Array) -> None:
        """Raise ValueError unless X is the matrix the program was made from."""
        if X.shape != self.X.shape or not np.array_equal(X, self.X):
            raise ValueError(f"data has X of shape {X.shape}, not the X of the solution's program; pass that one")


class NonNegativeRows(Frobenius):
    """N(B_k) = |B_k| for each class k, so sum_k |B_k| >= gamma(A B); `polar` bounds the dual norm of gamma.

    Its polar is one number for all classes and not below any row's: a dual vector that passes it bounds the training
    problem over all networks, not only over those with one neuron a class. It sees Q = A'V alone. For V outside the
    range of A that is still a bound: A Q has no smaller dual value than V (squared loss: a projection that keeps
    <V, Y>; logistic and softmax: the mean over permutations within the classes, and the dual is concave).
    """

    def polar(self, Q: Tensor) -> Tensor:
        rows = Q.flatten(1)
        gram = rows @ rows.T
        largest = torch.minimum(*(torch.linalg.eigvalsh(M)[-1] for M in (gram, gram.clamp(min=0))))
        return largest.clamp(min=0).sqrt().expand(Q.shape[0]).clone()


def require_whitened(X: Array) -> None:
    """Raise ValueError unless X X' = I."""
    check_matrix(X=X)
    off = float(np.abs(X @ X.T - np.eye(len(X))).max())
    if not off <= CLASS_TOL:
        raise ValueError(f"X X' differs from I by {off:.2g}; whiten the rows first (n <= d): data.whiten_rows(X)")


def columns_of(y: Array) -> Array:
    """The classes of the targets as columns: y_+ and y_- of one output, the columns of several; empty ones stay.

    Raises ValueError where several columns are not non-negative and orthogonal.
    """
    Y = np.asarray(y, dtype=float).reshape(len(y), -1)
    if Y.shape[1] == 1:
        return np.hstack([np.maximum(Y, 0), np.maximum(-Y, 0)])
    scale = float(np.square(Y).sum(0).max())
    if Y.min() < -CLASS_TOL * np.sqrt(scale):
        raise ValueError(
            f"y has a negative entry ({Y.min():.2g}); with several outputs the closed form needs non-negative columns, "
            "e.g. one-hot labels; for one output any signs are allowed"
        )
    gram = Y.T @ Y
    off = float(np.abs(gram - np.diag(np.diag(gram))).max())
    if off > CLASS_TOL * scale:
        raise ValueError(f"two columns of y have inner product {off:.2g}; the closed form needs orthogonal columns")
    return Y


def classes_of(data: Data, loss: str) -> Classes:
    """The classes of a training set with whitened or normalised features, and what its optimum looks like.

    squared         any y (n,), or non-negative orthogonal columns (n, c)
    logistic        y (n,) of -1 and +1;     cross_entropy   one-hot rows (n, c)
    Raises ValueError for another loss or other targets.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}; closed forms exist for {', '.join(LOSSES)}")
    columns = columns_of(data.y)
    if loss == "logistic" and (data.y.size != data.n or not (np.abs(data.y) == 1).all()):
        raise ValueError(f"y has shape {data.y.shape}; the logistic loss needs labels -1 and +1, one for each sample")
    if loss == "cross_entropy" and not (np.isin(data.y, (0, 1)).all() and (columns.sum(1) == 1).all()):
        raise ValueError(f"y has shape {data.y.shape}; cross_entropy needs one-hot rows, e.g. np.eye(c)[labels]")
    size = np.linalg.norm(columns, axis=0)
    live = size > 0
    if not live.any():
        raise ValueError("y is zero, so the zero network is optimal; pass targets that are not all zero")
    outputs = np.array([[1.0], [-1.0]]) if data.y.size == data.n else np.eye(columns.shape[1])
    if loss == "cross_entropy":
        outputs = (outputs - 1 / len(outputs)) / np.sqrt(1 - 1 / len(outputs))
    made = {
        "squared": lambda k: SquaredClass(float(size[k])),
        "logistic": lambda k: LogisticClass(round(size[k] ** 2)),
        "cross_entropy": lambda k: SoftmaxClass(round(size[k] ** 2), columns.shape[1]),
    }[loss]
    losses = tuple(made(k) for k in np.flatnonzero(live))
    return Classes(columns[:, live] / size[live], outputs[live], losses)
