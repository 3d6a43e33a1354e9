"""Whitened, orthogonal, one-hot and rank-one data: formulas that are optimal, and refused outside their class."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_data import SPIKES, orthonormal_rows

from convexnn import Data, certify, solve
from convexnn.theorems import convex_geometry, two_layer
from convexnn.theorems.shared.closed_forms import huber, one_hot, orthogonal, rank_one, whitened
from convexnn.theorems.shared.spike_free import one_pattern_program
from convexnn.theorems.two_layer.encoding import encode


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


def instance(form: str, seed: int, beta: float) -> Data:
    """A random member of the class of `form`, of random size."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    rows, y = orthonormal_rows(seed, n, n + 2), rng.standard_normal(n) * 3
    if form == "whitened":
        return Data(rows, y, beta)
    if form == "orthogonal":
        return Data(rows * np.exp(rng.standard_normal((n, 1))), y, beta)
    if form == "one_hot":
        return Data(rows, np.eye(3)[rng.integers(3, size=n)], beta)
    return Data(np.outer(rng.standard_normal(n), rng.standard_normal(4)), y, beta)


FORMS = {"whitened": whitened, "orthogonal": orthogonal, "one_hot": one_hot, "rank_one": rank_one}


@pytest.mark.parametrize("beta", [0.05, 1.0])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("form", FORMS)
def test_the_judge_certifies_closed_forms_on_random_members_of_their_class(form, seed, beta):
    data = instance(form, seed, beta)
    found = FORMS[form](data)
    program = two_layer.program(data)
    certificate = certify(program, encode(data, found.network, program))
    assert certificate.scope == "network"
    assert certificate.gap <= 1e-9
    assert certificate.upper == pytest.approx(found.value, abs=1e-9)
    assert found.network.objective(data) == pytest.approx(found.value, abs=1e-9)


def test_a_wrong_closed_form_is_not_certified():
    data = instance("whitened", 0, 0.3)
    wrong = whitened(Data(data.X, data.y, 0.31)).network
    program = two_layer.program(data)
    assert certify(program, encode(data, wrong, program)).gap > 1e-6


@pytest.mark.parametrize("c", [np.array([1.0, -2.0, 0.0, 0.5]), np.array([1.0, 2.0, 3.0, 0.1])])
def test_rank_one_is_two_soft_thresholds_by_hand(c):
    """The features |a| (c)_+ and |a| (-c)_+ have disjoint supports, so the problem is two scalar ones."""
    a, y, beta = np.array([3.0, 4.0]), np.array([2.0, -1.0, 5.0, 3.0]), 0.7
    expected = 0.5 * float(y @ y)
    for z in (5 * np.maximum(c, 0), 5 * np.maximum(-c, 0)):
        if z.any():
            expected -= 0.5 * max(abs(z @ y) - beta, 0.0) ** 2 / (z @ z)
    assert rank_one(Data(np.outer(c, a), y, beta)).value == pytest.approx(expected, abs=1e-12)


def test_zero_rows_are_predicted_as_zero():
    A = np.vstack([SPIKES["orthogonal"][0], np.zeros((1, 5))])
    data = Data(A, np.array([1.0, -1.0, 2.0, 3.0]), 0.2)
    assert orthogonal(data).value == pytest.approx(solve(one_pattern_program(data), tol=1e-8).value, abs=1e-7)


def test_rank_one_has_the_catalogued_value():
    rng = np.random.default_rng(2)
    data = Data(np.outer(rng.standard_normal(6), rng.standard_normal(3)), rng.standard_normal(6), 0.1)
    assert rank_one(data).value == pytest.approx(1.05560907, abs=5e-9)
    assert solve(two_layer.program(data), tol=1e-8).value == pytest.approx(1.05560907, abs=2e-8)


def test_rank_one_with_a_free_bias_is_the_lasso_over_kinks():
    rng = np.random.default_rng(2)
    data = Data(np.outer(rng.standard_normal(6), rng.standard_normal(3)), rng.standard_normal(6), 0.1)
    lasso = solve(convex_geometry.program(data), tol=1e-9)
    cells = solve(two_layer.program(data, bias="unregularised"), tol=1e-8)
    assert lasso.value == pytest.approx(cells.value, abs=1e-7)
    assert lasso.value < rank_one(data).value - 1e-3
