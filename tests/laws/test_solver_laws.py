"""Laws of `solve` on two-layer programs, for gated and ReLU networks: what must not matter does not matter."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from solved import TOL, agree, gaussian, solution

from convexnn import certify, operators, solve, solve_path
from convexnn.numerics import tensor
from convexnn.patterns import sample_patterns
from convexnn.solvers.contract import Options
from convexnn.solvers.fista import fista
from convexnn.theorems import two_layer
from convexnn.types import Point

both = pytest.mark.parametrize("activation", ["gated", "relu"])
seeds = pytest.mark.parametrize("seed", range(2))


@both
@seeds
def test_the_order_of_patterns_and_their_repetition_change_nothing(activation, seed):
    data = gaussian(seed)
    base = solution(data, activation)
    D = base.program.model.D
    order = np.random.default_rng(seed).permutation(D.shape[1])
    for patterns in (D[:, order], np.hstack([D, D[:, order[:5]]]), np.repeat(D, 2, axis=1)):
        agree(solution(data, activation, patterns=patterns), base)


@both
@seeds
def test_rows_and_features_may_be_permuted_rotated_or_padded(activation, seed):
    data, rng = gaussian(seed), np.random.default_rng(seed)
    base = solution(data, activation)
    D, order = base.program.model.D, rng.permutation(data.n)
    Q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    agree(solution(replace(data, X=data.X[order], y=data.y[order]), activation, patterns=D[order]), base)
    for X in (data.X @ Q, data.X[:, ::-1], np.hstack([data.X, np.zeros((data.n, 2))])):
        agree(solution(replace(data, X=X), activation, patterns=D), base)


@both
@seeds
def test_the_sign_of_the_targets_exchanges_the_signs_of_the_solution(activation, seed):
    """-Z for a gated network; v and w change places for ReLU. The mirrored point is as good, and so is its witness."""
    data = gaussian(seed)
    base, other = solution(data, activation), solution(replace(data, y=-data.y), activation)
    agree(base, other)
    half = len(base.Z) // 2
    mirrored = -base.Z if activation == "gated" else np.concatenate([base.Z[half:], base.Z[:half]])
    judged = certify(other.program, Point(mirrored, -base.certificate.v))
    assert abs(judged.upper - base.value) <= 1e-12 * max(1.0, base.value)
    assert judged.gap <= 2 * TOL


@both
@pytest.mark.parametrize("factor", [1e-2, 0.1, 1e3])
def test_targets_and_beta_in_other_units_scale_the_value_by_the_square(activation, factor):
    data = gaussian(3)
    scaled = replace(data, y=factor * data.y, beta=factor * data.beta)
    tol = TOL * min(1.0, factor**2)  # the gap is relative to max(1, value): small units ask for a smaller one
    agree(solution(scaled, activation, tol=tol), solution(data, activation), factor**2)


@both
def test_features_in_other_units_with_beta_change_nothing(activation):
    data = gaussian(4)
    for factor in (0.01, 100.0):
        other = replace(data, X=factor * data.X, beta=factor * data.beta)
        agree(solution(other, activation), solution(data, activation))


@both
@seeds
def test_more_patterns_never_raise_the_value(activation, seed):
    data = gaussian(seed, n=20, d=4, beta=0.1)
    D = sample_patterns(data.X, 40, seed=seed)
    values = [solution(data, activation, patterns=D[:, :P]) for P in (3, 8, 20, D.shape[1])]
    assert all(more.lower <= fewer.value + 1e-12 for fewer, more in pairwise(values))
    assert all(more.value <= fewer.value + 2 * TOL for fewer, more in pairwise(values))
    assert values[-1].value < values[0].value - 1e-3


@both
def test_gated_is_below_relu_and_zero_has_half_the_square(activation):
    data = gaussian(5)
    found = solution(data, activation)
    assert abs(found.program.objective(found.program.zeros()) - 0.5 * data.y @ data.y) <= 1e-12
    assert found.lower <= found.value <= 0.5 * data.y @ data.y
    gated = solution(data, "gated", patterns=found.program.model.D)
    assert gated.lower <= found.value
    assert gated.value <= found.value + 2 * TOL


@both
@seeds
def test_zero_is_the_solution_exactly_from_beta_max_on(activation, seed):
    data = gaussian(seed)
    threshold = two_layer.program(data, patterns=12, activation=activation).beta_max()
    assert not solution(replace(data, beta=threshold * (1 + 1e-9)), activation).active.any()
    below = solution(replace(data, beta=threshold * (1 - 1e-2)), activation)
    assert below.active.any()
    assert below.value < 0.5 * data.y @ data.y


@both
def test_a_path_has_the_values_of_cold_solves(activation):
    program = two_layer.program(gaussian(6), patterns=12, activation=activation)
    for warm in solve_path(program, count=5, ratio=1e-2, tol=TOL):
        cold = solve(warm.program, tol=TOL, device="cpu")
        assert warm.status == cold.status == "solved"
        agree(warm, cold)


@both
def test_the_chunks_of_the_passes_do_not_matter(activation, monkeypatch):
    whole = solution(gaussian(7), activation)
    monkeypatch.setattr(operators, "CHUNK_BYTES", 3 * 14 * 8)  # three patterns at a time
    parts = solution(gaussian(7), activation)
    judged = certify(whole.program, whole)
    assert abs(judged.upper - whole.value) <= 1e-12 * whole.value
    assert abs(judged.lower - whole.lower) <= 1e-12 * whole.value
    agree(whole, parts)


@both
@pytest.mark.parametrize("loss", ["squared", "hinge"])
def test_a_program_in_float32_has_the_value_of_float64(activation, loss):
    """`solve` works in float64 on the float32 data as they are; the data's own rounding moves the value a little."""
    data = gaussian(8)
    data = data if loss == "squared" else replace(data, y=np.sign(data.y))
    program = two_layer.program(data, patterns=12, activation=activation, loss=loss)
    single = solve(program.to("cpu", torch.float32), tol=1e-7, device="cpu")
    double = solve(program, tol=1e-7, device="cpu")
    assert single.status == double.status == "solved"
    assert abs(single.value - double.value) <= 1e-5 * max(1.0, double.value)  # 14 rows of relative error 6e-8


def test_first_order_steps_in_float32_end_near_the_optimum_and_the_judge_holds():
    program = two_layer.program(gaussian(9), patterns=12, activation="gated")
    point = fista(program.to("cpu", torch.float32), Options(1e-5, max_iterations=3000))
    judged, best = certify(program, point), solve(program, tol=TOL, device="cpu")
    assert judged.lower <= best.value and best.lower <= judged.upper
    assert judged.upper - best.value <= 1e-4 * best.value
    assert judged.gap <= 1e-3  # the dual vector lags in float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@both
@pytest.mark.parametrize("loss", ["squared", "squared_hinge", "hinge", "logistic"])
def test_the_gpu_has_the_value_of_the_cpu(activation, loss):
    data = gaussian(10)
    data = data if loss == "squared" else replace(data, y=np.sign(data.y))
    program = two_layer.program(data, patterns=12, activation=activation, loss=loss)
    cpu, gpu = (solve(program, tol=1e-7, device=device) for device in ("cpu", "cuda"))
    assert cpu.status == gpu.status == "solved"
    assert abs(cpu.value - gpu.value) <= 2e-7 * max(1.0, cpu.value)
    assert max(cpu.lower, gpu.lower) <= min(cpu.value, gpu.value)


@both
@seeds
def test_groups_that_are_zero_are_exactly_those_the_dual_leaves_slack(activation, seed):
    """|q_g| < beta by more than the dual's uncertainty rho |A_g| forces Z_g = 0 in every optimum (gap-safe rule)."""
    data = gaussian(seed, n=20, beta=1.0)
    found = solution(data, activation)
    program, v = found.program, tensor(found.certificate.v)
    lam = found.certificate.multipliers
    pulls = program.operator.adjoint(v) + (0 if lam is None else program.cone.adjoint(tensor(lam)))
    reach = (2 * (found.value - found.lower)) ** 0.5 * np.linalg.norm(data.X)
    safe = program.gauge.polar(pulls).numpy() + reach < program.beta
    assert safe.any() and found.active.any()
    largest = np.linalg.norm(found.Z[:, :, 0], axis=1)
    assert largest[safe].max() <= 1e-5 * largest.max()
    reference = two_layer.reference(data, patterns=program.model.D, activation=activation)
    reference.solve(solver="CLARABEL")
    v, w = (np.linalg.norm(x.value, axis=0) for x in reference.variables())
    sizes = v + w if activation == "gated" else np.concatenate([v, w])
    assert sizes[safe].max() <= 1e-5 * sizes.max()
