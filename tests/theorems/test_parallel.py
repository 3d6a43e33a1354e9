"""Parallel deep networks, power L: the program, its dual, recovery, training, and how many branches it takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tolerances import VALUE, close

from convexnn import Data, certify, solve, study, train
from convexnn.data import whiten_rows
from convexnn.losses import get_loss
from convexnn.theorems import parallel
from convexnn.theorems.parallel.branch_features import branch_class
from convexnn.theorems.parallel.strengths import strengths
from convexnn.theorems.shared.branches import Branches, balanced_branch, stack, trunked

LABELS = np.eye(3)[[0, 0, 0, 0, 1, 1, 1, 2]]
RAY = np.outer([1.0, 0.5, 2.0, -1.0, -0.7, -1.5], 1.3 * np.array([1.0, 2.0, 2.0]) / 3)
C = RAY @ np.array([1.0, 2.0, 2.0]) / 3 / 1.3


def catalogue() -> tuple[Data, Data]:
    """The two linear instances whose values are known: general X with beta 0.7, orthonormal Q with beta 0.05."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((8, 5)), rng.standard_normal((8, 3))
    return Data(X, Y, 0.7), Data(np.linalg.qr(rng.standard_normal((8, 5)))[0], Y, 0.05)


def orthonormal(seed: int, n: int = 9, d: int = 4, c: int = 3, beta: float = 0.1) -> Data:
    rng = np.random.default_rng(seed)
    return Data(np.linalg.qr(rng.standard_normal((n, d)))[0], rng.standard_normal((n, c)), beta)


def whitened(Y: np.ndarray, beta: float, seed: int = 0) -> Data:
    return Data(whiten_rows(np.random.default_rng(seed).standard_normal((len(Y), len(Y) + 2))), Y, beta)


def on_ray(p: float, q: float, beta: float = 0.05) -> Data:
    return Data(RAY, p * np.maximum(C, 0) + q * np.maximum(-C, 0), beta)


def best(data: Data, width: int, seeds: range = range(6), steps: int = 600, **options) -> float:
    return train(parallel.network(width, data, **options), data, "lbfgs", seeds=seeds, steps=steps).value


# ---- linear: values known beforehand --------------------------------------------------------------------------------


def test_two_layers_have_the_catalogued_value_three_times():
    data, _ = catalogue()
    solution = solve(parallel.program(data, depth=2), tol=1e-9)
    assert solution.value == pytest.approx(7.932272, abs=1e-6)
    assert parallel.reference(data, 2, dual=True).solve(solver="CLARABEL") == pytest.approx(7.932272, abs=1e-6)
    assert best(data, 3, depth=2) == pytest.approx(7.932272, abs=1e-6)


@pytest.mark.parametrize("depth, power_l, power_2", [(3, 4.427818, 4.278745), (4, 4.611134, 4.337612)])
def test_both_kinds_of_decay_have_their_catalogued_values(depth, power_l, power_2):
    _, data = catalogue()
    solution = solve(parallel.program(data, depth=depth), tol=1e-9)
    assert solution.value == pytest.approx(power_l, abs=1e-6)
    assert strengths(data).parallel(depth) == pytest.approx(power_l, abs=1e-6)
    assert strengths(data).standard(depth) == pytest.approx(power_2, abs=1e-6)
    assert best(data, 3, depth=depth) == pytest.approx(power_l, abs=1e-6)
    run = train(parallel.network(5, data, depth=depth, standard=True), data, "lbfgs", seeds=range(4), steps=600)
    assert run.value == pytest.approx(power_2, abs=1e-6)
    norms = run.best.norms()[:, 0]
    assert norms == pytest.approx(np.full(depth, {3: 2.338073, 4: 2.166495}[depth]), abs=1e-6)


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_program_printed_dual_recovered_network_and_singular_values_agree(depth, seed):
    data = orthonormal(seed)
    solution = solve(parallel.program(data, depth=depth), tol=1e-9)
    expected = strengths(data).parallel(depth)
    assert solution.status == "solved"
    assert solution.certificate.scope == "network"
    assert solution.value == pytest.approx(expected, abs=1e-8)
    assert parallel.reference(data, depth, dual=True).solve(solver="CLARABEL") == pytest.approx(expected, abs=1e-6)
    network = parallel.recover(data, solution)
    assert parallel.objective(network, data) == pytest.approx(expected, abs=1e-8)
    scales = network.scales()
    assert network.norms() == pytest.approx(np.tile(scales ** (1 / depth), (depth, 1)), rel=1e-12)
    assert np.sort(scales) == pytest.approx(np.sort(np.linalg.svd(solution.Z[0])[1])[-len(scales) :], rel=1e-9)
    X_dual = data.X.T @ certify(solution.program, solution).v
    assert np.linalg.norm(X_dual, 2) <= data.beta * depth / 2 * (1 + 1e-12)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "hinge"])
def test_every_loss_has_a_program_and_a_network(loss):
    rng = np.random.default_rng(3)
    data = Data(rng.standard_normal((12, 4)), np.where(rng.standard_normal((12, 2)) > 0, 1.0, -1.0), 0.2)
    solution = solve(parallel.program(data, loss=loss), tol=1e-6)
    assert solution.status == "solved", solution.message
    assert parallel.reference(data, loss=loss).solve(solver="CLARABEL") == pytest.approx(solution.value, abs=1e-5)
    close(parallel.objective(parallel.recover(data, solution), data), solution.value, VALUE["solve"])


def test_cross_entropy_with_several_outputs_is_certified_and_reached():
    data = Data(np.random.default_rng(1).standard_normal((8, 4)), LABELS, 0.1)
    solution = solve(parallel.program(data, loss="cross_entropy"))
    assert solution.status == "solved"
    run = train(parallel.network(4, data, loss="cross_entropy"), data, "lbfgs", seeds=range(4), steps=600)
    assert solution.lower - 1e-9 <= run.value <= solution.value + 1e-6


def test_above_the_largest_useful_beta_the_network_is_zero():
    data = orthonormal(0)
    top = parallel.program(data).beta_max() / 1.5
    assert top == pytest.approx(np.linalg.norm(data.X.T @ data.y, 2) / 1.5, rel=1e-12)
    zero = Data(data.X, data.y, 1.001 * top)
    solution = solve(parallel.program(zero))
    assert not solution.Z.any()
    network = parallel.recover(zero, solution)
    assert parallel.objective(network, zero) == pytest.approx(0.5 * np.square(data.y).sum(), rel=1e-12)
    assert solve(parallel.program(Data(data.X, data.y, 0.999 * top))).Z.any()


@pytest.mark.parametrize("depth", [2, 4])
def test_no_feasible_dual_matrix_exceeds_the_value(depth):
    data = orthonormal(6)
    value, limit = solve(parallel.program(data, depth=depth)).value, data.beta * depth / 2
    rng = np.random.default_rng(0)
    for noise in (3.0, 1.0, 0.1):
        Lam = data.y + noise * rng.standard_normal(data.y.shape)
        Lam *= min(1.0, limit / np.linalg.norm(data.X.T @ Lam, 2))
        assert (Lam * data.y).sum() - 0.5 * np.square(Lam).sum() <= value


# ---- how many branches ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_with_m_branches_the_m_largest_singular_values_are_fitted(seed):
    data = orthonormal(seed, 10, 5, 4, 0.2)
    form, optimum = strengths(data), solve(parallel.program(data), tol=1e-9).value
    rank = int((form.sigma > 0.3).sum())
    assert rank == len(parallel.recover(data, solve(parallel.program(data), tol=1e-9)).scales())
    for m in range(1, 5):
        assert best(data, m, range(5)) == pytest.approx(form.parallel(3, branches=m), abs=1e-7)
    assert form.parallel(3, branches=rank) == pytest.approx(optimum, abs=1e-8)
    assert form.parallel(3, branches=rank - 1) > optimum + 1e-4


def test_branches_with_squared_decay_are_worth_a_standard_network():
    data = orthonormal(4)
    form = strengths(data)
    for depth in (3, 4):
        assert best(data, 5, depth=depth, power=2) == pytest.approx(form.standard(depth), abs=1e-7)
        assert form.apart(depth) == form.standard(depth)


@pytest.mark.parametrize("depth, trunk", [(3, 0), (3, 1), (4, 0), (4, 1), (4, 2), (5, 2)])
def test_shared_layers_before_branches_cost_what_a_standard_network_of_two_more_layers_costs(depth, trunk):
    data = orthonormal(5)
    net = trunked(4, trunk, depth, data, 4)
    assert net.depth == depth
    run = train(net, data, "lbfgs", seeds=range(5), steps=800)
    assert run.value == pytest.approx(strengths(data).apart(trunk + 2), abs=1e-7)


# ---- ReLU branches --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth, beta, power_l", [(2, 0.3, 1.284615), (3, 0.05, 0.346466), (4, 0.03, 0.278523)])
def test_one_hot_labels_on_whitened_rows_have_the_catalogued_values(depth, beta, power_l):
    data = whitened(LABELS, beta)
    solution = solve(parallel.program(data, depth, "relu"), tol=1e-7)
    assert solution.certificate.scope == "network"
    assert solution.value == pytest.approx(power_l, abs=1e-6)
    assert strengths(data, "relu").parallel(depth) == pytest.approx(power_l, abs=1e-6)
    network = parallel.recover(data, solution)
    close(network.predict(data.X), solution.program.predict(torch.as_tensor(solution.Z)), 1e-9)
    assert best(data, 6, range(4), 1500, depth=depth, activation="relu") == pytest.approx(power_l, abs=1e-6)


def test_logistic_loss_on_whitened_rows_has_the_catalogued_value():
    data = whitened(np.array([1.0, 1, -1, 1, -1, -1]), 0.2)
    solution = solve(parallel.program(data, 2, "relu", loss="logistic"), tol=1e-7)
    assert solution.value == pytest.approx(2.146807, abs=1e-6)
    assert best(data, 6, range(6), depth=2, activation="relu", loss="logistic") == pytest.approx(2.146807, abs=1e-5)
    cubic = solve(parallel.program(Data(data.X, data.y, 0.2 / 1.5), 3, "relu", loss="logistic"), tol=1e-7)
    assert cubic.value == pytest.approx(2.146807, abs=1e-6)


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("seed", range(2))
def test_one_output_on_whitened_rows_is_two_soft_thresholds(depth, seed):
    data = whitened(np.random.default_rng(seed).standard_normal(6), 0.2)
    b = 0.1 * depth
    parts = [np.linalg.norm(np.maximum(s * data.y, 0)) for s in (1, -1)]
    expected = 0.5 * data.y @ data.y - 0.5 * sum(max(part - b, 0) ** 2 for part in parts)
    assert strengths(data, "relu").parallel(depth) == pytest.approx(expected, abs=1e-12)
    assert solve(parallel.program(data, depth, "relu"), tol=1e-8).value == pytest.approx(expected, abs=1e-7)
    assert parallel.reference(data, depth, "relu").solve(solver="CLARABEL") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("p, q", [(1.0, 0.6), (1.0, -0.6), (0.0, 1.0)])
@pytest.mark.parametrize("depth", [3, 4])
def test_on_a_ray_the_parallel_network_has_no_gap_whatever_the_signs(p, q, depth):
    data = on_ray(p, q)
    solution = solve(parallel.program(data, depth, "relu"), tol=1e-9)
    expected = strengths(data, "relu").parallel(depth)
    assert solution.value == pytest.approx(expected, abs=1e-8)
    assert parallel.reference(data, depth, "relu").solve(solver="CLARABEL") == pytest.approx(expected, abs=1e-7)
    assert parallel.objective(parallel.recover(data, solution), data) == pytest.approx(expected, abs=1e-8)
    assert best(data, 4, range(8), depth=depth, activation="relu") == pytest.approx(expected, abs=1e-7)
    if depth == 3 and q:
        assert expected == pytest.approx({0.6: 0.09154573, -0.6: 0.09154573, 1.0: 0.05724733}[q], abs=1e-7)


def test_several_outputs_on_a_ray_share_their_neurons():
    rng = np.random.default_rng(2)
    data = Data(RAY, rng.standard_normal((6, 3)), 0.1)
    solution = solve(parallel.program(data, 3, "relu"), tol=1e-9)
    assert parallel.reference(data, 3, "relu").solve(solver="CLARABEL") == pytest.approx(solution.value, abs=1e-7)
    network = parallel.recover(data, solution)
    assert network.width <= 2
    assert parallel.objective(network, data) == pytest.approx(solution.value, abs=1e-8)
    assert best(data, 4, range(8), activation="relu") == pytest.approx(solution.value, abs=1e-7)


def test_a_program_refuses_data_of_no_finite_class():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"neither rank one .* nor orthonormal rows .* whiten"):
        parallel.program(Data(rng.standard_normal((4, 3)), np.ones(4), 0.1), activation="relu")
    with pytest.raises(ValueError, match="not non-negative and orthogonal"):
        parallel.program(whitened(rng.standard_normal((4, 2)), 0.1), activation="relu")
    with pytest.raises(ValueError, match="L is 1"):
        parallel.program(orthonormal(0), depth=1)
    with pytest.raises(ValueError, match=r"activation is 'rel'.*Did you mean 'relu'"):
        parallel.program(orthonormal(0), activation="rel")
    assert branch_class(RAY) == "rank one"
    assert branch_class(whiten_rows(rng.standard_normal((3, 5))) * (1 + 1e-12)) == "whitened"
    with pytest.raises(ValueError, match="neither"):
        branch_class(whiten_rows(rng.standard_normal((3, 5))) * (1 + 1e-6))
    with pytest.raises(ValueError, match="not the X of the solution's program"):
        parallel.recover(orthonormal(1), solve(parallel.program(orthonormal(0))))


# ---- the networks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [2, 4])
def test_balancing_the_layers_of_a_branch_is_the_best_rescaling(power):
    rng = np.random.default_rng(0)
    vectors = [v / np.linalg.norm(v) for v in (np.abs(rng.standard_normal(k)) for k in (3, 2, 2, 1, 2))]
    layers = balanced_branch(vectors, 2.5)
    network = Branches(stack([layers]), get_loss("squared"), "relu", power)
    assert network.scales() == pytest.approx([2.5])
    s = 2.5 ** (2 / 4) if power == 2 else 2.5
    assert network.penalty().item() == pytest.approx(4 / 2 * s, rel=1e-12)
    X = np.abs(rng.standard_normal((5, 3)))
    for _ in range(5):
        t = np.exp(rng.standard_normal(4))
        t[-1] /= t.prod()
        moved = Branches([W * f for W, f in zip(layers, t)], get_loss("squared"), "relu", power)
        close(moved.predict(X), network.predict(X))
        assert moved.penalty() > network.penalty()


def test_a_standard_network_is_one_branch_and_parallel_branches_add_up():
    data = orthonormal(0)
    many = parallel.network(3, data, depth=4, activation="relu", seed=1)
    alone = [
        Branches([W.detach().numpy()[k : k + 1] for W in many.layers], many.loss, "relu", 4).predict(data.X)
        for k in range(3)
    ]
    close(many.predict(data.X), sum(alone))
    one = parallel.network(6, data, standard=True)
    assert (one.width, one.power, [tuple(W.shape) for W in one.layers]) == (1, 2, [(1, 4, 6), (1, 6, 6), (1, 6, 3)])
    W = np.linalg.multi_dot([layer.detach().numpy()[0] for layer in one.layers])
    close(one.predict(data.X), data.X @ W)


def test_bad_networks_are_refused():
    data = orthonormal(0)
    with pytest.raises(ValueError, match="width is 0"):
        parallel.network(0, data)
    with pytest.raises(ValueError, match="power is 5"):
        parallel.network(2, data, depth=3, power=5)
    with pytest.raises(ValueError, match="at least two"):
        Branches([np.ones((1, 2, 2))], get_loss("squared"))
    with pytest.raises(ValueError, match="followed by"):
        Branches([np.ones((1, 2, 3)), np.ones((1, 2, 1))], get_loss("squared"))
    with pytest.raises(ValueError, match="one m for all"):
        Branches([np.ones((1, 2, 3)), np.ones((2, 3, 1))], get_loss("squared"))
    with pytest.raises(ValueError, match="trunk is 2"):
        trunked(2, 2, 3, data, 2)
    with pytest.raises(ValueError, match="not a convexnn Network"):
        parallel.objective(torch.nn.Linear(1, 1), data)


def test_a_study_certifies_the_theorem_in_one_call():
    verdict = study.run(parallel, orthonormal(2), seeds=range(2))
    assert verdict.status == "certified", verdict.text
    assert "network scope" in verdict.text


def test_several_outputs_on_whitened_rows_are_refused_where_a_branch_serves_them_together():
    """One-hot rows and cross entropy: a branch of each class beats the split program, which would be no lower bound."""
    data = Data(np.eye(4), np.eye(2)[[0, 0, 1, 1]], 0.1)
    with pytest.raises(ValueError, match=r"one branch then serves several outputs.*deep_relu\.program"):
        parallel.program(data, activation="relu", loss="cross_entropy")
    tiny = Data(np.eye(4), 1e-6 * np.abs(np.random.default_rng(0).standard_normal((4, 2))), 1e-7)
    with pytest.raises(ValueError, match="not non-negative and orthogonal"):
        parallel.program(tiny, activation="relu")
