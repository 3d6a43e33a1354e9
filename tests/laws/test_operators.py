"""Operators: transposes, the map written out densely, chunk sizes, norms and normal equations."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from tolerances import ROUNDING, close
from torch.utils._python_dispatch import TorchDispatchMode

from convexnn import operators
from convexnn.cones import FreeCone, PatternCone
from convexnn.operators import GatedOperator, MatrixOperator, Operator
from convexnn.solvers.fista import NORM_MARGIN

any_seed = st.integers(0, 2**32 - 1)


def gated(rng: np.random.Generator, signs: tuple[float, ...], c: int, n: int = 6, d: int = 3, P: int = 5):
    X, D = rng.normal(size=(n, d)), rng.integers(0, 2, (n, P)).astype(float)
    return GatedOperator(torch.tensor(X), torch.tensor(D), signs, c)


BUILD = {
    "gated": lambda rng: gated(rng, (1.0,), 1),
    "gated, three outputs": lambda rng: gated(rng, (1.0,), 3),
    "two families": lambda rng: gated(rng, (1.0, -1.0), 1),
    "two families, three outputs": lambda rng: gated(rng, (1.0, -1.0), 3),
    "matrix": lambda rng: MatrixOperator(torch.tensor(rng.normal(size=(4, 6, 2)))),
    "matrix, three outputs": lambda rng: MatrixOperator(torch.tensor(rng.normal(size=(4, 6, 2))), 3),
}
every_operator = pytest.mark.parametrize("name", BUILD)


def dense(A: Operator) -> np.ndarray:
    """The matrix of A, from the definition and not from `forward`: columns are the entries (g, j, k) of Z."""
    n, c = A.codomain
    G, p, _ = A.domain
    M = np.zeros((n, c, G, p, c))
    for g in range(G):
        if isinstance(A, GatedOperator):
            P = A.D.shape[1]
            block = A.signs[g // P] * np.diag(A.D[:, g % P].numpy()) @ A.X.numpy()
        else:
            block = A.E[g].numpy()
        for k in range(c):
            M[:, k, g, :, k] = block
    return M.reshape(n * c, G * p * c)


def test_every_operator_of_the_module_is_tested_here():
    defined = {c for _, c in inspect.getmembers(operators, inspect.isclass) if issubclass(c, Operator)}
    built = {type(build(np.random.default_rng(0))) for build in BUILD.values()}
    assert defined - {Operator} == built


@every_operator
@given(seed=any_seed)
def test_forward_is_the_map_written_out(name, seed):
    rng = np.random.default_rng(seed)
    A = BUILD[name](rng)
    Z = torch.tensor(rng.normal(size=A.domain))
    close(A.forward(Z).reshape(-1), dense(A) @ Z.numpy().reshape(-1))
    assert tuple(A.forward(Z).shape) == A.codomain


@every_operator
@given(seed=any_seed)
def test_forward_and_adjoint_are_transposes(name, seed):
    rng = np.random.default_rng(seed)
    A = BUILD[name](rng)
    Z, V = torch.tensor(rng.normal(size=A.domain)), torch.tensor(rng.normal(size=A.codomain))
    close((A.forward(Z) * V).sum(), (Z * A.adjoint(V)).sum())
    assert tuple(A.adjoint(V).shape) == A.domain


@every_operator
@pytest.mark.parametrize("chunk", [1, 100, 500])
def test_the_answer_does_not_depend_on_the_chunk_size(name, chunk, rng, monkeypatch):
    A = BUILD[name](rng)
    Z, V = torch.tensor(rng.normal(size=A.domain)), torch.tensor(rng.normal(size=A.codomain))
    whole = A.forward(Z), A.adjoint(V)
    monkeypatch.setattr(operators, "CHUNK_BYTES", chunk)
    close(A.forward(Z), whole[0])
    close(A.adjoint(V), whole[1])


class Largest(TorchDispatchMode):
    """Bytes of the largest tensor that any torch operation returned, views included."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for out in result if isinstance(result, tuple | list) else [result]:
            if isinstance(out, torch.Tensor):
                self.bytes = max(self.bytes, out.numel() * out.element_size())
        return result


@pytest.mark.parametrize("c", [1, 2])
@pytest.mark.parametrize("direction", ["forward", "adjoint"])
def test_no_work_array_is_larger_than_a_chunk(direction, c, rng, monkeypatch):
    A = gated(rng, (1.0, -1.0), c, n=200, d=3, P=2000)
    budget = 256 * 1024  # bytes; [D_1 X .. D_P X] would be 9.6 MB, and Z itself is 96 kB for each output
    monkeypatch.setattr(operators, "CHUNK_BYTES", budget)
    argument = torch.tensor(rng.normal(size=A.domain if direction == "forward" else A.codomain))
    with Largest() as seen:
        getattr(A, direction)(argument)
    assert argument.element_size() * 200 < seen.bytes <= budget


def test_the_allocation_watch_can_fail(rng):
    A = gated(rng, (1.0,), 1, n=200, d=3, P=2000)
    with Largest() as seen:
        torch.einsum("np,nd->npd", A.D, A.X)
    assert seen.bytes == 200 * 3 * 2000 * 8


@every_operator
@example(seed=1_073_741_825)  # gated: the start is nearly orthogonal to the first singular vector, 2.2 % short
@given(seed=any_seed)
def test_the_norm_is_the_largest_singular_value_within_the_margin_of_the_solvers(name, seed):
    A = BUILD[name](np.random.default_rng(seed))
    exact = np.linalg.norm(dense(A), 2)
    assert A.norm() <= exact * (1 + 1e-10)
    assert exact <= A.norm() * NORM_MARGIN


def test_the_norm_of_a_zero_operator_is_zero():
    A = GatedOperator(torch.ones(4, 2, dtype=torch.float64), torch.zeros(4, 3, dtype=torch.float64))
    assert A.norm() == 0.0


def cone_rows(cone, A: Operator) -> np.ndarray:
    """G as a matrix, from its action on the basis."""
    size = int(np.prod(A.domain))
    basis = torch.eye(size, dtype=torch.float64)
    return np.column_stack([cone.rows(e.reshape(A.domain)).reshape(-1).numpy() for e in basis])


def normal_matrix(A: Operator, cone, alpha: float, gamma: float) -> np.ndarray:
    M, G = dense(A), cone_rows(cone, A)
    return np.eye(M.shape[1]) + alpha * M.T @ M + gamma * G.T @ G


@pytest.mark.parametrize("generic", [False, True], ids=["own", "conjugate gradients"])
@pytest.mark.parametrize("alpha", [1e-2, 1.0, 1e2])
@pytest.mark.parametrize(
    ("name", "coned"), [*((name, False) for name in BUILD), *((name, True) for name in BUILD if "matrix" not in name)]
)
def test_the_normal_equations_are_solved(name, alpha, coned, generic, rng):
    A = BUILD[name](rng)
    cone = PatternCone(A.X, 2 * A.D - 1, len(A.signs)) if coned else FreeCone()
    solve = (Operator.normal_solver if generic else type(A).normal_solver)(A, cone, alpha, 0.7)
    R = torch.tensor(rng.normal(size=A.domain))
    M = normal_matrix(A, cone, alpha, 0.7)
    close(solve(R).reshape(-1), np.linalg.solve(M, R.numpy().reshape(-1)), 1e-9)  # conditioning up to 1e4
    close(M @ solve(R).reshape(-1).numpy(), R.reshape(-1), 1e-9)


@every_operator
def test_the_operator_in_single_precision_is_the_same_map(name, rng):
    A = BUILD[name](rng)
    Z = torch.tensor(rng.normal(size=A.domain))
    single = A.to("cpu", torch.float32)
    assert single.forward(Z.float()).dtype == torch.float32 == single.like.dtype
    close(single.forward(Z.float()), A.forward(Z), ROUNDING[torch.float32])


def test_no_patterns_predict_zero():
    A = GatedOperator(torch.ones(4, 2, dtype=torch.float64), torch.zeros(4, 0, dtype=torch.float64))
    assert A.forward(torch.zeros(A.domain, dtype=torch.float64)).tolist() == [[0.0]] * 4
    assert tuple(A.adjoint(torch.ones(4, 1, dtype=torch.float64)).shape) == (0, 2, 1)
