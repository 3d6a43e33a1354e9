"""Patterns do not change when X is multiplied by an invertible matrix from the right: features in any units.

Seen to fail: features of lengths 1, 1e-3, 1e-6 ended in a RecursionError, lengths 1, 1e-5, 1e-10 in too few patterns.
"""

import numpy as np
import pytest

from convexnn import Data, certify_exactly
from convexnn.patterns import count_patterns, enumerate_patterns, patterns_of
from convexnn.theorems import two_layer

HALF = {
    (12, 3): 67,
    (20, 4): 1160,
    (30, 4): 4090,
    (14, 5): 1093,
    (24, 5): 10903,
    (50, 4): 19650,
    (100, 4): 161800,
    (50, 5): 231526,
    (100, 5): 3926176,
    (40, 6): 667928,
}


@pytest.mark.parametrize("n, r", HALF)
def test_half_of_the_count_is_the_number_of_antipodal_pairs(n, r):
    assert count_patterns(n, r) == 2 * HALF[n, r]


@pytest.mark.parametrize("n, r", [(12, 3), (20, 4), (14, 5)])
def test_the_enumeration_has_the_count(n, r, rng):
    D = enumerate_patterns(rng.normal(size=(n, r)))
    assert D.shape[1] == len(np.unique(D, axis=1).T) == 2 * HALF[n, r]


@pytest.mark.parametrize("power", [0, 2, 6, 9, 12])
@pytest.mark.parametrize("seed", range(5))
def test_the_units_of_the_features_do_not_matter(seed, power, rng):
    X = rng.normal(size=(8, 3))
    lengths = 10.0 ** (-power * np.array([0.0, 0.5, 1.0]))
    D, H = enumerate_patterns(X * lengths, return_gates=True)
    assert np.array_equal(D, enumerate_patterns(X))
    assert np.array_equal(patterns_of(X * lengths, H), D)
    assert np.allclose(np.linalg.norm(H, axis=1), 1)


@pytest.mark.parametrize("eps", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("seed", range(5))
def test_nearly_parallel_features_have_all_their_patterns(seed, eps, rng):
    X = rng.normal(size=(8, 3))
    mixed = X @ np.array([[1.0, 1.0, 1.0], [0.0, eps, 0.0], [0.0, 0.0, eps]])
    D, H = enumerate_patterns(mixed, return_gates=True)
    assert np.array_equal(D, enumerate_patterns(X))
    assert np.array_equal(patterns_of(mixed, H), D)


def test_a_program_with_features_in_unlike_units_is_proved_complete(rng):
    data = Data(rng.normal(size=(6, 3)) * [1e3, 1.0, 1e-3], rng.normal(size=6), 0.1)
    program = two_layer.program(data)
    assert certify_exactly(program, program.zeros().numpy()).scope == "network"
