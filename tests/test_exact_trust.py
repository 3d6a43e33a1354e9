"""A stranger's check: with fractions and nothing of the library, the certificate's own arrays prove its bound."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from convexnn import Data, Point, certify, certify_exactly, solve
from convexnn.cones import FreeCone
from convexnn.gauges import Frobenius
from convexnn.operators import MatrixOperator
from convexnn.theorems import two_layer

CASES = [
    (loss, activation, c)
    for loss in ("squared", "hinge", "squared_hinge")
    for activation in ("relu", "gated")
    for c in (1, 2)
]


def instance(seed: int, loss: str = "squared", c: int = 1, n: int = 7, d: int = 2) -> Data:
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal((n, c) if c > 1 else n)
    return Data(X, y if loss == "squared" else np.sign(y), 0.15)


def exactly(array) -> list:
    return [[Fraction(x) for x in np.atleast_1d(row).tolist()] for row in np.asarray(array)]


def pulls(data: Data, D: np.ndarray, v: np.ndarray, lam: np.ndarray | None, families: int):
    """q_g = s_g X'D_g v + X'S_g lambda_g of every group and column, as lists of Fractions, from the definition."""
    X, v = exactly(data.X), exactly(v)
    P, c = D.shape[1], len(v[0])
    for g in range(families * P):
        sign, pattern = (1 if g < P else -1), D[:, g % P]
        L = exactly(lam[g]) if lam is not None else [[Fraction(0)] * c for _ in X]
        for k in range(c):
            assert all(row[k] >= 0 for row in L)
            weight = [sign * on * v[i][k] + (1 if on else -1) * L[i][k] for i, on in enumerate(pattern.tolist())]
            yield [sum(w * row[j] for w, row in zip(weight, X)) for j in range(data.d)]


def assert_proved(data: Data, program, certificate, loss: str, families: int) -> None:
    D, beta = program.operator.D.numpy() > 0, Fraction(data.beta)
    for q in pulls(data, D, certificate.v, certificate.multipliers, families):
        assert sum(x * x for x in q) <= beta**2
    value, y = Fraction(0), data.y.reshape(data.n, -1)
    for v, target in zip(certificate.v.reshape(-1).tolist(), y.reshape(-1).tolist()):
        v, target = Fraction(v), Fraction(target)
        assert loss == "squared" or (v * target >= 0 and (loss != "hinge" or v * target <= 1))
        value += target * v - (0 if loss == "hinge" else v * v / 2)
    assert Fraction(certificate.lower) <= value
    assert float(value) - certificate.lower <= 1e-15 * max(1.0, abs(certificate.lower))


@pytest.mark.parametrize("loss, activation, c", CASES)
def test_the_arrays_of_the_certificate_prove_its_lower_bound(loss, activation, c):
    data = instance(c, loss, c)
    program = two_layer.program(data, activation=activation, loss=loss)
    families = 2 if activation == "relu" else 1
    solution = solve(program, tol=1e-7)
    exact = certify_exactly(program, solution)
    assert_proved(data, program, exact, loss, families)
    rng = np.random.default_rng(c)
    for scale in (0.0, 1e-3, 1.0, 1e6):  # any witness is shortened until it holds
        v = solution.certificate.v + scale * rng.standard_normal(exact.v.shape)
        lam = None if exact.multipliers is None else scale * rng.standard_normal(exact.multipliers.shape)
        assert_proved(data, program, certify_exactly(program, Point(solution.Z, v, lam)), loss, families)


@pytest.mark.parametrize("seed", range(6))
def test_a_witness_that_rounding_made_infeasible_is_shortened_and_loses_little(seed, monkeypatch):
    """The float judge is made careless: it returns witnesses up to 1e-9 outside. The rational one takes none of it."""
    data = instance(seed)
    program = two_layer.program(data, activation=("relu", "gated")[seed % 2])
    solution = solve(program, tol=1e-8)
    judged = certify(program, solution)

    def careless(*_):
        lam = None if judged.multipliers is None else judged.multipliers * (1 + 1e-9)
        return replace(judged, v=judged.v * (1 + 1e-9), multipliers=lam, lower=judged.upper + 1.0)

    monkeypatch.setattr("convexnn.exact.certify", careless)
    exact = certify_exactly(program, solution)
    assert_proved(data, program, exact, "squared", 2 - seed % 2)
    assert judged.lower - 1e-8 <= exact.lower <= judged.upper


@pytest.mark.parametrize("seed", range(4))
def test_a_point_that_rounding_put_outside_its_cone_is_pushed_inside(seed):
    """Z moved by 1e-12 leaves its cell; the exact upper bound is that of a network, whatever the judge tolerates."""
    data = instance(seed)
    solution = solve(two_layer.program(data), tol=1e-8)
    nudged = solution.Z + 1e-12 * np.random.default_rng(seed).standard_normal(solution.Z.shape) * (solution.Z != 0)
    exact = certify_exactly(solution.program, nudged)
    assert solution.lower <= exact.upper <= solution.value + 1e-9


def test_the_upper_bound_is_never_above_zeros_objective():
    data = instance(0)
    program = two_layer.program(data)
    for size in (1.0, 1e10, 1e200):
        exact = certify_exactly(program, np.full(program.operator.domain, size))
        assert exact.upper == pytest.approx(0.5 * data.y @ data.y, rel=1e-15)


def test_a_program_with_half_the_signs_or_without_cones_is_no_network():
    program = two_layer.program(instance(1))
    half = replace(program, operator=replace(program.operator, signs=(1.0,)), cone=replace(program.cone, copies=1))
    assert program.scope == half.scope == "network"
    assert certify_exactly(program, program.zeros().numpy()).scope == "network"
    assert certify_exactly(half, half.zeros().numpy()).scope == "program"
    free = replace(program, cone=FreeCone())
    assert certify_exactly(free, free.zeros().numpy()).scope == "program"


@pytest.mark.parametrize("what", ["grey pattern", "other cone", "other data", "copies", "gauge", "operator", "sign"])
def test_what_it_cannot_prove_is_refused(what):
    program = two_layer.program(instance(2))
    operator, cone = program.operator, program.cone
    changed = {
        "grey pattern": {"operator": replace(operator, D=0.5 * operator.D)},
        "other cone": {"cone": replace(cone, S=-cone.S)},
        "other data": {"cone": replace(cone, X=2 * cone.X)},
        "copies": {"cone": replace(cone, copies=1), "operator": replace(operator, signs=(1.0, -1.0))},
        "gauge": {"gauge": Frobenius()},
        "operator": {"operator": MatrixOperator(torch.ones(program.groups, 7, 2).double())},
        "sign": {"operator": replace(operator, signs=(1.0, -0.5))},
    }[what]
    with pytest.raises(ValueError, match="certify"):
        certify_exactly(replace(program, **changed), program.zeros().numpy())
