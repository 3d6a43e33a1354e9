"""Neural collapse: batch normalisation, the four metrics, unequal classes, and networks cheaper than collapsed ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tolerances import close

from convexnn import Data, solve, train
from convexnn.theorems import deep_relu
from convexnn.theorems.deep_relu.edge_network import collapsed_cost, edge_cost, edge_network, incidence, trained_scale
from convexnn.theorems.deep_relu.forms import standard_bound, standard_network, whitened
from convexnn.theorems.deep_relu.networks import seeded_standard
from convexnn.theorems.deep_relu.neural_collapse import class_means, collapse, largest_cosine
from convexnn.theorems.deep_relu.normalised_network import normalised_form, seeded_normalised
from convexnn.theorems.shared.normalised import Normalised


def generic(counts: tuple[int, ...], beta: float = 0.3, seed: int = 0, extra: int = 4) -> tuple[Data, np.ndarray]:
    labels = np.repeat(np.arange(len(counts)), counts)
    X = np.random.default_rng(seed).standard_normal((len(labels), len(labels) + extra))
    return Data(X, np.eye(len(counts))[labels], beta), labels


def features(network: Normalised, data: Data) -> np.ndarray:
    return network.hidden(torch.as_tensor(data.X.copy())).detach().numpy()


def metrics(network: Normalised, data: Data, labels: np.ndarray) -> tuple[float, ...]:
    return collapse(features(network, data), network.A.detach().numpy(), labels)


# ---- batch normalisation --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts, value", [((4, 3, 1), 1.284615), ((4, 4, 4), 1.665)])
@pytest.mark.parametrize("seed", range(2))
def test_normalised_features_have_the_whitened_value_whatever_they_are(counts, value, seed):
    data, _ = generic(counts, seed=seed)
    network, formula = normalised_form(data)
    assert formula == pytest.approx(value, abs=1e-6)
    close(network.objective(data), formula)
    run = train(seeded_normalised(9, data), data, "lbfgs", seeds=range(15), steps=1500)
    assert run.curves.min() >= formula - 1e-9
    assert run.value <= formula + 1e-8


def test_the_printed_weights_cost_more_under_the_squared_penalty():
    data, _ = generic((4, 3, 1))
    balanced, printed = normalised_form(data)[0], normalised_form(data, balance=False)[0]
    assert printed.objective(data) == pytest.approx(1.399615, abs=1e-6)
    close(printed.predict(data.X), balanced.predict(data.X))
    close(printed.g.detach().square() + printed.a.detach().square(), np.ones(3))


def test_layers_below_the_normalised_one_change_nothing_when_they_keep_the_rank():
    data, _ = generic((3, 3))
    run = train(seeded_normalised(6, data, hidden=(14,)), data, "lbfgs", seeds=range(15), steps=1500)
    formula = normalised_form(data)[1]
    assert formula - 1e-9 <= run.value <= formula + 1e-8


def test_a_library_layer_is_this_one_with_parameters_over_root_n():
    data, _ = generic((3, 2))
    network = normalised_form(data)[0]
    z = torch.as_tensor(data.X.copy()) @ network.V
    layer = torch.nn.BatchNorm1d(2, eps=1e-30).double()
    with torch.no_grad():
        layer.weight.copy_(network.g / data.n**0.5)
        layer.bias.copy_(network.a / data.n**0.5)
        close(torch.relu(layer(z)), features(network, data))


def test_softmax_on_normalised_features_is_the_two_layer_whitened_problem():
    data, _ = generic((3, 2, 2), 0.2)
    network, formula = normalised_form(data, "cross_entropy")
    close(network.objective(data), formula)
    run = train(seeded_normalised(9, data, loss="cross_entropy"), data, "lbfgs", seeds=range(15), steps=2000)
    assert formula - 1e-9 <= run.value <= formula + 1e-6  # a flat valley: slower than the squared loss


def test_features_that_cannot_make_the_labels_are_refused_and_one_class_is_not():
    data, _ = generic((4, 4), extra=4)
    with pytest.raises(ValueError, match="batch normalisation whitens only what the features span"):
        normalised_form(Data(data.X[:, :2], data.y, 0.3))
    alone = Data(data.X, np.ones(8), 0.3)
    network, formula = normalised_form(alone)
    close(network.objective(alone), formula)


# ---- the metrics ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("K, each", [(2, 3), (3, 4), (5, 2)])
def test_balanced_classes_collapse_completely_at_the_optimum(K, each):
    data, labels = generic((each,) * K)
    network = normalised_form(data)[0]
    assert max(metrics(network, data, labels)) < 1e-12
    H = features(network, data)
    close(H[labels == 0], np.repeat(H[:1], each, 0))
    M = class_means(H, labels)
    scale = (np.sqrt(each) - data.beta) / each  # sum over duplicates of the squared mean of a class
    close(np.square(M).sum(1), np.full(K, scale))


def test_a_trained_network_collapses():
    data, labels = generic((4, 4, 4))
    run = train(seeded_normalised(9, data), data, "lbfgs", seeds=range(3), steps=800)
    assert max(metrics(run.best, data, labels)) < 1e-6


def test_the_recorded_path_ends_at_the_metrics_of_the_run_and_starts_far_away():
    data, labels = generic((3, 3))
    for optimiser, steps in (("lbfgs", 60), ("adam", 60)):
        run = train(
            seeded_normalised(4, data), data, optimiser, range(2), steps, record=lambda net: metrics(net, data, labels)
        )
        assert run.recorded.shape == (2, len(run.iterations), 4)
        start = seeded_normalised(4, data)
        start.reset(1)
        close(run.recorded[1, 0], metrics(start, data, labels), 1e-9)
        assert run.recorded[:, -1, 0].max() < run.recorded[:, 0, 0].min()
    assert train(seeded_normalised(4, data), data, steps=5).recorded is None


def test_whitened_branches_collapse_without_normalisation():
    labels = np.repeat(np.arange(3), 2)
    data = Data(np.eye(6), np.eye(3)[labels], 0.1)
    network = deep_relu.recover(data, solve(deep_relu.program(data, depth=4), tol=1e-9))
    H = network.activations(torch.eye(6, dtype=torch.float64))[-1][:, :, 0].detach().numpy().T
    assert max(collapse(H, network.A.detach().numpy(), labels)) < 1e-9


def test_unequal_classes_are_orthogonal_and_no_simplex():
    data, labels = generic((8, 4, 1))
    network = normalised_form(data)[0]
    found = collapse(features(network, data), network.A.detach().numpy(), labels)
    assert found.nc1 < 1e-12
    assert found.nc2 > 0.01
    assert largest_cosine(features(network, data), labels) < 1e-9


@pytest.mark.parametrize("k, n_k", [(0, 8), (1, 4), (2, 1)])
def test_a_class_vanishes_exactly_at_the_square_root_of_its_size(k, n_k):
    labels = np.repeat(np.arange(3), (8, 4, 1))
    for share, alive in ((0.999, True), (1.001, False)):
        data = Data(np.eye(13), np.eye(3)[labels], share * np.sqrt(n_k))
        Z = solve(deep_relu.program(data, depth=2), tol=1e-9).Z
        assert bool(Z[k].any()) == alive


@pytest.mark.parametrize("n_k, K", [(4, 3), (2, 5)])
def test_under_cross_entropy_a_class_vanishes_at_the_root_of_n_times_1_minus_1_over_K(n_k, K):
    labels = np.repeat(np.arange(K), n_k)
    for share, alive in ((0.999, True), (1.001, False)):
        data = Data(np.eye(len(labels)), np.eye(K)[labels], share * np.sqrt(n_k * (1 - 1 / K)))
        assert bool((whitened(data, "cross_entropy", 2).scales > 0).all()) == alive
        assert solve(deep_relu.program(data, "cross_entropy", 2), tol=1e-9).Z.any() == alive


@pytest.mark.parametrize("which", range(4))
def test_each_metric_sees_its_own_defect(which):
    labels = np.repeat(np.arange(3), 4)
    H, A = np.eye(3)[labels], np.eye(3)
    assert max(collapse(H, A, labels)) < 1e-15
    if which == 0:
        H = H + 0.1 * np.random.default_rng(0).standard_normal(H.shape)
    elif which == 1:
        H = H * np.array([1, 1, 2.0])
    elif which == 2:
        A = A + 0.1 * np.arange(9.0).reshape(3, 3) ** 2
    else:
        A = A[:, [1, 0, 2]]
    assert collapse(H, A, labels)[which] > 1e-3


def test_metrics_refuse_empty_classes_and_wrong_shapes():
    with pytest.raises(ValueError, match=r"class counts \[2, 0, 2\]"):
        collapse(np.eye(4), np.ones((4, 3)), np.array([0, 0, 2, 2]))
    with pytest.raises(ValueError, match=r"A has shape \(3, 2\)"):
        collapse(np.eye(4), np.ones((3, 2)), np.array([0, 0, 1, 1]))


# ---- where collapse is not optimal ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "v, depth, cost, collapsed",
    [
        (5, 3, 20.358, 15),
        (5, 4, 21.147, 20),
        (5, 5, 22.757, 25),
        (5, 6, 24.713, 30),
        (5, 8, 29.084, 40),
        (4, 5, 14.651, 15),
    ],
)
def test_the_edge_network_fits_and_costs_what_is_catalogued(v, depth, cost, collapsed):
    network, K = edge_network(v, depth), v * (v - 1) // 2
    close(network.predict(np.eye(K)), np.eye(K))
    assert network.penalty().item() == pytest.approx(cost, abs=1e-3)
    assert network.penalty().item() == pytest.approx(edge_cost(v, depth), abs=1e-12)
    tiny = Data(np.eye(K), np.eye(K), 1e-9)
    assert standard_network(tiny, depth).penalty().item() == pytest.approx(collapsed, abs=1e-6)
    assert collapsed_cost(K, depth) == collapsed


@pytest.mark.parametrize("v", range(3, 12))
def test_five_layers_pay_from_four_vertices_on_and_four_layers_never(v):
    K = v * (v - 1) // 2
    assert (edge_cost(v, 5) < collapsed_cost(K, 5)) == (v >= 4)
    assert edge_cost(v, 4) > collapsed_cost(K, 4)


def test_the_edge_network_is_not_collapsed_inside():
    network = edge_network(5, 5)
    inside = network.activations(torch.eye(10, dtype=torch.float64))
    assert largest_cosine(inside[0].detach().numpy(), np.arange(10)) == pytest.approx(0.5)
    assert largest_cosine(inside[-1].detach().numpy(), np.arange(10)) < 1e-12
    assert incidence(5).sum(1).tolist() == [2.0] * 10
    with pytest.raises(ValueError, match="v is 2"):
        incidence(2)


def test_with_regularisation_too_the_edge_network_and_training_go_below_collapse_and_not_below_the_bound():
    data = Data(np.eye(6), np.eye(6), 0.02)
    collapsed = standard_network(data, 5).objective(data)
    assert collapsed == pytest.approx(whitened(data, depth=5, penalty="squared").value, abs=1e-12)
    best = trained_scale(4, 5, data.beta)
    values = [edge_network(4, 5, best * f).objective(data) for f in (0.99, 1.0, 1.01)]
    assert values[1] < min(values[0], values[2])
    assert values[1] < collapsed - 1e-3
    run = train(seeded_standard([6, 12, 12, 12, 12, 6]), data, "lbfgs", seeds=range(4), steps=400)
    assert standard_bound(data, 5) <= run.value < collapsed - 1e-3


def test_branches_that_end_in_one_neuron_do_not_go_below_collapse_at_five_layers():
    data = Data(np.eye(6), np.eye(6), 0.02)
    formula = whitened(data, depth=5, penalty="squared").value
    run = train(deep_relu.network(12, data, depth=5, penalty="squared"), data, "lbfgs", seeds=range(3), steps=200)
    assert run.curves.min() >= formula - 1e-10
