"""At most n branches with the same predictions: a vertex of a linear program over the branches' scales.

    min sum_k c_k   s.t.   sum_k c_k phi_k = f,  c >= 0          phi_k the output of branch k at unit scale

A vertex has at most rank [phi_1 ...] <= n positive scales, and its cost is not above that of the given ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linprog, nnls

from convexnn.numerics import Array

#: Predictions and cost may move by this much, relative; otherwise nothing is pruned.
EXACT_TOL = 1e-7
#: Scales below this share of the largest are dropped, and singular values below it are no equations.
FAINT, RANK_TOL = 1e-10, 1e-10


def prune_scales(outputs: Array, scales: Array) -> tuple[Array, Array]:
    """The branches that stay and their scales; outputs (n, k) at unit scale, scales (k,) > 0."""
    outputs, scales = np.asarray(outputs, dtype=np.float64), np.asarray(scales, dtype=np.float64)
    target = outputs @ scales
    size = max(1e-300, float(np.abs(target).max(initial=0.0)))
    _, singular, Vt = np.linalg.svd(outputs, full_matrices=False)
    rows = Vt[singular > RANK_TOL * singular.max(initial=0.0)]  # the same equations, orthonormal
    everything: Any = np.arange(len(scales)), scales
    found = linprog(np.ones(len(scales)), A_eq=rows, b_eq=rows @ scales, method="highs-ds")
    if found.status != 0:
        return everything
    keep: Any = np.flatnonzero(found.x > FAINT * found.x.max(initial=0.0))
    c = nnls(outputs[:, keep] / size, target / size)[0]
    keep, c = keep[c > 0], c[c > 0]
    moved = float(np.abs(outputs[:, keep] @ c - target).max(initial=0.0)) / size
    if moved > EXACT_TOL or c.sum() > scales.sum() * (1 + EXACT_TOL):
        return everything
    return keep, c
