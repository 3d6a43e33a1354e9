"""Circular filters: the ball of all products, golden values, depth, and where the Fourier basis stops."""

import numpy as np
import pytest
import torch
from tolerances import VALUE, close

from convexnn import Data, solve, train
from convexnn.numerics import tensor
from convexnn.theorems import cnn, two_layer
from convexnn.theorems.cnn.circular import circular_sample
from convexnn.theorems.cnn.fourier import real_fourier, spectrum
from convexnn.theorems.cnn.golden import golden
from convexnn.theorems.cnn.references import circular_reference
from convexnn.theorems.shared.cyclic import cyclic_patches

#: A three-layer linear instance: the first output of `linear_vector`, one unit filter between the decayed layers.
THREE_LAYERS, LONE, SHORT = 0.63666142, 0.84512794, 0.85446902


def lone() -> Data:
    data, _ = golden("linear_vector")
    return Data(data.X, data.y[:, 0].copy(), data.beta)


@pytest.mark.parametrize("d", [4, 5])
def test_the_real_fourier_basis_prices_the_spectrum(d):
    B, mu = real_fourier(d)
    live = B.reshape(d, -1)[:, B.reshape(d, -1).any(0)]
    close(live.T @ live, np.eye(d))
    z = np.random.default_rng(0).standard_normal(d)
    a = np.einsum("dps,d->ps", B, z)
    close((mu * np.linalg.norm(a, axis=0)).sum(), np.abs(spectrum(z)).sum())


@pytest.mark.parametrize("d", [4, 5])
def test_products_of_a_unit_filter_and_a_unit_vector_are_the_l1_ball(d):
    rng = np.random.default_rng(1)
    for _ in range(50):
        u, w = (v / np.linalg.norm(v) for v in rng.standard_normal((2, d)))
        z = np.array([np.roll(u, s) for s in range(d)]).T @ w
        assert np.abs(spectrum(z)).sum() <= np.sqrt(d) + 1e-10


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_the_recovered_network_has_the_value_and_the_torch_layers_the_predictions(depth):
    data, optimum = golden("circular")
    program = cnn.circular_program(data, depth=depth)
    solution = solve(program)
    net = cnn.recover_circular(data, solution)
    close(solution.value, optimum, VALUE["solve"])
    close(net.objective(data), solution.value, 1e-9)
    assert net.U.shape[1] == depth - 2
    z = program.model.filters(solution.Z[np.flatnonzero(solution.active)])
    close(net.w2.detach().abs()[:, None] * net.filters().detach(), z)
    layers = net.sequential()(tensor(data.X)[:, None])
    close(layers.detach(), program.predict(tensor(solution.Z)), 1e-8)  # the acceptance


def test_the_golden_values_and_the_reference_agree():
    data, optimum = golden("circular")
    close(circular_reference(data, 2.0).solve(solver="CLARABEL"), optimum, VALUE["CLARABEL"])
    close(solve(cnn.circular_program(data, rho=1.0)).value, 1.0652811, VALUE["solve"])  # the constant beta
    for name in ("linear_4", "linear_5", "linear_vector"):
        problem, value = golden(name)
        close(solve(cnn.circular_linear_program(problem)).value, value, VALUE["solve"])
    close(solve(cnn.circular_linear_program(lone())).value, LONE, VALUE["solve"])
    close(solve(cnn.circular_linear_program(lone(), middle=1)).value, THREE_LAYERS, VALUE["solve"])


@pytest.mark.parametrize("d", [4, 5])
def test_one_circular_filter_is_enough_for_one_output(d):
    data, optimum = golden(f"linear_{d}")
    patches = Data(cyclic_patches(data.X, d), data.y, data.beta)
    run = train(cnn.network(1, patches, "flat"), patches, "lbfgs", seeds=range(15), steps=500)
    assert run.value == pytest.approx(optimum, abs=1e-6)


def test_full_filters_in_the_flat_program_are_the_fourier_program_and_short_ones_are_not():
    data = lone()
    flat = [solve(cnn.program(Data(cyclic_patches(data.X, h), data.y, data.beta), "flat")) for h in (4, 2)]
    fourier = solve(cnn.circular_linear_program(data))
    close(flat[0].value, fourier.value, VALUE["solve"])
    close(flat[1].value, SHORT, VALUE["solve"])
    assert flat[1].lower > fourier.value + 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_random_instances_close_the_gap_and_no_network_is_below(seed):
    data = circular_sample("tiny", seed)
    solution = solve(cnn.circular_program(data))
    assert solution.status == "solved"
    assert solution.certificate.scope == "network"
    run = train(cnn.circular_network(10, 4), data, seeds=range(4), steps=800, device="cpu")
    assert run.curves.min() >= solution.lower - 1e-9
    assert run.value <= solution.value + 1e-2 * max(1.0, solution.value)


def test_one_entry_is_the_two_layer_theorem():
    rng = np.random.default_rng(3)
    data = Data(rng.standard_normal((5, 1)), rng.standard_normal(5), 0.2)
    close(solve(cnn.circular_program(data)).value, solve(two_layer.program(data)).value, VALUE["solve"])


def test_filters_normalised_one_by_one_do_not_reach_the_l1_value():
    data = circular_sample("tiny", 0)
    naive = solve(cnn.circular_program(data, depth=4, rho=4.0))  # d^((L - 2)/2), what the lengths allow
    each = train(cnn.circular_network(10, 4, 4, normalise="each"), data, seeds=range(4), steps=800, device="cpu")
    assert each.value > naive.value + 1e-2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: cnn.circular_program(Data(d.X[:, None], d.y, 0.1)), r"pass \(n, d\)"),
        (lambda d: cnn.circular_program(d, depth=2), "depth is 2"),
        (lambda d: cnn.circular_program(d, rho=-1.0), "rho"),
        (lambda d: cnn.circular_network(3, 4, length=5), "length 5"),
        (
            lambda d: cnn.recover_circular(circular_sample("tiny", 5), solve(cnn.circular_program(d), tol=0.1)),
            "not the X",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(circular_sample("tiny"))


def test_the_network_ignores_the_length_of_its_filters():
    net = cnn.circular_network(3, 5, 4, seed=1)
    X = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    before = net(X).detach()
    with torch.no_grad():
        net.U.mul_(3.0)
    close(net(X).detach(), before)
