"""Accelerated proximal gradient with restart: smooth loss, no cone.

    v  = -grad loss(A Z),    W+ = prox_{beta/L}( Z + A'v / L ),    Z+ = W+ + momentum (W+ - W)

Two passes over the data an iteration: A W+ forward and A'v back; A Z is a combination of forward passes that are there.
A'v also gives the dual bound of the iteration: v shortened until max polar = beta. The best one is kept, since it
lags the primal. L = smoothness * |A|^2 is a lower estimate with a margin; where the quadratic bound

    loss(A W+) <= loss(A Z) - <v, A W+ - A Z> + L/2 |W+ - Z|^2

fails, L is doubled and the step repeated. float32 runs out of digits before float64 does: no progress for STALLED steps
ends the run there. Restart when the step and the momentum disagree, <Z - W+, W+ - W> > 0
(O'Donoghue and Candes). Works in the program's precision: `solve` passes float32 where the tolerance allows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convexnn.program import Program
from convexnn.solvers.contract import Clock, Options
from convexnn.types import Point

NORM_MARGIN = 1.02
CHECK_EVERY = 10
#: The quadratic bound may fail by this many units in the last place of the loss.
SLACK_ULPS = 64.0
#: In float32: give up when the gap has not fallen by a tenth in so many iterations.
STALLED = 1000


def fista(program: Program, options: Options) -> Point:
    """Solve a program whose loss is smooth and whose cone is the whole space.

    Raises ValueError for the hinge loss; a coned program is refused by `choosing.choose`.
    """
    L = program.loss.smoothness * (NORM_MARGIN * program.operator.norm()) ** 2
    if float("inf") == L:
        raise ValueError("method='fista' needs a smooth loss; hinge is not: use method='admm' or loss='squared_hinge'")
    L, loss, operator = max(L, 1e-12), program.loss, program.operator
    W = program.zeros() if options.warm is None else options.warm.to(operator.like)
    AW, momentum, clock = operator.forward(W), 1.0, Clock(options)
    Z, AZ = W, AW
    best_lower, witness = -float("inf"), -loss.gradient(AW, program.Y)
    least_gap, since, coarse = float("inf"), 0, W.dtype == torch.float32
    for iteration in range(1, options.max_iterations + 1):
        v = -loss.gradient(AZ, program.Y)
        Q = operator.adjoint(v)
        while True:
            W_next = program.gauge.prox(Z + Q / L, program.beta / L)
            AW_next = operator.forward(W_next)
            if _is_bounded(program, v, AZ, AW_next, W_next - Z, L):
                break
            L *= 2
        forward = float(((Z - W_next) * (W_next - W)).sum()) <= 0
        momentum_next = 0.5 * (1 + (1 + 4 * momentum**2) ** 0.5) if forward else 1.0
        weight = (momentum - 1) / momentum_next if forward else 0.0
        Z, AZ = torch.lerp(W, W_next, 1 + weight), torch.lerp(AW, AW_next, 1 + weight)
        W, AW, momentum = W_next, AW_next, momentum_next
        if iteration % CHECK_EVERY and iteration > 1:
            continue
        lower, scaled = _dual_bound(program, v, Q)
        if lower > best_lower:
            best_lower, witness = lower, scaled
        objective = float(loss.value(AW, program.Y) + program.beta * program.gauge.value(W))
        if clock.record(iteration, objective, best_lower):
            break
        if objective - best_lower < 0.9 * least_gap:
            least_gap, since = objective - best_lower, iteration
        if coarse and iteration - since > STALLED:
            break
    return Point(
        W.double().cpu().numpy(),
        witness.double().cpu().numpy(),
        None,
        tuple(clock.steps),
        iteration,
        clock.interrupted,
    )


def _is_bounded(program: Program, v: Tensor, AZ: Tensor, AW: Tensor, move: Tensor, L: float) -> bool:
    """Does the quadratic of curvature L lie above the loss at the new point, up to rounding?"""
    here = float(program.loss.value(AZ, program.Y))
    bound = here - float((v * (AW - AZ)).sum()) + 0.5 * L * float(move.square().sum())
    there = float(program.loss.value(AW, program.Y))
    return not there > bound + SLACK_ULPS * torch.finfo(AW.dtype).eps * max(1.0, abs(here))


def _dual_bound(program: Program, v: Tensor, Q: Tensor) -> tuple[float, Tensor]:
    """A feasible dual vector on the ray of v, and its value; Q = A'v is known."""
    if program.free_columns is not None:  # the ray has to be made orthogonal first
        v = program.restore(v)
        Q = program.operator.adjoint(v)
        largest = float(program.polars(v, settled=program.beta)[0].max())
    else:
        largest = float(program.gauge.polar(Q).max())
    v = v * min(1.0, program.beta / max(largest, 1e-30))
    return program.dual_value(v), v
