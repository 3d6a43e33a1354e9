"""Deep linear networks: three problems called weight decay, their programs, closed forms and trained networks."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from tolerances import VALUE, close

from convexnn import Data, certify, solve, study, train
from convexnn.data import whiten_rows
from convexnn.theorems import deep_linear
from convexnn.theorems.deep_linear.alignment import column_cosines, imbalance, misalignment, operator_norms, ranks
from convexnn.theorems.deep_linear.descent import descend
from convexnn.theorems.deep_linear.linear_network import PROBLEMS, DeepLinear, Depth, parallel, standard
from convexnn.theorems.shared.schatten import decay, threshold

#: Six printed decimals of a value that was computed by others.
PRINTED = 5e-7
#: L-BFGS on these problems stops at a gradient of 1e-10: values to rounding, weights to its square root.
TRAINED, WEIGHTS = 1e-9, 1e-5


@cache
def draws() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (8, 5), Y (8, 3) and orthonormal Q (8, 5), drawn in this order from numpy's generator 0."""
    rng = np.random.default_rng(0)
    X, Y, G = rng.standard_normal((8, 5)), rng.standard_normal((8, 3)), rng.standard_normal((8, 5))
    return X, Y, np.linalg.qr(G)[0]


def random_white(seed: int, n: int = 9, d: int = 4, c: int = 3) -> Data:
    """Whitened data whose beta keeps the singular values away from the thresholds of L = 2, 3, 4 or drops them."""
    rng = np.random.default_rng(seed)
    X = whiten_rows(rng.standard_normal((d, n))).T if n >= d else whiten_rows(rng.standard_normal((n, d)))
    return Data(X, rng.standard_normal((n, c)), 0.1)


def best(data: Data, L: int, problem: str, width: int = 8, seeds: int = 15, **options):
    rival = deep_linear.network(width, data, L, problem, **options)
    return train(rival, data, "lbfgs", range(seeds), steps=600, device="cpu")


# ---- known values ---------------------------------------------------------------------------------------------------


def test_two_layers_cost_the_known_value_in_every_way():
    X, Y, _ = draws()
    data = Data(X, Y, 0.7)
    solution = solve(deep_linear.program(data, 2, "squared"), tol=1e-9, device="cpu")
    assert abs(solution.value - 7.932272) <= PRINTED
    assert solution.value - solution.lower <= 1e-7
    close(deep_linear.reference(data, 2, "squared").solve(solver="CLARABEL"), solution.value, VALUE["CLARABEL"])
    close(best(data, 2, "squared").value, solution.value, 1e-8)


@pytest.mark.parametrize(
    ("place", "rank", "value"),
    [("low", 3, 9.686719), ("23", 2, 13.093237), ("12", 1, 14.044905), ("high", 0, 14.292781)],
)
def test_two_layers_drop_a_rank_at_every_singular_value(place, rank, value):
    _, Y, Q = draws()
    s = np.linalg.svd(Q.T @ Y, compute_uv=False)
    beta = {"low": s[2] / 2, "23": (s[1] + s[2]) / 2, "12": (s[0] + s[1]) / 2, "high": 1.1 * s[0]}[place]
    data = Data(Q, Y, beta)
    form = deep_linear.whitened(data, Depth(2, "squared"))
    assert form.rank == rank
    assert abs(form.value - value) <= PRINTED
    close(form.value, 0.5 * (Y**2).sum() - 0.5 * (np.maximum(s - beta, 0) ** 2).sum(), VALUE["closed form"])
    run = best(data, 2, "squared")
    close(run.value, form.value, TRAINED)
    assert ranks(run.best.matrices(), s[0] ** 0.5) == [rank, rank]


@pytest.mark.parametrize(
    ("L", "squared", "power", "norm"), [(3, 4.278745, 4.427818, 2.338073), (4, 4.337612, 4.611134, 2.166495)]
)
def test_deep_networks_cost_the_known_values_and_have_one_norm(L, squared, power, norm):
    _, Y, Q = draws()
    data = Data(Q, Y, 0.05)
    form, other = (deep_linear.whitened(data, Depth(L, problem)) for problem in ("squared", "power"))
    assert abs(form.value - squared) <= PRINTED
    assert abs(other.value - power) <= PRINTED
    run = best(data, L, "squared", width=6)
    close(run.value, form.value, TRAINED)
    close(best(data, L, "power").value, other.value, TRAINED)
    norms = run.best.layer_norms()
    assert np.abs(norms - norm).max() <= 1e-6
    close(form.network.layer_norms(), np.full((1, L), norm), 1e-6)


@pytest.mark.parametrize(
    ("sigma", "L", "primal", "dual", "gap"),
    [
        ((1, 1), 3, 3.0, 2.381102, 0.618898),
        ((4, 1), 3, 5.279763, 4.386027, 0.893737),
        ((4, 1), 4, 6.0, 4.472136, 1.527864),
        ((1, 1, 1), 3, 4.5, 3.120126, 1.379874),
        ((2,), 5, 3.298770, 3.298770, 0.0),
    ],
)
def test_the_gap_of_interpolation_is_the_known_one(sigma, L, primal, dual, gap):
    found = deep_linear.interpolation(np.array(sigma, dtype=float), L)
    assert abs(found.primal - primal) <= PRINTED
    assert abs(found.dual - dual) <= PRINTED
    assert abs(found.gap - gap) <= PRINTED


def test_the_partial_duals_are_the_known_ones():
    found = [deep_linear.partial_dual(np.array([4.0, 1.0]), 4, inner) for inner in range(3)]
    assert np.abs(np.array(found) - [5.0, 6.603661, 9.0]).max() <= PRINTED


# ---- the same laws on random instances ------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("L", [2, 3, 4])
@pytest.mark.parametrize(("seed", "shape"), [(1, (9, 4)), (2, (4, 7))])
def test_training_reaches_the_closed_form_and_never_goes_below(L, problem, seed, shape):
    data = random_white(seed, *shape)
    depth = Depth(L, problem, 1.3)
    form = deep_linear.whitened(data, depth)
    close(form.network.objective(data), form.value)
    assert form.lower <= form.value + 1e-12
    assert form.value - form.lower <= 1e-10
    local_minima = problem == "squared" and L > 2
    run = best(data, L, problem, seeds=30 if local_minima else 3, t=1.3)
    assert run.curves.min() >= form.lower - 1e-9
    close(run.value, form.value, TRAINED)


@pytest.mark.parametrize(
    "options", [(2, "squared", 1.0), (3, "normalised", 0.7), (4, "normalised", 1.4), (3, "power", 1.0)]
)
def test_soft_thresholding_is_certified_and_its_dual_vector_has_norm_strength(options):
    data = random_white(3)
    form = deep_linear.whitened(data, Depth(*options))
    program = deep_linear.program(data, *options)
    certificate = certify(program, form.network.product()[None])
    assert certificate.scope == "network"
    assert Depth(*options).sentence() in certificate.assumptions  # which of the three problems it is about
    assert certificate.gap <= 1e-10
    close(np.linalg.norm(data.X.T @ certificate.v, 2), Depth(*options).strength(data.beta), 1e-9)


@pytest.mark.parametrize("options", [(3, "normalised", 0.8), (4, "power", 1.0)])
def test_the_printed_program_and_the_fast_one_agree_on_generic_data(options):
    data = deep_linear.sample("tiny", 4)
    solution = solve(deep_linear.program(data, *options), tol=1e-9, device="cpu")
    close(deep_linear.reference(data, *options).solve(solver="CLARABEL"), solution.value, VALUE["CLARABEL"])
    close(deep_linear.recover(data, solution).objective(data), solution.value, 1e-8)
    close(best(data, *options[:2], seeds=3, t=options[2]).value, solution.value, 1e-7)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "cross_entropy"])
def test_other_losses_have_no_gap_and_their_network_scores_the_program(loss):
    base = deep_linear.sample("tiny", 5)
    y = np.eye(2)[base.y.argmax(1)] if loss == "cross_entropy" else np.where(base.y > 0, 1.0, -1.0)
    data = Data(base.X, y, 0.5)
    solution = solve(deep_linear.program(data, loss=loss), tol=1e-7, device="cpu")
    assert solution.status == "solved"
    close(deep_linear.recover(data, solution).objective(data), solution.value, 1e-8)
    close(deep_linear.reference(data, loss=loss).solve(solver="CLARABEL"), solution.value, 1e-5)


def test_a_study_of_the_theorem_is_certified():
    data = deep_linear.sample("tiny", 6)
    solution = solve(deep_linear.program(data, 3, "power"), tol=1e-7, device="cpu")
    verdict = study.verify(deep_linear, data, solution, seeds=range(2), width=6, steps=600)
    assert verdict.status == "certified", verdict.text
    assert verdict.numbers["above_bound"] >= -1e-9


# ---- ranks, norms, alignment ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("L", [2, 3, 4])
def test_the_rank_is_the_number_of_singular_values_above_the_threshold(L):
    data = random_white(7)
    sigma = np.linalg.svd(data.X.T @ data.y, compute_uv=False)
    critical = deep_linear.critical_beta(sigma, Depth(L, "squared"))
    close([threshold(float(b), L) for b in critical], sigma, VALUE["closed form"])
    for b in deep_linear.between(critical):
        stage = replace(data, beta=b)
        form = deep_linear.whitened(stage, Depth(L, "squared"))
        assert form.rank == (sigma > threshold(b, L)).sum() == (critical > b).sum()
        run = best(stage, L, "squared", width=20, seeds=2 if L == 2 else 20)
        assert ranks(run.best.matrices(), sigma[0] ** (1 / L)) == [form.rank] * L
    if L > 2:
        assert any((sigma > b).sum() != (critical > b).sum() for b in deep_linear.between(critical))


@pytest.mark.parametrize("problem", ["power", "normalised"])
def test_convex_problems_have_their_own_critical_beta(problem):
    data, depth = random_white(8), Depth(4, problem, 1.5)
    sigma = np.linalg.svd(data.X.T @ data.y, compute_uv=False)
    critical = deep_linear.critical_beta(sigma, depth)
    for b in deep_linear.between(critical):
        assert deep_linear.whitened(replace(data, beta=b), depth).rank == (critical > b).sum()
    close(critical, sigma / 2 if problem == "power" else sigma * 1.5**2, VALUE["closed form"])


@pytest.mark.parametrize("L", [2, 3, 5])
def test_trained_layers_share_their_norms_and_are_aligned(L):
    data = random_white(9)
    form = deep_linear.whitened(data, Depth(L, "squared"))
    run = best(data, L, "squared", seeds=30)
    layers = run.best.matrices()
    assert imbalance(layers) <= WEIGHTS
    assert misalignment(layers, form.rank) <= WEIGHTS
    close([np.linalg.norm(W) for W in layers], np.full(L, np.sqrt((form.s ** (2 / L)).sum())), WEIGHTS)
    close(operator_norms(layers), np.full(L, form.s.max() ** (1 / L)), WEIGHTS)


def test_the_measures_of_alignment_can_fail():
    rng = np.random.default_rng(0)
    layers = [rng.standard_normal((4, 4)) for _ in range(3)]
    assert imbalance(layers) > 0.1
    assert misalignment(layers, 2) > 0.1
    assert imbalance([np.zeros((2, 2))] * 3) == 0.0
    assert column_cosines(layers[0], layers[0][:, 0]).min() < 0.9
    assert ranks([np.diag([1.0, 0.5, 1e-5])], 1.0) == [2]


def test_descent_logs_what_it_trains():
    data = random_white(10)
    network = deep_linear.network((5, 7), data, 3, "squared", seed=1)
    walk = descend(network, data, steps=60, every=20)
    assert list(walk.steps) == [0, 20, 40, 60]
    assert walk.frobenius.shape == walk.operator.shape == (4, 3)
    assert walk.objectives[-1] < walk.objectives[0]
    assert (walk.operator <= walk.frobenius + 1e-12).all()


# ---- networks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("L", [2, 3, 5])
def test_both_architectures_build_the_matrix_at_the_cost_of_the_scaling_lemma(L, problem):
    rng = np.random.default_rng(L)
    depth, loss = Depth(L, problem, 1.7), deep_linear.program(deep_linear.sample("tiny")).loss
    W = rng.standard_normal((4, 3))
    U, s, Vt = np.linalg.svd(W, full_matrices=False)
    branched = parallel(U, s, Vt, loss, depth)
    close(branched.product(), W)
    cost = {"squared": decay(s, L).sum(), "power": L / 2 * s.sum(), "normalised": s.sum() / 1.7 ** (L - 2)}[problem]
    close(branched.penalty().detach(), cost)
    if problem == "squared":
        single = standard(U, s, Vt, loss, depth, widths=(5,) * (L - 1), seed=3)
        close(single.product(), W)
        close(single.penalty().detach(), cost)


@pytest.mark.parametrize("L", [3, 4])
def test_normalised_inner_layers_have_norm_t_whatever_the_weights(L):
    network = deep_linear.network(4, random_white(1), L, "normalised", t=1.3, branches=2)
    norms = network.layer_norms()
    close(norms[:, : L - 2], np.full((2, L - 2), 1.3))
    before = network.predict(np.eye(4))
    with torch.no_grad():
        network.weights[0].mul_(7.0)
    close(network.predict(np.eye(4)), before)


def test_the_three_problems_agree_for_two_layers_only():
    data = random_white(11)
    for L in (2, 3):
        values = [deep_linear.whitened(data, Depth(L, problem)).value for problem in PROBLEMS]
        assert (np.ptp(values) < 1e-12) == (L == 2)


def test_fewer_branches_than_the_rank_end_above_and_squared_decay_ignores_branches():
    data = random_white(12)
    power, squared = (deep_linear.whitened(data, Depth(3, problem)) for problem in ("power", "squared"))
    assert power.rank > 1
    assert best(data, 3, "power", width=1, seeds=4).value > power.value + 1e-3
    single = best(data, 3, "power", width=6, branches=1, seeds=6)  # one matrix branch pays the Schatten quasi-norm
    assert single.value > power.value + 1e-3
    many = best(data, 3, "squared", width=2, branches=6, seeds=20)
    assert many.curves.min() >= squared.lower - 1e-9
    close(many.value, squared.value, TRAINED)


# ---- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: deep_linear.program(d, 3, "squared"), "problem='squared' with layers=3 is not convex"),
        (lambda d: deep_linear.reference(d, 3, "squared"), "problem='squared' with layers=3 is not convex"),
        (lambda d: deep_linear.program(d, 1), "L is 1"),
        (lambda d: deep_linear.program(d, 3, "sqared"), "problem is 'sqared'.*Did you mean 'squared'"),
        (lambda d: deep_linear.program(d, 3, "normalised", t=0.0), "t is 0.0"),
        (lambda d: deep_linear.network((3, 4), d, 4, "squared"), r"width is \(3, 4\).*or 3 of them"),
        (lambda d: deep_linear.network(3, d, branches=0), "branches is 0"),
        (lambda d: deep_linear.whitened(d, Depth(3, "squared")), "whiten it"),
        (lambda d: deep_linear.one_output(d, Depth(3, "squared")), r"y has shape \(8, 2\)"),
        (lambda d: deep_linear.partial_dual(np.ones(2), 4, 3), "inner is 3.*from 0 to 2"),
        (lambda d: deep_linear.objective(torch.nn.Linear(2, 2), d), "not a convexnn Network"),
        (lambda d: deep_linear.network(3, d, branches=2).matrices(), "has 2 branches"),
        (lambda d: DeepLinear([np.zeros((1, 2, 2))], deep_linear.program(d).loss, Depth(3)), "weights has 1 layers"),
        (lambda d: deep_linear.assumptions(Data(np.zeros((2, 2, 2)), np.zeros(2), 1.0)), "takes matrices"),
    ],
)
def test_what_is_outside_the_theorem_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call(deep_linear.sample("tiny"))


def test_a_solution_of_other_data_is_not_recovered():
    data = deep_linear.sample("tiny")
    solution = solve(deep_linear.program(data), device="cpu")
    with pytest.raises(ValueError, match="not the X of the solution's program"):
        deep_linear.recover(replace(data, X=2 * data.X), solution)
