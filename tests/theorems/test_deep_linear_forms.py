"""The search over a scale, the dual value, partial duals and traps of squared decay, against grids and solvers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from tolerances import VALUE, close

from convexnn import Data, solve, train
from convexnn.data import whiten_rows
from convexnn.theorems import deep_linear
from convexnn.theorems.deep_linear.alignment import column_cosines
from convexnn.theorems.deep_linear.linear_network import Depth
from convexnn.theorems.deep_linear.scale_search import euclidean, nuclear, one_value, scale_search
from convexnn.theorems.shared.schatten import decay, envelope, shrink, threshold

every_depth = pytest.mark.parametrize("L", [2, 3, 4, 6])


def white(seed: int, n: int = 9, d: int = 4, c: int = 3, beta: float = 0.1) -> Data:
    rng = np.random.default_rng(seed)
    return Data(whiten_rows(rng.standard_normal((d, n))).T, rng.standard_normal((n, c)), beta)


def generic(seed: int, beta: float = 0.5) -> Data:
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((10, 4)) * np.array([3.0, 1.0, 0.3, 0.05]), rng.standard_normal(10), beta)


# ---- the judge of squared decay -------------------------------------------------------------------------------------


@every_depth
@pytest.mark.parametrize("beta", [0.01, 0.2, 1.5])
def test_the_search_encloses_the_scalar_problem(L, beta):
    for sigma in threshold(beta, L) * np.array([0.5, 0.95, 1.0, 1.05, 4.0]):
        found = scale_search(*one_value(sigma), beta, L)
        exact = float(envelope(sigma, beta, L))
        assert found.lower - 1e-13 <= exact <= found.upper + 1e-13
        assert found.upper - found.lower <= 2e-12 * max(1.0, exact)
        if abs(sigma / threshold(beta, L) - 1) > 0.01:
            close(found.r, shrink(sigma, beta, L), 1e-5)  # a minimiser: the root of the value's accuracy


@every_depth
@pytest.mark.parametrize("seed", range(3))
def test_the_search_encloses_a_fine_grid_for_the_ball_of_any_data(L, seed):
    data = generic(seed)
    curve, knots = euclidean(data.X, data.y)
    found = scale_search(curve, knots, data.beta, L)
    p = np.concatenate([[0.0], np.geomspace(1e-7, 1e7, 40_001), [np.inf]])
    r, phi, _ = curve(p)
    values = phi + data.beta * decay(r, L)
    assert found.lower <= values.min() + 1e-12
    assert found.upper <= values.min() + 1e-12
    close(found.lower, values.min(), 1e-6)  # the grid's step squared
    assert found.upper - found.lower <= 1e-10


def test_the_curves_have_the_slopes_that_they_state():
    pairs = (
        (euclidean(*_xy())[0], np.geomspace(0.01, 10, 7)),
        (nuclear(np.array([3.0, 1.0]))[0], np.array([0.3, 0.7, 1.5, 2.5])),
    )
    for curve, p in pairs:
        h = 1e-6 * p
        up, down, at = curve(p + h), curve(p - h), curve(p)
        close(-(up[1] - down[1]) / (up[0] - down[0]), at[2], 1e-6)  # central differences


def _xy() -> tuple[np.ndarray, np.ndarray]:
    data = generic(4)
    return data.X, data.y


def test_a_point_of_the_ball_is_the_best_of_its_length():
    X, y = _xy()
    curve, _ = euclidean(X, y)
    r, phi, _ = curve(np.array([0.4]))[:, 0]
    rng = np.random.default_rng(0)
    w = rng.standard_normal((2000, X.shape[1]))
    w *= r / np.linalg.norm(w, axis=1, keepdims=True)
    assert phi <= (0.5 * ((w @ X.T - y) ** 2).sum(1)).min() + 1e-12


@pytest.mark.parametrize("knots", [[1.0], [2.0, 1.0], [0.0, np.nan]])
def test_knots_that_cover_nothing_are_refused(knots):
    with pytest.raises(ValueError, match="knots is"):
        scale_search(one_value(1.0)[0], knots, 0.1, 3)


# ---- one output -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("L", [2, 3, 5])
@pytest.mark.parametrize("seed", range(2))
def test_one_output_is_solved_for_any_data_and_training_agrees(L, seed):
    data = generic(seed)
    form = deep_linear.one_output(data, Depth(L, "squared"))
    close(form.network.objective(data), form.value, 1e-11)
    assert form.value - form.lower <= 1e-10
    run = train(deep_linear.network(5, data, L, "squared"), data, "lbfgs", range(15), steps=800, device="cpu")
    assert run.curves.min() >= form.lower - 1e-9
    close(run.value, form.value, 1e-8)
    if form.rank:
        assert column_cosines(run.best.matrices()[0], form.network.product()[:, 0]).min() >= 1 - 1e-8


@pytest.mark.parametrize("options", [(2, "squared"), (3, "normalised", 0.7), (4, "power")])
def test_one_output_of_a_convex_problem_is_the_program(options):
    data = generic(5)
    form = deep_linear.one_output(data, Depth(*options))
    solution = solve(deep_linear.program(data, *options), tol=1e-9, device="cpu")
    close(form.value, solution.value, 1e-8)
    close(form.network.objective(data), form.value, 1e-10)


def test_the_network_is_zero_exactly_when_beta_reaches_the_pull_of_the_data():
    data = generic(6)
    pull = float(np.linalg.norm(data.X.T @ data.y))
    assert deep_linear.one_output(replace(data, beta=1.001 * pull), Depth(2, "squared")).rank == 0
    assert deep_linear.one_output(replace(data, beta=0.999 * pull), Depth(2, "squared")).rank == 1


def test_interpolation_with_one_output_costs_the_minimum_norm():
    rng = np.random.default_rng(7)
    data = Data(rng.standard_normal((4, 6)), rng.standard_normal(4), 1e-7)
    norm = np.linalg.norm(np.linalg.pinv(data.X) @ data.y)
    for L in (2, 3, 4):
        close(deep_linear.one_output(data, Depth(L, "squared")).value / data.beta, L / 2 * norm ** (2 / L), 1e-5)


# ---- the dual value -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("L", [3, 4, 6])
@pytest.mark.parametrize("seed", range(3))
def test_the_dual_value_is_the_minimum_over_one_common_norm(L, seed):
    for beta in (0.01, 0.1, 0.6, 3.0):
        data = white(seed, beta=beta)
        found = deep_linear.bidual(data, Depth(L, "squared"))
        value, t = deep_linear.common_t(data, L)
        close(found.upper, value, 1e-9)
        assert found.upper - found.lower <= 1e-11
        close(found.r ** (1 / L), t, 1e-4)  # a minimiser
        assert found.upper <= deep_linear.whitened(data, Depth(L, "squared")).value + 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_the_gap_is_zero_exactly_when_the_dual_keeps_one_singular_value(seed):
    data = white(seed)
    sigma = np.linalg.svd(data.X.T @ data.y, compute_uv=False)
    for beta in np.geomspace(0.02, 1.2, 12) * deep_linear.critical_beta(sigma[0], Depth(3, "squared")):
        stage = replace(data, beta=float(beta))
        dual, primal = deep_linear.bidual(stage, Depth(3, "squared")), deep_linear.whitened(stage, Depth(3, "squared"))
        kept = (sigma > dual.at * (1 + 1e-9)).sum()
        assert (primal.value - dual.upper <= 1e-10) == (kept <= 1)
    two = replace(data, beta=0.1)
    close(deep_linear.whitened(two, Depth(2, "squared")).value, deep_linear.bidual(two, Depth(2, "squared")).upper)


def test_equal_singular_values_do_not_close_the_gap():
    for L in (3, 4, 7):
        gaps = [deep_linear.interpolation(np.array([1.0, ratio]), L) for ratio in np.linspace(0, 1, 11)]
        assert (np.diff([g.gap / g.primal for g in gaps]) > 0).all()
        close(gaps[-1].dual / gaps[-1].primal, 2 ** (2 / L - 1), VALUE["closed form"])
        assert gaps[0].gap == 0


@pytest.mark.parametrize(("L", "inner"), [(4, 1), (4, 2), (5, 1)])
def test_a_partial_dual_is_the_least_nuclear_norm_behind_the_layers_that_stay(L, inner):
    """min over A_k of Frobenius norm t of t^-(L-2-inner) |(A_1 .. A_inner)^-1 W|_*, by a quasi-Newton method."""
    rng = np.random.default_rng(L)
    W, t = rng.standard_normal((3, 3)), 1.2
    sigma = np.linalg.svd(W, compute_uv=False)

    def cost(flat: np.ndarray) -> float:
        Z = W
        for A in flat.reshape(inner, 3, 3):
            Z = np.linalg.solve(t * A / np.linalg.norm(A), Z)
        return float(np.linalg.svd(Z, compute_uv=False).sum() / t ** (L - 2 - inner))

    found = min(minimize(cost, rng.standard_normal(9 * inner), options={"gtol": 1e-8}).fun for _ in range(4))
    close(found, deep_linear.partial_dual(sigma, L, inner, t), 1e-6)


def test_the_ends_of_the_staircase_are_dual_and_primal():
    sigma = np.array([2.0, 0.7, 0.1])
    for L in (3, 4, 5):
        both = deep_linear.interpolation(sigma, L)
        steps = [deep_linear.partial_dual(sigma, L, inner) for inner in range(L - 1)]
        close(L / 2 * steps[0] ** (2 / L), both.dual, VALUE["closed form"])
        close(L / 2 * steps[-1] ** (2 / L), both.primal, VALUE["closed form"])
        assert (np.diff(steps) > 0).all()


def test_the_limits_of_the_regularised_values_are_those_of_interpolation():
    data = white(8, beta=1e-7)
    data = replace(data, y=data.X @ (data.X.T @ data.y))
    sigma = np.linalg.svd(data.X.T @ data.y, compute_uv=False)
    for L in (2, 3, 4):
        limit = deep_linear.interpolation(sigma[sigma > 1e-12], L)
        close(deep_linear.whitened(data, Depth(L, "squared")).value / data.beta, limit.primal, 1e-5)
        close(deep_linear.bidual(data, Depth(L, "squared")).upper / data.beta, limit.dual, 1e-5)


# ---- traps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("L", [3, 4])
def test_every_run_ends_at_the_value_of_a_subset_of_singular_triples(L):
    data = white(9)
    sigma = np.linalg.svd(data.X.T @ data.y, compute_uv=False)
    data = replace(data, beta=float(0.97 * deep_linear.critical_beta(sigma, Depth(L, "squared"))[1]))  # a close call
    values = deep_linear.traps(data, L)
    close(values[0], deep_linear.whitened(data, Depth(L, "squared")).value)
    run = train(deep_linear.network(10, data, L, "squared"), data, "lbfgs", range(20), steps=800, device="cpu")
    assert np.abs(run.final[:, None] - values).min(1).max() <= 1e-8
    assert len(np.unique(np.round(run.final, 7))) > 1  # more than one trap was seen


def test_too_many_traps_are_refused():
    with pytest.raises(ValueError, match="data has 13 singular values"):
        deep_linear.traps(white(0, n=20, d=13, c=14, beta=1e-4), 3)
