"""Certificates that need no trust in floating point: every inequality is checked in rational arithmetic.

Floating-point numbers are rationals with a power-of-two denominator. The data are taken exactly as stored; the
witnesses (Z, v, lambda) are free to choose, so they are rounded to a grid first and then checked:

    dual     lambda >= 0 and v in the domain of L* exactly;  q_g = s_g X'D_g v + X'S_g lambda_g  as integers;
             t rational with t^2 max_g |q_g|^2 <= beta^2;  lower = dual value of t v, exactly
    primal   S_g X z_g >= 0 exactly, after a push along an interior direction where rounding broke it;
             |z_g| from above by integer square roots;  upper = loss + beta * sum of those, exactly
    scope    "network" only if the pattern list is *proved* complete: its patterns are distinct, each is realised by
             an exactly checked gate, and there are as many as any arrangement of n lines in R^d can have

Source: derived for this project.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor, isqrt, log2

import numpy as np
import torch

from convexnn.certifying import certify, feasible
from convexnn.claims import Scope
from convexnn.cones import FreeCone, PatternCone
from convexnn.gauges import GroupL2
from convexnn.numerics import Array, BoolArray, relative_gap, tensor, to_numpy
from convexnn.operators import GatedOperator
from convexnn.patterns import count_patterns, first_occurrences, gates_of
from convexnn.program import Program
from convexnn.types import Certificate, Point, Solution

#: Witnesses are rounded to multiples of 2^-GRID times their largest entry; square roots carry as many bits.
GRID = 80
LOSSES = ("squared", "hinge", "squared_hinge")

Integers = np.ndarray  # object dtype, Python integers


def certify_exactly(program: Program, point: Point | Solution | Array) -> Certificate:
    """Bounds on the optimum of a gated or ReLU group lasso, checked in rational arithmetic.

    Returns a Certificate with rigour "exact"; `lower` and `upper` are rounded outwards to float64.
    Raises ValueError for losses whose conjugate is not rational (logistic, cross entropy), other gauges, or free bias.
    """
    operator = _check(program)
    program = program.to("cpu", torch.float64)
    found = certify(program, point)
    X = _Grid.of(to_numpy(operator.X), exact=True)
    D = to_numpy(operator.D) > 0
    lower, t = _lower(program, X, D, found)
    upper = _upper(program, X, D, _primal(program, point))
    low, high = _down(lower), _up(upper)
    scope: Scope = "network" if found.scope == "network" and is_complete(to_numpy(operator.X), D) else "program"
    note = "all inequalities checked in rational arithmetic"
    return replace(
        found,
        lower=low,
        upper=high,
        gap=relative_gap(high, low),
        scope=scope,
        rigour="exact",
        v=found.v * float(t),
        assumptions=(*found.assumptions, note),
    )


def is_complete(X: Array, D: BoolArray) -> bool:
    """Whether D is proved, exactly, to hold every non-zero pattern of X.

    n hyperplanes through the origin of R^d have at most 2 sum_{k<d} C(n-1, k) cells. If that many distinct patterns
    are realised strictly by explicit gates, there is no other. The all-zero pattern may be missing from D: it is
    counted when the negated gate of the all-ones pattern realises it. False also when nothing can be proved (ties).
    """
    if len(first_occurrences(D)) < D.shape[1]:
        return False
    try:
        gates = gates_of(X, D)
    except ValueError:
        return False
    exact, H = _Grid.of(X, exact=True), _Grid.of(gates.T)
    strict = np.where(D, 1, -1) * (exact.values @ H.values) > 0
    if not bool(np.all(strict)):
        return False
    zero_realised = bool(D.all(0).any()) and not bool((~D.any(0)).any())  # -h of the all-ones gate, strictly
    return D.shape[1] + zero_realised == count_patterns(X.shape[0], X.shape[1])


class _Grid:
    """An array of rationals values / 2^shift with integer values."""

    def __init__(self, values: Integers, shift: int) -> None:
        self.values, self.shift = values, shift

    @classmethod
    def of(cls, array: Array, exact: bool = False) -> _Grid:
        """`array` exactly, or rounded to 2^-GRID of its largest entry."""
        if exact:
            ratios = [float(x).as_integer_ratio() for x in array.reshape(-1)]
            shift = max((d.bit_length() - 1 for _, d in ratios), default=0)
            values = [n * (2**shift // d) for n, d in ratios]
        else:
            top = float(np.abs(array).max(initial=0.0))
            shift = GRID - (floor(log2(top)) if top > 0 else 0)
            values = [int(Fraction(float(x)) * Fraction(2) ** shift) for x in array.reshape(-1)]
        packed = np.empty(len(values), dtype=object)
        packed[:] = values
        return cls(packed.reshape(array.shape), shift)

    def fractions(self) -> Integers:
        """The same numbers as Fractions."""
        return self.values * Fraction(1, 2) ** self.shift if self.shift >= 0 else self.values * 2**-self.shift


def _check(program: Program) -> GatedOperator:
    operator, cone = program.operator, program.cone
    if not isinstance(operator, GatedOperator) or not isinstance(cone, PatternCone | FreeCone):
        raise ValueError("certify_exactly covers gated operators with pattern cones; use certify for this program")
    if not isinstance(program.gauge, GroupL2) or program.gauge.free:
        raise ValueError("certify_exactly covers the group l2 gauge without unpenalised coordinates; use certify")
    if program.loss.name not in LOSSES:
        raise ValueError(f"loss {program.loss.name!r} has an irrational conjugate; exact covers {', '.join(LOSSES)}")
    return operator


def _primal(program: Program, point: Point | Solution | Array) -> Array:
    Z = point.Z if isinstance(point, Point | Solution) else point
    return to_numpy(feasible(program, tensor(Z)))


def _lower(program: Program, X: _Grid, D: BoolArray, found: Certificate) -> tuple[Fraction, Fraction]:
    """The exact dual value of t v, and t."""
    Y = _Grid.of(to_numpy(program.Y), exact=True).fractions()
    v = _Grid.of(found.v)
    margin = program.loss.name != "squared"
    if margin:  # labels are -1 and +1: s = y v
        s = np.maximum((Y * v.values), 0)
        s = np.minimum(s, 2**v.shift) if program.loss.name == "hinge" else s
        v = _Grid(Y * s, v.shift)
    lam = None if found.multipliers is None else _Grid.of(np.maximum(found.multipliers, 0.0))
    signs = [int(s) for s in to_numpy(program.operator.group_signs)]
    largest = Fraction(0)
    for g, sign in enumerate(signs):
        pattern = D[:, g % D.shape[1]]
        q = sign * (X.values[pattern].T @ v.values[pattern]) * Fraction(1, 2) ** v.shift
        if lam is not None and lam.values[g].any():
            S = np.where(pattern, 1, -1)[:, None]
            q = q + (X.values.T @ (S * lam.values[g])) * Fraction(1, 2) ** lam.shift
        largest = max(largest, max(sum(x * x for x in column) for column in q.T))
    largest *= Fraction(1, 4) ** X.shift
    t = min(Fraction(1), _root_below(Fraction(program.beta) ** 2 / largest)) if largest > 0 else Fraction(1)
    w = (t * v.fractions()).reshape(-1)
    y = Y.reshape(-1)
    if program.loss.name == "hinge":
        return sum(y * w, Fraction(0)), t
    return sum(y * w, Fraction(0)) - sum(w * w, Fraction(0)) / 2, t


def _upper(program: Program, X: _Grid, D: BoolArray, Z: Array) -> Fraction:
    """The exact objective, norms rounded up, of a point that is exactly in its cones."""
    f = np.full(tuple(program.Y.shape), Fraction(0), dtype=object)
    penalty = Fraction(0)
    coned = isinstance(program.cone, PatternCone)
    signs = [int(s) for s in to_numpy(program.operator.group_signs)]
    features = X.fractions()
    for g in np.flatnonzero(Z.reshape(len(Z), -1).any(1)).tolist():
        pattern = D[:, g % D.shape[1]]
        for k in np.flatnonzero(Z[g].any(0)).tolist():
            z = _Grid.of(Z[g, :, k]).fractions()
            z = _push_inside(features, pattern, z) if coned else z
            f[pattern, k] += signs[g] * (features[pattern] @ z)
            penalty += _root_above(sum(x * x for x in z))
    Y = _Grid.of(to_numpy(program.Y), exact=True).fractions()
    if program.loss.name == "squared":
        loss = sum(((f - Y) ** 2).reshape(-1), Fraction(0)) / 2
    else:
        slack = np.array([max(x, Fraction(0)) for x in (1 - Y * f).reshape(-1)], dtype=object)
        loss = sum(slack, Fraction(0)) if program.loss.name == "hinge" else sum(slack**2, Fraction(0)) / 2
    return loss + Fraction(program.beta) * penalty


def _push_inside(features: Integers, pattern: BoolArray, z: Integers) -> Integers:
    """z moved along an interior direction of its cell until S X z >= 0 holds exactly; zero when there is none."""
    S = np.where(pattern, 1, -1)
    slack = S * (features @ z)
    if min(slack) >= 0:
        return z
    try:
        h = _Grid.of(gates_of(features.astype(float), pattern[:, None])[0]).fractions()
    except ValueError:
        return z * 0
    depth = S * (features @ h)
    steps = [-a / b for a, b in zip(slack, depth) if a < 0 and b > 0]
    moved = z + max(steps, default=Fraction(0)) * h
    return moved if min(S * (features @ moved)) >= 0 else z * 0


def _root_below(x: Fraction) -> Fraction:
    """A rational r with r^2 <= x, exact to 2^-GRID relative."""
    scale = 4 ** (GRID + max(0, x.denominator.bit_length() - x.numerator.bit_length()) // 2)
    return Fraction(isqrt(x.numerator * scale // x.denominator), isqrt(scale))


def _root_above(x: Fraction) -> Fraction:
    """A rational r with r^2 >= x."""
    scale = 4 ** (GRID + max(0, x.denominator.bit_length() - x.numerator.bit_length()) // 2)
    return Fraction(isqrt(-(-x.numerator * scale // x.denominator)) + 1, isqrt(scale)) if x else Fraction(0)


def _down(x: Fraction) -> float:
    value = float(x)
    return value if Fraction(value) <= x else float(np.nextafter(value, -np.inf))


def _up(x: Fraction) -> float:
    value = float(x)
    return value if Fraction(value) >= x else float(np.nextafter(value, np.inf))
