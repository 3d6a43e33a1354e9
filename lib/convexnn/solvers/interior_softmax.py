"""Cross entropy by an interior point: the outputs of one sample share a simplex, everything else is a column's own.

    min  sum_i log sum_k exp f_ik - <y_i, f_i> + beta sum |w_g|
    theta = Y - p,    p_i in the simplex,    f = log p + nu 1'

p stays strictly inside, its entropy is its own barrier (as for the logistic loss), and nu (n,) is the constant that a
softmax does not see; its dual equality, sum_k theta_ik = 0, holds at every step. Newton's system is one a column,

    M_k = I + sqrt(p_k) A_k F_k^{-1} A_k' sqrt(p_k),      n x n,

tied by nu: (sum_k sqrt(p_k) M_k^{-1} sqrt(p_k)) dnu = right-hand side. c + 1 factors of n x n matrices, none of n c.
Groups: gated (`_gated_blocks`) or in their pattern cones (`_cone_blocks`), one family for each output.
Law (tests/solvers/test_interior_softmax.py): the value of a conic solver with exponential cones.
Source: ours; the border follows solver notes 2.9 with the null vector of the softmax's curvature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from convexnn.cones import PatternCone
from convexnn.gauges import GroupL2
from convexnn.operators import GatedOperator
from convexnn.program import Program
from convexnn.solvers._box_least_squares import PairProducts
from convexnn.solvers._cone_blocks import NORM_WEIGHT, ConeBlocks
from convexnn.solvers._gated_blocks import GatedBlocks
from convexnn.solvers._geometry import Geometry
from convexnn.solvers._path_following import TO_BOUNDARY, Blocks, shorten
from convexnn.solvers._recording import Bounds, Recorder, at_zero, follow, to_point
from convexnn.solvers._symmetric import Breakdown, cholesky_solver
from convexnn.solvers.contract import Options
from convexnn.types import Point

#: Share of beta that the first theta uses up, without and with cones, and that the first multipliers use up.
GATED_START, CONE_START, LAMBDA_START = 0.5, 0.05, 0.9
#: Largest prediction at the start.
MARGIN_START = 10.0
#: The first gap counts as at least this share of the objective at zero.
SMALLEST_GAP = 1e-3
#: Probabilities below the first no longer limit the step and fall by at most ten; none falls below the second.
NEGLIGIBLE, SMALLEST = 1e-9, 1e-16
#: Groups are projected once the gap without projection is below this multiple of the tolerance.
NEAR = 20.0
#: A looser tolerance costs more where cones have to be projected.
LOOSEST = 1e-4


def interior_softmax(program: Program, options: Options) -> Point:
    """Solve a gated or ReLU program with cross entropy (GroupL2, no free coordinate) to a certified gap.

    Raises ValueError for another loss, operator, gauge or cone. A warm start is not used.
    """
    if program.loss.name != "cross_entropy":
        raise ValueError(f"interior_softmax is for cross entropy, not for the {program.loss.name} loss")
    if not isinstance(program.operator, GatedOperator) or not isinstance(program.gauge, GroupL2) or program.gauge.free:
        raise ValueError("interior_softmax needs a GatedOperator and GroupL2 groups without free coordinates")
    coned = isinstance(program.cone, PatternCone)
    if not coned and program.cone.rows(program.zeros()).shape[1]:
        raise ValueError(f"interior_softmax knows pattern cones, not {type(program.cone).__name__}; use method='admm'")
    recorder = Recorder(program, replace(options, tol=min(options.tol, LOOSEST)) if coned else options, separable=False)
    best = follow(recorder, 0, at_zero(program), partial(SoftmaxIterate, program, recorder.tol))
    return to_point(recorder, [best])


@dataclass
class Direction:
    theta: Tensor
    nu: Tensor
    blocks: list[Any]


class SoftmaxIterate:
    """A path on one program: p (n, c), nu (n, 1), and one family of groups for each output."""

    def __init__(self, program: Program, tol: float) -> None:
        operator = program.operator
        assert isinstance(operator, GatedOperator)
        self.program, self.operator, self.tol = program, operator, tol
        self.geometry: Geometry | None = None
        if isinstance(program.cone, PatternCone):
            D = operator.D.T.contiguous()
            spread = float(torch.linalg.matrix_norm(operator.X, 2)) ** 2
            self.geometry = Geometry(operator.X, D, program.beta, 0, PairProducts(operator.X), spread)
        self.blocks: list[Any] = [self._family() for _ in range(operator.c)]  # all gated or all in cones
        self._start()

    def _family(self) -> GatedBlocks | ConeBlocks:
        operator = self.operator
        if self.geometry is None:
            return GatedBlocks(GatedOperator(operator.X, operator.D, (1.0,), 1), self.program.beta)
        pattern = torch.arange(operator.D.shape[1], device=operator.X.device).repeat(len(operator.signs))
        return ConeBlocks(self.geometry, pattern, operator.group_signs)

    def _start(self) -> None:
        """p between the labels and the uniform distribution, as far from the labels as |q| <= beta allows."""
        program, Y = self.program, self.program.Y
        direction = Y - 1.0 / Y.shape[1]
        largest = max(float(b.pull(direction[:, [k]]).norm(dim=1).max()) for k, b in enumerate(self.blocks))
        share = GATED_START if self.geometry is None else CONE_START
        theta = direction * min(1.0, share * program.beta / max(largest, 1e-300))
        self.p, self.nu = Y - theta, torch.zeros_like(Y[:, :1])
        self.residual = float("inf")
        null = program.objective(program.zeros())
        degree = sum(block_degree(b, len(Y)) for b in self.blocks)
        mu = max(null - program.dual_value(theta), SMALLEST_GAP * abs(null)) / degree
        self._central(theta, mu)
        reached = float(self.predictions().abs().max())
        if reached > MARGIN_START:
            self._central(theta, mu * MARGIN_START / reached)

    def _central(self, theta: Tensor, mu: float) -> None:
        for k, block in enumerate(self.blocks):
            if isinstance(block, GatedBlocks):
                block.start(theta[:, [k]], mu)
                continue
            ones = torch.ones_like(block.S)
            gathered = block.geometry.gather(ones, block.pattern).norm(dim=1, keepdim=True)
            block.start(theta[:, [k]], LAMBDA_START * self.program.beta / gathered.clamp(min=1e-300) * ones, mu)

    @property
    def theta(self) -> Tensor:
        return self.program.Y - self.p

    def predictions(self) -> Tensor:
        """A w, (n, c)."""
        return torch.cat([block.image() for block in self.blocks], 1)

    def mu(self) -> float:
        degree = sum(block.degree for block in self.blocks)
        return sum(block.complementarity() for block in self.blocks) / max(1, degree)

    def measures(self) -> tuple[float, ...]:
        """mu and what the last step started from: one of them halves now and then."""
        return self.mu(), self.residual

    def advance(self) -> float:
        """One predictor-corrector step; returns its length."""
        for block in self.blocks:
            block.prepare()
        residual = self.predictions() - torch.log(self.p) - self.nu
        self.residual = float(residual.norm())
        solve = self._newton()
        affine = self._direction(solve, residual, 0.0, None)
        shrink = (1 - min(1.0, self._reach(affine))) ** 3
        step = self._direction(solve, residual, min(1.0, max(1e-8, shrink)) * self.mu(), affine)
        a = min(1.0, TO_BOUNDARY * self._reach(step))
        if not (a > 0 and bool(torch.isfinite(step.theta).all())):
            raise Breakdown("the Newton direction is not finite")
        self._move(a, step)
        return a

    def _newton(self) -> Any:
        """r -> (dtheta, dnu) with  dtheta / p + A F^{-1} A' dtheta - dnu = r,  sum over outputs of dtheta = 0."""
        root, n = self.p.sqrt(), len(self.p)
        inner = [self._factor(block, root[:, k]) for k, block in enumerate(self.blocks)]
        identity = torch.eye(n, device=root.device, dtype=root.dtype)

        def border() -> Tensor:
            total = torch.zeros_like(identity)
            for k, apply in enumerate(inner):
                total += root[:, [k]] * apply(identity) * root[:, k]
            return 0.5 * (total + total.T)

        tie = cholesky_solver(border)

        def apart(r: Tensor) -> Tensor:
            return root * torch.cat([apply((root * r)[:, [k]]) for k, apply in enumerate(inner)], 1)

        def solve(r: Tensor) -> tuple[Tensor, Tensor]:
            dnu = -tie(apart(r).sum(1, keepdim=True))
            dtheta = apart(r + dnu)
            return dtheta - dtheta.mean(1, keepdim=True), dnu

        return solve

    def _factor(self, block: Blocks, root: Tensor) -> Any:
        def form() -> Tensor:
            M = root.new_zeros(len(root), len(root))
            block.add_schur(M, root, complete=True)
            M.diagonal().add_(1.0)
            return M

        return cholesky_solver(form)

    def _direction(self, solve: Any, residual: Tensor, mu: float, affine: Direction | None) -> Direction:
        found = [b.rights(mu, None if affine is None else affine.blocks[k]) for k, b in enumerate(self.blocks)]
        dtheta, dnu = solve(-residual - torch.cat([image for _, image in found], 1))
        steps = [b.step(dtheta[:, [k]], found[k][0]) for k, b in enumerate(self.blocks)]
        return Direction(dtheta, dnu, steps)

    def _reach(self, direction: Direction) -> float:
        falling = torch.where(self.p > NEGLIGIBLE, direction.theta / self.p, 0.0)
        steepest = float(falling.max())
        own = 1 / steepest if steepest > 0 else float("inf")
        return min(own, *(b.reach(step) for b, step in zip(self.blocks, direction.blocks)))

    def _move(self, a: float, step: Direction) -> None:
        """Take the step; what a negligible probability does not give up, its sample's largest one pays."""
        p = self.p - a * step.theta
        p = torch.where(self.p > NEGLIGIBLE, p, torch.maximum(p, (0.1 * self.p).clamp(min=SMALLEST)))
        largest = p.argmax(1, keepdim=True)
        self.p = p.scatter_add(1, largest, 1 - p.sum(1, keepdim=True))
        self.nu = self.nu + a * step.nu
        theta = self.theta
        for k, block in enumerate(self.blocks):
            block.move(a, step.blocks[k], theta[:, [k]], straight=False)
        shorten(self.blocks, self)

    def shorten(self, factor: float) -> None:
        """theta times a factor <= 1: p towards the labels."""
        self.p = self.program.Y - factor * self.theta

    def assess(self, final: bool = False) -> Bounds:
        """The dual value of theta, and the objective of w when it is in its cones or the end is near."""
        program, theta = self.program, self.theta
        lower = program.dual_value(theta)
        lam = torch.zeros_like(program.cone.rows(program.zeros()))
        if self.geometry is None:
            first = self.operator.signs[0]
            Z = program.zeros()
            Z[: len(self.blocks[0].w)] = first * torch.stack([block.w for block in self.blocks], 2)
            return Bounds(Z, theta, None, program.objective(Z), lower)
        W, outside = [], []
        for k, block in enumerate(self.blocks):
            assert isinstance(block, ConeBlocks)
            lam[:, :, k] = block.lam
            W.append(block.w)
            outside.append(self.geometry.outside(block.w, block.pattern))
        rough = program.objective(torch.stack(W, 2))
        near = final or rough - lower <= NEAR * self.tol * max(1.0, abs(rough))
        if not near and any(bool(out.any()) for out in outside):
            return Bounds(program.zeros(), theta, lam, float("inf"), lower)
        pattern = [block.pattern for block in self.blocks if isinstance(block, ConeBlocks)]
        Z = torch.stack([self.geometry.project(w, i, out) for w, i, out in zip(W, pattern, outside)], 2)
        return Bounds(Z, theta, lam, program.objective(Z), lower)


def block_degree(block: GatedBlocks | ConeBlocks, samples: int) -> int:
    """Complementary pairs of one output's groups, before they are started."""
    if isinstance(block, GatedBlocks):
        return block.degree
    return 2 * NORM_WEIGHT * len(block.pattern) + len(block.pattern) * samples
