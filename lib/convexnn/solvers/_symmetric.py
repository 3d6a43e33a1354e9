"""Symmetric n x n matrices in place: Gram matrices and Cholesky factors of lower triangles.

    add_gram         M += alpha Z Z'
    add_gated_gram   M += (X X') * (D diag(weight) D')     (* elementwise), by strips of rows
    cholesky_solver  R -> M^{-1} R, the factor written over M

On the CPU scipy's BLAS does the work: its factor overwrites M where torch's makes a copy, a Gram matrix costs half of
the flops of a product, and strips spare a second matrix. Elsewhere torch does it.
Laws (tests/solvers/test_interior.py): equal to the dense matrices; the solve is that of the dense system.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy.linalg import get_blas_funcs, get_lapack_funcs
from torch import Tensor

from convexnn.numerics import has_blas, product

#: A strip has n/8 rows within these limits, a block of columns of D n/8 columns but at least so many.
STRIP_ROWS, SHARE, COLUMNS = (32, 256), 8, 64
#: Added to the diagonal where rounding spoilt a factor: these multiples of its largest entry, one after the other.
JITTERS = (0.0, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9)


class Breakdown(ArithmeticError):
    """A Newton matrix could not be factored: float64 is exhausted."""


def add_gram(M: Tensor, Z: Tensor, alpha: float = 1.0) -> None:
    """Lower triangle of M += alpha Z Z', Z (n, k)."""
    if not has_blas(M):
        M.addmm_(Z, Z.T, alpha=alpha)
        return
    by_columns = Z.T.is_contiguous()
    a = Z.numpy() if by_columns else Z.contiguous().numpy().T
    syrk = get_blas_funcs("syrk", (a,))
    syrk(alpha, a, beta=1.0, c=M.numpy().T, trans=not by_columns, lower=0, overwrite_c=1)


def add_gated_gram(M: Tensor, X: Tensor, D: Tensor, weight: Tensor) -> None:
    """Lower triangle of M += (X X') * (D diag(weight) D'), X (n, d), D (n, P), weight (P,) >= 0."""
    n, root = len(X), weight.sqrt()
    on_cpu = has_blas(M)
    strip = min(STRIP_ROWS[1], max(STRIP_ROWS[0], n // SHARE)) if on_cpu else n
    width = max(COLUMNS, n // SHARE) if on_cpu else max(1, len(weight))
    for start in range(0, n, strip):
        end = min(n, start + strip)
        T = M.new_zeros(end - start, end)
        for columns in range(0, len(weight), width):
            part = slice(columns, columns + width)
            E = D[:end, part] * root[part]
            T += product(E[start:], E.T)
        M[start:end, :end].addcmul_(T, product(X[start:end], X[:end].T))


def cholesky_solver(form: Callable[[], Tensor]) -> Callable[[Tensor], Tensor]:
    """R -> M^{-1} R from the lower triangle of M = form(), with a growing diagonal where rounding has spoilt it.

    The factor is written over what `form` returns; `form` is called again after a failure.
    """
    for jitter in JITTERS:
        M = form()
        diagonal = M.diagonal()
        largest = float(diagonal.abs().max())
        if not largest < float("inf"):
            break
        diagonal.add_(jitter * largest)
        solve = _factored(M)
        if solve is not None:
            return solve
    raise Breakdown("the Newton matrix is not positive definite")


def _factored(M: Tensor) -> Callable[[Tensor], Tensor] | None:
    """The solver of one matrix, or None where it is not positive definite."""
    if not has_blas(M):
        factor, failed = torch.linalg.cholesky_ex(M)
        if int(failed) or not bool(torch.isfinite(factor.diagonal()).all()):
            return None
        return lambda R: torch.cholesky_solve(R, factor)
    upper = M.numpy().T  # column by column: the upper triangle of the transpose is our lower one
    potrf, potrs = get_lapack_funcs(("potrf", "potrs"), (upper,))
    upper, failed = potrf(upper, lower=0, clean=0, overwrite_a=1)
    if failed or not bool(torch.isfinite(M.diagonal()).all()):
        return None
    return lambda R: torch.from_numpy(potrs(upper, R.numpy(), lower=0)[0])


def batched_cholesky(F: Tensor) -> Tensor:
    """Lower factors of F (k, d, d), with a growing multiple of the largest diagonal entry where rounding spoilt one."""
    factor, info = torch.linalg.cholesky_ex(F)
    for jitter in JITTERS[1:]:
        if not bool(info.any()):
            return factor
        if not bool(torch.isfinite(F).all()):
            break
        bad = torch.nonzero(info).flatten()
        spoilt = F[bad]
        largest = spoilt.diagonal(dim1=1, dim2=2).abs().amax(1)
        spoilt.diagonal(dim1=1, dim2=2).add_(jitter * largest[:, None])
        F[bad] = spoilt
        factor[bad], info[bad] = torch.linalg.cholesky_ex(spoilt)
    if bool(info.any()):
        raise Breakdown("a group's Newton block is not positive definite")
    return factor
