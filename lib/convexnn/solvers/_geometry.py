"""The maps between samples and groups that every part of the cone-constrained interior point needs.

Arrays over samples are (A, n), one row for each of A groups with their patterns and signs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.numerics import CONE_TOL
from convexnn.solvers._box_least_squares import PairProducts, SignedRows, box_least_squares

#: A row of S X w may be negative by this multiple of |x| |w|.
ROUNDING = CONE_TOL * 1e-3


@dataclass(frozen=True)
class Geometry:
    """What all groups share: X (n, d), its pair products, beta, and the patterns D (P, n) with values 0/1."""

    X: Tensor
    D: Tensor
    beta: float
    free: int
    pairs: PairProducts
    spread: float  # largest eigenvalue of X'X

    def pull(self, theta: Tensor, pattern: Tensor, sign: Tensor) -> Tensor:
        """(A, d) sg_g X'D_g theta."""
        return sign[:, None] * ((self.D[pattern] * theta[:, 0]) @ self.X)

    def rows(self, w: Tensor, pattern: Tensor) -> Tensor:
        """(A, n) S_g X w_g."""
        return (2 * self.D[pattern] - 1) * (w @ self.X.T)

    def gather(self, lam: Tensor, pattern: Tensor) -> Tensor:
        """(A, d) X'S_g lambda_g."""
        return ((2 * self.D[pattern] - 1) * lam) @ self.X

    def outside(self, w: Tensor, pattern: Tensor) -> Tensor:
        """(A,) groups that leave their cone by more than rounding."""
        scale = self.X.norm(dim=1) * w.norm(dim=1, keepdim=True)
        return (self.rows(w, pattern) < -ROUNDING * scale).any(1)

    def project(self, w: Tensor, pattern: Tensor, outside: Tensor) -> Tensor:
        """w with the groups marked `outside` projected on their cones."""
        some = torch.nonzero(outside).flatten()
        if not len(some):
            return w
        w = w.clone()
        w[some] = box_least_squares(w[some], SignedRows(self.X, 1 - 2 * self.D[pattern[some]]))[1]
        return w
