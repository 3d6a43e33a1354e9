"""Instances and solutions that the laws of `solve` share."""

import numpy as np

from convexnn import Data, Solution, solve
from convexnn.theorems import two_layer

TOL = 1e-8  # asked of the solver; values of two programs that should agree may differ by twice that


def gaussian(seed: int, n: int = 14, d: int = 3, beta: float = 0.3) -> Data:
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((n, d)), rng.standard_normal(n), beta)


def solution(data: Data, activation: str = "gated", tol: float = TOL, **options) -> Solution:
    options.setdefault("patterns", 12)
    found = solve(two_layer.program(data, activation=activation, **options), tol=tol, device="cpu")
    assert found.status == "solved", found.message
    return found


def agree(a: Solution, b: Solution, factor: float = 1.0, extra: float = 0.0) -> None:
    """a = factor * b within both tolerances; the intervals of the two certificates meet."""
    slack = (2 * TOL + extra) * max(1.0, abs(a.value), abs(factor * b.value))
    assert abs(a.value - factor * b.value) <= slack
    assert max(a.lower, factor * b.lower) <= min(a.value, factor * b.value) + extra * max(1.0, abs(a.value))
