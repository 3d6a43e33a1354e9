"""Rational certificates: they agree with the float ones, prove completeness, and cannot be talked into anything."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from convexnn import Data, certify_exactly, solve
from convexnn.exact import is_complete
from convexnn.patterns import enumerate_patterns
from convexnn.theorems import two_layer


def instance(seed: int, n: int = 6, d: int = 2, labels: bool = False) -> Data:
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    return Data(X, np.sign(y) if labels else y, 0.2)


@pytest.mark.parametrize("loss", ["squared", "hinge", "squared_hinge"])
@pytest.mark.parametrize("activation", ["relu", "gated"])
@pytest.mark.parametrize("seed", range(3))
def test_the_exact_bounds_hold_the_reference_value_and_match_the_float_ones(seed, activation, loss):
    data = instance(seed, labels=loss != "squared")
    solution = solve(two_layer.program(data, activation=activation, loss=loss), tol=1e-7)
    exact = certify_exactly(solution.program, solution)
    reference = two_layer.reference(data, activation=activation, loss=loss).solve(solver="CLARABEL")
    assert exact.rigour == "exact"
    assert exact.lower <= reference + 1e-7 and reference - 1e-7 <= exact.upper
    assert exact.lower == pytest.approx(solution.lower, abs=1e-10)
    assert exact.upper == pytest.approx(solution.value, abs=1e-10)
    assert exact.scope == ("network" if activation == "relu" else "program")


def test_the_exact_bound_is_a_true_inequality_between_rationals():
    data = instance(0)
    solution = solve(two_layer.program(data), tol=1e-7)
    exact = certify_exactly(solution.program, solution)
    network = two_layer.recover(data, solution)
    U, A = network.U.detach().numpy(), network.A.detach().numpy()[:, 0]
    X = [[Fraction(x) for x in row] for row in data.X.tolist()]
    value = Fraction(0)
    for row, y in zip(X, data.y.tolist()):
        f = sum(
            max(sum(x * Fraction(u) for x, u in zip(row, unit)), Fraction(0)) * Fraction(a)
            for unit, a in zip(U.tolist(), A.tolist())
        )
        value += (f - Fraction(y)) ** 2 / 2
    weights = sum(Fraction(w) ** 2 for w in [*U.reshape(-1).tolist(), *A.tolist()])
    assert Fraction(exact.lower) <= value + Fraction(data.beta) / 2 * weights


def test_a_forged_witness_cannot_lift_the_exact_bound_above_the_optimum():
    data = instance(1)
    solution = solve(two_layer.program(data), tol=1e-7)
    for factor in (0.5, 1.5, 100.0, -1.0):
        forged = replace(
            solution,
            certificate=replace(
                solution.certificate, v=factor * solution.certificate.v, multipliers=-solution.certificate.multipliers
            ),
        )
        assert certify_exactly(solution.program, forged).lower <= solution.value


def test_a_bad_point_gets_a_wide_but_valid_interval():
    data = instance(2)
    program = two_layer.program(data)
    optimum = solve(program, tol=1e-8).value
    rng = np.random.default_rng(0)
    for _ in range(5):
        bounds = certify_exactly(program, rng.standard_normal(program.operator.domain))
        assert bounds.lower <= optimum <= bounds.upper


@pytest.mark.parametrize("kind", ["general position", "a row twice", "a zero row", "rank two", "three lines meet"])
def test_completeness_is_proved_and_one_missing_pattern_breaks_it(kind):
    X = instance(3, 7, 3).X
    X = {
        "general position": X,
        "a row twice": np.vstack([X, -2 * X[:1]]),
        "a zero row": np.vstack([X, np.zeros((1, 3))]),
        "rank two": np.round(X[:, :2] * 8) @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]]),
        "three lines meet": np.array([[i, j, 1 - i - j] for i in range(-1, 2) for j in range(-1, 2)], dtype=float),
    }[kind]
    D = enumerate_patterns(X)
    seen = D[:, D[X.any(axis=1)].any(0)]
    assert is_complete(X, D)
    assert is_complete(X, seen)
    for k in range(0, seen.shape[1], 5):
        assert not is_complete(X, np.delete(seen, k, axis=1))
    assert not is_complete(X, np.hstack([seen[:, 1:], seen[:, 1:2]]))
    assert not is_complete(X, np.hstack([seen[:, 1:], ~seen[:, :1]]))


def test_zero_data_have_one_pattern():
    assert is_complete(np.zeros((3, 2)), np.ones((3, 1), bool))
    assert not is_complete(np.zeros((3, 2)), np.zeros((3, 1), bool))
    assert not is_complete(
        np.vstack([np.eye(2), np.zeros(2)]), np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]) > 0
    )


@pytest.mark.parametrize(
    "loss, bias, match", [("logistic", "none", "irrational"), ("squared", "unregularised", "gauge")]
)
def test_what_exact_arithmetic_cannot_cover_is_refused(loss, bias, match):
    data = instance(4, labels=True)
    program = two_layer.program(data, loss=loss, bias=bias)
    with pytest.raises(ValueError, match=match):
        certify_exactly(program, np.zeros(program.operator.domain))
