"""`solve`: the choice of method, budgets, interruption, paths."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from convexnn import Data, solve, solve_path, solving
from convexnn.choosing import choose, interior_cost
from convexnn.solvers.fista import fista
from convexnn.theorems import two_layer
from convexnn.types import Step


def instance(seed: int = 0, n: int = 12, d: int = 3, beta: float = 0.1) -> Data:
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((n, d)), rng.standard_normal(n), beta)


def test_the_choice_says_why():
    method, reason = choose(two_layer.program(instance()))
    assert method == "interior" and "12 x 12" in reason and "flops" in reason
    rng = np.random.default_rng(0)
    classes = Data(rng.standard_normal((9, 2)), np.eye(3)[rng.integers(0, 3, 9)], 0.1)
    for activation, expected in (("gated", "fista"), ("relu", "admm")):
        assert choose(two_layer.program(classes, activation=activation, loss="cross_entropy"))[0] == "interior"
        program = two_layer.program(classes, activation=activation, loss="cross_entropy", bias="unregularised")
        method, reason = choose(program)
        assert method == expected and "cross entropy with these groups couples the outputs" in reason


def test_a_loose_tolerance_makes_the_first_order_method_work_in_single_precision(monkeypatch):
    seen = []

    def watch(program, options):
        seen.append(program.operator.like.dtype)
        return fista(program, options)

    monkeypatch.setattr(solving, "fista", watch)
    program = two_layer.program(instance(), activation="gated")
    loose, tight = solve(program, method="fista", tol=1e-3), solve(program, method="fista", tol=1e-7)
    assert seen == [torch.float32, torch.float64]
    assert loose.status == tight.status == "solved"
    assert loose.certificate.gap <= 1e-3  # the judge's, in float64
    assert abs(loose.value - tight.value) <= 1e-3 * tight.value


@pytest.mark.parametrize(
    ("loss", "bias"),
    [("cross_entropy", "none"), ("squared", "unregularised"), ("logistic", "none"), ("squared_hinge", "none")],
)
@pytest.mark.parametrize("share", [0.3, 1e-3])
def test_a_loose_tolerance_is_reached_whatever_the_loss_and_however_small_beta(loss, bias, share):
    """Where float32 has too few digits float64 goes on; an unpenalised coordinate is float64's from the start."""
    rng = np.random.default_rng(3)
    X, labels = rng.standard_normal((40, 4)), rng.integers(0, 3, 40)
    y = np.eye(3)[labels] if loss == "cross_entropy" else np.where(labels > 0, 1.0, -1.0)
    program = two_layer.program(Data(X, y, 1.0), loss=loss, bias=bias, patterns=20, activation="gated")
    program = program.with_beta(share * program.beta_max())
    loose = solve(program, tol=1e-3, method="fista", budget=20)
    assert loose.status == "solved", loose.message
    best = solve(program, tol=1e-6)
    assert best.lower <= loose.value <= best.value * (1 + 1.1e-3)


def test_single_precision_that_runs_out_is_finished_in_double(monkeypatch):
    monkeypatch.setattr(solving, "FLOAT32_TOL", 1e-9)  # single precision is asked for what it cannot give
    program = two_layer.program(instance(), activation="gated")
    found = solve(program, method="fista", tol=1e-8)
    assert found.status == "solved" and "where float32 ran out" in found.reason
    assert found.history[-1].iteration < 20_000


def test_all_runs_together_keep_to_the_iterations_that_were_allowed():
    program = two_layer.program(instance())
    seen = []
    found = solve(program, tol=1e-15, max_iterations=400, callback=lambda step: seen.append(step.iteration))
    assert found.method == "interior, then admm"
    interior = next(a for a, b in pairwise(seen) if b != a + 1)  # the other one counts anew, and records every fiftieth
    assert interior < seen[-1] <= 400 - interior
    assert found.status == "inconclusive"


def test_what_finishing_breaks_is_not_lost(monkeypatch):
    def broken(program, options):
        raise torch.linalg.LinAlgError("singular")

    monkeypatch.setattr(solving, "admm", broken)
    found = solve(two_layer.program(instance()), tol=1e-15)
    assert found.certificate.gap <= 1e-6


def test_a_solution_for_other_samples_is_a_start_for_z_alone():
    few, many = instance(n=12), instance(n=13)
    a, b = (two_layer.program(data, patterns=5, activation="gated") for data in (few, many))
    assert a.operator.domain == b.operator.domain
    for method in ("auto", "fista"):
        assert solve(b, method=method, warm_start=solve(a)).status == "solved"


def test_a_warm_interior_path_needs_fewer_steps_and_ends_at_the_same_values():
    program = two_layer.program(instance(1, 60, 6), patterns=40, activation="gated")
    betas = program.beta_max() * np.geomspace(0.5, 0.005, 6)
    warm = solve_path(program, betas)
    cold = [solve(program.with_beta(beta)) for beta in betas]
    assert all(a.status == "solved" and a.method == "interior" for a in warm)
    for a, b in zip(warm, cold):
        assert abs(a.value - b.value) <= 2e-6 * b.value
    assert sum(len(a.history) for a in warm[1:]) < sum(len(b.history) for b in cold[1:])


@pytest.mark.parametrize(
    "activation, methods", [("gated", ["interior", "fista", "admm"]), ("relu", ["interior", "admm"])]
)
def test_all_methods_reach_the_same_value(activation, methods):
    program = two_layer.program(instance(beta=1.0), patterns=20, activation=activation)
    values = [solve(program, tol=1e-5, method=method) for method in methods]
    assert all(found.status == "solved" for found in values)
    assert np.ptp([found.value for found in values]) <= 2e-5 * max(1.0, values[0].value)


def test_a_spent_budget_is_inconclusive_with_valid_bounds():
    program = two_layer.program(instance())
    optimum = solve(program).value
    hurried = solve(program, tol=1e-12, method="admm", budget=0.2)
    assert hurried.status == "inconclusive" and "budget" in hurried.message
    assert hurried.lower <= optimum <= hurried.value + 1e-9


def interrupt_a_solve() -> None:
    """Press Ctrl-C 0.1 s after the first recorded step of a solve that cannot end, and print what came back."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a child of nohup or of a shell's & starts deaf to it
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    pressed = []

    def press_once(step: Step) -> None:
        if not pressed:
            pressed.append(step.iteration)
            timer.start()

    stopped = solve(two_layer.program(instance(beta=0.01)), tol=1e-15, method="admm", budget=60, callback=press_once)
    restored = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print(json.dumps([stopped.status, stopped.message, stopped.lower, stopped.value, restored]))


def test_ctrl_c_returns_the_best_point_with_its_certificate():
    optimum = solve(two_layer.program(instance(beta=0.01)))
    command = [sys.executable, "-c", "import test_solving; test_solving.interrupt_a_solve()"]
    folder = Path(__file__).parent
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    status, message, lower, value, restored = json.loads(done.stdout)
    assert status == "interrupted"
    assert "interrupted; both bounds hold" in message
    assert lower <= optimum.value
    assert value >= optimum.lower
    assert restored, "the handler from before the solve is back"


def test_a_path_falls_from_zero_and_every_point_is_certified():
    program = two_layer.program(instance(), activation="gated")
    path = solve_path(program, count=6, ratio=1e-2)
    assert not path[0].Z.any()
    assert all(found.status == "solved" for found in path)
    values = [found.value for found in path]
    assert all(a >= b - 1e-6 for a, b in pairwise(values))


def test_a_warm_start_is_used_by_the_first_order_method():
    program = two_layer.program(instance(), activation="gated")
    cold = solve(program, method="fista", tol=1e-8)
    warm = solve(program, method="fista", tol=1e-8, warm_start=cold)
    assert warm.history[-1].iteration < cold.history[-1].iteration / 2


def test_the_callback_sees_every_recorded_step():
    seen: list[int] = []
    found = solve(two_layer.program(instance()), callback=lambda step: seen.append(step.iteration))
    assert seen == [step.iteration for step in found.history]


def test_many_samples_and_few_groups_are_sent_to_gradient_steps():
    rng = np.random.default_rng(0)
    data = Data(rng.standard_normal((20_000, 2)), rng.standard_normal(20_000), 1.0)
    method, reason = choose(two_layer.program(data, patterns=3, activation="gated"))
    assert method == "fista" and ("flops" in reason or "GiB" in reason)


def test_the_cost_of_coupled_outputs_counts_all_of_them():
    """Cross entropy keeps every output's matrix and a border; columns of a separable loss are solved one by one."""
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((60, 4)), rng.integers(0, 5, 60)
    classes = Data(X, np.eye(5)[labels], 0.1)
    made = {
        loss: two_layer.program(classes, loss=loss, patterns=10, activation="gated")
        for loss in ("cross_entropy", "squared")
    }
    (flops, needed), (alone, once) = (interior_cost(made[loss], False) for loss in ("cross_entropy", "squared"))
    assert needed >= 8 * 5 * 60**2 > once
    assert flops - alone >= 5 * 2 * 60**3  # the border's solves, in every step
