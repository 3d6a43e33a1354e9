"""The constrained nuclear norm: gauge laws on arcs, principal components in cones, all faces, patches and pooling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tolerances import ROUNDING, close

from convexnn import Data, solve
from convexnn.cones import FreeCone
from convexnn.patterns import enumerate_patterns
from convexnn.solving import choose
from convexnn.theorems import vector_output
from convexnn.theorems.vector_output.cone_pca import cone_pca
from convexnn.theorems.vector_output.directed_gauge import directed_nuclear
from convexnn.theorems.vector_output.faces import faces_of
from convexnn.theorems.vector_output.patches import (
    PooledOperator,
    cyclic_patches,
    operator_of,
    patches_of,
    pooling_matrix,
)
from convexnn.theorems.vector_output.planar_cone import planar_nuclear, square_factors

many_seeds = pytest.mark.parametrize("seed", range(6))


def arcs(seed: int, n: int = 7):
    """A gauge on all cells of n Gaussian rows, and matrices of ordinary, small and rank-one shape on it."""
    rng = np.random.default_rng(seed)
    D, gates = enumerate_patterns(X := rng.standard_normal((n, 2)), return_gates=True)
    gauge = planar_nuclear(X, D, gates)
    Z = torch.as_tensor(rng.standard_normal((D.shape[1], 2, 3)) * np.exp(rng.normal(size=(D.shape[1], 1, 1))))
    if seed % 3 == 2:
        Z[:, :, 1:] = 0
    return X, D, gauge, Z


def on_the_arc(gauge, points: int = 4001) -> torch.Tensor:
    """(P, points, 2) unit vectors that fill every arc."""
    angle = torch.atan2(gauge.sin, gauge.cos)[:, None] * torch.linspace(-1, 1, points, dtype=torch.float64)
    return angle.cos()[:, :, None] * gauge.frame[:, None, 0] + angle.sin()[:, :, None] * gauge.frame[:, None, 1]


# ---- cones of the plane ---------------------------------------------------------------------------------------------


@many_seeds
def test_the_rays_of_an_arc_bound_its_cell(seed):
    X, D, gauge, _ = arcs(seed)
    for i, rays in enumerate(gauge.rays().numpy()):
        slack = np.where(D[:, i], 1.0, -1.0)[:, None] * (X @ rays.T)
        assert slack.min() > -1e-12
        assert (np.abs(slack).min(0) < 1e-12).all(), "an extreme ray makes one inequality an equality"


@many_seeds
def test_the_polar_of_an_arc_is_the_maximum_over_the_arc(seed):
    _, _, gauge, Q = arcs(seed)
    brute = (on_the_arc(gauge) @ Q).norm(dim=2).amax(1)
    assert float((gauge.polar(Q) - brute).min()) > -1e-12
    close(gauge.polar(Q), brute, 1e-5)  # the grid is 8e-4 wide: its error is a square of that


@many_seeds
def test_the_polar_of_an_arc_is_the_cone_component(seed):
    X, D, gauge, Q = arcs(seed)
    cones = [np.where(D[:, i], 1.0, -1.0)[:, None] * X for i in range(D.shape[1])]
    exact = [np.sqrt(cone_pca(q @ q.T, K).value) for q, K in zip(Q.numpy(), cones)]
    close(gauge.polar(Q), exact, ROUNDING[torch.float64])


@many_seeds
@pytest.mark.parametrize("step", [0.05, 0.7, 3.0])
def test_prox_and_polar_of_an_arc_obey_moreau(seed, step):
    _, _, gauge, Z = arcs(seed)
    W = gauge.prox(Z, step)
    Q = Z - W
    assert float(gauge.polar(Q).max()) <= step * (1 + 1e-11)
    close((Q * W).sum((1, 2)), step * gauge.per_group(W), 1e-10)


@many_seeds
def test_pairing_never_exceeds_norm_times_polar(seed):
    _, _, gauge, Z = arcs(seed)
    Q = Z.flip(0)
    assert float((gauge.per_group(Z) * gauge.polar(Q) - (Q * Z).sum((1, 2))).min()) > -1e-10


@many_seeds
def test_the_norm_of_an_arc_is_the_cost_of_its_factors_and_at_least_nuclear(seed):
    X, D, gauge, Z = arcs(seed)
    nuclear = torch.linalg.svdvals(Z).sum(1)
    assert float((gauge.per_group(Z) - nuclear).min()) > -1e-10
    for i in range(len(Z)):
        u, g = gauge.factors(Z[i].numpy(), i)
        close(u.T @ g, Z[i].numpy(), 1e-9)
        close((np.linalg.norm(u, axis=1) * np.linalg.norm(g, axis=1)).sum(), gauge.per_group(Z)[i], 1e-9)
        assert (np.where(D[:, i], 1.0, -1.0)[:, None] * (X @ u.T)).min() > -1e-9, "the factors stay in the cell"


def test_the_norm_is_nuclear_exactly_when_factors_of_that_cost_fit_in_the_cone():
    gauge = planar_nuclear(np.array([[1.0, 1.0], [1.0, -1.0]]), np.ones((2, 1), dtype=bool), np.array([[1.0, 0.0]]))
    inside = torch.tensor([[[2.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)  # W = diag(2, 1): cone of half-angle 45
    outside = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]], dtype=torch.float64)
    assert float(gauge.per_group(inside)) == pytest.approx(3.0)
    assert float(gauge.per_group(outside)) == pytest.approx(np.sqrt(10))  # |g_1| + |g_2|, g = (1, +-2) / sqrt(2)
    assert float(gauge.per_group(outside)) > 3.0


def test_squares_in_a_cone_are_split_into_squares_of_its_vectors():
    rng = np.random.default_rng(0)
    for _ in range(50):
        phi = rng.uniform(0.05, 1.5)
        c, s = np.cos(phi), np.sin(phi)
        angles = rng.uniform(-phi, phi, 3)
        U = np.column_stack([np.cos(angles), np.sin(angles)]) * rng.uniform(0.1, 2, (3, 1))
        found = square_factors(U.T @ U, c, s)
        close(found.T @ found, U.T @ U, 1e-9)
        assert (np.abs(np.arctan2(found[:, 1], found[:, 0])) <= phi + 1e-7).all()


def test_a_pattern_without_interior_is_refused():
    X = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="column 0"):
        vector_output.program(Data(X, np.eye(3), 0.1), patterns=np.array([[True], [True], [True]]))


def test_conic_gauges_are_sent_to_alternating_directions():
    program = vector_output.program(vector_output.sample("tiny"))
    assert program.gauge.conic
    assert choose(program)[0] == "admm"
    assert "cones in the gauge" in choose(program)[1]


# ---- principal components in cones ----------------------------------------------------------------------------------


@pytest.mark.parametrize("r", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_a_component_is_in_its_cone_and_no_random_vector_beats_it(r, seed):
    rng = np.random.default_rng(seed)
    M, K = rng.standard_normal((r, r + 1)), rng.standard_normal((5, r))
    K *= np.sign(K @ rng.standard_normal(r))[:, None]  # a cone with interior
    found = cone_pca(M @ M.T, K)
    assert (K @ found.u).min() > -1e-10
    close(found.u @ (M @ M.T) @ found.u, found.value)
    U = rng.standard_normal((200_000, r))
    U = U[(U @ K.T >= 0).all(1)]
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    assert (np.square(U @ M).sum(1)).max(initial=0.0) <= found.value * (1 + 1e-12)
    if r <= 3 and len(U):
        assert (np.square(U @ M).sum(1)).max() >= 0.97 * found.value  # a coarse random search comes near


def test_a_cone_that_is_only_zero_has_no_component():
    K = np.array([[1.0, 0.0], [-1.0, 0.1], [-1.0, -0.1]])
    assert cone_pca(np.eye(2), np.vstack([K, [[-1.0, 0.0]]])).value == 0.0


def test_components_refuse_wrong_shapes_and_nan():
    with pytest.raises(ValueError, match="Q has shape"):
        cone_pca(np.eye(3), np.ones((2, 2)))
    with pytest.raises(ValueError, match="Q has 1 non-finite"):
        cone_pca(np.array([[np.nan, 0.0], [0.0, 1.0]]), np.ones((1, 2)))


@pytest.mark.parametrize("n, r", [(6, 1), (6, 2), (7, 3), (6, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_all_faces_together_find_the_best_component_of_all_cells(n, r, seed):
    rng = np.random.default_rng(seed)
    X, v = rng.standard_normal((n, r)), rng.standard_normal((n, 3))
    D = enumerate_patterns(X)
    pulls = patches_of(X).pulls(D, v)
    cones = [np.where(D[:, i], 1.0, -1.0)[:, None] * X for i in range(D.shape[1])]
    each = max(cone_pca(Q @ Q.T, K).value for Q, K in zip(pulls, cones))
    largest, neurons = faces_of(X, D).local_maxima(pulls, 0.0)
    close(largest, np.sqrt(each))
    close(np.linalg.norm(v.T @ np.maximum(X @ neurons[0].u, 0)), largest)


def test_faces_of_tied_zero_and_parallel_rows():
    X = np.array([[1.0, 0, 0], [2.0, 0, 0], [-1.0, 0, 0], [0, 0, 0], [0, 1.0, 0], [0, 1.0, 1.0], [0, 0, 1.0]])
    v = np.random.default_rng(1).standard_normal((7, 2))
    D = enumerate_patterns(X)
    largest, _ = faces_of(X, D).local_maxima(patches_of(X).pulls(D, v), np.inf)
    U = np.random.default_rng(2).standard_normal((300_000, 3))
    brute = np.linalg.norm(np.maximum(X @ (U / np.linalg.norm(U, axis=1, keepdims=True)).T, 0).T @ v, axis=1).max()
    assert brute <= largest + 1e-12
    assert brute >= 0.995 * largest


def test_faces_of_some_cells_bound_those_cells_only():
    rng = np.random.default_rng(4)
    X, v = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    D = enumerate_patterns(X)[:, ::3]
    pulls = patches_of(X).pulls(D, v)
    cones = [np.where(D[:, i], 1.0, -1.0)[:, None] * X for i in range(D.shape[1])]
    each = max(cone_pca(Q @ Q.T, K).value for Q, K in zip(pulls, cones))
    close(faces_of(X, D).local_maxima(pulls, np.inf)[0], np.sqrt(each))


def test_too_many_flats_are_refused_before_they_are_counted_one_by_one():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="flats are too many"):
        faces_of(rng.standard_normal((80, 6)), np.ones((80, 1), dtype=bool))


# ---- given neurons inside, whole cells outside ----------------------------------------------------------------------


def test_a_directed_group_costs_its_own_neuron_and_is_pulled_by_the_whole_cell():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((6, 3))
    D, gates = enumerate_patterns(X, return_gates=True)
    U = gates / np.linalg.norm(gates, axis=1, keepdims=True)
    gauge = directed_nuclear(X, D, U)
    Z = torch.as_tensor(rng.standard_normal((len(U), 3, 2)))
    W = gauge.prox(Z, 0.3)
    along = torch.einsum("gr,grc->gc", torch.as_tensor(U), Z - W).norm(dim=1)
    assert float(along.max()) <= 0.3 + 1e-12
    close(torch.linalg.svdvals(W).sum(1), gauge.per_group(W), 1e-10)
    assert torch.isinf(gauge.per_group(Z)).all(), "off its line a matrix is not a network of that neuron"
    pulls = patches_of(X).pulls(D, rng.standard_normal((6, 2)))
    polar = gauge.polar(torch.as_tensor(pulls)).numpy()
    cones = [np.where(D[:, i], 1.0, -1.0)[:, None] * X for i in range(D.shape[1])]
    exact = np.sqrt([cone_pca(Q @ Q.T, K).value for Q, K in zip(pulls, cones)])
    assert (polar >= exact - 1e-10).all()
    close(polar.max(), exact.max())


# ---- patches and pooling --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["sum", "average", "none", "halves"])
def test_the_pooled_operator_has_its_adjoint_and_its_normal_equations(pooling):
    rng = np.random.default_rng(0)
    pool = np.kron(np.eye(2), np.ones((1, 2))) if pooling == "halves" else pooling
    patches = patches_of(rng.standard_normal((3, 4, 2)), pool)
    operator = operator_of(patches, enumerate_patterns(patches.rows), 2)
    assert isinstance(operator, PooledOperator)
    Z, V = (torch.as_tensor(rng.standard_normal(shape)) for shape in (operator.domain, operator.codomain))
    close((operator.forward(Z) * V).sum(), (Z * operator.adjoint(V)).sum())
    W = operator.normal_solver(FreeCone(), 0.7, 1.0)(Z)
    close(W + 0.7 * operator.adjoint(operator.forward(W)), Z, 1e-9)


@pytest.mark.parametrize("pooling", ["sum", "average", "none"])
def test_inside_a_cell_the_pooled_operator_is_the_network(pooling):
    rng = np.random.default_rng(1)
    X, u, A = rng.standard_normal((3, 4, 2)), rng.standard_normal(2), rng.standard_normal((4, 2))
    pool = pooling_matrix(pooling, 4)
    patches = patches_of(X, pooling)
    D = enumerate_patterns(patches.rows)
    cell = int(np.flatnonzero(((patches.rows @ u >= 0)[:, None] == D).all(0))[0])
    Z = np.zeros((D.shape[1], 2, len(pool) * 2))
    Z[cell] = np.outer(u, A[: len(pool)].reshape(-1))
    expected = sum(np.outer(np.maximum(X[:, k] @ u, 0), pool[a, k] * A[a]) for k in range(4) for a in range(len(pool)))
    close(operator_of(patches, D, 2).forward(torch.as_tensor(Z)), expected)


def test_cyclic_patches_are_the_windows_of_a_circle():
    X = np.arange(8.0).reshape(2, 4)
    close(cyclic_patches(X, 2)[0], [[0, 1], [1, 2], [2, 3], [3, 0]])
    with pytest.raises(ValueError, match="1 <= h <= d"):
        cyclic_patches(X, 5)


def test_a_pooling_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"pooling is 'mean'"):
        pooling_matrix("mean", 3)
    with pytest.raises(ValueError, match=r"pooling has shape \(2, 4\)"):
        pooling_matrix(np.ones((2, 4)), 3)


def test_sampled_cells_give_an_upper_bound_of_program_scope():
    data = vector_output.sample("tiny", 1)
    sampled, whole = (solve(vector_output.program(data, patterns=p)) for p in (4, "all"))
    assert sampled.certificate.scope == "program"
    assert sampled.value >= whole.lower - 1e-9
