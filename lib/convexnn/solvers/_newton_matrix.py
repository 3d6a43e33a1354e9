"""The n x n systems of an interior point: Gram matrices by halves, Cholesky, conjugate gradients, a border.

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

GRAM_BLOCK = 256
#: Conjugate-gradient steps before the exact matrix is formed.
CG_STEPS = 30

Solve = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Breakdown(ArithmeticError):
    """A Newton matrix could not be factored: float64 is exhausted."""


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


def cholesky_solver(M: Tensor) -> Callable[[Tensor], Tensor]:
    """R -> M^{-1} R from the lower triangle of M, with a growing diagonal where rounding has spoilt it."""
    factor, info = torch.linalg.cholesky_ex(M)
    jitter, largest = 1e-15, float(M.diagonal().abs().max())
    while int(info) or not bool(torch.isfinite(factor.diagonal()).all()):
        if jitter > 1e-9 or not largest < float("inf"):
            raise Breakdown("the Newton matrix is not positive definite")
        M.diagonal().add_(jitter * largest)
        factor, info = torch.linalg.cholesky_ex(M)
        jitter *= 10
    return lambda R: torch.cholesky_solve(R, factor)


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


def add_gram(M: Tensor, Z: Tensor, alpha: float = 1.0, weight: Tensor | None = None) -> None:
    """Lower triangle of  M += alpha Z Z'  (times `weight` elementwise), by blocks of columns: half of the flops."""
    size = GRAM_BLOCK if Z.device.type == "cpu" else M.shape[0]
    for start in range(0, M.shape[0], size):
        part = slice(start, start + size)
        if weight is None:
            M[start:, part].addmm_(Z[start:], Z[part].T, alpha=alpha)
        else:
            M[start:, part].addcmul_(weight[start:, part], Z[start:] @ Z[part].T, value=alpha)


def batched_cholesky(F: Tensor) -> Tensor:
    """Lower factors of F (k, d, d), with a growing multiple of the largest diagonal entry where rounding spoilt one."""
    factor, info = torch.linalg.cholesky_ex(F)
    jitter = 1e-15
    while bool(info.any()):
        if jitter > 1e-9 or not bool(torch.isfinite(F).all()):
            raise Breakdown("a group's Newton block is not positive definite")
        bad = torch.nonzero(info).flatten()
        spoilt = F[bad]
        largest = spoilt.diagonal(dim1=1, dim2=2).abs().amax(1)
        spoilt.diagonal(dim1=1, dim2=2).add_(jitter * largest[:, None])
        F[bad] = spoilt
        factor[bad], info[bad] = torch.linalg.cholesky_ex(spoilt)
        jitter *= 10
    return factor
