"""Gauges: polar inequality attained, Moreau's decomposition, homogeneity, and the cases where two gauges are one."""

import inspect
from itertools import pairwise

import cvxpy as cp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tolerances import MINIMISER, VALUE, close

from convexnn import gauges
from convexnn.gauges import L1, Frobenius, Gauge, GroupL2, Nuclear

GAUGES = {
    "l1": L1(),
    "group": GroupL2(),
    "group, free row": GroupL2(free=1),
    "group, two free rows": GroupL2(free=2),
    "frobenius": Frobenius(),
    "nuclear": Nuclear(),
}
any_seed = st.integers(0, 2**32 - 1)
every_gauge = pytest.mark.parametrize("name", GAUGES)


def draw(rng: np.random.Generator, shape: tuple[int, ...] = (3, 4, 2)) -> torch.Tensor:
    return torch.tensor(rng.normal(size=shape) * 10.0 ** rng.uniform(-2, 2))


def pull(gauge: Gauge, rng: np.random.Generator) -> torch.Tensor:
    """Q with no pull on the unpenalised rows."""
    Q = draw(rng)
    if gauge.free:
        Q[:, -gauge.free :] = 0
    return Q


def maximiser(name: str, Q: torch.Tensor) -> torch.Tensor:
    """One group: Z with N(Z) = 1 that attains <Q, Z> = polar(Q), from the textbook and not from the library."""
    Z, q = np.zeros(Q.shape), Q.numpy()
    if name == "l1":
        i = np.unravel_index(np.abs(q).argmax(), q.shape)
        Z[i] = np.sign(q[i])
    elif name.startswith("group"):
        k = np.linalg.norm(q, axis=0).argmax()
        Z[:, k] = q[:, k] / np.linalg.norm(q[:, k])
    elif name == "frobenius":
        Z = q / np.linalg.norm(q)
    else:
        U, _, Vt = np.linalg.svd(q)
        Z = np.outer(U[:, 0], Vt[0])
    return torch.tensor(Z)


def textbook(name: str, Z: cp.Expression) -> cp.Expression:
    """N of one group in CVXPY's atoms."""
    free = GAUGES[name].free
    head = Z[: Z.shape[0] - free]
    atoms = {"l1": lambda: cp.sum(cp.abs(Z)), "frobenius": lambda: cp.norm(Z, "fro"), "nuclear": lambda: cp.normNuc(Z)}
    return atoms.get(name, lambda: cp.sum(cp.norm(head, 2, axis=0)))()


def test_every_gauge_of_the_module_is_tested_here():
    defined = {c for _, c in inspect.getmembers(gauges, inspect.isclass) if issubclass(c, Gauge) and c is not Gauge}
    assert defined == {type(gauge) for gauge in GAUGES.values()}


@every_gauge
@given(seed=any_seed)
def test_the_value_is_the_sum_of_textbook_norms(name, seed):
    Z = draw(np.random.default_rng(seed))
    expected = [float(textbook(name, cp.Constant(group.numpy())).value) for group in Z]
    close(GAUGES[name].per_group(Z), expected)
    close(GAUGES[name].value(Z), sum(expected))


@every_gauge
@given(seed=any_seed)
def test_a_pull_is_at_most_its_polar_times_the_gauge(name, seed):
    rng, gauge = np.random.default_rng(seed), GAUGES[name]
    Q, Z = pull(gauge, rng), draw(rng)
    bound = gauge.polar(Q) * gauge.per_group(Z)
    assert bool(((Q * Z).sum((1, 2)) <= bound * (1 + 1e-12) + 1e-300).all())


@every_gauge
@given(seed=any_seed)
def test_the_polar_inequality_is_attained(name, seed):
    rng, gauge = np.random.default_rng(seed), GAUGES[name]
    Q = pull(gauge, rng)
    Z = torch.stack([maximiser(name, group) for group in Q])
    close(gauge.per_group(Z), np.ones(len(Z)))
    close((Q * Z).sum((1, 2)), gauge.polar(Q))


@pytest.mark.parametrize("free", [1, 2])
def test_a_pull_on_an_unpenalised_entry_is_infinite(free):
    Q = torch.zeros(2, 3, 2, dtype=torch.float64)
    Q[1, -free, 1] = 1e-9
    assert GroupL2(free).polar(Q).tolist() == [0.0, float("inf")]


@every_gauge
@given(seed=any_seed, step=st.floats(1e-3, 1e3))
def test_the_prox_is_optimal_by_its_subgradient(name, seed, step):
    """W = prox(Z) iff R = (Z - W) / step lies in the polar ball and <R, W> = gauge(W)."""
    gauge, Z = GAUGES[name], draw(np.random.default_rng(seed))
    W = gauge.prox(Z, step)
    R = (Z - W) / step
    if gauge.free:
        assert bool((R[:, -gauge.free :] == 0).all())
    size = max(1.0, float(Z.abs().max()) / step)
    assert float(gauge.polar(R).max()) <= 1 + 1e-10 * size
    close((R * W).sum((1, 2)), gauge.per_group(W), 1e-10 * size)


@every_gauge
@pytest.mark.parametrize("step", [0.3, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_prox_is_the_minimiser_that_cvxpy_finds(name, step, seed, rng):
    Z = torch.tensor(rng.normal(size=(1, 4, 2)))
    W = cp.Variable((4, 2))
    goal = step * textbook(name, W) + 0.5 * cp.sum_squares(W - Z[0].numpy())
    best = cp.Problem(cp.Minimize(goal)).solve(solver="CLARABEL")
    found = GAUGES[name].prox(Z, step)
    close(step * GAUGES[name].value(found) + 0.5 * (found - Z).square().sum(), best, VALUE["CLARABEL"])
    close(found[0], W.value, MINIMISER["CLARABEL"])


DUAL_BALL = {
    "l1": lambda Q: cp.max(cp.abs(Q)),
    "group": lambda Q: cp.max(cp.norm(Q, 2, axis=0)),
    "frobenius": lambda Q: cp.norm(Q, "fro"),
    "nuclear": lambda Q: cp.sigma_max(Q),
}


@pytest.mark.parametrize("name", DUAL_BALL)
@pytest.mark.parametrize("seed", [0, 1])
def test_prox_plus_projection_on_the_polar_ball_is_the_identity(name, seed, rng):
    Z = torch.tensor(rng.normal(size=(1, 4, 2)))
    Q = cp.Variable((4, 2))
    cp.Problem(cp.Minimize(cp.sum_squares(Q - Z[0].numpy())), [DUAL_BALL[name](Q) <= 0.7]).solve(solver="CLARABEL")
    close(GAUGES[name].prox(Z, 0.7)[0].numpy() + Q.value, Z[0], MINIMISER["CLARABEL"])


@every_gauge
@given(seed=any_seed, factor=st.floats(-1e3, 1e3))
def test_gauges_and_polars_are_homogeneous(name, seed, factor):
    rng, gauge = np.random.default_rng(seed), GAUGES[name]
    Z, Q = draw(rng), pull(gauge, rng)
    close(gauge.per_group(factor * Z), abs(factor) * gauge.per_group(Z))
    close(gauge.polar(factor * Q), abs(factor) * gauge.polar(Q))


@every_gauge
@given(seed=any_seed)
def test_gauges_obey_the_triangle_inequality(name, seed):
    rng, gauge = np.random.default_rng(seed), GAUGES[name]
    A, B = draw(rng), draw(rng)
    assert bool((gauge.per_group(A + B) <= (gauge.per_group(A) + gauge.per_group(B)) * (1 + 1e-12)).all())


@every_gauge
def test_the_prox_keeps_zero_and_removes_what_is_smaller_than_the_step(name):
    gauge, Z = GAUGES[name], torch.zeros(2, 4, 2, dtype=torch.float64)
    assert bool((gauge.prox(Z, 0.5) == 0).all())
    Z[1, 0, 0] = 0.4
    assert float(gauge.prox(Z, 0.5).abs().max()) <= 1e-15
    Z[1, 0, 0] = 0.6
    close(gauge.prox(Z, 0.5)[1, 0, 0], 0.1)


@given(seed=any_seed)
def test_groups_of_one_entry_are_the_l1_norm(seed):
    Z = draw(np.random.default_rng(seed), (6, 1, 1))
    for gauge in (GroupL2(), Frobenius(), Nuclear()):
        close(gauge.value(Z), L1().value(Z))
        close(gauge.polar(Z), L1().polar(Z))
        close(gauge.prox(Z, 0.4), L1().prox(Z, 0.4))


@given(seed=any_seed)
def test_with_one_column_frobenius_nuclear_and_group_l2_agree(seed):
    Z = draw(np.random.default_rng(seed), (3, 4, 1))
    for gauge in (Frobenius(), Nuclear()):
        close(gauge.per_group(Z), GroupL2().per_group(Z))
        close(gauge.polar(Z), GroupL2().polar(Z))
        close(gauge.prox(Z, 0.4), GroupL2().prox(Z, 0.4))


@given(seed=any_seed)
def test_l1_dominates_group_l2_dominates_nuclear_dominates_frobenius(seed):
    Z = draw(np.random.default_rng(seed))
    sizes = [gauge.per_group(Z) for gauge in (L1(), GroupL2(), Nuclear(), Frobenius())]
    for larger, smaller in pairwise(sizes):
        assert bool((larger >= smaller * (1 - 1e-12)).all())


@given(seed=any_seed)
def test_the_nuclear_and_frobenius_norms_are_invariant_under_rotations(seed):
    rng = np.random.default_rng(seed)
    Z = draw(rng)
    left, right = (torch.tensor(np.linalg.qr(rng.normal(size=(k, k)))[0]) for k in (4, 2))
    for gauge in (Nuclear(), Frobenius()):
        close(gauge.per_group(left @ Z @ right), gauge.per_group(Z))
        close(gauge.prox(left @ Z @ right, 0.4), left @ gauge.prox(Z, 0.4) @ right)
