"""Special cases: wide branches, and the residual block as two branches.

Wide branches ((2,1) norm): with enough neurons a branch uses every option (D, s) once, so one group for each
second-layer pattern holds 2 P_1 vectors, and z_g = sum_j D_j X v_j costs the two-layer gauge of its terms. Exact for
m >= n neurons (Caratheodory).
Residual block: with W_1 = W_2 = I and X >= 0,  ((X W)_+ U)_+ a + X b  is a three-layer branch plus a linear path.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from convexnn.losses import Loss, get_loss
from convexnn.numerics import Array
from convexnn.patterns import enumerate_patterns
from convexnn.theorems.shared.branches import Branches
from convexnn.theorems.shared.layered_patterns import LayeredGroups

#: All 2^n second-layer patterns are listed.
MOST_ROWS = 8


def wide_groups(X: Array) -> LayeredGroups:
    """One group with every option for each of the 2^n second-layer patterns. Raises ValueError above MOST_ROWS rows."""
    if len(X) > MOST_ROWS:
        raise ValueError(f"X has {len(X)} rows; wide_groups lists all second-layer patterns of at most {MOST_ROWS}")
    D = np.array([D for D in enumerate_patterns(X).T if D.any()])
    D1, s = np.concatenate([D, D]), np.repeat([1.0, -1.0], len(D))
    D2 = np.array([bits for bits in product((True, False), repeat=len(X)) if any(bits)])
    return LayeredGroups(np.repeat(D1[None], len(D2), 0), D2, np.repeat(s[None], len(D2), 0), True)


def residual_block(X: Array, W: Array, U: Array, a: Array, b: Array, loss: str | Loss = "squared") -> Branches:
    """Two matrix-ended branches, W then U and I then I, with the predictions of the block; needs X >= 0."""
    if (np.asarray(X) < 0).any():
        raise ValueError("X has negative entries; the identity passes a ReLU unchanged only where X >= 0")
    eye = np.eye(X.shape[1])
    if np.shape(W) != eye.shape or np.shape(U) != eye.shape:
        raise ValueError(f"W has shape {np.shape(W)}, U {np.shape(U)}; a residual block keeps the width {eye.shape}")
    layers = [np.stack([W, eye]), np.stack([U, eye]), np.stack([a, b])[:, :, None]]
    return Branches(layers, get_loss(loss), "relu", 3, 1.0 / 3.0)
