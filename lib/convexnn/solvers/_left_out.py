"""Groups that an interior point goes on without, and the proof that they are zero.

Most groups end at zero, and their norms tau_g fall with mu long before. They leave the path with their last
multipliers; every bound after that counts only once each of them has multipliers with

    | sg_g X'D_g theta + X'S_g lambda_g | <= beta,     lambda_g >= 0.

The old multipliers, scaled, serve most groups at the new theta; the others get the best ones by a least-squares
problem each, and theta is shortened where even those do not suffice. Only groups without free coordinates may leave.
Law (tests/solvers/test_interior.py): a group left out wrongly is noticed, whatever BEHIND is.
Source: ours; the safe rules of the solver notes, section 2.7, fire too late to help here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from convexnn.solvers._box_least_squares import SignedRows, box_least_squares
from convexnn.solvers._cone_blocks import ConeBlocks
from convexnn.solvers._geometry import Geometry

#: Groups leave when their norms are below BEHIND of the largest, and when at most the share WORTHWHILE stays.
BEHIND, WORTHWHILE = 1e-2, 0.8
#: Room that the judge's rounding needs below |q| <= beta.
MARGIN = 1e-9


@dataclass
class LeftOut:
    """groups: their places in the program; lam (A, n) and pulled = X'S lam (A, d): multipliers when they left."""

    geometry: Geometry
    groups: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    lam: Tensor = field(init=False)
    pulled: Tensor = field(init=False)

    def __post_init__(self) -> None:
        X = self.geometry.X
        self.groups, self.lam, self.pulled = (
            self.groups.to(X.device),
            X.new_zeros(0, len(X)),
            X.new_zeros(0, X.shape[1]),
        )

    def choose(self, groups: Tensor, cones: ConeBlocks) -> Tensor | None:
        """Which of the path's groups stay, or None when too few would leave."""
        keep = cones.tau > BEHIND * cones.tau.max()
        if float(keep.sum()) > WORTHWHILE * len(keep):
            return None
        lam = cones.lam[~keep]
        self.groups, self.lam = torch.cat([self.groups, groups[~keep]]), torch.cat([self.lam, lam])
        self.pulled = torch.cat([self.pulled, self.geometry.gather(lam, cones.pattern[~keep])])
        return keep

    def verify(self, v: Tensor, lam: Tensor, signs: Tensor, best: bool) -> tuple[Tensor, Tensor]:
        """v, shortened where a group that left needs it, with all multipliers that prove it.

        lam (G, n, 1) holds those of the path; signs (G,); with `best`, groups get their best multipliers where needed.
        """
        g, beta = self.geometry, self.geometry.beta
        pattern = self.groups % len(g.D)
        Q = g.pull(v, pattern, signs[self.groups])
        scale = -(Q * self.pulled).sum(1) / self.pulled.square().sum(1).clamp(min=1e-300)
        scale = scale.clamp(min=0)[:, None]
        found, sizes = scale * self.lam, (Q + scale * self.pulled).norm(dim=1)
        some = torch.nonzero(sizes > beta).flatten()
        if best and len(some):
            rows = SignedRows(g.X, 1 - 2 * g.D[pattern[some]])
            found[some], rest = box_least_squares(Q[some], rows, enough=(1 - MARGIN) * beta)
            sizes[some] = rest.norm(dim=1)
        lam[self.groups] = found[:, :, None]
        shorter = min(1.0, beta / max(float(sizes.max()), 1e-300))
        return v * shorter, lam * shorter
