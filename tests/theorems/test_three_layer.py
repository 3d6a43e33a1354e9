"""Three-layer branches: catalogued values, the finite dual, the map back, pruning, special cases, the wrong program."""

import numpy as np
import pytest
import torch
from tolerances import close

from convexnn import Data, solve, train
from convexnn.gauges import Frobenius, GroupL2
from convexnn.theorems import three_layer, two_layer
from convexnn.theorems.shared.layered_columns import layered_columns
from convexnn.theorems.shared.layered_patterns import enumerate_groups, sample_groups, shared_patterns_only
from convexnn.theorems.shared.layered_program import layered_program
from convexnn.theorems.three_layer import transcription
from convexnn.theorems.three_layer.landscape import bending, plane
from convexnn.theorems.three_layer.special_cases import residual_block, wide_groups


def catalogue(seed: int = 5, scale: float = 1.5, beta: float = 0.05) -> Data:
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((4, 2)), scale * rng.standard_normal(4), beta)


@pytest.fixture(scope="module")
def known():
    data = catalogue()
    return data, solve(three_layer.program(data), tol=1e-8, device="cpu")


def test_the_catalogued_values(known):
    data, solution = known
    groups = solution.program.model.groups
    assert solution.value == pytest.approx(1.812412, abs=1e-6)
    assert solve(three_layer.program(data, neurons=1)).value == pytest.approx(2.342351, abs=1e-6)
    assert solve(two_layer.program(data)).value == pytest.approx(2.342351, abs=1e-6)
    assert solve(layered_program(data, groups, Frobenius())).value == pytest.approx(1.546499, abs=1e-6)
    same = shared_patterns_only(groups)
    assert solve(layered_program(data, same, GroupL2())).value == pytest.approx(1.919970, abs=2e-6)
    assert solve(layered_program(data, same, Frobenius())).value == pytest.approx(1.750981, abs=2e-6)
    assert solve(layered_program(data, wide_groups(data.X), GroupL2())).value == pytest.approx(1.812412, abs=2e-6)


@pytest.mark.parametrize("beta, expected", [(0.2, 0.943248), (0.5, 1.880802)])
def test_the_second_instance_and_its_training(beta, expected):
    data = catalogue(11, 1.0, beta)
    solution = solve(three_layer.program(data), tol=1e-7)
    assert solution.value == pytest.approx(expected, abs=1e-6)
    run = train(three_layer.network(8, data), data, "lbfgs", seeds=range(20), steps=600)
    assert run.curves.min() >= solution.lower - 1e-6
    assert run.value <= solution.value + 2e-6


@pytest.mark.parametrize("frobenius", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_finite_dual_has_the_value_of_the_primal(seed, frobenius):
    data = three_layer.sample("tiny", seed)
    y, groups = data.y.reshape(-1), enumerate_groups(data.X, 2)
    gauge = Frobenius() if frobenius else GroupL2()
    fast = solve(layered_program(data, groups, gauge), tol=1e-8, device="cpu")
    for printed in (transcription.primal, transcription.dual):
        value = printed(data.X, y, data.beta, 2, frobenius=frobenius).solve(solver="CLARABEL")
        assert value == pytest.approx(fast.value, abs=1e-6)


def test_the_rebuilt_and_the_pruned_network_have_the_value(known):
    data, solution = known
    network = three_layer.recover(data, solution)
    pruned = three_layer.prune(network, data.X)
    for net in (network, pruned):
        assert three_layer.objective(net, data) == pytest.approx(solution.value, abs=1e-6)
        close(net.norms(), np.tile(np.cbrt(net.scales()), (3, 1)))
    assert pruned.width <= data.n


@pytest.mark.parametrize("gauge", [GroupL2(), Frobenius()])
def test_every_scaled_dual_vector_is_a_lower_bound_and_a_multiple_is_not_free(known, gauge):
    data, solution = known
    made = layered_program(data, solution.program.model.groups, gauge)
    value, rng = solve(made, tol=1e-8).value, np.random.default_rng(0)
    for k in range(5):
        v = torch.as_tensor(data.y + k * rng.standard_normal(data.n)).reshape(-1, 1)
        reach = float(made.polars(v)[0].max())
        assert made.dual_value(min(1.0, data.beta / reach) * v) <= value + 1e-9
    assert made.dual_value(made.Y) > value  # y itself is infeasible: its dual value is no bound


class Bowl(torch.nn.Module):
    """A network whose objective is sign |theta|^2."""

    def __init__(self, sign: float) -> None:
        super().__init__()
        self.theta, self.sign = torch.nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64)), sign

    def objective(self, data: Data) -> float:
        return self.sign * float(self.theta.detach().square().sum())


def test_lines_on_a_bowl_never_bend_down_and_planes_are_in_units_of_the_weights():
    at = np.linspace(-1, 1, 9)
    up, down = Bowl(1.0), Bowl(-1.0)
    assert bending(up, None, at) == 0.0
    assert bending(down, None, at) == 1.0
    surface = plane(up, None, at)
    assert surface[4, 4] == pytest.approx(25.0)
    assert up.theta.detach().tolist() == [3.0, 4.0]
    second = np.diff(surface[4], 2)  # |5 a p|^2 with a unit p: 2 * 25 * (1/4)^2
    assert second == pytest.approx(np.full(7, 2 * 25 / 16))


def test_column_generation_reaches_all_groups(known):
    data, solution = known
    start = sample_groups(data.X, 2, 20)
    found = layered_columns(data.X, start, lambda g: three_layer.program(data, groups=g), solve)
    assert found.solution.value == pytest.approx(solution.value, abs=1e-5)
    assert found.history[0, 0] > solution.value + 0.05


def test_a_residual_block_is_two_branches():
    rng = np.random.default_rng(0)
    X, W, U = np.abs(rng.standard_normal((5, 3))), *rng.standard_normal((2, 3, 3))
    a, b = rng.standard_normal((2, 3))
    expected = np.maximum(np.maximum(X @ W, 0) @ U, 0) @ a + X @ b
    close(residual_block(X, W, U, a, b).predict(X)[:, 0], expected)
    with pytest.raises(ValueError, match="negative entries"):
        residual_block(-X, W, U, a, b)


def test_bad_input_is_refused():
    data = catalogue()
    with pytest.raises(ValueError, match="one output"):
        three_layer.program(Data(data.X, np.ones((4, 2)), 0.1))
    with pytest.raises(ValueError, match="power is 4"):
        three_layer.network(2, data, power=4)
