"""Gated group lasso by a structured Nesterov-Todd interior point: 10 to 15 Newton steps, whatever beta, d and P.

    min  L( sum_i D_i X w_i + Q b ) + beta sum_i |w_i|,      theta = -grad L,   q_i = X'D_i theta,   |q_i| <= beta

|q_i| < beta holds strictly at every step, and so -L*(-theta) is a lower bound at every step at no cost.
The Newton elimination is in `_gated_blocks`, the step rule in `_path_following`, the losses in `_barrier_losses`.

Several outputs: GroupL2 separates by column. Frobenius couples them: the matrix is I_c (x) K + 2 B B' with one K for
all outputs and P columns of B, solved through K and the P x P capacitance, or as a whole when P >= n c.
An unregularised bias (`free` = 1) leaves the norm: Q spans the columns D_i x_free, and Q'theta = 0.
Source: solver notes of this project, sections 2.4, 2.8 and 2.9.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from convexnn.gauges import Frobenius, GroupL2
from convexnn.operators import GatedOperator
from convexnn.program import Program
from convexnn.solvers._barrier_losses import BarrierLoss
from convexnn.solvers._gated_blocks import GatedBlocks
from convexnn.solvers._newton_matrix import Solve, bordered
from convexnn.solvers._path_following import Path
from convexnn.solvers._recording import Bounds, Recorder, at_zero, columns, follow, to_point
from convexnn.solvers._symmetric import add_gated_gram, add_gram, cholesky_solver
from convexnn.solvers.contract import Options
from convexnn.types import Point

#: Share of beta that the first theta uses up.
START = 0.5
#: The first gap counts as at least this share of the objective at zero.
SMALLEST_GAP = 1e-3
#: Share of beta that theta of another beta may use up.
WARM = 0.9
#: Largest margin at the start.
MARGIN_START = 10.0


def interior_gated(program: Program, options: Options) -> Point:
    """Solve a gated program (no cone, GroupL2 or Frobenius) to a certified gap; expect 10 to 15 steps.

    A warm Z with its witness v, from a nearby beta, saves two to four steps where the loss is squared.
    Raises ValueError for another operator, gauge or loss.
    """
    _check(program)
    separable = isinstance(program.gauge, GroupL2) or program.Y.shape[1] == 1
    recorder = Recorder(program, options, separable)
    parts = []
    for k, part in enumerate(columns(program) if separable else [program]):
        start, warm = at_zero(part), None
        if options.warm is not None and options.witness is not None and program.loss.name == "squared":
            own = slice(k, k + 1) if separable else slice(None)
            warm = (options.warm[:, :, own], options.witness[:, own])
        parts.append(start if recorder.stopped else follow(recorder, k, start, partial(GatedIterate, part, warm)))
    return to_point(recorder, parts)


def _check(program: Program) -> None:
    BarrierLoss(program.loss, program.Y)  # raises for a loss without a barrier
    if not isinstance(program.operator, GatedOperator):
        raise ValueError("interior_gated needs a GatedOperator; use method='fista' or 'admm'")
    if not isinstance(program.gauge, GroupL2 | Frobenius):
        raise ValueError(f"no barrier for the gauge {type(program.gauge).__name__}; use method='fista' or 'admm'")
    if program.cone.rows(program.zeros()).shape[1]:
        raise ValueError("interior_gated takes no cone; use interior_cone")
    if isinstance(program.gauge, Frobenius) and program.Y.shape[1] > 1 and program.loss.name != "squared":
        raise ValueError(f"Frobenius groups with the {program.loss.name} loss couple outputs; use method='fista'")


class GatedIterate:
    """A path on one gated program. Families v and w without cones are one: w carries the sign of the first."""

    def __init__(self, program: Program, warm: tuple[Tensor, Tensor] | None = None) -> None:
        operator, free = program.operator, program.gauge.free
        assert isinstance(operator, GatedOperator)
        self.program = program
        p = operator.X.shape[1] - free
        X = operator.X[:, :p].contiguous()
        self.columns = operator.D * operator.X[:, p:] if free else X.new_zeros(len(X), 0)
        Q, self.spread = _range(self.columns)
        self.groups = GatedBlocks(GatedOperator(X, operator.D, (1.0,), operator.c), program.beta)
        loss = BarrierLoss(program.loss, program.Y)
        direction, cap = loss.centre_direction(Q)
        largest = float(self.groups.pull(direction).norm(dim=1).max())
        theta = direction * min(cap, START * program.beta / max(largest, 1e-300))
        gap = program.objective(program.zeros()) - program.dual_value(theta)
        mu = max(gap, SMALLEST_GAP * abs(program.objective(program.zeros()))) / (
            self.groups.degree + loss.pairs() * theta.numel()
        )
        self.groups.start(theta, mu)
        if program.loss.name != "squared":  # margins are of order one: w is linear in mu, keep A w there
            mu *= min(1.0, MARGIN_START / max(float(self.groups.image().abs().max()), 1e-300))
            self.groups.start(theta, mu)
        if warm is not None and not free:
            theta, mu = self._near(*warm)
        loss.start(theta, mu)
        kind = Path if operator.c == 1 else FrobeniusPath
        self.path = kind(loss, [self.groups], Q, X.new_zeros(Q.shape[1], operator.c))

    def _near(self, Z: Tensor, v: Tensor) -> tuple[Tensor, float]:
        """Start from another beta's Z and v: theta a little inside, w as it was, tau where pairs are nearly central."""
        program, groups = self.program, self.groups
        W = program.operator.group_signs[: len(groups.tau), None, None] * Z[: len(groups.tau)]
        theta = v * min(1.0, WARM * program.beta / max(float(groups.pull(v).norm(dim=1).max()), 1e-300))
        gap = max(program.objective(Z) - program.dual_value(theta), 1e-12 * program.objective(Z))
        mu = gap / groups.degree
        groups.start(theta, mu, W.flatten(1))
        return theta, mu

    def advance(self) -> float:
        return self.path.advance()

    def measures(self) -> tuple[float, ...]:
        return self.path.measures()

    def assess(self, final: bool = False) -> Bounds:
        """F at (w, b), and the dual value of theta when it is orthogonal to the free columns."""
        program, theta, Q = self.program, self.path.theta, self.path.border
        operator = program.operator
        assert isinstance(operator, GatedOperator)
        W = self.groups.w.reshape(self.groups.operator.domain)
        if self.columns.shape[1]:
            b = self.spread @ (Q @ self.path.b)
            W = torch.cat([W, b[:, None, :]], 1)
        Z = program.zeros()
        Z[: len(W)] = operator.signs[0] * W
        upper = float(program.loss.value(self.path.predictions(), program.Y) + program.beta * program.gauge.value(Z))
        v = self.path.loss.orthogonal(Q)
        if v is None:
            return Bounds(Z, theta, None, upper, -float("inf"))
        if Q.shape[1]:
            v = v * min(1.0, program.beta / max(float(self.groups.pull(v).norm(dim=1).max()), 1e-300))
        return Bounds(Z, v, None, upper, program.dual_value(v))


def _range(columns: Tensor) -> tuple[Tensor, Tensor]:
    """An orthonormal basis of the column space, and the pseudo-inverse that spreads predictions over the columns."""
    if columns.shape[1] == 0:
        return columns, columns.T
    U, s, Vh = torch.linalg.svd(columns, full_matrices=False)
    kept = s > 1e-12 * s[0] * max(columns.shape)
    return U[:, kept], Vh[kept].T @ (U[:, kept] / s[kept]).T


class FrobeniusPath(Path):
    """Newton's matrix for several outputs that share their groups (squared loss: h = 1)."""

    def newton(self) -> Solve:
        blocks = self.blocks[0]
        assert isinstance(blocks, GatedBlocks)
        X, D = blocks.operator.X, blocks.operator.D
        n, c = self.theta.shape
        whole = slice(0, len(blocks.tau))
        low = blocks.border(X, whole).permute(1, 0, 2).reshape(c * n, -1)

        def form() -> Tensor:
            K = X.new_zeros(n, n)
            add_gated_gram(K, X, D, blocks.scaling.eta.square())
            K.diagonal().add_(1.0)
            return K

        inner = _whole(form(), low, c) if c * n <= low.shape[1] else _capacitance(form, low, c)
        return bordered(inner, torch.ones_like(self.theta[:, :1]), self.border)


def _whole(K: Tensor, low: Tensor, c: int) -> Callable[[Tensor], Tensor]:
    """(I_c (x) K + 2 B B')^{-1} as one matrix of size n c."""

    def form() -> Tensor:
        M = torch.kron(torch.eye(c, device=K.device, dtype=K.dtype), K)
        add_gram(M, low, alpha=2.0)
        return M

    solve = cholesky_solver(form)
    return lambda R: _unstack(solve(_stack(R)), c)


def _capacitance(form: Callable[[], Tensor], low: Tensor, c: int) -> Callable[[Tensor], Tensor]:
    """The same by K^{-1} and the P x P capacitance 1/2 I + B' (I (x) K)^{-1} B, with one step of refinement."""
    K = form()
    full = torch.tril(K) + torch.tril(K, -1).T
    solve_K = cholesky_solver(form)
    n = K.shape[0]

    def blockwise(R: Tensor, apply: Callable[[Tensor], Tensor]) -> Tensor:
        k = R.shape[1]
        wide = R.reshape(c, n, k).permute(1, 0, 2).reshape(n, c * k)
        return apply(wide).reshape(n, c, k).permute(1, 0, 2).reshape(c * n, k)

    inside = blockwise(low, solve_K)
    capacitance = low.T @ inside
    capacitance.diagonal().add_(0.5)
    small = cholesky_solver(lambda: 0.5 * (capacitance + capacitance.T))

    def once(r: Tensor) -> Tensor:
        z = blockwise(r, solve_K)
        return z - inside @ small(low.T @ z)

    def solve(R: Tensor) -> Tensor:
        r = _stack(R)
        z = once(r)
        z = z + once(r - blockwise(z, lambda w: full @ w) - 2 * low @ (low.T @ z))
        return _unstack(z, c)

    return solve


def _stack(R: Tensor) -> Tensor:
    return R.T.reshape(-1, 1)


def _unstack(z: Tensor, c: int) -> Tensor:
    return z.reshape(c, -1).T
