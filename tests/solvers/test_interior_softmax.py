"""Cross entropy by the interior point: exponential cones agree, every iterate proves its bound, the rest is refused."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
import torch

from convexnn.certifying import certify
from convexnn.cones import FreeCone
from convexnn.gauges import Frobenius
from convexnn.numerics import tensor
from convexnn.solvers.contract import Options
from convexnn.solvers.interior_softmax import SoftmaxIterate, interior_softmax
from convexnn.solving import solve
from convexnn.theorems import two_layer
from convexnn.types import Data

ACTIVATIONS = ("gated", "relu")
CLARABEL = 1e-6  # the reference solver's own accuracy, relative


def program(n, d, P, c, share, seed=0, activation="relu"):
    rng = np.random.default_rng(seed)
    X, labels = rng.standard_normal((n, d)), rng.integers(0, c, n)
    made = two_layer.program(Data(X, np.eye(c)[labels], 1.0), loss="cross_entropy", patterns=P, activation=activation)
    return made.with_beta(share * made.beta_max())


def by_exponential_cones(made):
    """The optimum by a general conic solver, in the theorem's letters."""
    X, D, Y = made.operator.X.numpy(), made.operator.D.numpy(), made.Y.numpy()
    signs = made.operator.signs
    columns = [(s, i) for s in signs for i in range(D.shape[1])]
    U = [cp.Variable((X.shape[1], Y.shape[1])) for _ in columns]
    f = sum(s * np.diag(D[:, i]) @ X @ u for (s, i), u in zip(columns, U))
    penalty = sum(cp.sum(cp.norm(u, 2, axis=0)) for u in U)
    loss = cp.sum(cp.log_sum_exp(f, axis=1)) - cp.sum(cp.multiply(Y, f))
    inside = [np.diag(2 * D[:, i] - 1) @ X @ u >= 0 for (_, i), u in zip(columns, U)] if len(signs) == 2 else []
    return cp.Problem(cp.Minimize(loss + made.beta * penalty), inside).solve(solver=cp.CLARABEL)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("c", "share", "seed"), [(2, 0.3, 0), (3, 0.1, 1), (4, 0.02, 2)])
def test_exponential_cones_find_the_same_value(activation, c, share, seed):
    made = program(9, 3, 5, c, share, seed, activation)
    point = interior_softmax(made, Options(1e-8))
    expected = by_exponential_cones(made)
    assert abs(certify(made, point).upper - expected) <= CLARABEL * max(1.0, expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("share", [0.5, 0.05, 0.005])
def test_auto_certifies_a_millionth_with_the_interior_point(activation, share):
    solution = solve(program(40, 5, 12, 3, share, 3, activation))
    assert solution.status == "solved"
    assert solution.method == "interior"
    assert solution.gap <= 1e-6


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_iterate_is_dual_feasible_and_its_bounds_bracket_the_optimum(activation):
    made = program(20, 4, 8, 3, 0.1, 4, activation)
    optimum = solve(made, tol=1e-8).value
    iterate = SoftmaxIterate(made, 1e-8)
    for _ in range(10):
        iterate.advance()
        bounds = iterate.assess()
        pulls = made.operator.adjoint(bounds.v)
        if bounds.multipliers is not None:
            assert float(bounds.multipliers.min()) >= 0
            pulls = pulls + made.cone.adjoint(bounds.multipliers)
        assert float(pulls.norm(dim=1).max()) <= made.beta * (1 + 1e-12)
        assert float(bounds.v.sum(1).abs().max()) <= 1e-14
        assert bounds.lower <= optimum * (1 + 1e-9)
        assert bounds.upper >= optimum * (1 - 1e-9)


def test_two_classes_are_the_logistic_loss():
    """Only f_1 - f_2 matters to a softmax of two, and splitting it between the outputs costs what it costs in one."""
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((15, 3)), np.sign(rng.standard_normal(15))
    Y = np.column_stack([y > 0, y < 0]).astype(float)
    entropy = two_layer.program(Data(X, Y, 0.4), loss="cross_entropy", patterns=8, seed=1)
    logistic = two_layer.program(Data(X, y, 0.4), loss="logistic", patterns=8, seed=1)
    assert solve(entropy).value == pytest.approx(solve(logistic.with_beta(0.4)).value, rel=2e-6)


def test_classes_may_be_renamed():
    made = program(20, 3, 8, 3, 0.1, 6)
    renamed = replace(made, Y=made.Y[:, torch.tensor([2, 0, 1])])
    assert solve(made).value == pytest.approx(solve(renamed).value, rel=2e-6)


def test_separable_data_with_a_tiny_beta_stay_inside_the_simplex():
    X = np.vstack([np.eye(3)] * 4) + 0.01 * np.random.default_rng(7).standard_normal((12, 3))
    made = two_layer.program(Data(X, np.tile(np.eye(3), (4, 1)), 1e-3), loss="cross_entropy", patterns=8)
    solution = solve(made)
    assert solution.status == "solved"
    p = made.Y - tensor(solution.certificate.v)
    assert float(p.min()) >= 0


class OneRow(FreeCone):
    """A cone with a row, of a kind that no interior point here knows."""

    def rows(self, Z):
        return Z[:, :1]


def test_other_programs_are_refused():
    made = program(9, 3, 5, 3, 0.1)
    with pytest.raises(ValueError, match="is for cross entropy, not for the squared loss"):
        squared = two_layer.program(Data(np.eye(3), np.ones(3), 0.1), patterns="all")
        interior_softmax(squared, Options())
    with pytest.raises(ValueError, match="needs a GatedOperator and GroupL2"):
        interior_softmax(replace(made, gauge=Frobenius()), Options())
    with pytest.raises(ValueError, match="knows pattern cones, not OneRow"):
        interior_softmax(replace(made, cone=OneRow()), Options())
