"""Laws of training to the global optimum: invariances, prices, the sum form, honesty without time."""

from functools import cache

import numpy as np
import pytest
from planted import gaussian

from convexnn import Data, solve
from convexnn.bounds import maximum
from convexnn.globalize import _dissimilar, _Search, globalize
from convexnn.losses import get_loss
from convexnn.networks import TwoLayer
from convexnn.theorems import two_layer

TOL = 1e-6  # asked of both sides: two values that should agree may differ by twice that


@cache
def base(seed):
    X, y = gaussian(seed, 9, 2)
    solution = globalize(Data(X, y, 0.2))
    assert solution.status == "certified", solution.message
    return X, y, solution


@pytest.mark.parametrize("seed", [20, 21])
def test_rows_features_and_units_do_not_matter(seed):
    X, y, found = base(seed)
    rng = np.random.default_rng(seed)
    order, Q = rng.permutation(9), np.linalg.qr(rng.standard_normal((2, 2)))[0]
    same = {
        "rows permuted": (X[order], y[order], 0.2, 1.0),
        "features rotated": (X @ Q, y, 0.2, 1.0),
        "a feature that is zero": (np.hstack([X, np.zeros((9, 1))]), y, 0.2, 1.0),
        "targets negated": (X, -y, 0.2, 1.0),
        "targets and beta in other units": (X, 10 * y, 2.0, 100.0),
        "features and beta in other units": (0.01 * X, y, 0.002, 1.0),
        "every sample twice": (np.vstack([X, X]), np.tile(y, 2), 0.4, 2.0),
    }
    for what, (features, targets, beta, factor) in same.items():
        other = globalize(Data(features, targets, beta))
        assert other.status == "certified", what
        assert abs(other.value - factor * found.value) <= 2 * TOL * max(1.0, factor * found.value), what
        assert max(other.lower, factor * found.lower) <= min(other.value, factor * found.value) + 1e-12, what


@pytest.mark.parametrize("seed", [20, 21, 22])
def test_the_value_is_that_of_the_complete_program_and_the_sum_form_of_the_network(seed):
    X, y, found = base(seed)
    program = solve(two_layer.program(Data(X, y, 0.2)), tol=1e-8, device="cpu")
    assert found.lower <= program.value
    assert program.lower <= found.value
    U, A = found.network.U.detach().numpy(), found.network.A.detach().numpy()[:, 0]
    f = np.maximum(X @ U.T, 0) @ A
    assert np.isclose(0.5 * np.sum((f - y) ** 2) + 0.2 * np.abs(A) @ np.linalg.norm(U, axis=1), found.value, rtol=1e-9)
    reached = max(maximum(X, s * (y - f)).upper for s in (1, -1)) / 0.2
    assert found.history[-1].price <= reached * (1 + 1e-6)
    assert reached <= 1 + 2e-3  # a relative gap of 1e-6 leaves the price its square root


def test_every_new_column_pays_more_than_beta_and_columns_differ():
    X, y = gaussian(4, 10, 3)
    search = _Search(Data(X, y, 0.5), get_loss("squared"), "none", 10.0, 1e-6, 0)
    best, new = search.price(exact=False)
    assert {sign for _, sign in new} == {1.0, -1.0}
    pulls = [sign * (np.maximum(search.task.X @ U.T, 0).T @ search.pull()) for U, sign in new]
    assert min(pull.min() for pull in pulls) > 0.5
    assert np.isclose(max(pull.max() for pull in pulls) / 0.5, best)
    for U, _ in new:
        assert np.allclose(np.linalg.norm(U, axis=1), 1)
        assert (U @ U.T - np.eye(len(U))).max() <= 0.95
    before = search.atoms.value(search.task)
    search.improve(new, False)
    assert search.atoms.value(search.task) < before


def test_dissimilar_directions_are_the_first_ones():
    U = np.array([[1.0, 0.0], [0.999, 0.0447], [0.0, 1.0], [-1.0, 0.0]])
    assert np.array_equal(list(_dissimilar(U, 0.95, 9)), U[[0, 2, 3]])
    assert np.array_equal(list(_dissimilar(U, 0.95, 2)), U[[0, 2]])
    assert len(list(_dissimilar(U, 0.9999, 9))) == 4


@pytest.mark.parametrize("seed", range(6))
def test_hurried_training_never_claims_more_than_it_proved(seed):
    rng = np.random.default_rng(seed)
    X, y = gaussian(seed, int(rng.integers(4, 12)), int(rng.integers(1, 4)))
    beta = float(10 ** rng.uniform(-2, 0))
    optimum = solve(two_layer.program(Data(X, y, beta)), tol=1e-7, device="cpu")
    found = globalize(Data(X, y, beta), budget=0.02, tol=1e-9, seed=seed)
    assert (found.status == "certified") == (found.gap <= 1e-9)
    assert np.isclose(found.gap, (found.value - found.lower) / max(1.0, found.value), atol=1e-15)
    assert found.lower <= optimum.value + 1e-12
    assert found.value >= optimum.lower - 1e-12
    assert ("raise budget" in found.message) == (found.status != "certified")


def test_a_start_is_kept_when_it_is_good():
    X, y, found = base(20)
    again = globalize(Data(X, y, 0.2), start=found.network, budget=5.0)
    assert again.history[0].value <= found.value * (1 + 1e-9)
    assert again.value <= found.value + 1e-9
    doubled = TwoLayer(
        2 * found.network.U.detach().numpy(), 0.5 * found.network.A.detach().numpy(), get_loss("squared")
    )
    assert globalize(Data(X, y, 0.2), start=doubled).history[0].value <= found.value * (1 + 1e-9)
