"""Patterns: the enumeration against linear programs, exact integer arithmetic, dense sampling and known counts."""

from itertools import combinations, permutations, product
from math import comb, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog

from convexnn.patterns import (
    count_patterns,
    enumerate_patterns,
    first_occurrences,
    gates_of,
    is_realised,
    pack,
    patterns_of,
    sample_patterns,
    unpack,
)

any_seed = st.integers(0, 2**32 - 1)
GOLDEN = {(5, 2): 10, (6, 3): 32, (8, 3): 58, (7, 4): 84}


def columns(D: np.ndarray) -> set[tuple[bool, ...]]:
    return {tuple(column) for column in D.T.tolist()}


def assert_same_patterns(D: np.ndarray, expected: set[tuple[bool, ...]]) -> None:
    assert columns(D) == expected
    assert D.shape[1] == len(expected), "a pattern occurs twice"


def has_interior(G: np.ndarray) -> bool:
    """Is there u with G u > 0?  max t, G u >= t |G|, |u| <= 1, by linear programming (zero rows do not count)."""
    G = G[np.linalg.norm(G, axis=1) > 0]
    if len(G) == 0:
        return True
    rows = np.column_stack([-G / np.linalg.norm(G, axis=1)[:, None], np.ones(len(G))])
    cost = np.append(np.zeros(G.shape[1]), -1.0)
    bounds = [(-1, 1)] * G.shape[1] + [(None, 1)]
    found = linprog(cost, A_ub=rows, b_ub=np.zeros(len(G)), bounds=bounds, method="highs")
    return bool(found.x[-1] > 1e-7)  # LP feasibility tolerance; random cells of these sizes are far wider


def patterns_by_linear_programs(X: np.ndarray) -> set[tuple[bool, ...]]:
    """Row by row: a pattern of the first k rows splits in two when both sides of row k + 1 have an interior."""
    found: list[tuple[bool, ...]] = [()]
    for k, row in enumerate(X):
        sides = (True, False) if row.any() else (True,)
        trial = [(*pattern, side) for pattern in found for side in sides]
        found = [t for t in trial if has_interior(np.where(t, 1.0, -1.0)[:, None] * X[: k + 1])]
    return set(found)


def patterns_in_integers(X: np.ndarray) -> set[tuple[bool, ...]]:
    """Exact, for integer X with at most three columns.

    A cell of an essential arrangement holds r independent extreme rays, and their sum is interior. Rays are cross
    products of rows, so every candidate is an integer vector and every sign is exact.
    """
    independent: list[int] = []
    for j in range(X.shape[1]):  # patterns depend on the column space alone
        if np.linalg.matrix_rank(X[:, [*independent, j]]) > len(independent):
            independent.append(j)
    X = X[:, independent].astype(np.int64)
    n, r = X.shape
    if r == 0:
        return {(True,) * n}
    if r == 1:
        rays = [np.array([1])]
    elif r == 2:
        rays = [np.array([-x[1], x[0]]) for x in X if x.any()]
    else:
        rays = [np.cross(X[i], X[j]) for i, j in combinations(range(n), 2)]
    rays = np.unique([s * q for q in rays if q.any() for s in (1, -1)], axis=0)
    index = np.array(list(combinations(range(len(rays)), min(r, len(rays)))))
    signs = rays[index].sum(1) @ X.T
    inside = ((signs != 0) | ~X.any(1)).all(1)
    return {tuple(row) for row in (np.unique(signs[inside] >= 0, axis=0)).tolist()}


# ---- the enumeration is complete and correct -----------------------------------------------------------------------


@pytest.mark.parametrize(("n", "r"), GOLDEN)
@pytest.mark.parametrize("seed", range(3))
def test_the_count_in_general_position_is_the_formula(n, r, seed, rng):
    X = rng.normal(size=(n, r))
    assert enumerate_patterns(X).shape == (n, GOLDEN[n, r])
    assert count_patterns(n, r) == count_patterns(X) == 2 * sum(comb(n - 1, k) for k in range(r)) == GOLDEN[n, r]


def test_the_count_depends_on_the_rank_and_not_on_the_columns(rng):
    X = rng.normal(size=(7, 2)) @ rng.normal(size=(2, 5))
    assert enumerate_patterns(X).shape[1] == count_patterns(X) == 14


def test_when_the_rank_is_the_number_of_rows_every_pattern_occurs(rng):
    assert enumerate_patterns(rng.normal(size=(5, 8))).shape[1] == count_patterns(5, 5) == 2**5


@pytest.mark.parametrize(("n", "d"), [(6, 2), (5, 3), (6, 3), (5, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_the_enumeration_is_what_linear_programs_find(n, d, seed, rng):
    X = rng.normal(size=(n, d))
    assert_same_patterns(enumerate_patterns(X), patterns_by_linear_programs(X))


@pytest.mark.parametrize("seed", range(2))
def test_the_enumeration_is_every_sign_vector_whose_cell_has_an_interior(seed, rng):
    X = rng.normal(size=(7, 3))
    everything = np.array(list(product([False, True], repeat=7))).T
    assert_same_patterns(enumerate_patterns(X), columns(everything[:, is_realised(X, everything)]))


@pytest.mark.parametrize(("n", "d"), [(12, 2), (9, 3), (12, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_dense_sampling_finds_no_other_pattern(n, d, seed, rng):
    X = rng.normal(size=(n, d))
    found, sampled = enumerate_patterns(X), sample_patterns(X, 100_000, seed=seed)
    missing = columns(sampled) - columns(found)
    assert not missing
    assert found.shape[1] == count_patterns(n, d)
    assert sampled.shape[1] >= 0.9 * found.shape[1]  # else the sample says little


@settings(max_examples=150)
@given(data=st.data(), n=st.integers(1, 7), d=st.integers(1, 3))
def test_the_enumeration_on_integer_grids_is_exact(data, n, d):
    X = data.draw(arrays(np.int64, (n, d), elements=st.integers(-3, 3)))
    assert_same_patterns(enumerate_patterns(X.astype(float)), patterns_in_integers(X))


@pytest.mark.parametrize("seed", range(10))
def test_twelve_points_of_a_small_grid_are_exact(seed, rng):
    X = rng.integers(-2, 3, (12, 3))
    assert_same_patterns(enumerate_patterns(X.astype(float)), patterns_in_integers(X))


def reflections(kind: str, r: int) -> np.ndarray:
    """Normals of the mirrors of a Coxeter group; its cells are the chambers, as many as the group has elements."""
    E = np.eye(r)
    differences = [E[i] - E[j] for i, j in combinations(range(r), 2)]
    sums = [E[i] + E[j] for i, j in combinations(range(r), 2)]
    return np.array({"A": differences, "D": differences + sums, "B": differences + sums + list(E)}[kind])


@pytest.mark.parametrize(
    ("kind", "r", "chambers"),
    [
        ("A", 3, 6),
        ("A", 4, factorial(4)),
        ("A", 5, factorial(5)),
        ("B", 2, 8),
        ("B", 3, 2**3 * factorial(3)),
        ("B", 4, 2**4 * factorial(4)),
        ("D", 3, 24),
        ("D", 4, 2**3 * factorial(4)),
    ],
)
def test_highly_degenerate_arrangements_have_the_chambers_of_their_reflection_group(kind, r, chambers):
    X = reflections(kind, r)
    D, H = enumerate_patterns(X, return_gates=True)
    assert D.shape[1] == len(columns(D)) == chambers <= count_patterns(X)
    assert np.array_equal(patterns_of(X, H), D)


def test_the_patterns_of_the_braid_arrangement_are_the_orders_of_the_coordinates():
    X = reflections("A", 4)
    orders = {tuple(bool(p[i] > p[j]) for i, j in combinations(range(4), 2)) for p in permutations(range(4))}
    assert_same_patterns(enumerate_patterns(X), orders)


def test_zero_duplicate_and_negated_rows_add_no_lines():
    rng = np.random.default_rng(0)
    a, b, c, d = rng.normal(size=(4, 3))
    X = np.array([a, b, c, a, -b, 0 * d])  # lines a, b, c
    D = enumerate_patterns(X)
    assert D.shape[1] == 8
    assert np.array_equal(D[3], D[0])
    assert np.array_equal(D[4], ~D[1])
    assert D[5].all()


def test_the_printed_example_with_two_parallel_rows():
    D = enumerate_patterns(np.array([[2.0, 2.0], [3.0, 3.0], [1.0, 0.0]]))
    assert {"".join("01"[bit] for bit in column) for column in columns(D)} == {"111", "110", "001", "000"}


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (4, 1)])
def test_one_line_has_two_patterns(shape, rng):
    assert enumerate_patterns(rng.normal(size=shape)).shape == (shape[0], 2)


def test_zero_data_have_the_one_pattern_that_never_switches():
    D, H = enumerate_patterns(np.zeros((3, 2)), return_gates=True)
    assert D.tolist() == [[True]] * 3
    assert H.shape == (1, 2)


# ---- symmetries ----------------------------------------------------------------------------------------------------


@given(seed=any_seed)
def test_patterns_come_in_opposite_pairs(seed):
    X = np.random.default_rng(seed).normal(size=(6, 3))
    D = enumerate_patterns(X)
    assert columns(D) == columns(~D)


@given(seed=any_seed)
def test_every_gate_lies_inside_its_cell(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(7, 3))
    X[3], X[5] = -2 * X[1], 0
    D, H = enumerate_patterns(X, return_gates=True)
    assert np.array_equal(patterns_of(X, H), D)
    slack = np.abs(X @ H.T)[X.any(1)] / np.outer(np.linalg.norm(X[X.any(1)], axis=1), np.linalg.norm(H, axis=1))
    assert slack.min() > 1e-12  # no gate on a boundary; thin cells may be very thin


@given(seed=any_seed)
def test_positive_scales_do_nothing_negation_flips_and_rotation_does_nothing(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(6, 3))
    found = columns(enumerate_patterns(X))
    assert columns(enumerate_patterns(10.0 ** rng.uniform(-4, 4, (6, 1)) * X)) == found
    assert columns(enumerate_patterns(X @ np.linalg.qr(rng.normal(size=(3, 3)))[0])) == found
    order = rng.permutation(6)
    assert columns(enumerate_patterns(X[order])) == columns(enumerate_patterns(X)[order])
    flip = rng.choice([True, False], 6)
    assert columns(enumerate_patterns(np.where(flip, -1.0, 1.0)[:, None] * X)) == columns(
        enumerate_patterns(X) ^ flip[:, None]
    )


def test_the_order_is_lexicographic_and_repeatable(rng):
    X = rng.normal(size=(7, 3))
    D = enumerate_patterns(X)
    words = [tuple(column) for column in D.T.tolist()]
    assert words == sorted(words)
    assert np.array_equal(D, enumerate_patterns(X.copy()))


# ---- sampling, packing, gates --------------------------------------------------------------------------------------


@given(seed=st.integers(0, 1000), P=st.integers(1, 60))
def test_sampled_patterns_are_distinct_patterns_without_the_zero_one(seed, P):
    X = np.random.default_rng(seed).normal(size=(6, 3))
    D, H = sample_patterns(X, P, seed=seed, return_gates=True)
    assert columns(D) <= columns(enumerate_patterns(X))
    assert len(columns(D)) == D.shape[1] <= P
    assert D.any(0).all()
    assert np.array_equal(patterns_of(X, H), D)


@given(seed=st.integers(0, 1000), P=st.integers(1, 40), more=st.integers(0, 40))
def test_more_gates_with_the_same_seed_extend_the_list(seed, P, more):
    X = np.random.default_rng(seed).normal(size=(6, 3))
    D, larger = sample_patterns(X, P, seed=seed), sample_patterns(X, P + more, seed=seed)
    assert np.array_equal(larger[:, : D.shape[1]], D)


def test_another_seed_draws_other_gates(rng):
    X = rng.normal(size=(6, 3))
    gates = [sample_patterns(X, 5, seed=seed, return_gates=True)[1] for seed in (0, 1)]
    assert not np.isin(gates[0], gates[1]).any()


@given(D=arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 12))))
def test_unpack_is_the_inverse_of_pack(D):
    words = pack(D)
    assert words.shape == (D.shape[1], -(-D.shape[0] // 8))
    assert np.array_equal(unpack(words, D.shape[0]), D)


@given(D=arrays(np.bool_, st.tuples(st.integers(1, 3), st.integers(1, 12))))
def test_first_occurrences_are_the_first_of_each_column(D):
    listed = [tuple(column) for column in D.T.tolist()]
    assert first_occurrences(D).tolist() == sorted(listed.index(column) for column in set(listed))


@pytest.mark.parametrize("seed", range(4))
def test_gates_of_the_patterns_have_the_patterns(seed, rng):
    X = rng.normal(size=(7, 3))
    D = enumerate_patterns(X)
    assert np.array_equal(patterns_of(X, gates_of(X, D)), D)


def test_a_column_that_is_no_pattern_is_named():
    X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    D = np.array([[True, True], [True, True], [True, False]])  # x1, x2 > 0 and x1 + x2 < 0 cannot be
    assert is_realised(X, D).tolist() == [True, False]
    with pytest.raises(ValueError, match=r"column 1 of patterns is not .*sample_patterns"):
        gates_of(X, D)


# ---- refusals ------------------------------------------------------------------------------------------------------


def test_too_many_patterns_are_refused_before_any_work(rng):
    with pytest.raises(ValueError, match=r"60 distinct lines of rank 8: up to .* more than limit=.*sample_patterns"):
        enumerate_patterns(rng.normal(size=(60, 8)))


def test_the_limit_is_the_count_itself(rng):
    X = rng.normal(size=(5, 2))
    assert enumerate_patterns(X, limit=10).shape[1] == 10
    with pytest.raises(ValueError, match=r"up to 10 patterns, more than limit=9"):
        enumerate_patterns(X, limit=9)


@pytest.mark.parametrize("X", [np.zeros((0, 2)), np.zeros((2, 0)), np.zeros(3)])
def test_data_without_rows_or_columns_are_refused(X):
    with pytest.raises(ValueError, match=r"X has shape .*at least one row and one column"):
        enumerate_patterns(X)


@pytest.mark.parametrize("P", [0, -1, 2.5, "many"])
def test_a_number_of_gates_that_is_none_is_refused(P):
    with pytest.raises(ValueError, match=r"P is .*positive number of gates"):
        sample_patterns(np.eye(2), P)


def test_counting_needs_a_matrix_or_two_numbers():
    for arguments in [(3,), (-1, 2), (3, -1)]:
        with pytest.raises(ValueError, match="pass a matrix X, or two integers"):
            count_patterns(*arguments)
    assert count_patterns(0, 0) == count_patterns(4, 0) == 1
