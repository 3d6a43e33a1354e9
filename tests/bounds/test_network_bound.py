import numpy as np
import pytest
import torch
from planted import gaussian, planted

from convexnn.bounds import METHODS, maximum, network_bound
from convexnn.bounds.restricted import Task
from convexnn.bounds.shor import relaxed_training
from convexnn.losses import get_loss
from convexnn.networks import TwoLayer
from convexnn.theorems import two_layer
from convexnn.types import Data

#: seed, n, d, beta -> optimum over all networks, objective of the Shor relaxation of training
OPTIMA = {
    (0, 5, 2, 0.1): (0.56547035, 0.552647),
    (1, 6, 2, 0.5): (0.51273588, 0.512736),
    (2, 6, 3, 0.05): (0.15707320, 0.132539),
    (4, 10, 3, 0.5): (2.39289832, 1.968665),
}


@pytest.mark.parametrize("seed", range(50))
def test_no_feasible_value_is_below_the_bound(seed):
    """Any network's objective is at least the bound, whatever dual vector was offered."""
    rng = np.random.default_rng(seed)
    n, d, m = int(rng.integers(3, 12)), int(rng.integers(1, 4)), int(rng.integers(1, 6))
    X, y = gaussian(seed, n, d)
    name = ("squared", "logistic", "hinge", "squared_hinge")[seed % 4]
    y = y if name == "squared" else np.where(y > 0, 1.0, -1.0)
    loss, beta = get_loss(name), float(10 ** rng.uniform(-2, 0.5))
    net = TwoLayer(rng.standard_normal((m, d)), rng.standard_normal((m, 1)), loss)
    residual = -loss.gradient(net(torch.tensor(X)), torch.tensor(y)[:, None]).detach().numpy()[:, 0]
    optimiser = torch.optim.LBFGS(net.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = net.training_loss(torch.tensor(X), torch.tensor(y)[:, None], beta)
        value.backward()
        return value

    optimiser.step(closure)
    trained = -loss.gradient(net(torch.tensor(X)), torch.tensor(y)[:, None]).detach().numpy()[:, 0]
    value = net.objective(Data(X, y, beta))
    method = METHODS[seed % 3] if seed % 5 else "shor"
    bound = network_bound(X, y, [trained, residual, y], beta, name, budget_s=5, method=method)
    assert bound.lower <= value + 1e-9 * max(1.0, value)
    assert max(bound.M_upper) <= beta * (1 + 1e-12)
    assert max(maximum(X, s * bound.v).lower for s in (1, -1)) <= beta * (1 + 1e-9)


@pytest.mark.parametrize("key", OPTIMA)
def test_the_relaxation_has_its_golden_value_and_its_rebuilt_bound_is_below(key):
    seed, n, d, beta = key
    X, y = gaussian(seed, n, d)
    proposal = relaxed_training(Task(X, y, beta, get_loss("squared")))
    assert abs(proposal.objective - OPTIMA[key][1]) <= 3e-6
    bound = network_bound(X, y, proposal.v, beta, method="shor")
    assert bound.lower <= OPTIMA[key][1] + 1e-6
    assert bound.lower >= 0.95 * OPTIMA[key][1]


def test_the_optimal_residual_proves_the_optimum():
    X, y = gaussian(4, 10, 3)
    from convexnn.globalize import globalize

    solution = globalize(Data(X, y, 0.5))
    v = y - solution.network.predict(X)[:, 0]
    for method in ("sweep", "tree", "auto"):
        bound = network_bound(X, y, v, 0.5, method=method)
        assert bound.closed
        assert abs(bound.lower - 2.39289832) <= 3e-6
        assert "closed" in bound.sentence()


def test_a_bad_candidate_yields_a_column_that_pays():
    X, y = planted(30, 3)
    beta = 0.1 * max(maximum(X, s * y).upper for s in (1, -1))
    bound = network_bound(X, y, y, beta)
    assert len(bound.directions)
    assert (np.abs(y @ np.maximum(X @ bound.directions.T, 0)) > beta).all()
    assert (np.abs(y @ np.maximum(X @ network_bound(X, y, y, beta, eager=True).directions.T, 0)) > beta).all()


def test_a_bound_without_time_is_weak_and_says_inconclusive():
    X, y = planted(300, 6)
    bound = network_bound(X, y, y, 1.0, budget_s=1e-6)
    assert "inconclusive" in bound.sentence()
    assert bound.lower >= 0.0 or np.isfinite(bound.lower)


def test_a_zero_residual_proves_nothing_and_does_not_fail():
    X, y = gaussian(0, 5, 2)
    assert abs(network_bound(X, y, 0 * y, 0.1, budget_s=5).lower) <= 0.56547035


@pytest.mark.parametrize("wrong", ["shape", "beta", "method", "nan"])
def test_bad_input_is_named(wrong):
    X, y = gaussian(0, 5, 2)
    arguments = {"v": y, "beta": 0.1, "method": "auto"}
    arguments.update(
        {"shape": {"v": y[:3]}, "beta": {"beta": 0.0}, "method": {"method": "swep"}, "nan": {"v": y * np.nan}}[wrong]
    )
    with pytest.raises(
        ValueError, match={"shape": "v_candidates", "beta": "beta", "method": "sweep", "nan": "non-finite"}[wrong]
    ):
        network_bound(X, y, arguments["v"], arguments["beta"], method=arguments["method"])


def test_the_theorem_and_the_bound_agree_on_the_dual():
    X, y = gaussian(1, 6, 2)
    program = two_layer.program(Data(X, y, 0.5))
    bound = network_bound(X, y, y, 0.5)
    assert float(program.polars(torch.tensor(bound.v)[:, None])[0].max()) <= 0.5 * (1 + 1e-6)
    assert abs(program.dual_value(torch.tensor(bound.v)[:, None]) - bound.lower) <= 1e-9
