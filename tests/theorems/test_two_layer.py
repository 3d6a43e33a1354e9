"""The two-layer theorem: golden values, both maps, both biases, all losses, duality, pruning, bounds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from convexnn import Data, certify, solve, train
from convexnn.networks import TwoLayer, balanced
from convexnn.neurons import merge, prune, simplify
from convexnn.numerics import Array, tensor
from convexnn.patterns import enumerate_patterns, sample_patterns
from convexnn.theorems import two_layer
from convexnn.theorems.two_layer.consequences import cone_decomposition, low_rank, minimum_norm

FIVE_X = np.arange(-2.0, 3.0).reshape(-1, 1)
FIVE_Y = np.array([1.0, -1.0, 1.0, 1.0, -1.0])

# (seed, n, d, beta, p*): default_rng(seed), X then y standard normal, squared loss, all patterns
GOLDEN = [
    (0, 5, 2, 0.1, 0.56547035),
    (1, 6, 2, 0.5, 0.51273588),
    (2, 6, 3, 0.05, 0.15707320),
    (4, 10, 3, 0.1, 0.94410556),
    (4, 10, 3, 0.5, 2.39289832),
    (4, 10, 3, 1.0, 2.94162882),
]


def gaussian(seed: int, n: int, d: int, beta: float) -> Data:
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((n, d)), rng.standard_normal(n), beta)


def signs(seed: int, n: int, d: int, beta: float) -> Data:
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((n, d)), np.sign(rng.standard_normal(n)), beta)


@pytest.mark.parametrize("seed, n, d, beta, value", GOLDEN)
def test_the_golden_values_are_reached_and_certified_for_the_network(seed, n, d, beta, value):
    data = gaussian(seed, n, d, beta)
    solution = solve(two_layer.program(data), tol=1e-6)
    assert solution.status == "solved", solution.message
    assert solution.certificate.scope == "network"
    assert solution.value == pytest.approx(value, abs=1e-6)
    assert solution.lower <= value + 1e-8 <= solution.value + 2e-8
    network = two_layer.recover(data, solution)
    assert two_layer.objective(network, data) == pytest.approx(solution.value, abs=1e-7)


@pytest.mark.parametrize("seed", range(20, 24))
def test_other_instances_agree_with_the_reference_program(seed):
    data = gaussian(seed, 7, 2 + seed % 2, 0.05 * (1 + seed % 4))
    expected = two_layer.reference(data).solve(solver="CLARABEL")
    assert solve(two_layer.program(data)).value == pytest.approx(expected, abs=1e-6)


def test_the_gated_value_is_the_golden_one_and_below_relu():
    data = gaussian(4, 10, 3, 0.1)
    gated = solve(two_layer.program(data, activation="gated"))
    assert gated.value == pytest.approx(0.25611603, abs=1e-6)
    assert gated.certificate.scope == "program"
    network = two_layer.recover(data, gated)
    assert two_layer.objective(network, data) == pytest.approx(gated.value, abs=1e-8)


@pytest.mark.parametrize("beta, value", [(0.05, 0.180703), (0.2, 0.722812)])
def test_hinge_golden_values(beta, value):
    solution = solve(two_layer.program(signs(3, 6, 2, beta), loss="hinge"))
    assert solution.status == "solved"
    assert solution.value == pytest.approx(value, abs=1e-6)


def test_logistic_golden_value():
    solution = solve(two_layer.program(signs(3, 6, 2, 0.05), loss="logistic"))
    assert solution.status == "solved"
    assert solution.value == pytest.approx(0.67207, abs=5e-6)  # the golden value is given to five digits


@pytest.mark.parametrize("loss", ["logistic", "hinge", "squared_hinge"])
@pytest.mark.parametrize("activation", ["relu", "gated"])
@pytest.mark.parametrize("bias", ["none", "regularised"])
def test_every_loss_agrees_with_the_reference_and_is_recovered(loss, activation, bias):
    data = signs(11, 6, 2, 0.3)
    solution = solve(two_layer.program(data, activation=activation, loss=loss, bias=bias), tol=1e-5)
    assert solution.status == "solved", solution.message
    expected = two_layer.reference(data, activation=activation, loss=loss, bias=bias).solve(solver="CLARABEL")
    assert solution.value == pytest.approx(expected, abs=2e-5)
    network = two_layer.recover(data, solution)
    assert two_layer.objective(network, data) == pytest.approx(solution.value, abs=1e-7)


@pytest.mark.parametrize("beta", [0.05, 0.3, 0.4, 0.5, 1.0, 2.5])
def test_five_points_with_unregularised_bias(beta):
    expected = {0.4: 1.933333, 0.5: 2.083333, 1.0: 2.342857}.get(beta, 8 * beta - 8 * beta**2 if beta <= 0.3 else 2.4)
    data = Data(FIVE_X, FIVE_Y, beta)
    solution = solve(two_layer.program(data, bias="unregularised"))
    assert solution.status == "solved", solution.message
    assert solution.value == pytest.approx(expected, abs=1e-6)
    assert abs(solution.certificate.v.sum()) < 1e-8
    network = two_layer.recover(data, solution)
    assert two_layer.objective(network, data) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("beta, value", [(0.1, 0.89144720), (0.5, 2.31227284)])
def test_five_points_with_regularised_bias(beta, value):
    solution = solve(two_layer.program(Data(FIVE_X, FIVE_Y, beta), bias="regularised"))
    assert solution.value == pytest.approx(value, abs=1e-6)


def test_beta_max_of_the_five_points_is_the_catalogued_one():
    program = two_layer.program(Data(FIVE_X, FIVE_Y, 1.0), bias="regularised")
    assert program.beta_max() == pytest.approx(1.78885438, abs=1e-8)


def test_unregularised_bias_in_two_dimensions():
    rng = np.random.default_rng(5)
    data = Data(rng.standard_normal((6, 2)), rng.standard_normal(6) + 2, 0.2)
    free = solve(two_layer.program(data, bias="unregularised"))
    paid = solve(two_layer.program(data, bias="regularised"))
    assert free.value == pytest.approx(1.1277793, abs=1e-6)
    assert paid.value == pytest.approx(1.4221394, abs=1e-6)


def test_zero_is_optimal_exactly_from_beta_max_on():
    data = gaussian(7, 8, 3, 1.0)
    top = two_layer.program(data).beta_max()
    above, below = (two_layer.program(Data(data.X, data.y, share * top)) for share in (1.0001, 0.99))
    assert not solve(above).Z.any()
    assert solve(below).value < 0.5 * float(data.y @ data.y) - 1e-6


def test_the_dual_norm_of_the_residual_is_beta():
    data = gaussian(4, 10, 3, 0.5)
    program = two_layer.program(data)
    solution = solve(program, tol=1e-8)
    residual = program.residual(tensor(solution.Z))
    assert float(program.polars(residual)[0].max()) == pytest.approx(data.beta, rel=1e-4)


def test_encoding_a_network_never_raises_the_objective():
    data = gaussian(9, 8, 3, 0.2)
    program = two_layer.program(data)
    for seed in range(10):
        network = two_layer.network(12, data, seed=seed)
        Z = two_layer.encode(data, network, program)
        assert certify(program, Z).upper <= two_layer.objective(network, data) + 1e-9
        assert program.predict(tensor(Z)).numpy() == pytest.approx(network.predict(data.X), abs=1e-9)


def test_encode_refuses_a_network_whose_cell_is_missing():
    data = gaussian(9, 8, 3, 0.2)
    program = two_layer.program(data, patterns=np.ones((8, 1), dtype=bool))
    with pytest.raises(ValueError, match="not in the program"):
        two_layer.encode(data, two_layer.network(5, data, seed=0), program)


@pytest.mark.parametrize("seed", range(3))
def test_pruning_keeps_the_objective_and_leaves_at_most_n_neurons(seed):
    data = gaussian(seed, 8, 3, 0.1)
    network = two_layer.recover(data, solve(two_layer.program(data), tol=1e-8))
    small = simplify(network, data.X)
    assert small.width <= data.n
    assert two_layer.objective(small, data) <= two_layer.objective(network, data) + 1e-8
    assert small.predict(data.X) == pytest.approx(network.predict(data.X), abs=1e-7)


def test_pruning_any_network_never_raises_the_objective():
    data = gaussian(3, 5, 2, 0.1)
    for seed in range(10):
        network = two_layer.network(30, data, seed=seed)
        before = two_layer.objective(network, data)
        pruned = prune(network, data.X)
        assert pruned.width <= data.n
        assert two_layer.objective(pruned, data) <= before + 1e-9
        assert pruned.predict(data.X) == pytest.approx(network.predict(data.X), abs=1e-8)


def test_merging_joins_split_neurons():
    data = gaussian(3, 5, 2, 0.1)
    net = two_layer.network(3, data, seed=1)
    U, A = net.U.detach().numpy(), net.A.detach().numpy()
    split = TwoLayer(np.vstack([U, U]), np.vstack([0.3 * A, 0.7 * A]), net.loss)
    joined = merge(split, data.X)
    assert joined.width == 3
    assert two_layer.objective(joined, data) == pytest.approx(two_layer.objective(balanced(net), data), abs=1e-12)


def test_balancing_never_raises_the_penalty_and_keeps_the_function():
    data = gaussian(3, 5, 2, 0.1)
    net = two_layer.network(6, data, seed=2)
    even = balanced(net)
    assert even.penalty().item() <= net.penalty().item()
    assert even.predict(data.X) == pytest.approx(net.predict(data.X), abs=1e-12)
    assert even.U.norm(dim=1).detach().numpy() == pytest.approx(even.A.abs().sum(1).detach().numpy())


def test_no_training_run_beats_the_lower_bound_and_the_best_comes_close():
    data = gaussian(0, 5, 2, 0.1)
    solution = solve(two_layer.program(data), tol=1e-7)
    runs = train(two_layer.network(18, data), data, seeds=range(12), steps=1500)
    assert runs.final.min() >= solution.lower - 1e-9
    assert runs.final.min() <= solution.value * (1 + 1e-3)
    assert two_layer.objective(runs.best, data) == pytest.approx(runs.value, abs=1e-12)


def test_one_neuron_is_not_enough_on_the_smallest_example():
    data = gaussian(0, 5, 2, 0.1)
    runs = train(two_layer.network(1, data), data, optimiser="lbfgs", seeds=range(30), steps=500)
    assert runs.value == pytest.approx(0.58582, abs=1e-4)  # catalogued to five digits
    assert runs.value > 0.56547035 + 1e-2


def test_nested_samples_give_nested_upper_bounds():
    data = gaussian(4, 10, 3, 0.1)
    values = [solve(two_layer.program(data, patterns=P, seed=1)).value for P in (5, 20, 80)]
    assert values[0] >= values[1] - 1e-6 and values[1] >= values[2] - 1e-6
    assert values[2] >= 0.94410556 - 1e-6


def test_gated_below_relu_below_its_cone_decomposition():
    data = gaussian(4, 10, 3, 0.1)
    D = sample_patterns(data.X, 15, seed=0)
    gated = solve(two_layer.program(data, patterns=D, activation="gated"), tol=1e-8)
    relu = solve(two_layer.program(data, patterns=D))
    fit = gated.program.loss.value(gated.program.predict(tensor(gated.Z)), gated.program.Y)
    above = float(fit) + data.beta * cone_decomposition(data.X, D, gated.Z[:, :, 0])
    assert gated.value - 1e-6 <= relu.value <= above + 1e-6


def test_the_minimum_norm_is_the_limit_of_the_value_over_beta():
    rng = np.random.default_rng(3)
    X, _, y = rng.standard_normal((6, 2))[:4], rng.standard_normal(6), rng.standard_normal(6)[:4]
    gauge = minimum_norm(X, y)
    assert gauge == pytest.approx(16.4534242, abs=1e-5)
    ratio = [solve(two_layer.program(Data(X, y, b)), tol=1e-8).value / b for b in (1e-2, 1e-3)]
    assert ratio[0] == pytest.approx(9.79, abs=5e-3) and ratio[1] == pytest.approx(
        15.77, abs=5e-3
    )  # two decimals given
    assert ratio[0] < ratio[1] < gauge


@pytest.mark.parametrize("seed", range(5))
def test_low_rank_data_cost_at_most_the_stated_factor(seed):
    data = gaussian(seed, 7, 3, 0.3)
    exact = solve(two_layer.program(data)).value
    truncated, factor = low_rank(data, 2)
    value = solve(two_layer.program(truncated)).value
    assert exact - 1e-6 <= value <= exact * factor + 1e-6
    assert low_rank(data, 3)[1] == 1.0


def test_the_low_rank_network_scores_the_same_on_the_true_data():
    data = gaussian(1, 7, 3, 0.3)
    truncated, _ = low_rank(data, 2)
    solution = solve(two_layer.program(truncated))
    network = two_layer.recover(truncated, solution)
    assert two_layer.objective(network, data) == pytest.approx(solution.value, abs=1e-8)


def test_several_outputs_with_squared_loss_are_the_sum_of_scalar_programs():
    rng = np.random.default_rng(10)
    X, Y = rng.standard_normal((6, 2)), rng.standard_normal((6, 2))
    joint = solve(two_layer.program(Data(X, Y, 0.1))).value
    apart = sum(solve(two_layer.program(Data(X, Y[:, k], 0.1))).value for k in range(2))
    assert joint == pytest.approx(apart, abs=3e-6)


def test_softmax_outputs_agree_with_the_reference():
    rng = np.random.default_rng(12)
    data = Data(rng.standard_normal((7, 2)), np.eye(3)[rng.integers(0, 3, 7)], 0.1)
    for activation in ("gated", "relu"):
        program = two_layer.program(data, patterns=6, activation=activation, loss="cross_entropy")
        solution = solve(program, tol=1e-6)
        assert solution.status == "solved", solution.message
        D = program.model.D
        expected = two_layer.reference(data, D, activation=activation, loss="cross_entropy").solve(solver="CLARABEL")
        assert expected - 1e-6 <= solution.value <= expected + 2e-6 * expected
        network = two_layer.recover(data, solution)
        assert two_layer.objective(network, data) == pytest.approx(solution.value, abs=1e-8)


def test_rank_deficient_data_give_the_value_of_their_row_space():
    rng = np.random.default_rng(3)
    Z, T = rng.standard_normal((7, 2)), np.linalg.qr(rng.standard_normal((5, 2)))[0].T
    y = rng.standard_normal(7)
    wide, thin = Data(Z @ T, y, 0.2), Data(Z, y, 0.2)
    solution = solve(two_layer.program(wide))
    assert solution.Z.shape[1] == 2
    assert solution.value == pytest.approx(solve(two_layer.program(thin)).value, abs=2e-6)
    network = two_layer.recover(wide, solution)
    assert network.U.shape[1] == 5
    assert two_layer.objective(network, wide) == pytest.approx(solution.value, abs=1e-7)


def test_a_recovered_network_is_an_ordinary_torch_sequential():
    data = gaussian(2, 6, 3, 0.05)
    for bias in ("none", "regularised", "unregularised"):
        network = two_layer.recover(data, solve(two_layer.program(data, bias=bias), tol=1e-4))
        with torch.no_grad():
            outputs = network.sequential()(torch.as_tensor(data.X.copy())).numpy()
        assert outputs == pytest.approx(network.predict(data.X), abs=1e-12)


def test_gates_of_a_bool_pattern_array_are_found_for_gated_recovery():
    data = gaussian(2, 6, 3, 0.05)
    D = enumerate_patterns(data.X)[:, 3:20]
    solution = solve(two_layer.program(data, patterns=D, activation="gated"))
    assert two_layer.objective(two_layer.recover(data, solution), data) == pytest.approx(solution.value, abs=1e-8)


def test_a_pattern_array_that_no_gate_realises_is_refused_at_recovery():
    X: Array = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    data = Data(X, np.array([1.0, 2.0, 3.0]), 0.01)
    solution = solve(two_layer.program(data, patterns=np.ones((3, 1), dtype=bool), activation="gated"))
    with pytest.raises(ValueError, match="column 0"):
        two_layer.recover(data, solution)


def test_all_zero_targets_and_all_zero_data_have_the_zero_network():
    rng = np.random.default_rng(0)
    nothing = solve(two_layer.program(Data(rng.standard_normal((5, 2)), np.zeros(5), 0.1)))
    assert nothing.value == pytest.approx(0.0, abs=1e-12) and not nothing.Z.any()
    blank = solve(two_layer.program(Data(np.zeros((5, 2)), np.ones(5), 0.1)))
    assert blank.value == pytest.approx(2.5, abs=1e-12)


def test_a_free_bias_without_the_all_ones_pattern_needs_no_balanced_dual():
    rng = np.random.default_rng(8)
    data = Data(rng.standard_normal((8, 2)), rng.standard_normal(8) + 1.0, 0.2)
    D = enumerate_patterns(np.hstack([data.X, np.ones((8, 1))]))
    D = D[:, ~D.all(0) & D.any(0)]
    solution = solve(two_layer.program(data, patterns=D, bias="unregularised"))
    expected = two_layer.reference(data, D, bias="unregularised").solve(solver="CLARABEL")
    assert solution.status == "solved", solution.message
    assert solution.value == pytest.approx(expected, abs=1e-5)


def test_the_empty_network_is_left_alone_by_simplify():
    data = gaussian(3, 5, 2, 0.1)
    empty = TwoLayer(np.zeros((0, 2)), np.zeros((0, 1)), two_layer.network(1, data).loss)
    assert simplify(empty, data.X).width == 0


@pytest.mark.parametrize("tol", [1e-6, 1e-8])
@pytest.mark.parametrize("loss", ["hinge", "squared", "two outputs"])
@pytest.mark.parametrize("seed", range(4))
def test_simplifying_any_solution_keeps_objective_and_predictions(seed, loss, tol):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((8, 2)), rng.standard_normal((8, 2))
    y = {"hinge": np.sign(Y[:, 0]), "squared": Y[:, 0], "two outputs": Y}[loss]
    data = Data(X, y, 0.1)
    network = two_layer.recover(
        data, solve(two_layer.program(data, loss="hinge" if loss == "hinge" else "squared"), tol=tol)
    )
    small = simplify(network, X)
    assert small.width <= y.size
    assert two_layer.objective(small, data) <= two_layer.objective(network, data) + 2e-7
    assert small.predict(X) == pytest.approx(network.predict(X), abs=1e-6)


def test_a_neuron_that_feeds_two_outputs_is_split_and_not_lost():
    rng = np.random.default_rng(1)
    data = Data(rng.standard_normal((9, 3)), rng.standard_normal((9, 2)), 0.1)
    network = two_layer.network(40, data, seed=1)
    small = simplify(network, data.X)
    assert small.predict(data.X) == pytest.approx(network.predict(data.X), abs=1e-6)
    assert two_layer.objective(small, data) <= two_layer.objective(network, data) + 1e-8


def test_neurons_of_opposite_sign_or_across_a_cell_wall_are_not_merged():
    X = np.array([[1.0, 1e-4], [1.0, -1e-4], [-1.0, 0.5]])
    loss = two_layer.network(1, Data(X, np.ones(3), 0.1)).loss
    opposite = TwoLayer(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[1.0], [-1.0]]), loss)
    assert merge(opposite, X).width == 2
    apart = TwoLayer(np.array([[1e-6, 1.0], [-1e-6, 1.0]]), np.array([[1.0], [1.0]]), loss)
    wall = np.array([[1.0, 1e-7], [1.0, 1.0]])
    assert merge(apart, wall).width == 2


def test_a_constant_neuron_moves_into_the_offset():
    loss = two_layer.network(1, gaussian(0, 5, 2, 0.1)).loss
    network = TwoLayer(np.zeros((1, 2)), np.ones((1, 1)), loss, b=np.array([2.0]), bias="unregularised")
    X = gaussian(0, 5, 2, 0.1).X
    assert balanced(network).predict(X) == pytest.approx(network.predict(X))
    assert simplify(network, X).predict(X) == pytest.approx(np.full((5, 1), 2.0))


@pytest.mark.parametrize("bias", ["none", "regularised", "unregularised"])
@pytest.mark.parametrize("activation", ["relu", "gated"])
def test_encoding_is_the_inverse_map_for_both_activations_and_every_bias(activation, bias):
    data = gaussian(6, 8, 2, 0.2)
    program = two_layer.program(data, activation=activation, bias=bias)
    gates = program.model.network_gates() if activation == "gated" else None
    width = len(gates) if gates is not None else 15
    network = two_layer.network(width, data, activation=activation, bias=bias, seed=3, gates=gates)
    with torch.no_grad():
        network.b += 0.1 * (bias != "none")
        network.offset += 0.7 * (bias == "unregularised")
    Z = two_layer.encode(data, network, program)
    assert program.predict(tensor(Z)).numpy() == pytest.approx(network.predict(data.X), abs=1e-9)
    assert program.objective(tensor(Z)) <= two_layer.objective(network, data) + 1e-9


def test_encode_refuses_what_does_not_fit():
    data = gaussian(6, 8, 2, 0.2)
    with pytest.raises(ValueError, match="same kind"):
        two_layer.encode(data, two_layer.network(3, data, bias="regularised"), two_layer.program(data))
    free = two_layer.network(3, data, bias="unregularised")
    with torch.no_grad():
        free.offset += 1.0
        free.A.zero_()
    D = np.eye(8, dtype=bool)
    with pytest.raises(ValueError, match="all-ones"):
        two_layer.encode(data, free, two_layer.program(data, patterns=D, bias="unregularised"))


def test_sampled_patterns_with_a_free_bias_always_hold_the_constants():
    data = gaussian(6, 12, 2, 0.2)
    for seed in range(5):
        assert two_layer.program(data, patterns=2, seed=seed, bias="unregularised").model.D.all(0).any()


def test_recover_refuses_other_data():
    data, other = gaussian(6, 8, 2, 0.2), gaussian(7, 8, 2, 0.2)
    solution = solve(two_layer.program(data), tol=1e-3)
    with pytest.raises(ValueError, match="not the X"):
        two_layer.recover(other, solution)


@pytest.mark.parametrize("activation", ["relu", "gated"])
def test_a_single_gate_that_sees_nothing_is_refused(activation):
    data = Data(np.abs(gaussian(6, 8, 2, 0.2).X), np.ones(8), 0.1)
    seeds = [s for s in range(20) if not (data.X @ np.random.default_rng(s).standard_normal((1, 2)).T >= 0).any()]
    with pytest.raises(ValueError, match="all-zero pattern"):
        two_layer.program(data, patterns=1, seed=seeds[0], activation=activation)


@pytest.mark.parametrize("method", ["fista", "interior"])
def test_gated_constants_are_recovered(method):
    data = Data(gaussian(6, 8, 2, 0.2).X, gaussian(6, 8, 2, 0.2).y + 3, 50.0)
    solution = solve(two_layer.program(data, patterns=3, activation="gated", bias="unregularised"), method=method)
    network = two_layer.recover(data, solution)
    assert two_layer.objective(network, data) == pytest.approx(solution.value, rel=1e-6)


def test_judging_leaves_the_callers_network_as_it_is():
    data = gaussian(6, 8, 2, 0.2)
    network = two_layer.network(4, data).float()
    two_layer.objective(network, data), network.predict(data.X)
    assert network.U.dtype == torch.float32


@pytest.mark.parametrize("option", [{"activation": "gate"}, {"bias": "unregularized"}, {"loss": "sq"}, {"patterns": 5}])
def test_the_reference_refuses_misspelt_options(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        two_layer.reference(gaussian(6, 8, 2, 0.2), **option)


def test_the_low_rank_factor_is_the_stated_one():
    X = np.diag([3.0, 2.0, 0.5])
    truncated, factor = low_rank(Data(X, np.array([3.0, 0.0, 4.0]), 0.25), 2)
    assert factor == pytest.approx((1 + 0.5 * 5.0 / (2 * 0.25)) ** 2)
    assert np.linalg.matrix_rank(truncated.X) == 2


@pytest.mark.parametrize("beta, value", [(1e-3, 0.01011683), (1e-2, 0.10007383)])
def test_five_points_with_small_regularised_bias(beta, value):
    assert solve(two_layer.program(Data(FIVE_X, FIVE_Y, beta), bias="regularised"), tol=1e-8).value == pytest.approx(
        value, abs=1e-7
    )


@pytest.mark.parametrize("width, value", [(2, 0.57084), (3, 0.56547)])
def test_two_and_three_neurons_on_the_smallest_example(width, value):
    runs = train(two_layer.network(width, gaussian(0, 5, 2, 0.1)), gaussian(0, 5, 2, 0.1), "lbfgs", range(60), 800)
    assert runs.value == pytest.approx(value, abs=1e-4)  # catalogued to five digits


@pytest.mark.parametrize("seed", range(4))
def test_a_local_minimum_is_the_optimum_of_the_program_with_its_own_patterns(seed):
    """Two neurons end far above the global optimum. A sample on a border counts on one side or on the other."""
    rng = np.random.default_rng([53, seed])
    data = Data(rng.standard_normal((8, 2)), rng.standard_normal(8), 0.1)
    run = train(two_layer.network(2, data), data, "adam", seeds=[seed], steps=8000, learning_rate=0.01)
    U = run.best.U.detach().numpy()
    before = data.X @ (U / np.linalg.norm(U, axis=1, keepdims=True)).T
    values = []
    for sides in product((1e-3, -1e-3), repeat=2):
        own = before > np.array(sides)
        values.append(solve(two_layer.program(data, patterns=own), tol=1e-9).value)
    assert run.value == pytest.approx(max(values), rel=1e-6)
    assert run.value > 1.2 * solve(two_layer.program(data, patterns="all")).value
