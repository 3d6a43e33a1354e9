"""Two-layer convolutional networks: pooled ReLU filters and linear ones, golden instances and the laws around them."""

import numpy as np
import pytest
import torch
from tolerances import VALUE, close

from convexnn import Data, certify, solve, train
from convexnn.numerics import tensor
from convexnn.theorems import cnn, two_layer, vector_output
from convexnn.theorems.cnn.cells import cells_of
from convexnn.theorems.cnn.conv_network import POOLINGS
from convexnn.theorems.cnn.golden import golden
from convexnn.theorems.shared.normalised import image_patches

every_pooling = pytest.mark.parametrize("pooling", POOLINGS)
relu_pooling = pytest.mark.parametrize("pooling", ["sum", "average", "max"])


@pytest.mark.parametrize("name", ["sum", "max", "flat", "sum_four", "flat_four"])
def test_the_golden_optima_are_between_the_bounds(name):
    data, optimum = golden(name)
    pooling = name.split("_")[0]
    solution = solve(cnn.program(data, pooling))
    close(cnn.reference(data, pooling).solve(solver="CLARABEL"), optimum, VALUE["CLARABEL"])
    close(solution.value, optimum, VALUE["solve"])
    assert solution.lower <= optimum + 1e-7  # the stored values are rounded there


def test_one_linear_filter_stays_above_the_nuclear_value():
    data, optimum = golden("flat_four")
    run = train(cnn.network(1, data, "flat"), data, "lbfgs", seeds=range(15), steps=500)
    assert run.value == pytest.approx(0.37988596, abs=1e-6)
    assert run.value > optimum + 1e-2


def test_the_golden_cells_are_36_and_20():
    data, _ = golden("sum")
    assert len(cells_of(data.X, "sum", "all", 0, 1000).E) == 36
    assert len(cells_of(data.X, "max", "all", 0, 1000).E) == 20


@every_pooling
@pytest.mark.parametrize("seed", range(1, 4))
def test_random_instances_close_the_gap_and_recover(pooling, seed):
    data = cnn.sample("tiny", seed)
    solution = solve(cnn.program(data, pooling))
    assert solution.status == "solved"
    assert solution.certificate.scope == "network"
    close(cnn.objective(cnn.recover(data, solution), data), solution.value, 1e-9)
    assert certify(cnn.program(data, pooling), solution.Z).upper <= solution.value + VALUE["solve"]


@every_pooling
def test_no_training_run_goes_below_the_bound_and_the_best_comes_near(pooling):
    data = cnn.sample("tiny", 3)
    solution = solve(cnn.program(data, pooling))
    run = train(cnn.network(10, data, pooling), data, seeds=range(4), steps=1000, device="cpu")
    assert solution.lower - 1e-9 <= run.curves.min()
    assert run.value <= solution.value * 1.01  # Adam stalls near 1e-3


@relu_pooling
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_one_patch_is_the_two_layer_theorem(pooling, loss):
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((7, 2)), np.sign(rng.standard_normal(7))
    found = solve(cnn.program(Data(X[:, None], y, 0.1), pooling, loss=loss)).value
    close(found, solve(two_layer.program(Data(X, y, 0.1), loss=loss)).value, VALUE["solve"])


def test_average_pooling_is_sum_pooling_with_k_times_the_decay():
    data = cnn.sample("tiny", 4)
    heavier = Data(data.X, data.y, data.beta * data.X.shape[1])
    found = cnn.reference(data, "average").solve(solver="CLARABEL")
    close(found, solve(cnn.program(heavier, "sum")).value, VALUE["solve"])


def test_max_pooling_of_one_repeated_patch_is_that_patch():
    rng = np.random.default_rng(8)
    X, y = rng.standard_normal((6, 1, 2)), rng.standard_normal(6)
    twice = solve(cnn.program(Data(np.repeat(X, 2, axis=1), y, 0.2), "max")).value
    close(twice, solve(cnn.program(Data(X, y, 0.2), "max")).value, VALUE["solve"])


def test_the_flat_program_with_orthonormal_patches_is_singular_value_soft_thresholding():
    rng = np.random.default_rng(9)
    Q = np.linalg.qr(rng.standard_normal((8, 6)))[0]
    data = Data(Q.reshape(8, 2, 3), rng.standard_normal(8), 0.3)
    solution = solve(cnn.program(data, "flat"), tol=1e-10)
    U, s, Vt = np.linalg.svd(np.stack([data.X[:, k].T @ data.y for k in range(2)], axis=1), full_matrices=False)
    close(solution.Z[0], (U * np.maximum(s - 0.3, 0)) @ Vt, 1e-5)  # the square root of the gap


@every_pooling
@pytest.mark.parametrize("seed", range(2))
def test_torch_layers_on_images_give_the_predictions_of_the_program(pooling, seed):
    rng = np.random.default_rng(seed)
    images, y = rng.standard_normal((4, 1, 4, 2)), rng.standard_normal(4)
    data = Data(image_patches(images, 2, 1), y, 0.1)
    program = cnn.program(data, pooling, patterns=12, seed=seed)
    solution = solve(program, tol=1e-3)
    layers = cnn.recover(data, solution).sequential(1, (3, 1))
    close(layers(tensor(images)).detach(), program.predict(tensor(solution.Z)), 1e-8)  # the acceptance
    kinds = {type(layer) for layer in layers}
    assert kinds <= {
        torch.nn.Conv2d,
        torch.nn.ReLU,
        torch.nn.AvgPool2d,
        torch.nn.MaxPool2d,
        torch.nn.Flatten,
        torch.nn.Linear,
    }


@pytest.mark.parametrize("pool", [np.eye(3), np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0]])])
def test_flat_relu_and_general_pooling_become_torch_layers(pool):
    data = cnn.sample("tiny", 2)
    several = Data(data.X, np.random.default_rng(0).standard_normal((6, 2)), 0.3)
    solution = solve(vector_output.program(several, pooling=pool), tol=1e-4)
    net = vector_output.recover(several, solution)
    layers = cnn.pooled_layers(net.U, net.A, net.pool, 2, (1, 3))
    pixels = tensor(data.X).transpose(1, 2)[:, :, None]
    close(layers(pixels).detach(), solution.program.predict(tensor(solution.Z)), 1e-8)


def test_max_cells_agree_with_max_pool_on_every_point_of_their_cone():
    X = np.random.default_rng(1).standard_normal((5, 3, 2))
    cells = cells_of(X, "max", "all", 0, 10_000)
    U = np.random.default_rng(2).standard_normal((200, 2))
    inside = cells.inside(U)
    pooled = torch.nn.functional.max_pool1d(torch.relu(tensor(X @ U.T)).permute(0, 2, 1), 3)[:, :, 0].numpy()
    for g, u in np.argwhere(inside):
        close(cells.E[g] @ U[u], pooled[:, u])
    assert (inside.sum(0) == (pooled > 0).any(0)).all()  # every filter that fires is in one cell


@relu_pooling
def test_the_cells_of_trained_filters_hold_the_trained_network(pooling):
    data = cnn.sample("quick", 1)
    run = train(cnn.network(6, data, pooling), data, seeds=range(2), steps=200, device="cpu")
    cells = run.best.U.detach().numpy()
    polished = solve(cnn.program(data, pooling, patterns=cells))
    assert polished.lower <= run.value
    assert polished.certificate.scope == "program"
    assert polished.value >= solve(cnn.program(data, pooling)).lower


def test_patches_of_zeros_change_nothing():
    data, optimum = golden("sum")
    padded = np.concatenate([data.X, np.zeros((6, 2, 2))], axis=1)
    close(solve(cnn.program(Data(padded, data.y, data.beta))).value, optimum, VALUE["solve"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: cnn.program(d, "median"), "pooling is 'median'"),
        (lambda d: cnn.program(d, patterns="some"), "patterns is 'some'"),
        (lambda d: cnn.program(d, patterns=np.ones((3, 5))), r"pass filters \(m, 2\)"),
        (lambda d: cnn.program(Data(d.X[:, 0], d.y, 0.1)), r"pass patches \(n, K, h\)"),
        (lambda d: cnn.network(0, d), "width is 0"),
        (lambda d: cnn.network(2, d).sequential(1, (1, 3)), "not square kernels"),
        (lambda d: cnn.network(2, d, "flat").sequential(2, (2, 2)), "not square kernels"),
        (lambda d: cnn.recover(cnn.sample("tiny", 9), solve(cnn.program(d), tol=1e-2)), "not the X of the solution"),
        (lambda d: cnn.objective(torch.nn.Linear(2, 1), d), "not a convexnn Network"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(cnn.sample("tiny"))
