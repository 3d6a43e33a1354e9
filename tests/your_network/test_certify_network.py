"""A certificate of a foreign network: its objective is torch's, its bounds hold, and other forms are refused."""

import copy

import numpy as np
import pytest
import torch
from examples import fitted, scored, table, two_layer
from tolerances import close
from torch import nn

from convexnn import Data, solve
from convexnn.theorems import attention, batch_norm, deep_linear, vector_output
from convexnn.theorems import two_layer as theorem
from convexnn.your_network import NotCovered, certify_network

#: Seconds; the examples close their bounds in a fraction of it and then stop.
BUDGET = 20.0
#: A bound that is closed by float64 solvers.
CLOSED = 1e-5
BETA = 0.3


@pytest.mark.parametrize("biases", ["penalised", "free"])
@pytest.mark.parametrize("output_bias", [False, True])
@pytest.mark.parametrize("hidden_bias", [False, True])
def test_the_objective_is_torchs_and_the_bounds_enclose_the_optimum(hidden_bias, output_bias, biases):
    X, y = table()
    model = fitted(two_layer(2, 10, 1, hidden_bias, output_bias), X, y, BETA, 150, biases)
    before = copy.deepcopy(model.state_dict())
    found = certify_network(model, X, y, BETA, biases=biases, budget=BUDGET)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    close(found.objective, scored(copy.deepcopy(model), X, y, BETA, biases))
    close(found.objective, found.loss_value + found.decay_cost)
    assert found.lower <= found.best <= found.rebalanced <= found.objective
    # a free hidden bias is bounded up to the factor of `problem.REACH`, 6e-6
    assert found.best - found.lower <= 3e-5 * max(1.0, found.best)


@pytest.mark.parametrize(("hidden_bias", "bias"), [(False, "none"), (True, "regularised")])
def test_the_bounds_are_those_of_the_convex_program(hidden_bias, bias):
    X, y = table(14)
    found = certify_network(two_layer(2, 6, 1, hidden_bias, False), X, y, BETA, budget=BUDGET)
    exact = solve(theorem.program(Data(X, y, BETA), bias=bias), tol=1e-7)
    close(found.best, exact.value, CLOSED)
    close(found.lower, exact.value, CLOSED)


def test_free_biases_reach_the_program_with_an_unregularised_bias():
    X, y = table(12)
    found = certify_network(two_layer(2, 6), X, y, BETA, biases="free", budget=BUDGET)
    exact = solve(theorem.program(Data(X, y, BETA), bias="unregularised"), tol=1e-7)
    assert found.lower <= exact.value * (1 + 1e-9) <= found.best * (1 + 1e-6)
    close(found.best, exact.value, 1e-4)  # descent ends within 1e-4 of it
    close(found.lower, exact.value, 1e-4)


@pytest.mark.parametrize("loss", ["logistic", "hinge", "squared_hinge"])
def test_margin_losses_with_an_output_bias_close_too(loss):
    X, y = table()
    found = certify_network(two_layer(2, 6), X, np.where(y > 0.3, 1, -1), 0.5, loss=loss, budget=BUDGET)
    assert found.lower <= found.best <= found.objective
    assert found.best - found.lower <= 1e-3 * found.best


def test_several_outputs_are_bounded_over_all_cells():
    X, y = table(10)
    Y = np.column_stack([y, np.abs(X[:, 0])])
    found = certify_network(two_layer(2, 8, 2, False, False), X, Y, BETA, budget=BUDGET)
    exact = vector_output.column_generation(Data(X, Y, BETA))
    assert exact.converged
    close(found.best, exact.value, 1e-4)
    assert found.lower <= exact.value + 1e-9
    close(found.lower, exact.value, 1e-3)


def test_cross_entropy_takes_class_numbers():
    X, _ = table()
    labels = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
    for biases in ("penalised", "free"):
        found = certify_network(two_layer(2, 6, 3), X, labels, 0.5, "cross_entropy", biases, budget=2)
        assert 0 < found.lower <= found.best
        assert found.best - found.lower <= 0.5 * found.best  # descent with several outputs ends where time does


def test_batch_norm_is_the_theorem_on_whitened_rows():
    X, y = table(14)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1, bias=False))
    found = certify_network(model, X, y, 1.0, budget=BUDGET)
    exact = solve(batch_norm.program(Data(X, y, 1.0 / np.sqrt(14))), tol=1e-7)
    close(found.best, exact.value, CLOSED)
    close(found.lower, exact.value, CLOSED)
    with torch.no_grad():
        fit = 0.5 * (model.double()(torch.tensor(X))[:, 0] - torch.tensor(y)).square().sum()
    decay = 0.5 * sum(float(p.detach().square().sum()) for p in (model[1].weight, model[1].bias, model[3].weight))
    close(found.objective, float(fit) + decay)


def test_a_convolution_with_average_pooling_has_the_bounds_of_the_theorem():
    rng = np.random.default_rng(0)
    images, y = rng.standard_normal((8, 1, 2, 3)), rng.standard_normal(8)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 2, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 1, bias=False)
    )
    found = certify_network(model, images, y, 0.05, budget=2)
    assert found.lower <= found.best <= found.objective
    assert found.form == "two-layer ReLU convolution"
    assert found.best - found.lower <= 0.2 * found.best


def test_linear_chains_of_two_layers_are_a_nuclear_norm():
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((20, 4)), rng.standard_normal((20, 3))
    model = nn.Sequential(nn.Linear(4, 5, bias=False), nn.Linear(5, 3, bias=False))
    found = certify_network(model, X, Y, 2.0, budget=BUDGET)
    exact = solve(deep_linear.program(Data(X, Y, 2.0), layers=2, problem="squared"), tol=1e-8)
    close(found.lower, exact.value, CLOSED)
    close(found.best, exact.value, CLOSED)
    biased = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    for biases in ("penalised", "free"):
        shifted = certify_network(biased, X, Y + 1, 2.0, biases=biases, budget=BUDGET)
        close(shifted.objective, scored(copy.deepcopy(biased), X, Y + 1, 2.0, biases))
        assert shifted.best - shifted.lower <= CLOSED * shifted.best


@pytest.mark.parametrize("outputs", [1, 2])
def test_deeper_linear_chains_have_bounds_that_training_does_not_pass(outputs):
    X, y = table(20, 3)
    Y = np.column_stack([y, X[:, 0]])[:, :outputs]
    model = nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in ((3, 4), (4, 4), (4, outputs))))
    trained = fitted(model, X, Y, BETA, 300)
    found = certify_network(trained, X, Y, BETA, budget=BUDGET)
    assert 0 < found.lower <= found.best <= found.objective
    if outputs == 1:
        assert found.best - found.lower <= 1e-9 * found.best


def test_gated_networks_and_attention_heads_are_their_convex_programs():
    X, y = table(20)
    data = Data(X, y, BETA)
    gated = theorem.network(8, data, activation="gated")
    found = certify_network(gated, X, y, BETA, budget=BUDGET)
    assert found.scope == "program"
    close(found.objective, gated.objective(data))
    assert found.best - found.lower <= 1e-6 * found.best
    tokens = attention.sample("tiny")
    heads = certify_network(attention.network(3, tokens), tokens.X, tokens.y, tokens.beta, budget=BUDGET)
    assert heads.scope == "network"
    assert heads.best - heads.lower <= 1e-5 * heads.best


def test_a_module_of_ones_own_is_read_where_its_layers_in_a_row_are_the_same_function():
    class Own(nn.Module):
        def __init__(self, bend):
            super().__init__()
            self.first, self.second, self.bend = nn.Linear(2, 5), nn.Linear(5, 1), bend

        def forward(self, x):
            return self.second(self.bend(self.first(x)))

    X, y = table()
    found = certify_network(Own(torch.relu), X, y, BETA, budget=0.5)
    assert "no nn.Sequential" in found.notes[0]
    with pytest.raises(NotCovered, match="no chain of its layers"):
        certify_network(Own(torch.tanh), X, y, BETA)


REFUSED = {
    "Linear-Tanh-Linear": lambda: nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)),
    "loss takes raw scores": lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.Softmax(1)),
    "call model.eval": lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(3, 1)),
    "Linear-ReLU-Linear-ReLU-Linear": lambda: nn.Sequential(
        nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)
    ),
    "no weights": nn.Sequential,
    "not a torch layer": lambda: nn.Sequential(type("Odd", (nn.Linear,), {})(2, 3), nn.ReLU(), nn.Linear(3, 1)),
    "hooks": lambda: hooked(),
    "shares weights": lambda: tied(),
    "affine=True": lambda: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, affine=False), nn.ReLU(), nn.Linear(3, 1)),
}


def hooked():
    model = two_layer(2, 3)
    model[0].register_forward_hook(lambda *_: None)
    return model


def tied():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    return model


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_not_covered_is_refused_with_the_forms_that_are(message):
    X, y = table()
    with pytest.raises(NotCovered, match=message):
        certify_network(REFUSED[message](), X, y, BETA)


def test_dropout_that_is_off_is_nothing():
    X, y = table()
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(3, 1)).eval()
    found = certify_network(model, X, y, BETA, budget=0.5)
    assert "dropout is off" in found.notes[0]


def poisoned(value):
    model = two_layer(2, 3)
    with torch.no_grad():
        model[0].weight[0, 0] = value
    return model


HOSTILE = {
    "model has 1 NaN": lambda X, y: (poisoned(float("nan")), X, y, BETA),
    "model has 1 NaN or inf": lambda X, y: (poisoned(float("inf")), X, y, BETA),
    r"takes rows \(n, 3\)": lambda X, y: (two_layer(3), X, y, BETA),
    r"takes rows \(n, 2\)": lambda X, y: (two_layer(2), X[:, 0], y, BETA),
    "2 output": lambda X, y: (two_layer(2, 3, 2), X, y, BETA),
    "y has shape": lambda X, y: (two_layer(2), X, y[:-1], BETA),
    "X has 1 non-finite": lambda X, y: (two_layer(2), np.where(X[0, 0] == X, np.nan, X), y, BETA),
    "X has dtype": lambda X, y: (two_layer(2), X.astype(str), y, BETA),
    "y has dtype": lambda X, y: (two_layer(2), X, np.array(["a"] * len(y)), BETA),
    "beta is 0": lambda X, y: (two_layer(2), X, y, 0),
    "beta is -1": lambda X, y: (two_layer(2), X, y, -1),
    "the data set is empty": lambda X, y: (two_layer(2), X[:0], y[:0], BETA),
    "pass a torch.nn.Module": lambda X, y: ({"weight": 1}, X, y, BETA),
    "labels -1 and": lambda X, y: (two_layer(2), X, (y > 0).astype(int), BETA, "logistic"),
    "takes classes 0..1": lambda X, y: (two_layer(2, 3, 2), X, np.full(len(y), 5), BETA, "cross_entropy"),
    "loss is 'squard'": lambda X, y: (two_layer(2), X, y, BETA, "squard"),
    "biases is 'some'": lambda X, y: (two_layer(2), X, y, BETA, "squared", "some"),
    "dtype torch.complex64": lambda X, y: (nn.Sequential(nn.Linear(2, 3, dtype=torch.complex64)), X, y, BETA),
}


@pytest.mark.parametrize("message", HOSTILE)
def test_input_that_does_not_fit_is_named(message):
    with pytest.raises(ValueError, match=message):
        certify_network(*HOSTILE[message](*table()))


def test_constant_columns_duplicates_and_one_class_are_ordinary_data():
    X, y = table(12)
    flat = np.column_stack([X[:, 0], np.ones(12)])
    assert certify_network(two_layer(2, 4), flat, y, BETA, budget=1).gap < 1e9
    twice = certify_network(two_layer(2, 4), np.vstack([X, X]), np.append(y, y), BETA, budget=1)
    assert twice.lower <= twice.best
    same = certify_network(two_layer(2, 4), X, np.ones(12), BETA, "logistic", budget=1)
    assert 0 <= same.lower <= same.best


def test_dead_and_unbalanced_neurons_are_reported_and_rebalancing_keeps_the_predictions():
    X, y = table()
    model = fitted(two_layer(2, 6), X, y, BETA, 50)
    plain = certify_network(model, X, y, BETA, budget=0.5)
    with torch.no_grad():
        model[0].weight.mul_(5)
        model[0].bias.mul_(5)
        model[2].weight.div_(5)
        model[0].weight[0], model[0].bias[0] = 0.0, -1.0
    dead = certify_network(model, X, y, BETA, budget=0.5)
    assert dead.dead >= 1
    assert any("change no prediction" in note for note in dead.notes)
    assert any("unbalanced" in note for note in dead.notes)
    assert dead.rebalanced < 0.9 * dead.objective
    assert dead.objective > plain.objective


def test_a_hopeless_budget_is_inconclusive_and_says_so():
    X, y = table(60, 8)
    found = certify_network(two_layer(8, 5), X, y, 0.05, budget=0.01)
    assert found.status == "inconclusive"
    assert found.sentence().startswith("inconclusive: ")
    assert found.lower <= found.best


@pytest.mark.parametrize("seed", range(3))
def test_no_training_run_passes_the_bound(seed):
    X, y = table(20, 3, seed)
    found = certify_network(two_layer(3, 10, seed=seed), X, y, BETA, budget=BUDGET)
    for start in range(2):
        model = fitted(two_layer(3, 30, seed=start), X, y, BETA, 300)
        assert scored(model, X, y, BETA) >= found.lower - 1e-9


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_judged_as_they_are(dtype):
    X, y = table()
    model = two_layer(2, 4).to(dtype)
    close(certify_network(model, X, y, BETA, budget=0.3).objective, scored(copy.deepcopy(model), X, y, BETA))
