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

from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.operators import GatedOperator
from convexnn.solvers._newton_matrix import add_gram
from convexnn.solvers._path_following import Blocks
from convexnn.solvers._second_order_cone import Cone2, Scaling


@dataclass
class GatedStep:
    s: Cone2
    q: Tensor


class GatedBlocks(Blocks):
    """All groups of one gated family; w and q are (P, p c), row i is vec(W_i)."""

    def __init__(self, operator: GatedOperator, beta: float, gram: Tensor) -> None:
        self.operator, self.beta, self.gram = operator, beta, gram
        P, p, c = operator.domain
        self.tau, self.w = gram.new_zeros(P), gram.new_zeros(P, p * c)
        self.q = torch.zeros_like(self.w)

    def start(self, theta: Tensor, mu: float) -> None:
        """s = 2 mu u^{-1} = 2 mu (beta, q) / det u: exactly on the central path."""
        self.q = self.pull(theta)
        u = self._u()
        scale = 2 * mu / u.det()
        self.tau, self.w = scale * self.beta, scale[:, None] * self.q

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
        return self.push(self.w)

    def prepare(self) -> None:
        self.scaling = Scaling.of(self._s(), self._u())

    def add_schur(self, M: Tensor, root: Tensor, complete: bool = True) -> bool:
        E, B = self.factors()
        add_gram(M, root[:, None] * E, weight=self.gram)
        add_gram(M, root[:, None] * B[:, 0], alpha=2.0)
        return True

    def apply_schur(self, z: Tensor) -> Tensor:
        return self.push(self.scaling.solve_block(self.pull(z)))

    def factors(self) -> tuple[Tensor, Tensor]:
        """E = D diag(eta), (n, P), and B = D * (X [eta_i W1_i]), (n, c, P)."""
        E = self.operator.D * self.scaling.eta
        W1 = self.scaling.w1.reshape(self.operator.domain)
        B = torch.einsum("nd,pdc->ncp", self.operator.X, W1) * E[:, None, :]
        return E, B

    def rights(self, mu: float, affine: GatedStep | None) -> tuple[Cone2, Tensor]:
        """c = W^{-1} (l \\ rc),  rc = 2 mu e - l o l - (W^{-1} ds_a) o (W du_a)."""
        scaling = self.scaling
        target = scaling.point.product(scaling.point)
        head, tail = 2 * mu - target.head, -target.tail
        if affine is not None:
            du = Cone2(torch.zeros_like(head), -affine.q)
            second = scaling.inverse(affine.s).product(scaling.apply(du))
            head, tail = head - second.head, tail - second.tail
        c = scaling.inverse(scaling.point.divide(Cone2(head, tail)))
        return c, self.push(scaling.solve_block(scaling.eliminate(c)))

    def step(self, dtheta: Tensor, rights: Cone2) -> GatedStep:
        dq = self.pull(dtheta)
        dw = self.scaling.solve_block(self.scaling.eliminate(rights) + dq)
        return GatedStep(Cone2(self.scaling.head_step(rights, dw), dw), dq)

    def reach(self, step: GatedStep) -> float:
        du = Cone2(torch.zeros_like(self.tau), -step.q)
        return min(self._s().reach(step.s), self._u().reach(du))

    def move(self, a: float, step: GatedStep, theta: Tensor) -> None:
        self.tau, self.w = self.tau + a * step.s.head, self.w + a * step.s.tail
        self.q = self.pull(theta)
