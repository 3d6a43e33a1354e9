"""The n x n systems of an interior point: conjugate gradients around a factor, and a border.

    M = I + sqrt(h) A F^{-1} A' sqrt(h),       [ 1/h + A F^{-1} A'   Q ] [ dtheta ]   [ r  ]
                                               [ Q'                  0 ] [ db     ] = [ rq ]

A factor of a matrix close to M is enough: conjugate gradients with exact products repair it, and when they are slow
the exact matrix is formed after all.
Law (tests/solvers/test_interior.py): each route gives the solution of the dense system.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: Conjugate-gradient steps before the exact matrix is formed.
CG_STEPS = 30

Solve = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Preconditioned:
    """R -> M^{-1} R by conjugate gradients, one column after another; the exact factor where they are slow."""

    def __init__(
        self,
        apply: Callable[[Tensor], Tensor],
        factor: Callable[[Tensor], Tensor],
        exact: Callable[[], Callable[[Tensor], Tensor]],
        tol: float,
    ) -> None:
        self.apply, self.factor, self.exact, self.tol = apply, factor, exact, tol

    def __call__(self, R: Tensor) -> Tensor:
        return torch.cat([self._column(r) for r in R.split(1, 1)], 1)

    def _column(self, r: Tensor) -> Tensor:
        x, z, target = torch.zeros_like(r), self.factor(r), self.tol * float(r.norm())
        p, rz = z, (r * z).sum()
        for _ in range(CG_STEPS):
            if float(r.norm()) <= target:
                return x
            image = self.apply(p)
            a = rz / (p * image).sum()
            x, r = x + a * p, r - a * image
            z = self.factor(r)
            rz, previous = (r * z).sum(), rz
            p = z + (rz / previous) * p
        self.factor = self.exact()
        return x + self.factor(r)


def bordered(inner: Callable[[Tensor], Tensor], root: Tensor, Q: Tensor) -> Solve:
    """Solve (1/h + S) dtheta + Q db = r, Q'dtheta = rq, given inner = (I + root S root)^{-1}, root = sqrt(h)."""
    if Q.shape[1] == 0:
        return lambda r, rq: (root * inner(root * r), rq)
    edge = root * Q
    inside = inner(edge)
    small = torch.linalg.cholesky(0.5 * (edge.T @ inside + inside.T @ edge))

    def solve(r: Tensor, rq: Tensor) -> tuple[Tensor, Tensor]:
        z = inner(root * r)
        db = torch.cholesky_solve(edge.T @ z - rq, small)
        return root * (z - inside @ db), db

    return solve
