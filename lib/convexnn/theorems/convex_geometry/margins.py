"""Classification without slack: the smallest weights that put every sample on its side with margin one.

    min over w, c0   |w|_1       s.t.  y_i (Phi w + c0 1)_i >= 1        (Phi: the neurons' activations, e.g. kinks)
    max over s >= 0  1's         s.t.  |Phi'(y s)| <= 1,  y's = 0       (the equality only with a free offset)

The hinge loss is an exact penalty for these constraints: for every beta <= 1 / max s* hinge training with beta has the
same solutions, and its value is beta times this minimum. So separable data need no limit beta -> 0.
Source: Ergen and Pilanci (arXiv 2002.11219) for the program; the threshold is derived for this project.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from convexnn.numerics import Array, check_finite


@dataclass(frozen=True)
class HardMargin:
    """w (k,), offset, cost |w|_1, the dual s (n,) of the same value, and `threshold` = 1 / max s."""

    w: Array
    offset: float
    cost: float
    s: Array

    @property
    def threshold(self) -> float:
        """The largest beta at which this dual vector is also one of hinge training: s beta <= 1."""
        return float(1 / max(float(self.s.max(initial=0.0)), 1e-300))


def hard_margin(Phi: Array, labels: Array, offset: bool = True) -> HardMargin:
    """The linear program and its dual.

    Raises ValueError for labels other than -1 and +1, and when these neurons do not separate the labels.
    """
    check_finite(Phi=Phi, labels=labels)
    if labels.shape != (len(Phi),) or not (np.abs(labels) == 1).all():
        raise ValueError(f"labels has shape {labels.shape}; pass one label -1 or +1 for each of the {len(Phi)} samples")
    n, k = Phi.shape
    free = labels[:, None] if offset else np.zeros((n, 0))
    rows = np.hstack([labels[:, None] * Phi, -labels[:, None] * Phi, free])
    price = np.concatenate([np.ones(2 * k), np.zeros(free.shape[1])])
    bounds = [(0, None)] * (2 * k) + [(None, None)] * free.shape[1]
    found = linprog(price, A_ub=-rows, b_ub=-np.ones(n), bounds=bounds, method="highs-ds")
    if not found.success:
        raise ValueError(
            f"labels are not separated by these {k} neurons ({found.message}); add neurons or use the hinge loss"
        )
    w = found.x[:k] - found.x[k : 2 * k]
    s = np.maximum(-found.ineqlin.marginals, 0.0)
    return HardMargin(w, float(found.x[-1]) if offset else 0.0, float(np.abs(w).sum()), s)
