"""Laws of coupled groups, against explicit loops, and the interior point on them with its own multipliers."""

import numpy as np
import pytest
import torch
from tolerances import VALUE, close

from convexnn import certify, solve
from convexnn.certifying import _row_size
from convexnn.cones import FreeCone
from convexnn.coupled import CoupledCone, CoupledOperator
from convexnn.gauges import Frobenius, GroupL2
from convexnn.losses import get_loss
from convexnn.program import Program


def tensors(seed=0):
    rng = np.random.default_rng(seed)
    E, C = rng.standard_normal((4, 7, 3, 2)), rng.standard_normal((4, 5, 3, 2))
    C[1, 2] = 0.0  # a row that says nothing
    return torch.as_tensor(E), torch.as_tensor(C)


@pytest.fixture
def parts():
    E, C = tensors()
    return CoupledOperator(E), CoupledCone(C)


def test_the_operator_is_its_formula_and_its_adjoint_is_one(parts):
    A, _ = parts
    rng = np.random.default_rng(2)
    Z, V = torch.as_tensor(rng.standard_normal(A.domain)), torch.as_tensor(rng.standard_normal(A.codomain))
    expected = sum((1 if g < 4 else -1) * torch.einsum("npm,pm->n", A.E[g % 4], Z[g]) for g in range(8))
    close(A.forward(Z)[:, 0], expected)
    close((A.forward(Z) * V).sum(), (Z * A.adjoint(V)).sum())
    assert A.block_size() >= float(torch.linalg.matrix_norm(A.flat(), 2).max())


def test_the_cone_is_its_formula_and_projection_is_moreaus(parts):
    _, cone = parts
    rng = np.random.default_rng(3)
    Z, T = torch.as_tensor(rng.standard_normal((8, 3, 2))), torch.as_tensor(rng.standard_normal((8, 5, 1)))
    close(cone.rows(Z)[:, :, 0], torch.stack([torch.einsum("kpm,pm->k", cone.C[g % 4], Z[g]) for g in range(8)]))
    close((cone.rows(Z) * T).sum(), (Z * cone.adjoint(T)).sum())
    close(cone.adjoint(T)[[5, 2]], cone.adjoint_at(T[[5, 2]], torch.tensor([5, 2])))
    P = cone.project(Z)
    assert float(cone.rows(P).min()) > -1e-9
    assert float(((Z - P) * P).sum().abs()) < 1e-9 * float(Z.square().sum())


@pytest.mark.parametrize("coned", [True, False])
def test_the_woodbury_solver_inverts_the_normal_equations(parts, coned):
    A, cone = parts
    cone = cone if coned else FreeCone()
    R = torch.as_tensor(np.random.default_rng(4).standard_normal(A.domain))
    Z = A.normal_solver(cone, 0.7, 1.3)(R)
    close(Z + 0.7 * A.adjoint(A.forward(Z)) + 1.3 * cone.adjoint(cone.rows(Z)), R)


@pytest.mark.parametrize("gauge", [GroupL2(), Frobenius()])
@pytest.mark.parametrize("loss", ["squared", "logistic", "squared_hinge"])
def test_interior_point_and_alternating_directions_agree_for_both_norms(parts, gauge, loss):
    rng = np.random.default_rng(5)
    y = rng.standard_normal(7) if loss == "squared" else np.where(rng.standard_normal(7) > 0, 1.0, -1.0)
    Y = torch.as_tensor(y)[:, None]
    made = Program(get_loss(loss), *(parts[0], gauge, parts[1]), beta=0.5, Y=Y)
    solution = solve(made, device="cpu")
    assert (solution.status, solution.method) == ("solved", "interior")
    other = solve(made, device="cpu", method="admm", tol=1e-4)
    assert solution.lower <= other.value + VALUE["solve"]
    assert other.lower <= solution.value + VALUE["solve"]
    assert certify(made, solution.Z).upper <= solution.value + VALUE["solve"]
    assert float(made.cone.violation(torch.as_tensor(solution.Z)).max()) <= 1e-9


def test_the_judge_measures_the_rows_of_all_columns(parts):
    made = Program(get_loss("squared"), parts[0], GroupL2(), parts[1], beta=0.5, Y=torch.zeros(7, 1).double())
    close(_row_size(made), parts[1].C.flatten(1).norm(dim=1).repeat(2))


def test_unpenalised_coordinates_are_refused(parts):
    with pytest.raises(ValueError, match="free is 1"):
        parts[1].multipliers(torch.zeros(1, 3, 2, dtype=torch.float64), torch.tensor([0]), free=1)
