"""Several outputs: which dual norm goes with which norm of the output weights, and the values by column generation."""

from __future__ import annotations

import numpy as np
import pytest

from convexnn import Data, solve, train
from convexnn.theorems import two_layer
from convexnn.theorems.convex_geometry.output_norms import (
    P,
    cone_component,
    vector_cutting_plane,
    vector_dual_norm,
    vector_network,
)

DUAL = {"l1": np.inf, "l2": 2, "linf": 1}


def outputs(seed: int, n: int, d: int, c: int, beta: float) -> Data:
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((n, d)), rng.standard_normal((n, c)), beta)


@pytest.mark.parametrize(
    "seed, n, d, c, beta, value",
    [
        (10, 5, 2, 2, 0.1, 1.1882096),
        (11, 8, 2, 3, 0.2, 4.2548139),
        (12, 8, 2, 3, 0.02, 2.6629809),
        (13, 6, 3, 2, 0.2, 1.419656),
        (14, 7, 3, 3, 0.1, 0.844151),
        (15, 8, 3, 2, 0.05, 0.403996),
    ],
)
def test_weight_decay_on_several_outputs_has_the_catalogued_values(seed, n, d, c, beta, value):
    data = outputs(seed, n, d, c, beta)
    cuts = vector_cutting_plane(data, "l2")
    assert cuts.converged
    assert cuts.lower - 1e-6 <= value <= cuts.value + 1e-6
    assert cuts.value == pytest.approx(value, abs=5e-6)  # the catalogue's six digits, times the run's 1e-6 of the value
    assert cuts.network.objective(data) == cuts.value


@pytest.mark.parametrize("seed", range(3))
def test_the_l1_norm_separates_into_one_problem_for_each_output(seed):
    data = outputs(seed, 6, 2, 2, 0.1)
    together = vector_cutting_plane(data, "l1").value
    apart = sum(solve(two_layer.program(Data(data.X, y, 0.1)), tol=1e-8).value for y in data.y.T)
    assert together == pytest.approx(apart, abs=3e-6)


def test_one_output_knows_no_difference_between_the_norms():
    data = outputs(0, 6, 2, 1, 0.1)
    expected = solve(two_layer.program(data), tol=1e-8).value
    for norm in P:
        assert vector_cutting_plane(data, norm).value == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("seed", range(3))
def test_larger_norms_of_the_weights_cost_more(seed):
    data = outputs(seed, 6, 2, 3, 0.1)
    runs = {norm: vector_cutting_plane(data, norm) for norm in P}
    assert runs["linf"].value < runs["l2"].lower < runs["l2"].value < runs["l1"].lower


@pytest.mark.parametrize("norm", P)
def test_the_dual_norm_is_the_maximum_over_the_circle(norm):
    rng = np.random.default_rng(1)
    A, V = rng.standard_normal((6, 2)), rng.standard_normal((6, 3))
    angles = np.linspace(0, 2 * np.pi, 20_001)
    pulled = V.T @ np.maximum(A @ np.array([np.cos(angles), np.sin(angles)]), 0)
    values = np.linalg.norm(pulled, DUAL[norm], axis=0)
    top = vector_dual_norm(A, V, norm)[0]
    assert 0 <= top.value - values.max() < 1e-3  # the grid's step at a kink
    assert np.linalg.norm(V.T @ np.maximum(A @ top.u, 0), DUAL[norm]) == pytest.approx(top.value, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_the_component_over_a_cone_is_the_maximum_over_combinations_of_its_rays(seed, rng):
    B, G = rng.standard_normal((3, 3)), rng.standard_normal((4, 3))
    found = cone_component(B @ B.T, G)
    crossings = np.array([sign * np.cross(G[i], G[j]) for i in range(4) for j in range(i) for sign in (1, -1)])
    rays = crossings[(crossings @ G.T >= -1e-9).all(1)]
    if len(rays) == 0:
        assert found.value == 0.0  # the cone is {0}
        return
    U = rng.dirichlet(np.full(len(rays), 0.5), 100_000) @ (rays / np.linalg.norm(rays, axis=1, keepdims=True))
    best = ((U @ B) ** 2).sum(1) / np.maximum((U**2).sum(1), 1e-300)
    assert best.max() - 1e-9 <= found.value <= best.max() * 1.001
    assert (G @ found.u).min() >= -1e-9


def test_an_optimal_neuron_attains_beta_in_the_dual_norm():
    data = outputs(13, 6, 3, 2, 0.2)
    cuts = vector_cutting_plane(data, "l2", tol=1e-7)
    U = cuts.network.U.detach().numpy()
    pulls = np.linalg.norm(cuts.V.T @ np.maximum(data.X @ U.T, 0), axis=0) / np.linalg.norm(U, axis=1)
    strong = np.linalg.norm(U, axis=1) ** 2 > 1e-3
    assert pulls[strong] == pytest.approx(np.full(strong.sum(), data.beta), rel=1e-3)


def test_no_training_run_with_the_same_penalty_ends_below_the_bound():
    data = outputs(10, 5, 2, 2, 0.1)
    cuts = vector_cutting_plane(data, "l2")
    rng = np.random.default_rng(0)
    start = vector_network(rng.standard_normal((20, 2)), rng.standard_normal((20, 2)), "l2")
    run = train(start, data, "lbfgs", seeds=range(6), steps=1500, device="cpu")
    assert run.curves.min() >= cuts.lower - 1e-9
    assert run.value <= cuts.value + 1e-4


def test_balanced_weights_pay_the_product_of_the_norms(rng):
    U, W = rng.standard_normal((3, 2)), rng.standard_normal((3, 4))
    for norm, p in P.items():
        expected = (np.linalg.norm(U, axis=1) * np.linalg.norm(W, p, axis=1)).sum()
        assert vector_network(U, W, norm).penalty().item() == pytest.approx(expected, rel=1e-12)


def test_unknown_norms_and_flat_targets_are_refused():
    data = outputs(10, 5, 2, 2, 0.1)
    with pytest.raises(ValueError, match="norm is 'l3'"):
        vector_cutting_plane(data, "l3")
    with pytest.raises(ValueError, match="pass matrices"):
        vector_cutting_plane(Data(data.X, data.y[:, 0], 0.1))
