"""Convex geometry: on a line, training is a lasso over kinks at the data and its solutions are linear splines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from geometry_data import FIVE_X, FIVE_Y, on_a_line
from sklearn.linear_model import Lasso
from tolerances import VALUE, close

from convexnn import Data, certify, solve, study, train
from convexnn.cones import FreeCone
from convexnn.networks import TwoLayer
from convexnn.theorems import convex_geometry as geometry
from convexnn.theorems import two_layer
from convexnn.theorems.shared.extreme_points import pulls_of
from convexnn.theorems.shared.kinks import (
    KinkOperator,
    bend,
    dictionary,
    kinks_of,
    line,
    pull_of_ramps,
    sign_changes,
)


@pytest.mark.parametrize(
    "beta, value",
    [(0.05, 0.38), (0.3, 1.68), (0.4, 29 / 15), (0.5, 25 / 12), (1.0, 82 / 35), (2.0, 2.4), (2.5, 2.4)],
)
def test_the_five_points_have_the_catalogued_values(beta, value):
    data = Data(FIVE_X, FIVE_Y, beta)
    solution = solve(geometry.program(data), tol=1e-8)
    assert solution.status == "solved"
    assert solution.value == pytest.approx(value, abs=1e-7)  # the catalogue gives six digits, these are the fractions
    assert abs(solution.certificate.v.sum()) < 1e-12
    assert solution.certificate.scope == "network"


def test_without_the_free_offset_the_value_is_larger():
    shifted = Data(FIVE_X, FIVE_Y + 10, 0.1)
    assert geometry.reference(shifted, offset=False).solve(solver="CLARABEL") == pytest.approx(1.09875, abs=1e-6)
    assert solve(geometry.program(shifted)).value == pytest.approx(0.72, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("beta", [0.02, 0.3])
def test_the_value_is_that_of_the_lasso_with_a_free_intercept(seed, beta):
    data = on_a_line(seed, beta=beta)
    K, _, _ = dictionary(line(data.X)[1])
    other = Lasso(alpha=beta / data.n, fit_intercept=True, tol=1e-13, max_iter=2_000_000).fit(K, data.y)
    residual = other.predict(K) - data.y
    expected = 0.5 * residual @ residual + beta * np.abs(other.coef_).sum()
    solution = solve(geometry.program(data), tol=1e-9)
    assert solution.value == pytest.approx(expected, abs=1e-8)
    assert solution.lower <= expected + 1e-12


@pytest.mark.parametrize("loss", ["squared", "logistic", "hinge", "squared_hinge"])
def test_kinks_at_the_data_are_enough_for_every_loss(loss):
    """The finite program over all cells of [X 1] knows nothing of kinks, and has the same value."""
    data = on_a_line(5, 6, loss)
    solution = solve(geometry.program(data, loss=loss), tol=1e-6)
    assert solution.status == "solved", solution.message
    cells = solve(two_layer.program(data, loss=loss, bias="unregularised"), tol=1e-6)
    assert solution.value == pytest.approx(cells.value, abs=3e-6)
    assert geometry.reference(data, loss=loss).solve(solver="CLARABEL") == pytest.approx(solution.value, abs=3e-6)


def test_a_line_that_misses_the_origin_is_still_a_line():
    rng = np.random.default_rng(3)
    X = np.array([1.0, 2.0]) + np.outer(rng.uniform(-1, 1, 5), [3.0, -1.0])
    data = Data(X, rng.standard_normal(5), 0.1)
    expected = solve(two_layer.program(data, bias="unregularised"), tol=1e-8).value
    solution = solve(geometry.program(data), tol=1e-8)
    assert solution.value == pytest.approx(expected, abs=1e-7)
    assert geometry.objective(geometry.recover(data, solution), data) == pytest.approx(expected, abs=1e-7)


def test_repeated_points_are_merged_in_the_dictionary_and_kept_in_the_loss():
    data = Data(np.vstack([FIVE_X, FIVE_X[:2]]), np.append(FIVE_Y, [0.0, 0.5]), 0.1)
    program = geometry.program(data)
    assert program.groups == 2 * (5 - 1)
    assert not (program.operator.K == 0).all(0).any()
    expected = geometry.reference(data).solve(solver="CLARABEL")
    assert solve(program).value == pytest.approx(expected, abs=VALUE["CLARABEL"])


def test_several_outputs_are_several_splines():
    Y = np.random.default_rng(0).standard_normal((5, 2))
    together = solve(geometry.program(Data(FIVE_X, Y, 0.1)), tol=1e-8)
    apart = sum(solve(geometry.program(Data(FIVE_X, Y[:, k], 0.1)), tol=1e-8).value for k in range(2))
    assert together.value == pytest.approx(apart, abs=1e-7)
    network = geometry.recover(Data(FIVE_X, Y, 0.1), together)
    assert geometry.objective(network, Data(FIVE_X, Y, 0.1)) == pytest.approx(apart, abs=1e-7)


def test_the_network_breaks_at_the_data_and_every_neuron_pulls_with_beta():
    data = on_a_line(1, 9)
    solution = solve(geometry.program(data), tol=1e-10)
    network = geometry.recover(data, solution)
    v = solution.certificate.v[:, 0]
    at = kinks_of(network, np.ones(1))
    assert np.abs(at[:, None] - data.X[:, 0]).min(1).max() < 1e-12
    assert pulls_of(network, data.X, v) == pytest.approx(np.full(network.width, data.beta), rel=1e-4)
    grid = np.linspace(-3, 3, 2001)
    assert np.abs(pull_of_ramps(v, data.X[:, 0], grid)).max() <= data.beta * (1 + 1e-9)
    assert bend(lambda X: network.predict(X)[:, 0], data.X) < 1e-12


def test_scaling_the_data_is_scaling_beta():
    data = on_a_line(2)
    scaled = Data(3 * data.X, 2 * data.y, 6 * data.beta)
    values = [solve(geometry.program(d), tol=1e-8).value for d in (data, scaled)]
    assert values[1] == pytest.approx(4 * values[0], abs=1e-6)


def test_no_training_run_beats_the_bound_and_the_best_comes_close():
    data = on_a_line(4, 8)
    solution = solve(geometry.program(data), tol=1e-8)
    run = train(geometry.network(30, data), data, "lbfgs", seeds=range(6), steps=1500, device="cpu")
    assert run.curves.min() >= solution.lower - 1e-9
    assert run.value <= solution.value + 1e-4


def test_a_study_certifies_the_theorem_in_one_call():
    verdict = study.run(geometry, on_a_line(2, 6), seeds=range(2))
    assert verdict.status == "certified", verdict.text
    assert "network scope" in verdict.text


def test_the_decision_regions_end_where_the_function_vanishes():
    data = on_a_line(8, 9, "hinge", 0.05)
    network = geometry.spline(data, geometry.program(data, loss="hinge"), geometry.by_master(data)[0])
    ends = sign_changes(network, np.ones(1), -3.0, 3.0)
    assert np.abs(network.predict(ends[:, None])).max() < 1e-12
    grid = np.linspace(-3, 3, 4001)
    signs = np.sign(network.predict(grid[:, None])[:, 0])
    assert len(ends) == (np.diff(signs[signs != 0]) != 0).sum()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", ["squared", "logistic", "hinge", "squared_hinge"])
def test_the_judge_certifies_the_master_of_every_loss_and_its_spline_has_that_value(loss, seed):
    data = on_a_line(seed, 12, loss, 0.1)
    program = geometry.program(data, loss=loss)
    Z, v = geometry.by_master(data, loss)
    certificate = certify(program, Z, witnesses=[v])
    assert certificate.gap <= 1e-8
    assert geometry.spline(data, program, Z).objective(data) == pytest.approx(certificate.upper, abs=1e-9)


def test_the_operator_has_an_adjoint_and_its_normal_equations_are_solved(rng):
    operator = KinkOperator(torch.as_tensor(rng.standard_normal((5, 6))), 2)
    Z, V = (torch.as_tensor(rng.standard_normal(shape)) for shape in (operator.domain, operator.codomain))
    close((operator.forward(Z) * V).sum(), (Z * operator.adjoint(V)).sum())
    back = operator.normal_solver(FreeCone(), 0.3, 2.0)(Z + 0.3 * operator.adjoint(operator.forward(Z)))
    close(back, Z)


@pytest.mark.parametrize("X, words", [(np.eye(3), "lie on no line"), (np.ones((3, 2)), "all rows of X are equal")])
def test_data_off_the_line_are_refused(X, words):
    with pytest.raises(ValueError, match=words):
        geometry.program(Data(X, np.arange(3.0), 0.1))


def test_rounding_keeps_points_on_their_line_and_a_millionth_does_not():
    rng = np.random.default_rng(0)
    X, noise = np.outer(rng.standard_normal(6), [1.0, 2.0]), rng.standard_normal((6, 2))
    assert line(X + 1e-15 * noise)[0] == pytest.approx(np.array([1.0, 2.0]) / np.sqrt(5))
    with pytest.raises(ValueError, match="lie on no line"):
        line(X + 1e-6 * noise)
    assert dictionary(np.array([0.0, 1.0, 1.0 + 1e-13, 1.0 + 1e-6]))[0].shape == (4, 4)


def test_a_solution_is_recovered_with_its_own_data_only():
    data = Data(FIVE_X, FIVE_Y, 0.1)
    with pytest.raises(ValueError, match="not the X of the solution's program"):
        geometry.recover(Data(FIVE_X + 1, FIVE_Y, 0.1), solve(geometry.program(data)))


def test_a_wrong_spline_is_not_certified():
    data = Data(FIVE_X, FIVE_Y, 0.1)
    program = geometry.program(data)
    Z = solve(program, tol=1e-8).Z
    Z[0, 0] += 0.1
    assert certify(program, Z).gap > 1e-3


def test_recovered_networks_are_two_layer_networks_with_a_free_bias():
    data = geometry.sample("full", 0)
    assert np.linalg.matrix_rank(data.X) == 1
    network = geometry.network(5, data)
    assert isinstance(network, TwoLayer)
    assert network.bias == "unregularised"
    t = line(data.X)[1]
    close(np.abs(kinks_of(network, line(data.X)[0])[:, None] - t).min(1), np.zeros(5), 1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_samples_the_sign_of_targets_and_a_rotation_change_nothing(seed):
    rng = np.random.default_rng(seed)
    t, y = rng.standard_normal(7), rng.standard_normal(7)
    line = np.linalg.qr(rng.standard_normal((3, 3)))[0][:1]  # a direction in space
    order = rng.permutation(7)
    data = Data(t[:, None], y, 0.2)
    variants = [Data(t[order, None], y[order], 0.2), Data(t[:, None], -y, 0.2), Data(t[:, None] @ line, y, 0.2)]
    value = solve(geometry.program(data), tol=1e-8).value
    for variant in variants:
        close(solve(geometry.program(variant), tol=1e-8).value, value, 2e-8)
