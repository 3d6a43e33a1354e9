"""Certificates that need no trust in floating point: every inequality is checked in rational arithmetic.

Floating-point numbers are rationals. Data and witnesses are taken exactly as stored, and the certificate carries the
very arrays that were checked, so that a stranger can check them again:

    dual     lambda >= 0 and v in the domain of L*;  q_g = s_g X'D_g v + X'S_g lambda_g in integers, |q_g|^2 <= beta^2;
             lower = dual value of v. Where the float witness fails, v and lambda are shortened until it holds
    primal   S_g X z_g >= 0 exactly, after a push along an interior direction where rounding broke it;
             |z_g| from above by integer square roots;  upper = loss + beta * sum of those
    scope    "network" only for ReLU with both signs and a pattern list *proved* complete: its patterns are distinct,
             each is realised by an exactly checked gate, and there are as many as the arrangement has cells

Source: derived for this project. Tests: tests/test_exact.py, tests/test_exact_trust.py.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

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
from convexnn.rational import Grid, Integers, coarse, count_cells, down, root_above, root_below, up
from convexnn.types import Certificate, Point, Solution

LOSSES = ("squared", "hinge", "squared_hinge")
#: The witness is shortened by 2^-52, 2^-51, ... until it is feasible: what float64 lost is rarely more than a few bits.
MANTISSA = 52


def certify_exactly(program: Program, point: Point | Solution | Array) -> Certificate:
    """Bounds on the optimum of a gated or ReLU group lasso, checked in rational arithmetic.

    Returns a Certificate with rigour "exact"; `v` and `multipliers` are feasible exactly, `lower` is the dual value of
    `v` and `upper` the objective of the point (or of zero, where that is better), both rounded outwards to float64.
    Raises ValueError for losses whose conjugate is not rational (logistic, cross entropy), other gauges, a free bias,
    patterns that are not 0/1, or cones that are not those of the patterns.
    """
    operator = _check(program)
    program = program.to("cpu", torch.float64)
    found = certify(program, point)
    X, D = to_numpy(operator.X), to_numpy(operator.D) > 0
    lower, v, multipliers = _lower(program, Grid.of(X), D, found)
    upper = _upper(program, Grid.of(X), D, _primal(program, point))
    low, high = down(lower), up(upper)
    return replace(
        found,
        lower=low,
        upper=high,
        gap=relative_gap(high, low),
        scope=_scope(program, X, D, found.scope),
        rigour="exact",
        v=v,
        multipliers=multipliers,
        assumptions=(*found.assumptions, "all inequalities checked in rational arithmetic"),
    )


def is_complete(X: Array, D: BoolArray) -> bool:
    """Whether D is proved, exactly, to hold every non-zero pattern of X.

    The arrangement has at most 2 sum_{k<d} C(n-1, k) cells; where D has fewer, they are counted. If that many distinct
    patterns are realised strictly by explicit gates, there is no other. The all-zero pattern may be missing from D: it
    is counted when the negated gate of the all-ones pattern realises it. Zero rows never switch: their bit must be 1.
    False also where a gate cannot be found in floating point.
    """
    alive = X.any(axis=1)
    if not alive.any():
        return bool(D.all() and D.shape[1] == 1)
    if len(first_occurrences(D)) < D.shape[1]:
        return False
    try:
        gates = gates_of(X, D)
    except ValueError:
        return False
    X, D = X[alive], D[alive]
    strict = np.where(D, 1, -1) * (Grid.of(X).values @ Grid.of(gates.T).values) > 0
    if not bool(np.all(strict)):
        return False
    zero_realised = bool(D.all(0).any()) and not bool((~D.any(0)).any())  # -h of the all-ones gate, strictly
    count = D.shape[1] + zero_realised
    return count == count_patterns(X.shape[0], X.shape[1]) or count == count_cells(X)


def _scope(program: Program, X: Array, D: BoolArray, claimed: Scope) -> Scope:
    signs = set(to_numpy(program.operator.group_signs).tolist())
    both = isinstance(program.cone, PatternCone) and signs == {1.0, -1.0}
    return "network" if claimed == "network" and both and is_complete(X, D) else "program"


def _check(program: Program) -> GatedOperator:
    operator, cone = program.operator, program.cone
    if not isinstance(operator, GatedOperator) or not isinstance(cone, PatternCone | FreeCone):
        raise ValueError("certify_exactly covers gated operators with pattern cones; use certify for this program")
    if not isinstance(program.gauge, GroupL2) or program.gauge.free or program.free_columns is not None:
        raise ValueError("certify_exactly covers the group l2 gauge without unpenalised coordinates; use certify")
    if program.loss.name not in LOSSES:
        raise ValueError(f"loss {program.loss.name!r} has an irrational conjugate; exact covers {', '.join(LOSSES)}")
    if not bool(((operator.D == 0) | (operator.D == 1)).all()) or not set(operator.signs) <= {1.0, -1.0}:
        raise ValueError("certify_exactly needs patterns of 0 and 1 and signs of +1 and -1; use certify")
    if isinstance(cone, PatternCone):
        same = torch.equal(cone.X, operator.X) and torch.equal(cone.S, 2 * operator.D - 1)
        if not same or cone.copies != len(operator.signs):
            raise ValueError(
                "the cones are not those of the operator's patterns, S = 2 D - 1 on the same X; use certify"
            )
    return operator


def _primal(program: Program, point: Point | Solution | Array) -> Array:
    Z = point.Z if isinstance(point, Point | Solution) else point
    return to_numpy(feasible(program, tensor(Z)))


# ---- the dual --------------------------------------------------------------------------------------------------------


def _lower(program: Program, X: Grid, D: BoolArray, found: Certificate) -> tuple[Fraction, Array, Array | None]:
    """The exact dual value of the longest v on the witness's ray that is found to be feasible, v, and lambda."""
    Y = to_numpy(program.Y)
    lam = None if found.multipliers is None else coarse(np.maximum(found.multipliers, 0.0))
    v = _into_domain(program.loss.name, coarse(found.v), Y)
    signs = [int(s) for s in to_numpy(program.operator.group_signs)]
    largest, square = _largest(X, D, signs, v, lam), Fraction(program.beta) ** 2
    if largest > square:
        t = float(root_below(square / largest))
        whole, multipliers = v, lam
        for k in range(MANTISSA + 1):
            share = t * (1 - 2.0 ** (k - MANTISSA))
            v = _into_domain(program.loss.name, coarse(share * whole), Y)
            lam = None if multipliers is None else coarse(share * multipliers)
            if _largest(X, D, signs, v, lam) <= square:
                break
    return _dual_value(program.loss.name, v, Y), v, lam


def _into_domain(loss: str, v: Array, Y: Array) -> Array:
    """v with y v >= 0, and at most 1 for the hinge: comparisons with -1, 0 and 1 are exact in float64."""
    if loss == "squared":
        return v
    levels = np.maximum(Y * v, 0.0)
    return Y * (np.minimum(levels, 1.0) if loss == "hinge" else levels)


def _largest(X: Grid, D: BoolArray, signs: list[int], v: Array, lam: Array | None) -> Fraction:
    """max over groups and columns of |s_g X'D_g v + X'S_g lambda_g|^2, exactly."""
    V, largest = Grid.of(v), Fraction(0)
    L = None if lam is None else Grid.of(lam)
    for g, sign in enumerate(signs):
        pattern = D[:, g % D.shape[1]]
        q = sign * (X.values[pattern].T @ V.values[pattern]) * Fraction(1, 2**V.shift)
        if L is not None and L.values[g].any():
            S = np.where(pattern, 1, -1)[:, None]
            q = q + (X.values.T @ (S * L.values[g])) * Fraction(1, 2**L.shift)
        largest = max(largest, max(sum(x * x for x in column) for column in q.T))
    return largest * Fraction(1, 4**X.shift)


def _dual_value(loss: str, v: Array, Y: Array) -> Fraction:
    """-L*(-v):  y'v - |v|^2 / 2 for the squared losses (a label is -1 or +1: y v is the level), y'v for the hinge."""
    w = Grid.of(v).fractions().reshape(-1)
    value = sum(Grid.of(Y).fractions().reshape(-1) * w, Fraction(0))
    return value if loss == "hinge" else value - sum(w * w, Fraction(0)) / 2


# ---- the primal ------------------------------------------------------------------------------------------------------


def _upper(program: Program, X: Grid, D: BoolArray, Z: Array) -> Fraction:
    """The exact objective, norms rounded up, of a point that is exactly in its cones; or of zero, if that is less."""
    f = np.full(tuple(program.Y.shape), Fraction(0), dtype=object)
    null, penalty = _loss(program, f), Fraction(0)
    coned = isinstance(program.cone, PatternCone)
    signs = [int(s) for s in to_numpy(program.operator.group_signs)]
    features = X.fractions()
    for g in np.flatnonzero(Z.reshape(len(Z), -1).any(1)).tolist():
        pattern = D[:, g % D.shape[1]]
        for k in np.flatnonzero(Z[g].any(0)).tolist():
            z = Grid.of(Z[g, :, k]).fractions()
            z = _push_inside(features, pattern, z) if coned else z
            f[pattern, k] += signs[g] * (features[pattern] @ z)
            penalty += root_above(sum(x * x for x in z))
    return min(null, _loss(program, f) + Fraction(program.beta) * penalty)


def _loss(program: Program, f: Integers) -> Fraction:
    Y = Grid.of(to_numpy(program.Y)).fractions()
    if program.loss.name == "squared":
        return Fraction(sum(((f - Y) ** 2).reshape(-1), Fraction(0))) / 2
    slack = [max(x, Fraction(0)) for x in (1 - Y * f).reshape(-1)]
    return sum(slack, Fraction(0)) if program.loss.name == "hinge" else sum((x * x for x in slack), Fraction(0)) / 2


def _push_inside(features: Integers, pattern: BoolArray, z: Integers) -> Integers:
    """z moved along an interior direction of its cell until S X z >= 0 holds exactly; zero when there is none."""
    S = np.where(pattern, 1, -1)
    slack = S * (features @ z)
    if min(slack) >= 0:
        return z
    try:
        h = Grid.of(gates_of(features.astype(float), pattern[:, None])[0]).fractions()
    except ValueError:
        return z * 0
    depth = S * (features @ h)
    steps = [-a / b for a, b in zip(slack, depth) if a < 0 and b > 0]
    moved = z + max(steps, default=Fraction(0)) * h
    return moved if min(S * (features @ moved)) >= 0 else z * 0
