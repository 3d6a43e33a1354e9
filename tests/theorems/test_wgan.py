"""Wasserstein GANs: known values, both sides of the game, and where the theorem stops."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tolerances import VALUE, close

from convexnn import Data, certify, solve
from convexnn.theorems import wgan
from convexnn.theorems.wgan import brute_force, counterexamples, moments, saddle
from convexnn.theorems.wgan.closed_form import lifted, linear_form, quadratic_form
from convexnn.theorems.wgan.line import gap_at_kinks, gap_integral, gap_sorted, solve_line
from convexnn.theorems.wgan.polynomial import solve_moments, with_moments
from convexnn.theorems.wgan.relu_generator import min_norm_generator, spectrum_output
from convexnn.theorems.wgan.second_moments import GeneratorAnswer, judge_players
from convexnn.theorems.wgan.wide_generator import descent_on_means

#: Seven printed digits of values that were computed by others, relative.
PRINTED = 1e-6


def draws() -> tuple[np.ndarray, np.ndarray]:
    """X (12, 4) with columns of falling scale, Z (12, 5), in this order from numpy's generator 301."""
    rng = np.random.default_rng(301)
    return rng.standard_normal((12, 4)) * np.array([2, 1.2, 0.7, 0.3]), rng.standard_normal((12, 5))


def random_game(seed: int, n: int = 10, d: int = 4, p: int = 6) -> tuple[np.ndarray, np.ndarray, float]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * rng.uniform(0.1, 1.5, d) / np.sqrt(n)
    return X, rng.standard_normal((n, p)), float(rng.uniform(0.05, 0.5) * np.linalg.norm(X, 2) ** 2)


# ---- known values ---------------------------------------------------------------------------------------------------


def test_the_quadratic_game_has_the_known_value_under_both_penalties():
    X, Z = draws()
    close(np.linalg.svd(X)[1] ** 2, [105.74191, 21.31398, 3.53358, 0.22765], 1e-7)
    close(quadratic_form(X, Z, 3.0, 2.0).value, 121.5894749, PRINTED)
    close(quadratic_form(X, Z, 3.0, 2.0, "weights").value, 5.9730506, PRINTED)


def test_the_linear_game_has_the_known_value_for_both_generators():
    X, Z = draws()
    close(linear_form(X, 3.0, 2.0).value, 3.1321987, PRINTED)
    close(linear_form(X, 3.0, 2.0, Z).value, 7.6750102, PRINTED)


def test_the_line_has_the_known_rows():
    x = np.sort(np.random.default_rng(303).standard_normal(4))
    w, value = solve_line(x, 0.6, 2.0)
    close(value, 0.7426783, PRINTED)
    close(w, [-0.52127, -0.52127, -0.44636, 0.0], 1e-5)  # five printed decimals
    close([gap_at_kinks(x, w), gap_sorted(x, w), gap_integral(x, w)], [0.6] * 3, VALUE["CLARABEL"])


def test_the_polynomial_game_has_the_known_value_and_a_sample_with_its_moments():
    X = np.random.default_rng(304).standard_normal((10, 2)) + 0.5
    found = solve_moments(X, 1.0, 2.0)
    close(found.value, 8.7128229, PRINTED)
    close(found.G.T @ found.G, found.S, 1e-7)
    close(found.G.sum(0), found.mu, 1e-7)
    close(moments.polynomial(X, found.G), 1.0, VALUE["CLARABEL"])


# ---- both sides of the quadratic game -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weight", [1.0, 0.4])
def test_the_closed_form_is_the_semidefinite_program_and_a_saddle(seed, weight):
    X, Z, beta = random_game(seed)
    form = quadratic_form(X, Z, beta, weight)
    assert form.rank >= 1
    problem = wgan.reference(Data(X, Z, beta), weight)
    close(-problem.solve(solver="CLARABEL"), form.value, VALUE["CLARABEL"])
    close(form.G, Z @ form.W)
    close(moments.quadratic(X, form.G), beta)
    judged = judge_players(X, beta, form.G.T @ form.G, form.Q, weight)
    assert judged.gap <= 1e-12
    assert judged.lower <= form.value + 1e-12
    assert brute_force.least_regret(X, Z, form, beta, weight, 200, seed) >= -1e-12
    close(brute_force.payoff(X, Z, form.W, form.Q, beta, weight), form.value)


@pytest.mark.parametrize("weight", [1.0, 0.4])
def test_the_program_is_minus_the_game_and_its_dual_vector_is_the_generator(weight):
    X, Z, beta = random_game(7)
    data = Data(X, Z, beta)
    solution = solve(wgan.program(data, weight), tol=1e-8, device="cpu")
    assert solution.status == "solved"
    form = quadratic_form(X, Z, beta, weight)
    close(solution.value, -form.value, 1e-7)
    close(X.T @ X - solution.certificate.v, form.G.T @ form.G, 1e-4)  # the minimiser, root of the gap
    assert certify(wgan.program(data, weight), form.Q[None], [X.T @ X - form.G.T @ form.G]).gap <= 1e-9
    close(Z @ wgan.generator(data, weight), form.G)
    network = wgan.recover(data, solution)
    close(network.discriminate(torch.as_tensor(X.copy())).detach(), np.einsum("ni,ij,nj->n", X, solution.Z[0], X), 1e-7)


def test_the_judge_of_players_never_crosses_the_value():
    X, Z, beta = random_game(8)
    form, rng = quadratic_form(X, Z, beta), np.random.default_rng(0)
    for _ in range(200):
        B, Q = rng.standard_normal((2, 4, 4)) * rng.uniform(0.1, 1)
        judged = judge_players(X, beta, B.T @ B, Q + Q.T)
        assert judged.lower <= form.value + 1e-12
        assert judged.upper >= form.value - 1e-12
    with pytest.raises(ValueError, match="negative eigenvalue"):
        judge_players(X, beta, -np.eye(4), form.Q)


def test_the_generator_answer_keeps_the_laws_of_a_loss():
    rng, loss = np.random.default_rng(3), GeneratorAnswer(0.5, 3.0)
    for _ in range(30):
        F, V, B = (torch.as_tensor(M + M.T) for M in rng.standard_normal((3, 3, 3)))
        Y = B @ B.T
        z = -loss.into_domain(V, Y)
        assert torch.isfinite(loss.conjugate(z, Y))
        assert loss.value(F, Y) + loss.conjugate(z, Y) >= (F * z).sum() - 1e-9  # Fenchel and Young
        g = loss.gradient(F, Y)
        close(loss.value(F, Y) + loss.conjugate(g, Y), (F * g).sum(), 1e-9)
        p = loss.prox(F, Y, 0.7)
        q = (F - p) / 0.7  # a subgradient at the proximal point
        close(loss.value(p, Y) + loss.conjugate(q, Y), (p * q).sum(), 1e-9)


def test_too_few_latents_are_infeasible_and_say_what_would_do():
    X, _ = draws()
    thin = np.random.default_rng(0).standard_normal((12, 2))
    with pytest.raises(ValueError, match="rank 2, but 3 squared singular values") as caught:
        quadratic_form(X, thin, 3.0)
    needed = float(str(caught.value).split(">=")[1])
    close(quadratic_form(X, thin, needed * 1.001).rank, 2)
    with pytest.raises(ValueError, match="no generator is feasible"):
        wgan.assumptions(Data(X, thin, 3.0))


def test_polynomial_generators_are_linear_in_lifted_latents():
    X, _ = draws()
    z = np.random.default_rng(0).standard_normal((12, 2))
    assert lifted(z).shape == (12, 6)
    with pytest.raises(ValueError, match="rank 2"):
        quadratic_form(X, z, 3.0, 2.0)
    close(quadratic_form(X, lifted(z), 3.0, 2.0).value, 121.5894749, PRINTED)


@pytest.mark.parametrize("seed", range(3))
def test_the_weight_penalty_has_no_cheaper_random_generator(seed):
    X, Z, beta = random_game(seed, n=12, d=3, p=4)
    form = quadratic_form(X, Z, beta, 2.0, "weights")
    close((form.W**2).sum(), form.value)
    costs = brute_force.random_generators(X, Z, beta, 400, seed)
    assert len(costs) > 50
    assert costs.min() >= form.value - 1e-9
    assert quadratic_form(X, Z, beta, 2.0).W.shape == form.W.shape


def test_the_weight_penalty_is_stationary_and_no_saddle():
    X, Z = draws()
    form, A = quadratic_form(X, Z, 3.0, 2.0, "weights"), Z.T @ Z
    close(2.0 * form.W, 2 * A @ form.W @ form.Q)
    curvature = 2.0 - 2 * np.linalg.eigvalsh(A)[-1] * np.linalg.eigvalsh(form.Q)[-1]
    assert curvature < -0.1


@pytest.mark.parametrize("free", [True, False])
def test_the_linear_form_is_the_cone_program_and_collapses(free):
    X, Z = draws()
    form = linear_form(X, 3.0, 1.3, None if free else Z)
    basis = np.eye(12) if free else Z
    close(brute_force.linear_program(X, basis, 3.0, 1.3).solve(solver="CLARABEL"), form.value, VALUE["CLARABEL"])
    close(moments.linear(X, form.G), 3.0)
    close(0.5 * 1.3 * (form.G**2).sum(), form.value)
    assert np.linalg.matrix_rank(form.G) == 1
    if free:
        close(form.G, np.tile(form.G[0], (12, 1)))


# ---- other discriminators -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", moments.KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_gap_is_the_maximum_on_a_dense_grid(kind, seed):
    rng = np.random.default_rng(seed)
    X, G = rng.standard_normal((6, 2)) + 0.3, rng.standard_normal((6, 2))
    grid = brute_force.gap_on_circle(kind, X, G)
    close(moments.gap(kind, X, G), grid, 1e-5 if kind == "relu" else 1e-8)  # a kink between grid points costs the step
    assert moments.gap(kind, X, G) >= grid - 1e-9


def test_the_ball_bound_is_attained_at_a_stationary_point():
    rng = np.random.default_rng(1)
    for _ in range(10):
        A = rng.standard_normal((4, 4))
        A, b = A + A.T, rng.standard_normal(4)
        U = rng.standard_normal((4, 200000))
        U /= np.maximum(np.linalg.norm(U, axis=0), 1)
        best = (np.einsum("ik,ij,jk->k", U, A, U) + b @ U).max()
        assert best - 1e-9 <= moments.on_ball(A, b, 0.0) <= best + 0.25  # random search in four dimensions is coarse


def test_three_expressions_of_the_gap_on_a_line_agree():
    rng = np.random.default_rng(2)
    for n in (1, 3, 8, 40):
        x, w = rng.standard_normal(n), rng.standard_normal(n) * 2
        close([gap_sorted(x, w), gap_integral(x, w)], [gap_at_kinks(x, w)] * 2, 1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_no_random_feasible_rows_beat_the_quadratic_program(seed):
    x = np.random.default_rng(seed).standard_normal(5)
    w, value = solve_line(x, 0.5)
    rows = brute_force.random_rows(x, 0.5, 300, seed)
    assert max(gap_at_kinks(x, row) for row in rows) <= 0.5
    assert (0.5 * (rows**2).sum(1)).min() >= value - 1e-7
    assert (np.diff(w) >= -1e-7).all()


def test_relu_discriminators_have_a_disconnected_set_and_a_blind_spot():
    _, found = counterexamples.gaps_along(*counterexamples.disconnected(), 5)
    close(found, [0, 0.5, 1, 0.5, 0])
    X = counterexamples.skewed(6, 2, 0)
    assert moments.relu(X, -X) <= 1e-12
    assert np.linalg.norm(np.sort(X, axis=0) - np.sort(-X, axis=0)) > 0.5
    assert moments.relu(X, -X + 0.1) > 0.05


@pytest.mark.parametrize("seed", range(2))
def test_the_two_steps_make_the_output_at_the_price_of_the_program(seed):
    rng = np.random.default_rng(seed)
    Z, X = np.column_stack([rng.standard_normal((5, 1)), np.ones(5)]), rng.standard_normal((5, 2))
    prices = []
    for basis in (np.linalg.qr(Z)[0], np.linalg.qr(rng.standard_normal((5, 2)))[0]):
        G = spectrum_output(X, 0.3, basis)
        close(moments.quadratic(X, G), 0.3)
        generator, price = min_norm_generator(Z, G)
        close(generator.generate(Z), G, VALUE["CLARABEL"])
        close(generator.cost, price, 1e-5)  # CLARABEL's neurons below 1e-7 are dropped
        prices.append(price)
    assert prices[0] < 0.9 * prices[1]
    with pytest.raises(ValueError, match="append a 1"):
        min_norm_generator(np.array([[1.0], [2.0]]), np.array([[1.0], [-1.0]]))


# ---- players --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_primal_dual_method_closes_the_judged_gap(seed):
    X, Z, beta = random_game(seed)
    play = saddle.primal_dual(X, beta, 0.7, steps=5000)
    assert judge_players(X, beta, play.S, play.Q, 0.7).gap <= 1e-6
    close(0.35 * np.trace(play.S), quadratic_form(X, Z, beta, 0.7).value, 1e-6)


@pytest.mark.parametrize("method", saddle.METHODS)
def test_descent_ascent_keeps_a_gap_open_and_diverges_at_large_steps(method):
    X, Z, beta = random_game(1)
    play = saddle.descent_ascent(X, Z, beta, method, 0.1, 1500)
    assert 1e-6 < play.gaps[-1] <= 1.0
    assert np.isinf(saddle.descent_ascent(X, Z, beta, method, 3.0, 1500).values[-1])


@pytest.mark.parametrize("seed", range(3))
def test_alternating_steps_circle_within_five_per_cent_of_the_value_and_do_not_settle(seed):
    rng = np.random.default_rng(0)
    X, Z = rng.standard_normal((12, 3)) * np.array([2, 1.2, 0.7]) / np.sqrt(12), rng.standard_normal((12, 4))
    beta = 0.1 * float(np.linalg.norm(X, 2)) ** 2
    value = quadratic_form(X, Z, beta).value
    play = saddle.descent_ascent(X, Z, beta, "alternating", 0.1, 3000, seed=seed)
    tail = play.values[-len(play.values) // 4 :] / value
    assert np.abs(tail - 1).max() < 0.05
    assert np.ptp(tail) > 1e-4
    wide = saddle.descent_ascent(X, Z, beta, "simultaneous", 0.1, 3000, seed=seed)
    assert np.ptp(wide.values[-len(wide.values) // 4 :] / value) > 2 * np.ptp(tail)
    last = saddle.descent_ascent(X, Z, beta, "alternating", 0.5, 3000, seed=seed).values[-1]
    assert np.isinf(last) or last < 1e-6 * value, "a large step diverges, or collapses to no generator at all"


def test_gradients_of_the_players_are_those_of_the_payoff():
    X, Z, _ = random_game(2)
    W, U, v = (torch.tensor(a, requires_grad=True) for a in saddle.start(4, 6, 5, 0))
    Xt, Zt = torch.tensor(X), torch.tensor(Z)
    G = Zt @ W
    value = (((Xt @ U.T) ** 2).sum(0) - ((G @ U.T) ** 2).sum(0)) @ v + 0.35 * (G**2).sum()
    value.backward()
    found = saddle.gradients(tuple(a.detach().numpy() for a in (W, U, v)), X.T @ X, Z.T @ Z, 0.7)
    close(found[0], W.grad)
    close(found[1], U.grad)
    close(found[2], v.grad)


def test_wide_generators_converge_at_the_rate_of_their_kernel():
    Z, target = np.random.default_rng(0).standard_normal((20, 5)), np.array([1.0, -2.0, 0.5])
    wide = descent_on_means(target, Z, 1024)
    assert wide.distances[-1] < 1e-12
    assert abs(np.log(wide.rate) / np.log(wide.predicted) - 1) < 0.1
    narrow = descent_on_means(target, Z, 2)
    assert narrow.distances[-1] > 0.1
    close(narrow.predicted, 1.0)  # a kernel of rank two on three columns


# ---- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: wgan.program(d, weight=0.0), "weight is 0.0"),
        (lambda d: wgan.assumptions(Data(d.X, d.X[:, 0], 1.0)), "takes samples"),
        (lambda d: wgan.assumptions(3), "data is a int"),
        (lambda d: wgan.objective(torch.nn.Linear(2, 2), d), "not a convexnn Network"),
        (lambda d: moments.gap("cubic", d.X, d.X), "kind is 'cubic'"),
        (lambda d: moments.gap("relu", d.X, d.X[:-1]), "generate as many"),
        (lambda d: moments.gap("relu", d.X, d.X * np.nan), "non-finite"),
        (lambda d: quadratic_form(d.X, d.y, 1.0, penalty="weigths"), "Did you mean 'weights'"),
        (lambda d: linear_form(d.X + 1, 0.1, Z=d.y - d.y.mean(0)), "column sums zero"),
        (lambda d: solve_moments(d.X[:3], 1.0), "n >= d \\+ 1"),
        (lambda d: solve_line(d.X, 1.0), "as a vector"),
        (lambda d: spectrum_output(d.X, 0.01, d.y), "orthonormal columns"),
        (lambda d: saddle.descent_ascent(d.X, d.y, 0.1, "sim"), "method is 'sim'"),
        (lambda d: brute_force.gap_on_circle("x", d.X, d.X), "kind is 'x'"),
    ],
)
def test_what_is_outside_the_theorem_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call(wgan.sample("tiny"))


def test_a_solution_of_other_data_is_not_recovered():
    data = wgan.sample("tiny")
    solution = solve(wgan.program(data), device="cpu")
    with pytest.raises(ValueError, match="not the X of the solution's program"):
        wgan.recover(replace(data, X=2 * data.X), solution)


def test_a_sample_is_built_from_any_moments():
    rng = np.random.default_rng(5)
    A = rng.standard_normal((7, 3)) + 1
    G = with_moments(A.T @ A, A.sum(0), 7)
    close(G.T @ G, A.T @ A)
    close(G.sum(0), A.sum(0))
