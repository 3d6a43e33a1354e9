"""Instances that the solver tests share, and the judge's word on a solver's own claim."""

import numpy as np

from convexnn.certifying import certify
from convexnn.types import Data

ALGEBRA = 1e-12  # float64 identities on well-scaled random points
CLARABEL = 1e-6  # the reference solver's own accuracy, relative
BARRIERS = ("squared", "squared_hinge", "hinge", "logistic")


def gaussian(n, d, seed, c=1, beta=0.3, loss="squared"):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal((n, c) if c > 1 else n)
    return Data(X, y if loss == "squared" else np.sign(y), beta if loss == "squared" else beta / 2)


def planted(n, d, seed=0, neurons=4):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = np.maximum(X @ rng.standard_normal((d, neurons)), 0) @ rng.choice([-1.0, 1.0], neurons)
    return Data(X, y + 0.1 * np.std(y) * rng.standard_normal(n), 1.0)


def is_certified(program, point, tol):
    certificate = certify(program, point)
    last = point.history[-1]
    claimed = last.objective - last.lower <= tol * max(1.0, abs(last.objective))
    return claimed and certificate.gap <= tol, certificate
