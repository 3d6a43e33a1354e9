"""Spike-free data: the sign test, the program with one pattern, and where two neurons stop being optimal."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_data import A_STIELTJES, SPIKES
from tolerances import VALUE

from convexnn import Data, solve
from convexnn.theorems import two_layer
from convexnn.theorems.shared.closed_forms import orthogonal, two_neurons
from convexnn.theorems.shared.spike_free import is_spike_free, largest_spike, one_pattern_program
from convexnn.theorems.two_layer.consequences import minimum_norm


@pytest.mark.parametrize("name", SPIKES)
def test_the_sign_test_agrees_with_random_maximisation(name):
    A, expected = SPIKES[name]
    assert bool(is_spike_free(A)) == expected, is_spike_free(A).reason
    assert (largest_spike(A, 20_000) > 1e-9) == (not expected)


@pytest.mark.parametrize("name", SPIKES)
def test_the_length_of_a_row_changes_no_verdict(name):
    A, expected = SPIKES[name]
    short = A * np.geomspace(1, 1e-17, len(A))[:, None]
    assert bool(is_spike_free(short)) == expected, is_spike_free(short).reason


@pytest.mark.parametrize("name", ["whitened", "stieltjes", "repeated rows"])
def test_spike_free_data_need_one_pattern(name):
    A = SPIKES[name][0]
    data = Data(A, np.random.default_rng(1).standard_normal(len(A)), 0.2)
    one = solve(one_pattern_program(data), tol=1e-8)
    assert one.certificate.scope == "network"
    assert one.value == pytest.approx(solve(two_layer.program(data), tol=1e-8).value, abs=1e-7)
    assert two_layer.objective(two_layer.recover(data, one), data) == pytest.approx(one.value, abs=1e-7)


def test_with_spikes_one_pattern_is_an_upper_bound_and_says_so():
    data = Data(np.random.default_rng(0).standard_normal((6, 3)), np.random.default_rng(1).standard_normal(6), 0.1)
    one = solve(one_pattern_program(data))
    assert one.certificate.scope == "program"
    assert one.value > solve(two_layer.program(data)).value + 1e-2


@pytest.mark.parametrize("y, optimum, formula", [((1, 2, -1), 2.814250, 2.843909), ((0.05, 1, -1), 1.833712, 1.981071)])
def test_two_neurons_are_not_optimal_on_all_spike_free_data(y, optimum, formula):
    y = np.array(y, dtype=float)
    assert is_spike_free(A_STIELTJES)
    assert two_neurons(A_STIELTJES, y).value == pytest.approx(formula, abs=1e-6)
    assert minimum_norm(A_STIELTJES, y) == pytest.approx(optimum, abs=1e-6)


def test_two_neurons_are_optimal_for_orthogonal_rows_and_must_interpolate():
    A, y = SPIKES["orthogonal"][0], np.array([1.0, -2.0, 0.5])
    assert two_neurons(A, y).value == pytest.approx(minimum_norm(A, y), abs=VALUE["CLARABEL"])
    small = Data(A, y, 1e-6)
    assert orthogonal(small).value / 1e-6 == pytest.approx(two_neurons(A, y).value, rel=1e-4)
    with pytest.raises(ValueError, match="do not interpolate"):
        two_neurons(np.vstack([A, A]), np.arange(6.0))


#: Samples, and whether the rectified ellipsoid with a free bias is convex: corners of a simplex without obtuse angles.
SIMPLICES = {
    "segment": (np.array([[0.0], [1.0]]), True),
    "three on a line": (np.array([[0.0], [1.0], [2.0]]), False),
    "equilateral": (np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.87]]), True),
    "right": (np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), True),
    "obtuse": (np.array([[0.0, 0.0], [1.0, 0.0], [-0.3, 1.0]]), False),
    "slightly obtuse": (np.array([[0.0, 0.0], [1.0, 0.0], [-0.01, 1.0]]), False),
    "square": (np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), False),
    "repeated corner": (np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.9], [1.0, 0.0]]), True),
    "far from the origin": (np.array([[5.0, 7.0], [6.0, 7.0], [5.5, 7.9]]), True),
    "regular, three dimensions": (np.eye(4), True),
}


@pytest.mark.parametrize("name", SIMPLICES)
def test_with_a_free_bias_spike_free_means_a_simplex_without_obtuse_angles(name):
    A, expected = SIMPLICES[name]
    assert bool(is_spike_free(A, "unregularised")) == expected
    assert (largest_spike(A, 20_000, bias="unregularised") > 1e-9) == (not expected)
    data = Data(A, np.random.default_rng(1).standard_normal(len(A)), 0.05)
    one = solve(one_pattern_program(data, bias="unregularised"), tol=1e-8)
    every = solve(two_layer.program(data, bias="unregularised"), tol=1e-8)
    assert one.certificate.scope == ("network" if expected else "program")
    assert one.value >= every.lower - 1e-9
    assert not expected or one.value == pytest.approx(every.value, abs=1e-7)
    assert two_layer.objective(two_layer.recover(data, one), data) == pytest.approx(one.value, abs=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_a_regularised_bias_is_one_more_feature(seed, rng):
    A = rng.standard_normal((3, 4))
    with_ones = np.hstack([A, np.ones((3, 1))])
    assert bool(is_spike_free(A, "regularised")) == bool(is_spike_free(with_ones))
    assert (largest_spike(A, 20_000, bias="regularised") > 1e-9) == (not is_spike_free(with_ones))


def test_a_free_bias_makes_samples_spike_free_that_are_not_without_it():
    A = np.random.default_rng(3).standard_normal((3, 5))
    assert not is_spike_free(A)
    assert is_spike_free(A, "unregularised")


@pytest.mark.parametrize("seed", range(3))
def test_turning_and_scaling_the_features_changes_no_verdict(seed, rng):
    Q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    for A in (rng.standard_normal((3, 3)), A_STIELTJES):
        for bias in ("none", "unregularised"):
            assert bool(is_spike_free(A, bias)) == bool(is_spike_free(7 * A @ Q, bias))
