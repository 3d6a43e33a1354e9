"""The exact pricing maximum by a sweep over the cells of the plus rows.

    M+(v) = max_s dist(z_s, Z-),   z_s = b + sum_{s_i = 1} a_i over the sign vectors s of the arrangement of {a_i}

Cells are listed without duplicates and without a hash table. Rotate row 0 to the last axis (it is + on one of two
antipodal cells) and read the others as an affine arrangement in the chart u_r = 1. Each cell that is bounded below in
the direction -u_{k-1} has exactly one lowest vertex; it is the cell above that vertex, whose signs on the k-1 rows J
meeting there are those of alpha, Z_J' alpha = -e_{k-1}. Cells unbounded below are those of the chart of dimension one
less. In all sum_{k<r} C(p-1, k) cells, and as many antipodes.

Any sign vector may be tested in addition: dist(z_s, Z-) <= M+ for every s. Where a sign cannot be trusted (a tie) both
are tested, and arrangements with too many ties are perturbed by delta, which adds delta sum |a_i| to the bound.
Source: this project; the vertex rule is that of Edelsbrunner et al. (1986). tests/bounds/test_pricing_maximum.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product
from math import comb

import numpy as np
import torch
from torch import Tensor

from convexnn.bounds.box_least_squares import box_least_squares
from convexnn.bounds.zonotope import Bound, Zonotopes
from convexnn.numerics import Array, tensor

#: Relative size of the perturbation that resolves ties; a vertex sign is off by at most machine epsilon / DELTA^2.
DELTA = 1e-7
#: At most so many untrusted signs at a vertex, and so many such vertices, before the rows are perturbed instead.
LOOSE_AT, LOOSE_IN_ALL = 6, 20_000


class Tied(Exception):
    """The arrangement has more ties than are worth listing."""


def cells(Z: Zonotopes) -> int:
    """How many antipodal pairs of cells the sweep visits (in general position)."""
    rows = len(Z.plus)
    return sum(comb(rows - 1, k) for k in range(min(Z.rank, rows))) if rows else 1


def sweep(
    Z: Zonotopes,
    level: float = 0.0,
    tol: float = 1e-7,
    seconds: float = np.inf,
    device: str | torch.device = "cpu",
    start: Array | None = None,
    chunk: int = 4_000_000,
    eager: bool = False,
) -> Bound:
    """M+(v) up to the factor 1 + tol, or the proof that it is at most `level` (1 + tol).

    start   (K, d) directions that give a first lower bound
    chunk   entries of the largest temporary array
    eager   stop at the first direction above level (1 + tol)
    A sweep that runs out of time proves nothing: upper is then infinite.
    """
    finish = time.perf_counter() + seconds
    for delta in (0.0, DELTA):
        scan = _Scan(Z, level, tol, device)
        if start is not None and len(start):
            scan.offer(tensor(start @ Z.basis.T, device))
        try:
            done = _run(scan, arrangement(Z, delta, device, chunk), finish, level * (1 + tol) if eager else np.inf)
            break
        except Tied:
            done = False
    error = Z.margin() + delta * float(np.linalg.norm(Z.plus, axis=1).sum())
    text = f"sweep over {scan.work:,} cells" + (f", rows perturbed by {delta:.0e}" if delta else "")
    upper = max(scan.threshold(), scan.highest) + error if done else np.inf
    left = 0 if done else max(1, 2 * cells(Z) - scan.work)
    return Bound(upper, scan.lower, scan.direction, text, done, left, scan.work, scan.columns())


def _run(scan: _Scan, chunks: Iterator[tuple[Tensor, Tensor]], finish: float, ceiling: float) -> bool:
    """True when every cell was tested in time and none was above the ceiling."""
    for signs, points in chunks:
        if time.perf_counter() > finish or scan.lower > ceiling:
            return False
        scan.test(signs, points)
    return True


class _Scan:
    """The state of a sweep: the best direction so far, the largest distance, and the directions above the level."""

    def __init__(self, Z: Zonotopes, level: float, tol: float, device: str | torch.device) -> None:
        self.Z, self.level, self.tol = Z, level, tol
        self.b, self.plus, self.minus = (tensor(part, device) for part in (Z.b, Z.plus, Z.minus))
        self.total = 2 * self.b + self.plus.sum(0)
        largest = float(torch.linalg.matrix_norm(self.minus, 2)) ** 2 if len(self.minus) else 1.0
        self.step = 1.9 / largest
        self.lower, self.highest, self.work = 0.0, 0.0, 0
        self.direction = np.zeros(Z.basis.shape[1])
        self.above: list[Array] = []

    def threshold(self) -> float:
        """Distances up to this are of no interest."""
        return max(self.level, self.lower) * (1 + self.tol)

    def offer(self, u: Tensor) -> None:
        """Remember directions that beat the level, and the best."""
        directions = u.cpu().numpy()
        value, direction = self.Z.best(directions)
        if value > self.lower:
            self.lower, self.direction = value, direction
        if value > self.level > 0:
            values = self.Z.value(directions) / np.maximum(np.linalg.norm(directions, axis=1), 1e-300)
            self.above.append(directions[np.argsort(-values)[:20]][: int((values > self.level).sum())] @ self.Z.basis)

    def columns(self) -> Array | None:
        """The last few hundred directions above the level, unit rows in R^d."""
        if not self.above:
            return None
        found = np.concatenate(self.above[-20:])
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))

    def test(self, signs: Tensor, points: Tensor) -> None:
        """Both antipodes of some cells: cheap distances first, the interior point for those that stay above."""
        z = self.b + signs.to(self.b.dtype) @ self.plus
        side = points @ self.minus.T
        for corner, crossing in ((z, side > 0), (self.total - z, side < 0)):
            self.work += len(corner)
            self._test(corner, crossing.to(z.dtype))

    def _test(self, z: Tensor, t: Tensor) -> None:
        threshold = self.threshold()
        w = z - t @ self.minus
        for k in range(6):
            keep = w.norm(dim=1) > threshold
            if not bool(keep.any()):
                return
            z, t, w = z[keep], t[keep], w[keep]
            if k < 5 and len(self.minus):
                t = (t + self.step * w @ self.minus.T).clamp(0.0, 1.0)
                w = z - t @ self.minus
        ones = torch.ones(len(self.minus), dtype=z.dtype, device=z.device)
        for part in z.split(20_000):
            u = box_least_squares(part, self.minus, ones, enough=self.threshold())[1]
            size = u.norm(dim=1)
            self.highest = max(self.highest, float(size.max()))
            if bool((size > self.threshold()).any()):
                self.offer(u[size > self.threshold()])


def arrangement(Z: Zonotopes, delta: float, device: str | torch.device, chunk: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Signs (K, p) bool and a point (K, r) of every cell of the plus rows, one of each antipodal pair.

    With delta > 0 the rows are perturbed by that much of their length. Raises Tied where signs cannot be trusted.
    """
    norms = np.linalg.norm(Z.plus, axis=1)
    rows = Z.plus / norms[:, None]
    if not len(rows):
        yield (
            torch.zeros(1, 0, dtype=torch.bool, device=device),
            torch.zeros(1, Z.rank, dtype=torch.float64, device=device),
        )
        return
    rng = np.random.default_rng(0)
    if delta:
        noise = rng.standard_normal(rows.shape)
        rows = rows + delta * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    _, s, Vt = np.linalg.svd(rows, full_matrices=False)
    span = Vt[s > 1e-12 * s[0] * max(rows.shape)]
    axes = _axes(rows[0] @ span.T, rng)
    coordinates, back = tensor(rows @ span.T @ axes, device), tensor(axes.T @ span, device)
    ties = [LOOSE_IN_ALL]
    for k in range(coordinates.shape[1], 0, -1):
        total = comb(len(rows) - 1, k - 1)
        size = max(1, min(chunk // len(rows), 200_000))
        for first in range(0, total, size):
            J = 1 + subsets(first, min(size, total - first), len(rows) - 1, k - 1, device)
            signs, points = _lowest(coordinates, J, k, delta, ties)
            yield signs, points @ back[:k]


def _axes(first: Array, rng: np.random.Generator) -> Array:
    """Orthogonal matrix whose last column is along `first`, the others at random."""
    r = len(first)
    Q = np.linalg.qr(np.column_stack([first, rng.standard_normal((r, r - 1))]))[0]
    return np.column_stack([Q[:, 1:], first / np.linalg.norm(first)])


def subsets(first: int, count: int, n: int, k: int, device: str | torch.device = "cpu") -> Tensor:
    """The k-subsets number first .. first + count - 1 of range(n), (count, k), by combinadic unranking."""
    rank = torch.arange(first, first + count, device=device)
    out = torch.empty(count, k, dtype=torch.long, device=device)
    for q in range(k, 0, -1):
        table = torch.tensor([min(comb(c, q), 2**62) for c in range(n + 1)], device=device)
        out[:, q - 1] = torch.searchsorted(table, rank, right=True) - 1
        rank = rank - table[out[:, q - 1]]
    return out


def _lowest(rows: Tensor, J: Tensor, k: int, delta: float, ties: list[int]) -> tuple[Tensor, Tensor]:
    """The cell above each vertex J of the chart u_k = 1, u_{k+1..} = 0: signs (K, p), and the vertex (K, k)."""
    picked = rows[J]
    inverse = torch.linalg.inv_ex(picked[:, :, : k - 1])[0]
    point = -torch.bmm(inverse, picked[:, :, k - 1 : k])[:, :, 0]
    alpha = -inverse[:, -1, :] if k > 1 else point
    point = torch.cat([point, torch.ones_like(point[:, :1]) if k > 1 else torch.ones(len(J), 1).to(rows)], 1)
    size = point.norm(dim=1, keepdim=True)
    stiffness = torch.maximum(size, inverse.abs().amax((1, 2))[:, None] if k > 1 else size)
    real = (stiffness < 1e12)[:, 0]  # beyond: the rows J are dependent, they have no vertex
    if bool((real & (stiffness[:, 0] > (1e10 if delta else 1e9))).any()):
        raise Tied
    point, alpha, J, stiffness, size = point[real], alpha[real], J[real], stiffness[real], size[real]
    height = point @ rows[:, :k].T
    trust = 1e-14 * stiffness
    height.scatter_(1, J, alpha)
    loose = height.abs() <= trust * size
    loose.scatter_(1, J, alpha.abs() <= trust * alpha.norm(dim=1, keepdim=True))
    height[:, 0] = 1.0
    loose[:, 0] = False
    signs = height > 0
    tied = torch.nonzero(loose.any(1))[:, 0]
    if not len(tied):
        return signs, point
    ties[0] -= len(tied)
    if ties[0] < 0 or int(loose.sum(1).max()) > LOOSE_AT:
        raise Tied
    extra = [_both(signs[i], torch.nonzero(loose[i])[:, 0]) for i in tied]
    repeat = torch.cat([torch.full((len(e),), int(i)) for e, i in zip(extra, tied)]).to(tied.device)
    return torch.cat([signs, *extra]), torch.cat([point, point[repeat]])


def _both(signs: Tensor, loose: Tensor) -> Tensor:
    """All ways of setting the loose signs."""
    out = signs.repeat(2 ** len(loose), 1)
    out[:, loose] = torch.tensor(list(product((False, True), repeat=len(loose))), device=signs.device)
    return out
