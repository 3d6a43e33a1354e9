"""Solutions along decreasing beta, each started from the one before, by the method that suits the program."""

from __future__ import annotations

import numpy as np

from convexnn.choosing import has_rows, interior_cost
from convexnn.numerics import Array
from convexnn.program import Program
from convexnn.solving import solve
from convexnn.types import Solution
from convexnn.weighted_loss import Weighted

#: Gated programs whose interior point costs fewer flops than this (a second or so) take it.
SMALL_FLOPS = 2e10


def follow(program: Program, betas: Array, tol: float, device: str, budget: float | None) -> list[Solution]:
    """One solution for each beta (largest first); the budget in seconds is shared equally."""
    each = None if budget is None else budget / len(betas)
    found: list[Solution] = []
    for beta in betas:
        warm, at = found[-1] if found else None, program.with_beta(float(beta))
        method = method_for(at)
        solution = solve(at, tol, method, device, budget=each, warm_start=warm)
        left = None if each is None else each - solution.elapsed_s
        if method == "interior" and solution.status == "inconclusive" and (left is None or left > 0):
            solution = solve(at, tol, "auto", device, budget=left, warm_start=solution)
        found.append(solution)
    return found


def method_for(program: Program) -> str:
    """The solver's method: "auto", but for two cases that counting flops does not settle.

    Small gated programs take the interior point, whose time hardly depends on beta: gradient steps, which are cheaper
    when they are few, took a hundred times longer at 3e-4 beta_max (400 rows, 2 features). Weighted losses take
    first-order steps, since the interior point knows the plain losses by name.
    """
    coned = has_rows(program)
    if isinstance(program.loss, Weighted):
        return "admm" if coned or program.loss.smoothness == np.inf else "fista"
    if coned or interior_cost(program, coned)[0] > SMALL_FLOPS:
        return "auto"
    return "interior"
