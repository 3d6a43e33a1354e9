"""Primal-dual path following for  min L(A w + Q b) + beta sum_g |w_g|  over products of cones, Mehrotra's rule.

Unknowns: theta = -grad L (kept inside the domain of the dual), groups w_g with their cone pairs, and b, coordinates
that cost nothing (Q is an orthonormal basis of what they add to the predictions; dual equality Q'theta = 0).
With h, right from the loss and F_g from the groups, every Newton step is

    ( 1/h + A F^{-1} A' ) dtheta + Q db = -(A w + Q b - f(theta)) + right - A F^{-1} e,        Q' dtheta = -Q'theta

solved through M = I + sqrt(h) A F^{-1} A' sqrt(h), one n x n Cholesky factor for the predictor and the corrector:

    predictor   mu = 0                                             -> step a_aff
    corrector   mu * clip((1 - a_aff)^3, 1e-8, 1) + second order   -> step min(1, 0.99 reach), primal = dual

The common step length keeps the linear residuals on (1 - a) times their last value.
Source: Mehrotra (1992); the elementwise form of A F^{-1} A' is in `_gated_blocks`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convexnn.solvers._barrier_losses import BarrierLoss, LossStep
from convexnn.solvers._newton_matrix import Preconditioned, Solve, bordered
from convexnn.solvers._symmetric import Breakdown, cholesky_solver

TO_BOUNDARY = 0.99
#: Share of its distance to the boundary that a pull keeps in any step.
MARGIN = 0.5 * (1 - TO_BOUNDARY)
#: Relative residual of an inexact Newton step, tightened with mu.
LOOSEST, TIGHTEST = 1e-4, 1e-10


class Blocks(ABC):
    """A family of groups in cones: state, Newton elimination, step length."""

    @property
    @abstractmethod
    def degree(self) -> int:
        """Degree of the cones: 2 for a second-order cone, 1 for a half line."""

    @abstractmethod
    def complementarity(self) -> float:
        """sum s'u over all cone pairs."""

    @abstractmethod
    def image(self) -> Tensor:
        """A w, shape of theta."""

    @abstractmethod
    def prepare(self) -> None:
        """Scale and factor the group blocks F_g at the current point."""

    @abstractmethod
    def add_schur(self, M: Tensor, root: Tensor, complete: bool = True) -> bool:
        """M += diag(root) A F^{-1} A' diag(root), lower triangle; unless `complete`, a cheaper matrix close to it.

        Returns whether the exact matrix was added.
        """

    @abstractmethod
    def apply_schur(self, z: Tensor) -> Tensor:
        """A F^{-1} A' z, exactly."""

    @abstractmethod
    def rights(self, mu: float, affine: Any) -> tuple[Any, Tensor]:
        """Right-hand sides e for the target mu, and A F^{-1} e."""

    @abstractmethod
    def step(self, dtheta: Tensor, rights: Any) -> Any:
        """The direction of all variables that belongs to dtheta."""

    @abstractmethod
    def reach(self, step: Any) -> float:
        """The largest step that stays in the cones."""

    @abstractmethod
    def move(self, a: float, step: Any, theta: Tensor, straight: bool) -> None:
        """Take the step; theta is the dual vector after it, and `straight` says that it went all of a dtheta."""

    @abstractmethod
    def inside(self) -> float:
        """The largest factor <= 1 on the pulls that keeps them at MARGIN of their distance before the step."""

    @abstractmethod
    def shorten(self, factor: float) -> None:
        """The pulls, and what they are made of besides theta, times a factor."""


def shorten(blocks: Sequence[Blocks], loss: Any) -> None:
    """Bring theta back to where every pull is inside its cone, after some of its entries were kept from moving."""
    factor = min(block.inside() for block in blocks) if blocks else 1.0
    if factor < 1.0:
        loss.shorten(factor)
        for block in blocks:
            block.shorten(factor)


@dataclass
class Direction:
    loss: LossStep
    blocks: list[Any]
    b: Tensor


@dataclass
class Path:
    """The iterate. `border` is Q (n, r) with r >= 0 columns, b is (r, c)."""

    loss: BarrierLoss
    blocks: Sequence[Blocks]
    border: Tensor
    b: Tensor
    first_mu: float = 0.0
    residual: float = float("inf")  # |A w + Q b - f(theta)| before the last step
    matrix: Tensor | None = None  # where Newton's matrix and then its factor live

    @property
    def theta(self) -> Tensor:
        return self.loss.theta

    def mu(self) -> float:
        """The mean complementarity."""
        degree = self.loss.degree + sum(block.degree for block in self.blocks)
        return (self.loss.complementarity() + sum(block.complementarity() for block in self.blocks)) / max(1, degree)

    def measures(self) -> tuple[float, float]:
        """mu and the residual: one of them halves now and then."""
        return self.mu(), self.residual

    def predictions(self) -> Tensor:
        """A w + Q b."""
        f = self.border @ self.b
        for block in self.blocks:
            f = f + block.image()
        return f

    def advance(self) -> float:
        """One predictor-corrector step; returns its length."""
        for block in self.blocks:
            block.prepare()
        residual = self.predictions() - self.loss.prediction()
        self.residual = float(residual.norm())
        solve = self.newton()
        affine = self._direction(solve, residual, 0.0, None)
        shrink = (1 - min(1.0, self._reach(affine))) ** 3
        direction = self._direction(solve, residual, min(1.0, max(1e-8, shrink)) * self.mu(), affine)
        a = min(1.0, TO_BOUNDARY * self._reach(direction))
        if not (a > 0 and bool(torch.isfinite(direction.loss.theta).all())):
            raise Breakdown("the Newton direction is not finite")
        straight = self.loss.move(a, direction.loss)
        self.b = self.b + a * direction.b
        for block, step in zip(self.blocks, direction.blocks):
            block.move(a, step, self.theta, straight)
        if not straight:
            shorten(self.blocks, self.loss)
        return a

    def newton(self) -> Solve:
        """(r, rq) -> (dtheta, db) for this point: one n x n factor."""
        root = self.loss.curvature().sqrt()
        factor, exact = self._factor(root, complete=False)
        if exact:
            return bordered(factor, root, self.border)

        def apply(z: Tensor) -> Tensor:
            return z + root * sum(block.apply_schur(root * z) for block in self.blocks)

        self.first_mu = self.first_mu or self.mu()
        tol = min(LOOSEST, max(TIGHTEST, LOOSEST * self.mu() / self.first_mu))
        inner = Preconditioned(apply, factor, lambda: self._factor(root, complete=True)[0], tol)
        return bordered(inner, root, self.border)

    def _factor(self, root: Tensor, complete: bool) -> tuple[Callable[[Tensor], Tensor], bool]:
        if self.matrix is None:
            self.matrix = root.new_empty(len(root), len(root))
        M, exact = self.matrix, [True]

        def form() -> Tensor:
            M.zero_()
            exact[:] = [block.add_schur(M, root[:, 0], complete) for block in self.blocks]
            M.diagonal().add_(1.0)
            return M

        return cholesky_solver(form), all(exact)

    def _direction(self, solve: Solve, residual: Tensor, mu: float, affine: Direction | None) -> Direction:
        loss_rights = self.loss.rights(mu, None if affine is None else affine.loss)
        right, rights = self.loss.shift(loss_rights) - residual, []
        for k, block in enumerate(self.blocks):
            e, image = block.rights(mu, None if affine is None else affine.blocks[k])
            right = right - image
            rights.append(e)
        dtheta, db = solve(right, -(self.border.T @ self.theta))
        steps = [block.step(dtheta, e) for block, e in zip(self.blocks, rights)]
        return Direction(self.loss.step(dtheta, loss_rights), steps, db)

    def _reach(self, direction: Direction) -> float:
        limits = [block.reach(step) for block, step in zip(self.blocks, direction.blocks)]
        return min(self.loss.reach(direction.loss), *limits) if limits else self.loss.reach(direction.loss)
