"""Groups of several columns by an interior point: product cones, (2,1) or Frobenius norms, losses with a barrier.

    three-layer   min  L( sum_{g,e} e D_g sum_j D_{g,j} X v_{g,e,j} ) + beta sum_{g,e} norm(V_{g,e}),   V in its cone
    coupled       min  L( sum_{g,e} e <E_g, Z_{g,e}> ) + beta sum_{g,e} norm(Z_{g,e}),   <C_g, Z_{g,e}> >= 0

Every iterate is dual feasible and brings its multipliers, so the judge solves nothing: that matters for the (2,1) norm,
where the multipliers that prove |q_j| <= beta for all neurons at once are not a least-squares projection.
A step costs n^2 G m d + G (m d)^2 n flops (`_layered_blocks`). Groups must have an interior
(`theorems.shared.layered_patterns` delivers only such ones); 20 to 45 steps to 1e-6 then.
Source: the elimination of `interior_cone`, with more rows a group and one or m norms.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convexnn.coupled import CoupledCone, CoupledOperator
from convexnn.gauges import Frobenius, GroupL2
from convexnn.layered import LayeredCone, LayeredOperator
from convexnn.program import Program
from convexnn.solvers._barrier_losses import BarrierLoss
from convexnn.solvers._cone_blocks import NORM_WEIGHT
from convexnn.solvers._coupled_blocks import CoupledBlocks
from convexnn.solvers._layered_blocks import LayeredBlocks
from convexnn.solvers._path_following import Path
from convexnn.solvers._recording import Bounds, Recorder, at_zero, follow, to_point
from convexnn.solvers.contract import Options
from convexnn.solvers.interior_cone import LAMBDA_START, NEAR, SMALLEST_GAP, THETA_START
from convexnn.types import Point

#: Share of the gap in the first mu. The rows start far from G w; with a small mu their pairs would meet the boundary
#: before that is closed, and steps would be short (spirals of two turns stall at a tenth of this).
MU_START = 3.0


def interior_layered(program: Program, options: Options) -> Point:
    """Solve a doubly gated or a coupled program to a certified gap. A warm start is not used.

    Raises ValueError for another operator, cone, gauge or loss.
    """
    if _blocks(program) is None:
        raise ValueError("interior_layered needs a layered or coupled operator with its own cone; use method='admm'")
    if not isinstance(program.gauge, GroupL2 | Frobenius):
        raise ValueError(f"no barrier for the gauge {type(program.gauge).__name__}; use method='admm'")
    recorder = Recorder(program, options, separable=False)
    best = follow(recorder, 0, at_zero(program), lambda: LayeredIterate(program, recorder.tol))
    return to_point(recorder, [best])


def _blocks(program: Program) -> LayeredBlocks | None:
    """The elimination that fits, or None."""
    operator, cone, whole = program.operator, program.cone, isinstance(program.gauge, Frobenius)
    if isinstance(operator, LayeredOperator) and isinstance(cone, LayeredCone):
        return LayeredBlocks(operator, cone, program.beta, whole)
    if isinstance(operator, CoupledOperator) and isinstance(cone, CoupledCone):
        return CoupledBlocks(operator, cone, program.beta, whole)
    return None


class LayeredIterate:
    """A path on one program."""

    def __init__(self, program: Program, tol: float) -> None:
        blocks = _blocks(program)
        assert blocks is not None
        self.program, self.tol, self.blocks = program, tol, blocks
        border = program.Y[:, :0]
        self.path = Path(BarrierLoss(program.loss, program.Y), [self.blocks], border, border.new_zeros(0, 1))
        self._start()

    def _start(self) -> None:
        """theta small, lambda as large as the norms allow, every pair central."""
        program, blocks, loss, beta = self.program, self.blocks, self.path.loss, self.program.beta
        direction, cap = loss.centre_direction(self.path.border)
        largest = float(blocks.norms(blocks.pull(direction)).max())
        theta = min(cap, THETA_START * beta / max(largest, 1e-300)) * direction
        ones = torch.ones(len(blocks.sign), blocks.G, *blocks.row_shape).to(theta)
        floor = 1e-6 * blocks.row_size
        gathered = blocks.norms(blocks.gather(ones)).amax(2).clamp(min=floor)
        lam = (LAMBDA_START * beta / gathered).reshape(*ones.shape[:2], *[1] * len(blocks.row_shape)) * ones
        start = program.objective(program.zeros())
        gap = start - program.dual_value(theta)
        norms = blocks.norms(blocks.pull(theta)).numel()
        degree = 2 * NORM_WEIGHT * norms + lam.numel() + loss.pairs() * len(theta)
        mu = MU_START * max(gap, SMALLEST_GAP * abs(start)) / degree
        loss.start(theta, mu)
        blocks.start(theta, lam, mu)

    def advance(self) -> float:
        return self.path.advance()

    def measures(self) -> tuple[float, ...]:
        return self.path.measures()

    def assess(self, final: bool = False) -> Bounds:
        """The dual value of theta, and the objective of w when it is in its cones or the end is near."""
        program, v = self.program, self.path.loss.orthogonal(self.path.border)
        lower = -float("inf") if v is None else program.dual_value(v)
        Z = self._flat(self.blocks.w.permute(0, 1, 3, 2))
        rough = program.objective(Z)
        lam = self.blocks.lam.flatten(0, 1).flatten(1)[:, :, None]
        v = program.Y if v is None else v
        if not (final or rough - lower <= NEAR * self.tol * max(1.0, abs(rough))):
            return Bounds(program.zeros(), v, lam, float("inf"), lower)
        Z = program.cone.project(Z)
        return Bounds(Z, v, lam, program.objective(Z), lower)

    def _flat(self, w: Tensor) -> Tensor:
        return w.flatten(0, 1)
