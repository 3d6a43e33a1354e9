"""Laws of the batched box least squares, against active-set solvers that are not ours."""

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear, nnls

from convexnn.solvers._box_least_squares import DenseRows, PairProducts, SignedRows, box_least_squares

TOL = 1e-8  # relative to |w|: the accuracy of twelve to sixteen interior-point steps


def t(a):
    return torch.as_tensor(a, dtype=torch.float64)


def values(w, B, upper=None):
    """|u| of the batch, after checking the bounds and u = w - B't."""
    found, u = box_least_squares(t(w), DenseRows(t(B)), None if upper is None else t(upper))
    assert float(found.min()) >= 0
    if upper is not None:
        assert bool((found <= t(upper) * (1 + 1e-15)).all())
    again = t(w) - torch.einsum("kmr,km->kr", t(B), found)
    torch.testing.assert_close(u, again, rtol=0, atol=1e-12 * max(1.0, float(found.abs().max())))
    return u.norm(dim=1).numpy()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [(60, 12, 3), (40, 30, 6), (30, 4, 8)])
def test_one_sided_problems_agree_with_nnls(seed, shape):
    k, m, r = shape
    rng = np.random.default_rng(seed)
    w, B = rng.standard_normal((k, r)), rng.standard_normal((k, m, r))
    expected = np.array([nnls(B[i].T, w[i])[1] for i in range(k)])
    assert np.abs(values(w, B) - expected).max() <= TOL * np.linalg.norm(w, axis=1).max()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [(40, 12, 3), (30, 25, 6)])
def test_boxes_agree_with_bounded_least_squares(seed, shape):
    k, m, r = shape
    rng = np.random.default_rng(seed)
    w, B = 3 * rng.standard_normal((k, r)), rng.standard_normal((k, m, r))
    upper = rng.uniform(0.1, 1.0, (k, m))
    found = values(w, B, upper)
    for i in range(k):
        expected = lsq_linear(B[i].T, w[i], (0, upper[i]), method="bvls", tol=1e-14)
        assert abs(found[i] - np.sqrt(2 * expected.cost)) <= TOL * max(np.linalg.norm(w[i]), upper[i].sum())


def test_a_zero_target_needs_nothing():
    B = np.random.default_rng(0).standard_normal((5, 9, 4))
    assert values(np.zeros((5, 4)), B).max() <= TOL
    assert values(np.zeros((5, 4)), B, np.ones((5, 9))).max() <= TOL * 9


def test_duplicate_and_zero_rows_do_no_harm():
    rng = np.random.default_rng(1)
    w, B = rng.standard_normal((20, 3)), rng.standard_normal((20, 6, 3))
    expected = values(w, B)
    padded = np.concatenate([B, B[:, :2], np.zeros((20, 2, 3))], 1)
    assert np.abs(values(w, padded) - expected).max() <= TOL * np.linalg.norm(w, axis=1).max()
    assert np.isfinite(values(w, padded, np.full((20, 10), 0.3))).all()


def test_bounds_of_zero_and_infinity_mix():
    rng = np.random.default_rng(2)
    w, B = rng.standard_normal((10, 3)), rng.standard_normal((10, 6, 3))
    upper = np.tile([0.0, 0.0, 0.2, 0.2, np.inf, np.inf], (10, 1))
    found = values(w, B, upper)
    for i in range(10):
        expected = lsq_linear(B[i, 2:].T, w[i], (0, upper[i, 2:]), method="bvls", tol=1e-14)
        assert abs(found[i] - np.sqrt(2 * expected.cost)) <= TOL * max(1, np.linalg.norm(w[i]))


def test_a_target_inside_the_zonotope_is_reached():
    rng = np.random.default_rng(3)
    B = rng.standard_normal((10, 15, 3))
    w = np.einsum("kmr,km->kr", B, rng.uniform(0.2, 0.8, (10, 15)))
    assert values(w, B, np.ones((10, 15))).max() <= TOL * 15


def test_units_do_not_matter():
    rng = np.random.default_rng(4)
    w, B = rng.standard_normal((10, 3)), rng.standard_normal((10, 8, 3))
    base = values(w, B)
    assert np.abs(values(1e6 * w, B) / 1e6 - base).max() <= TOL * 10
    assert np.abs(values(w, B * rng.uniform(1e-3, 1e3, (10, 8, 1))) - base).max() <= TOL * 10


def test_shared_rows_give_the_answer_of_dense_rows():
    rng = np.random.default_rng(5)
    X, S, w = rng.standard_normal((14, 4)), rng.choice([-1.0, 1.0], (9, 14)), rng.standard_normal((9, 4))
    shared = box_least_squares(t(w), SignedRows(t(X), t(S)))[1]
    dense = box_least_squares(t(w), DenseRows(t(S[:, :, None] * X)))[1]
    torch.testing.assert_close(shared, dense, rtol=0, atol=1e-9)


def test_pair_products_are_weighted_grams():
    rng = np.random.default_rng(6)
    X, c = t(rng.standard_normal((11, 5))), t(rng.uniform(0, 1, (7, 11)))
    expected = torch.einsum("nd,kn,ne->kde", X, c, X)
    torch.testing.assert_close(PairProducts(X).weighted(c), expected, rtol=1e-13, atol=1e-13)


def test_every_iterate_is_an_upper_bound():
    rng = np.random.default_rng(7)
    w, B = rng.standard_normal((15, 4)), rng.standard_normal((15, 10, 4))
    least = np.array([nnls(B[i].T, w[i])[1] for i in range(15)])
    for iterations in (1, 2, 4, 8):
        u = box_least_squares(t(w), DenseRows(t(B)), iterations=iterations)[1]
        assert (u.norm(dim=1).numpy() >= least - 1e-12).all()


def test_no_problem_of_a_thousand_goes_in_circles():
    rng = np.random.default_rng(0)
    B, w = rng.standard_normal((1000, 7, 3)), 2 * rng.standard_normal((1000, 3))  # number 860 used to stall
    rest = box_least_squares(t(w), DenseRows(t(B)))[1].norm(dim=1).numpy()
    for k in (860, *range(0, 1000, 97)):
        best = lsq_linear(B[k].T, w[k], bounds=(0, np.inf), method="bvls", tol=1e-14)
        assert abs(rest[k] - np.linalg.norm(B[k].T @ best.x - w[k])) <= 1e-8
