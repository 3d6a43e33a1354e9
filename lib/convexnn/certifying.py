"""The judge: bounds on the optimum, computed in float64 from a returned point and from nothing else.

A solver's own numbers are never used. Its dual vector and multipliers may be passed along as witnesses: they are
checked like anyone's, and the best checked bound counts.

    upper   objective of the point after projection on the cone
    lower   dual value of t v for the largest useful t with  t * (polar_g(v) + rounding_g) <= beta  in every group

A pull A_g'v + G_g'lambda is a sum that may cancel: float64 knows it up to eps times the sizes of its terms, not up to
eps times itself. With nearly parallel features and a small beta the difference reaches the ninth digit of the bound.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from convexnn.coupled import CoupledOperator
from convexnn.layered import LayeredOperator
from convexnn.numerics import CONE_TOL, EPS, SAFETY_ULPS, check_finite, relative_gap, tensor, to_numpy
from convexnn.program import Program
from convexnn.types import Array, Certificate, Point, Solution

#: A dual vector counts as orthogonal to the unpenalised directions when the relative defect is below this.
ORTHOGONAL_TOL = 1e-10


def certify(program: Program, point: Point | Solution | Array, witnesses: Iterable[Array] = ()) -> Certificate:
    """Bounds  lower <= optimum <= upper  that hold whatever produced the point.

    program   the convex program
    point     a Solution, a solver's Point, or an array Z of shape program.operator.domain
    witnesses further dual vectors of shape (n, c) to try
    Returns a Certificate of the program's scope. A point that is far from optimal gets a wide gap, not an error.
    Raises ValueError for a wrong shape or a NaN.
    Source: weak duality; the scaled residual of the two-layer catalogue (1.7).
    """
    program = program.to("cpu", torch.float64)
    Z, candidates, hint = _unpack(program, point)
    Z, upper = _upper(program, Z)
    for k, witness in enumerate(extra := list(witnesses)):
        _check_shape(f"witnesses[{k}]", witness, program.Y)
        check_finite(**{f"witnesses[{k}]": witness})
    candidates = [program.residual(Z), *candidates, *(tensor(w).reshape(program.Y.shape) for w in extra)]
    best: tuple[float, Tensor, Tensor | None] = (-np.inf, candidates[0] * 0, None)
    for v in candidates:
        lower, scaled, lam = _lower(program, v, hint)
        if lower > best[0]:
            best = (lower, scaled, lam)
    lower, v, lam = best
    upper, lower = _widen(program, upper, lower)
    multipliers = None if lam is None or lam.shape[1] == 0 else to_numpy(lam)
    return Certificate(
        lower=lower,
        upper=upper,
        gap=relative_gap(upper, lower),
        scope=program.scope,
        rigour="float",
        v=to_numpy(v),
        multipliers=multipliers,
        assumptions=program.assumptions,
    )


def feasible(program: Program, Z: Tensor) -> Tensor:
    """Z with the groups that leave their cone projected on it; a group that cannot be brought inside becomes zero."""
    Z = program.cone.project(Z)
    outside = program.cone.violation(Z) > CONE_TOL
    return torch.where(outside[:, None, None], torch.zeros_like(Z), Z)


def _unpack(program: Program, point: Point | Solution | Array) -> tuple[Tensor, list[Tensor], Tensor | None]:
    """The primal array, the dual vectors that came with it, and multipliers to try first."""
    witness: Array | None
    if isinstance(point, Solution):
        witness, hint, Z = point.certificate.v, point.certificate.multipliers, point.Z
    elif isinstance(point, Point):
        witness, hint, Z = point.v, point.multipliers, point.Z
    else:
        witness, hint, Z = None, None, point
    check_finite(Z=Z)
    if tuple(np.shape(Z)) != program.operator.domain:
        raise ValueError(f"point has shape {np.shape(Z)}; this program's variable is {program.operator.domain}")
    _check_shape("v", witness, program.Y)
    _check_shape("multipliers", hint, program.cone.rows(program.zeros()))
    duals = [] if witness is None or not np.isfinite(witness).all() else [tensor(witness).reshape(program.Y.shape)]
    usable = hint is not None and bool(np.isfinite(hint).all())
    return tensor(Z), duals, tensor(hint) if usable else None


def _check_shape(name: str, array: Array | None, like: Tensor) -> None:
    if array is not None and np.size(array) != like.numel():
        raise ValueError(f"{name} has shape {np.shape(array)}; this program needs {tuple(like.shape)}, or None")


def _upper(program: Program, Z: Tensor) -> tuple[Tensor, float]:
    """A feasible point and its objective; zero is always feasible and may be better."""
    Z = feasible(program, Z)
    value, null = program.objective(Z), program.objective(program.zeros())
    return (Z, value) if value <= null else (program.zeros(), null)


def _lower(program: Program, v: Tensor, hint: Tensor | None) -> tuple[float, Tensor, Tensor | None]:
    """The best dual value on the ray through v, the scaled v, and its multipliers."""
    v = program.restore(v)
    if program.free_columns is not None:
        defect = (program.free_columns.T @ v).abs().max() / (1e-300 + v.norm() * program.free_columns.norm(dim=0).max())
        if not float(defect) <= ORTHOGONAL_TOL:
            return -np.inf, v, None
    bounds, lam = program.polars(v, hint, settled=program.beta)
    largest = float((bounds + _rounding(program, v, lam)).max()) if len(bounds) else 0.0
    if not np.isfinite(largest):
        return -np.inf, v, None
    reach = program.beta / largest * (1 - SAFETY_ULPS * EPS) if largest > 0 else 1.0
    t = _best_scale(program, v, reach)
    return program.dual_value(t * v), t * v, t * lam


def _rounding(program: Program, v: Tensor, lam: Tensor) -> Tensor:
    """(G,) how far float64 may put A_g'v + G_g'lambda from the truth, in the Frobenius norm (the largest polar)."""
    size = program.operator.block_size() * v.norm()
    if lam.shape[1]:
        size = size + _row_size(program) * lam.flatten(1).norm(dim=1)
    return EPS * (program.Y.shape[0] + program.operator.domain[1]) * size.expand(program.groups)


def _row_size(program: Program) -> Tensor:
    """|G_g|_F of the cones' rows: one number where all groups share G'G, else (G,)."""
    gram = program.cone.shared_gram()
    if gram is not None:
        return gram.trace().sqrt()
    squares = torch.zeros(program.groups, dtype=torch.float64)
    d, c = program.operator.domain[1:]
    mixed = isinstance(program.operator, LayeredOperator | CoupledOperator)  # elsewhere columns are alike
    for entry in range(d * c if mixed else d):
        unit = program.zeros()
        unit[:, entry % d, entry // d] = 1.0
        squares += program.cone.rows(unit).square().sum((1, 2))
    return squares.sqrt()


def _best_scale(program: Program, v: Tensor, reach: float) -> float:
    """argmax of the concave t -> dual(t v) on [0, reach]."""

    def loss(t: float) -> float:
        value = program.dual_value(t * v)
        return -value if np.isfinite(value) else 1e300

    inside = minimize_scalar(loss, bounds=(0.0, reach), method="bounded", options={"xatol": 1e-14 * max(1.0, reach)}).x
    return min((0.0, min(1.0, reach), reach, float(inside)), key=loss)


def _widen(program: Program, upper: float, lower: float) -> tuple[float, float]:
    """Room for rounding: `SAFETY_ULPS` units in the last place for each term of the longest sum."""
    terms = sum(program.Y.shape) + program.operator.domain[1]
    slack = SAFETY_ULPS * EPS * terms * max(1.0, abs(upper))
    return upper + slack, min(lower - slack, upper)
