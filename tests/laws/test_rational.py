"""Rational arithmetic: roots on the right side, outward rounding, grids of float64s, exact counts of cells."""

from fractions import Fraction
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convexnn.patterns import count_patterns, enumerate_patterns
from convexnn.rational import BITS, Grid, coarse, count_cells, down, root_above, root_below, up

positive = st.fractions(min_value=Fraction(1, 10**30), max_value=10**30)
any_seed = st.integers(0, 2**32 - 1)


@given(x=positive, power=st.integers(-400, 400))
def test_roots_are_on_their_side_and_close(x, power):
    x *= Fraction(2) ** power
    low, high = root_below(x), root_above(x)
    assert low**2 <= x <= high**2
    assert (high - low) / high <= Fraction(4, 2**BITS)
    assert root_below(x * x) <= x <= root_above(x * x)


def test_the_root_of_zero_is_zero():
    assert root_below(Fraction(0)) == root_above(Fraction(0)) == 0


@given(x=st.fractions(), power=st.integers(-1200, 1200))
def test_rounding_goes_outwards_to_the_next_float(x, power):
    x *= Fraction(2) ** power
    low, high = down(x), up(x)
    assert low == -np.inf or Fraction(low) <= x
    assert high == np.inf or Fraction(high) >= x
    assert high == np.inf or np.nextafter(low, np.inf) >= high


@given(seed=any_seed, exponent=st.integers(-30, 30))
def test_a_grid_is_the_array_itself(seed, exponent):
    array = np.random.default_rng(seed).standard_normal((3, 2)) * 10.0**exponent
    assert [[Fraction(x) for x in row] for row in array.tolist()] == Grid.of(array).fractions().tolist()


@given(seed=any_seed, exponent=st.integers(-200, 20))
def test_a_coarse_array_moves_by_less_than_its_step_and_has_short_integers(seed, exponent):
    rng = np.random.default_rng(seed)
    array = rng.standard_normal(20) * 10.0 ** rng.uniform(-40, 0, 20) * 10.0**exponent
    found = coarse(array)
    assert np.abs(found - array).max() <= np.abs(array).max() * 2.0**-BITS
    assert max(abs(x) for x in Grid.of(found).values.tolist()).bit_length() <= BITS + 1
    assert np.array_equal(coarse(found), found)
    assert not coarse(0 * array).any()


@pytest.mark.parametrize("n, r", [(1, 1), (4, 1), (5, 2), (8, 3), (7, 4), (6, 6), (3, 5)])
def test_general_position_has_the_formula(n, r):
    X = np.random.default_rng(n).standard_normal((n, r))
    assert count_cells(X) == count_patterns(n, r)
    assert count_cells(np.vstack([X, -4 * X[0], 0 * X[0]])) == count_patterns(n, r)


@given(seed=any_seed, d=st.integers(1, 4), n=st.integers(1, 9))
def test_small_integer_grids_have_the_enumerated_cells(seed, d, n):
    X = np.random.default_rng(seed).integers(-1, 2, (n, d)).astype(float)
    assert count_cells(X) == enumerate_patterns(X).shape[1]


@pytest.mark.parametrize("r", [3, 4, 5])
def test_mirrors_of_reflection_groups_have_as_many_cells_as_the_group_has_elements(r):
    E = np.eye(r)
    differences = [E[i] - E[j] for i, j in combinations(range(r), 2)]
    sums = [E[i] + E[j] for i, j in combinations(range(r), 2)]
    assert count_cells(np.array(differences)) == factorial(r)
    assert count_cells(np.array(differences + sums + list(E))) == 2**r * factorial(r)


def test_a_tie_that_floats_cannot_see_is_none():
    X = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert count_cells(X) == 12
    X[2, 2] = 1e-300
    assert count_cells(X) == count_patterns(4, 3) == 14
