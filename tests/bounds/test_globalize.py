from itertools import pairwise

import numpy as np
import pytest
from planted import gaussian, planted

from convexnn.bounds import maximum
from convexnn.bounds.restricted import Task, from_weights, inside_cells, none, one_per_cell, polish, strengths
from convexnn.globalize import globalize
from convexnn.losses import get_loss
from convexnn.networks import TwoLayer
from convexnn.types import Data

OPTIMA = {
    (0, 5, 2, 0.1): 0.56547035,
    (2, 6, 3, 0.05): 0.15707320,
    (4, 10, 3, 0.1): 0.94410556,
    (4, 10, 3, 1.0): 2.94162882,
}


@pytest.mark.parametrize("key", OPTIMA)
def test_the_known_optimum_is_reached_and_certified(key):
    *instance, beta = key
    data = Data(*gaussian(*instance), beta)
    solution = globalize(data)
    assert solution.status == "certified"
    assert solution.gap <= 1e-6
    assert abs(solution.value - OPTIMA[key]) <= 2e-6
    assert solution.value == solution.network.objective(data)
    assert solution.lower <= solution.value


def test_the_objective_falls_and_the_bound_rises_round_by_round():
    X, y = planted(40, 4)
    solution = globalize(Data(X, y, 0.05 * maximum(X, y).upper))
    values, lowers = ([getattr(line, name) for line in solution.history] for name in ("value", "lower"))
    assert all(b <= a * (1 + 1e-12) for a, b in pairwise(values))
    assert all(b >= a for a, b in pairwise(lowers))
    assert solution.status == "certified"
    assert solution.network.width <= len(y)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "hinge"])
def test_other_losses_are_certified(loss):
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((12, 2)), np.sign(rng.standard_normal(12))
    solution = globalize(Data(X, y, 0.2), loss=loss, tol=1e-5)
    assert solution.status == "certified", solution.message


def test_the_hinge_has_its_golden_value():
    rng = np.random.default_rng(3)
    data = Data(rng.standard_normal((6, 2)), np.sign(rng.standard_normal(6)), 0.2)
    assert abs(globalize(data, loss="hinge", tol=1e-5).value - 0.722812) <= 1e-5


def test_a_regularised_bias_is_a_column_of_ones():
    X, y = gaussian(5, 8, 2)
    with_bias = globalize(Data(X, y, 0.2), bias="regularised")
    column = globalize(Data(np.hstack([X, np.ones((8, 1))]), y, 0.2))
    assert with_bias.status == column.status == "certified"
    assert abs(with_bias.value - column.value) <= 2e-6 * max(1.0, column.value)
    assert with_bias.network.bias == "regularised"


def test_the_start_does_not_move_the_end():
    X, y = gaussian(4, 10, 3)
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((5, 3))
    network = TwoLayer(rng.standard_normal((6, 3)), rng.standard_normal((6, 1)), get_loss("squared"))
    values = [globalize(Data(X, y, 0.5), start=start).value for start in (None, directions, network)]
    assert np.allclose(values, 2.39289832, atol=3e-6)


def test_above_beta_max_the_network_is_empty():
    X, y = gaussian(4, 10, 3)
    solution = globalize(Data(X, y, 3.0))
    assert solution.network.width == 0
    assert solution.status == "certified"
    assert np.isclose(solution.value, 0.5 * y @ y)


def test_rank_deficient_and_repeated_rows_are_solved():
    X, y = gaussian(6, 8, 2)
    X = np.vstack([X, X[:2], np.zeros((1, 2))]) @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
    y = np.concatenate([y, -y[:2], [0.3]])
    solution = globalize(Data(X, y, 0.2))
    assert solution.status == "certified", solution.message


def test_without_time_the_result_is_inconclusive_and_honest():
    X, y = planted(200, 8)
    solution = globalize(Data(X, y, 1.0), budget=0.3)
    assert solution.status == "inconclusive"
    assert solution.lower <= solution.value
    assert "raise budget" in solution.message


@pytest.mark.parametrize("wrong", ["two outputs", "bias", "start", "gates"])
def test_what_it_cannot_do_is_said(wrong):
    X, y = gaussian(0, 5, 2)
    gated = TwoLayer(np.ones((1, 2)), np.ones((1, 1)), get_loss("squared"), gates=np.ones((1, 3)))
    arguments = {
        "two outputs": (Data(X, np.column_stack([y, y]), 0.1), {}),
        "bias": (Data(X, y, 0.1), {"bias": "unregularised"}),
        "start": (Data(X, y, 0.1), {"start": np.ones((2, 5))}),
        "gates": (Data(X, y, 0.1), {"start": gated}),
    }
    data, options = arguments[wrong]
    with pytest.raises(ValueError, match=r"one output|bias|directions|ungated"):
        globalize(data, **options)


def test_each_restricted_step_lowers_the_objective():
    X, y = planted(30, 3)
    task = Task(X, y, 2.0, get_loss("squared"))
    rng = np.random.default_rng(0)
    atoms = from_weights(rng.standard_normal((8, 3)), rng.standard_normal(8))
    value = atoms.value(task)
    for step in (strengths, polish, one_per_cell, inside_cells):
        atoms = step(task, atoms)
        atoms, v = atoms if isinstance(atoms, tuple) else (atoms, None)
        assert atoms.value(task) <= value * (1 + 1e-12)
        value = atoms.value(task)
    assert np.allclose(v, task.pull(atoms.fit(X)), atol=1e-5)
    for step in (strengths, polish):
        assert len(step(task, none(3))) == 0
