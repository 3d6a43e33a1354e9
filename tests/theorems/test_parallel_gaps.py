"""Standard against parallel networks: closed-form gaps, partial duals, certified duals, shared layers, three layers."""

from __future__ import annotations

import numpy as np
import pytest
from tolerances import close

from convexnn import Data, solve, train
from convexnn.data import whiten_rows
from convexnn.theorems import parallel, two_layer
from convexnn.theorems.parallel.bidual import standard_dual
from convexnn.theorems.parallel.interpolation import cheapest_factors, interpolation, partial_duals, schatten
from convexnn.theorems.parallel.shared_layers import DESIGNS, incidence, separate_network, shared_network
from convexnn.theorems.parallel.strengths import strengths
from convexnn.theorems.parallel.three_layer import three_layer
from convexnn.theorems.shared.layered_patterns import enumerate_groups, shared_patterns_only
from convexnn.theorems.shared.schatten import shrink

RAY = np.outer([1.0, 0.5, 2.0, -1.0, -0.7, -1.5], 1.3 * np.array([1.0, 2.0, 2.0]) / 3)
C = RAY @ np.array([1.0, 2.0, 2.0]) / 3 / 1.3
EXAMPLES = [
    ((1, 1), 3, 3.0, 2.381102),
    ((4, 1), 3, 5.279763, 4.386027),
    ((4, 1), 4, 6.0, 4.472136),
    ((1, 1, 1), 3, 4.5, 3.120126),
    ((2,), 5, 3.298770, 3.298770),
]


def precise(program):
    return solve(program, tol=1e-8)


def on_ray(p: float, q: float, beta: float = 0.05) -> Data:
    return Data(RAY, p * np.maximum(C, 0) + q * np.maximum(-C, 0), beta)


def best_standard(data: Data, width: int, seeds: range = range(9), steps: int = 600, **options) -> float:
    network = parallel.network(width, data, standard=True, **options)
    return train(network, data, "lbfgs", seeds=seeds, steps=steps).value


# ---- interpolation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma, depth, primal, dual", EXAMPLES)
def test_the_catalogued_gaps_of_standard_linear_networks(sigma, depth, primal, dual):
    costs = interpolation(np.array(sigma, dtype=float), depth)
    assert costs.primal == pytest.approx(primal, abs=1e-6)
    assert costs.dual == pytest.approx(dual, abs=1e-6)
    assert (costs.gap > 1e-3) == (len(sigma) > 1)


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("power", ["2", "L"])
@pytest.mark.parametrize("seed", range(2))
def test_descent_over_all_factorisations_finds_the_standard_cost(depth, power, seed):
    sigma = np.random.default_rng(seed).uniform(0.2, 3, 3)
    chosen = 2 if power == "2" else depth
    expected = interpolation(sigma, depth, "standard", chosen).primal
    found = cheapest_factors(sigma, depth, range(4), power=chosen)
    assert found.min() == pytest.approx(expected, rel=1e-8)
    assert (found >= expected * (1 - 1e-12)).all()


@pytest.mark.parametrize("depth", range(2, 7))
@pytest.mark.parametrize("sigma", [(1, 1), (4, 1), (3, 2, 0.5), (2,), (2, 0)])
def test_of_the_four_problems_only_parallel_branches_with_power_l_always_close_the_gap(sigma, depth):
    sigma = np.array(sigma, dtype=float)
    trivial = depth == 2 or np.sum(sigma > 0) == 1
    for architecture in ("standard", "parallel"):
        for power in {2, depth}:
            costs = interpolation(sigma, depth, architecture, power)
            closed = trivial or (architecture == "parallel" and power == depth)
            assert (abs(costs.gap) < 1e-12) == closed
            assert costs.dual <= costs.primal * (1 + 1e-12)


def test_equal_singular_values_do_not_close_the_gap():
    costs = interpolation(np.ones(2), 3)
    assert costs.primal - costs.dual == pytest.approx(0.618898, abs=1e-6)


def test_the_staircase_of_partial_duals_has_its_catalogued_steps_and_ends():
    sigma = np.array([4.0, 1.0])
    assert partial_duals(sigma, 4) == pytest.approx([5, 6.603661, 9], abs=1e-6)
    assert partial_duals(sigma, 4, t=1.7) == pytest.approx(partial_duals(sigma, 4) / 1.7**2)
    rng = np.random.default_rng(0)
    for depth in (3, 5, 7):
        sigma = rng.uniform(0.1, 2, 3)
        steps, costs = partial_duals(sigma, depth), interpolation(sigma, depth)
        assert (np.diff(steps) > 0).all()
        # the best common norm t of min (L-2)/2 t^2 + c t^{-(L-2)} leads from P(t), D(t) back to P, D
        assert depth / 2 * steps[[0, -1]] ** (2 / depth) == pytest.approx([costs.dual, costs.primal])
    assert partial_duals(np.array([2.0]), 6) == pytest.approx(np.full(5, 2.0))


@pytest.mark.parametrize("trunk", range(4))
def test_descent_over_trunks_finds_every_step_of_the_staircase(trunk):
    sigma = np.array([2.5, 1.0, 0.4])
    found = cheapest_factors(sigma, 5, range(4), trunk=trunk)
    assert found.min() == pytest.approx(partial_duals(sigma, 5)[trunk], rel=1e-8)


def test_a_quasi_norm_below_one_and_bad_arguments():
    assert schatten(np.array([1.0, 1.0]), 2 / 3) == pytest.approx(2**1.5)
    for call, words in (
        (lambda: interpolation(np.array([-1.0]), 3), "none negative"),
        (lambda: interpolation(np.array([1.0]), 1), "depth is 1"),
        (lambda: interpolation(np.array([1.0]), 4, power=3), "power is 3"),
        (lambda: interpolation(np.array([np.nan]), 3), "non-finite"),
        (lambda: cheapest_factors(np.array([1.0, 0.0]), 3, range(1)), "holds a zero"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


# ---- with a loss: closed forms of the standard network, and certified duals -----------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("depth", [3, 4, 5])
def test_standard_linear_networks_train_to_the_closed_form_and_not_below(seed, depth):
    rng = np.random.default_rng(seed)
    data = Data(np.linalg.qr(rng.standard_normal((8, 4)))[0], rng.standard_normal((8, 3)), 0.1)
    form = strengths(data)
    value = best_standard(data, 4, range(6), depth=depth)
    assert value == pytest.approx(form.standard(depth), abs=1e-7)
    assert value >= form.standard(depth) - 1e-9
    assert form.dual(depth).upper < form.standard(depth)


def test_the_dual_is_the_best_point_of_a_penalised_path_found_by_brute_force():
    rng = np.random.default_rng(1)
    data = Data(np.linalg.qr(rng.standard_normal((8, 4)))[0], rng.standard_normal((8, 3)), 0.1)
    form = strengths(data)
    thresholds = np.linspace(0, form.sigma.max(), 400_001)
    kept = np.maximum(form.sigma[:, None] - thresholds, 0)
    for depth in (3, 4, 6):
        values = form.rest + 0.5 * np.square(kept - form.sigma[:, None]).sum(0)
        values += data.beta * depth / 2 * kept.sum(0) ** (2 / depth)
        bound = form.dual(depth)
        assert bound.lower <= values.min() + 1e-12
        assert bound.lower == pytest.approx(values.min(), abs=1e-8)  # the grid's spacing is 5e-6, its error squared
        assert bound.upper - bound.lower <= 1e-10


def test_the_dual_of_a_network_without_formula_closes_in_on_its_value():
    rng = np.random.default_rng(2)
    data = Data(rng.standard_normal((12, 4)), rng.standard_normal((12, 3)), 0.2)
    program = parallel.program(data)
    calls = []

    def value(b: float) -> tuple[float, float]:
        solution = solve(program.with_beta(b), tol=1e-9)
        calls.append(b)
        return solution.lower, solution.value

    null = 0.5 * float(np.square(data.y).sum())
    bound = standard_dual(value, data.beta, 3, null, program.beta_max(), tol=1e-6)
    assert bound.upper - bound.lower <= 1e-6
    assert bound.evaluations == len(calls) < 40
    trained = best_standard(data, 4, range(6))
    assert trained > bound.upper + 1e-3
    network = parallel.network(4, data, standard=True, seed=3)
    for _ in range(5):  # weak duality for arbitrary weights
        assert network.objective(data) >= bound.lower
        network.reset(int(rng.integers(1000)))


def test_a_loose_value_gives_a_loose_but_valid_dual():
    data = on_ray(1.0, 0.6)
    form = strengths(data, "relu")
    loose = standard_dual(
        lambda b: (form.gauge_value(b) - 1e-3, form.gauge_value(b) + 1e-3), 0.05, 3, form.null, form.top
    )
    exact = form.dual(3)
    assert loose.lower <= exact.lower <= exact.upper <= loose.upper
    assert exact.lower - loose.lower <= 1e-3 + 1e-9


def test_for_two_layers_or_a_large_beta_the_dual_is_the_value_itself():
    data = on_ray(1.0, -0.6)
    form = strengths(data, "relu")
    assert form.dual(2).lower == form.gauge_value(0.05)
    big = strengths(on_ray(1.0, -0.6, beta=50.0), "relu")
    assert big.dual(3).lower == big.null == big.standard(3) == big.parallel(3)
    with pytest.raises(ValueError, match="depth is 1"):
        standard_dual(lambda b: (0.0, 0.0), 0.1, 1, 1.0, 1.0)


def test_one_strength_has_no_gap_and_two_have_one():
    rng = np.random.default_rng(3)
    Q = np.linalg.qr(rng.standard_normal((8, 4)))[0]
    u, v = rng.standard_normal((8, 1)), rng.standard_normal((1, 3))
    one = strengths(Data(Q, u @ v, 0.1))
    for depth in (3, 5):
        assert one.dual(depth).lower == pytest.approx(one.standard(depth), abs=1e-9)
        assert shrink(one.sigma, 0.1, depth)[1:] == pytest.approx(0, abs=1e-12)


# ---- ReLU on a ray --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p, q, standard, dual", [(1, 0.6, 0.0858390, 0.0858390), (1, -0.6, 0.1072550, 0.0858390),
                                                  (0, 1, 0.0627285, 0.0627285)])  # fmt: skip
def test_three_layers_on_a_ray_have_the_catalogued_values(p, q, standard, dual):
    data = on_ray(p, q)
    form = strengths(data, "relu")
    assert form.standard(3) == pytest.approx(standard, abs=1e-7)
    assert form.dual(3).lower == pytest.approx(dual, abs=1e-7)
    assert best_standard(data, 4, range(12), activation="relu") == pytest.approx(standard, abs=1e-6)


@pytest.mark.parametrize("q", [-0.7, 0.7])
def test_four_layers_on_a_ray_have_a_gap_only_for_opposite_signs(q):
    data = on_ray(1.0, q)
    form = strengths(data, "relu")
    assert best_standard(data, 4, range(9), 900, depth=4, activation="relu") == pytest.approx(
        form.standard(4), abs=1e-6
    )
    assert (form.standard(4) - form.dual(4).upper > 1e-3) == (q < 0)
    assert form.proved_to == (4 if q < 0 else np.inf)


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_with_nonnegative_c_the_standard_network_reaches_its_dual_and_its_layers_have_rank_one(depth):
    rng = np.random.default_rng(7)
    c = np.abs(rng.standard_normal(7)) + 0.1
    data = Data(np.outer(c, rng.standard_normal(3)), 1.5 * c + 0.2 * rng.standard_normal(7), 0.05)
    run = train(
        parallel.network(4, data, depth=depth, activation="relu", standard=True), data, "lbfgs", range(6), steps=900
    )
    bound = strengths(data, "relu").dual(depth)
    assert bound.lower - 1e-9 <= run.value <= bound.upper + 1e-7
    for W in run.best.layers:
        s = np.linalg.svd(W.detach().numpy()[0], compute_uv=False)
        assert len(s) == 1 or s[1] <= 1e-4 * s[0]  # the objective's 1e-9 allows the square root of it


# ---- ReLU on whitened rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("K, value", [(2, 0.0595973), (3, 0.0893959), (8, 0.2383892)])
def test_standard_three_layers_on_one_hot_classes_have_the_catalogued_values(K, value):
    data = Data(np.eye(K), np.eye(K), 0.02)
    form = strengths(data, "relu")
    assert form.standard(3) == pytest.approx(value, abs=1e-7)
    assert form.dual(3).upper < value - 1e-3
    assert form.proved_to == 2
    if K < 8:
        assert best_standard(data, 8, range(9), activation="relu") == pytest.approx(value, abs=1e-6)


def test_standard_three_layers_with_one_output_have_the_catalogued_value():
    data = Data(np.eye(4), np.array([1, 1, -1, -0.5]), 0.05)
    form = strengths(data, "relu")
    assert form.standard(3) == pytest.approx(0.1731049, abs=1e-7)
    assert form.dual(3).upper < 0.1731049 - 1e-3
    value = best_standard(data, 6, range(9), 1500, activation="relu")
    assert form.standard(3) - 1e-9 <= value <= form.standard(3) + 1e-6
    positive = strengths(Data(np.eye(4), np.array([1, 1, 1, 0.5]), 0.05), "relu")
    assert positive.dual(3).lower == pytest.approx(positive.standard(3), abs=1e-9)


@pytest.mark.parametrize("depth, beta, value", [(3, 0.05, 0.299286), (4, 0.03, 0.222873)])
def test_branches_with_squared_decay_on_one_hot_labels_have_the_catalogued_values(depth, beta, value):
    rows = whiten_rows(np.random.default_rng(0).standard_normal((8, 10)))
    data = Data(rows, np.eye(3)[[0, 0, 0, 0, 1, 1, 1, 2]], beta)
    assert strengths(data, "relu").apart(depth) == pytest.approx(value, abs=1e-6)
    network = parallel.network(6, data, depth=depth, activation="relu", power=2)
    assert train(network, data, "lbfgs", range(9), steps=1200).value == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("depth, value", [(3, 1.012130), (4, 0.792742)])
def test_with_hidden_layers_of_a_fixed_norm_the_gauge_has_its_catalogued_value(depth, value):
    rows = whiten_rows(np.random.default_rng(0).standard_normal((8, 10)))
    form = strengths(Data(rows, np.eye(3)[[0, 0, 0, 0, 1, 1, 1, 2]], 0.3), "relu")
    assert form.gauge_value(0.3 * 1.3 ** -(depth - 2)) == pytest.approx(value, abs=1e-6)


def test_zero_data_have_nothing_to_fit():
    form = strengths(Data(np.zeros((3, 2)), np.ones(3), 0.1), "relu")
    assert form.standard(3) == form.parallel(3) == form.dual(3).lower == 1.5


def test_data_that_do_not_split_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="orthonormalise"):
        strengths(Data(rng.standard_normal((6, 3)), rng.standard_normal(6), 0.1))
    with pytest.raises(ValueError, match="neither rank one"):
        strengths(Data(rng.standard_normal((6, 3)), rng.standard_normal(6), 0.1), "relu")
    with pytest.raises(ValueError, match="one output"):
        strengths(Data(RAY, rng.standard_normal((6, 2)), 0.1), "relu")


# ---- shared layers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth, cost", [(3, 20.36), (4, 21.15), (5, 22.757), (6, 24.71), (8, 29.08)])
def test_ten_classes_through_five_neurons_cost_what_the_catalogue_says(depth, cost):
    shared, separate = (make("pairs of 5", depth) for make in (shared_network, separate_network))
    assert shared.penalty().item() == pytest.approx(cost, abs=5e-3)  # the catalogue gives two digits
    assert separate.penalty().item() == pytest.approx(5 * depth, rel=1e-12)
    assert (cost < 5 * depth) == (depth >= 5)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("depth", [3, 4, 5])
def test_both_networks_are_the_identity_and_the_cost_is_the_formula(design, depth):
    B = incidence(design)
    (n, v), k = B.shape, int(B[0].sum())
    products = B @ B.T - np.diag(np.full(n, k))
    assert products.max() == 1
    shared, separate = shared_network(design, depth), separate_network(design, depth)
    close(shared.predict(np.eye(n)), np.eye(n), 1e-12)
    close(separate.predict(np.eye(n)), np.eye(n), 1e-12)
    squares = [k * n, *[v] * (depth - 3), n / k**2 * (k + (v - k) / (k - 1) ** 2), n]
    assert shared.penalty().item() == pytest.approx(depth / 2 * np.prod(squares) ** (1 / depth), rel=1e-12)
    assert shared.norms().std() < 1e-12


def test_four_layers_are_enough_for_sharing_to_win_with_twenty_six_classes():
    shared, separate = (make("triples of 13", 4).penalty().item() for make in (shared_network, separate_network))
    assert shared == pytest.approx(50.8811, abs=1e-4)
    assert separate == pytest.approx(52.0, rel=1e-12)
    cubed = shared_network("triples of 13", 4, 4).penalty()
    assert cubed > separate_network("triples of 13", 4, 4).penalty()  # with power L the branches win


# ---- three layers on general data -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed, scale, b, value", [(11, 1.0, 0.2, 0.943248), (11, 1.0, 0.5, 1.880802),
                                                   (5, 1.5, 0.05, 1.812412)])  # fmt: skip
def test_three_layers_on_general_data_have_the_catalogued_values(seed, scale, b, value):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((4, 2))
    data = Data(X, scale * rng.standard_normal(4), b / 1.5)
    found = three_layer(data, precise)
    assert found.upper == pytest.approx(value, abs=1e-6)
    assert 0 <= found.upper - found.lower + 1e-12 <= 1e-6
    assert found.network.width <= 4
    assert found.network.objective(data) == found.upper
    assert found.network.power == 3
    narrow = solve(two_layer.program(Data(X, data.y, b)))
    assert found.upper < narrow.value  # a shared hidden layer fits more than single neurons


def test_no_three_layer_run_ends_below_the_bound_and_the_best_is_near():
    rng = np.random.default_rng(11)
    data = Data(rng.standard_normal((4, 2)), rng.standard_normal(4), 0.2 / 1.5)
    found = three_layer(data, precise)
    run = train(parallel.network(8, data, activation="relu"), data, "lbfgs", range(8), steps=800)
    assert found.lower - 1e-9 <= run.value <= found.upper + 1e-5


def test_one_pattern_for_both_neurons_of_a_branch_is_not_enough():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((4, 2))
    data = Data(X, 1.5 * rng.standard_normal(4), 0.05 / 1.5)
    found = three_layer(data, precise, shared_patterns_only(enumerate_groups(X, 2)))
    assert found.upper == pytest.approx(1.919970, abs=1e-6)  # 1.812412 with all groups


def test_a_large_beta_gives_the_zero_network_and_several_outputs_are_refused():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((4, 2)), rng.standard_normal(4)
    zero = three_layer(Data(X, y, 100.0), precise)
    assert zero.upper == pytest.approx(0.5 * y @ y)
    assert zero.lower == pytest.approx(zero.upper, abs=1e-9)
    with pytest.raises(ValueError, match="one output"):
        three_layer(Data(X, np.ones((4, 2)), 0.1), solve)
    with pytest.raises(ValueError, match="groups"):
        three_layer(Data(rng.standard_normal((12, 3)), rng.standard_normal(12), 0.1), solve)


def test_a_pull_of_rounding_size_has_no_sign():
    data = on_ray(1.0, 0.0)
    nudged = Data(RAY, data.y - 1e-17 * np.maximum(-C, 0), data.beta)
    for depth in (3, 5):
        assert strengths(nudged, "relu").standard(depth) == pytest.approx(strengths(data, "relu").standard(depth))
    assert strengths(nudged, "relu").meet
    assert not strengths(on_ray(1.0, -0.6), "relu").meet
