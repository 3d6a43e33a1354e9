"""Laws of every upper bound on M+(v) = max over the unit ball of v'(Xu)_+."""

import sys

import numpy as np
import pytest
import torch
from planted import GOLDEN, gaussian, phi, planted
from scipy.optimize import nnls

from convexnn.bounds import maximum, zonotopes
from convexnn.bounds.pricing import price, starts
from convexnn.bounds.shor import shor, trust_region
from convexnn.bounds.sweep import DELTA, arrangement, cells, subsets, sweep
from convexnn.bounds.tree import tree
from convexnn.patterns import count_patterns, enumerate_patterns
from convexnn.theorems import two_layer
from convexnn.types import Data

BOUNDS = {"sweep": sweep, "tree": tree, "shor": lambda Z: shor(Z, 60)}
EXACT = {"sweep": sweep, "tree": tree}
# relative: both methods close to 1e-7, the oracle's least squares to 1e-10
CLOSE = 3e-7


def oracle(X, v):
    """max over all cells of the non-negative least squares |X'D v + X'S q|: written from the theorem, no zonotopes."""
    best = 0.0
    for D in enumerate_patterns(X).T:
        S = np.where(D, 1.0, -1.0)
        best = max(best, nnls((S[:, None] * X).T, -(X * D[:, None]).T @ v)[1])
    return best


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("key", GOLDEN)
def test_golden_values(name, key):
    X, y = gaussian(*key)
    for sign, value in zip((1, -1), GOLDEN[key]):
        bound = EXACT[name](zonotopes(X, sign * y))
        assert bound.closed
        assert abs(bound.upper - value) <= 1e-6
        assert abs(bound.lower - value) <= 1e-6


@pytest.mark.parametrize("seed", range(12))
def test_sweep_tree_and_all_cells_agree(seed):
    rng = np.random.default_rng(100 + seed)
    r = int(rng.integers(1, 4))
    X, v = gaussian(seed, int(rng.integers(r, 10)), r)
    exact = oracle(X, v)
    for method in EXACT.values():
        assert abs(method(zonotopes(X, v)).upper - exact) <= CLOSE * max(1.0, exact)


def test_the_program_of_the_theorem_has_the_same_polar():
    X, y = gaussian(4, 10, 3)
    program = two_layer.program(Data(X, y, 0.1))
    largest = float(program.polars(torch.tensor(y)[:, None])[0].max())
    assert abs(largest - max(maximum(X, s * y).upper for s in (1, -1))) <= 1e-6


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("n, d", [(12, 3), (25, 5), (30, 2)])
def test_no_direction_is_above_any_bound(name, n, d):
    X, v = gaussian(n + d, n, d)
    Z = zonotopes(X, v)
    bound = BOUNDS[name](Z)
    random = np.random.default_rng(0).standard_normal((100_000, d))
    climbed = price(Z, starts(Z, 200))[0] @ Z.basis
    for U in (random, climbed):
        assert phi(X, v, U).max() <= bound.upper * (1 + 1e-12)
    if bound.lower:
        assert np.isclose(phi(X, v, bound.direction[None])[0], bound.lower, rtol=1e-10)


@pytest.mark.parametrize("name", BOUNDS)
def test_rows_permuted_scaled_split_or_zero_change_nothing(name):
    X, v = gaussian(7, 9, 3)
    rng = np.random.default_rng(0)
    base = BOUNDS[name](zonotopes(X, v)).upper
    order = rng.permutation(9)
    scale = rng.uniform(0.5, 2, 9)
    Q = np.linalg.qr(rng.standard_normal((5, 5)))[0][:3]
    variants = {
        "permuted": (X[order], v[order]),
        "rows scaled": (X * scale[:, None], v / scale),
        "a row split in two": (np.vstack([X, X[:1]]), np.append(np.append(0.3 * v[0], v[1:]), 0.7 * v[0])),
        "a zero row": (np.vstack([X, np.zeros(3)]), np.append(v, 1.0)),
        "a zero weight": (np.vstack([X, np.ones(3)]), np.append(v, 0.0)),
        "embedded in more dimensions": (X @ Q, v),
    }
    loose = 0.01 if name == "shor" else CLOSE  # descent from another start ends elsewhere
    for what, (rows, weights) in variants.items():
        assert np.isclose(BOUNDS[name](zonotopes(rows, weights)).upper, base, rtol=loose), what
    assert np.isclose(BOUNDS[name](zonotopes(3 * X, 2 * v)).upper, 6 * base, rtol=loose)


@pytest.mark.parametrize("seed", range(4))
def test_opposite_and_repeated_rows_are_merged_exactly(seed):
    rng = np.random.default_rng(seed)
    lines = rng.standard_normal((4, 3))
    X, v = rng.choice([-2.0, -1.0, 1.0, 0.5], 11)[:, None] * lines[rng.integers(0, 4, 11)], rng.standard_normal(11)
    Z = zonotopes(X, v)
    assert len(Z.plus) + len(Z.minus) <= 4
    U = rng.standard_normal((50, 3))
    assert np.allclose(Z.value(U @ Z.basis.T), np.maximum(U @ X.T, 0) @ v)
    assert abs(sweep(Z).upper - oracle(X, v)) <= CLOSE * max(1.0, oracle(X, v))


@pytest.mark.parametrize("seed", range(4))
def test_ties_are_swept_completely(seed):
    X = np.random.default_rng(seed).integers(-1, 2, (12, 4)).astype(float)
    v = np.random.default_rng(seed + 50).standard_normal(12)
    exact = oracle(X, v)
    assert abs(sweep(zonotopes(X, v)).upper - exact) <= CLOSE * max(1.0, exact)
    assert abs(tree(zonotopes(X, v)).upper - exact) <= CLOSE * max(1.0, exact)


def test_too_many_ties_perturb_the_rows_and_say_so(monkeypatch):
    monkeypatch.setattr(sys.modules[sweep.__module__], "LOOSE_IN_ALL", 50)
    X = np.array([[i, j, k] for i in range(3) for j in range(3) for k in range(3)], dtype=float)
    v = np.ones(len(X))
    bound = sweep(zonotopes(X, v))
    assert "perturbed" in bound.method
    exact = np.linalg.norm(X.sum(0))  # all weights positive and all rows in one orthant: everything is active
    assert exact <= bound.upper <= exact + 2 * DELTA * np.linalg.norm(X, axis=1).sum() + CLOSE * exact


@pytest.mark.parametrize("n, r", [(8, 3), (12, 4), (14, 5), (9, 2), (5, 5), (3, 3), (6, 1)])
def test_every_cell_is_listed_once(n, r):
    Z = zonotopes(np.random.default_rng(n).standard_normal((n, r)), np.ones(n))
    signs = torch.cat([S for S, _ in arrangement(Z, 0.0, "cpu", 500)]).numpy()
    assert len(signs) == cells(Z) == count_patterns(len(Z.plus), Z.rank) // 2
    assert len(np.unique(np.concatenate([signs, ~signs]), axis=0)) == 2 * len(signs)


def test_subsets_are_counted_through():
    from itertools import combinations

    listed = torch.cat([subsets(k, 4, 7, 3) for k in range(0, 32, 4)] + [subsets(32, 3, 7, 3)]).tolist()
    assert sorted(map(tuple, listed)) == sorted(combinations(range(7), 3))


def test_a_level_that_is_high_enough_closes_at_once_and_a_low_one_yields_columns():
    X, v = planted(40, 4)
    top = sweep(zonotopes(X, v)).upper
    for method in EXACT.values():
        assert method(zonotopes(X, v), level=1.01 * top).upper <= 1.01 * top * (1 + 1e-6)
        found = method(zonotopes(X, v), level=0.9 * top).found
        assert (phi(X, v, found) > 0.9 * top).all()


def test_out_of_time_is_not_closed():
    X, v = planted(60, 5)
    assert not tree(zonotopes(X, v), seconds=1e-9).closed
    assert tree(zonotopes(X, v), seconds=1e-9).upper >= sweep(zonotopes(X, v)).lower
    assert sweep(zonotopes(X, v), seconds=0.0).upper == np.inf


def test_accurate_bounds_keep_the_tree_small():
    """With concave solves to 1e-3 the same kind of instance took 974 000 nodes."""
    X, y = planted(40, 5)
    for sign in (1, -1):
        bound = tree(zonotopes(X, sign * y), tol=1e-6)
        assert bound.closed
        assert bound.work < 10_000


def test_the_trust_region_value_is_never_below_the_quadratic():
    rng = np.random.default_rng(0)
    p, Q = torch.tensor(rng.standard_normal((30, 4))), torch.tensor(rng.standard_normal((30, 4, 4)))
    Q = Q + Q.mT
    p[:10] *= 1e-9  # the hard case
    Q[20:] -= 9 * torch.eye(4, dtype=Q.dtype)
    value = trust_region(p, Q)[0]
    U = torch.tensor(rng.standard_normal((4000, 4)))
    U = U / U.norm(dim=1, keepdim=True) * torch.tensor(rng.uniform(0, 1, (4000, 1))) ** 0.25
    attained = (U @ p.T + torch.einsum("ki,bij,kj->kb", U, Q, U)).max(0).values
    assert bool((attained <= value + 1e-9).all())
    assert bool((attained >= value - 0.35 * (1 + value.abs())).all())


def test_wrong_multipliers_still_bound():
    X, v = gaussian(3, 15, 3)
    exact = sweep(zonotopes(X, v)).lower
    rng = np.random.default_rng(0)
    for _ in range(20):
        m, root = rng.standard_normal(3), rng.standard_normal((3, 3))
        assert shor(zonotopes(X, v), 1, guess=(10 * m, root @ root.T * 10 ** rng.uniform(-4, 4))).upper >= exact
