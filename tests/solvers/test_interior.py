"""Laws of the interior points: dual feasibility of every iterate, laws of the optimum, limits and refusals."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from instances import gaussian, is_certified, planted

from convexnn import solve
from convexnn.certifying import certify
from convexnn.data import binary, load, standardise
from convexnn.gauges import Nuclear
from convexnn.numerics import tensor
from convexnn.solvers import _left_out
from convexnn.solvers._path_following import shorten
from convexnn.solvers._recording import PATIENCE, Progress
from convexnn.solvers.contract import Options
from convexnn.solvers.interior_cone import ConeIterate, interior_cone
from convexnn.solvers.interior_gated import GatedIterate, interior_gated
from convexnn.solvers.interior_softmax import SoftmaxIterate
from convexnn.theorems import two_layer
from convexnn.types import Data

# ---- iterates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.1, 0.01, 0.001])
def test_gated_steps_are_few_and_every_iterate_is_dual_feasible(fraction):
    program = two_layer.program(planted(80, 8), patterns=40, activation="gated")
    program = program.with_beta(fraction * program.beta_max())
    iterate, gaps, steps = GatedIterate(program), [], 0
    while True:
        iterate.advance()
        steps += 1
        bounds = iterate.assess()
        assert float(program.gauge.polar(program.operator.adjoint(bounds.v)).max()) <= program.beta
        assert bounds.lower <= bounds.upper + 1e-12 * abs(bounds.upper)
        gaps.append(bounds.upper - bounds.lower)
        if bounds.upper - bounds.lower <= 1e-8 * bounds.upper:
            break
    assert steps <= 15
    assert all(after <= 2 * before for before, after in pairwise(gaps))


@pytest.mark.parametrize("kind", ["logistic", "cross_entropy"])
@pytest.mark.parametrize("seed", range(3))
def test_bounds_hold_where_negligible_levels_are_kept_from_vanishing(kind, seed):
    """Separable data and a tiny beta: levels are clamped, so theta does not go all of its step and q must follow it."""
    rng = np.random.default_rng(10 + seed)
    X = rng.standard_normal((12, 3))
    labels = (X @ rng.standard_normal((3, 3))).argmax(1)
    y = np.eye(3)[labels] if kind == "cross_entropy" else np.where(labels > 0, 1.0, -1.0)
    program = two_layer.program(Data(X, y, 1.0), loss=kind, patterns=6, activation="gated")
    program = program.with_beta(1e-5 * program.beta_max())
    iterate = SoftmaxIterate(program, 1e-9) if kind == "cross_entropy" else GatedIterate(program)
    smallest = np.inf
    for _ in range(40):
        iterate.advance()
        bounds = iterate.assess()
        assert float(program.gauge.polar(program.operator.adjoint(bounds.v)).max()) <= program.beta * (1 + 1e-12)
        level = bounds.v * program.Y if kind == "logistic" else program.Y - bounds.v
        smallest = min(smallest, float(level.min()))
        if bounds.upper - bounds.lower <= 1e-9:
            break
    assert smallest < 1e-9, "no level was negligible: the instance tests nothing"


def test_pulls_that_a_clamped_level_pushed_out_are_brought_back_with_theta():
    program = two_layer.program(gaussian(12, 3, 1, loss="logistic"), patterns=6, activation="gated", loss="logistic")
    iterate = GatedIterate(program)
    groups, loss = iterate.groups, iterate.path.loss
    groups.limit = program.beta - 0.005 * (program.beta - groups.q.norm(dim=1))
    loss.theta, groups.q = 4 * loss.theta, 4 * groups.q
    assert float(groups.q.norm(dim=1).max()) > program.beta
    shorten([groups], loss)
    assert bool((groups.q.norm(dim=1) <= groups.limit * (1 + 1e-12)).all())
    assert float((groups.pull(loss.theta) - groups.q).abs().max()) <= 1e-12  # both by the same factor


def test_progress_is_anything_that_halves_and_patience_ends():
    rising = Progress()  # mu may rise for long while residuals close
    assert all(rising.note(1e-7 * 1.1**k, 2.0**-k) for k in range(100))
    stuck = Progress()
    assert [stuck.note(1.0, np.inf) for _ in range(PATIENCE + 1)] == [True] * PATIENCE + [False]


@pytest.mark.parametrize("name, n, bias", [("pima", 384, "none"), ("banana", 400, "regularised")])
def test_a_path_whose_residual_closes_slowly_is_not_given_up(name, n, bias):
    """A tiny beta on real rows: for more than 30 steps of a tenth mu stays where it is and no point is feasible."""
    X, y = binary(load(name, subset="shipped"))
    kept = np.random.default_rng(0).permutation(len(X))[:n]
    X = standardise(X[kept], X[kept])[0]
    program = two_layer.program(Data(X, y[kept], 1.0), patterns=16, bias=bias)
    program = program.with_beta(3e-4 * program.beta_max())
    solution = solve(program, tol=1e-4, method="interior")
    assert solution.status == "solved", solution.message
    assert len(solution.history) > PATIENCE


@pytest.mark.parametrize("bias", ["none", "unregularised"])
def test_every_cone_iterate_carries_its_certificate(bias):
    program = two_layer.program(gaussian(12, 3, 3), patterns=12, bias=bias)
    iterate = ConeIterate(program, drop=False)
    for _ in range(10):
        iterate.advance()
        bounds = iterate.assess()
        assert float(bounds.multipliers.min()) >= 0
        pulls = program.operator.adjoint(bounds.v) + program.cone.adjoint(bounds.multipliers)
        head = pulls[:, : 3 if bias == "unregularised" else None]
        assert float(head.norm(dim=1).max()) <= program.beta * (1 + 1e-12)
        if bias == "unregularised":
            summed = max(1.0, float(bounds.multipliers.sum(1).max()))  # what cancels in the free coordinate
            assert float(pulls[:, -1].abs().max()) <= 1e-12 * summed
            assert abs(float(bounds.v.sum())) <= 1e-12


def leaving_out(seed, behind, monkeypatch):
    """A cone program solved to 1e-6 while groups are left out, how many were, and how many paths it took."""
    monkeypatch.setattr(_left_out, "BEHIND", behind)
    made, begin = [], ConeIterate.__init__

    def watch(self, *arguments):
        made.append(self)
        begin(self, *arguments)

    monkeypatch.setattr(ConeIterate, "__init__", watch)
    program = two_layer.program(planted(60, 6, seed), patterns=60)
    program = program.with_beta(0.05 * program.beta_max())
    point = interior_cone(program, Options(1e-6))
    return program, point, len(made[0].left_out.groups), len(made)


@pytest.mark.parametrize("seed", range(4))
def test_groups_that_are_left_out_are_proved_to_be_zero(seed, monkeypatch):
    program, point, left_out, paths = leaving_out(seed, 1e-2, monkeypatch)
    assert left_out > 10
    assert paths == 1
    solved, certificate = is_certified(program, point, 1e-6)
    assert solved, certificate
    pulls = program.operator.adjoint(tensor(point.v)) + program.cone.adjoint(tensor(point.multipliers))
    assert float(pulls.norm(dim=1).max()) <= program.beta * (1 + 1e-12)  # multipliers for every group, left out or not


def test_a_group_left_out_wrongly_is_noticed_and_the_path_begun_again(monkeypatch):
    program, point, left_out, paths = leaving_out(0, 0.99, monkeypatch)  # all but the largest go
    assert left_out > 10
    assert paths == 2
    assert is_certified(program, point, 1e-6)[0]


def test_the_returned_point_lies_in_its_cones():
    program = two_layer.program(planted(40, 5), patterns=20).with_beta(1.0)
    point = interior_cone(program, Options(1e-7))
    assert float(program.cone.violation(tensor(point.Z)).max()) <= 1e-12


# ---- laws of the optimum -------------------------------------------------------------------------------------------


def value(program, tol=1e-8):
    solver = interior_gated if program.cone.rows(program.zeros()).shape[1] == 0 else interior_cone
    certified, certificate = is_certified(program, solver(program, Options(tol)), tol)
    assert certified
    return certificate.upper


@pytest.mark.parametrize("activation", ["relu", "gated"])
def test_scaling_targets_and_beta_scales_the_value_by_the_square(activation):
    data = gaussian(12, 3, 9)
    base = value(two_layer.program(data, patterns=8, activation=activation))
    for c in (10.0, 1e3):
        scaled = replace(data, y=c * data.y, beta=c * data.beta)
        found = value(two_layer.program(scaled, patterns=8, activation=activation))
        assert abs(found / c**2 - base) <= 2e-8 * max(1, base)


@pytest.mark.parametrize("activation", ["relu", "gated"])
def test_duplicate_patterns_change_nothing(activation):
    data = gaussian(12, 3, 10)
    program = two_layer.program(data, patterns=8, activation=activation)
    D = program.model.D
    twice = two_layer.program(data, patterns=np.hstack([D, D[:, :3]]), activation=activation)
    assert abs(value(program) - value(twice)) <= 2e-8 * max(1, value(program))


@pytest.mark.parametrize("activation", ["relu", "gated"])
def test_zero_is_found_from_beta_max_on(activation):
    program = two_layer.program(gaussian(10, 3, 11), patterns=8, activation=activation)
    solver = interior_gated if activation == "gated" else interior_cone
    null = program.objective(program.zeros())
    for factor in (1.0, 2.0):
        there = program.with_beta(factor * program.beta_max())
        certificate = certify(there, solver(there, Options(1e-7)))
        assert certificate.gap <= 1e-7
        assert abs(certificate.upper - null) <= 2e-7 * max(1, null)


@pytest.mark.parametrize("solver, activation", [(interior_gated, "gated"), (interior_cone, "relu")])
def test_zero_targets_need_no_step(solver, activation):
    data = gaussian(8, 2, 12)
    program = two_layer.program(replace(data, y=0 * data.y), patterns=5, activation=activation)
    point = solver(program, Options(1e-8))
    assert not point.Z.any()
    assert len(point.history) == 1


def test_one_loose_pattern_is_a_linear_model_with_a_bias():
    data = gaussian(9, 2, 13, beta=0.05)
    program = two_layer.program(data, patterns=np.ones((9, 1), dtype=bool), bias="unregularised")
    centred = replace(data, X=data.X - data.X.mean(0), y=data.y - data.y.mean())
    plain = two_layer.program(centred, patterns=np.ones((9, 1), dtype=bool), activation="gated")
    assert abs(value(program) - value(plain)) <= 1e-8


# ---- the contract --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver, activation", [(interior_gated, "gated"), (interior_cone, "relu")])
def test_limits_callbacks_and_interrupts_are_respected(solver, activation):
    program = two_layer.program(planted(30, 4), patterns=10, activation=activation).with_beta(0.5)
    seen = []
    point = solver(program, Options(1e-8, max_iterations=3, callback=seen.append))
    assert [step.iteration for step in seen] == [step.iteration for step in point.history] == [0, 1, 2, 3]
    late = solver(program, Options(1e-8, budget_s=1e-9))
    assert len(late.history) == 1
    assert not late.interrupted

    def interrupt(step):
        if step.iteration == 4:
            raise KeyboardInterrupt

    stopped = solver(program, Options(1e-12, callback=interrupt))
    assert stopped.interrupted
    assert 0 < certify(program, stopped).gap < 1


def test_what_has_no_barrier_is_refused():
    data = Data(np.eye(4), np.eye(4)[:, :2] + np.eye(4)[:, 2:], 0.1)
    softmax = two_layer.program(data, loss="cross_entropy")
    with pytest.raises(ValueError, match="no barrier for the cross_entropy loss"):
        interior_cone(softmax, Options())
    gated = two_layer.program(gaussian(8, 2, 0), patterns=4, activation="gated")
    with pytest.raises(ValueError, match="no barrier for the gauge Nuclear"):
        interior_gated(replace(gated, gauge=Nuclear()), Options())
    with pytest.raises(ValueError, match="interior_cone"):
        interior_gated(two_layer.program(gaussian(8, 2, 0), patterns=4), Options())
    with pytest.raises(ValueError, match="PatternCone"):
        interior_cone(gated, Options())


def test_one_feature_leaves_no_group_to_divide_by():
    """All groups may leave when d = 1: nothing is left out, or what is left out is proved, and no division fails."""
    rng = np.random.default_rng(4)
    data = Data(rng.standard_normal((12, 1)), np.sign(rng.standard_normal(12)), 0.1)
    program = two_layer.program(data, loss="logistic")
    assert certify(program, interior_cone(program, Options(1e-6))).gap <= 1e-6
