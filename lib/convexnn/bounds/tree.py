"""The exact pricing maximum by branch and bound on simplicial cones; the method for many rows and rank up to 8.

On a cone C = [c_1 .. c_r] the convex homogeneous g(u) = b'u + sum_i (a_i'u)_+ lies below its interpolation, so

    max_{u in C, |u| <= 1} phi(u) <= min |p|   over p, t in [0, 1]^m   with   p'c_k >= g(c_k) - t'A_- c_k  for all k
                                   = min_{t, mu >= 0} |C^{-T} (g_C + mu) - A_-'t|

a box least squares in R^r. Rows of A_- that do not cross the cone have t = 0 or 1. The cone is split where a plus row
vanishes; a cone that no plus row crosses is exact, so the tree is finite. Any t in the box and mu >= 0 is valid, and
rounding in p is repaired: with e = max_k (g(c_k) - t'A_- c_k - p'c_k)_+ the bound is |p| + e |C^{-T} 1|.
Source: this project (concave envelope branch and bound, Falk and Hoffman); tests/bounds/test_pricing_maximum.py.
"""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import torch
from torch import Tensor

from convexnn.bounds.box_least_squares import box_least_squares
from convexnn.bounds.zonotope import Bound, Zonotopes
from convexnn.numerics import Array, tensor


def tree(
    Z: Zonotopes,
    level: float = 0.0,
    tol: float = 1e-7,
    seconds: float = np.inf,
    device: str | torch.device = "cpu",
    start: Array | None = None,
    batch: int = 1024,
    nodes: int = 5_000_000,
    eager: bool = False,
) -> Bound:
    """M+(v) up to the factor 1 + tol, or the proof that it is at most `level` (1 + tol); best first, anytime.

    start   (K, d) directions that give a first lower bound
    nodes   stop when so many are open (memory)
    eager   stop at the first direction above level (1 + tol)
    When time runs out, upper is the largest bound of an open node: valid, not tight.
    """
    finish = time.perf_counter() + seconds
    search = _Search(Z, level, tol, device)
    if start is not None and len(start):
        search.offer(start @ Z.basis.T)
    root = search.root()
    search.bound(root, root.new_full((len(root),), torch.inf))
    ceiling = level * (1 + tol) if eager else np.inf
    while len(search.upper) and time.perf_counter() < finish and len(search.upper) < nodes and search.lower <= ceiling:
        search.split(batch)
    open_nodes = len(search.upper)
    upper = max(search.threshold(), search.settled, float(search.upper.max()) if open_nodes else 0.0)
    text = f"conical branch and bound, {search.work:,} nodes"
    found = np.concatenate(search.above[-20:]) if search.above else None
    return Bound(
        upper + Z.margin(), search.lower, search.direction, text, not open_nodes, open_nodes, search.work, found
    )


class _Search:
    """Open cones (N, r, r) with generators in the rows, their upper bounds, and how each is to be split."""

    def __init__(self, Z: Zonotopes, level: float, tol: float, device: str | torch.device) -> None:
        self.Z, self.level, self.tol = Z, level, tol
        self.b, self.plus, self.minus = (tensor(part, device) for part in (Z.b, Z.plus, Z.minus))
        r = Z.rank
        self.cones = self.b.new_zeros(0, r, r)
        self.upper, self.children = self.b.new_zeros(0), self.b.new_zeros(0, r + 2)
        self.lower, self.settled, self.work = 0.0, 0.0, 0
        self.direction = np.zeros(Z.basis.shape[1])
        self.above: list[Array] = []

    def threshold(self) -> float:
        """Nodes with a bound up to this are closed."""
        return max(self.level, self.lower) * (1 + self.tol)

    def root(self) -> Tensor:
        """The 2^r orthants of the principal axes of the rows."""
        rows = torch.cat([self.plus, self.minus])
        axes = torch.linalg.svd(rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-300).sqrt(), full_matrices=True).Vh
        signs = torch.tensor(list(product((1.0, -1.0), repeat=self.Z.rank)), dtype=rows.dtype, device=rows.device)
        return signs[:, :, None] * axes[None]

    def offer(self, U: Array) -> None:
        """Remember directions above the level, and the best."""
        value, direction = self.Z.best(U)
        if value > self.level > 0:
            norms = np.maximum(np.linalg.norm(U, axis=1), 1e-300)
            values = self.Z.value(U) / norms
            top = np.argsort(-values)[: min(20, int((values > self.level).sum()))]
            self.above.append(U[top] / norms[top, None] @ self.Z.basis)
        if value > self.lower:
            self.lower, self.direction = value, direction
            keep = self.upper > self.threshold()
            self.cones, self.upper, self.children = self.cones[keep], self.upper[keep], self.children[keep]

    def split(self, batch: int) -> None:
        """Replace the most promising cones by their halves."""
        count = min(batch, len(self.upper))
        chosen = torch.topk(self.upper, count).indices
        rest = torch.ones(len(self.upper), dtype=torch.bool, device=self.upper.device)
        rest[chosen] = False
        parents, tops, plans = self.cones[chosen], self.upper[chosen], self.children[chosen]
        self.cones, self.upper, self.children = self.cones[rest], self.upper[rest], self.children[rest]
        middle, which = plans[:, :-2], plans[:, -2:].long()
        halves = []
        for side in (0, 1):
            half = parents.clone()
            half[torch.arange(count), which[:, side]] = middle
            halves.append(half)
        self.bound(torch.cat(halves), torch.cat([tops, tops]))

    def bound(self, cones: Tensor, parents: Tensor) -> None:
        """Bound cones, evaluate their maximisers, and keep those above the threshold with a plan for their split."""
        self.work += len(cones)
        for at in self._alike(cones).split(1024):
            part, top = cones[at], parents[at]
            value, u = self._envelope(part)
            sound = torch.isfinite(value) & torch.isfinite(u).all(1)  # a flat cone keeps the bound of its parent
            value = torch.where(sound, torch.minimum(value, top), top)
            u = torch.where(sound[:, None], u, part.sum(1))
            self.offer(u.cpu().numpy())
            keep = value > self.threshold()
            part, value, u = part[keep], value[keep], u[keep]
            if len(part):
                plan, gap = self._plan(part, u)
                exact = gap <= 1e-13 * max(self.threshold(), 1e-300)
                if bool(exact.any()):
                    self.settled = max(self.settled, float(self._envelope(part[exact], give_up=False)[0].max()))
                self.cones = torch.cat([self.cones, part[~exact]])
                self.upper = torch.cat([self.upper, value[~exact]])
                self.children = torch.cat([self.children, plan[~exact]])

    def _alike(self, cones: Tensor) -> Tensor:
        """An order of the cones by how many minus rows cross them: less padding in a batch."""
        heights = torch.matmul(cones, self.minus.T)
        return torch.argsort(((heights.amax(1) > 0) & (heights.amin(1) < 0)).sum(1))

    def _envelope(self, cones: Tensor, give_up: bool = True) -> tuple[Tensor, Tensor]:
        """The bound of every cone (N,) and the maximiser (N, r) of its relaxation."""
        N, r, _ = cones.shape
        inverse = torch.linalg.inv_ex(cones)[0]  # columns: p = inverse @ values solves p'c_k = values_k
        heights = torch.matmul(cones, self.minus.T)  # (N, r, m)
        on, off = heights.amin(1) >= 0, heights.amax(1) <= 0
        crossing = ~(on | off)
        g = cones @ self.b + torch.matmul(cones, self.plus.T).clamp(min=0).sum(2)
        width = int(crossing.sum(1).max()) if crossing.numel() else 0
        order = torch.argsort(crossing.to(torch.int8), dim=1, descending=True, stable=True)[:, :width]
        mask = torch.gather(crossing, 1, order)
        rows = torch.cat([self.minus[order], -inverse.mT], 1)
        limit = torch.cat([mask.new_ones(N, width, dtype=rows.dtype), rows.new_full((N, r), torch.inf)], 1)
        w = torch.bmm(inverse, g[:, :, None])[:, :, 0] - on.to(g.dtype) @ self.minus
        real = torch.cat([mask, mask.new_ones(N, r)], 1)
        t, residual = box_least_squares(w, rows, limit, 18, self.threshold(), real, give_up)
        settled = on.to(g.dtype).scatter_add(1, order, t[:, :width] * mask)
        p = residual + settled @ self.minus
        lack = (g - torch.bmm(cones, p[:, :, None])[:, :, 0]).clamp(min=0).max(1).values
        return residual.norm(dim=1) + lack * inverse.sum(2).norm(dim=1), residual

    def _plan(self, cones: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """The split: new generator and the two it replaces, (N, r + 2); and the gap that the split row leaves at u."""
        if not len(self.plus):
            return u.new_zeros(len(u), self.Z.rank + 2), u.new_zeros(len(u))
        share = torch.nan_to_num(torch.linalg.solve_ex(cones.mT, u[:, :, None])[0][:, :, 0]).clamp(min=0)
        N = len(cones)
        heights = torch.matmul(cones * share[:, :, None], self.plus.T)  # (N, r, p)
        gap, row = torch.minimum(heights.clamp(min=0).sum(1), (-heights).clamp(min=0).sum(1)).max(1)
        at = torch.arange(N, device=u.device)
        chosen = heights[at, :, row]
        plain = torch.bmm(cones, self.plus[row][:, :, None])[:, :, 0]
        high, low = chosen.argmax(1), chosen.argmin(1)
        middle = -plain[at, low][:, None] * cones[at, high] + plain[at, high][:, None] * cones[at, low]
        middle = middle / middle.norm(dim=1, keepdim=True).clamp(min=1e-300)
        return torch.cat([middle, high[:, None].to(u.dtype), low[:, None].to(u.dtype)], 1), gap
