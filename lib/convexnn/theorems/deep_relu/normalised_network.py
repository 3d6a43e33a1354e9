"""Batch normalisation of the last hidden layer: any features behave like whitened ones.

    z_j = H v_j,   BN(z) = g (z - mean z) / |z - mean z| + (a / sqrt(n)) 1,   f = sum_j (BN_j(z_j))_+ w_j'
    penalty  1/2 sum_j ( g_j^2 + a_j^2 + |w_j|^2 );   H, v and the layers below carry none

The image of {g^2 + a^2 <= 1} lies in the unit ball and is all of it when the range of the centred H holds every centred
vector, so no network is below the whitened two-layer optimum; one that spans the centred labels attains it:

    v_k = H^+ y_k,   (g_k, a_k) = q ( |y_k - mean| , sum(y_k) / sqrt(n) ) / |y_k|,   w_k = q w,   q^2 = scale of class k

The norm is the l2 norm over the batch and the shift multiplies 1 / sqrt(n); a library's layer divides by the standard
deviation and shifts by 1, so its parameters are these divided by sqrt(n), and decay on them is n times weaker.
Source: Ergen and Pilanci (arXiv 2002.09773); the balanced form (q) is ours, without it the penalty is larger.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from convexnn.losses import Loss
from convexnn.numerics import check_count
from convexnn.theorems.deep_relu.class_rows import classes_of
from convexnn.theorems.shared.normalised import Normalised
from convexnn.types import Data

#: The label columns count as inside the range of the features when the relative residual is below this.
RANGE_TOL = 1e-8


def normalised_form(data: Data, loss: str = "squared", balance: bool = True) -> tuple[Normalised, float]:
    """The optimal normalised network on the features data.X, and its training objective.

    balance=False spends all of each scale on the outputs (g^2 + a^2 = 1): the same function at a larger penalty.
    Raises ValueError where the features cannot produce the centred label columns.
    """
    if data.n < 2:
        raise ValueError("X has one row; batch normalisation of one sample is 0 / 0, pass at least two")
    classes = classes_of(data, loss)
    scales = np.array([one.best(data.beta) for one in classes.losses])
    value = sum(one.cost(s, data.beta) for one, s in zip(classes.losses, scales))
    live = scales > 0
    labels, outputs = classes.A[:, live], classes.W[live]
    centred, features = labels - labels.mean(0), data.X - data.X.mean(0)
    V = np.linalg.pinv(features) @ centred
    missed = float(np.abs(features @ V - centred).max(initial=0.0))
    if missed > RANGE_TOL:
        raise ValueError(
            f"the centred features miss the centred labels by {missed:.2g}; batch normalisation whitens only what the "
            "features span: pass more independent features, e.g. a wider last hidden layer"
        )
    flat = np.linalg.norm(centred, axis=0) < RANGE_TOL  # a class that holds every sample: any direction with gain 0
    V[:, flat] = 1.0
    q = np.sqrt(scales[live]) if balance else np.ones(live.sum())
    g, a = q * np.linalg.norm(centred, axis=0) * ~flat, q * labels.sum(0) / np.sqrt(data.n)
    return Normalised([], V, g, a, (scales[live] / q)[:, None] * outputs, loss), value


def seeded_normalised(width: int, data: Data, hidden: Iterable[int] = (), loss: str | Loss = "squared") -> Normalised:
    """A network to be trained: hidden layers of the given sizes, `width` normalised neurons."""
    check_count(width=width)
    sizes = [data.d, *hidden]
    c = data.y.reshape(data.n, -1).shape[1]
    W = [np.zeros(pair) for pair in pairwise(sizes)]
    built = Normalised(W, np.zeros((sizes[-1], width)), np.zeros(width), np.zeros(width), np.zeros((width, c)), loss)
    built.reset(0)
    return built
