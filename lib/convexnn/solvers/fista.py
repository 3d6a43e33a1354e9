"""Accelerated proximal gradient with restart: smooth loss, no cone.

    W+ = prox_{beta/L}( Z - A' grad loss(A Z) / L ),   Z+ = W+ + momentum (W+ - W)

L = smoothness * |A|^2 from power iteration with a margin, doubled whenever the objective rises by more than rounding.
Restart when the step and the momentum disagree, <Z - W+, W+ - W> > 0 (O'Donoghue and Candes). Two passes over the
data an iteration. The dual point is the scaled residual; the best one is kept, because it lags the primal.
"""

from __future__ import annotations

from torch import Tensor

from convexnn.program import Program
from convexnn.solvers.contract import Clock, Options
from convexnn.types import Point

NORM_MARGIN = 1.02
CHECK_EVERY = 10


def fista(program: Program, options: Options) -> Point:
    """Solve a program whose loss is smooth and whose cone is the whole space.

    Raises ValueError for the hinge loss; a coned program is refused by `solving.choose`.
    """
    L = program.loss.smoothness * (NORM_MARGIN * program.operator.norm()) ** 2
    if float("inf") == L:
        raise ValueError("method='fista' needs a smooth loss; hinge is not: use method='admm' or loss='squared_hinge'")
    L = max(L, 1e-12)
    W = program.zeros() if options.warm is None else options.warm.to(program.operator.like)
    Z, momentum, clock = W, 1.0, Clock(options)
    best_lower, witness = -float("inf"), program.residual(W)
    previous = program.objective(W)
    for iteration in range(1, options.max_iterations + 1):
        W_next = program.gauge.prox(Z - program.operator.adjoint(-program.residual(Z)) / L, program.beta / L)
        if float(((Z - W_next) * (W_next - W)).sum()) > 0:
            Z, momentum = W, 1.0  # restart from the last point
            W_next = program.gauge.prox(Z - program.operator.adjoint(-program.residual(Z)) / L, program.beta / L)
        momentum_next = 0.5 * (1 + (1 + 4 * momentum**2) ** 0.5)
        Z, W, momentum = W_next + (momentum - 1) / momentum_next * (W_next - W), W_next, momentum_next
        if iteration % CHECK_EVERY and iteration > 1:
            continue
        objective = program.objective(W)
        if objective > previous + 1e-12 * max(1.0, abs(previous)):
            L, momentum, Z = 2 * L, 1.0, W
        previous = objective
        lower, v = scaled_residual(program, program.residual(W))
        if lower > best_lower:
            best_lower, witness = lower, v
        if clock.record(iteration, objective, best_lower):
            break
    return Point(W.cpu().numpy(), witness.cpu().numpy(), None, tuple(clock.steps), iteration, clock.interrupted)


def scaled_residual(program: Program, v: Tensor) -> tuple[float, Tensor]:
    """A feasible dual vector on the ray of v, and its value: v is shortened until max polar = beta."""
    v = program.restore(v)
    largest = float(program.polars(v, settled=program.beta)[0].max())
    v = v * min(1.0, program.beta / max(largest, 1e-300))
    return program.dual_value(v), v
