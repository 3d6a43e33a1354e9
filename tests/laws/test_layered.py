"""Laws of the doubly gated operator and its product cone, against explicit matrices."""

import numpy as np
import pytest
import torch
from tolerances import close

from convexnn import Data, certify, solve
from convexnn.gauges import Frobenius, GroupL2
from convexnn.layered import LayeredCone, LayeredOperator
from convexnn.theorems.shared.layered_patterns import enumerate_groups, groups_of, sample_groups
from convexnn.theorems.shared.layered_program import layered_program


@pytest.fixture
def parts():
    X = np.random.default_rng(0).standard_normal((6, 3))
    groups = sample_groups(X, 2, 20, seed=1)
    tensors = [torch.as_tensor(np.asarray(a, dtype=float)) for a in (X, groups.D1, groups.D2, groups.s)]
    return LayeredOperator(*tensors[:3]), LayeredCone(*tensors)


def test_the_operator_is_its_formula_and_its_adjoint_is_one(parts):
    A, _ = parts
    rng = np.random.default_rng(2)
    Z, V = torch.as_tensor(rng.standard_normal(A.domain)), torch.as_tensor(rng.standard_normal(A.codomain))
    G = len(A.D1)
    expected = torch.zeros(6, dtype=torch.float64)
    for g in range(2 * G):
        for j in range(2):
            expected += (1 if g < G else -1) * A.D2[g % G] * A.D1[g % G, j] * (A.X @ Z[g, :, j])
    close(A.forward(Z)[:, 0], expected)
    close((A.forward(Z) * V).sum(), (Z * A.adjoint(V)).sum())


def test_the_cone_is_its_formula_and_projection_is_moreaus(parts):
    _, cone = parts
    G = len(cone.D1)
    Z = torch.as_tensor(np.random.default_rng(3).standard_normal((2 * G, 3, 2)))
    T = torch.as_tensor(np.random.default_rng(4).standard_normal((2 * G, 18, 1)))
    close((cone.rows(Z) * T).sum(), (Z * cone.adjoint(T)).sum())
    explicit = cone.matrices(torch.arange(2 * G)) @ Z.permute(0, 2, 1).flatten(1)[:, :, None]
    close(cone.rows(Z), explicit)
    g, D1, D2, s = 5, cone.D1[5], cone.D2[5], cone.s[5]
    first = [s[j] * (2 * D1[j] - 1) * (cone.X @ Z[g, :, j]) for j in range(2)]
    second = (2 * D2 - 1) * sum(D1[j] * (cone.X @ Z[g, :, j]) for j in range(2))
    close(cone.rows(Z)[g, :, 0], torch.cat([*first, second]))
    P = cone.project(Z)
    assert float(cone.rows(P).min()) > -1e-9
    assert float(((Z - P) * P).sum().abs()) < 1e-9 * float(Z.square().sum())
    close(cone.project(P), P, 1e-9)


def test_inside_a_cone_the_map_is_the_network():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 3))
    for U, b in zip(rng.standard_normal((20, 3, 2)), rng.choice([-1.0, 1.0], (20, 2))):
        groups = groups_of(X, U[None], b[None])
        if not len(groups):
            continue
        hidden = np.maximum(X @ U, 0) @ b
        made = layered_program(Data(X, np.ones(6), 0.1), groups, Frobenius())
        for order in ([0, 1], [1, 0]):  # neurons are sorted within a group
            V = torch.as_tensor((U * b)[None, :, order])
            Z = torch.cat([V, torch.zeros_like(V)])
            if float(made.cone.rows(Z).min()) >= 0 and (groups.s[0] == b[order]).all():
                close(made.operator.forward(Z)[:, 0], np.maximum(hidden, 0))
                break
        else:
            raise AssertionError("the branch is in none of the cones")


def test_the_adjoint_at_some_groups_is_that_of_all(parts):
    _, cone = parts
    T = torch.as_tensor(np.random.default_rng(4).standard_normal((2 * len(cone.D1), 18, 1)))
    close(cone.adjoint_at(T[[3, 20]], torch.tensor([3, 20])), cone.adjoint(T)[[3, 20]])


@pytest.mark.parametrize("gauge", [GroupL2(), Frobenius()])
@pytest.mark.parametrize("loss", ["squared", "logistic", "hinge", "squared_hinge"])
def test_interior_point_solves_every_loss_and_both_norms_with_its_own_multipliers(gauge, loss):
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((12, 3)), np.where(rng.standard_normal(12) > 0, 1.0, -1.0)
    made = layered_program(Data(X, y, 0.05), sample_groups(X, 3, 25), gauge, loss)
    solution = solve(made, device="cpu", tol=1e-6)
    assert (solution.method, solution.status) == ("interior", "solved"), solution.message
    assert certify(made, solution).gap <= 1e-6
    assert float(made.cone.violation(torch.as_tensor(solution.Z)).max()) < 1e-9


@pytest.mark.parametrize("gauge", [GroupL2(), Frobenius()])
def test_a_tight_spiral_with_many_groups_is_solved_in_few_steps(gauge):
    from convexnn.theorems.path_regularized import spiral

    data = spiral(30, np.random.default_rng(0), turns=2.0, beta=0.01)
    made = layered_program(data, sample_groups(data.X, 4, 300), gauge, "logistic")
    solution = solve(made, tol=1e-6, device="cpu")
    assert (solution.method, solution.status) == ("interior", "solved"), solution.message
    assert solution.history[-1].iteration <= 80


def test_alternating_directions_agree_with_the_interior_point():
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((5, 2)), rng.standard_normal(5)
    made = layered_program(Data(X, y, 0.3), sample_groups(X, 2, 10), Frobenius())
    slow = solve(made, tol=1e-4, method="admm", device="cpu", max_iterations=3000)
    assert slow.value == pytest.approx(solve(made, device="cpu").value, abs=1e-4)


def test_more_draws_give_a_superset_and_every_sample_is_enumerated():
    X = np.random.default_rng(5).standard_normal((4, 2))

    def keys(groups):
        return {(a.tobytes(), b.tobytes(), c.tobytes()) for a, b, c in zip(groups.D1, groups.D2, groups.s)}

    few, many, every = (keys(g) for g in (sample_groups(X, 2, 50), sample_groups(X, 2, 2000), enumerate_groups(X, 2)))
    assert few < many <= every


def test_bad_groups_are_refused():
    X = np.random.default_rng(5).standard_normal((4, 2))
    with pytest.raises(ValueError, match="neurons is 0"):
        sample_groups(X, 0, 10)
    with pytest.raises(ValueError, match="draws is 0"):
        sample_groups(X, 2, 0)
    with pytest.raises(ValueError, match="more than 10 groups"):
        enumerate_groups(X, 2, limit=10)
    with pytest.raises(ValueError, match="make them from this X"):
        layered_program(Data(X[:3], np.ones(3), 0.1), sample_groups(X, 2, 10), GroupL2())
