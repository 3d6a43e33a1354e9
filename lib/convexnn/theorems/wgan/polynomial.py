"""Polynomial discriminators s(t) = a t^2 + b t + c: the constraint for |u| <= 1 is two linear matrix inequalities.

With D2 = a (X'X - S), d1 = b (X'1 - mu) the S-lemma says: s (u'D2 u + d1'u) <= beta_d on the ball iff some lam >= 0 has

    [ lam I - s D2     -s d1 / 2     ]
    [ -s d1' / 2       beta_d - lam  ]  >= 0                    for s = +1 and s = -1,

and S = G'G, mu = G'1 of some G with n rows iff [S mu; mu' n] >= 0. A free generator of least (beta_g/2)|G|_F^2 is a
semidefinite program in (S, mu), and a G with these moments is a shifted square root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convexnn.numerics import Array, check_finite, check_positive
from convexnn.theorems.wgan.moments import COEFFICIENTS


@dataclass(frozen=True)
class Moments:
    """The optimal moments, their value (beta_g/2) tr S, and a generated sample that has them."""

    S: Array
    mu: Array
    value: float
    G: Array


def solve_moments(
    X: Array, beta: float, weight: float = 1.0, coefficients: tuple[float, float, float] = COEFFICIENTS
) -> Moments:
    """The free generator's optimum against discriminators a t^2 + b t + c, by the semidefinite program.

    Raises ValueError when X has fewer than d + 1 rows: G could not be built from its moments.
    """
    import cvxpy as cp

    check_finite(X=X)
    check_positive(beta=beta, weight=weight)
    n, d = X.shape
    if n < d + 1:
        raise ValueError(f"X has {n} rows and {d} columns; the generated sample needs n >= d + 1 rows")
    a, b, _ = coefficients
    S, mu = cp.Variable((d, d), symmetric=True), cp.Variable((d, 1))
    D2, d1 = a * (X.T @ X - S), b * (X.sum(0)[:, None] - mu)
    joint: Any = cp.bmat([[S, mu], [mu.T, np.array([[float(n)]])]])
    constraints = [joint >> 0]
    for sign in (1.0, -1.0):
        lam = cp.Variable(nonneg=True)
        corner = cp.reshape(beta - lam, (1, 1), order="C")
        constraints.append(cp.bmat([[lam * np.eye(d) - sign * D2, -sign / 2 * d1], [-sign / 2 * d1.T, corner]]) >> 0)
    problem = cp.Problem(cp.Minimize(weight / 2 * cp.trace(S)), constraints)
    value = problem.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    if problem.status != "optimal":
        raise ValueError(f"beta={beta:g}: the semidefinite program ended as {problem.status}; scale X or raise beta")
    moment, mean = np.asarray(S.value), np.asarray(mu.value)[:, 0]
    return Moments(moment, mean, float(value), with_moments(moment, mean, n))


def with_moments(S: Array, mu: Array, n: int) -> Array:
    """A sample of n rows with G'G = S and G'1 = mu: 1 mu'/n + B C^(1/2), B cosines, orthonormal and orthogonal to 1."""
    w, V = np.linalg.eigh(S - np.outer(mu, mu) / n)
    at = (np.arange(n)[:, None] + 0.5) * np.arange(1, len(mu) + 1)
    basis = np.sqrt(2 / n) * np.cos(np.pi * at / n)
    return np.outer(np.ones(n), mu) / n + basis @ (V * np.sqrt(np.maximum(w, 0))).T
