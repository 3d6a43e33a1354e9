"""The master of a cutting plane: strengths of given neurons for each loss, with and without a free offset."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from tolerances import VALUE, close

from convexnn.theorems.convex_geometry import restricted_problem
from convexnn.theorems.convex_geometry.restricted_problem import MASTERS, least_distance, restricted

ROWS = [(loss, offset) for loss in MASTERS for offset in (False, True)]


def problem(seed: int, loss: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    Phi, y = np.maximum(rng.standard_normal((8, 6)), 0), rng.standard_normal(8)
    return Phi, y if loss == "squared" else np.sign(y)


def value_of(loss: str, f: np.ndarray, y: np.ndarray) -> float:
    m = y * f
    terms = {
        "squared": 0.5 * (f - y) ** 2,
        "squared_hinge": 0.5 * np.maximum(1 - m, 0) ** 2,
        "hinge": np.maximum(1 - m, 0),
        "logistic": np.log1p(np.exp(-m)),
    }
    return float(terms[loss].sum())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss, offset", ROWS)
def test_the_master_has_the_value_of_a_conic_solver(loss, offset, seed):
    Phi, y = problem(seed, loss)
    a, c = cp.Variable(6), cp.Variable()
    f = Phi @ a + c
    m = cp.multiply(y, f)
    terms = {
        "squared": 0.5 * cp.sum_squares(f - y),
        "squared_hinge": 0.5 * cp.sum_squares(cp.pos(1 - m)),
        "hinge": cp.sum(cp.pos(1 - m)),
        "logistic": cp.sum(cp.logistic(-m)),
    }
    constraints = [] if offset else [c == 0]
    expected = cp.Problem(cp.Minimize(terms[loss] + 0.3 * cp.norm(a, 1)), constraints).solve(solver="CLARABEL")
    found = restricted(Phi, y, 0.3, loss, offset)
    value = value_of(loss, Phi @ found.a + found.c0, y) + 0.3 * np.abs(found.a).sum()
    assert value == pytest.approx(expected, abs=VALUE["CLARABEL"])
    assert offset or found.c0 == 0.0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss, offset", ROWS)
def test_the_dual_vector_obeys_its_constraints_and_is_tight_where_a_neuron_is_used(loss, offset, seed):
    Phi, y = problem(seed, loss)
    found = restricted(Phi, y, 0.3, loss, offset)
    pulled = Phi.T @ found.v
    assert np.abs(pulled).max() <= 0.3 + 1e-8
    assert pulled[found.a != 0] == pytest.approx(0.3 * np.sign(found.a[found.a != 0]), abs=1e-8)
    assert not offset or abs(found.v.sum()) < 1e-8


@pytest.mark.parametrize("loss", MASTERS)
def test_a_large_beta_leaves_no_neuron_and_no_neuron_at_all_is_fine(loss):
    Phi, y = problem(0, loss)
    assert not restricted(Phi, y, 1e3, loss).a.any()
    assert restricted(np.zeros((8, 0)), y, 0.1, loss, offset=True).a.shape == (0,)


def test_the_nearest_point_of_a_polyhedron(rng):
    G, h, target = rng.standard_normal((9, 4)), -np.ones(9), 3 * rng.standard_normal(4)
    s, lam = least_distance(target, G, h)
    x = cp.Variable(4)
    cp.Problem(cp.Minimize(cp.sum_squares(x - target)), [G @ x >= h]).solve(solver="CLARABEL")
    close(s, x.value, 1e-5)
    close(s, target + G.T @ lam)
    assert (G @ s - h).min() > -1e-9
    assert np.abs(lam * (G @ s - h)).max() < 1e-9


def test_a_loss_that_couples_outputs_is_refused():
    with pytest.raises(ValueError, match="loss is 'cross_entropy'"):
        restricted(np.ones((2, 1)), np.ones(2), 0.1, "cross_entropy")


@pytest.mark.parametrize("beta", [1e-3, 1e-2, 0.1])
def test_the_logistic_master_keeps_its_digits_where_the_labels_are_separated(beta):
    rng = np.random.default_rng(11)
    Phi, y = np.maximum(rng.standard_normal((8, 30)), 0), np.sign(rng.standard_normal(8))
    found = restricted(Phi, y, beta, "logistic", offset=True)
    assert np.abs(Phi.T @ found.v).max() <= beta * (1 + 1e-7)
    assert abs(found.v.sum()) <= 1e-9


def test_ten_newton_steps_are_enough_for_the_logistic_master(monkeypatch):
    """With the true curvature each step doubles the digits; with an upper bound of it ten are too few."""
    monkeypatch.setattr(restricted_problem, "NEWTON_STEPS", 10)
    for seed in range(5):
        Phi, y = problem(seed, "logistic")
        found = restricted(Phi, y, 0.03, "logistic", offset=True)
        assert np.abs(Phi.T @ found.v).max() <= 0.03 * (1 + 1e-9)
