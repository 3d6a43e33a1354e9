"""Fewest neurons or smallest weights: when min |w|_1 over a dictionary of neurons also has the fewest non-zeros.

    l1   min |w|_1   s.t.  Phi w + c0 1 = y            l0   the smallest support that fits

Certificate: v with 1'v = 0 (free offset), Phi_S'v = sign(w_S) and |Phi_j'v| < 1 off S, Phi_S (and 1) of full column
rank: then the l1 solution is unique. It is the sparsest network when no smaller support fits, which is not automatic.
On a line with a free offset some sparsest network has the smallest weights (one ramp for each bend of the chords, and
at most one more for the slope), so there a unique l1 network is the sparsest; a vertex of an l1 optimum that is not
unique may be denser. Without the offset even a unique l1 network can be denser than the sparsest.
Source: Ergen and Pilanci (arXiv 2002.11219) for the question; the certificate is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from scipy.optimize import linprog

from convexnn.numerics import Array, check_finite, check_matrix

#: Weights below this share of the largest are zero; an off-support pull up to 1 minus this is strict.
ZERO_TOL, STRICT_TOL = 1e-8, 1e-6
#: Most supports that `fewest` tries.
SUPPORT_LIMIT = 500_000


@dataclass(frozen=True)
class Equivalence:
    """A vertex of the l1 problem and what is known about it: `unique` is the certificate's word."""

    w: Array
    offset: float
    cost: float
    off_support: float  # the smallest possible max |Phi_j'v| off the support
    unique: bool

    @property
    def count(self) -> int:
        """Non-zero weights."""
        return int(np.count_nonzero(self.w))


def smallest_weights(Phi: Array, y: Array, offset: bool = True) -> Equivalence:
    """The l1 problem as a linear program, solved to a vertex, and the best certificate for its support.

    Raises ValueError when no combination of the columns interpolates y.
    """
    n, k = _checked(Phi, y)
    unit = float(np.abs(y).max(initial=0.0)) or 1.0  # the linear programs' tolerances are absolute
    free = np.ones((n, 1)) if offset else np.zeros((n, 0))
    bounds = [(0, None)] * (2 * k) + [(None, None)] * free.shape[1]
    price = np.concatenate([np.ones(2 * k), np.zeros(free.shape[1])])
    found = linprog(price, A_eq=np.hstack([Phi, -Phi, free]), b_eq=y / unit, bounds=bounds, method="highs-ds")
    if not found.success:
        raise ValueError(f"no weights interpolate y with these {k} neurons ({found.message}); add neurons")
    w = found.x[:k] - found.x[k : 2 * k]
    w[np.abs(w) <= ZERO_TOL * float(np.abs(w).max(initial=0.0))] = 0.0
    off = _certificate(Phi, w, free)
    S = np.hstack([Phi[:, w != 0], free])
    independent = S.shape[1] == 0 or np.linalg.matrix_rank(S) == S.shape[1]
    c0 = unit * float(found.x[-1]) if offset else 0.0
    return Equivalence(unit * w, c0, unit * float(np.abs(w).sum()), off, bool(independent and off < 1 - STRICT_TOL))


def _checked(Phi: Array, y: Array) -> tuple[int, int]:
    """The shape of the dictionary, after Phi (n, k) and y (n,) were found to fit."""
    check_finite(Phi=Phi, y=y)
    check_matrix(Phi=Phi)
    if np.shape(y) != (len(Phi),):
        raise ValueError(f"y has shape {np.shape(y)}; pass one target for each of the {len(Phi)} rows of Phi")
    return len(Phi), Phi.shape[1]


def _certificate(Phi: Array, w: Array, free: Array) -> float:
    """min over v of max_{j off S} |Phi_j'v|  s.t.  Phi_S'v = sign(w_S), free'v = 0: a linear program in (v, r)."""
    n, S = len(Phi), w != 0
    off = Phi[:, ~S]
    if not off.size:
        return 0.0
    column = -np.ones((off.shape[1], 1))
    above = np.vstack([np.hstack([off.T, column]), np.hstack([-off.T, column])])
    equal = np.hstack([np.vstack([Phi[:, S].T, free.T]), np.zeros((S.sum() + free.shape[1], 1))])
    right = np.concatenate([np.sign(w[S]), np.zeros(free.shape[1])])
    found = linprog(
        np.eye(n + 1)[-1], above, np.zeros(len(above)), equal, right, [(None, None)] * n + [(0, None)], method="highs"
    )
    return float(found.fun) if found.success else np.inf


def fewest(Phi: Array, y: Array, offset: bool = True, largest: int | None = None) -> int:
    """The smallest number of columns that interpolate y, by trying every support; -1 when there is none.

    Raises ValueError when there are more than SUPPORT_LIMIT supports to try.
    """
    n, k = _checked(Phi, y)
    free = np.ones((n, 1)) if offset else np.zeros((n, 0))
    largest = min(n, k) if largest is None else largest
    if sum(comb(k, size) for size in range(largest + 1)) > SUPPORT_LIMIT:
        raise ValueError(f"{k} neurons have more than {SUPPORT_LIMIT} supports of up to {largest}; pass fewer columns")
    tolerance = ZERO_TOL * float(np.abs(y).max())
    for size in range(largest + 1):
        for S in combinations(range(k), size):
            columns = np.hstack([Phi[:, list(S)], free])
            w = np.linalg.lstsq(columns, y, rcond=None)[0] if columns.shape[1] else np.zeros(0)
            if np.abs(columns @ w - y).max() <= tolerance:
                return size
    return -1
