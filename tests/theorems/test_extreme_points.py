"""The rectified ellipsoid: its support function, its extreme points, and the neurons of a single sample."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from tolerances import VALUE

from convexnn.theorems._extreme_points import dual_norm, isolate, support


@pytest.mark.parametrize("seed", range(3))
def test_the_support_function_is_the_maximum_over_the_circle(seed, rng):
    A, v = rng.standard_normal((6, 2)), rng.standard_normal(6)
    angles = np.linspace(0, 2 * np.pi, 20_001)
    values = v @ np.maximum(A @ np.array([np.cos(angles), np.sin(angles)]), 0)
    found = support(A, v)
    assert 0 <= found.value - max(values.max(), 0.0) < 1e-3  # the grid's step, where the maximum is at a kink
    assert v @ np.maximum(A @ found.u, 0) == pytest.approx(found.value, abs=1e-10)
    assert dual_norm(A, v)[0] == pytest.approx(np.abs(values).max(), abs=1e-3)
    assert support(A, v, np.ones((6, 1), dtype=bool)).value <= found.value + 1e-12


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_a_neuron_of_its_own_costs_the_distance_to_the_others(bias, seed, rng):
    A = rng.standard_normal((5, 3))
    for k in range(5):
        u, b, others = cp.Variable(3), cp.Variable(), np.delete(A, k, 0)
        limits = [others @ u + b <= 0, cp.norm(u) <= 1, *([] if bias else [b == 0])]
        expected = cp.Problem(cp.Maximize(A[k] @ u + b), limits).solve(solver="CLARABEL")
        found = isolate(A, k, bias)
        assert found.value == pytest.approx(expected, abs=VALUE["CLARABEL"])
        assert (others @ found.u + found.b).max() <= 1e-9
        assert found.weights.min() >= 0
        assert found.value == pytest.approx(np.linalg.norm(A[k] - found.weights @ A), abs=1e-7)
        assert not bias or found.weights.sum() == pytest.approx(1.0)


def test_a_sample_inside_the_others_has_no_neuron_of_its_own():
    A = np.array([[1.0, 0], [0, 1], [1, 1]])
    assert isolate(A, 2, bias=False).value == 0.0
    assert isolate(A, 2, bias=True).value == pytest.approx(np.sqrt(0.5))
    with pytest.raises(ValueError, match="k is 3"):
        isolate(A, 3, bias=True)
