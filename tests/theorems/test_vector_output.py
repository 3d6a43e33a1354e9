"""Vector outputs: golden values, three roads to one optimum, where relaxations and formulas stop, maps, pooling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tolerances import VALUE, close

from convexnn import Data, certify, solve, study, train
from convexnn.data import whiten_rows
from convexnn.patterns import enumerate_patterns
from convexnn.theorems import two_layer, vector_output
from convexnn.theorems.shared.closed_forms import one_hot as one_hot_form
from convexnn.theorems.vector_output.columns import column_generation
from convexnn.theorems.vector_output.copositive import (
    best_in_cone,
    copositive,
    copositive_value,
    decode,
    encode_copositive,
    horn,
    horn_instance,
    is_exact,
)
from convexnn.theorems.vector_output.frank_wolfe import budget_of, frank_wolfe
from convexnn.theorems.vector_output.patches import cyclic_patches
from convexnn.theorems.vector_output.references import moment_reference
from convexnn.theorems.vector_output.soft_thresholding import (
    factors_to_network,
    nonnegative_basis,
    semi_nmf,
    soft_threshold,
    threshold_bound,
)
from convexnn.theorems.vector_output.vector_network import VectorNetwork, balanced, merge, prune

# (seed, n, d, c, beta, p*): default_rng(seed), X then Y standard normal
PLANE = [(10, 5, 2, 2, 0.1, 1.1882096), (11, 8, 2, 3, 0.2, 4.2548139), (12, 8, 2, 3, 0.02, 2.6629809)]
SPACE = [(13, 6, 3, 2, 0.2, 1.419656), (14, 7, 3, 3, 0.1, 0.844151), (15, 8, 3, 2, 0.05, 0.403996)]
SEMIDEFINITE = 1e-5  # the catalogue's and the conformance test's tolerance for semidefinite programs


def gaussian(seed: int, n: int, d: int, c: int, beta: float) -> Data:
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((n, d)), rng.standard_normal((n, c)), beta)


def whitened(seed: int, n: int, d: int, Y: np.ndarray, beta: float) -> Data:
    return Data(whiten_rows(np.random.default_rng(seed).standard_normal((n, d))), Y, beta)


def judged(data: Data, network: VectorNetwork):
    """The judge's certificate of a network: the exact norm in the plane, its own directions above."""
    rank = np.linalg.matrix_rank(data.X.reshape(-1, data.X.shape[-1]))
    directions = None if rank <= 2 else network.U.detach().numpy()
    program = vector_output.program(data, directions=directions)
    return certify(program, vector_output.encode(data, network, program))


# ---- duality and the finite program: golden values ------------------------------------------------------------------


@pytest.mark.parametrize("seed, n, d, c, beta, value", PLANE + SPACE)
def test_column_generation_reaches_the_golden_values_and_the_judge_agrees(seed, n, d, c, beta, value):
    data = gaussian(seed, n, d, c, beta)
    found = column_generation(data)
    assert found.converged
    assert found.value == pytest.approx(value, abs=1e-6)  # golden values are given to six or seven decimals
    assert found.network.objective(data) == pytest.approx(found.value, abs=1e-12)
    certificate = judged(data, found.network)
    assert certificate.scope == "network"
    assert certificate.gap <= 2e-7
    assert certificate.lower <= value + 1e-6
    assert certificate.lower <= certificate.upper <= found.value + 1e-9  # neurons of one cell may get cheaper together


@pytest.mark.parametrize("seed, n, d, c, beta, value", PLANE)
def test_the_solver_the_paper_and_the_copositive_program_agree_in_the_plane(seed, n, d, c, beta, value):
    data = gaussian(seed, n, d, c, beta)
    tol = 1e-5 if seed == 11 else 1e-6  # that instance takes 17 000 alternating directions to 1e-6
    solution = solve(vector_output.program(data), tol=tol)
    assert solution.status == "solved", solution.message
    close(solution.value, value, 1.5 * tol)
    for form in ("copositive", "nuclear"):
        close(vector_output.reference(data, form=form).solve(solver="CLARABEL"), value, SEMIDEFINITE)
    close(vector_output.objective(vector_output.recover(data, solution), data), solution.value, VALUE["solve"])


def test_the_spiral_has_its_golden_values_and_training_stays_above():
    for beta, value in ((0.1, 17.371053), (0.01, 16.101395)):
        data = vector_output.sample("quick", 0)
        data = Data(data.X, data.y, beta)
        found = column_generation(data, tol=1e-8)
        assert found.value == pytest.approx(value, abs=1e-6)
        assert found.value - found.lower <= 1e-6
        runs = train(vector_output.network(5, data), data, seeds=range(4), steps=300)
        assert runs.final.min() > found.value + 1e-2, "five neurons are too few"


def test_a_random_teacher_with_five_outputs_is_solved():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((25, 2))
    data = Data(X, np.maximum(X @ rng.standard_normal((2, 100)), 0) @ rng.standard_normal((100, 5)), 0.1)
    found = column_generation(data)
    assert found.converged
    runs = train(vector_output.network(30, data), data, seeds=range(3), steps=300)
    assert runs.value >= found.lower - 1e-9


@pytest.mark.parametrize("seed, n, d, c, beta, value", [PLANE[1], SPACE[1]])
def test_the_residual_pulls_beta_at_every_neuron_and_nowhere_more(seed, n, d, c, beta, value):
    data = gaussian(seed, n, d, c, beta)
    net = column_generation(data, tol=1e-9).network
    U, A, v = net.U.detach().numpy(), net.A.detach().numpy()[:, 0], data.y - net.predict(data.X)
    pulls = v.T @ np.maximum(data.X @ U.T, 0) / np.linalg.norm(U, axis=1)
    close(np.linalg.norm(pulls, axis=0), np.full(net.width, beta), 1e-5)
    close(pulls.T / beta, A / np.linalg.norm(A, axis=1, keepdims=True), 1e-4)  # and along the output weights
    W = np.random.default_rng(0).standard_normal((20_000, d))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    assert np.linalg.norm(v.T @ np.maximum(data.X @ W.T, 0), axis=0).max() <= beta * (1 + 1e-5)


def test_zero_is_optimal_exactly_from_beta_max_on():
    data = gaussian(3, 7, 2, 3, 1.0)
    top = vector_output.program(data).beta_max()
    assert column_generation(Data(data.X, data.y, 1.001 * top)).network.width == 0
    assert column_generation(Data(data.X, data.y, 0.999 * top)).network.width > 0


def test_one_output_is_the_scalar_theorem():
    data = gaussian(4, 7, 2, 1, 0.2)
    scalar = solve(two_layer.program(Data(data.X, data.y[:, 0], 0.2)), tol=1e-8).value
    close(solve(vector_output.program(data)).value, scalar, VALUE["solve"])
    data = gaussian(5, 7, 3, 1, 0.2)
    close(column_generation(data).value, solve(two_layer.program(data), tol=1e-8).value, VALUE["solve"])


def test_the_penalty_that_separates_the_outputs_is_another_problem():
    data = vector_output.sample("tiny", 0)
    apart = sum(solve(two_layer.program(Data(data.X, data.y[:, k], data.beta))).value for k in range(2))
    together = column_generation(data).value
    assert together < apart - 1e-2


def test_rank_one_data_have_two_rays():
    rng = np.random.default_rng(6)
    x, Y, beta = rng.standard_normal(6), rng.standard_normal((6, 2)), 0.3
    data = Data(np.outer(x, [3.0, 4.0]), Y, beta)
    expected = 0.5 * np.sum(Y**2)
    for z in (5 * np.maximum(x, 0), 5 * np.maximum(-x, 0)):  # disjoint supports: one group soft threshold each
        pull = np.linalg.norm(Y.T @ z)
        expected -= 0.5 * max(pull - beta, 0) ** 2 / (z @ z)
    solution = solve(vector_output.program(data))
    close(solution.value, expected, VALUE["solve"])
    close(vector_output.objective(vector_output.recover(data, solution), data), expected, VALUE["solve"])


@pytest.mark.parametrize("loss", ["cross_entropy", "logistic", "squared_hinge"])
def test_other_losses_agree_with_the_reference_and_are_recovered(loss):
    rng = np.random.default_rng(2)
    Y = np.eye(3)[np.arange(6) % 3] if loss == "cross_entropy" else np.sign(rng.standard_normal((6, 2)))
    data = Data(rng.standard_normal((6, 2)), Y, 0.2)
    solution = solve(vector_output.program(data, loss=loss), tol=1e-5)
    assert solution.status == "solved", solution.message
    close(solution.value, vector_output.reference(data, form="nuclear", loss=loss).solve(solver="CLARABEL"), 2e-5)
    close(vector_output.objective(vector_output.recover(data, solution), data), solution.value, VALUE["solve"])


def test_rank_above_two_is_refused_with_the_way_out_and_closed_by_it():
    data = gaussian(*SPACE[0][:5])
    with pytest.raises(ValueError, match=r"rank 3.*NP-hard.*directions=column_generation"):
        vector_output.program(data)
    some = vector_output.program(data, directions=np.eye(3))
    certificate = certify(some, np.zeros(some.operator.domain))
    assert certificate.lower <= SPACE[0][5] + 1e-6 <= certificate.upper, "a poor choice gives a wide valid interval"
    whole = solve(vector_output.program(data, directions=column_generation(data).directions), tol=1e-5)
    assert whole.status == "solved"
    assert whole.value == pytest.approx(SPACE[0][5], abs=1e-5)


# ---- maps: network, program, squares --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_encoding_a_network_never_raises_the_objective(seed):
    data = gaussian(seed, 6, 2, 3, 0.2)
    program = vector_output.program(data)
    network = vector_output.network(9, data, seed=seed)
    Z = vector_output.encode(data, network, program)
    assert program.objective(torch.as_tensor(Z)) <= network.objective(data) + 1e-9
    close(program.predict(torch.as_tensor(Z)), network.predict(data.X), 1e-10)


def test_encoding_refuses_another_kind_and_unknown_directions():
    data = gaussian(1, 6, 3, 2, 0.2)
    program = vector_output.program(data, directions=np.eye(3))
    with pytest.raises(ValueError, match="none of the program's directions"):
        vector_output.encode(data, vector_output.network(2, data), program)
    with pytest.raises(ValueError, match="network is gated, the program relu"):
        vector_output.encode(data, vector_output.network(2, data, activation="gated"), program)
    other = gaussian(2, 6, 3, 2, 0.2)
    with pytest.raises(ValueError, match="not the X of the solution's program"):
        vector_output.encode(other, vector_output.network(2, other), program)


def test_balancing_and_merging_never_raise_the_penalty_and_keep_the_function():
    data = gaussian(1, 6, 2, 3, 0.2)
    net = vector_output.network(5, data, seed=3)
    twice = VectorNetwork(
        np.vstack([net.U.detach(), 3 * net.U.detach()]), np.vstack([net.A.detach()] * 2), net.loss, np.ones((1, 1))
    )
    for simpler in (balanced(twice), merge(twice)):
        close(simpler.predict(data.X), twice.predict(data.X), 1e-10)
        assert float(simpler.penalty()) <= float(twice.penalty()) + 1e-12
    assert merge(twice).width == 5
    even = balanced(twice)
    close(even.U.norm(dim=1).detach(), even.A.flatten(1).norm(dim=1).detach())
    strengths = twice.U.norm(dim=1) * twice.A.flatten(1).norm(dim=1)
    close(even.penalty().detach(), strengths.sum().detach())  # the rescaling lemma: |u||a|


@pytest.mark.parametrize("seed", range(3))
def test_pruning_leaves_at_most_n_c_neurons_at_the_same_objective(seed):
    data = gaussian(seed, 4, 2, 2, 0.02)
    wide = vector_output.recover(data, solve(vector_output.program(data), tol=1e-8))
    small = prune(merge(wide), data.X)
    assert small.width <= data.n * 2
    close(small.objective(data), wide.objective(data), 1e-7)
    trained = vector_output.network(40, data, seed=seed)
    assert prune(trained, data.X).width <= data.n * 2
    assert prune(trained, data.X).objective(data) <= trained.objective(data) + 1e-9


def test_squares_of_a_network_have_its_copositive_value():
    for seed in range(4):
        data = gaussian(seed, 6, 3, 2, 0.1)
        D = enumerate_patterns(data.X)
        network = column_generation(data).network
        U = encode_copositive(data, network, D)
        close(copositive_value(data, U, D), network.objective(data), 1e-7)
        worse = vector_output.network(6, data, seed=seed)
        assert copositive_value(data, encode_copositive(data, worse, D), D) <= worse.objective(data) + 1e-9


# ---- the copositive program -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_relaxation_decoded_network_and_columns_agree_at_rank_two(seed):
    data = gaussian(100 + seed, 5 + seed % 3, 2, 2 + seed % 2, (0.05, 0.2, 0.5)[seed % 3])
    relaxed, exact = copositive(data), column_generation(data).value
    assert relaxed.exact
    close(relaxed.value, exact, SEMIDEFINITE)
    close(decode(data, relaxed).objective(data), exact, SEMIDEFINITE)
    solution = solve(vector_output.program(data))
    close(solution.value, exact, 2 * VALUE["solve"])


def test_rank_two_data_in_three_dimensions_are_decoded():
    rng = np.random.default_rng(8)
    data = Data(rng.standard_normal((5, 2)) @ rng.standard_normal((2, 3)), rng.standard_normal((5, 2)), 0.2)
    relaxed = copositive(data)
    assert relaxed.exact
    exact = column_generation(data)
    assert exact.network.U.shape[1] == 3
    close([relaxed.value, decode(data, relaxed).objective(data)], [exact.value] * 2, SEMIDEFINITE)
    close(solve(vector_output.program(data)).value, exact.value, 2 * VALUE["solve"])


@pytest.mark.parametrize("seed, n, d, c, beta, value", SPACE)
def test_relaxation_and_decoding_on_the_golden_instances_of_rank_three(seed, n, d, c, beta, value):
    data = gaussian(seed, n, d, c, beta)
    relaxed = copositive(data)
    assert not relaxed.exact
    close(relaxed.value, value, SEMIDEFINITE)  # measured, not promised
    network = decode(data, relaxed)
    assert network.objective(data) >= column_generation(data).lower - 1e-9
    close(network.objective(data), value, SEMIDEFINITE)


@pytest.mark.parametrize("seed", range(3))
def test_four_samples_are_exact_at_any_rank(seed):
    data = gaussian(seed, 4, 3, 2, 0.3)
    relaxed = copositive(data)
    assert relaxed.exact
    close(relaxed.value, column_generation(data).value, SEMIDEFINITE)
    assert not is_exact(np.random.default_rng(seed).standard_normal((5, 3)))


def test_the_horn_matrix_is_copositive_and_no_sum_of_psd_and_nonnegative():
    H = horn()
    U = np.abs(np.random.default_rng(0).standard_normal((100_000, 5)))
    assert np.einsum("ki,ij,kj->k", U, H, U).min() >= -1e-12
    assert np.linalg.eigvalsh(H)[0] < -1, "it is not positive semidefinite"
    close(H, H.T)


def test_the_relaxation_stops_at_the_horn_instance():
    data = horn_instance()
    close(data.y @ data.y.T, np.eye(5) - horn() / 3.3, 1e-12)
    assert best_in_cone(data) <= 1 + 1e-12, "zero is optimal"
    exact = column_generation(data)
    assert exact.network.width == 0
    assert exact.lower == pytest.approx(1.7424242, abs=1e-7)
    for patterns in (np.ones((5, 1), dtype=bool), None):  # one cell is enough for X = I; all 32 give the same
        assert copositive(data, patterns=patterns).value == pytest.approx(1.7405261, abs=1e-6)
    with pytest.raises(ValueError, match=r"scale is 3.2; .*1 \+ sqrt\(5\)"):
        horn_instance(3.2)


@pytest.mark.parametrize("seed, value, nuclear", [(10, 1.1882096, 0.7017363), (11, 4.2548139, 2.4211920)])
def test_without_cones_the_program_is_gated_and_lies_below(seed, value, nuclear):
    data = gaussian(*next(row[:5] for row in PLANE if row[0] == seed))
    gated = solve(vector_output.program(data, activation="gated"))
    assert gated.certificate.scope == "program"
    assert gated.value == pytest.approx(nuclear, abs=3e-6)
    close(copositive(data, coned=False).value, nuclear, SEMIDEFINITE)
    assert gated.value < value - 1e-2
    network = vector_output.recover(data, gated)
    close(vector_output.objective(network, data), gated.value, 1e-9)
    verdict = study.verify(vector_output, data, gated, seeds=range(2), steps=200)
    assert verdict.status == "certified"


def test_the_moment_relaxation_needs_no_patterns_and_lies_below():
    data = gaussian(*PLANE[0][:5])
    value = moment_reference(data).solve(solver="CLARABEL")
    assert value == pytest.approx(1.17554, abs=5e-6)  # five decimals given
    assert value < PLANE[0][5] - 1e-2


# ---- whitened rows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta, value", [(0.3, 1.10887931), (1.2, 2.83551724)])
def test_one_hot_targets_on_whitened_rows_are_a_formula(beta, value):
    data = whitened(0, 6, 9, np.eye(3)[[0, 0, 0, 1, 1, 2]], beta)
    form = soft_threshold(data)
    assert form.value == pytest.approx(value, abs=1e-8)
    close([form.network.objective(data), one_hot_form(data).value], [form.value] * 2)
    close(column_generation(data).value, form.value, VALUE["solve"])
    close(data.X @ form.V, form.network.predict(data.X))


@pytest.mark.parametrize("seed", range(4))
def test_equal_singular_values_get_a_nonnegative_basis(seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(3), 2))  # three singular values sqrt(2)
    data = whitened(seed, 6, 8, np.eye(3)[labels], 0.4)
    form = soft_threshold(data)
    assert form.network.width == 3
    close(form.network.objective(data), one_hot_form(data).value)


@pytest.mark.parametrize("seed", range(3))
def test_nonnegative_rank_one_targets_are_in_the_class(seed):
    rng = np.random.default_rng(seed)
    Y = np.outer(np.abs(rng.standard_normal(5)), rng.standard_normal(3))
    data = whitened(seed, 5, 6, Y, 0.4)
    close(soft_threshold(data).network.objective(data), threshold_bound(data))
    close(column_generation(data).value, threshold_bound(data), VALUE["solve"])


def test_positive_targets_with_only_the_perron_component_above_beta_are_in_the_class():
    Y = np.abs(np.random.default_rng(3).standard_normal((5, 4)))
    second = np.linalg.svd(Y, compute_uv=False)[1]
    above, below = (whitened(3, 5, 7, Y, share * second) for share in (1.01, 0.99))
    form = soft_threshold(above)
    assert form.network.width == 1
    close(column_generation(above).value, form.value, VALUE["solve"])
    with pytest.raises(ValueError, match="both signs"):
        soft_threshold(below)


@pytest.mark.parametrize("seed", range(3))
def test_mixed_signs_are_refused_and_the_formula_is_a_strict_lower_bound(seed):
    Y = np.random.default_rng(50 + seed).standard_normal((4, 3))
    data = whitened(seed, 4, 6, Y, 0.3)
    with pytest.raises(ValueError, match="left singular vectors have both signs"):
        soft_threshold(data)
    exact = column_generation(data)
    assert threshold_bound(data) < exact.lower - 1e-3
    flat = vector_output.program(data, patterns=np.ones((4, 1), dtype=bool), activation="gated")
    close(solve(flat).value, threshold_bound(data), VALUE["solve"])  # the nuclear norm with D = I


def test_rows_that_are_not_whitened_are_refused():
    data = gaussian(0, 4, 6, 2, 0.3)
    for form in (soft_threshold, threshold_bound):
        with pytest.raises(ValueError, match="whiten the rows first"):
            form(data)


def test_a_nonnegative_basis_exists_exactly_for_disjoint_supports():
    B = np.zeros((5, 2))
    B[:2, 0], B[2:, 1] = [0.6, 0.8], np.array([1.0, 2.0, 2.0]) / 3
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    found = nonnegative_basis(B @ turn)
    assert found is not None
    close(found @ found.T, B @ B.T)
    assert found.min() >= 0
    assert nonnegative_basis(np.linalg.qr(np.random.default_rng(0).standard_normal((5, 2)))[0]) is None
    assert nonnegative_basis(np.array([[0.6], [-0.8]])) is None


@pytest.mark.parametrize("seed", range(2))
def test_training_on_whitened_rows_is_a_semi_nonnegative_factorisation(seed):
    Y = np.random.default_rng(60 + seed).standard_normal((5, 3))
    data = whitened(seed, 5, 7, Y, 0.3)
    runs = [semi_nmf(Y, 0.3, 8, start) for start in range(4)]
    lower = column_generation(data).lower
    for H, A, value in runs:
        assert value >= lower - 1e-9
        close(factors_to_network(data, H, A).objective(data), value)
    close(min(value for _, _, value in runs), lower, 1e-5)  # local search: four starts
    with pytest.raises(ValueError, match="activations of a ReLU network are >= 0"):
        factors_to_network(data, -runs[0][0], runs[0][1])


# ---- Frank-Wolfe ----------------------------------------------------------------------------------------------------


def test_frank_wolfe_keeps_its_gap_and_its_rate_and_comes_near():
    data = gaussian(*PLANE[0][:5])
    best = column_generation(data)
    t = budget_of(best.network)
    run = frank_wolfe(data, t, steps=2000)
    excess = run.history[:, 0] - (best.value - data.beta * t)
    assert (run.history[:, 1] >= excess - 1e-7).all(), "the gap bounds the excess"
    steps = np.arange(1, len(excess))
    assert (excess[1:] <= 2 * run.curvature / (steps + 2) + 1e-7).all()
    assert excess.min() >= -1e-7
    assert excess[-1] <= 1e-3
    assert run.value == pytest.approx(run.network.objective(data))
    assert run.network.objective(data) <= run.history[-1, 0] + data.beta * t + 1e-9


def test_frank_wolfe_is_slow_when_beta_is_small():
    data = gaussian(*PLANE[2][:5])
    run = frank_wolfe(data, budget_of(column_generation(data).network), steps=400)
    assert run.value == pytest.approx(4.95, abs=5e-3)  # two decimals given


# ---- patches and pooling --------------------------------------------------------------------------------------------


def test_one_output_with_sum_pooling_has_the_golden_value():
    rng = np.random.default_rng(0)
    data = Data(rng.standard_normal((4, 3, 2)), rng.standard_normal(4), 0.3)
    program = vector_output.program(data)
    assert program.groups == 24
    solution = solve(program)
    assert solution.value == pytest.approx(0.49201157, abs=1e-6)
    close(vector_output.objective(vector_output.recover(data, solution), data), solution.value, VALUE["solve"])
    assert column_generation(data).value == pytest.approx(0.49201157, abs=1e-6)


@pytest.mark.parametrize("pooling", ["sum", "average", "none"])
def test_convolutions_are_solved_recovered_and_not_beaten(pooling):
    rng = np.random.default_rng(5)
    data = Data(cyclic_patches(rng.standard_normal((4, 4)), 2), rng.standard_normal((4, 2)), 0.3)
    solution = solve(vector_output.program(data, pooling=pooling))
    assert solution.status == "solved", solution.message
    assert solution.certificate.scope == "network"
    found = column_generation(data, pooling=pooling)
    close(solution.value, found.value, 2 * VALUE["solve"])
    close(vector_output.objective(vector_output.recover(data, solution), data), solution.value, VALUE["solve"])
    runs = train(vector_output.network(20, data, pooling=pooling), data, "lbfgs", seeds=range(8), steps=300)
    assert runs.curves.min() >= solution.lower - 1e-9
    assert runs.value <= solution.value + 1e-4


def test_average_pooling_is_sum_pooling_of_shorter_patches():
    rng = np.random.default_rng(7)
    X, Y = rng.standard_normal((4, 3, 2)), rng.standard_normal((4, 2))
    average = column_generation(Data(X, Y, 0.1), pooling="average").value
    close(average, column_generation(Data(X / 3, Y, 0.1), pooling="sum").value, VALUE["solve"])


def test_one_patch_is_the_fully_connected_theorem():
    data = gaussian(*PLANE[0][:5])
    patch = Data(data.X[:, None, :], data.y, data.beta)
    close(column_generation(patch).value, column_generation(data).value, VALUE["solve"])


def test_the_gated_convolution_is_recovered():
    rng = np.random.default_rng(9)
    data = Data(rng.standard_normal((5, 3, 2)), rng.standard_normal((5, 2)), 0.2)
    solution = solve(vector_output.program(data, activation="gated", pooling="none", patterns=6))
    assert solution.status == "solved"
    network = vector_output.recover(data, solution)
    close(vector_output.objective(network, data), solution.value, 1e-9)
    again = vector_output.encode(data, network, solution.program)
    close(solution.program.objective(torch.as_tensor(again)), solution.value, 1e-9)


# ---- symmetries and bad input ---------------------------------------------------------------------------------------


def test_the_optimum_follows_rotations_scalings_and_permutations():
    data = gaussian(20, 6, 2, 2, 0.2)
    value = column_generation(data).value
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((2, 2)))[0]
    order = np.random.default_rng(2).permutation(6)
    same = [
        Data(data.X @ turn, data.y, 0.2),
        Data(data.X, data.y @ turn, 0.2),  # outputs too: the penalty on a_j is rotation invariant
        Data(data.X[order], data.y[order], 0.2),
        Data(3 * data.X, data.y, 0.6),
    ]
    close([column_generation(other).value for other in same], [value] * 4, 1e-6)
    close(column_generation(Data(data.X, 2 * data.y, 0.4)).value, 4 * value, 1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"activation": "tanh"}, "activation is 'tanh'"),
        ({"pooling": "max"}, "pooling is 'max'"),
        ({"patterns": "some"}, "patterns is 'some'"),
        ({"directions": np.zeros((1, 2))}, "row 0 is zero on the data"),
        ({"directions": np.ones((2, 3))}, r"directions has shape \(2, 3\)"),
        ({"loss": "square"}, "loss is 'square'"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        vector_output.program(vector_output.sample("tiny"), **options)


def test_bad_data_are_refused_by_name():
    with pytest.raises(ValueError, match=r"X has shape \(2, 2, 2, 2\)"):
        vector_output.program(Data(np.ones((2, 2, 2, 2)), np.ones(2), 0.1))
    with pytest.raises(ValueError, match="copositive form needs 'squared'"):
        vector_output.reference(vector_output.sample("tiny"), loss="hinge")
    with pytest.raises(ValueError, match="not a convexnn Network"):
        vector_output.objective(torch.nn.Linear(2, 2), vector_output.sample("tiny"))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_copositive_value_does_not_depend_on_the_units(scale):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
    unit, scaled = copositive(Data(X, Y, 0.1)), copositive(Data(scale * X, Y, 0.1 * scale))
    close(scaled.value, unit.value, VALUE["CLARABEL"])
    tall = copositive(Data(X, scale * Y, 0.1 * scale))
    close(tall.value / scale**2, unit.value, VALUE["CLARABEL"])
    data = Data(scale * X, Y, 0.1 * scale)
    close(copositive_value(data, scaled.U, scaled.D), unit.value, 1e-5)  # the value of the matrices, not the solver's


def test_zero_data_are_refused_with_the_answer():
    with pytest.raises(ValueError, match="the zero network is optimal"):
        vector_output.program(Data(np.zeros((5, 2)), np.ones((5, 2)), 0.1))


@pytest.mark.parametrize("activation", ["relu", "gated"])
def test_more_patterns_never_raise_the_value(activation):
    data = gaussian(5, 6, 2, 2, 0.2)
    D = enumerate_patterns(data.X)
    values = [
        solve(vector_output.program(data, patterns=D[:, :count], activation=activation)).value
        for count in (2, 5, D.shape[1])
    ]
    assert values[0] >= values[1] - 2e-6 * values[1] >= values[2] - 4e-6 * values[1]
    assert values[0] > values[2] * (1 + 1e-3), "the patterns make no difference: the instance tests nothing"
