"""Losses: Fenchel-Young, gradients, conjugates, proxes and dual domains, against autograd and CVXPY."""

import inspect

import cvxpy as cp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tolerances import DIFFERENCES, MINIMISER, ROUNDING, VALUE, close

from convexnn import losses
from convexnn.losses import LOSSES, Loss, get_loss, project_simplex

NAMES = sorted(LOSSES)
MARGINS = ["hinge", "logistic", "squared_hinge"]
SMOOTH = [name for name in NAMES if name != "hinge"]
SEEDS = range(5)
any_seed = st.integers(0, 2**32 - 1)

REFERENCE = {
    "squared": lambda f, Y: 0.5 * cp.sum_squares(f - Y),
    "logistic": lambda f, Y: cp.sum(cp.logistic(-cp.multiply(Y, f))),
    "hinge": lambda f, Y: cp.sum(cp.pos(1 - cp.multiply(Y, f))),
    "squared_hinge": lambda f, Y: 0.5 * cp.sum_squares(cp.pos(1 - cp.multiply(Y, f))),
    "cross_entropy": lambda f, Y: cp.sum(cp.log_sum_exp(f, axis=1)) - cp.sum(cp.multiply(Y, f)),
}


def targets(name: str, rng: np.random.Generator, n: int = 5) -> torch.Tensor:
    if name == "squared":
        return torch.tensor(rng.normal(size=(n, 2)))
    if name == "cross_entropy":
        return torch.tensor(np.eye(3)[rng.integers(0, 3, n)])
    return torch.tensor(rng.choice([-1.0, 1.0], (n, 1)))


def case(name: str, rng: np.random.Generator, spread: float = 2.0):
    """A loss, predictions that are no kink of it, and its targets."""
    Y = targets(name, rng)
    return LOSSES[name], torch.tensor(spread * rng.normal(size=tuple(Y.shape))), Y


def in_domain(loss: Loss, Y: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """z with L*(z) finite; half of the entries fall on the boundary of the domain."""
    return -loss.into_domain(torch.tensor(1.5 * rng.normal(size=tuple(Y.shape))), Y)


def test_every_loss_of_the_module_is_tested_here():
    classes = [c for _, c in inspect.getmembers(losses, inspect.isclass) if issubclass(c, Loss)]
    assert {c.name for c in classes if not inspect.isabstract(c)} == set(NAMES) == set(REFERENCE)


@pytest.mark.parametrize("name", NAMES)
@given(seed=any_seed)
def test_fenchel_young_holds_everywhere(name, seed):
    rng = np.random.default_rng(seed)
    loss, f, Y = case(name, rng, spread=10.0)
    z = in_domain(loss, Y, rng)
    slack = float(loss.value(f, Y) + loss.conjugate(z, Y) - (f * z).sum())
    assert np.isfinite(slack)
    assert slack >= -1e-11 * float(1 + (f * z).abs().sum() + loss.value(f, Y))  # rounding of the three sums


@pytest.mark.parametrize("name", NAMES)
@given(seed=any_seed)
def test_fenchel_young_is_an_equality_at_the_gradient(name, seed):
    loss, f, Y = case(name, np.random.default_rng(seed), spread=10.0)
    z = loss.gradient(f, Y)
    close(loss.value(f, Y) + loss.conjugate(z, Y), (f * z).sum())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", SEEDS)
def test_fenchel_young_is_strict_away_from_the_gradient(name, seed, rng):
    loss, f, Y = case(name, rng)
    z = loss.gradient(f + 3 * torch.sign(f), Y)
    if float((z - loss.gradient(f, Y)).abs().max()) > 0.05:  # else the loss is flat there and the points agree
        assert float(loss.value(f, Y) + loss.conjugate(z, Y) - (f * z).sum()) > 1e-6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_gradient_is_the_central_difference_of_the_value(name, seed, rng):
    loss, f, Y = case(name, rng)
    gradient, h = loss.gradient(f, Y), 1e-6
    for index in np.ndindex(*f.shape):
        e = torch.zeros_like(f)
        e[index] = h
        close(gradient[index], (loss.value(f + e, Y) - loss.value(f - e, Y)) / (2 * h), DIFFERENCES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spread", [1.0, 1e3])
def test_the_gradient_is_what_autograd_finds(name, spread, rng):
    loss, f, Y = case(name, rng, spread)
    f.requires_grad_()
    close(loss.gradient(f, Y).detach(), torch.autograd.grad(loss.value(f, Y), f)[0])


@pytest.mark.parametrize("name", NAMES)
@given(seed=any_seed)
def test_the_gradient_supports_the_loss_from_below_also_at_kinks(name, seed):
    rng = np.random.default_rng(seed)
    loss, g, Y = case(name, rng)
    f = Y.clone() if rng.random() < 0.5 else case(name, rng)[1]  # f = Y is margin 1, the kink
    f = f if f.shape == g.shape else Y
    below = loss.value(f, Y) + (loss.gradient(f, Y) * (g - f)).sum()
    assert float(loss.value(g, Y) - below) >= -1e-11 * float(1 + below.abs())  # rounding


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_value_is_the_textbook_formula(name, seed, rng):
    loss, f, Y = case(name, rng)
    close(loss.value(f, Y), REFERENCE[name](cp.Constant(f.numpy()), Y.numpy()).value)


@pytest.mark.parametrize("name", NAMES)
def test_the_value_stays_finite_at_huge_predictions(name, rng):
    loss, f, Y = case(name, rng, spread=1e6)
    assert torch.isfinite(loss.value(f, Y))
    assert torch.isfinite(loss.gradient(f, Y)).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_conjugate_is_the_supremum(name, seed, rng):
    loss, _, Y = case(name, rng)
    z = 0.9 * in_domain(loss, Y, rng) if name != "cross_entropy" else loss.gradient(case(name, rng)[1], Y)
    f = cp.Variable(tuple(Y.shape))
    gauge = [cp.sum(f, axis=1) == 0] if name == "cross_entropy" else []  # softmax does not see a common shift
    found = cp.Problem(cp.Maximize(cp.sum(cp.multiply(z.numpy(), f)) - REFERENCE[name](f, Y.numpy())), gauge)
    close(loss.conjugate(z, Y), found.solve(solver="CLARABEL"), VALUE["CLARABEL"])


OUTSIDE = {
    "logistic": (-0.01, 1.01),
    "hinge": (-0.01, 1.01),
    "squared_hinge": (-0.01,),
}


@pytest.mark.parametrize(("name", "s"), [(name, s) for name, values in OUTSIDE.items() for s in values])
def test_the_conjugate_of_a_margin_loss_is_infinite_outside_its_domain(name, s, rng):
    loss, _, Y = case(name, rng)
    z = -Y * 0.5
    z[2] = -Y[2] * s
    ray = torch.zeros_like(Y)
    ray[2] = 1e6 * Y[2] * (1 if s < 0 else -1)
    assert float(loss.conjugate(z, Y)) == np.inf
    assert float((z * ray).sum() - loss.value(ray, Y)) > 1e3  # the supremum is unbounded on this ray


@pytest.mark.parametrize("outside", ["negative probability", "sum above one"])
def test_the_conjugate_of_cross_entropy_is_infinite_off_the_simplex(outside, rng):
    loss, _, Y = case("cross_entropy", rng)
    p = torch.full_like(Y, 1 / 3)
    p[1] = torch.tensor([-0.01, 0.51, 0.5]) if outside == "negative probability" else torch.tensor([0.34, 0.34, 0.33])
    ray = torch.zeros_like(Y)
    ray[1] = 1e6 * (torch.tensor([-1.0, 0.0, 0.0]) if outside == "negative probability" else torch.ones(3))
    assert float(loss.conjugate(p - Y, Y)) == np.inf
    assert float(((p - Y) * ray).sum() - loss.value(ray, Y)) > 1e3


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("step", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("spread", [1.0, 50.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_prox_of_a_smooth_loss_solves_p_plus_step_gradient_is_f(name, step, spread, seed, rng):
    loss, f, Y = case(name, rng, spread)
    p = loss.prox(f, Y, step)
    size = max(1.0, step, float(f.abs().max()))
    close((p + step * loss.gradient(p, Y)) / size, f / size)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("far", [90.0, 800.0, 1e6])
@pytest.mark.parametrize("step", [0.1, 1.0, 100.0])
def test_the_prox_of_cross_entropy_is_finite_where_the_exponential_underflows(dtype, far, step):
    f = torch.tensor([[far, 0.0], [0.0, far], [-far, far]], dtype=dtype)
    Y = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]], dtype=dtype)
    loss = LOSSES["cross_entropy"]
    p = loss.prox(f, Y, step)
    assert bool(torch.isfinite(p).all())
    close((p + step * loss.gradient(p, Y)) / (step + far), f / (step + far), ROUNDING[dtype])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_prox_is_the_minimiser_that_cvxpy_finds(name, step, seed, rng):
    loss, f, Y = case(name, rng)
    p = cp.Variable(tuple(f.shape))
    goal = REFERENCE[name](p, Y.numpy()) + cp.sum_squares(p - f.numpy()) / (2 * step)
    best = cp.Problem(cp.Minimize(goal)).solve(solver="CLARABEL")
    found = loss.prox(f, Y, step)
    close(loss.value(found, Y) + (found - f).square().sum() / (2 * step), best, VALUE["CLARABEL"])
    close(found, p.value, MINIMISER["CLARABEL"])


@pytest.mark.parametrize("step", [0.01, 1.0, 100.0])
@given(seed=any_seed)
def test_the_prox_of_the_hinge_has_a_subgradient_that_brings_it_back(step, seed):
    loss, f, Y = case("hinge", np.random.default_rng(seed))
    p = loss.prox(f, Y, step)
    s, margin = Y * (p - f) / step, Y * p  # s in [0, 1] is minus the subgradient in the margin
    assert float(s.min()) >= -1e-12
    assert float(s.max()) <= 1 + 1e-12
    assert bool((s[margin > 1 + 1e-9] == 0).all())
    close(s[margin < 1 - 1e-9], torch.ones_like(s[margin < 1 - 1e-9]))


@pytest.mark.parametrize("name", NAMES)
@given(seed=any_seed)
def test_into_domain_is_the_projection_on_where_the_dual_is_finite(name, seed):
    rng = np.random.default_rng(seed)
    loss, v, Y = case(name, rng)
    inside = loss.into_domain(v, Y)
    assert np.isfinite(float(loss.dual(inside, Y)))
    close(loss.into_domain(inside, Y), inside)
    for _ in range(5):
        other = -loss.gradient(case(name, rng)[1][: len(Y)].reshape(Y.shape), Y)  # any point of the domain
        assert float(((v - inside) * (other - inside)).sum()) <= 1e-10


@pytest.mark.parametrize("name", SMOOTH)
@given(seed=any_seed)
def test_smoothness_bounds_the_change_of_the_gradient(name, seed):
    rng = np.random.default_rng(seed)
    loss, f, Y = case(name, rng)
    g = f + torch.tensor(rng.normal(size=tuple(f.shape)) * 10.0 ** rng.uniform(-3, 1))
    change = (loss.gradient(f, Y) - loss.gradient(g, Y)).norm()
    assert float(change) <= loss.smoothness * float((f - g).norm()) * (1 + 1e-9)


ATTAINED = {  # (f, Y, direction) where the second derivative equals the constant
    "squared": ([[0.0]], [[0.0]], [[1.0]]),
    "logistic": ([[0.0]], [[1.0]], [[1.0]]),
    "squared_hinge": ([[-1.0]], [[1.0]], [[1.0]]),
    "cross_entropy": ([[0.0, 0.0]], [[1.0, 0.0]], [[1.0, -1.0]]),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_smoothness_is_attained_and_the_hinge_has_none(name):
    f, Y, e = (torch.tensor(value, dtype=torch.float64) for value in ATTAINED[name])
    loss, h = LOSSES[name], 1e-4
    change = (loss.gradient(f + h * e, Y) - loss.gradient(f - h * e, Y)).norm() / (2 * h * e.norm())
    close(change, loss.smoothness, 1e-6)  # the third-order term of the difference, h^2
    assert LOSSES["hinge"].smoothness == float("inf")


@given(seed=any_seed)
def test_the_simplex_projection_is_the_nearest_point(seed):
    rng = np.random.default_rng(seed)
    P = torch.tensor(rng.normal(size=(4, 5)) * 10.0 ** rng.uniform(-2, 2))
    Q = project_simplex(P)
    assert float(Q.min()) >= 0
    close(Q.sum(1), np.ones(4))
    corners = torch.eye(5, dtype=torch.float64)  # nearest iff <P - Q, corner - Q> <= 0 for every corner
    inner = (P - Q) @ corners.T - ((P - Q) * Q).sum(1, keepdim=True)
    assert float(inner.max()) <= 1e-11 * float(1 + P.abs().max())


@pytest.mark.parametrize("name", MARGINS)
def test_labels_zero_and_one_are_refused_with_the_cure(name):
    with pytest.raises(ValueError, match=r"y holds \[0\.0, 1\.0\].*-1 and \+1.*np\.where"):
        LOSSES[name].check_targets(torch.tensor([[0.0], [1.0]]))


@pytest.mark.parametrize(
    "Y",
    [
        [[0.5, 0.5]],
        [[1.0, 1.0]],
        [[0.0, 0.0]],
        [[2.0, -1.0]],
        [[1.0]],
    ],
)
def test_rows_that_are_not_one_hot_are_refused_with_the_cure(Y):
    with pytest.raises(ValueError, match=r"y has shape .*one-hot.*np\.eye"):
        LOSSES["cross_entropy"].check_targets(torch.tensor(Y))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_targets_that_are_not_finite_are_refused(name, bad):
    Y = targets(name, np.random.default_rng(0))
    Y[3, 0] = bad
    with pytest.raises(ValueError, match=r"y has 1 non-finite value\(s\), the first at index \(3, 0\)"):
        LOSSES[name].check_targets(Y)


@pytest.mark.parametrize("name", NAMES)
def test_good_targets_pass_and_a_loss_passes_through(name):
    LOSSES[name].check_targets(targets(name, np.random.default_rng(0)))
    assert get_loss(LOSSES[name]) is LOSSES[name] is get_loss(name)
