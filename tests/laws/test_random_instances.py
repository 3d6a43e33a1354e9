"""Two hundred random instances, drawn whole: no certificate is above a feasible value, no starved solve says solved.

The feasible values are points of the cone, trained networks, first-order iterates and the solution itself. Another
offset than FIRST_SEED behaves the same: set CONVEXNN_SEED to try one.
"""

import os
from functools import cache

import numpy as np
import pytest
import torch

from convexnn import Data, solve
from convexnn.bounds import network_bound
from convexnn.bounds.restricted import Task, from_weights, polish, strengths
from convexnn.certifying import feasible
from convexnn.losses import get_loss
from convexnn.numerics import tensor
from convexnn.solvers.contract import Options
from convexnn.solvers.fista import fista
from convexnn.theorems import two_layer

FIRST_SEED = int(os.environ.get("CONVEXNN_SEED", "0"))
INSTANCES = range(FIRST_SEED, FIRST_SEED + 200)
LOSSES = ("squared", "logistic", "squared_hinge", "hinge")
ROUNDING = 1e-12  # of an objective of a dozen terms, relative to max(1, value)


@cache
def draw(seed: int):
    """A program, its data and what was drawn: loss, activation, bias, outputs, patterns, beta over beta_max."""
    rng = np.random.default_rng([20, seed])
    loss, activation = LOSSES[seed % 4], ("relu", "gated")[seed // 4 % 2]
    bias, c = ("none", "none", "regularised")[seed // 8 % 3], (1, 1, 1, 2)[seed // 24 % 4]
    n, d = int(rng.integers(3, 11)), int(rng.integers(1, 4))
    X, Y = rng.standard_normal((n, d)) * 10 ** rng.uniform(-1, 1), rng.standard_normal((n, c))
    Y = Y if loss == "squared" else np.where(Y > 0, 1.0, -1.0)
    patterns = "all" if seed % 3 else int(rng.integers(2, 15))
    data = Data(X, Y[:, 0] if c == 1 else Y, 1.0)
    program = two_layer.program(data, activation=activation, loss=loss, bias=bias, patterns=patterns)
    beta = 10 ** rng.uniform(-2.5, 0.3) * max(program.beta_max(), 1e-3)
    data = Data(data.X, data.y, beta)
    return program.with_beta(beta), data, loss, activation, bias, rng


def feasible_values(seed: int) -> list[float]:
    program, data, loss, activation, bias, rng = draw(seed)
    values = [program.objective(program.zeros())]
    for size in (1e-2, 0.1, 1.0):
        Z = feasible(program, tensor(size * rng.standard_normal(program.operator.domain)))
        assert float(program.cone.violation(Z).max()) <= 1e-9
        values.append(program.objective(Z))
    if activation == "gated" and loss != "hinge":
        values.append(program.objective(tensor(fista(program, Options(1e-9, max_iterations=60)).Z)))
    if program.scope == "network" and program.Y.shape[1] == 1:
        values.append(trained(data, loss, bias, rng))
    return values


def trained(data: Data, loss: str, bias: str, rng: np.random.Generator) -> float:
    """The objective of the best of three networks, by strengths and descent."""
    X = data.X if bias == "none" else np.hstack([data.X, np.ones((data.n, 1))])
    task = Task(X, data.y, data.beta, get_loss(loss))
    starts = [from_weights(rng.standard_normal((12, X.shape[1])), rng.standard_normal(12)) for _ in range(3)]
    return min(polish(task, strengths(task, start), 100).value(task) for start in starts)


@pytest.mark.parametrize("block", range(10))
def test_no_certificate_is_above_a_feasible_value_and_solved_means_solved(block):
    for seed in INSTANCES[20 * block : 20 * block + 20]:
        program, *_, rng = draw(seed)
        values = feasible_values(seed)
        best = min(values) + ROUNDING * max(1.0, min(values))
        for limit in (int(rng.integers(1, 12)), 200):
            found = solve(program, tol=1e-6, method="interior", device="cpu", max_iterations=limit)
            assert (found.status == "solved") == (found.gap <= 1e-6), seed
            assert found.gap == (found.value - found.lower) / max(1.0, found.value)
            assert found.lower <= best, f"seed {seed}: {found.lower} above a feasible {min(values)}"
            assert found.value <= values[0] + ROUNDING * max(1.0, values[0])
            assert found.lower <= program.objective(tensor(found.Z)) + ROUNDING * max(1.0, found.value)
        assert found.status == "solved", f"seed {seed}: {found.message}"


def test_no_time_at_all_is_never_a_solution():
    for seed in INSTANCES[::8]:
        program = draw(seed)[0]
        hurried = solve(program, tol=1e-12, device="cpu", budget=1e-9)
        assert hurried.lower <= program.objective(program.zeros())
        assert hurried.status == ("solved" if hurried.gap <= 1e-12 else "inconclusive"), seed


@pytest.mark.parametrize("block", range(4))
def test_no_network_bound_is_above_the_optimum_of_the_complete_program(block):
    complete = [seed for seed in INSTANCES if draw(seed)[0].scope == "network" and draw(seed)[0].Y.shape[1] == 1]
    for seed in complete[block:20:4]:
        program, data, loss, _, bias, rng = draw(seed)
        X = data.X if bias == "none" else np.hstack([data.X, np.ones((data.n, 1))])
        optimum = solve(program, tol=1e-6, method="interior", device="cpu")
        near = optimum.certificate.v[:, 0] * (1 + 0.1 * rng.standard_normal(data.n))
        bound = network_bound(X, data.y, [near, optimum.certificate.v[:, 0]], data.beta, loss, budget_s=3.0)
        assert bound.lower <= optimum.value + ROUNDING * max(1.0, optimum.value), seed
        assert float(program.polars(torch.tensor(bound.v)[:, None])[0].max()) <= data.beta * (1 + 1e-9), seed
        if bound.closed:  # the optimum's own dual vector is among the candidates
            assert bound.lower >= optimum.lower - 1e-5 * max(1.0, optimum.value), seed
