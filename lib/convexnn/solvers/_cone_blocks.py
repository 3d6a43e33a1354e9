"""Groups in a second-order cone and a polyhedral cone at once: the Newton elimination of ReLU networks.

For the groups g of a working set, with pattern D_g, S_g = 2 D_g - I and sign sg_g = +-1:

    t_g = S_g X w_g >= 0,  lambda_g >= 0,      q_g = sg_g X'D_g theta + X'S_g lambda_g,    |q_g| <= beta
    F_g = N_g + X' diag(lambda_g / t_g) X                                                       d x d
    e_g = chat_g + X'S_g ( rct/t + (lambda/t) rt ),    rt = t - S X w,   rct = mu - lambda t - second order
    dw_g = F_g^{-1} (e_g + sg_g X'D_g dtheta),   dt = S X dw - rt,   dlambda = rct/t - (lambda/t) dt

N_g and chat_g come from the norm as in `_gated_blocks`. `free` trailing coordinates have no norm: N_g is zero there,
and e_g holds the dual equality q_free = 0. A F^{-1} A' is the Gram matrix of the columns D_i X R_i,
R_i R_i' = F_{v,i}^{-1} + F_{w,i}^{-1}; the weighted Grams X' diag(c) X of all groups are one product.
Arrays over samples are (A, n), one row for each of the A groups.
Source: solver notes of this project, section 3.1; the equality of free coordinates is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.numerics import product
from convexnn.solvers._geometry import Geometry
from convexnn.solvers._path_following import MARGIN, Blocks
from convexnn.solvers._second_order_cone import Cone2, Scaling
from convexnn.solvers._symmetric import add_gated_gram, add_gram, batched_cholesky

#: A pattern is kept in the preconditioner when its block exceeds this multiple of the smallest tenth's.
STANDING_OUT, POWER_STEPS = 5.0, 6
#: A norm's complementarity is kept at this multiple of a row's: a group has one norm and n rows, whose barriers would
#: otherwise press |q| against beta and shorten every step.
NORM_WEIGHT = 20
#: Above this share of such patterns the matrix is formed exactly.
NEARLY_ALL = 0.7
#: Up to this many samples the exact matrix costs less than conjugate gradients.
FEW_ROWS = 400


@dataclass
class ConeRights:
    soc: Cone2
    ratio: Tensor  # rct / t
    slack: Tensor  # rt
    e: Tensor


@dataclass
class ConeStep:
    s: Cone2
    w: Tensor
    q: Tensor
    t: Tensor
    lam: Tensor


class ConeBlocks(Blocks):
    """The groups (pattern_g, sign_g) of a working set."""

    def __init__(self, geometry: Geometry, pattern: Tensor, sign: Tensor) -> None:
        self.geometry, self.p = geometry, geometry.X.shape[1] - geometry.free
        self._choose(pattern, sign)

    def _choose(self, pattern: Tensor, sign: Tensor) -> None:
        self.pattern, self.sign = pattern, sign
        kept, self.place = torch.unique(pattern, return_inverse=True)
        self.D, self.S = self.geometry.D[kept], 2 * self.geometry.D[pattern] - 1
        self.f: Tensor | None = None  # A w, once it is asked for

    def shrink(self, keep: Tensor) -> None:
        """Go on with some of the groups."""
        for name in ("tau", "w", "q", "t", "lam"):
            setattr(self, name, getattr(self, name)[keep])
        self._choose(self.pattern[keep], self.sign[keep])

    def start(self, theta: Tensor, lam: Tensor, mu: float) -> None:
        """Every pair on the central path: s = 2 NORM_WEIGHT mu u^{-1}, t = mu / lambda; S X w = t holds later."""
        self.lam, self.t = lam, mu / lam
        self.q = self.pulls(theta)
        s = self._central(self.q, mu)
        self.tau, self.w, self.f = s.head, torch.nn.functional.pad(s.tail, (0, self.geometry.free)), None

    def _central(self, q: Tensor, mu: float) -> Cone2:
        """k u^{-1} = k (beta, q) / det u with k = 2 NORM_WEIGHT mu."""
        u = Cone2(q.new_full((len(q),), self.geometry.beta), -q[:, : self.p])
        scale = 2 * NORM_WEIGHT * mu / u.det()
        return Cone2(scale * self.geometry.beta, scale[:, None] * q[:, : self.p])

    def pulls(self, theta: Tensor) -> Tensor:
        """(A, d) q_g."""
        return self.pull(theta) + self._gather(self.lam)

    def _gather(self, lam: Tensor) -> Tensor:
        """(A, d) X'S_g lambda_g."""
        return product(self.S * lam, self.geometry.X)

    def _s(self) -> Cone2:
        return Cone2(self.tau, self.w[:, : self.p])

    def _u(self) -> Cone2:
        return Cone2(torch.full_like(self.tau, self.geometry.beta), -self.q[:, : self.p])

    @property
    def degree(self) -> int:
        return 2 * NORM_WEIGHT * len(self.tau) + self.lam.numel()

    def complementarity(self) -> float:
        return float(self._s().inner(self._u()).sum() + (self.lam * self.t).sum())

    def pull(self, theta: Tensor) -> Tensor:
        """(A, d) sg_g X'D_g theta, once for each pattern."""
        return self.sign[:, None] * product(self.D * theta[:, 0], self.geometry.X)[self.place]

    def push(self, w: Tensor) -> Tensor:
        """(n, 1) sum_g sg_g D_g X w_g, the groups of one pattern merged."""
        merged = w.new_zeros(len(self.D), w.shape[1]).index_add_(0, self.place, self.sign[:, None] * w)
        return self._spread(merged)

    def _spread(self, w: Tensor) -> Tensor:
        """(n, 1) sum_i D_i X w_i over patterns."""
        return product(w, self.geometry.X.T).mul_(self.D).sum(0)[:, None]

    def image(self) -> Tensor:
        if self.f is None:
            self.f = self.push(self.w)
        return self.f

    def prepare(self) -> None:
        self.scaling = Scaling.of(self._s(), self._u())
        self.slack = self.t - self._rows(self.w)
        self.ratio = self.lam / self.t
        F = self.geometry.pairs.weighted(self.ratio)
        F[:, : self.p, : self.p] += self.scaling.block()
        self.factor = batched_cholesky(F)
        self.inverse = F.new_zeros(len(self.D), *F.shape[1:])  # F_v^{-1} + F_w^{-1} of each pattern
        self.inverse.index_add_(0, self.place, torch.cholesky_inverse(self.factor))

    def apply_schur(self, z: Tensor) -> Tensor:
        """A F^{-1} A' z; both signs of a pattern at once."""
        pulled = product(self.D * z[:, 0], self.geometry.X)
        return self._spread(torch.bmm(self.inverse, pulled[:, :, None])[:, :, 0])

    def add_schur(self, M: Tensor, root: Tensor, complete: bool = True) -> bool:
        """Patterns whose block matters one by one; unless `complete`, the others as multiples of one d x d matrix."""
        g, inverse = self.geometry, self.inverse
        complete = complete or len(g.X) <= FEW_ROWS
        matters = self._matters(inverse, complete)
        if float(matters.sum()) > NEARLY_ALL * len(matters):
            complete, matters = True, torch.ones_like(matters)
        X = root[:, None] * g.X
        exact, others = torch.nonzero(matters).flatten(), ~matters
        size = max(1, len(X) // X.shape[1])  # columns for an n x n array
        for part in exact.split(size) if len(exact) else ():
            R = batched_cholesky(inverse[part])
            Z = product(R.mT.reshape(-1, X.shape[1]), X.T).reshape(len(part), X.shape[1], len(X))
            add_gram(M, Z.mul_(self.D[part, None, :]).flatten(0, 1).T)
        if not complete:
            shape, weight = _common_shape(inverse[others])
            add_gated_gram(M, X @ batched_cholesky(shape[None])[0], self.D[others].T, weight)
        return complete

    def _matters(self, inverse: Tensor, complete: bool) -> Tensor:
        """(P,) patterns whose block is large: in themselves, and next to the smallest tenth."""
        if complete:
            return torch.ones(len(inverse), dtype=torch.bool, device=inverse.device)
        v = torch.ones_like(inverse[:, :, :1])
        for _ in range(POWER_STEPS):
            v = inverse @ (v / v.norm(dim=1, keepdim=True))
        size = v.norm(dim=(1, 2))
        return (size * self.geometry.spread > 1) & (size > STANDING_OUT * torch.quantile(size, 0.1))

    def rights(self, mu: float, affine: ConeStep | None) -> tuple[ConeRights, Tensor]:
        soc, slack = self._soc_right(mu, affine), self.slack
        if affine is None and mu == 0.0:
            ratio = -self.lam
        else:
            target = mu - self.lam * self.t
            if affine is not None:
                target -= affine.t * affine.lam
            ratio = target.div_(self.t)
        e = self._gather(torch.addcmul(ratio, self.ratio, slack))
        e += torch.cat([self.scaling.eliminate(soc), self.q[:, self.p :]], 1)
        return ConeRights(soc, ratio, slack, e), self.push(self._solve(e))

    def _soc_right(self, mu: float, affine: ConeStep | None) -> Cone2:
        """c = W^{-1} (l \\ rc),  rc = 2 NORM_WEIGHT mu e - l o l - (W^{-1} ds_a) o (W du_a)."""
        scaling = self.scaling
        target = scaling.point.product(scaling.point)
        head, tail = 2 * NORM_WEIGHT * mu - target.head, -target.tail
        if affine is not None:
            du = Cone2(torch.zeros_like(head), -affine.q[:, : self.p])
            second = scaling.inverse(affine.s).product(scaling.apply(du))
            head, tail = head - second.head, tail - second.tail
        return scaling.inverse(scaling.point.divide(Cone2(head, tail)))

    def _solve(self, e: Tensor) -> Tensor:
        return torch.cholesky_solve(e[:, :, None], self.factor)[:, :, 0]

    def step(self, dtheta: Tensor, rights: ConeRights) -> ConeStep:
        pull = self.pull(dtheta)
        dw = self._solve(rights.e + pull)
        dt = self._rows(dw) - rights.slack
        dlam = torch.addcmul(rights.ratio, self.ratio, dt, value=-1)
        ds = Cone2(self.scaling.head_step(rights.soc, dw[:, : self.p]), dw[:, : self.p])
        return ConeStep(ds, dw, pull + self._gather(dlam), dt, dlam)

    def _rows(self, w: Tensor) -> Tensor:
        """(A, n) S_g X w_g."""
        return product(w, self.geometry.X.T).mul_(self.S)

    def reach(self, step: ConeStep) -> float:
        du = Cone2(torch.zeros_like(self.tau), -step.q[:, : self.p])
        limits = [self._s().reach(step.s), self._u().reach(du)]
        for x, dx in ((self.t, step.t), (self.lam, step.lam)):
            steepest = float((dx / x).min()) if x.numel() else 0.0
            limits.append(-1 / steepest if steepest < 0 else float("inf"))
        return min(limits)

    def move(self, a: float, step: ConeStep, theta: Tensor, straight: bool) -> None:
        self.tau, self.w, self.f = self.tau + a * step.s.head, self.w + a * step.w, None
        self.t.add_(step.t, alpha=a)
        self.lam.add_(step.lam, alpha=a)
        self.limit = self.geometry.beta - MARGIN * (self.geometry.beta - self.q[:, : self.p].norm(dim=1))
        self.q = self.pulls(theta)

    def inside(self) -> float:
        return min(1.0, float((self.limit / self.q[:, : self.p].norm(dim=1).clamp(min=1e-300)).min()))

    def shorten(self, factor: float) -> None:
        self.q, self.lam = factor * self.q, factor * self.lam


def _common_shape(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """C (d, d) and m (k,) with blocks_i ~ m_i C: C their mean shape, m_i = tr(C^{-1} blocks_i) / d."""
    trace = blocks.diagonal(dim1=1, dim2=2).sum(1)
    shape = (blocks / trace[:, None, None]).mean(0)
    inverse = torch.cholesky_inverse(batched_cholesky(shape[None])[0])
    return shape, (blocks * inverse).sum((1, 2)) / len(shape)
