"""Second-order cones in batches: Jordan algebra, Nesterov-Todd scaling, step to the boundary.

A batch of G points a = (a0, a1), a0 (G,), a1 (G, m), lies in Q when a0 >= |a1|. With

    det a = (a0 - |a1|)(a0 + |a1|),    a o b = (a'b, a0 b1 + b0 a1),    identity e = (1, 0)

every pair s, u in the interior has one scaling W = W' with W u = W^{-1} s =: l. With sb = s / sqrt(det s) and
ub = u / sqrt(det u):

    gam = sqrt((1 + sb'ub)/2),   w0 = (sb0 + ub0)/(2 gam),   w1 = (sb1 - ub1)/(2 gam),   eta = (det s/det u)^{1/4}
    W a    = eta   ( w0 a0 + w1'a1,  a1 + w1 ( a0 + w1'a1/(1 + w0)) )
    W^-1 a = 1/eta ( w0 a0 - w1'a1,  a1 + w1 (-a0 + w1'a1/(1 + w0)) )

The product form of det keeps all digits near the boundary; a0^2 - |a1|^2 does not.
Laws (tests/solvers/test_interior.py): W u = W^{-1} s = l, N N^{-1} = I, the step ends on the boundary.
Source: Nesterov and Todd (1997); Vandenberghe, The CVXOPT linear and quadratic cone program solvers (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cone2:
    """G points of R^{1+m}; `head` (G,), `tail` (G, m)."""

    head: Tensor
    tail: Tensor

    def det(self) -> Tensor:
        """(a0 - |a1|)(a0 + |a1|), > 0 in the interior."""
        size = self.tail.norm(dim=1)
        return (self.head - size) * (self.head + size)

    def inner(self, other: Cone2) -> Tensor:
        """(G,) a'b."""
        return self.head * other.head + (self.tail * other.tail).sum(1)

    def product(self, other: Cone2) -> Cone2:
        """a o b."""
        return Cone2(self.inner(other), self.head[:, None] * other.tail + other.head[:, None] * self.tail)

    def divide(self, right: Cone2) -> Cone2:
        """x with a o x = right (arrow system)."""
        x0 = (self.head * right.head - (self.tail * right.tail).sum(1)) / self.det()
        return Cone2(x0, (right.tail - x0[:, None] * self.tail) / self.head[:, None])

    def reach(self, step: Cone2) -> float:
        """The largest a >= 0 with self + a * step in Q for every point; inf when the ray never leaves."""
        if len(self.head) == 0:
            return float("inf")
        size = step.tail.norm(dim=1)
        a2 = (step.head - size) * (step.head + size)
        a1 = self.head * step.head - (self.tail * step.tail).sum(1)
        a0 = self.det()
        root = torch.sqrt((a1 * a1 - a2 * a0).clamp(min=0))
        q = -(a1 + torch.where(a1 >= 0, root, -root))
        ends = torch.stack([q / a2, a0 / q, torch.where(step.head < 0, -self.head / step.head, torch.inf)])
        ends = torch.where((ends > 0) & ~torch.isnan(ends), ends, torch.inf)
        return float(ends.min())


@dataclass(frozen=True)
class Scaling:
    """The Nesterov-Todd scaling of a batch; `point` is l = W u = W^{-1} s."""

    eta: Tensor
    w0: Tensor
    w1: Tensor
    point: Cone2

    @staticmethod
    def of(s: Cone2, u: Cone2) -> Scaling:
        """The scaling of interior s and u."""
        root_s, root_u = s.det().sqrt(), u.det().sqrt()
        sb = Cone2(s.head / root_s, s.tail / root_s[:, None])
        ub = Cone2(u.head / root_u, u.tail / root_u[:, None])
        double = 2 * torch.sqrt((1 + sb.inner(ub)) / 2)
        w1 = (sb.tail - ub.tail) / double[:, None]
        w0 = torch.sqrt(1 + w1.square().sum(1))
        shell = Scaling(torch.sqrt(root_s / root_u), w0, w1, u)
        return Scaling(shell.eta, w0, w1, shell.apply(u))

    def apply(self, a: Cone2) -> Cone2:
        """W a."""
        along = (self.w1 * a.tail).sum(1)
        tail = a.tail + self.w1 * (a.head + along / (1 + self.w0))[:, None]
        return Cone2(self.eta * (self.w0 * a.head + along), self.eta[:, None] * tail)

    def inverse(self, a: Cone2) -> Cone2:
        """W^{-1} a."""
        along = (self.w1 * a.tail).sum(1)
        tail = a.tail + self.w1 * (along / (1 + self.w0) - a.head)[:, None]
        return Cone2((self.w0 * a.head - along) / self.eta, tail / self.eta[:, None])

    # With H = W^{-2} and du = (0, -dq), eliminating ds0 from  H ds + du = c  leaves  N ds1 = (c1 - h01 c0/h00) + dq.

    def eliminate(self, c: Cone2) -> Tensor:
        """(G, m) c1 - h01 c0 / h00."""
        return c.tail + self.w1 * (2 * self.w0 * c.head / (2 * self.w0.square() - 1))[:, None]

    def head_step(self, c: Cone2, tail_step: Tensor) -> Tensor:
        """(G,) ds0 = (c0 - h01' ds1) / h00."""
        numerator = self.eta.square() * c.head + 2 * self.w0 * (self.w1 * tail_step).sum(1)
        return numerator / (2 * self.w0.square() - 1)

    def block(self) -> Tensor:
        """(G, m, m) N = ( I - 2 w1 w1' / (2 w0^2 - 1) ) / eta^2."""
        outer = self.w1[:, :, None] * (self.w1 * (2 / (2 * self.w0.square() - 1))[:, None])[:, None, :]
        identity = torch.eye(self.w1.shape[1], device=self.w1.device, dtype=self.w1.dtype)
        return (identity - outer) / self.eta.square()[:, None, None]

    def solve_block(self, a: Tensor) -> Tensor:
        """(G, m) N^{-1} a = eta^2 ( a + 2 w1 (w1'a) )."""
        return self.eta.square()[:, None] * (a + 2 * self.w1 * (self.w1 * a).sum(1, keepdim=True))
