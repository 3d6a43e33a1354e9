"""Groups of three-layer branches in their norm cones and product cones: the Newton elimination.

For a group g with m neurons, w_g (m, d), output sign e, gates E_j = D_g D_{g,j} and cone rows G_g ((m + 1) n of them):

    t = G w + h >= 0,  lambda >= 0,     q_j = e X'E_j theta + (G'lambda)_j,    norm°(q) <= beta
    F = N + G' diag(lambda / t) G                                              m d x m d
    dw = F^{-1} (e_g + e X'E dtheta),   A F^{-1} A' = sum_g E_g (F_{g,+}^{-1} + F_{g,-}^{-1}) E_g'

N has one block a neuron for the (2,1) norm and one a group for the Frobenius norm. h is the first t in the rows that
are zero (no neuron fires there), so that they have an interior, and 0 elsewhere.
Arrays are (S, G, ...), S output signs. The rest is `_cone_blocks`, whose scheme and weights are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.layered import LayeredCone, LayeredOperator
from convexnn.numerics import product
from convexnn.solvers._cone_blocks import NORM_WEIGHT
from convexnn.solvers._path_following import MARGIN, Blocks
from convexnn.solvers._second_order_cone import Cone2, Scaling
from convexnn.solvers._symmetric import add_gram, batched_cholesky


@dataclass
class LayeredRights:
    soc: Cone2
    ratio: Tensor
    slack: Tensor
    e: Tensor


@dataclass
class LayeredStep:
    s: Cone2
    w: Tensor
    q: Tensor
    t: Tensor
    lam: Tensor


class LayeredBlocks(Blocks):
    """All groups with all output signs; `whole`: one norm a group (Frobenius), else one a neuron."""

    def __init__(self, operator: LayeredOperator, cone: LayeredCone, beta: float, whole: bool) -> None:
        self.X, self.beta, self.E = operator.X, beta, operator.gates
        (self.G, self.m, self.n), self.d = self.E.shape, self.X.shape[1]
        self.S1, self.S2 = cone._at(None)
        self.sign = self.X.new_tensor(operator.signs)[:, None, None, None]
        self.q_size = self.m * self.d if whole else self.d
        self.features = (self.E[:, :, None, :] * self.X.T).reshape(self.G, -1, self.n)
        self.second = (self.S2[:, :, None, :] * self.X.T).reshape(self.G, -1, self.n)
        self.pairs = (self.X[:, :, None] * self.X[:, None, :]).reshape(self.n, -1)
        alive = torch.cat([torch.ones_like(self.E, dtype=torch.bool), (self.S2 != 0).any(1, keepdim=True)], 1)
        self.zero_rows = (~(alive & (self.X != 0).any(1))).to(self.X)
        self.row_shape: tuple[int, ...] = (self.m + 1, self.n)
        self.row_size = float(self.X.norm(dim=1).sum())
        self.f: Tensor | None = None

    def start(self, theta: Tensor, lam: Tensor, mu: float) -> None:
        """Every pair on the central path; t = G w + h holds later."""
        self.lam, self.t = lam, mu / lam
        self.h = self.zero_rows * self.t  # feasible from the start
        self.q = self.pulls(theta)
        u = self._u()
        scale = 2 * NORM_WEIGHT * mu / u.det()
        self.tau = scale * self.beta
        self.w = -(scale[:, None] * u.tail).reshape(self.q.shape)
        self.f = None

    def rows(self, w: Tensor) -> Tensor:
        """(S, G, m + 1, n) G w."""
        H = product(w.reshape(-1, self.d), self.X.T).reshape(*w.shape[:3], self.n)
        return torch.cat([self.S1 * H, (self.S2 * H).sum(2, keepdim=True)], 2)

    def gather(self, lam: Tensor) -> Tensor:
        """(S, G, m, d) G'lambda."""
        mixed = self.S1 * lam[:, :, : self.m] + self.S2 * lam[:, :, self.m :]
        return product(mixed.reshape(-1, self.n), self.X).reshape(*lam.shape[:2], self.m, self.d)

    def pull(self, theta: Tensor) -> Tensor:
        """(S, G, m, d) e X'E theta."""
        pulled = product((self.E * theta[:, 0]).flatten(0, 1), self.X).reshape(self.G, self.m, self.d)
        return self.sign * pulled

    def pulls(self, theta: Tensor) -> Tensor:
        return self.pull(theta) + self.gather(self.lam)

    def push(self, w: Tensor) -> Tensor:
        """(n, 1) sum e E X w."""
        merged = (self.sign * w).sum(0).flatten(0, 1)
        return (product(merged, self.X.T) * self.E.flatten(0, 1)).sum(0)[:, None]

    def norms(self, q: Tensor) -> Tensor:
        """(S, G, norms of a group) the sizes that are kept below beta."""
        return q.reshape(*q.shape[:2], -1, self.q_size).norm(dim=3)

    def _s(self) -> Cone2:
        return Cone2(self.tau, self.w.reshape(-1, self.q_size))

    def _u(self) -> Cone2:
        tail = -self.q.reshape(-1, self.q_size)
        return Cone2(torch.full_like(tail[:, 0], self.beta), tail)

    @property
    def degree(self) -> int:
        return 2 * NORM_WEIGHT * len(self.tau) + self.lam.numel()

    def complementarity(self) -> float:
        return float(self._s().inner(self._u()).sum() + (self.lam * self.t).sum())

    def image(self) -> Tensor:
        if self.f is None:
            self.f = self.push(self.w)
        return self.f

    def prepare(self) -> None:
        self.scaling = Scaling.of(self._s(), self._u())
        self.slack = self.t - self.rows(self.w) - self.h
        self.ratio = self.lam / self.t
        self._factor_blocks()

    def _factor_blocks(self) -> None:
        """F of every group, factored, and the sum of its inverses over the output signs."""
        S, m, d = len(self.sign), self.m, self.d
        joint = self.second * self.ratio[:, :, m:]
        F = torch.matmul(joint, self.second.mT)  # (S, G, m d, m d)
        alone = (self.ratio[:, :, :m].reshape(-1, self.n) @ self.pairs).reshape(S, self.G, m, d, d)
        N = self.scaling.block().reshape(S, self.G, -1, self.q_size, self.q_size)
        if self.q_size == d:
            alone = alone + N
        else:
            F += N[:, :, 0]
        grid = F.reshape(S, self.G, m, d, m, d)
        for j in range(m):
            grid[:, :, j, :, j] += alone[:, :, j]
        self.factor = batched_cholesky(F.flatten(0, 1))
        self.inverse = torch.cholesky_inverse(self.factor).reshape(S, self.G, m * d, m * d).sum(0)

    def apply_schur(self, z: Tensor) -> Tensor:
        pulled = self.features @ z
        return (self.features.mT @ (self.inverse @ pulled)).sum(0)

    def add_schur(self, M: Tensor, root: Tensor, complete: bool = True) -> bool:
        size = max(1, self.n // (self.m * self.d))
        for part in torch.arange(self.G, device=M.device).split(8 * size):
            Z = batched_cholesky(self.inverse[part]).mT @ (self.features[part] * root)
            add_gram(M, Z.flatten(0, 1).T)
        return True

    def rights(self, mu: float, affine: LayeredStep | None) -> tuple[LayeredRights, Tensor]:
        soc = self._soc_right(mu, affine)
        target = mu - self.lam * self.t
        if affine is not None:
            target = target - affine.t * affine.lam
        ratio = target / self.t
        e = self.gather(ratio + self.ratio * self.slack) + self.scaling.eliminate(soc).reshape(self.w.shape)
        return LayeredRights(soc, ratio, self.slack, e), self.push(self._solve(e))

    def _soc_right(self, mu: float, affine: LayeredStep | None) -> Cone2:
        scaling = self.scaling
        target = scaling.point.product(scaling.point)
        head, tail = 2 * NORM_WEIGHT * mu - target.head, -target.tail
        if affine is not None:
            du = Cone2(torch.zeros_like(head), -affine.q.reshape(-1, self.q_size))
            second = scaling.inverse(affine.s).product(scaling.apply(du))
            head, tail = head - second.head, tail - second.tail
        return scaling.inverse(scaling.point.divide(Cone2(head, tail)))

    def _solve(self, e: Tensor) -> Tensor:
        flat = e.reshape(-1, self.m * self.d, 1)
        return torch.cholesky_solve(flat, self.factor).reshape(e.shape)

    def step(self, dtheta: Tensor, rights: LayeredRights) -> LayeredStep:
        pull = self.pull(dtheta)
        dw = self._solve(rights.e + pull)
        dt = self.rows(dw) - rights.slack
        dlam = rights.ratio - self.ratio * dt
        tail = dw.reshape(-1, self.q_size)
        ds = Cone2(self.scaling.head_step(rights.soc, tail), tail)
        return LayeredStep(ds, dw, pull + self.gather(dlam), dt, dlam)

    def reach(self, step: LayeredStep) -> float:
        du = Cone2(torch.zeros_like(self.tau), -step.q.reshape(-1, self.q_size))
        limits = [self._s().reach(step.s), self._u().reach(du)]
        for x, dx in ((self.t, step.t), (self.lam, step.lam)):
            steepest = float((dx / x).min())
            limits.append(-1 / steepest if steepest < 0 else float("inf"))
        return min(limits)

    def move(self, a: float, step: LayeredStep, theta: Tensor, straight: bool) -> None:
        self.tau, self.w, self.f = self.tau + a * step.s.head, self.w + a * step.w, None
        self.t, self.lam = self.t + a * step.t, self.lam + a * step.lam
        self.limit = self.beta - MARGIN * (self.beta - self.norms(self.q))
        self.q = self.pulls(theta)

    def inside(self) -> float:
        return min(1.0, float((self.limit / self.norms(self.q).clamp(min=1e-300)).min()))

    def shorten(self, factor: float) -> None:
        self.q, self.lam = factor * self.q, factor * self.lam
