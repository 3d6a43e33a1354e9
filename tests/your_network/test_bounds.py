"""The parts of a bound: the shifted loss, balanced dual vectors, cones of output directions, a free bias, a path."""

import itertools

import numpy as np
import pytest
import torch
from tolerances import close

from convexnn.bounds import maximum
from convexnn.losses import get_loss
from convexnn.your_network import comparing
from convexnn.your_network.descent import settled
from convexnn.your_network.inside import inside_cells
from convexnn.your_network.linear_forms import _under_lines
from convexnn.your_network.lower import Lower, Proof, Shifted, scaled
from convexnn.your_network.output_directions import sphere_bound
from convexnn.your_network.problem import REACH, Neurons, Problem


def problem(rng, loss="squared", constants="none", free_bias=False, n=12, outputs=1):
    rows = np.column_stack([rng.standard_normal((n, 2)), np.ones(n)])
    Y = rng.standard_normal((n, outputs))
    if loss == "cross_entropy":
        Y = np.eye(outputs)[np.arange(n) % outputs]
    elif loss != "squared":
        Y = np.sign(Y)
    return Problem(rows, Y, 0.4, get_loss(loss), constants, free_bias)


@pytest.mark.parametrize("loss", ["squared", "logistic", "squared_hinge"])
def test_the_shifted_loss_is_a_loss_whose_conjugate_gains_the_shift(rng, loss):
    base, o = get_loss(loss), 0.7
    shifted, Y = Shifted(base, o), torch.sign(torch.randn(6, 1, dtype=torch.float64, generator=torch.manual_seed(0)))
    f = torch.linspace(-1, 1, 6, dtype=torch.float64)[:, None]
    z = shifted.gradient(f, Y)
    close(float(shifted.value(f, Y) + shifted.conjugate(z, Y)), float((f * z).sum()))
    p = shifted.prox(f, Y, 0.3)
    close((p - f + 0.3 * shifted.gradient(p, Y)).numpy(), np.zeros((6, 1)), 1e-9)


@pytest.mark.parametrize(
    ("loss", "outputs"), [("squared", 2), ("logistic", 1), ("hinge", 1), ("squared_hinge", 1), ("cross_entropy", 3)]
)
@pytest.mark.parametrize("seed", range(3))
def test_a_mended_dual_vector_is_in_the_domain_and_has_no_constant_part(rng, loss, outputs, seed):
    task = problem(rng, loss, "free", outputs=outputs)
    v = task.admissible(task.pull(rng.standard_normal(task.Y.shape)))
    close(v.sum(0), np.zeros(outputs), 1e-12)
    assert np.isfinite(task.dual(v))


def test_a_dual_vector_with_a_constant_part_proves_nothing_about_free_constants(rng):
    task = problem(rng, "squared", "free")
    assert task.dual(np.ones((12, 1))) == -np.inf
    assert np.isfinite(problem(rng, "squared", "ridge").dual(np.ones((12, 1))))


@pytest.mark.parametrize("constants", ["none", "ridge", "free"])
@pytest.mark.parametrize("free_bias", [False, True])
@pytest.mark.parametrize("loss", ["squared", "logistic", "hinge"])
def test_weak_duality_for_random_networks(rng, loss, constants, free_bias):
    task = problem(rng, loss, "free" if free_bias and constants == "ridge" else constants, free_bias)
    v = task.admissible(task.pull(rng.standard_normal(task.Y.shape)))
    uppers = [maximum(task.scaled_rows(), s * v[:, 0]).upper for s in (1, -1)]
    low = scaled(task, Proof(v, max(uppers), "test"))
    assert isinstance(low, Lower)
    for _ in range(200):
        o = rng.standard_normal(1) if task.constants != "none" else np.zeros(1)
        size = rng.exponential(0.5)
        net = Neurons(size * rng.standard_normal((3, 3)), size * rng.standard_normal((3, 1)), o)
        assert low.lower <= task.value(net) + 1e-9


@pytest.mark.parametrize("reach", [REACH, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_the_blown_up_bias_bounds_every_neuron_whose_bias_costs_nothing(rng, reach, seed, monkeypatch):
    monkeypatch.setattr("convexnn.your_network.problem.REACH", reach)
    task = problem(rng, free_bias=True, constants="free")
    v = task.admissible(rng.standard_normal((12, 1)))
    u = rng.standard_normal((20_000, 2))
    W = np.column_stack([u / np.linalg.norm(u, axis=1, keepdims=True), 2 * rng.standard_normal(20_000)])
    pulls = v[:, 0] @ task.hidden(W)
    upper = maximum(task.scaled_rows(), v[:, 0]).upper
    assert pulls.max() <= task.slack() * upper
    if reach < 1:  # a short column costs the bias something: without the slack this would be no bound
        assert pulls.max() > upper


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_the_dual_value_of_a_penalised_offset_alone_is_attained(rng, loss):
    task = problem(rng, loss, "ridge")
    net = settled(task, Neurons(np.zeros((0, 3)), np.zeros((0, 1)), np.zeros(1)))
    close(task.dual(task.pull(task.fit(net))), task.value(net), 1e-9)  # BFGS stops at a gradient of 1e-12


@pytest.mark.parametrize("outputs", [2, 3])
def test_cones_of_output_directions_bound_the_vector_pull_and_close_on_it(rng, outputs):
    task = problem(rng, n=10, outputs=outputs)
    v = rng.standard_normal((10, outputs))
    reached = 0.0

    def side(g):
        nonlocal reached
        bound = maximum(task.rows, v @ g, tol=1e-9)
        pull = float(np.linalg.norm(task.hidden(bound.direction[None])[:, 0] @ v))
        reached = max(reached, pull)
        return bound.upper, pull

    upper, looked = sphere_bound(v, side, 10.0, tol=1e-2)
    assert reached <= upper <= reached * (1 + 1e-2) * (1 + 1e-9)
    assert looked > 2 * outputs
    first, _ = sphere_bound(v, side, 0.0)
    assert first >= upper


def test_with_many_outputs_the_sum_of_squares_is_the_bound(rng):
    v = rng.standard_normal((9, 9))
    upper, looked = sphere_bound(v, lambda g: (1.0, 0.5), 1.0)
    close(upper, 3.0)
    assert looked == 18


def test_the_exact_cells_lower_the_objective_and_return_a_dual_vector_of_the_offset(rng):
    task = problem(rng, "squared", "ridge")
    net = Neurons(rng.standard_normal((4, 3)), rng.standard_normal((4, 1)), np.zeros(1))
    better, v = inside_cells(task, net)
    assert task.value(better) < task.value(net)
    close(v, task.pull(task.fit(better)), 1e-5)
    close(float(v.sum()), task.beta * float(better.o[0]), 1e-5)


def test_the_value_under_lines_is_the_minimum_on_a_grid():
    lines = [(5.0, 3.0, np.zeros(1)), (4.0, 1.0, np.zeros(1)), (1.0, 0.1, np.zeros(1))]
    value, _ = _under_lines(lines, 0.2, 3)
    r = np.linspace(0, 20, 200_001)
    grid = np.maximum(np.max([a - b * r for a, b, _ in lines], axis=0), 0) + 0.5 * 0.2 * 3 * r ** (2 / 3)
    close(value, grid.min(), 1e-4)  # the spacing of the grid


def test_splits_are_the_same_for_everybody_and_scores_are_held_out():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), np.repeat(["no", "yes"], 20)
    parts = comparing.splits(X, y, "classification", range(2))
    assert {p.T.shape for p in parts} == {(28, 1)}
    assert set(np.unique(parts[0].T)) == {-1.0, 1.0}
    assert parts[0].score(np.where(parts[0].labels_test == 1, 1.0, -1.0)) == 1.0
    three = comparing.splits(X, np.arange(40) % 3, "classification", [0])[0]
    assert three.T.shape[1] == 3
    assert three.score(np.eye(3)[three.labels_test]) == 1.0
    numbers = comparing.splits(X, X[:, 0], "regression", [0])[0]
    close(numbers.score(numbers.labels_test), 1.0)
    assert list(comparing.strongest_features(numbers, 1)) == [0]
    with pytest.raises(ValueError, match="in every row"):
        comparing.splits(X, np.ones(40), "regression", [0])
    assert all(not np.array_equal(a.X, b.X) for a, b in itertools.combinations(parts, 2))
