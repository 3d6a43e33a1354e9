"""What the discriminator sees: the gap of a generated sample, for the four kinds of discriminator.

    gap(X, G) = max { |1's(X u) - 1's(G u)| : |u|_2 <= 1 }        s = t, t^2, a t^2 + b t + c, (t)_+

For fixed G the inner maximum of the game is 0 where gap <= beta_d and +inf elsewhere: the discriminator's weights are
the multipliers of one moment constraint. Sums, not means: the two samples have the same number of rows.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar, nnls

from convexnn.numerics import Array, check_choice, check_finite
from convexnn.patterns import enumerate_patterns

KINDS = ("linear", "quadratic", "polynomial", "relu")
#: a t^2 + b t + c close to the ReLU on [-1, 1].
COEFFICIENTS = (0.09, 0.5, 0.47)


def gap(kind: str, X: Array, G: Array) -> float:
    """The gap of that kind of discriminator; ValueError for samples of different size or with a NaN."""
    check_choice("kind", kind, KINDS)
    check_finite(X=X, G=G)
    if X.shape != G.shape:
        raise ValueError(f"G has shape {G.shape}, X {X.shape}; the game sums over rows: generate as many as are real")
    return {"linear": linear, "quadratic": quadratic, "polynomial": polynomial, "relu": relu}[kind](X, G)


def linear(X: Array, G: Array) -> float:
    """|X'1 - G'1|_2."""
    return float(np.linalg.norm(X.sum(0) - G.sum(0)))


def quadratic(X: Array, G: Array) -> float:
    """|X'X - G'G| in the spectral norm."""
    return float(np.abs(np.linalg.eigvalsh(X.T @ X - G.T @ G)).max())


def on_ball(A: Array, b: Array, c: float) -> float:
    """max { u'A u + b'u + c : |u| <= 1 } = min over lam >= max(0, lam_max(A)) of lam + c + b'(lam I - A)^-1 b / 4.

    The S-lemma makes the two equal; every lam gives an upper bound, and the minimisation is convex in one variable.
    """
    values, vectors = np.linalg.eigh(A)
    squares = (vectors.T @ b) ** 2 / 4
    low = float(np.maximum(0.0, values[-1]))

    def bound(lam: float) -> float:
        distance = lam - values
        small = squares <= 1e-30
        return float(lam + c + np.where(small, 0.0, squares / np.where(small, 1.0, np.maximum(distance, 1e-300))).sum())

    high = float(low + np.linalg.norm(b) + 1e-12)
    found = minimize_scalar(bound, bounds=(low, high), method="bounded", options={"xatol": 1e-13 * (1.0 + high)})
    return min(float(found.fun), bound(low), bound(high))


def polynomial(X: Array, G: Array, coefficients: tuple[float, float, float] = COEFFICIENTS) -> float:
    """The gap of a t^2 + b t + c; the constants cancel when the samples have as many rows."""
    a, b, _ = coefficients
    A, slope = a * (X.T @ X - G.T @ G), b * (X.sum(0) - G.sum(0))
    return max(on_ball(A, slope, 0.0), on_ball(-A, -slope, 0.0))


def relu_directions(X: Array, G: Array) -> tuple[Array, Array]:
    """For every cell and sign the largest gap in it (2P,) and the unit direction that attains it (2P, d)."""
    rows = np.vstack([X, G])
    D = enumerate_patterns(rows).T.astype(float)
    n, gaps, directions = len(X), [], []
    for cell in D:
        pull = X.T @ cell[:n] - G.T @ cell[n:]
        signed = rows * (2 * cell - 1)[:, None]
        for sign in (1.0, -1.0):
            u = sign * pull + signed.T @ nnls(signed.T, -sign * pull)[0]
            gaps.append(float(np.linalg.norm(u)))
            directions.append(u / max(gaps[-1], 1e-300))
    return np.array(gaps), np.array(directions)


def relu(X: Array, G: Array) -> float:
    """The gap of (t)_+: in a cell of the arrangement of [X; G] it is linear, and its maximum a projection on a cone.

    Exact, and exponential in the number of columns; for rows in a plane or in space.
    """
    return float(relu_directions(X, G)[0].max(initial=0.0))
