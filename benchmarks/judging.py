"""The judge of every contender: bounds recomputed in float64 from the point it returned, never from what it says.

`gap` uses the point alone. `gap_known` replaces the lower bound by the best one known for the instance, which is
kinder to a contender that returns no dual vector: residual scaling lags behind the primal accuracy. A contender has
reached the target when `gap_known` is below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convexnn.certifying import certify
from convexnn.numerics import relative_gap
from convexnn.program import Program


@dataclass(frozen=True)
class Judgement:
    """value: objective after projection on the cones; gap, gap_known: see the module; error: why there is no number."""

    value: float = float("nan")
    gap: float = float("nan")
    gap_known: float = float("nan")
    error: str = ""


def judge(program: Program, point: Any, known_lower: float = -np.inf, alone: bool = True) -> Judgement:
    """Judge an array Z (or a Solution with its witnesses); a point that is no point is an error, not an exception.

    known_lower   a certified lower bound of the same program
    alone=False   skips the bound from the point alone, which is slow for many cones
    """
    try:
        if not alone:
            value = _objective(program, point)
            return Judgement(value, float("nan"), relative_gap(value, known_lower))
        certificate = certify(program, point)
    except ValueError as error:
        return Judgement(error=str(error))
    lower = max(certificate.lower, known_lower)
    return Judgement(certificate.upper, certificate.gap, relative_gap(certificate.upper, lower))


def _objective(program: Program, point: Any) -> float:
    """The objective of the feasible point next to `point`."""
    from convexnn.certifying import feasible
    from convexnn.numerics import check_finite, tensor

    check_finite(Z=point)
    if tuple(np.shape(point)) != program.operator.domain:
        raise ValueError(f"point has shape {np.shape(point)}; this program's variable is {program.operator.domain}")
    return program.objective(feasible(program, tensor(point)))
