"""The weighted loss: whole weights are repeated rows, its dual and prox are those of the sum it says it is."""

import numpy as np
import pytest
import torch
from tolerances import close

from convexnn.losses import LOSSES, get_loss
from convexnn.solving import solve
from convexnn.theorems import two_layer
from convexnn.types import Data
from convexnn.weighted_loss import Weighted

NAMES = [name for name in LOSSES if name != "squared"]


def instance(name, n=7, seed=0):
    rng = np.random.default_rng(seed)
    f = torch.tensor(rng.standard_normal((n, 3)))
    labels = rng.integers(3, size=n)
    Y = np.eye(3)[labels] if name == "cross_entropy" else np.where(np.eye(3)[labels] > 0, 1.0, -1.0)
    return f, torch.tensor(Y), rng.integers(1, 4, size=n)


@pytest.mark.parametrize("name", NAMES)
def test_whole_weights_are_repeated_rows(name):
    f, Y, w = instance(name)
    rows = np.repeat(np.arange(len(w)), w)
    loss, plain = Weighted(get_loss(name), w.astype(float)), get_loss(name)
    close(float(loss.value(f, Y)), float(plain.value(f[rows], Y[rows])))
    v = -loss.gradient(f, Y)
    close(float(loss.dual(v, Y)), float(plain.dual(-plain.gradient(f, Y)[rows], Y[rows])))


@pytest.mark.parametrize("name", NAMES)
def test_fenchel_young_holds_with_equality_at_the_gradient(name):
    f, Y, w = instance(name, seed=1)
    loss = Weighted(get_loss(name), w.astype(float))
    z = loss.gradient(f, Y)
    close(float(loss.value(f, Y) + loss.conjugate(z, Y)), float((f * z).sum()))
    other = instance(name, seed=2)[0]
    assert float(loss.value(other, Y) + loss.conjugate(z, Y)) >= float((other * z).sum()) - 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_the_prox_is_stationary(name):
    f, Y, w = instance(name, seed=3)
    loss = Weighted(get_loss(name), w.astype(float))
    p = loss.prox(f, Y, 0.7)
    if name == "hinge":  # not smooth: compare values instead of gradients
        best = float(loss.value(p, Y) + (p - f).square().sum() / 1.4)
        for seed in range(20):
            q = p + 1e-3 * instance(name, seed=seed)[0]
            assert best <= float(loss.value(q, Y) + (q - f).square().sum() / 1.4)
        return
    close(p + 0.7 * loss.gradient(p, Y), f, 1e-9)  # Newton inside the prox stops at 1e-12 or so


@pytest.mark.parametrize("name", NAMES)
def test_a_dual_vector_outside_the_domain_is_brought_inside(name):
    _, Y, w = instance(name, seed=4)
    loss = Weighted(get_loss(name), w.astype(float))
    assert np.isinf(float(loss.dual(-20.0 * Y - 7.0, Y)))
    assert np.isfinite(float(loss.dual(loss.into_domain(-20.0 * Y - 7.0, Y), Y)))


@pytest.mark.parametrize("activation", ["gated", "relu"])
def test_the_program_with_weights_has_the_value_of_the_program_with_repeated_rows(activation):
    rng = np.random.default_rng(0)
    X, y, w = rng.standard_normal((12, 2)), rng.choice([-1.0, 1.0], 12), rng.integers(1, 4, 12)
    D = two_layer.program(Data(X, y, 0.3), 8, loss="logistic").model.D
    weighted = two_layer.program(Data(X, y, 0.3), D, activation, loss=Weighted(get_loss("logistic"), w.astype(float)))
    rows = np.repeat(np.arange(12), w)
    repeated = two_layer.program(Data(X[rows], y[rows], 0.3), D[rows], activation, loss="logistic")
    method = "fista" if activation == "gated" else "admm"
    found = solve(weighted, method=method)
    assert found.status == "solved"
    close(found.value, solve(repeated).value, 2e-6)  # two solves, each within 1e-6


def test_weights_that_are_none_are_refused():
    with pytest.raises(ValueError, match="not positive"):
        Weighted(get_loss("logistic"), np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="squared"):
        Weighted(get_loss("squared"), np.ones(2))
    loss = Weighted(get_loss("logistic"), np.ones(3))
    with pytest.raises(ValueError, match="2 rows but there are 3 weights"):
        loss.check_targets(torch.ones(2, 1))
