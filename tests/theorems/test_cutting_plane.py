"""Cutting planes on the dual: the exact oracle, the relaxed one, and runs that are cut short."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_data import A_STIELTJES, FIVE_X, FIVE_Y, SPIKES

from convexnn import Data, certify, solve
from convexnn.patterns import sample_patterns
from convexnn.theorems import two_layer
from convexnn.theorems.convex_geometry.cutting_plane import cutting_plane
from convexnn.theorems.shared.extreme_points import dual_norm
from convexnn.theorems.shared.spike_free import is_spike_free, one_pattern_program
from convexnn.theorems.two_layer.encoding import encode


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


def test_a_run_that_is_cut_short_keeps_valid_bounds():
    rng = np.random.default_rng(2)
    data = Data(rng.standard_normal((8, 3)), rng.standard_normal(8), 0.05)
    short, long = cutting_plane(data, rounds=3), cutting_plane(data)
    assert not short.converged
    assert short.lower <= long.value <= short.value + 1e-9
    with pytest.raises(ValueError, match="one output"):
        cutting_plane(Data(data.X, np.ones((8, 2)), 0.1))


def gaussian(seed: int, n: int, d: int, beta: float, signs: bool = False, shift: float = 0.0) -> Data:
    """The catalogue's order: X first, then y, from numpy's default generator."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n) + shift
    return Data(X, np.sign(y) if signs else y, beta)


GOLDEN = [
    (gaussian(0, 5, 2, 0.1), "squared", "none", 0.56547035),
    (gaussian(1, 6, 2, 0.5), "squared", "none", 0.51273588),
    (gaussian(2, 6, 3, 0.05), "squared", "none", 0.15707320),
    (gaussian(4, 10, 3, 0.1), "squared", "none", 0.94410556),
    (gaussian(4, 10, 3, 0.5), "squared", "none", 2.39289832),
    (gaussian(4, 10, 3, 1.0), "squared", "none", 2.94162882),
    (gaussian(3, 6, 2, 0.05, signs=True), "hinge", "none", 0.180703),
    (gaussian(3, 6, 2, 0.2, signs=True), "hinge", "none", 0.722812),
    (gaussian(3, 6, 2, 0.05, signs=True), "logistic", "none", 0.67207),
    (Data(FIVE_X, FIVE_Y, 0.1), "squared", "unregularised", 0.72),
    (Data(FIVE_X, FIVE_Y, 1.0), "squared", "unregularised", 82 / 35),
    (Data(FIVE_X, FIVE_Y, 2.5), "squared", "unregularised", 2.4),
    (Data(FIVE_X, FIVE_Y, 1e-3), "squared", "regularised", 0.01011683),
    (Data(FIVE_X, FIVE_Y, 1e-2), "squared", "regularised", 0.10007383),
    (Data(FIVE_X, FIVE_Y, 0.1), "squared", "regularised", 0.89144720),
    (Data(FIVE_X, FIVE_Y, 0.5), "squared", "regularised", 2.31227284),
    (gaussian(5, 6, 2, 0.2, shift=2.0), "squared", "unregularised", 1.1277793),
    (gaussian(5, 6, 2, 0.2, shift=2.0), "squared", "regularised", 1.4221394),
]


@pytest.mark.parametrize("data, loss, bias, value", GOLDEN)
def test_cutting_planes_bracket_the_catalogued_values(data, loss, bias, value):
    cuts = cutting_plane(data, tol=1e-7, loss=loss, bias=bias)
    given = 5e-6 if loss == "logistic" else 5e-7 if loss == "hinge" else 5e-8  # the digits that the value has
    assert cuts.converged
    assert cuts.lower - given <= value <= cuts.value + given
    assert cuts.value == pytest.approx(value, abs=given + 1e-7)  # 1e-7: the run's own tolerance


@pytest.mark.parametrize("bias", ["none", "regularised", "unregularised"])
@pytest.mark.parametrize("loss", ["squared", "squared_hinge", "hinge", "logistic"])
def test_the_judge_agrees_for_every_loss_and_bias(loss, bias):
    data = gaussian(6, 8, 2, 0.1, signs=loss != "squared")
    cuts = cutting_plane(data, loss=loss, bias=bias)
    program = two_layer.program(data, loss=loss, bias=bias)
    certificate = certify(program, encode(data, cuts.network, program), witnesses=[cuts.v])
    assert certificate.scope == "network"
    assert certificate.gap <= 2e-6
    assert cuts.network.objective(data) == pytest.approx(cuts.value, abs=1e-9)
    assert cuts.lower == pytest.approx(certificate.lower, abs=2e-6)


def test_a_stronger_neuron_with_parallel_activations_is_another_neuron():
    """Two neurons that fire on one sample alone are parallel; a run once took one for the other and stalled."""
    rng = np.random.default_rng(102)
    data = Data(rng.standard_normal((8, 2)), np.sign(rng.standard_normal(8)), 0.1)
    assert cutting_plane(data, loss="logistic", bias="unregularised").converged


@pytest.mark.parametrize("bias", ["none", "regularised", "unregularised"])
@pytest.mark.parametrize("loss", ["squared", "hinge"])
def test_the_relaxed_oracle_is_the_program_with_one_pattern_for_every_bias(loss, bias):
    data = gaussian(8, 5, 3, 0.1, signs=loss != "squared")
    cuts = cutting_plane(data, "relaxed", loss=loss, bias=bias)
    one = solve(one_pattern_program(data, loss, bias), tol=1e-7)
    assert cuts.value == pytest.approx(one.value, abs=3e-6)
    assert cuts.exact == bool(is_spike_free(data.X, bias)) == (one.certificate.scope == "network")


@pytest.mark.parametrize("seed", range(3))
def test_with_a_free_bias_every_kink_runs_through_a_sample(seed):
    data = gaussian(seed, 9, 2, 0.1)
    network = cutting_plane(data, bias="unregularised").network
    before = data.X @ network.U.detach().numpy().T + network.b.detach().numpy()
    assert network.width >= 2
    assert np.abs(before).min(0).max() < 1e-7  # the kink is where a multiplier's row vanishes: rounding of one solve


def test_with_a_regularised_bias_kinks_leave_the_data():
    network = cutting_plane(Data(FIVE_X, FIVE_Y, 0.1), bias="regularised").network
    kinks = -(network.b / network.U[:, 0]).detach().numpy()
    assert np.abs(kinks[:, None] - FIVE_X[:, 0]).min(1).max() > 0.1


def test_what_cutting_planes_cannot_do_is_refused():
    data = gaussian(3, 6, 2, 0.1)
    with pytest.raises(ValueError, match="labels -1 and"):
        cutting_plane(data, loss="hinge")
    with pytest.raises(ValueError, match="oracle is 'exakt'"):
        cutting_plane(data, "exakt")
    with pytest.raises(ValueError, match=r"pass a bool array \(6, P\)"):
        cutting_plane(data, np.ones((5, 1), dtype=bool))
    with pytest.raises(ValueError, match="bias is 'free'"):
        cutting_plane(data, bias="free")


def test_the_value_over_beta_rises_to_the_gauge_of_interpolation():
    """The catalogued ratios at beta = 1e-2, 1e-3, 1e-4, which rise to their limit."""
    rng = np.random.default_rng(3)
    X, _, y = rng.standard_normal((6, 2))[:4], rng.standard_normal(6), rng.standard_normal(6)[:4]
    ratio = [cutting_plane(Data(X, y, beta), tol=1e-9).value / beta for beta in (1e-2, 1e-3, 1e-4)]
    assert ratio == pytest.approx([9.79, 15.77, 16.38], abs=6e-3)  # given to two decimals
    assert ratio == sorted(ratio)
    assert ratio[-1] < 16.4534242


def test_an_oracle_over_some_cells_lies_between_the_relaxed_and_the_exact_one():
    data = gaussian(4, 10, 3, 0.1)
    cells = np.hstack([np.ones((10, 1), dtype=bool), sample_patterns(data.X, 30, seed=0)])
    some = cutting_plane(data, cells)
    assert some.converged
    assert not some.exact
    assert cutting_plane(data).lower <= some.value <= cutting_plane(data, "relaxed").value + 1e-6
    assert some.value == pytest.approx(solve(two_layer.program(data, cells), tol=1e-7).value, abs=2e-6)


def test_the_relaxation_of_an_acute_triangle_is_exact_with_a_free_bias_and_only_then():
    triangle = np.array([[5.0, 7.0], [6.0, 7.0], [5.5, 7.9]])
    data = Data(triangle, np.array([1.0, -1.0, 0.5]), 0.1)
    free, bound = (cutting_plane(data, "relaxed", bias=bias) for bias in ("unregularised", "none"))
    assert free.exact
    assert not bound.exact
    assert free.value == pytest.approx(cutting_plane(data, bias="unregularised").value, abs=2e-6)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "hinge"])
@pytest.mark.parametrize("n", [1, 3])
def test_one_class_and_a_free_offset_cost_nothing_and_no_bound_says_otherwise(loss, n):
    """The offset alone fits; what is left of the dual vector is rounding, and must not be scaled into a bound."""
    X = np.arange(1.0, n + 1)[:, None]
    found = cutting_plane(Data(X, np.ones(n), 0.1), loss=loss, bias="unregularised")
    assert found.lower <= found.value + 1e-12
    assert found.converged and found.value <= 1e-6
