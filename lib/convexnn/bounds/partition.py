"""Adaptive lifted partition: branch on the training problem itself, so that v adapts while the ball is cut up.

The ball is covered by blocks b = (output sign sg, signs s_i on a set F of rows). Every block has its own compact Shor
bound (`shor`), with the fixed rows exact, (x_i'u)_+ = x_i'u or 0, and multipliers for what the signs imply:

    s_i x_i'u >= 0 (mu),   s_i s_j x_i'U x_j >= 0 (N),   x_i'U x_i <= |x_i| s_i x_i'u (rho)
    UB_b(v) = kappa + max_{|u| <= 1} p'u + u'Q u
    p += sum (mu_i + rho_i |x_i|) s_i x_i,   Q += X_F' S (N - diag rho) S X_F

All multipliers and v ascend together on the lower bound  dual(t v), t = beta / max_b UB_b(v).  Every iterate is a valid
bound, whatever the multipliers: nothing here is a conic solver's objective. Blocks that carry mass are split at the
row whose value is least certain; children inherit the multipliers, so the bound never falls.
Source: this project; tests/bounds/test_partition.py.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from convexnn.bounds.blocks import Blocks, compact, root, unplus, widened
from convexnn.bounds.restricted import Task
from convexnn.bounds.shor import trust_region
from convexnn.numerics import Array, tensor, to_numpy

#: Ascent steps between two rounds of splitting, and the most blocks at a time.
STEPS, BLOCKS = 150, 20_000


@dataclass
class Partition:
    """The state of the method on one training problem; `lower`, `v` are the best bound so far and its dual vector."""

    task: Task
    v0: Array
    device: str | torch.device = "cpu"
    lower: float = -np.inf
    v: Array = field(default_factory=lambda: np.zeros(0))
    uppers: tuple[float, float] = (np.inf, np.inf)

    def __post_init__(self) -> None:
        X, self.beta = self.task.X, self.task.beta
        norms = np.linalg.norm(X, axis=1)
        self.lengths = tensor(norms, self.device)
        self.rows = tensor(X / np.maximum(norms, 1e-300)[:, None], self.device)
        n, r = X.shape
        self.outer = (self.rows[:, :, None] * self.rows[:, None, :]).reshape(n, r * r) if n * r * r <= 2e7 else None
        self.target = tensor(self.task.y, self.device)
        self.dual = tensor(self.v0, self.device).clone()
        self.blocks = root(n, r, self.rows)
        self.best = [x.clone() for x in self.blocks.variables()]

    def forms(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """kappa (B,), p (B, r), Q (B, r, r) of every block at v."""
        b = self.blocks
        w = b.side[:, None] * v * self.lengths
        free = b.signs == 0
        up, down = w.clamp(min=0) * free, (-w).clamp(min=0) * free
        c, pieces = b.logc.exp(), torch.softmax(b.mix, 2)
        line = 0.5 * up - down * (pieces[..., 1] + 0.5 * pieces[..., 2]) + w * (b.signs > 0)
        curve = 0.25 * up / c - 0.5 * down * pieces[..., 2]
        p, Q = line @ self.rows, self.gram(curve)
        if b.fixed.shape[1]:
            F, real = self.turned()
            mu, rho, N = (self.beta * softplus(x) for x in (b.mu, b.rho, b.N))
            p = p + torch.bmm(((mu + rho) * real)[:, None, :], F)[:, 0]
            pairs = (N + N.mT) * real[:, :, None] * real[:, None, :]
            pairs = pairs - torch.diag_embed(torch.diagonal(pairs, dim1=1, dim2=2) + rho * real)
            Q = Q + torch.bmm(F.mT, torch.bmm(pairs, F))
        return 0.25 * (up * c).sum(1), p, Q

    def gram(self, weights: Tensor) -> Tensor:
        """sum_i weights_bi e_i e_i', (B, r, r)."""
        r = self.rows.shape[1]
        if self.outer is not None:
            return (weights @ self.outer).view(-1, r, r)
        return torch.stack([(self.rows.T * w) @ self.rows for w in weights])

    def spread(self, U: Tensor) -> Tensor:
        """e_i'U e_i >= 0, (B, n)."""
        if self.outer is not None:
            return (U.reshape(len(U), -1) @ self.outer.T).clamp(min=0)
        return torch.stack([((self.rows @ M) * self.rows).sum(1) for M in U]).clamp(min=0)

    def turned(self) -> tuple[Tensor, Tensor]:
        """s_i e_i of the fixed rows (B, k, r), and which of the k places are used."""
        real = self.blocks.fixed >= 0
        at = self.blocks.fixed.clamp(min=0)
        return self.rows[at] * torch.gather(self.blocks.signs, 1, at)[:, :, None], real.to(self.rows.dtype)

    def scaled(self, v: Tensor, largest: Tensor) -> Tensor:
        """dual(t v) with t = beta / largest, or less where that is better (squared loss) or outside the domain."""
        t = self.beta / largest.clamp(min=1e-300)
        if self.task.loss.name == "squared":
            vy, vv = v @ self.target, v @ v
            t = torch.minimum(t, vy / vv.clamp(min=1e-300)).clamp(min=0)
            return t * vy - 0.5 * t * t * vv
        return self.task.loss.dual((t.clamp(max=1.0) * v)[:, None], self.target[:, None])

    def domain(self, v: Tensor) -> Tensor:
        """v moved to where the dual is finite, and a little inside, so that its gradient is finite too."""
        if self.task.loss.name == "squared":
            return v
        inside = self.task.loss.into_domain(v[:, None], self.target[:, None])[:, 0]
        return torch.where(inside.abs() < 1e-9, 1e-9 * self.target, inside.clamp(-1e9, 1e9) * (1 - 1e-9))

    def ascend(self, steps: int, finish: float, rate: float = 0.05, heat: tuple[float, float] = (0.02, 0.002)) -> None:
        """Adam on v and all multipliers; the softened maximum over the blocks cools down from heat[0] to heat[1]."""
        v, b = self.domain(self.dual).detach().clone().requires_grad_(), self.blocks
        moving = [x.detach().clone().requires_grad_() for x in b.variables()]
        b.logc, b.mix, b.mu, b.rho, b.N = moving
        unit = float(v.detach().square().mean().sqrt())
        groups = [{"params": [v], "scale": 0.3 * unit}, {"params": moving, "scale": 1.0}]
        stepper = torch.optim.Adam(groups, lr=rate, betas=(0.9, 0.98))
        total = max(abs(self.lower), 1e-12) if np.isfinite(self.lower) else 1.0
        for k in range(steps):
            if time.perf_counter() > finish and np.isfinite(self.lower):
                break
            share = k / max(1, steps - 1)
            for group in stepper.param_groups:
                group["lr"] = rate * group["scale"] * 0.05**share
            stepper.zero_grad()
            kappa, p, Q = self.forms(v)
            with torch.no_grad():
                bound, u, U = trust_region(p, Q)
                exact = kappa + bound
                self.keep(v, exact, b)
                weights = torch.softmax(exact / (self.beta * heat[0] * (heat[1] / heat[0]) ** share), 0)
                self.average(weights, u, U, 0.05)
            surrogate = kappa + (p * u).sum(1) + (Q * U).sum((1, 2))
            surrogate = exact + surrogate - surrogate.detach()
            (-self.scaled(v, (weights * surrogate).sum() - (weights * exact).sum() + exact.max()) / total).backward()
            stepper.step()
            with torch.no_grad():
                v.copy_(self.domain(v))

    def keep(self, v: Tensor, exact: Tensor, b: Blocks) -> None:
        """Remember v and every multiplier when this iterate proves more than all before."""
        lower = float(self.scaled(v.detach(), exact.max()))
        if lower > self.lower:
            self.lower, self.dual = lower, v.detach().clone()
            self.best = [x.detach().clone() for x in b.variables()]
            sides = [float(exact[b.side == s].max()) for s in (1.0, -1.0)]
            self.uppers, self.v = (sides[0], sides[1]), to_numpy(self.dual).copy()

    def average(self, weights: Tensor, u: Tensor, U: Tensor, rate: float) -> None:
        b = self.blocks
        b.mass = b.mass + rate * (weights - b.mass)
        share = (rate * weights / b.mass.clamp(min=1e-12)).clamp(max=1.0)
        b.u = b.u + share[:, None] * (u - b.u)
        b.U = b.U + share[:, None, None] * (U - b.U)

    def restore(self) -> None:
        """Back to the multipliers of the best bound, so that splitting starts from it."""
        self.blocks.logc, self.blocks.mix, self.blocks.mu, self.blocks.rho, self.blocks.N = self.best

    def scores(self) -> Tensor:
        """(B, n): what is not known about row i in block b, in units of the objective."""
        b = self.blocks
        w = b.side[:, None] * self.dual * self.lengths
        line = b.u @ self.rows.T
        square = self.spread(b.U)
        high = 0.5 * (line + square.sqrt())
        low = torch.maximum(torch.maximum(line, 0.5 * (line + square)), torch.zeros_like(line))
        known = (high - low).clamp(min=0) * torch.where(w > 0, w, -0.5 * w)
        return b.mass[:, None] * known * (b.signs == 0)

    def split(self, count: int) -> bool:
        """Halve the `count` blocks with the largest scores, each at its best row; False when nothing is uncertain."""
        self.restore()
        best, row = self.scores().max(1)
        chosen = torch.topk(best, min(count, len(best))).indices
        chosen = chosen[best[chosen] > 0]
        if not len(chosen):
            return False
        rest = torch.ones(len(best), dtype=torch.bool, device=best.device)
        rest[chosen] = False
        old, b = torch.nonzero(rest)[:, 0], self.blocks
        index = torch.cat([old, chosen, chosen])
        new = b.at(index)
        new.fixed, new.mu, new.rho, new.N = widened(new.fixed, new.mu, new.rho, new.N)
        at = torch.arange(len(old), len(index), device=best.device)
        where = torch.cat([row[chosen], row[chosen]])
        sign = torch.cat([torch.ones_like(best[chosen]), -torch.ones_like(best[chosen])])
        self.inherit(new, at, where, sign)
        new.signs[at, where] = sign
        new.fixed[at, -1] = where
        new.mass[at] *= 0.5
        self.blocks = compact(new)
        self.best = [x.clone() for x in self.blocks.variables()]
        return True

    def inherit(self, new: Blocks, at: Tensor, row: Tensor, sign: Tensor) -> None:
        """Multipliers of the new sign that make a child at least as good as its parent.

        A minus row leaves  |w| (pieces of the parent) - |w| (x'u)_+ ; with s = + the difference is
        |w| (zero piece) x'u + |w| (curve / 2) (x'u - x'U x), with s = - it is |w| (line piece) |x'u| + the same.
        """
        down = (-new.side[at] * self.dual[row] * self.lengths[row]).clamp(min=0)
        pieces = torch.softmax(new.mix[at, row], 1)
        first = torch.where(sign > 0, pieces[:, 0], pieces[:, 1])
        new.mu[at, -1] = unplus(down * first / self.beta)
        new.rho[at, -1] = unplus(0.5 * down * pieces[:, 2] / self.beta)


def partition(
    task: Task, v0: Array, seconds: float, value: float = np.inf, tol: float = 1e-6, device: str | torch.device = "cpu"
) -> Partition:
    """Ascend and split in turns until the bound is within tol of `value`, nothing is left to split, or time is up.

    value  the objective of a good network, where one is known; it sets the pace and says when to stop
    """
    finish = time.perf_counter() + seconds
    state = Partition(task, v0, device)
    state.ascend(300, finish)
    while time.perf_counter() < finish and len(state.blocks) < BLOCKS:
        left = (value - state.lower) / max(1e-12, abs(value)) if np.isfinite(value) else 0.02
        if state.lower >= value - tol * max(1.0, abs(value)) or not state.split(max(4, len(state.blocks) // 4)):
            break
        heat = min(0.02, max(1e-6, 0.3 * left))
        pace = 0.05 * min(1.0, max(0.1, (left / 0.05) ** 0.5))
        state.ascend(STEPS, finish, pace, (heat, 0.1 * heat))
    return state
