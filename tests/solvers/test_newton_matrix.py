"""Laws of the Newton matrices: each route gives the dense system, and the barriers their derivatives."""

import numpy as np
import pytest
import torch
from instances import ALGEBRA, BARRIERS, gaussian, planted

from convexnn.losses import LOSSES
from convexnn.numerics import tensor
from convexnn.solvers import _cone_blocks
from convexnn.solvers._barrier_losses import BarrierLoss
from convexnn.solvers._newton_matrix import Preconditioned, bordered
from convexnn.solvers._symmetric import add_gated_gram, add_gram, cholesky_solver
from convexnn.solvers.interior_cone import ConeIterate
from convexnn.solvers.interior_gated import GatedIterate
from convexnn.theorems import two_layer


def dense_columns(X, D, signs):
    return [sign * D[:, i, None] * X for sign in signs for i in range(D.shape[1])]


def test_the_gated_newton_matrix_is_the_dense_one():
    program = two_layer.program(gaussian(7, 3, 0), patterns=5, activation="gated")
    iterate = GatedIterate(program)
    iterate.advance()
    groups, operator = iterate.groups, program.operator
    groups.prepare()
    root = torch.linspace(0.5, 1.5, 7).double()
    M = torch.zeros(7, 7).double()
    groups.add_schur(M, root)
    N = groups.scaling.block()
    blocks = dense_columns(operator.X, operator.D, (1.0,))
    dense = sum(B @ torch.linalg.inv(N[i]) @ B.T for i, B in enumerate(blocks)) * root[:, None] * root
    lower = torch.tril(torch.ones(7, 7)).bool()
    torch.testing.assert_close(M[lower], dense[lower], rtol=ALGEBRA, atol=ALGEBRA * float(dense.abs().max()))


def test_the_cone_newton_matrix_is_the_dense_one():
    program = two_layer.program(gaussian(7, 3, 1), patterns=5)
    iterate = ConeIterate(program)
    iterate.advance()
    cones, operator = iterate.cones, program.operator
    cones.prepare()
    M = torch.zeros(7, 7).double()
    cones.add_schur(M, torch.ones(7).double())
    F = cones.scaling.block() + torch.einsum("nd,gn,ne->gde", operator.X, cones.lam / cones.t, operator.X)
    blocks = dense_columns(operator.X, operator.D, operator.signs)
    dense = sum(B @ torch.linalg.inv(F[i]) @ B.T for i, B in enumerate(blocks))
    lower = torch.tril(torch.ones(7, 7)).bool()
    torch.testing.assert_close(M[lower], dense[lower], rtol=1e-10, atol=1e-10 * float(dense.abs().max()))


@pytest.mark.parametrize("n", [5, 128, 300, 600])
def test_gram_matrices_by_strips_are_the_gram_matrices(n):
    rng = np.random.default_rng(n)
    Z, X, D = (
        tensor(rng.standard_normal((n, 9))),
        tensor(rng.standard_normal((n, 3))),
        tensor(rng.random((n, 90)) < 0.5),
    )
    weight = tensor(rng.random(90))
    plain, gated = torch.eye(n).double(), torch.eye(n).double()
    add_gram(plain, Z, alpha=2.0)
    add_gated_gram(gated, X, D, weight)
    lower = torch.tril(torch.ones(n, n)).bool()
    torch.testing.assert_close(plain[lower], (torch.eye(n) + 2 * Z @ Z.T)[lower])
    torch.testing.assert_close(gated[lower], (torch.eye(n) + (X @ X.T) * ((D * weight) @ D.T))[lower])


def test_a_spoilt_matrix_is_formed_again_with_a_larger_diagonal():
    M, formed = torch.ones(4, 4).double(), []  # of rank one: no factor without help

    def form():
        formed.append(True)
        return M.clone()

    x = cholesky_solver(form)(M[:, :1])
    assert len(formed) > 1
    torch.testing.assert_close(M @ x, M[:, :1], rtol=0, atol=1e-6)


def spectrum(n, seed, condition):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((n, n)))[0]
    return tensor(basis * np.geomspace(1, condition, n) @ basis.T)


@pytest.mark.parametrize("columns", [0, 2])
def test_the_bordered_solve_is_the_dense_one(columns):
    rng = np.random.default_rng(columns)
    S, h = spectrum(9, 1, 100.0), tensor(rng.uniform(0.1, 2, (9, 1)))
    Q = tensor(np.linalg.qr(rng.standard_normal((9, 2)))[0][:, :columns])
    r, rq = tensor(rng.standard_normal((9, 1))), tensor(rng.standard_normal((columns, 1)))
    root = h.sqrt()
    dtheta, db = bordered(cholesky_solver(lambda: torch.eye(9).double() + root * S * root.T), root, Q)(r, rq)
    torch.testing.assert_close(dtheta / h + S @ dtheta + Q @ db, r, rtol=0, atol=1e-10)
    torch.testing.assert_close(Q.T @ dtheta, rq, rtol=0, atol=1e-10)


@pytest.mark.parametrize("closeness, forms_exact", [(0.1, False), (1e-9, True)])
def test_conjugate_gradients_repair_a_close_factor_and_replace_a_far_one(closeness, forms_exact):
    M, asked = spectrum(80, 2, 1e6), []
    near = M + 1 / closeness * torch.diag(
        torch.linspace(0, 0.1, 80).double() if not forms_exact else torch.ones(80).double()
    )
    r = tensor(np.random.default_rng(3).standard_normal((80, 2)))

    def exact():
        asked.append(True)
        return cholesky_solver(M.clone)

    solve = Preconditioned(lambda z: M @ z, cholesky_solver(near.clone), exact, 1e-10)
    assert float((M @ solve(r) - r).norm() / r.norm()) <= 1e-8
    assert bool(asked) == forms_exact


def test_the_cheap_cone_matrix_is_close_enough_for_few_conjugate_gradient_steps(monkeypatch):
    monkeypatch.setattr(_cone_blocks, "FEW_ROWS", 0)
    program = two_layer.program(planted(60, 6), patterns=40).with_beta(2.0)
    iterate = ConeIterate(program)
    cones, cheap = iterate.cones, 0
    for _ in range(12):
        iterate.advance()
        cones.prepare()
        M, exact = torch.eye(60).double(), torch.eye(60).double()
        complete = cones.add_schur(M, torch.ones(60).double(), complete=False)
        assert cones.add_schur(exact, torch.ones(60).double())
        exact = torch.tril(exact) + torch.tril(exact, -1).T
        z = tensor(np.random.default_rng(0).standard_normal((60, 1)))
        image = z + cones.apply_schur(z)
        torch.testing.assert_close(image, exact @ z, rtol=1e-8, atol=1e-8 * float(image.abs().max()))
        ratios = torch.linalg.eigvals(torch.cholesky_solve(exact, torch.linalg.cholesky(M))).real
        assert float(ratios.max() / ratios.min()) <= 50  # some twenty steps to 1e-6
        cheap += not complete
    assert cheap > 3


@pytest.mark.parametrize("name", BARRIERS)
def test_the_barrier_linearisation_is_the_derivative_on_the_central_path(name):
    rng = np.random.default_rng(0)
    Y = tensor(np.sign(rng.standard_normal((6, 1))))
    theta, mu, h = Y * tensor(rng.uniform(0.2, 0.8, (6, 1))), 0.01, 1e-6
    barrier, moved = BarrierLoss(LOSSES[name], Y), BarrierLoss(LOSSES[name], Y)
    barrier.start(theta, mu)
    moved.start(theta + h * Y, mu)
    for state in (barrier, moved):
        for end in state.ends:
            end.slack = mu / end.distance(Y * state.theta)
    slope = (moved.prediction() - barrier.prediction()) / (h * Y)
    torch.testing.assert_close(slope, -1 / barrier.curvature(), rtol=1e-4, atol=1e-4)  # a forward difference
