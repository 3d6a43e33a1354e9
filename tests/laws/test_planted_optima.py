"""Optima that are known by construction: choose the dual vector first, then the targets that make it optimal.

Let q = polar(v) be attained by the unit direction u in group g. With beta = q and targets y = v + t s (Xu)_+ the
network of one neuron of strength t is optimal, v is its residual, and the optimum is  1/2 |v|^2 + beta t.
"""

import numpy as np
import pytest
import torch

from convexnn import Data, Point, certify, certify_exactly, solve
from convexnn.bounds import maximum, network_bound
from convexnn.globalize import globalize
from convexnn.theorems import two_layer

seeds = pytest.mark.parametrize("seed", range(4))


def planted_network(seed: int, n: int = 12, d: int = 3, t: float = 1.7):
    """Data, the optimum over all networks, the neuron u and its output sign."""
    rng = np.random.default_rng(seed)
    X, v = rng.standard_normal((n, d)), rng.standard_normal(n)
    sides = [maximum(X, s * v, tol=1e-10) for s in (1.0, -1.0)]
    s, best = max(zip((1.0, -1.0), sides), key=lambda side: side[1].lower)
    u = best.direction
    data = Data(X, v + t * s * np.maximum(X @ u, 0), best.lower)
    return data, 0.5 * v @ v + data.beta * t, v, best.upper


def planted_gated(seed: int, n: int = 15, d: int = 4, P: int = 9, groups: int = 3):
    """Several groups: X and D are random, v moves until the `groups` largest pulls |X'D_i v| are equal."""
    rng = np.random.default_rng(seed)
    X, D = rng.standard_normal((n, d)), rng.random((n, P)) < 0.5
    v = rng.standard_normal(n)
    sizes = np.linalg.norm(X.T @ (D * v[:, None]), axis=0)
    for _ in range(2000):
        Q = X.T @ (D * v[:, None])
        sizes = np.linalg.norm(Q, axis=0)
        top = np.argsort(-sizes)[:groups]
        J = ((X @ (Q / sizes)) * D)[:, top].T
        v = v - np.linalg.pinv(J) @ (sizes[top] - sizes[top].mean())
    beta = sizes.max()
    w = np.zeros((P, d))
    w[top] = rng.uniform(0.5, 2, groups)[:, None] * (Q / sizes)[:, top].T
    y = v + sum(D[:, i] * (X @ w[i]) for i in range(P))
    return Data(X, y, beta), D, w, 0.5 * v @ v + beta * np.linalg.norm(w, axis=1).sum(), v


@seeds
def test_a_planted_network_is_found_by_the_program_and_by_training_to_the_end(seed):
    data, optimum, _, upper = planted_network(seed)
    assert upper <= data.beta * (1 + 1e-7)
    solution = solve(two_layer.program(data), tol=1e-8, device="cpu")
    assert solution.status == "solved"
    assert solution.lower <= optimum * (1 + 1e-9)
    assert abs(solution.value - optimum) <= 2e-8 * optimum
    found = globalize(data, budget=20.0)
    assert found.status == "certified"
    assert found.lower <= optimum * (1 + 1e-9)
    assert abs(found.value - optimum) <= 1e-6 * max(1.0, optimum)


@seeds
def test_the_planted_residual_proves_the_planted_optimum(seed):
    data, optimum, v, _ = planted_network(seed)
    bound = network_bound(data.X, data.y, v, data.beta)
    assert bound.closed
    assert optimum * (1 - 2e-6) <= bound.lower <= optimum * (1 + 1e-9)


@seeds
@pytest.mark.parametrize("groups", [1, 3])
def test_planted_groups_are_found_with_their_sizes(seed, groups):
    data, D, w, optimum, v = planted_gated(seed, groups=groups)
    program = two_layer.program(data, patterns=D, activation="gated")
    point = Point(w[:, :, None], v[:, None])
    for judge in (certify, certify_exactly):  # the construction is what it says
        judged = judge(program, point)
        assert judged.gap <= 1e-11
        assert judged.lower - 1e-11 <= optimum <= judged.upper + 1e-11
    solution = solve(program, tol=1e-10, device="cpu")
    assert solution.lower <= optimum * (1 + 1e-12)
    assert abs(solution.value - optimum) <= 1e-9 * optimum
    assert np.linalg.norm(solution.certificate.v[:, 0] - v) <= (4e-10 * optimum) ** 0.5
    assert np.allclose(solution.Z[:, :, 0], w, atol=1e-3)  # the root of the tolerance, times the conditioning


@seeds
def test_a_planted_dual_vector_beyond_beta_is_not_believed(seed):
    data, _, v, _ = planted_network(seed)
    program = two_layer.program(data)
    smaller = program.with_beta(0.9 * data.beta)
    best = solve(smaller, tol=1e-7, device="cpu")
    judged = certify(smaller, np.zeros(program.operator.domain), witnesses=[v[:, None]])
    assert judged.lower <= best.value
    assert float(smaller.polars(torch.tensor(judged.v))[0].max()) <= smaller.beta * (1 + 1e-12)
