"""The loop around a path: best bounds so far, one Step an iteration, when to stop, one column after another.

Losses and GroupL2 are sums over output columns, so the columns are programs of their own; their bounds add up.
A column that has not been reached counts with the bounds of Z = 0, v = 0:  0 <= optimum <= L(0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from convexnn.operators import GatedOperator
from convexnn.program import Program
from convexnn.solvers._symmetric import Breakdown
from convexnn.solvers.contract import Clock, Options
from convexnn.types import Point

#: Share of the tolerance to use up; the rest is for dropping groups and rounding.
TARGET = 0.7
#: Give up when neither mu nor a residual nor the gap has halved in that many steps, or a step is tiny.
PATIENCE, TINY_STEP = 30, 1e-9


@dataclass
class Bounds:
    """A feasible point, a dual feasible vector, and their values."""

    Z: Tensor
    v: Tensor
    multipliers: Tensor | None
    upper: float
    lower: float

    def merge(self, other: Bounds) -> Bounds:
        """The better half of each."""
        primal = other if other.upper < self.upper else self
        dual = other if other.lower > self.lower else self
        return Bounds(primal.Z, dual.v, dual.multipliers, primal.upper, dual.lower)


class Iterate(Protocol):
    """What the loop needs of a solver."""

    def assess(self, final: bool = False) -> Bounds: ...

    def advance(self) -> float: ...

    def measures(self) -> tuple[float, ...]:
        """What halves now and then on a path that gets somewhere: mu, residuals."""
        ...


@dataclass
class Recorder:
    """Adds the columns' bounds, writes the history, and knows the gap that one column may keep."""

    program: Program
    options: Options
    separable: bool = True
    interrupted: bool = False
    stopped: bool = False
    iteration: int = 0
    uppers: list[float] = field(default_factory=list)
    lowers: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tol = TARGET * self.options.tol
        self.clock = Clock(replace(self.options, tol=self.tol))
        for part in columns(self.program) if self.separable else [self.program]:
            self.uppers.append(part.objective(part.zeros()))
            self.lowers.append(0.0)

    def record(self, column: int, bounds: Bounds) -> bool:
        """True when this column is done."""
        self.note(column, bounds)
        self.stopped = self.clock.record(self.iteration, sum(self.uppers), sum(self.lowers))
        self.iteration += 1
        return self.stopped or self.is_close(bounds.upper, bounds.lower)

    def note(self, column: int, bounds: Bounds) -> None:
        """Bounds that were improved after the last step."""
        self.uppers[column], self.lowers[column] = bounds.upper, max(0.0, bounds.lower)

    def is_close(self, upper: float, lower: float) -> bool:
        """Is the gap small enough for one column?"""
        count = len(self.uppers)
        share = self.tol if count == 1 else 0.5 * self.tol
        return upper - lower <= share * max(1 / count, abs(upper))


@dataclass
class Progress:
    """When something last halved. mu may rise while residuals close, so best values count, each of its own."""

    best: list[float] = field(default_factory=list)
    since: int = 0

    def note(self, *values: float) -> bool:
        """False when none of the values has halved for PATIENCE steps."""
        self.best = self.best or [float("inf")] * len(values)
        halved = [value < best and value <= 0.5 * best for value, best in zip(values, self.best)]
        self.best = [value if better else best for value, best, better in zip(values, self.best, halved)]
        self.since = 0 if any(halved) else self.since + 1
        return self.since < PATIENCE


def follow(recorder: Recorder, column: int, start: Bounds, begin: Callable[[], Iterate]) -> Bounds:
    """Advance until the bounds are close, the clock stops, or float64 is exhausted; the best bounds seen."""
    best, iterate = start, None
    progress = Progress()
    try:
        done = recorder.record(column, best)
        iterate = None if done else begin()
        while iterate is not None and not done:
            length = iterate.advance()
            best = best.merge(iterate.assess())
            moving = progress.note(*iterate.measures(), best.upper - best.lower)
            done = recorder.record(column, best) or length < TINY_STEP or not moving
    except (Breakdown, torch.linalg.LinAlgError):
        pass
    except KeyboardInterrupt:
        recorder.interrupted = recorder.stopped = True
    if iterate is not None and not recorder.is_close(best.upper, best.lower):
        best = best.merge(iterate.assess(final=True))
        recorder.note(column, best)
    return best


def columns(program: Program) -> Iterator[Program]:
    """The programs of the output columns."""
    operator = program.operator
    assert isinstance(operator, GatedOperator)
    for k in range(operator.c):
        yield replace(program, operator=replace(operator, c=1), Y=program.Y[:, k : k + 1].contiguous())


def at_zero(program: Program) -> Bounds:
    """Z = 0 with the trivial dual vector 0, or with the scaled gradient where that is better (beta >= beta_max)."""
    Z, rows = program.zeros(), program.cone.rows(program.zeros())
    zero = Bounds(Z, torch.zeros_like(program.Y), torch.zeros_like(rows), program.objective(Z), 0.0)
    if program.free_columns is not None and program.groups:
        return zero
    v = program.residual(Z)
    if not program.groups:
        return replace(zero, v=v, lower=program.dual_value(v))
    largest = float(program.polars(v, settled=program.beta)[0].max()) if rows.shape[1] == 0 else float("inf")
    v = v * min(1.0, program.beta / max(largest, 1e-300))
    lower = program.dual_value(v)
    return zero.merge(Bounds(Z, v, zero.multipliers, zero.upper, lower)) if lower == lower else zero


def to_point(recorder: Recorder, parts: list[Bounds]) -> Point:
    """The columns side by side."""
    Z = torch.cat([part.Z for part in parts], 2)
    v = torch.cat([part.v for part in parts], 1)
    duals = [part.multipliers for part in parts if part.multipliers is not None]
    lam = torch.cat(duals, 2) if len(duals) == len(parts) and duals[0].shape[1] else None
    return Point(
        Z.cpu().numpy(),
        v.cpu().numpy(),
        None if lam is None else lam.cpu().numpy(),
        tuple(recorder.clock.steps),
        recorder.clock.steps[-1].iteration if recorder.clock.steps else 0,
        recorder.interrupted or recorder.clock.interrupted,
    )
