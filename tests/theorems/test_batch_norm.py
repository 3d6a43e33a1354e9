"""Batch normalisation: the program on whitened features, closed forms, torch layers, convolution, and the traps."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import VALUE, close

from convexnn import Data, certify, solve
from convexnn.numerics import tensor
from convexnn.patterns import count_patterns
from convexnn.theorems import batch_norm, two_layer, vector_output
from convexnn.theorems.batch_norm.golden import OPTIMA, golden
from convexnn.theorems.batch_norm.torch_layers import torch_loss, torch_network
from convexnn.theorems.shared.closed_forms import huber
from convexnn.theorems.shared.normalised import Normalised, image_patches

any_seed = st.integers(0, 2**32 - 1)


@cache
def solved(name):
    data, _ = golden(name)
    place = "after" if name == "after" else "before"
    return data, solve(batch_norm.program(data, place=place), tol=1e-6 if name == "after" else 3e-7)


def gaussian(seed, n, d, beta=0.2, outputs=()):
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((n, d)), rng.standard_normal((n, *outputs)), beta)


@given(any_seed)
@settings(max_examples=20)
def test_a_normalised_neuron_is_a_unit_neuron_on_the_whitened_features(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((9, 4)) @ np.diag([3, 1, 0.2, 0.01]) + rng.standard_normal(4)
    white = batch_norm.whitening(X)
    close(white.features.T @ white.features, np.eye(5))
    w, angle = rng.standard_normal(4), rng.uniform(0, 2 * np.pi)
    g, a = np.cos(angle), np.sin(angle)
    centred = X @ w - (X @ w).mean()
    normalised = g * centred / np.linalg.norm(centred) + a / 3
    q = white.S * (white.V.T @ w)
    s = np.append(g * q / np.linalg.norm(q), a)
    close(white.features @ s, normalised)
    close(np.linalg.norm(s), 1.0)
    close(white.apply(X), white.features)


@pytest.mark.parametrize("name", ["scalar", "patches", "after"])
def test_the_stored_optima_are_reproduced(name):
    data, solution = solved(name)
    close(solution.value, OPTIMA[name], VALUE["solve"])
    assert solution.certificate.scope == "network"
    network = batch_norm.recover(data, solution)
    close(batch_norm.objective(network, data), solution.value)
    close(network.predict(data.X), solution.program.predict(tensor(solution.Z)))
    place = "after" if name == "after" else "before"
    close(batch_norm.reference(data, place).solve(solver="CLARABEL"), solution.value, 2 * VALUE["solve"])


def test_the_patterns_of_the_stored_instance_are_counted():
    _, solution = solved("scalar")
    assert solution.program.model.D.shape[1] == count_patterns(8, 3) - 1 == 57


def test_the_stored_closed_form_and_the_vector_optimum():
    data, value = golden("closed")
    close(batch_norm.closed_form(data).value, value, VALUE["solve"])
    data, value = golden("vector")
    columns = vector_output.column_generation(replace(data, X=batch_norm.whitening(data.X).features))
    close(columns.lower, value, VALUE["solve"])
    close(columns.value, value, VALUE["solve"])
    U, A = columns.network.U.detach().numpy(), columns.network.A.detach().numpy()[:, 0]
    network = batch_norm.from_whitened(batch_norm.whitening(data.X), U, A)
    close(batch_norm.objective(network, data), columns.value, 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_two_layer_theorem_on_whitened_features_has_the_same_optimum(seed):
    data = gaussian(seed, 8, 2)
    white = batch_norm.whitening(data.X)
    case = replace(data, X=white.features)
    here, there = solve(batch_norm.program(data), tol=1e-8), solve(two_layer.program(case), tol=1e-8)
    close(here.value, there.value, 1e-7)
    net = two_layer.recover(case, there)
    mapped = batch_norm.from_whitened(white, net.U.detach().numpy(), net.A.detach().numpy())
    close(batch_norm.objective(mapped, data), there.value)


@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_torch_layers_predict_what_the_program_predicts(eps):
    data, solution = solved("scalar")
    network, rows = batch_norm.recover(data, solution), np.random.default_rng(0).standard_normal((5, 2))
    layers = network.module(data.X, eps)
    assert [type(layer).__name__ for layer in layers] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    close(layers(tensor(data.X)).detach(), solution.program.predict(tensor(solution.Z)), 1e-8)
    close(layers(tensor(rows)).detach(), network.predict_after(data.X, rows))
    after, late = solved("after")
    layers = batch_norm.recover(after, late).module(after.X, eps)
    assert [type(layer).__name__ for layer in layers] == ["Linear", "ReLU", "BatchNorm1d", "Linear"]
    close(layers(tensor(after.X)).detach(), late.program.predict(tensor(late.Z)), 1e-8)


def test_torchs_own_parameters_need_decay_times_the_root_of_n():
    data, solution = solved("scalar")
    layers = torch_network(batch_norm.recover(data, solution), data.X)
    loss = batch_norm.recover(data, solution).loss
    close(torch_loss(layers, data, np.sqrt(8) * data.beta, loss).item(), solution.value, 1e-7)
    assert torch_loss(layers, data, data.beta, loss).item() < 0.9 * solution.value


@given(any_seed)
@settings(max_examples=6, deadline=None)
def test_convolution_layers_predict_what_the_patch_program_predicts(seed):
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((6, 2, 4, 3))
    data = Data(image_patches(images, 2), rng.standard_normal(6), 0.1)
    program = batch_norm.program(data, patterns=20, seed=seed)
    Z = certify_point(program, rng)
    network = batch_norm.recover(data, replace_solution(program, Z))
    layers = network.convolution(images, 2)
    assert [type(layer).__name__ for layer in layers[:3]] == ["Conv2d", "BatchNorm2d", "ReLU"]
    close(layers(tensor(images)).detach(), program.predict(tensor(Z)), 1e-8)
    close(batch_norm.objective(network, data), program.objective(tensor(Z)), 1e-8)


def certify_point(program, rng):
    """A feasible point with a few neurons, from the gates' own directions."""
    Z = tensor(rng.standard_normal(program.operator.domain))
    Z[torch.tensor(rng.permutation(len(Z))[5:])] = 0
    return program.cone.project(Z).numpy()


def replace_solution(program, Z):
    return replace(solve(program, tol=1.0, max_iterations=2), Z=Z)


def test_one_patch_is_the_fully_connected_program():
    data = gaussian(2, 6, 2)
    one = replace(data, X=data.X[:, None, :])
    close(solve(batch_norm.program(one), tol=1e-6).value, solve(batch_norm.program(data), tol=1e-6).value, 2e-6)


def test_the_function_does_not_see_the_scale_of_w_nor_a_shift_of_the_rows():
    data, solution = solved("scalar")
    network = batch_norm.recover(data, solution)
    before = network.predict(data.X)
    network.V.data *= 1e-6
    close(network.predict(data.X), before)
    close(network.predict(data.X + np.array([3.0, -7.0])), before, 1e-7)
    moved = replace(data, X=data.X @ np.array([[2.0, 1.0], [0.0, 0.1]]) + 5.0)
    close(solve(batch_norm.program(moved), tol=1e-8).value, solution.value, 1e-6)  # any invertible affine map


def test_cutting_only_raises_the_optimum_and_keeps_the_scope_to_the_program():
    data = gaussian(4, 8, 3)
    values = [solve(batch_norm.program(data, keep=k), tol=1e-7) for k in (1, 2, 3)]
    assert values[0].value >= values[1].value - 1e-6 >= values[2].value - 2e-6
    assert [s.certificate.scope for s in values] == ["program", "program", "network"]
    close(batch_norm.objective(batch_norm.recover(data, values[0]), data), values[0].value)


def test_gated_networks_with_several_outputs_are_recovered_through_singular_vectors():
    data = gaussian(5, 10, 3, outputs=(3,))
    program = batch_norm.program(data, 8, "gated", seed=1)
    solution = solve(program, tol=1e-7)
    network = batch_norm.recover(data, solution)
    close(batch_norm.objective(network, data), solution.value, 1e-7)
    close(network.predict(data.X), program.predict(tensor(solution.Z)))
    with pytest.raises(ValueError, match=r"no torch\.nn form"):
        network.module(data.X)


def test_after_the_relu_a_neuron_of_one_active_sample_has_no_gradient():
    X = np.array([[1.0, 0.0], [-1.0, 0.3], [-1.0, -0.3], [-2.0, 0.1]])
    net = Normalised([], np.array([[1.0], [0.0]]), np.ones(1), np.zeros(1), np.ones((1, 1)), place="after")
    net.loss.value(net(tensor(X)), tensor(np.array([[2.0], [0.0], [1.0], [0.5]]))).backward()
    assert float(net.V.grad.abs().max()) < 1e-12
    assert float(net.g.grad.abs().max()) > 0.1


def test_a_constant_neuron_is_its_shift():
    data = Data(np.random.default_rng(0).standard_normal((5, 2)), np.full(5, 2.0), 0.1)
    solution = solve(batch_norm.program(data), tol=1e-9)
    close(solution.value, huber(float(np.linalg.norm(data.y)), 0.1), 1e-7)
    network = batch_norm.from_whitened(batch_norm.whitening(data.X), np.array([[0.0, 0.0, 2.0]]), np.ones((1, 1)))
    assert float(network.g.detach().abs().max()) == 0
    close(network.predict(data.X), np.full((5, 1), 2 / np.sqrt(5)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 3}, "keep is 3; the centred rows have rank 2"),
        ({"keep": 0}, "keep is 0"),
        ({"place": "befor"}, "Did you mean 'before'"),
        ({"activation": "gate"}, "activation is 'gate'"),
        ({"place": "after", "keep": 1}, "place='after' takes rows"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        batch_norm.program(golden("scalar")[0], **options)


def test_bad_data_are_refused():
    with pytest.raises(ValueError, match="all rows of X are equal"):
        batch_norm.program(Data(np.ones((4, 2)), np.arange(4.0), 0.1))
    with pytest.raises(ValueError, match="y has 2 outputs; ReLU needs the vector-output program"):
        batch_norm.program(golden("vector")[0])
    with pytest.raises(ValueError, match="not the X of the solution's program"):
        batch_norm.recover(golden("after")[0], solved("scalar")[1])
    with pytest.raises(ValueError, match="X"):
        batch_norm.whitening(np.array([[np.nan, 1.0]]))


def test_the_judge_refuses_to_certify_a_worse_point():
    _, solution = solved("scalar")
    assert certify(solution.program, 1.05 * solution.Z).gap > 1e-4
