"""ReLU discriminators with a free generator: the convex-concave procedure, its start, and the bound from the means."""

from __future__ import annotations

import numpy as np
import pytest
from tolerances import close

from convexnn.theorems.wgan import brute_force, counterexamples, moments
from convexnn.theorems.wgan.ccp import cheapest, convex_concave, mean_bound


def plane(seed: int):
    X = np.random.default_rng(seed).standard_normal((6, 2)) + 0.5
    return X, 0.15 * float(np.linalg.norm(X.sum(0)))


@pytest.mark.parametrize("seed", range(3))
def test_values_never_rise_and_the_end_is_feasible_for_every_direction(seed):
    X, beta = plane(seed)
    found = convex_concave(X, beta, weight=0.7)
    assert np.all(np.diff(found.values) <= 1e-4 * found.values[0])  # what the cuts leave open
    assert found.values[-1] < 0.9 * found.values[0]
    close(found.value, 0.35 * np.sum(found.G**2))
    assert found.gap <= beta * (1 + 1e-4)
    assert brute_force.gap_on_circle("relu", X, found.G) <= beta * (1 + 2e-4)
    assert found.value >= mean_bound(X, beta, 0.7)


@pytest.mark.parametrize("seed", range(2))
def test_no_feasible_sample_nearby_is_cheaper(seed):
    X, beta = plane(seed)
    found = convex_concave(X, beta)
    rng, cheaper = np.random.default_rng(seed), 0
    for _ in range(150):
        near = found.G * (1 - rng.choice([1e-3, 1e-2])) + rng.choice([1e-3, 1e-2]) * rng.standard_normal(X.shape)
        if 0.5 * np.sum(near**2) < found.value * (1 - 1e-3):
            cheaper += 1
            assert moments.relu(X, near) > beta
    assert cheaper > 20, "the cheaper neighbours are there, and all of them are infeasible"


def test_another_start_ends_cheaper():
    X = counterexamples.skewed(6, 2, 1)
    beta = 0.15 * float(np.linalg.norm(X, 2))
    own = convex_concave(X, beta)
    starts = [G for G in brute_force.searched_samples(X, beta, range(4)) if moments.relu(X, G) <= beta]
    assert starts
    ends = [convex_concave(X, beta, G) for G in starts]
    for G, end in zip(starts, ends):
        assert end.value <= 0.5 * np.sum(G**2) + 1e-8
        assert end.gap <= beta * (1 + 1e-4)
    assert min(end.value for end in ends) < 0.9 * own.value


def test_the_tangent_is_an_inner_approximation():
    X, beta = plane(4)
    U = np.random.default_rng(0).standard_normal((9, 2))
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    G = cheapest(X, beta, U, X)
    gap = np.abs(np.maximum(X @ U.T, 0).sum(0) - np.maximum(G @ U.T, 0).sum(0))
    assert gap.max() <= beta * (1 + 1e-6)


def test_the_bound_from_the_means_is_attained_by_equal_rows_in_one_cell():
    x = np.array([[3.0], [2.0], [4.0]])  # one sign: u = -1 sees nothing, u = 1 the mean; the gap is |m|, not |m| / 2
    found = convex_concave(x, 1.5)
    close(found.value, 0.5 * (9 - 1.5) ** 2 / 3, 1e-3)
    assert mean_bound(x, 1.5) == pytest.approx(0.5 * (9 - 3.0) ** 2 / 3)
    assert mean_bound(x, 5.0) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_the_gap_is_at_least_half_the_distance_of_the_sums(seed):
    rng = np.random.default_rng(seed)
    X, G = rng.standard_normal((2, 5, 2))
    assert moments.relu(X, G) >= 0.5 * np.linalg.norm(X.sum(0) - G.sum(0)) - 1e-12
    gaps, directions = moments.relu_directions(X, G)
    u = directions[gaps.argmax()]
    close(np.linalg.norm(u), 1.0)
    close(abs(np.maximum(X @ u, 0).sum() - np.maximum(G @ u, 0).sum()), gaps.max(), 1e-8)


@pytest.mark.parametrize(
    ("start", "message"), [(np.zeros((6, 2)), "start has gap"), (np.zeros((5, 2)), "start has shape")]
)
def test_a_start_that_is_not_feasible_is_refused(start, message):
    X, beta = plane(0)
    with pytest.raises(ValueError, match=message):
        convex_concave(X, 0.1 * beta, start)
