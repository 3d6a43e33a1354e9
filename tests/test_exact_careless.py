"""The rational certificate with a careless float judge and a careless projection: nothing they say is believed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from test_exact_trust import assert_proved, instance

from convexnn import Data, Point, certify, certify_exactly, solve
from convexnn.theorems import two_layer


def with_witness(monkeypatch, program, v, lam=None):
    """certify_exactly where the judge hands on v and lambda as they are and claims the moon."""
    judged = replace(certify(program, program.zeros().numpy()), v=v, multipliers=lam, lower=1e9)
    monkeypatch.setattr("convexnn.exact.certify", lambda *_: judged)
    return certify_exactly(program, program.zeros().numpy())


@pytest.mark.parametrize("loss", ["squared", "hinge", "squared_hinge"])
@pytest.mark.parametrize("activation", ["relu", "gated"])
@pytest.mark.parametrize("factor", [-1.0, 1.5, 40.0])
def test_levels_outside_the_domain_and_pulls_beyond_beta_are_cut(loss, activation, factor, monkeypatch):
    data = instance(3, loss, 2)
    program = two_layer.program(data, activation=activation, loss=loss)
    for column in (0, 1):
        v = 1e-6 * data.y
        v[:, column] = factor * data.y[:, column]
        for beta in (data.beta, 1e3):  # with the second one only the domain is in the way
            exact = with_witness(monkeypatch, program.with_beta(beta), v)
            assert_proved(replace(data, beta=beta), program, exact, loss, 2 if activation == "relu" else 1)


@pytest.mark.parametrize("seed", range(20))
def test_a_witness_whose_shortened_floats_still_fail_is_shortened_again(seed, monkeypatch):
    """With features a, a + eps b rounding v moves a pull by far more than its own last place."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 30))
    eps = 10 ** rng.uniform(-8, -5)
    data = Data(np.column_stack([a, a + eps * b]), b, eps * 10 ** rng.uniform(-2, 0.5))
    program = two_layer.program(data, activation="gated", patterns=np.ones((30, 1), bool))
    w = np.linalg.lstsq(np.vstack([data.X, eps * np.eye(2)]), np.append(b, [0, 0]), rcond=None)[0]
    assert_proved(data, program, with_witness(monkeypatch, program, (b - data.X @ w)[:, None]), "squared", 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_point_far_outside_its_cones_is_no_upper_bound(seed, monkeypatch):
    """The gated optimum lies below the ReLU one. Without the projection of the judge it must still not be believed."""
    monkeypatch.setattr("convexnn.exact.feasible", lambda program, Z: Z)
    data = instance(seed)
    program = two_layer.program(data)
    gated = solve(two_layer.program(data, activation="gated", patterns=program.model.D), tol=1e-6, device="cpu").Z
    cheat = np.concatenate([gated, 0 * gated])
    optimum = solve(program, tol=1e-7, device="cpu")
    assert program.objective(torch.tensor(cheat)) < optimum.lower - 1e-3
    assert certify_exactly(program, cheat).upper >= optimum.lower


@pytest.mark.parametrize("seed", range(20))
def test_multipliers_that_cancel_are_known_to_rounding_only(seed):
    """On a pattern without a cell lambda and lambda + 1e8 nu prove the same, but not in float64."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((10, 2)), rng.standard_normal(10)
    D = (np.arange(10) % 2 == 0)[:, None]
    program = two_layer.program(Data(X, y, 1e-9), patterns=D)
    G = np.where(D, 1.0, -1.0) * X
    nu, miss = nnls(np.vstack([G.T, np.ones(10)]), np.array([0.0, 0.0, 1.0]))
    assert miss < 1e-12, "the pattern has a cell after all"
    lam = np.stack([nnls(G.T, -s * (X * D).T @ y)[0] + 1e8 * nu for s in (1.0, -1.0)])[:, :, None]
    point = Point(program.zeros().numpy(), y[:, None], lam)
    for beta in 10.0 ** np.arange(-12, -5):
        there = program.with_beta(float(beta))
        assert certify(there, point).lower <= certify_exactly(there, point).lower
