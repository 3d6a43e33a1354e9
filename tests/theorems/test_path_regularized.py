"""Path regularisation of parallel three-layer branches: values, duals, recovery, and where the theorem stops."""

import numpy as np
import pytest
import torch

from convexnn import Data, solve, train
from convexnn.losses import get_loss
from convexnn.theorems import path_regularized as theorem
from convexnn.theorems.path_regularized.low_rank import lifted, low_rank_data, low_rank_factor
from convexnn.theorems.path_regularized.path_network import balanced, deep_network, prune, rescaled, unrolled
from convexnn.theorems.shared.layered_columns import layered_columns
from convexnn.theorems.shared.layered_patterns import enumerate_groups, sample_groups, shared_patterns_only


def instance(seed, beta, scale=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((4, 2))
    return Data(X, scale * rng.standard_normal(4), beta)


HARD = instance(5, 0.05, 1.5)


@pytest.mark.parametrize(
    ("data", "width", "norm", "value"),
    [
        (HARD, 2, "path", 1.546499),
        (HARD, 2, "neurons", 1.812412),
        (HARD, 1, "path", 2.342351),
        (instance(11, 0.2), 2, "path", 0.719324),
        (instance(11, 0.2), 2, "neurons", 0.943248),
        (instance(11, 0.5), 2, "path", 1.466869),
        (instance(11, 0.5), 2, "neurons", 1.880802),
    ],
)
def test_small_instances_have_their_known_values(data, width, norm, value):
    solution = solve(theorem.program(data, width=width, norm=norm), tol=1e-7)
    assert solution.status == "solved"
    assert solution.value == pytest.approx(value, abs=2e-6)  # the known values carry six decimals


def test_one_neuron_a_branch_is_the_two_layer_theorem():
    from convexnn.theorems import two_layer

    expected = solve(two_layer.program(HARD), tol=1e-8).value
    assert solve(theorem.program(HARD, width=1), tol=1e-7).value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_finite_dual_has_the_value_of_the_primal(seed):
    data = theorem.sample("tiny", seed)
    groups = enumerate_groups(data.X, 2)
    value = theorem.reference(data, groups=groups).solve(solver="CLARABEL")
    dual = theorem.reference(data, groups=groups, dual=True).solve(solver="CLARABEL")
    ours = solve(theorem.program(data), tol=1e-7).value
    assert dual == pytest.approx(value, abs=1e-6)
    assert ours == pytest.approx(value, abs=1e-6)


def test_one_pattern_for_all_neurons_of_a_branch_is_worse():
    same = shared_patterns_only(enumerate_groups(HARD.X, 2))
    values = {
        norm: solve(theorem.program(HARD, groups=same, norm=norm), tol=1e-7).value for norm in ("path", "neurons")
    }
    assert values["path"] == pytest.approx(1.750981, abs=2e-6)
    assert values["neurons"] == pytest.approx(1.919970, abs=2e-6)


def test_rebuilt_branches_have_the_block_norms_and_pruned_ones_the_value():
    solution = solve(theorem.program(HARD), tol=1e-8)
    network = theorem.recover(HARD, solution)
    gauge = float(solution.program.gauge.value(torch.as_tensor(solution.Z)))
    assert network.path_norms().sum() == pytest.approx(gauge, abs=1e-7)
    few = prune(network, HARD.X)
    assert few.width <= HARD.n
    assert theorem.objective(few, HARD) == pytest.approx(solution.value, abs=1e-6)


def test_the_two_norms_are_a_sandwich():
    below = solve(theorem.program(Data(HARD.X, HARD.y, HARD.beta / 2**0.5), norm="neurons"), tol=1e-7).value
    assert below == pytest.approx(1.370567, abs=2e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_path_norm_lies_between_the_other_at_beta_over_root_m_and_at_beta(seed):
    data = theorem.sample("tiny", seed)
    gentle = Data(data.X, data.y, data.beta / 2**0.5)
    below, path, above = (
        solve(theorem.program(case, norm=norm), tol=1e-8).value
        for case, norm in ((gentle, "neurons"), (data, "path"), (data, "neurons"))
    )
    assert below - 1e-6 <= path <= above + 1e-6


def test_a_larger_sample_of_groups_is_never_worse_and_finds_the_optimum():
    values = [solve(theorem.program(HARD, groups=k), tol=1e-7).value for k in (20, 100, 1000)]
    assert values[0] >= values[1] - 1e-6 >= values[2] - 2e-6
    assert values[2] == pytest.approx(1.546499, abs=2e-6)


def test_added_groups_reach_the_value_of_all():
    start = sample_groups(HARD.X, 2, 10)
    found = layered_columns(HARD.X, start, lambda g: theorem.program(HARD, groups=g), solve, whole=True)
    assert found.solution.value == pytest.approx(1.546499, abs=1e-4)
    assert found.history[0, 0] > found.solution.value + 1e-3


@pytest.mark.parametrize("beta, value", [(0.2, 0.719324), (0.5, 1.466869)])
def test_training_from_twenty_starts_reaches_the_catalogued_value_and_never_goes_below(beta, value):
    data = instance(11, beta)
    solution = solve(theorem.program(data), tol=1e-7)
    assert solution.value == pytest.approx(value, abs=2e-6)
    run = train(theorem.network(8, data), data, "lbfgs", seeds=range(20), steps=600)
    assert run.curves.min() >= solution.lower - 1e-9
    assert run.value <= solution.value + 1e-6


def test_the_path_norm_does_not_see_a_rescaling_of_neurons_and_weight_decay_does():
    net = deep_network(3, 2, (3, 2), get_loss("squared"), 0, tree=False)
    other = rescaled(net, 1)
    X = np.random.default_rng(2).standard_normal((5, 2))
    assert np.allclose(net.predict(X), other.predict(X), atol=1e-12)
    assert np.allclose(net.path_norms(), other.path_norms(), rtol=1e-12)
    assert abs(net.weight_decay() - other.weight_decay()) > 1e-3
    flat = balanced(other)
    assert float(flat.penalty().detach()) == pytest.approx(net.path_norms().sum(), rel=1e-12)


def test_the_path_norm_is_the_norm_of_all_path_products():
    net = deep_network(1, 2, (3, 2), get_loss("squared"), 4, tree=False)
    W1, W2, W3 = (W[0].detach().numpy() for W in net.layers)
    a = float(net.a[0].detach())
    paths = [W1[i, j] * W2[j, k] * W3[k, 0] * a for i in range(2) for j in range(3) for k in range(2)]
    assert net.path_norms()[0] == pytest.approx(np.linalg.norm(paths), rel=1e-12)


def test_an_unrolled_branch_has_the_same_paths_and_predictions():
    net = deep_network(2, 3, (2, 2), get_loss("squared"), 0, tree=False)
    tree, X = unrolled(net), np.random.default_rng(1).standard_normal((6, 3))
    assert np.allclose(net.path_norms(), tree.path_norms(), rtol=1e-12)
    assert np.allclose(net.predict(X), tree.predict(X), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_low_rank_value_keeps_its_factor(seed):
    rng = np.random.default_rng(seed)
    U, V = np.linalg.qr(rng.standard_normal((4, 3)))[0], np.linalg.qr(rng.standard_normal((3, 3)))[0]
    data = Data(U * np.array([2.0, 1.0, 0.15]) @ V.T, rng.standard_normal(4), 0.3)
    small, _, sigma = low_rank_data(data, 2)
    assert sigma == pytest.approx(0.15)
    exact = theorem.reference(data, width=1, loss="distance").solve(solver="CLARABEL")
    low = theorem.reference(small, width=1, loss="distance").solve(solver="CLARABEL")
    assert exact - 1e-6 <= low <= exact * low_rank_factor(1, 1.0, sigma, data.beta) + 1e-6


def test_the_low_rank_factor_has_the_root_of_the_width_and_the_inverse_of_beta():
    assert low_rank_factor(4, 3.0, 0.5, 0.25) == pytest.approx(1 + 2 * 3.0 * 0.5 / 0.25)


def test_a_low_rank_network_scores_its_program_on_the_original_data():
    rng = np.random.default_rng(0)
    data = Data(rng.standard_normal((5, 3)), rng.standard_normal(5), 0.2)
    small, V, _ = low_rank_data(data, 2)
    solution = solve(theorem.program(small, groups=300), tol=1e-7)
    network = theorem.recover(data, lifted(solution, data, V))
    assert theorem.objective(network, data) == pytest.approx(solution.value, abs=1e-6)


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="draws is 0"):
        theorem.program(HARD, groups=0)
    with pytest.raises(ValueError, match="neurons is 0"):
        theorem.program(HARD, width=0)
    with pytest.raises(ValueError, match="one output"):
        theorem.assumptions(Data(HARD.X, np.ones((4, 2)), 0.1))
    with pytest.raises(ValueError, match="norm"):
        theorem.program(HARD, norm="nuclear")
    with pytest.raises(ValueError, match="more than 5000 groups"):
        enumerate_groups(np.random.default_rng(0).standard_normal((14, 3)), 2)
