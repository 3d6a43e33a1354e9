"""`solve`: choose a method, run it, let the judge speak."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from convexnn.certifying import certify, feasible
from convexnn.gauges import Frobenius, GroupL2
from convexnn.numerics import (
    ACTIVE_TOL,
    Array,
    check_choice,
    check_finite,
    check_positive,
    resolve_device,
    tensor,
    to_numpy,
)
from convexnn.operators import GatedOperator
from convexnn.program import Program
from convexnn.solvers.admm import admm
from convexnn.solvers.contract import Callback, Options, Solver, graceful_interrupt
from convexnn.solvers.fista import fista
from convexnn.solvers.interior_cone import interior_cone
from convexnn.solvers.interior_gated import interior_gated
from convexnn.types import Certificate, Point, Solution, SolveStatus, Step

METHODS = ("interior", "fista", "admm")
#: Iterations assumed when flops are compared: interior point steps, and accelerated gradient steps to 1e-6.
INTERIOR_STEPS, CONE_STEPS, GRADIENT_STEPS = 15, 40, 3000
#: Share of the machine's memory that a method may plan with.
MEMORY_SHARE = 0.5
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
    warm_start  a Solution or an array of the shape of Z, used by the first-order methods
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
    name, reason = choose(program, method)
    there = program.to(resolve_device(device), torch.float64)
    warm = _warm(there, warm_start)
    started = time.perf_counter()
    with _progress(name, tol, callback) as see, graceful_interrupt():
        point = _solver(name, there)(there, Options(tol, budget, max_iterations, warm, see))
    elapsed = time.perf_counter() - started
    point, certificate = _trim(program, point, tol)
    left = None if budget is None else budget - elapsed
    stalled = not certificate.gap <= tol and point.iterations < max_iterations and not point.interrupted
    if method == "auto" and name == "interior" and stalled and (left is None or left > 0):
        name, reason = "interior, then admm", f"{reason}; where float64 ran out, alternating directions went on"
        rest = Options(tol, left, FINISHING_STEPS, None, callback)
        point, certificate = _finish(program, there, point, certificate, rest)
        elapsed = time.perf_counter() - started
    solved = certificate.gap <= tol
    status: SolveStatus = "solved" if solved else "interrupted" if point.interrupted else "inconclusive"
    limit = Options(tol, budget, max_iterations)
    message = certificate.sentence() if solved else _advice(certificate, point, limit, elapsed)
    return Solution(point.Z, program, certificate, status, name, reason, message, tol, elapsed, point.history)


def solve_path(
    program: Program, betas: Array | None = None, count: int = 20, ratio: float = 1e-3, tol: float = 1e-6
) -> list[Solution]:
    """Solutions along a path of decreasing beta, each first-order solve started from the one before.

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


def choose(program: Program, method: str = "auto") -> tuple[str, str]:
    """The method and the reason, in one sentence. Raises ValueError when the method does not fit the program."""
    check_choice("method", method, ["auto", *METHODS])
    coned, kinked = _has_rows(program), program.loss.smoothness == float("inf")
    obstacle = _interior_obstacle(program, coned)
    if method == "fista" and coned:
        raise ValueError("method='fista' cannot keep Z in a cone; use method='admm' or 'auto'")
    if method == "interior" and obstacle:
        raise ValueError(f"method='interior' does not fit: {obstacle}; use method='auto'")
    if method != "auto":
        return method, f"{method} was asked for"
    flops, needed = interior_cost(program, coned)
    rival, room = gradient_cost(program), MEMORY_SHARE * _memory_bytes()
    if not obstacle and needed > room:
        obstacle = f"the interior point needs {needed / 2**30:.1f} GiB, more than {room / 2**30:.1f} GiB"
    elif not obstacle and not (coned or kinked) and flops > rival:
        obstacle = f"factoring costs {flops:.1e} flops, gradient steps {rival:.1e}"
    if not obstacle:
        n = program.Y.shape[0]
        return "interior", f"factors of {n} x {n} matrices, about {flops:.1e} flops and {needed / 2**20:.0f} MiB in all"
    if coned or kinked or program.gauge.conic:
        rough = "cones" if coned else "kinks" if kinked else "cones in the gauge"
        return "admm", f"alternating directions, since {obstacle} and there are {rough}"
    return "fista", f"accelerated proximal gradient, since {obstacle}, the loss is smooth and there is no cone"


def interior_cost(program: Program, coned: bool) -> tuple[float, float]:
    """Flops and bytes of an interior-point solve: steps x (n^3/3 + 2 n^2 P), with cones n^2 d P and d x d blocks."""
    (G, d, c), n = _three(program.operator.domain), program.Y.shape[0]
    if coned:
        return CONE_STEPS * c * (n**3 / 3 + n * n * d * G / 2 + G * (2 * n * d * d + 3 * d**3)), 8.0 * (
            3 * n * n + 4 * n * G + 3 * G * d * d
        )
    return INTERIOR_STEPS * c * (n**3 / 3 + 2 * n * n * G), 8.0 * (3 * n * n + 3 * n * G + 4 * G * d)


def gradient_cost(program: Program) -> float:
    """Flops of an accelerated gradient solve: two passes of 2 n d P c flops a step."""
    (G, d, c), n = _three(program.operator.domain), program.Y.shape[0]
    return GRADIENT_STEPS * 4.0 * n * d * c * G


def _three(domain: tuple[int, ...]) -> tuple[int, int, int]:
    """Groups, rows and columns of Z."""
    return domain[0], domain[1], domain[2] if len(domain) > 2 else 1


def _memory_bytes() -> float:
    """Physical memory of this machine; 8 GiB where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 8.0 * 2**30


def _has_rows(program: Program) -> bool:
    return program.cone.rows(program.zeros()).shape[1] > 0


def _interior_obstacle(program: Program, coned: bool) -> str:
    """Why the interior point cannot take this program, or nothing."""
    if not isinstance(program.operator, GatedOperator):
        return "the operator is not gated"
    if not isinstance(program.gauge, GroupL2 if coned else GroupL2 | Frobenius):
        return f"the gauge {type(program.gauge).__name__} has no barrier here"
    if program.loss.name == "cross_entropy":
        return "cross entropy couples the outputs"
    if isinstance(program.gauge, Frobenius) and program.Y.shape[1] > 1 and program.loss.name != "squared":
        return f"Frobenius groups and the {program.loss.name} loss couple the outputs"
    return ""


def _solver(name: str, program: Program) -> Solver:
    interior = interior_cone if name == "interior" and _has_rows(program) else interior_gated
    table: dict[str, Solver] = {"interior": interior, "fista": fista, "admm": admm}
    return table[name]


def _warm(program: Program, warm_start: Solution | Array | None) -> torch.Tensor | None:
    if warm_start is None:
        return None
    Z = warm_start.Z if isinstance(warm_start, Solution) else np.asarray(warm_start)
    if tuple(Z.shape) != program.operator.domain:
        raise ValueError(f"warm_start has shape {Z.shape}; this program's variable is {program.operator.domain}")
    check_finite(warm_start=Z)
    return tensor(Z).to(program.operator.like)


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
    program: Program, there: Program, point: Point, certificate: Certificate, options: Options
) -> tuple[Point, Certificate]:
    """Alternating directions from where the interior point stalled; the better primal and the better dual count."""
    warm = tensor(point.Z).to(there.operator.like)
    with graceful_interrupt():
        more = admm(there, replace(options, warm=warm))
    finished, better = _trim(program, more, options.tol)
    if better.upper > certificate.upper:
        finished = replace(point, history=(*point.history, *more.history), interrupted=more.interrupted)
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
