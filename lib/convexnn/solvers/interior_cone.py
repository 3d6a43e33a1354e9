"""ReLU programs by an interior point: cones of activation patterns, with a working set of groups.

    min  L( sum_g sg_g D_g X w_g ) + beta sum_g |w_g|     s.t.  S_g X w_g >= 0,      g = (pattern, sign)

20 to 40 Newton steps to 1e-6. Every iterate is dual feasible and brings its multipliers, so the judge solves nothing:

    q_g = sg_g X'D_g theta + X'S_g lambda_g,   |q_g| < beta,   lambda_g > 0

Most groups are inactive, and the n x n matrix of all of them costs n^2 d P flops. Three things keep that small:
few samples take the exact matrix; with more, only patterns whose block stands out enter exactly, the others enter as
(X C X') * (D diag(m) D') with one d x d matrix C, n^2 P flops, and conjugate gradients with exact products repair the
difference in 2 to 15 steps (`_cone_blocks`); and groups whose norms fall behind are left out and proved to be zero at
the end (`_left_out`); where that fails the path is begun again with all of them.
An unregularised bias (`free` = 1) has no norm, only cone rows; its dual equality holds from the start. A pattern whose
rows are all positive in that coordinate is no constraint when both signs are present, and is solved as a gated group
with a free column; no group is left out then.
Primal: w is interior to its cones once the residuals have closed; until then groups outside are projected, and only
near the end. Reachable gap: about 1e-8, at beta = 1e-3 beta_max about 1e-7.
Source: solver notes of this project, sections 3.1 to 3.3.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from convexnn.cones import PatternCone
from convexnn.gauges import GroupL2
from convexnn.operators import GatedOperator
from convexnn.program import Program
from convexnn.solvers._barrier_losses import BarrierLoss
from convexnn.solvers._box_least_squares import PairProducts
from convexnn.solvers._cone_blocks import NORM_WEIGHT, ConeBlocks
from convexnn.solvers._gated_blocks import GatedBlocks
from convexnn.solvers._geometry import Geometry
from convexnn.solvers._left_out import LeftOut
from convexnn.solvers._path_following import Blocks, Path
from convexnn.solvers._recording import Bounds, Recorder, at_zero, columns, follow, to_point
from convexnn.solvers.contract import Options
from convexnn.types import Point

#: Share of beta that the first multipliers and the first theta use up.
LAMBDA_START, THETA_START, MU_START = 0.9, 0.05, 0.3
#: The first gap counts as at least this share of the objective at zero.
SMALLEST_GAP = 1e-3
#: Groups are projected once the gap without projection is below this multiple of the tolerance.
NEAR = 20.0
#: Groups are left out between these relative gaps.
DROP_BELOW, SETTLED = 6e-2, 1e-3
#: A looser tolerance costs more: many groups would have to be projected, while few steps bring them inside.
LOOSEST = 1e-4
#: A group was left out wrongly when the bounds are apart although the others agree to this share of the tolerance.
HOPELESS = 0.1


def interior_cone(program: Program, options: Options) -> Point:
    """Solve a ReLU program (PatternCone, GroupL2) to a certified gap.

    Raises ValueError for another operator, cone, gauge or loss. A warm start is not used.
    """
    _check(program)
    recorder = Recorder(program, replace(options, tol=min(options.tol, LOOSEST)))
    parts = []
    for k, part in enumerate(columns(program)):
        best, drop = at_zero(part), True
        while not recorder.stopped:
            best, dropped = _follow(recorder, k, best, part, drop)
            if not dropped or recorder.is_close(best.upper, best.lower):
                break
            drop = False
        parts.append(best)
    return to_point(recorder, parts)


def _follow(recorder: Recorder, k: int, start: Bounds, part: Program, drop: bool) -> tuple[Bounds, bool]:
    """One path, and whether it left groups out."""
    made: list[ConeIterate] = []

    def begin() -> ConeIterate:
        made.append(ConeIterate(part, recorder.tol, drop))
        return made[0]

    best = follow(recorder, k, start, begin)
    return best, bool(made and len(made[0].left_out.groups))


def _check(program: Program) -> None:
    BarrierLoss(program.loss, program.Y)  # raises for a loss without a barrier
    if not isinstance(program.operator, GatedOperator) or not isinstance(program.cone, PatternCone):
        raise ValueError("interior_cone needs a GatedOperator and a PatternCone; use method='admm'")
    if not isinstance(program.gauge, GroupL2):
        raise ValueError(f"no barrier for the gauge {type(program.gauge).__name__}; use method='admm'")


class ConeIterate:
    """A path on one ReLU program."""

    def __init__(self, program: Program, tol: float = 1e-6, drop: bool = True) -> None:
        self.tol, self.drop = tol, drop and not program.gauge.free
        self.missed = False
        operator, free = program.operator, program.gauge.free
        assert isinstance(operator, GatedOperator)
        self.program, self.operator = program, operator
        X, D = operator.X, operator.D.T.contiguous()
        self.geometry = Geometry(X, D, program.beta, free, PairProducts(X), float(torch.linalg.matrix_norm(X, 2)) ** 2)
        self.left_out = LeftOut(self.geometry)
        count = len(D)
        pattern = torch.arange(count, device=X.device).repeat(len(operator.signs))
        loose = _cancelling(operator) if free else torch.zeros(count, dtype=torch.bool, device=X.device)
        self.loose = torch.nonzero(loose).flatten()[:1]
        self.groups = torch.nonzero(~loose[pattern]).flatten()
        self.cones = ConeBlocks(self.geometry, pattern[self.groups], operator.group_signs[self.groups])
        self.blocks: list[Blocks] = [self.cones] if len(self.groups) else []
        self.gated: GatedBlocks | None = None
        Q = X[:, :0]
        if len(self.loose):
            head = X[:, : X.shape[1] - free].contiguous()
            D_loose = torch.ones_like(X[:, :1])
            self.gated = GatedBlocks(GatedOperator(head, D_loose, (1.0,), 1), program.beta)
            self.blocks.append(self.gated)
            Q = X[:, -1:] / X[:, -1].norm()
        self.path = Path(BarrierLoss(program.loss, program.Y), self.blocks, Q, X.new_zeros(Q.shape[1], 1))
        self._start()

    def _start(self) -> None:
        """theta small, lambda as large as |q| <= beta allows, every pair central."""
        program, cones, loss, beta = self.program, self.cones, self.path.loss, self.program.beta
        direction, cap = loss.centre_direction(self.path.border)
        base, balance = self._multipliers(direction)
        p = cones.p
        pulls = self.geometry.pull(direction, cones.pattern, cones.sign) + self.geometry.gather(balance, cones.pattern)
        sizes = [pulls[:, :p].norm(dim=1)]
        if self.gated is not None:
            sizes.append(self.gated.pull(direction).norm(dim=1))
        scale = min(cap, THETA_START * beta / max(float(torch.cat(sizes).max()), 1e-300))
        theta = scale * direction
        gathered = self.geometry.gather(base, cones.pattern)[:, :p].norm(dim=1)
        floor = 1e-6 * (base @ self.geometry.X.norm(dim=1))
        lam = (LAMBDA_START * beta / torch.maximum(gathered, floor))[:, None] * base + scale * balance
        gap = program.objective(program.zeros()) - program.dual_value(theta)
        degree = 2 * NORM_WEIGHT * len(lam) + lam.numel() + loss.pairs() * len(theta) + (0 if self.gated is None else 2)
        mu = MU_START * max(gap, SMALLEST_GAP * abs(program.objective(program.zeros()))) / degree
        loss.start(theta, mu)
        cones.start(theta, lam, mu)
        if self.gated is not None:
            self.gated.start(theta, mu)

    def _multipliers(self, direction: Tensor) -> tuple[Tensor, Tensor]:
        """lambda > 0 that pulls on no free coordinate, and the lambda >= 0 that cancels direction's pull there."""
        g, cones = self.geometry, self.cones
        if not g.free:
            ones = torch.ones_like(g.D[cones.pattern])
            return ones, 0 * ones
        a = (2 * g.D[cones.pattern] - 1) * g.X[:, -1]
        plus, minus = (a > 0).to(a), (a < 0).to(a)
        up = plus / (plus * a).sum(1, keepdim=True).clamp(min=1e-300)
        down = minus / -(minus * a).sum(1, keepdim=True).clamp(max=-1e-300)
        need = -g.pull(direction, cones.pattern, cones.sign)[:, -1:]
        return up + down + (a == 0).to(a) / a.shape[1], need.clamp(min=0) * up + (-need).clamp(min=0) * down

    def advance(self) -> float:
        """The next step; none once a group turned out to be missing."""
        return 0.0 if self.missed else self.path.advance()

    def measures(self) -> tuple[float, ...]:
        return self.path.measures()

    def assess(self, final: bool = False) -> Bounds:
        """The dual value of theta, and the objective of w when it is in its cones or the end is near."""
        program, cones = self.program, self.cones
        v = self.path.loss.orthogonal(self.path.border)
        lower = -float("inf") if v is None else program.dual_value(v)
        away = (self._rough() - lower) / max(1.0, abs(self._rough()))
        if self.drop and len(self.groups) and SETTLED <= away <= DROP_BELOW:
            keep = self.left_out.choose(self.groups, cones)
            if keep is not None:
                self.groups = self.groups[keep]
                cones.shrink(keep)
        lam = torch.zeros_like(program.cone.rows(program.zeros()))
        lam[self.groups] = cones.lam[:, :, None]
        if v is not None and len(self.left_out.groups):
            v, lam = self.left_out.verify(v, lam, self.operator.group_signs, final or away <= self.tol)
            lower = program.dual_value(v)
            self.missed = away <= HOPELESS * self.tol and not self._rough() - lower <= self.tol * abs(self._rough())
        near = final or away <= NEAR * self.tol
        outside = self.geometry.outside(cones.w, cones.pattern) if near or away <= DROP_BELOW else None
        if outside is None or (not near and bool(outside.any())):
            return Bounds(program.zeros(), program.Y if v is None else v, lam, float("inf"), lower)
        Z = self._assemble(self.geometry.project(cones.w, cones.pattern, outside))
        return Bounds(Z, program.Y if v is None else v, lam, program.objective(Z), lower)

    def _rough(self) -> float:
        """The objective of w, whether or not it is in its cones."""
        p = self.cones.p
        penalty = float(self.cones.w[:, :p].norm(dim=1).sum())
        if self.gated is not None:
            penalty += float(self.gated.w.norm(dim=1).sum())
        return float(self.program.loss.value(self.path.predictions(), self.program.Y)) + self.program.beta * penalty

    def _assemble(self, w: Tensor) -> Tensor:
        """Z from the groups' w, with the loose group given a bias that satisfies its cone in both families."""
        Z = self.program.zeros()
        Z[self.groups] = w[:, :, None]
        if self.gated is not None:
            X, P = self.operator.X, len(self.geometry.D)
            x, b = self.gated.w[0], float(self.path.b[0, 0] / X[:, -1].norm())
            least = float(torch.relu(-(X[:, : len(x)] @ x) / X[:, -1]).max())
            bias = max(b, least) * (1 + 1e-15)
            plus, minus = (self.operator.signs[0] < 0) * P + self.loose, (self.operator.signs[0] > 0) * P + self.loose
            Z[plus, : len(x), 0], Z[plus, -1, 0], Z[minus, -1, 0] = x, bias, max(0.0, bias - b)
        return Z


def _cancelling(operator: GatedOperator) -> Tensor:
    """(P,) patterns whose rows S_i X are all positive in the free coordinate, when both signs are present.

    Then a large bias in v and in w cancels in the predictions and satisfies both cones: no constraint is left.
    """
    both = len(operator.signs) == 2 and operator.signs[0] * operator.signs[1] < 0
    return ((2 * operator.D - 1) * operator.X[:, -1:] > 0).all(0) & both
