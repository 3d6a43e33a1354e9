"""`improve` returns the same kind of module, never worse, and what it says is what torch computes."""

import copy

import numpy as np
import pytest
import torch
from examples import fitted, scored, table, two_layer
from tolerances import close
from torch import nn

from convexnn import Data
from convexnn.losses import get_loss
from convexnn.networks import TwoLayer
from convexnn.neurons import prune
from convexnn.theorems import two_layer as theorem
from convexnn.theorems.vector_output import vector_network
from convexnn.theorems.vector_output.vector_network import VectorNetwork
from convexnn.your_network import NotCovered, certify_network, improve

BETA = 0.3


@pytest.mark.parametrize("biases", ["penalised", "free"])
@pytest.mark.parametrize(("hidden_bias", "output_bias"), [(False, False), (True, False), (True, True)])
def test_a_badly_trained_network_becomes_better_and_keeps_its_layers(hidden_bias, output_bias, biases):
    X, y = table()
    model = fitted(two_layer(2, 8, 1, hidden_bias, output_bias), X, y, BETA, 30, biases)
    kept = copy.deepcopy(model.state_dict())
    found = improve(model, X, y, BETA, biases=biases, budget=3)
    assert found.improved
    assert found.after < 0.99 * found.before
    assert [type(layer) for layer in found.network] == [type(layer) for layer in model]
    assert [layer.bias is None for layer in found.network[::2]] == [layer.bias is None for layer in model[::2]]
    assert found.network[0].weight.dtype == torch.float32
    assert found.network[0].out_features == found.width
    close(scored(copy.deepcopy(found.network), X, y, BETA, biases), found.after)
    assert all(torch.equal(kept[name], value) for name, value in model.state_dict().items())


def test_an_optimal_network_stays_as_it_is():
    X, y = table()
    best = improve(two_layer(2, 8).double(), X, y, BETA, budget=10).network
    again = improve(best, X, y, BETA, budget=10)
    assert not again.improved
    assert again.after == again.before
    assert "no better network" in again.message
    assert all(torch.equal(a, b) for a, b in zip(best.parameters(), again.network.parameters()))


def test_the_zero_network_is_what_a_large_beta_wants_and_is_a_module_still():
    X, y = table()
    found = improve(two_layer(2, 8, 1, True, False), X, y, 1e6, budget=2)
    close(found.after, 0.5 * float(y @ y))
    assert found.network(torch.zeros(3, 2)).shape == (3, 1)


@pytest.mark.parametrize("width", [1, 3])
def test_max_width_is_kept_and_the_result_is_never_worse(width):
    X, y = table()
    model = fitted(two_layer(2, 8), X, y, BETA, 30)
    found = improve(model, X, y, BETA, budget=2, max_width=width)
    assert found.after <= found.before
    assert found.width <= width or not found.improved
    with pytest.raises(ValueError, match="max_width is 0"):
        improve(model, X, y, BETA, max_width=0)


def test_a_wider_network_is_found_where_one_neuron_is_too_few():
    X, y = table()
    found = improve(two_layer(2, 1), X, y, BETA, budget=5)
    assert found.width > 1
    certificate = certify_network(found.network, X, y, BETA, tol=1e-5, budget=20)
    assert certificate.status == "certified"


def test_batch_norm_modules_stay_batch_norm_modules_in_their_mode():
    X, y = table()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)).double()
    found = improve(model, X, y, 1.0, budget=3)
    assert found.improved
    assert [type(layer) for layer in found.network] == [type(layer) for layer in model]
    assert found.network.training
    with torch.no_grad():
        fit = 0.5 * (found.network(torch.tensor(X))[:, 0] - torch.tensor(y)).square().sum()
    norm, last = found.network[1], found.network[3]
    squares = sum(float(p.detach().square().sum()) for p in (norm.weight, norm.bias, last.weight, last.bias))
    close(float(fit) + 0.5 * squares, found.after, 1e-7)  # eps over the variance is 1e-8


@pytest.mark.parametrize("biases", ["penalised", "free"])
def test_linear_chains_and_convolutions_are_written_back(biases):
    X, y = table(20, 3)
    Y = np.column_stack([y, X[:, 0]]) + 1
    chain = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
    found = improve(chain, X, Y, 0.5, biases=biases, budget=5)
    close(scored(copy.deepcopy(found.network), X, Y, 0.5, biases), found.after)
    assert certify_network(found.network, X, Y, 0.5, biases=biases, tol=1e-5).status == "certified"
    rng = np.random.default_rng(0)
    images, z = rng.standard_normal((10, 1, 3, 3)), rng.standard_normal(10)
    layers = nn.Conv2d(1, 4, 2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)
    better = improve(nn.Sequential(*layers).double(), images, z, 0.01, biases=biases, budget=2)
    assert better.improved
    close(scored(copy.deepcopy(better.network), images, z, 0.01, biases), better.after)


def test_gated_networks_are_improved_to_their_optimum():
    X, y = table()
    gated = theorem.network(8, Data(X, y, BETA), activation="gated")
    found = improve(gated, X, y, BETA, budget=5)
    assert certify_network(found.network, X, y, BETA, tol=1e-5).status == "certified"
    close(found.network.objective(Data(X, y, BETA)), found.after)


def test_what_cannot_be_certified_cannot_be_improved():
    X, y = table()
    with pytest.raises(NotCovered, match="Tanh"):
        improve(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), X, y, BETA)


@pytest.mark.parametrize("strength", [1e-160, 1e-30])
def test_pruning_neurons_of_no_strength_does_not_end_the_process(strength):
    X = np.ones((4, 2))
    scalar = TwoLayer(np.full((2, 2), strength), np.full((2, 1), strength), get_loss("squared"))
    assert prune(scalar, X).width <= 2
    vector = VectorNetwork(
        np.full((2, 2), strength), np.full((2, 1, 2), strength), get_loss("squared"), np.ones((1, 1))
    )
    assert vector_network.prune(vector, X).width <= 2
