"""The judge: its bounds hold for any point and any witness, and it says `solved` only when the gap is closed."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tolerances import VALUE, close

from convexnn import Data, Point, certify, solve
from convexnn.certifying import feasible
from convexnn.numerics import relative_gap
from convexnn.theorems import two_layer

any_seed = st.integers(0, 2**32 - 1)
LOSSES = ["squared", "logistic", "hinge", "squared_hinge"]
CASES = [
    *((loss, activation, "none") for loss in LOSSES for activation in ("relu", "gated")),
    *(("squared", "relu", bias) for bias in ("regularised", "unregularised")),
    ("logistic", "relu", "unregularised"),
]
every_case = pytest.mark.parametrize("case", CASES, ids="-".join)
SLACK = VALUE["CLARABEL"]


@cache
def instance(case: tuple[str, str, str], seed: int = 0):
    """Data, program, and the optimum by another solver."""
    loss, activation, bias = case
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(6, 2))
    y = rng.normal(size=6) if loss == "squared" else rng.permutation([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
    data = Data(X, y, 0.1)
    options = {"activation": activation, "bias": bias, "loss": loss}
    program = two_layer.program(data, **options)
    patterns = program.model.D  # the gated program has the gates of the cells
    return data, program, two_layer.reference(data, patterns=patterns, **options).solve(solver="CLARABEL")


@cache
def solved(case: tuple[str, str, str], seed: int = 0):
    """What `solve` returns with its defaults and three seconds."""
    return solve(instance(case, seed)[1], device="cpu", budget=3)


def assert_holds(certificate, optimum: float) -> None:
    assert certificate.lower <= optimum + SLACK * max(1.0, abs(optimum))
    assert certificate.upper >= optimum - SLACK * max(1.0, abs(optimum))
    assert certificate.gap == relative_gap(certificate.upper, certificate.lower) >= 0
    assert np.isfinite([certificate.lower, certificate.upper]).all()


@every_case
@settings(max_examples=15)
@given(seed=any_seed, exponent=st.floats(-6, 6))
def test_the_bounds_hold_for_any_point(case, seed, exponent):
    _, program, optimum = instance(case)
    Z = 10.0**exponent * np.random.default_rng(seed).normal(size=program.operator.domain)
    assert_holds(certify(program, Z), optimum)


@pytest.mark.parametrize("fill", [0.0, 1.0, -1.0, 1e12, 1e150, 1e-300])
@every_case
def test_the_bounds_hold_at_zero_and_at_absurd_points(case, fill):
    _, program, optimum = instance(case)
    assert_holds(certify(program, np.full(program.operator.domain, fill)), optimum)


@every_case
@settings(max_examples=15)
@given(seed=any_seed, exponent=st.floats(-3, 6))
def test_no_dual_witness_lifts_the_lower_bound_above_the_optimum(case, seed, exponent):
    _, program, optimum = instance(case)
    rng = np.random.default_rng(seed)
    v = 10.0**exponent * rng.normal(size=tuple(program.Y.shape))
    lam = 10.0**exponent * rng.normal(size=tuple(program.cone.rows(program.zeros()).shape))
    Z = np.zeros(program.operator.domain)
    for multipliers in (lam, -np.abs(lam), np.abs(lam), np.full_like(lam, np.nan), None):
        assert_holds(certify(program, Point(Z, v, multipliers), witnesses=[-v, 1e-9 * v]), optimum)


@every_case
def test_tampering_with_the_witness_of_a_solution_gains_nothing(case):
    _, program, optimum = instance(case)
    solution = solved(case)
    v, lam = solution.certificate.v, solution.certificate.multipliers
    for factor in (1.01, 2.0, 1e3, -1.0, np.nan, np.inf):
        scaled = None if lam is None else factor * lam
        assert_holds(certify(program, Point(solution.Z, factor * v, scaled)), optimum)


@every_case
def test_a_witness_of_the_optimum_helps_a_bad_point(case):
    _, program, optimum = instance(case)
    solution = solved(case)
    bad = np.ones(program.operator.domain)
    alone, helped = certify(program, bad), certify(program, bad, witnesses=[solution.certificate.v])
    assert_holds(helped, optimum)
    assert helped.lower >= alone.lower
    assert helped.lower >= solution.lower - SLACK


@pytest.mark.parametrize("seed", range(5))
def test_a_point_outside_the_cone_does_not_beat_the_optimum(seed):
    """The optimum of the gated relaxation lies below; its minimiser is no point of the ReLU program."""
    data, program, optimum = instance(("squared", "relu", "none"), seed)
    gated = solve(two_layer.program(data, activation="gated"), tol=1e-5, device="cpu").Z
    cheat = np.concatenate([gated, 0 * gated])
    assert program.objective(torch.tensor(cheat)) < optimum - 1e-3
    assert_holds(certify(program, cheat), optimum)


@pytest.mark.parametrize("eps", [1e-16, 1e-13, 1e-10, 1e-7])
@pytest.mark.parametrize("seed", range(8))
def test_a_point_nudged_out_of_the_cone_is_brought_back(eps, seed, rng):
    _, program, optimum = instance(("squared", "relu", "none"), 0)
    solution = solved(("squared", "relu", "none"))
    nudged = solution.Z + eps * rng.normal(size=solution.Z.shape)
    certificate = certify(program, nudged)
    assert_holds(certificate, optimum)
    assert certificate.upper <= solution.value + 1e-5


@pytest.mark.parametrize("bias", ["none", "regularised"])
@settings(max_examples=30)
@example(seed=729)  # bias: groups that lie on their boundary leave the cone when another group is projected
@given(seed=any_seed)
def test_the_point_that_the_judge_evaluates_lies_in_the_cone(bias, seed):
    program = instance(("squared", "relu", bias), 2)[1]
    rng = np.random.default_rng(seed)
    Z = program.cone.project(torch.tensor(rng.normal(size=program.operator.domain)))
    Z[0] += 0.1 * torch.tensor(rng.normal(size=tuple(Z[0].shape)))
    assert float(program.cone.rows(feasible(program, Z)).min()) >= -1e-9


@pytest.mark.parametrize("seed", range(5))
def test_a_stranger_can_check_the_certificate(seed):
    """max over |u| <= 1 of |v'(Xu)_+| <= beta and the dual value is the lower bound: the library is not needed."""
    data = instance(("squared", "relu", "none"), seed)[0]
    certificate = solved(("squared", "relu", "none"), seed).certificate
    v = certificate.v[:, 0]
    angle = np.linspace(0, 2 * np.pi, 100_001)
    neurons = np.maximum(data.X @ np.array([np.cos(angle), np.sin(angle)]), 0)
    assert np.abs(v @ neurons).max() <= data.beta * (1 + 1e-10)
    close(v @ data.y - 0.5 * v @ v, certificate.lower)
    assert certificate.lower <= v @ data.y - 0.5 * v @ v


@every_case
def test_certifying_a_solution_again_says_the_same(case):
    _, program, _ = instance(case)
    solution = solved(case)
    again = certify(program, solution)
    close([again.lower, again.upper], [solution.lower, solution.value])
    assert again.scope == solution.certificate.scope
    assert f"{again.gap:.1e}" in again.sentence()


# ---- statuses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES[:4], ids="-".join)
@pytest.mark.parametrize("iterations", [1, 2, 5, 50, 100_000])
def test_solved_means_that_the_gap_is_closed(case, iterations):
    _, program, optimum = instance(case)
    solution = solve(program, tol=1e-6, device="cpu", max_iterations=iterations, budget=1)
    assert (solution.status == "solved") == (solution.gap <= solution.tol)
    assert solution.value == solution.certificate.upper
    if solution.status != "solved":
        assert "raise `max_iterations`" in solution.message
    assert_holds(solution.certificate, optimum)


@pytest.mark.parametrize("limits", [{"max_iterations": 1}, {"budget": 1e-9}])
@pytest.mark.parametrize("activation", ["relu", "gated"])
def test_a_starved_solve_is_inconclusive_and_says_what_to_raise(activation, limits):
    _, program, optimum = instance(("squared", activation, "none"))
    solution = solve(program, tol=1e-10, device="cpu", **limits)
    assert solution.status == "inconclusive"
    assert ("raise `budget`" in solution.message) != ("raise `max_iterations`" in solution.message)
    assert_holds(solution.certificate, optimum)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_the_default_solve_reaches_its_tolerance(case):
    optimum = instance(case)[2]
    solution = solved(case)
    assert solution.status == "solved", solution.message
    close(solution.value, optimum, VALUE["solve"] + SLACK)


def test_the_history_moves_towards_the_optimum():
    _, program, optimum = instance(("squared", "gated", "none"))
    steps = []
    solution = solve(program, device="cpu", callback=steps.append)
    assert tuple(steps) == solution.history
    assert all(step.lower <= optimum + SLACK for step in steps)
    assert steps[-1].objective <= steps[0].objective
    assert [s.iteration for s in steps] == sorted({s.iteration for s in steps})


@pytest.mark.parametrize("method", ["fista", "admm", "interior"])
@pytest.mark.parametrize(
    "case", [("squared", "gated", "none"), ("logistic", "gated", "none"), ("squared", "relu", "none")]
)
def test_every_method_finds_the_optimum(case, method):
    _, program, optimum = instance(case)
    if method == "fista" and case[1] == "relu":
        with pytest.raises(ValueError, match="cone"):
            solve(program, method=method, device="cpu")
        return
    solution = solve(program, tol=1e-5, method=method, device="cpu", budget=5)
    assert solution.method == method
    assert solution.status == "solved", solution.message
    close(solution.value, optimum, 1e-5)  # the tol asked for: first-order methods


def test_a_warm_start_at_the_solution_ends_at_once():
    _, program, _ = instance(("squared", "gated", "none"))
    cold = solve(program, device="cpu", tol=1e-8, method="fista")
    warm = solve(program, device="cpu", tol=1e-6, method="fista", warm_start=cold)
    assert warm.status == "solved"
    assert warm.history[-1].iteration < cold.history[-1].iteration / 2


# ---- scope and refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "scope"),
    [
        ({}, "network"),
        ({"bias": "regularised"}, "network"),
        ({"patterns": 50}, "program"),
        ({"activation": "gated"}, "program"),
        ({"activation": "gated", "patterns": 5}, "program"),
        ({"patterns": np.ones((6, 1), dtype=bool)}, "program"),
    ],
)
def test_the_scope_is_the_network_only_with_all_patterns_and_relu(options, scope):
    program = two_layer.program(instance(("squared", "relu", "none"))[0], **options)
    certificate = certify(program, np.zeros(program.operator.domain))
    assert certificate.scope == scope
    assert ("all patterns" in certificate.sentence()) == (scope == "network")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_point_that_is_not_finite_is_refused(bad):
    _, program, _ = instance(("squared", "relu", "none"))
    Z = np.zeros(program.operator.domain)
    Z[3, 1, 0] = bad
    with pytest.raises(ValueError, match=r"Z has 1 non-finite value\(s\), the first at index \(3, 1, 0\)"):
        certify(program, Z)


def test_a_point_of_another_shape_is_refused():
    _, program, _ = instance(("squared", "relu", "none"))
    with pytest.raises(ValueError, match=r"point has shape \(2, 2, 1\); this program's variable is"):
        certify(program, np.zeros((2, 2, 1)))


@pytest.mark.parametrize("what", ["v", "multipliers", "witness"])
def test_a_witness_of_another_shape_is_refused_by_name(what):
    _, program, _ = instance(("squared", "relu", "none"))
    Z, wrong = np.zeros(program.operator.domain), np.zeros((5, 3, 1))
    point = Point(Z, wrong if what == "v" else None, wrong if what == "multipliers" else None)
    with pytest.raises(ValueError, match=what):
        certify(program, point, witnesses=[wrong] if what == "witness" else [])
