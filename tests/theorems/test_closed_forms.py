"""Whitened, orthogonal, one-hot and rank-one data: formulas that are optimal, and refused outside their class."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_data import SPIKES, orthonormal_rows

from convexnn import Data, solve
from convexnn.theorems import two_layer
from convexnn.theorems._closed_forms import huber, one_hot, orthogonal, rank_one, whitened
from convexnn.theorems._spike_free import one_pattern_program


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
