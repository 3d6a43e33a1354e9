"""Three layers with two ReLUs: the program, its map back, and the filter that must not be shared."""

from functools import cache

import numpy as np
import pytest
from tolerances import VALUE, close

from convexnn import Data, solve, train
from convexnn.numerics import tensor
from convexnn.theorems import cnn, two_layer
from convexnn.theorems.cnn.references import two_relu_reference
from convexnn.theorems.cnn.two_relu import two_relu_sample


@cache
def solved(seed):
    data = two_relu_sample(seed)
    return data, solve(cnn.two_relu_program(data))


@pytest.mark.parametrize("seed", [0])
def test_the_program_is_certified_and_agrees_with_the_reference(seed):
    data, solution = solved(seed)
    assert solution.status == "solved"
    assert solution.certificate.scope == "network"
    close(solution.value, two_relu_reference(data).solve(solver="CLARABEL"), VALUE["CLARABEL"])


@pytest.mark.parametrize("seed", range(2))
def test_the_recovered_network_and_its_torch_layers(seed):
    data, solution = solved(seed)
    net = cnn.recover_two_relu(data, solution)
    close(net.objective(data), solution.value, 1e-9)
    layers = net.sequential()(tensor(data.X))
    close(layers.detach(), solution.program.predict(tensor(solution.Z)), 1e-8)  # the acceptance


@pytest.mark.parametrize("seed", [0])
def test_own_filters_reach_the_value_and_a_shared_one_does_not(seed):
    data, solution = solved(seed)
    own = train(cnn.two_relu_network(12, data.X), data, seeds=range(3), steps=600, device="cpu")
    shared = train(cnn.two_relu_network(12, data.X, shared=True), data, seeds=range(3), steps=600, device="cpu")
    assert own.curves.min() >= solution.lower - 1e-9
    assert own.value <= solution.value + 1e-2
    assert shared.value > own.value + 1e-3
    assert shared.value > solution.value + 1e-3


def test_one_patch_is_the_two_layer_theorem_where_both_relus_are_one():
    """K = 1: ((X u)_+ w_1)_+ is (X u)_+ |w_1| or zero, so only w_1 >= 0 is of use."""
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((5, 2)), rng.standard_normal(5)
    found = solve(cnn.two_relu_program(Data(X[:, None], y, 0.2))).value
    close(found, solve(two_layer.program(Data(X, y, 0.2))).value, VALUE["solve"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: cnn.two_relu_program(Data(d.X[:, 0], d.y, 0.1)), r"pass patches \(n, K, h\)"),
        (lambda d: cnn.two_relu_program(d, limit=10), "more than limit=10"),
        (lambda d: cnn.two_relu_network(0, d.X), "width is 0"),
        (lambda d: cnn.recover_two_relu(two_relu_sample(7), solved(0)[1]), "not the X"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(two_relu_sample(0))
