"""Groups in second-order cones alone: the Newton elimination of gated networks in closed form.

Pairs s_i = (tau_i, w_i) and u_i = (beta, -q_i), q_i = X'D_i theta, s_i o u_i = 2 mu e. Linearised in the
Nesterov-Todd scaling and freed of tau_i:

    N_i dw_i = e_i + dq_i,      N_i^{-1} = eta_i^2 (I + 2 w1_i w1_i'),      dq_i = X'D_i dtheta
    A N^{-1} A' = (X X') * (D diag(eta^2) D') + 2 B B',      B = D * (X [eta_i w1_i])             (* elementwise)

The n x n matrix costs 2 n^2 P flops by symmetry; [D_1 X .. D_P X] is never formed.
Law (tests/solvers/test_interior.py): equal to the dense matrix to 1e-12.
Source: solver notes of this project, sections 1.3 and 2.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.numerics import product
from convexnn.operators import GatedOperator
from convexnn.solvers._path_following import MARGIN, Blocks
from convexnn.solvers._second_order_cone import Cone2, Scaling
from convexnn.solvers._symmetric import add_gated_gram, add_gram

#: q follows theta step by step, and is computed anew after that many, or when theta did not go all of its step.
REFRESH = 5


@dataclass
class GatedStep:
    s: Cone2
    q: Tensor


class GatedBlocks(Blocks):
    """All groups of one gated family; w and q are (P, p c), row i is vec(W_i)."""

    def __init__(self, operator: GatedOperator, beta: float) -> None:
        self.operator, self.beta = operator, beta
        P, p, c = operator.domain
        self.tau, self.w = operator.X.new_zeros(P), operator.X.new_zeros(P, p * c)
        self.q, self.moves = torch.zeros_like(self.w), 0
        self.f: Tensor | None = None  # A w, once it is asked for

    def start(self, theta: Tensor, mu: float, w: Tensor | None = None) -> None:
        """s = 2 mu u^{-1} = 2 mu (beta, q) / det u, exactly on the central path; a given w keeps at least that tau."""
        self.q = self.pull(theta)
        u = self._u()
        scale = 2 * mu / u.det()
        self.tau, self.w, self.f = scale * self.beta, scale[:, None] * self.q, None
        if w is not None:
            self.tau, self.w = torch.maximum(self.tau, w.norm(dim=1) + mu / self.beta), w

    def pull(self, theta: Tensor) -> Tensor:
        """X'D_i theta, (P, p c)."""
        return self.operator.adjoint(theta).flatten(1)

    def push(self, w: Tensor) -> Tensor:
        """sum_i D_i X w_i, (n, c)."""
        return self.operator.forward(w.reshape(self.operator.domain))

    def _u(self) -> Cone2:
        return Cone2(torch.full_like(self.tau, self.beta), -self.q)

    def _s(self) -> Cone2:
        return Cone2(self.tau, self.w)

    @property
    def degree(self) -> int:
        return 2 * len(self.tau)

    def complementarity(self) -> float:
        return float(self._s().inner(self._u()).sum())

    def image(self) -> Tensor:
        if self.f is None:
            self.f = self.push(self.w)
        return self.f

    def prepare(self) -> None:
        self.scaling = Scaling.of(self._s(), self._u())

    def add_schur(self, M: Tensor, root: Tensor, complete: bool = True) -> bool:
        X = root[:, None] * self.operator.X
        add_gated_gram(M, X, self.operator.D, self.scaling.eta.square())
        for part in self.parts():
            add_gram(M, self.border(X, part)[:, 0], alpha=2.0)
        return True

    def apply_schur(self, z: Tensor) -> Tensor:
        return self.push(self.scaling.solve_block(self.pull(z)))

    def parts(self) -> Iterator[slice]:
        """Blocks of groups with at most n/8 of them, so that an (n, groups) array is small next to the matrix."""
        size = max(64, len(self.operator.X) // 8)
        return (slice(start, start + size) for start in range(0, len(self.tau), size))

    def border(self, X: Tensor, part: slice) -> Tensor:
        """B = D * (X [eta_i W1_i]) for some groups, (n, c, groups)."""
        c = self.operator.c
        W1 = (self.scaling.eta[part, None] * self.scaling.w1[part]).reshape(-1, X.shape[1], c)
        B = product(X, W1.permute(1, 2, 0).reshape(X.shape[1], -1)).reshape(len(X), c, -1)
        return B.mul_(self.operator.D[:, None, part])

    def rights(self, mu: float, affine: GatedStep | None) -> tuple[Cone2, Tensor]:
        """c = W^{-1} (l \\ rc),  rc = 2 mu e - l o l - (W^{-1} ds_a) o (W du_a).

        The pure affine right-hand side is c = -u = -H s, so that N^{-1} chat = -w and its image is known.
        """
        scaling = self.scaling
        target = scaling.point.product(scaling.point)
        head, tail = 2 * mu - target.head, -target.tail
        if affine is not None:
            du = Cone2(torch.zeros_like(head), -affine.q)
            second = scaling.inverse(affine.s).product(scaling.apply(du))
            head, tail = head - second.head, tail - second.tail
        c = scaling.inverse(scaling.point.divide(Cone2(head, tail)))
        if affine is None and mu == 0.0:
            return c, -self.image()
        return c, self.push(scaling.solve_block(scaling.eliminate(c)))

    def step(self, dtheta: Tensor, rights: Cone2) -> GatedStep:
        dq = self.pull(dtheta)
        dw = self.scaling.solve_block(self.scaling.eliminate(rights) + dq)
        return GatedStep(Cone2(self.scaling.head_step(rights, dw), dw), dq)

    def reach(self, step: GatedStep) -> float:
        du = Cone2(torch.zeros_like(self.tau), -step.q)
        return min(self._s().reach(step.s), self._u().reach(du))

    def move(self, a: float, step: GatedStep, theta: Tensor, straight: bool) -> None:
        self.tau, self.w, self.f = self.tau + a * step.s.head, self.w + a * step.s.tail, None
        self.moves += 1
        self.limit = self.beta - MARGIN * (self.beta - self.q.norm(dim=1))
        self.q = self.q + a * step.q if straight and self.moves % REFRESH else self.pull(theta)

    def inside(self) -> float:
        return min(1.0, float((self.limit / self.q.norm(dim=1).clamp(min=1e-300)).min()))

    def shorten(self, factor: float) -> None:
        self.q = factor * self.q
