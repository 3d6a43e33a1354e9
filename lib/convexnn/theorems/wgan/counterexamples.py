"""Which games are convex, and instances that show where the others are not.

generator \\ discriminator   linear             quadratic                      ReLU
free, or linear in Z         closed form        closed form (SDP)              convex-concave; constraint not convex
polynomial of degree two     as linear in z x z, z, 1                          as linear
two-layer ReLU               convex (lifted)    two steps, if the penalty is on the output

A polynomial discriminator is an SDP in two moments. On a line with biases, sorted samples make the ReLU column convex.
"""

from __future__ import annotations

import numpy as np

from convexnn.numerics import Array
from convexnn.theorems.wgan.moments import relu

#: rows: generator; columns: linear, quadratic, polynomial, ReLU discriminator.
TABLE = (
    ("free or linear", "convex, closed form", "convex, closed form", "convex (SDP)", "convex-concave; not convex in W"),
    ("polynomial", "linear in lifted latents", "linear in lifted latents", "as linear", "as linear"),
    ("two-layer ReLU", "convex, lifted", "two steps, output penalty", "two steps", "two steps, step one not convex"),
)


def gaps_along(X: Array, Z: Array, first: Array, last: Array, points: int) -> tuple[Array, Array]:
    """The ReLU gap of Z W on the segment from W = first to W = last: positions in [0, 1] and gaps."""
    at = np.linspace(0.0, 1.0, points)
    return at, np.array([relu(X, Z @ ((1 - t) * first + t * last)) for t in at])


def disconnected() -> tuple[Array, Array, Array, Array]:
    """X = Z = (1, -1)' and the two weights W = -1, 1: both have gap 0, W = 0 between them has gap 1."""
    X = np.array([[1.0], [-1.0]])
    return X, X.copy(), np.array([[-1.0]]), np.array([[1.0]])


def skewed(n: int, d: int, seed: int) -> Array:
    """A sample of mean zero that is not symmetric about it, so that X and -X are different samples."""
    X = np.random.default_rng(seed).exponential(size=(n, d))
    return X - X.mean(0)
