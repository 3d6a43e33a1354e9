"""Cutting planes on the dual: the exact oracle, the relaxed one, and runs that are cut short."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_data import A_STIELTJES, SPIKES

from convexnn import Data, solve
from convexnn.theorems import two_layer
from convexnn.theorems._cutting_plane import cutting_plane, restricted_lasso
from convexnn.theorems._extreme_points import dual_norm
from convexnn.theorems._spike_free import is_spike_free, one_pattern_program


@pytest.mark.parametrize("seed", range(3))
def test_cutting_planes_with_the_exact_oracle_reach_the_optimum(seed, rng):
    data = Data(rng.standard_normal((7, 3)), rng.standard_normal(7), 0.1)
    cuts = cutting_plane(data)
    optimum = solve(two_layer.program(data), tol=1e-8).value
    assert cuts.converged
    assert cuts.exact
    assert cuts.lower <= optimum + 1e-9
    assert cuts.value == pytest.approx(optimum, abs=2e-6)
    assert cuts.network.objective(data) == pytest.approx(cuts.value, abs=1e-10)
    assert (np.diff(cuts.history[:, 1]) >= 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_relaxed_oracle_solves_the_program_with_one_pattern(seed, rng):
    data = Data(rng.standard_normal((4, 5)), rng.standard_normal(4), 0.1)
    cuts = cutting_plane(data, "relaxed")
    assert cuts.value == pytest.approx(solve(one_pattern_program(data), tol=1e-8).value, abs=2e-6)
    assert cuts.value >= cutting_plane(data).lower - 1e-9
    assert cuts.exact == bool(is_spike_free(data.X))


def test_the_relaxed_oracle_is_exact_on_spike_free_data_and_far_off_on_others():
    y = np.array([1.0, 2.0, -1.0])
    free, spiked = Data(A_STIELTJES, y, 0.1), Data(SPIKES["gaussian"][0], y, 0.1)
    assert cutting_plane(free, "relaxed").exact
    assert cutting_plane(free, "relaxed").value == pytest.approx(cutting_plane(free).value, abs=2e-6)
    relaxed = cutting_plane(spiked, "relaxed")
    assert relaxed.value > 1.1 * cutting_plane(spiked).value
    assert dual_norm(spiked.X, relaxed.v)[0] > 1.1 * spiked.beta  # the exact oracle refutes the relaxed dual vector
    assert dual_norm(free.X, cutting_plane(free, "relaxed").v)[0] <= free.beta * (1 + 1e-3)


def test_the_restricted_lasso_is_optimal(rng):
    Phi, y = rng.standard_normal((6, 9)), rng.standard_normal(6)
    a = restricted_lasso(Phi, y, 0.4)
    pulled = Phi.T @ (y - Phi @ a)
    assert np.abs(pulled).max() <= 0.4 + 1e-10
    assert pulled[a != 0] == pytest.approx(0.4 * np.sign(a[a != 0]), abs=1e-9)
    assert not restricted_lasso(Phi, y, 100.0).any()


def test_a_run_that_is_cut_short_keeps_valid_bounds():
    rng = np.random.default_rng(2)
    data = Data(rng.standard_normal((8, 3)), rng.standard_normal(8), 0.05)
    short, long = cutting_plane(data, rounds=3), cutting_plane(data)
    assert not short.converged
    assert short.lower <= long.value <= short.value + 1e-9
    with pytest.raises(ValueError, match="one output"):
        cutting_plane(Data(data.X, np.ones((8, 2)), 0.1))
