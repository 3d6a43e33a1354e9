"""Alternating directions: any loss with a prox, any gauge, any polyhedral cone.

Three copies of Z, one for each difficulty, tied to it by scaled multipliers a, b, t:

    W = Z    gauge:  W <- prox_{beta/rho}(Z + a)
    F = A Z  loss:   F <- prox_loss(A Z + b)                 (penalty 1, the curvature of the squared loss)
    T = G Z  cone:   T <- (G Z + t)_+
    Z <- (rho I + A'A + rho G'G)^{-1} ( rho (W - a) + A'(F - b) + rho G'(T - t) )

with over-relaxation and rho balanced by powers of two. G is scaled by nothing: a change of units in X rescales A and
G alike. v = -b and lambda = rho * (-t)_+ are the dual witnesses at convergence.
Source: Bai, Gautam, Sojoudi (2022) for the splitting; the general-loss copy F is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.program import Program
from convexnn.solvers.contract import Clock, Options
from convexnn.types import Point

OVER_RELAXATION = 1.6
CHECK_EVERY = 50

#: Upper bound, lower bound, and the Z, v and multipliers that belong to them.
Best = tuple[float, float, Tensor, Tensor, Tensor]
BALANCE = 5.0


@dataclass
class _State:
    Z: Tensor
    W: Tensor
    F: Tensor
    T: Tensor
    a: Tensor
    b: Tensor
    t: Tensor


def admm(program: Program, options: Options) -> Point:
    """Solve any program of this library; expect 1e-4 quickly and 1e-6 in some thousand iterations."""
    Z = program.zeros() if options.warm is None else options.warm.to(program.operator.like)
    AZ, GZ = program.predict(Z), program.cone.rows(Z)
    s = _State(Z, Z, AZ, GZ.clamp(min=0), 0 * Z, 0 * AZ, 0 * GZ)
    rho, clock, next_change = _first_rho(program), Clock(options), CHECK_EVERY
    solve = program.operator.normal_solver(program.cone, 1 / rho, 1.0)
    best = (float("inf"), -float("inf"), s.Z, s.b, s.t)
    for iteration in range(1, options.max_iterations + 1):
        primal, dual = _iterate(program, s, rho, solve)
        if iteration % CHECK_EVERY:
            continue
        best = _assess(program, s, rho, best)
        if clock.record(iteration, best[0], best[1]):
            break
        factor = 2.0 if primal > BALANCE * dual else 0.5 if dual > BALANCE * primal else 1.0
        if factor != 1.0 and iteration >= next_change:
            next_change = int(1.5 * iteration)  # ever rarer changes, so that the iteration converges between them
            rho *= factor
            s.a, s.t = s.a / factor, s.t / factor
            solve = program.operator.normal_solver(program.cone, 1 / rho, 1.0)
    _, _, W, v, lam = best
    return Point(W.cpu().numpy(), v.cpu().numpy(), lam.cpu().numpy(), tuple(clock.steps), iteration, clock.interrupted)


def _first_rho(program: Program) -> float:
    """Penalty of the gauge copy: the curvature of the data term spread over the groups that will be active."""
    norm = program.operator.norm(iterations=15)
    return max(1e-8, 1e-3 * norm**2 / max(1.0, program.groups**0.5))


def _iterate(program: Program, s: _State, rho: float, solve: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """One sweep; returns the primal and dual residual norms."""
    right = (s.W - s.a) + program.operator.adjoint(s.F - s.b) / rho + program.cone.adjoint(s.T - s.t)
    s.Z = solve(right)
    AZ, GZ = program.predict(s.Z), program.cone.rows(s.Z)
    W0, F0, T0 = s.W, s.F, s.T
    Zr = OVER_RELAXATION * s.Z + (1 - OVER_RELAXATION) * W0
    AZr = OVER_RELAXATION * AZ + (1 - OVER_RELAXATION) * F0
    GZr = OVER_RELAXATION * GZ + (1 - OVER_RELAXATION) * T0
    s.W = program.gauge.prox(Zr + s.a, program.beta / rho)
    s.F = program.loss.prox(AZr + s.b, program.Y, 1.0)
    s.T = (GZr + s.t).clamp(min=0)
    s.a, s.b, s.t = s.a + Zr - s.W, s.b + AZr - s.F, s.t + GZr - s.T
    primal = torch.sqrt(rho * ((s.Z - s.W).square().sum() + (GZ - s.T).square().sum()) + (AZ - s.F).square().sum())
    dual = torch.sqrt(rho * ((s.W - W0).square().sum() + (s.T - T0).square().sum()) + (s.F - F0).square().sum())
    return float(primal), float(dual)


def _assess(program: Program, s: _State, rho: float, best: Best) -> Best:
    """Keep the best feasible primal and the best dual seen so far."""
    upper, lower, W, v, lam = best
    candidate = program.cone.project(s.W)
    objective = program.objective(candidate)
    if objective < upper:
        upper, W = objective, candidate
    hint = rho * (-s.t).clamp(min=0)
    for dual in (-s.b, program.residual(candidate)):
        dual = program.restore(dual)
        bounds, multipliers = program.polars(dual, hint, settled=program.beta)
        t = min(1.0, program.beta / max(float(bounds.max()), 1e-300))
        value = program.dual_value(t * dual)
        if value > lower:
            lower, v, lam = value, t * dual, t * multipliers
    return upper, lower, W, v, lam
