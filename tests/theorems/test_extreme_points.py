"""The rectified ellipsoid: its support function, its extreme points, and the neurons of a single sample."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from tolerances import VALUE

from convexnn import Data
from convexnn.theorems.convex_geometry.cutting_plane import cutting_plane
from convexnn.theorems.shared.extreme_points import (
    directions,
    dual_norm,
    hull,
    isolate,
    one_sample_neurons,
    pulls_of,
    support,
)


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


@pytest.mark.parametrize("seed", range(3))
def test_with_a_free_bias_the_support_function_is_the_maximum_over_directions_and_kinks(seed, rng):
    A, v = rng.standard_normal((6, 2)), rng.standard_normal(6)
    v -= v.mean()
    angles = np.linspace(0, 2 * np.pi, 4001)
    before = A @ np.array([np.cos(angles), np.sin(angles)])
    best = max(float((v @ np.maximum(before - before[k], 0)).max()) for k in range(6))  # linear in b between kinks
    found = support(np.hstack([A, np.ones((6, 1))]), v, free=1)
    assert 0 <= found.value - best < 1e-3  # the grid's step
    u, b = found.u[:2], found.u[2]
    assert np.linalg.norm(u) == pytest.approx(1.0)
    assert np.abs(A @ u + b).min() < 1e-9
    assert v @ np.maximum(A @ u + b, 0) == pytest.approx(found.value, abs=1e-7)


@pytest.mark.parametrize("seed", range(8))
def test_an_extreme_point_is_a_combination_of_samples(seed, rng):
    """u is proportional to A'c with c_i = v_i on active samples, 0 on inactive ones, between v_i and 0 at a kink."""
    A, v = rng.standard_normal((6, 3)), rng.standard_normal(6)
    found = support(A, v)
    before = A @ found.u
    edge, on = np.abs(before) <= 1e-9, before > 1e-9
    rest = found.value * found.u - A[on].T @ v[on]
    c = np.linalg.lstsq(A[edge].T, rest, rcond=None)[0]
    assert A[edge].T @ c == pytest.approx(rest, abs=1e-8)
    assert (c >= v[edge] - 1e-8).all()
    assert (c <= 1e-8).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_neurons_of_an_optimal_network_expose_the_hull_in_the_dual_direction(seed, rng):
    data = Data(rng.standard_normal((8, 3)), rng.standard_normal(8), 0.1)
    cuts = cutting_plane(data, tol=1e-9)
    pulls = pulls_of(cuts.network, data.X, cuts.v)
    assert pulls == pytest.approx(np.full(cuts.network.width, data.beta), rel=1e-4)
    assert dual_norm(data.X, cuts.v)[0] <= data.beta * (1 + 1e-4)
    drawn = np.random.default_rng(seed).standard_normal((20_000, 3))
    unit = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    assert np.abs(cuts.v @ np.maximum(data.X @ unit.T, 0)).max() <= data.beta * (1 + 1e-4)


def test_the_drawn_directions_are_unit_vectors_and_four_features_cannot_be_drawn():
    for d in (2, 3):
        assert np.linalg.norm(directions(d, 20), axis=-1) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="2 or 3 features"):
        directions(4)


def test_one_sample_neurons_fire_on_one_sample():
    A = np.random.default_rng(0).standard_normal((3, 3))
    fired = one_sample_neurons(A)
    assert np.abs(fired - np.diag(np.diag(fired))).max() < 1e-9
    assert np.diag(fired).min() > 0


def test_the_drawn_hull_has_the_dual_norm_as_its_support_function():
    """The hull of Q and -Q, seen from a direction v, reaches as far as the strongest neuron pulls on v."""
    A = np.array([[1.0, 0.0], [-0.7, 0.7]])
    edge = hull(np.maximum(directions(2, 4001) @ A.T, 0))
    assert (edge[0] == edge[-1]).all()
    for v in np.random.default_rng(0).standard_normal((20, 2)):
        assert (edge @ v).max() == pytest.approx(dual_norm(A, v)[0], rel=1e-5)  # the circle is drawn in 4001 steps
