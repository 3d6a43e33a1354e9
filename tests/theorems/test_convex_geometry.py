"""Convex geometry: splines as a lasso over kinks, extreme points, spike-free data, closed forms, cutting planes."""

from __future__ import annotations

from itertools import combinations

import cvxpy as cp
import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso
from tolerances import VALUE, close

from convexnn import Data, certify, solve, study, train
from convexnn.cones import FreeCone
from convexnn.networks import TwoLayer
from convexnn.theorems import convex_geometry as geometry
from convexnn.theorems import two_layer
from convexnn.theorems._closed_forms import huber, one_hot, orthogonal, rank_one, two_neurons, whitened
from convexnn.theorems._consequences import minimum_norm
from convexnn.theorems._cutting_plane import cutting_plane, restricted_lasso
from convexnn.theorems._extreme_points import dual_norm, isolate, pulls_of, support
from convexnn.theorems._kinks import (
    KinkOperator,
    bend,
    dictionary,
    interpolation_cost,
    kinks_of,
    line,
    pull_of_ramps,
    sign_changes,
)
from convexnn.theorems._sparsest import fewest, smallest_weights
from convexnn.theorems._spike_free import is_spike_free, largest_spike, one_pattern_program
from convexnn.theorems._tangent_kernel import kernel_fit, tangent_kernel

FIVE_X = np.arange(-2.0, 3.0).reshape(-1, 1)
FIVE_Y = np.array([1.0, -1.0, 1.0, 1.0, -1.0])
#: The catalogue's spike-free matrix whose two-neuron interpolant is not optimal: A A' is the inverse of G.
G = np.array([[1.0, -0.4, -0.4], [-0.4, 1.0, 0.0], [-0.4, 0.0, 1.0]])
A_STIELTJES = np.linalg.cholesky(np.linalg.inv(G))


def on_a_line(seed: int, n: int = 7, loss: str = "squared", beta: float = 0.2) -> Data:
    rng = np.random.default_rng(seed)
    t, y = rng.uniform(-2, 2, n), rng.standard_normal(n)
    return Data(t[:, None], y if loss == "squared" else np.where(y > 0, 1.0, -1.0), beta)


def orthonormal_rows(seed: int, n: int, d: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, n)))[0].T


# ---- the lasso over kinks -------------------------------------------------------------------------------------------


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
    run = train(geometry.network(30, data), data, seeds=range(4), steps=1500, device="cpu")
    assert run.curves.min() >= solution.lower - 1e-9
    assert run.value <= solution.value + 1e-2


def test_a_study_certifies_the_theorem_in_one_call():
    verdict = study.run(geometry, on_a_line(2, 6), seeds=range(2))
    assert verdict.status == "certified", verdict.text
    assert "network scope" in verdict.text


def test_the_decision_regions_end_where_the_function_vanishes():
    data = on_a_line(8, 9, "hinge", 0.05)
    network = geometry.recover(data, solve(geometry.program(data, loss="hinge")))
    ends = sign_changes(network, np.ones(1), -3.0, 3.0)
    assert np.abs(network.predict(ends[:, None])).max() < 1e-12
    grid = np.linspace(-3, 3, 4001)
    signs = np.sign(network.predict(grid[:, None])[:, 0])
    assert len(ends) == (np.diff(signs[signs != 0]) != 0).sum()


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


# ---- interpolation, sparsity and the kernel -------------------------------------------------------------------------


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


# ---- extreme points -------------------------------------------------------------------------------------------------


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


# ---- spike-free data and closed forms -------------------------------------------------------------------------------


SPIKES = {
    "whitened": (orthonormal_rows(0, 3, 5), True),
    "orthogonal": (orthonormal_rows(1, 3, 5) * np.array([[1.0], [2.0], [0.3]]), True),
    "stieltjes": (A_STIELTJES, True),
    "positive rank one": (np.outer([1.0, 2.0, 0.0, 3.0], [1.0, -1.0]), True),
    "repeated rows": (np.vstack([A_STIELTJES, 2 * A_STIELTJES[:1]]), True),
    "mixed": (np.outer([1.0, -2.0], [1.0, -1.0]), False),
    "orthonormal columns": (orthonormal_rows(2, 3, 5).T, False),
    "gaussian": (np.random.default_rng(3).standard_normal((3, 4)), False),
    "nearly parallel": (np.array([[1.0, 0.0], [1.0, 0.05], [0.0, 1.0]]), False),
    "slightly obtuse": (np.array([[1.0, 0.0], [-0.01, 1.0]]), False),
    "negative product": (np.array([[1.0, 0.0], [-0.5, 1.0]]), False),
    "non-negative products": (np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0.5]]), False),
}


@pytest.mark.parametrize("name", SPIKES)
def test_the_sign_test_agrees_with_random_maximisation(name):
    A, expected = SPIKES[name]
    assert bool(is_spike_free(A)) == expected, is_spike_free(A).reason
    assert (largest_spike(A, 20_000) > 1e-9) == (not expected)


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


@pytest.mark.parametrize("beta", [0.1, 0.8, 2.0])
@pytest.mark.parametrize("form, name", [(whitened, "whitened"), (orthogonal, "orthogonal"), (rank_one, "mixed")])
def test_closed_forms_are_the_value_of_the_program(form, name, beta):
    A = SPIKES[name][0]
    data = Data(A, np.random.default_rng(7).standard_normal(len(A)) * 2, beta)
    found = form(data)
    assert found.value == pytest.approx(solve(two_layer.program(data), tol=1e-8).value, abs=1e-7)
    assert found.network.objective(data) == pytest.approx(found.value, abs=1e-10)


@pytest.mark.parametrize("beta, value", [(0.3, 1.10887931), (1.2, 2.83551724)])
def test_one_hot_golden_values(beta, value):
    data = Data(orthonormal_rows(0, 6, 8), np.eye(3)[[0, 0, 0, 1, 1, 2]], beta)
    found = one_hot(data)
    assert found.value == pytest.approx(value, abs=1e-8)
    assert found.network.objective(data) == pytest.approx(value, abs=1e-8)
    assert found.network.width == (3 if beta < 1 else 2)
    assert solve(one_pattern_program(data)).value == pytest.approx(value, abs=1e-6)


def test_the_whitened_value_is_a_huber_function_of_each_sign():
    assert huber(2.0, 0.5) == 0.5 * 2 - 0.125
    assert huber(0.5, 0.5) == huber(0.5, 2.0) == 0.125


def test_closed_forms_refuse_data_of_other_classes():
    rng = np.random.default_rng(0)
    data = Data(rng.standard_normal((3, 4)), np.ones(3), 0.1)
    for form, words in ((whitened, "whiten the rows"), (orthogonal, "orthogonal rows"), (rank_one, "rank one")):
        with pytest.raises(ValueError, match=words):
            form(data)
    nearly = SPIKES["whitened"][0] * (1 + 1e-6)
    with pytest.raises(ValueError, match="whiten the rows"):
        whitened(Data(nearly, np.ones(3), 0.1))
    with pytest.raises(ValueError, match="not one-hot"):
        one_hot(Data(SPIKES["whitened"][0], np.full((3, 2), 0.5), 0.1))
    with pytest.raises(ValueError, match="one output"):
        whitened(Data(SPIKES["whitened"][0], np.eye(3), 0.1))


# ---- cutting planes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_cutting_planes_with_the_exact_oracle_reach_the_optimum(seed, rng):
    data = Data(rng.standard_normal((7, 3)), rng.standard_normal(7), 0.1)
    cuts = cutting_plane(data)
    optimum = solve(two_layer.program(data), tol=1e-8).value
    assert cuts.converged
    assert cuts.exact
    assert cuts.lower <= optimum + 1e-9
    assert cuts.value == pytest.approx(optimum, abs=2e-6)
    assert cuts.network.objective(data) == pytest.approx(cuts.value, abs=1e-10)
    assert (np.diff(cuts.history[:, 1]) >= 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_relaxed_oracle_solves_the_program_with_one_pattern(seed, rng):
    data = Data(rng.standard_normal((4, 5)), rng.standard_normal(4), 0.1)
    cuts = cutting_plane(data, "relaxed")
    assert cuts.value == pytest.approx(solve(one_pattern_program(data), tol=1e-8).value, abs=2e-6)
    assert cuts.value >= cutting_plane(data).lower - 1e-9
    assert cuts.exact == bool(is_spike_free(data.X))


def test_the_relaxed_oracle_is_exact_on_spike_free_data_and_far_off_on_others():
    y = np.array([1.0, 2.0, -1.0])
    free, spiked = Data(A_STIELTJES, y, 0.1), Data(SPIKES["gaussian"][0], y, 0.1)
    assert cutting_plane(free, "relaxed").exact
    assert cutting_plane(free, "relaxed").value == pytest.approx(cutting_plane(free).value, abs=2e-6)
    relaxed = cutting_plane(spiked, "relaxed")
    assert relaxed.value > 1.1 * cutting_plane(spiked).value
    assert dual_norm(spiked.X, relaxed.v)[0] > 1.1 * spiked.beta  # the exact oracle refutes the relaxed dual vector
    assert dual_norm(free.X, cutting_plane(free, "relaxed").v)[0] <= free.beta * (1 + 1e-3)


def test_the_restricted_lasso_is_optimal(rng):
    Phi, y = rng.standard_normal((6, 9)), rng.standard_normal(6)
    a = restricted_lasso(Phi, y, 0.4)
    pulled = Phi.T @ (y - Phi @ a)
    assert np.abs(pulled).max() <= 0.4 + 1e-10
    assert pulled[a != 0] == pytest.approx(0.4 * np.sign(a[a != 0]), abs=1e-9)
    assert not restricted_lasso(Phi, y, 100.0).any()


def test_a_run_that_is_cut_short_keeps_valid_bounds():
    rng = np.random.default_rng(2)
    data = Data(rng.standard_normal((8, 3)), rng.standard_normal(8), 0.05)
    short, long = cutting_plane(data, rounds=3), cutting_plane(data)
    assert not short.converged
    assert short.lower <= long.value <= short.value + 1e-9
    with pytest.raises(ValueError, match="one output"):
        cutting_plane(Data(data.X, np.ones((8, 2)), 0.1))


def test_recovered_networks_are_two_layer_networks_with_a_free_bias():
    data = geometry.sample("full", 0)
    assert np.linalg.matrix_rank(data.X) == 1
    network = geometry.network(5, data)
    assert isinstance(network, TwoLayer)
    assert network.bias == "unregularised"
    t = line(data.X)[1]
    close(np.abs(kinks_of(network, line(data.X)[0])[:, None] - t).min(1), np.zeros(5), 1e-8)
