"""`solve`: choose a method, run it, let the judge speak."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from convexnn.certifying import certify, feasible
from convexnn.choosing import FLOAT32_TOL, choose, fits_float32, has_rows
from convexnn.coupled import CoupledOperator
from convexnn.layered import LayeredOperator
from convexnn.numerics import (
    ACTIVE_TOL,
    Array,
    check_finite,
    check_positive,
    resolve_device,
    tensor,
    to_numpy,
)
from convexnn.program import Program
from convexnn.solvers.admm import admm
from convexnn.solvers.contract import Callback, Options, Solver, graceful_interrupt
from convexnn.solvers.fista import fista
from convexnn.solvers.interior_cone import interior_cone
from convexnn.solvers.interior_gated import interior_gated
from convexnn.solvers.interior_layered import interior_layered
from convexnn.solvers.interior_softmax import interior_softmax
from convexnn.types import Certificate, Point, Solution, SolveStatus, Step

#: Share of the tolerance that a solver in float32 aims at; the rest is for rounding.
FLOAT32_SHARE = 0.9
#: Iterations of the first-order method that finishes what the interior point could not.
FINISHING_STEPS = 20_000
#: The progress line appears on a terminal after this many seconds.
PATIENCE_S = 2.0


def solve(
    program: Program,
    tol: float = 1e-6,
    method: str = "auto",
    device: str = "auto",
    budget: float | None = None,
    warm_start: Solution | Array | None = None,
    callback: Callback | None = None,
    max_iterations: int = 200_000,
) -> Solution:
    """Minimise a program to a certified relative gap.

    tol         relative gap (upper - lower) / max(1, |upper|) to reach
    method      "auto", "interior" (gated operators), "fista" (smooth loss, no cone) or "admm" (everything)
    device      "auto", "cpu" or "cuda"; the judge always works in float64 on the CPU
    budget      seconds; when spent, the best point so far is returned with status "inconclusive"
    warm_start  a Solution, or an array of the shape of Z; the interior point for gated programs needs a Solution
    callback    called with every recorded Step
    Ctrl-C returns the best point so far with its certificate and status "interrupted"; a second Ctrl-C raises.
    Returns a Solution; its status is "solved" only when the judge's gap is <= tol.
    Raises ValueError for an unknown method, a bad tolerance, or a warm start of the wrong shape.
    """
    if not isinstance(program, Program):
        raise ValueError(f"program is a {type(program).__name__}; pass a Program, e.g. two_layer.program(data)")
    check_positive(tol=tol, max_iterations=max_iterations)
    if budget is not None:
        check_positive(budget=budget)
    where = resolve_device(device)
    name, reason = choose(program, method, tol, where)
    coarse = name == "fista" and tol >= FLOAT32_TOL and fits_float32(program)
    there = program.to(where)
    started = time.perf_counter()
    with _progress(name, tol, callback) as see, graceful_interrupt():
        options = Options(tol, budget, max_iterations, *_warm(there, warm_start), see)
        point = _coarse(there, options) if coarse else _solver(name, there)(there, options)
    elapsed = time.perf_counter() - started
    point, certificate = _trim(program, point, tol)
    rest = replace(
        options,
        budget_s=None if budget is None else budget - elapsed,
        max_iterations=max_iterations - point.iterations,
        callback=callback,
    )
    stalled = not certificate.gap <= tol and rest.max_iterations > 0 and not point.interrupted
    if stalled and (rest.budget_s is None or rest.budget_s > 0):
        if coarse:
            reason = f"{reason}; where float32 ran out, float64 went on"
            point, certificate = _finish(program, there, point, certificate, fista, rest)
        elif method == "auto" and name == "interior":
            name, reason = "interior, then admm", f"{reason}; where float64 ran out, alternating directions went on"
            rest = replace(rest, max_iterations=min(FINISHING_STEPS, rest.max_iterations))
            point, certificate = _finish(program, there, point, certificate, admm, rest)
        elapsed = time.perf_counter() - started
    solved = certificate.gap <= tol
    status: SolveStatus = "solved" if solved else "interrupted" if point.interrupted else "inconclusive"
    limit = Options(tol, budget, max_iterations)
    message = certificate.sentence() if solved else _advice(certificate, point, limit, elapsed)
    return Solution(point.Z, program, certificate, status, name, reason, message, tol, elapsed, point.history)


def solve_path(
    program: Program, betas: Array | None = None, count: int = 20, ratio: float = 1e-3, tol: float = 1e-6
) -> list[Solution]:
    """Solutions along a path of decreasing beta, each solve started from the one before.

    betas  the path; default `count` values from beta_max down to ratio * beta_max, equal steps in the logarithm
    Every solution carries its own certificate. Raises ValueError for betas that are not positive.
    """
    if betas is None:
        if not 0 < ratio < 1:
            raise ValueError(f"ratio is {ratio}; it must lie strictly between 0 and 1")
        betas = program.beta_max() * np.geomspace(1.0, ratio, count)
    found: list[Solution] = []
    for beta in sorted((float(b) for b in betas), reverse=True):
        found.append(solve(program.with_beta(beta), tol=tol, warm_start=found[-1] if found else None))
    return found


def _solver(name: str, program: Program) -> Solver:
    interior = interior_cone if name == "interior" and has_rows(program) else interior_gated
    if program.loss.name == "cross_entropy":
        interior = interior_softmax
    elif isinstance(program.operator, LayeredOperator | CoupledOperator):
        interior = interior_layered
    table: dict[str, Solver] = {"interior": interior, "fista": fista, "admm": admm}
    return table[name]


def _coarse(program: Program, options: Options) -> Point:
    """The accelerated gradient in float32, aiming below the tolerance by its rounding."""
    rough = program.to(program.Y.device, torch.float32)
    warm = None if options.warm is None else options.warm.float()
    return fista(rough, replace(options, tol=FLOAT32_SHARE * options.tol, warm=warm, witness=None))


def _warm(program: Program, warm_start: Solution | Array | None) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """A starting Z and the dual vector that came with it, where it fits (another sample has other dual vectors)."""
    if warm_start is None:
        return None, None
    Z = warm_start.Z if isinstance(warm_start, Solution) else np.asarray(warm_start)
    if tuple(Z.shape) != program.operator.domain:
        raise ValueError(f"warm_start has shape {Z.shape}; this program's variable is {program.operator.domain}")
    check_finite(warm_start=Z)
    v = warm_start.certificate.v if isinstance(warm_start, Solution) else None
    like = program.operator.like
    fits = v is not None and v.size == program.Y.numel()
    return tensor(Z).to(like), tensor(v).to(like).reshape(program.Y.shape) if fits else None


@contextmanager
def _progress(name: str, tol: float, callback: Callback | None) -> Iterator[Callback | None]:
    """On a terminal, one line with the gap once a solve takes longer than PATIENCE_S; elsewhere just the callback."""
    if not sys.stderr.isatty():
        yield callback
        return
    from rich.console import Console
    from rich.status import Status

    status = Status("", console=Console(stderr=True))
    shown = False

    def see(step: Step) -> None:
        nonlocal shown
        if callback is not None:
            callback(step)
        if step.elapsed_s > PATIENCE_S:
            gap = (step.objective - step.lower) / max(1.0, abs(step.objective))
            status.update(f"{name}: gap {gap:.1e} of {tol:.0e}, step {step.iteration}, {step.elapsed_s:.0f} s")
            if not shown:
                status.start()
                shown = True

    try:
        yield see
    finally:
        status.stop()


def _trim(program: Program, point: Point, tol: float) -> tuple[Point, Certificate]:
    """Put Z in the cone and drop groups that are numerically zero, unless that costs more than a tenth of tol."""
    there = program.to("cpu", torch.float64)
    Z = feasible(there, tensor(point.Z))
    sizes = Z.flatten(1).norm(dim=1)
    small = sizes <= ACTIVE_TOL * float(sizes.max()) if len(sizes) else sizes.bool()
    trimmed = torch.where(small[:, None, None], torch.zeros_like(Z), Z)
    allowed = 0.1 * tol * max(1.0, abs(there.objective(Z)))
    keep = trimmed if there.objective(trimmed) <= there.objective(Z) + allowed else Z
    if there.objective(keep) > there.objective(there.zeros()):
        keep = there.zeros()  # what the judge would count: zero is feasible and better
    point = Point(to_numpy(keep), point.v, point.multipliers, point.history, point.iterations, point.interrupted)
    return point, certify(program, point)


def _finish(
    program: Program, there: Program, point: Point, certificate: Certificate, solver: Solver, options: Options
) -> tuple[Point, Certificate]:
    """Another solver from where the first one stalled; the better primal and the better dual count."""
    warm = tensor(point.Z).to(there.operator.like)
    try:
        with graceful_interrupt():
            more = solver(there, replace(options, warm=warm))
    except (ArithmeticError, torch.linalg.LinAlgError):  # the first point is still there
        return point, certificate
    finished, better = _trim(program, more, options.tol)
    if better.upper > certificate.upper:
        finished = replace(point, history=(*point.history, *more.history), interrupted=more.interrupted)
    finished = replace(finished, iterations=point.iterations + more.iterations)
    return finished, certify(program, finished, witnesses=[certificate.v, better.v])


def _advice(certificate: Certificate, point: Point, options: Options, elapsed: float) -> str:
    """Which limit was hit, and what to do."""
    short = f"gap {certificate.gap:.1e} > {options.tol:.0e} after {point.iterations} iterations"
    if point.interrupted:
        return f"{short}: interrupted; both bounds hold"
    if options.budget_s is not None and elapsed >= options.budget_s:
        return f"{short} and the budget of {options.budget_s:g} s; raise `budget`"
    if point.iterations >= options.max_iterations:
        return f"{short}; raise `max_iterations`"
    return f"{short}: float64 is exhausted; loosen `tol`, rescale the data, or try method='admm'"
