"""Rational arithmetic for certificates: integer grids, square roots with a side, and exact counts of cells.

Floating-point numbers are rationals with a power-of-two denominator, so an array of them is an array of Python integers
over one power of two, and a float64 rounded to a coarser grid is still a float64. Cells are counted by deletion and
restriction, with integers alone:

    cells(A + h) = cells(A) + cells(A restricted to h),      cells(no line) = 1

Tests: tests/laws/test_rational.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import floor, gcd, isqrt, log2

import numpy as np

from convexnn.numerics import Array

#: Witnesses are rounded to multiples of 2^-BITS times their largest entry; square roots carry as many bits.
BITS = 80

Integers = np.ndarray  # object dtype: Python integers or Fractions
Line = tuple[int, ...]


class Grid:
    """An array of rationals values / 2^shift with integer values."""

    def __init__(self, values: Integers, shift: int) -> None:
        self.values, self.shift = values, shift

    @classmethod
    def of(cls, array: Array) -> Grid:
        """`array` exactly as stored."""
        ratios = [float(x).as_integer_ratio() for x in array.reshape(-1)]
        shift = max((d.bit_length() - 1 for _, d in ratios), default=0)
        packed = np.empty(len(ratios), dtype=object)
        packed[:] = [n * (2**shift // d) for n, d in ratios]
        return cls(packed.reshape(array.shape), shift)

    def fractions(self) -> Integers:
        """The same numbers as Fractions."""
        return self.values * Fraction(1, 2**self.shift)


def coarse(array: Array) -> Array:
    """float64 multiples of 2^-BITS of the largest entry, each within half a step of `array`."""
    top = float(np.abs(array).max(initial=0.0))
    k = BITS - floor(log2(top)) if top > 0 else 0
    return np.asarray(np.ldexp(np.rint(np.ldexp(array, k)), -k))


def root_below(x: Fraction) -> Fraction:
    """A rational r >= 0 with r^2 <= x, exact to 2^-BITS relative."""
    scale = _scale(x)
    return Fraction(isqrt(x.numerator * scale // x.denominator), isqrt(scale))


def root_above(x: Fraction) -> Fraction:
    """A rational r with r^2 >= x, exact to 2^-BITS relative."""
    scale = _scale(x)
    return Fraction(isqrt(-(-x.numerator * scale // x.denominator)) + 1, isqrt(scale)) if x else Fraction(0)


def _scale(x: Fraction) -> int:
    """An even power of two that leaves BITS bits in the root of scale * x."""
    return 4 ** (BITS + max(0, x.denominator.bit_length() - x.numerator.bit_length()) // 2)


def down(x: Fraction) -> float:
    """The largest float64 <= x."""
    value = _float(x)
    fits = value == -np.inf or (value < np.inf and Fraction(value) <= x)
    return value if fits else float(np.nextafter(value, -np.inf))


def up(x: Fraction) -> float:
    """The smallest float64 >= x."""
    return -down(-x)


def _float(x: Fraction) -> float:
    try:
        return float(x)
    except OverflowError:
        return float("inf") if x > 0 else -float("inf")


def count_cells(X: Array) -> int:
    """Cells of the arrangement {u : x_k'u = 0} of the rows of X as stored: ties, duplicates and any rank are exact."""
    return _count(_lines(map(tuple, Grid.of(X).values.tolist())))


def _lines(rows: Iterable[Line]) -> list[Line]:
    """The distinct lines among integer rows: divided by their common factor, first non-zero entry positive."""
    found: dict[Line, None] = {}
    for row in rows:
        factor = gcd(*row)
        if factor:
            first = next(x for x in row if x)
            factor = factor if first > 0 else -factor
            found[tuple(x // factor for x in row)] = None
    return list(found)


def _count(lines: list[Line]) -> int:
    if not lines:
        return 1
    if len(lines[0]) <= 2:
        return 2 * len(lines)
    return 1 + sum(_count(_restricted(lines[:k], h)) for k, h in enumerate(lines))


def _restricted(lines: list[Line], h: Line) -> list[Line]:
    """The lines that the hyperplanes cut out of h'u = 0, one coordinate less."""
    p = next(i for i, x in enumerate(h) if x)
    rest = [i for i in range(len(h)) if i != p]
    return _lines(tuple(a[i] * h[p] - h[i] * a[p] for i in rest) for a in lines)
