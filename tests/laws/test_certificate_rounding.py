"""The float judge against the rational one: what float64 cannot know about a pull is not claimed.

With features a and a + eps b the optimum needs weights of size 1/eps, and a pull of size beta is what is left of terms
1/eps times larger. Seen to fail: the lower bound was above the optimum by 1e-9 at eps = 3e-8.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from convexnn import Data, Point, certify, certify_exactly
from convexnn.certifying import _row_size
from convexnn.cones import PatternCone
from convexnn.operators import GatedOperator, MatrixOperator, Operator
from convexnn.theorems import two_layer


def nearly_parallel(seed: int, activation: str):
    """A program with one pattern, its size eps, and the ridge residuals, which are close to the dual optimum."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 40))
    eps = 10 ** rng.uniform(-8, -5)
    X, beta = np.column_stack([a, a + eps * b]), eps * 10 ** rng.uniform(-2, 0.5)
    pattern = np.ones((40, 1), bool) if activation == "gated" else X[:, :1] > 0
    program = two_layer.program(Data(X, b, beta), activation=activation, patterns=pattern)
    A = X * pattern
    ridge = np.vstack([A, (beta * eps) ** 0.5 * np.eye(2)])
    w = np.linalg.lstsq(ridge, np.append(b, [0.0, 0.0]), rcond=None)[0]
    return program, (b - A @ w)[:, None]


@pytest.mark.parametrize("activation", ["gated", "relu"])
@pytest.mark.parametrize("seed", range(30))
def test_the_float_bound_is_never_above_the_rational_bound_of_the_same_witness(activation, seed):
    program, v = nearly_parallel(seed, activation)
    Z = np.zeros(program.operator.domain)
    for factor in (1.0, 1.001, 1.1):
        judged, exact = (judge(program, Point(Z, factor * v)) for judge in (certify, certify_exactly))
        assert judged.lower <= exact.lower
        assert judged.upper >= exact.upper


@pytest.mark.parametrize("signs", [(1.0,), (1.0, -1.0)])
def test_the_size_of_a_block_is_not_below_the_largest_block(signs, rng):
    X, D = torch.tensor(rng.normal(size=(7, 3))), torch.tensor(rng.integers(0, 2, (7, 5)) * 1.0)
    gated, E = GatedOperator(X, D, signs, 2), torch.tensor(rng.normal(size=(4, 7, 3)))
    assert gated.block_size() >= float((D.T[:, :, None] * X).flatten(1).norm(dim=1).max())
    assert MatrixOperator(E).block_size() == float(E.flatten(1).norm(dim=1).max())
    for operator in (gated, MatrixOperator(E)):
        assert Operator.block_size(operator) >= operator.block_size() * 0.999  # Lanczos, with its margin


def test_the_size_of_the_cones_rows_is_the_frobenius_norm(rng):
    program = two_layer.program(Data(rng.normal(size=(6, 2)), rng.normal(size=6), 0.1))

    class Unshared(PatternCone):
        def shared_gram(self):
            return None

    cone = program.cone
    slow = replace(program, cone=Unshared(cone.X, cone.S, cone.copies))
    assert np.allclose(_row_size(program), np.linalg.norm(cone.X))
    assert np.allclose(_row_size(slow), np.linalg.norm(cone.X))
