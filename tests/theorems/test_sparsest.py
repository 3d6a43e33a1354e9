"""Interpolation on a line: its cost, when small weights mean few neurons, and the kernel that is no spline."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from geometry_data import FIVE_X, FIVE_Y, on_a_line
from tolerances import VALUE, close

from convexnn import Data, solve
from convexnn.theorems import convex_geometry as geometry
from convexnn.theorems.convex_geometry.tangent_kernel import kernel_fit, tangent_kernel
from convexnn.theorems.shared.kinks import (
    bend,
    dictionary,
    interpolation_cost,
)
from convexnn.theorems.shared.sparsest import fewest, smallest_weights


@pytest.mark.parametrize("seed", range(6))
def test_interpolation_costs_what_the_formula_says(seed):
    rng = np.random.default_rng(seed)
    t = rng.permutation(7) + rng.uniform(0.1, 0.9, 7)
    y = (3 * t if seed % 2 else 0 * t) + rng.standard_normal(7)
    assert interpolation_cost(t, y) == pytest.approx(smallest_weights(dictionary(t)[0], y).cost, rel=1e-9)


def test_a_linear_function_costs_one_slope_where_its_norm_on_the_whole_line_is_two():
    t = np.arange(4.0)
    assert interpolation_cost(t, t) == 1.0
    assert smallest_weights(dictionary(t)[0], t).cost == pytest.approx(1.0, abs=1e-12)
    assert interpolation_cost(np.arange(5.0), np.array([0.0, 1, 3, 6, 10])) == 4.0
    with pytest.raises(ValueError, match="a point twice"):
        interpolation_cost(np.zeros(2), np.zeros(2))


def test_the_lasso_tends_to_the_interpolation_cost():
    value = solve(geometry.program(Data(FIVE_X, FIVE_Y, 1e-4)), tol=1e-10).value
    assert value / 1e-4 == pytest.approx(interpolation_cost(FIVE_X[:, 0], FIVE_Y), rel=1e-3)  # 8 beta - 8 beta^2


@pytest.mark.parametrize("y", [(0, 1, 3, 6, 10), (0, 1, 0, 1, 0)])
def test_the_catalogued_sets_need_four_neurons_and_have_no_strict_certificate(y):
    Phi = dictionary(np.arange(5.0))[0]
    found = smallest_weights(Phi, np.array(y, dtype=float))
    assert fewest(Phi, np.array(y, dtype=float)) == 4
    assert not found.unique
    assert found.off_support == pytest.approx(1.0, abs=1e-9)


def test_a_strict_certificate_means_one_l1_solution_and_here_it_is_the_sparsest():
    Phi, y = dictionary(np.arange(5.0))[0], np.array([0.0, 0, 0, 1, 3])
    found = smallest_weights(Phi, y)
    assert found.unique
    assert found.off_support < 1
    assert found.count == fewest(Phi, y) == 2
    close(Phi @ found.w + found.offset, y, VALUE["linprog"])


def test_without_an_offset_the_unique_l1_network_has_three_neurons_where_two_suffice():
    Phi, y = dictionary(np.arange(4.0))[0], np.array([-3.0, -3.0, -3.0, 0.0])
    found = smallest_weights(Phi, y, offset=False)
    assert found.unique
    assert (found.count, fewest(Phi, y, offset=False)) == (3, 2)


@pytest.mark.parametrize("seed", range(5))
def test_on_a_line_with_offset_some_sparsest_network_has_the_smallest_weights(seed):
    Phi, y = dictionary(np.arange(5.0))[0], np.random.default_rng(seed).integers(-3, 4, 5).astype(float)
    costs = []
    for S in combinations(range(Phi.shape[1]), fewest(Phi, y)):
        columns = np.hstack([Phi[:, list(S)], np.ones((5, 1))])
        w = np.linalg.lstsq(columns, y, rcond=None)[0]
        if np.abs(columns @ w - y).max() < 1e-9:
            costs.append(np.abs(w[:-1]).sum())
    assert min(costs) == pytest.approx(smallest_weights(Phi, y).cost, abs=1e-9)


@pytest.mark.parametrize("unit", [1e-12, 1e9])
def test_the_unit_of_the_targets_changes_no_verdict(unit, rng):
    t, y = FIVE_X[:, 0], FIVE_Y
    Phi = dictionary(t)[0]
    here, there = smallest_weights(Phi, y), smallest_weights(Phi, unit * y)
    assert there.count == here.count
    assert there.unique == here.unique
    close(dictionary(t)[0] @ there.w / unit + there.offset / unit, y, 1e-9)  # it interpolates in its own unit
    close(np.array([there.cost, there.offset]) / unit, np.array([here.cost, here.offset]), 1e-9)
    assert fewest(Phi, unit * y) == fewest(Phi, y)


def test_too_many_supports_and_too_few_neurons_are_refused():
    with pytest.raises(ValueError, match="more than 500000 supports"):
        fewest(np.ones((30, 40)), np.ones(30))
    with pytest.raises(ValueError, match="no weights interpolate"):
        smallest_weights(np.ones((3, 1)), np.arange(3.0))
    assert fewest(np.ones((3, 1)), np.arange(3.0)) == -1


def test_the_tangent_kernel_is_the_mean_over_gaussian_neurons(rng):
    X = rng.standard_normal((3, 2))
    g = rng.standard_normal((400_000, 2))
    before = X @ g.T
    after, on = np.maximum(before, 0), (before > 0).astype(float)
    expected = (after @ after.T + (X @ X.T) * (on @ on.T)) / len(g)
    close(tangent_kernel(X, X), expected, 2e-2)  # Monte Carlo: 1 / sqrt(draws) times moments of order ten


def test_the_kernel_interpolates_and_is_no_spline():
    data = on_a_line(6, 6)
    fit = kernel_fit(data.X, data.y)
    close(fit.predict(data.X), data.y, 1e-7)  # condition number of the kernel matrix
    assert bend(fit.predict, data.X) > 1e-2
    ridged = kernel_fit(data.X, data.y, 0.5)
    close(tangent_kernel(ridged.points, ridged.points) @ ridged.coefficients + 0.5 * ridged.coefficients, data.y)
