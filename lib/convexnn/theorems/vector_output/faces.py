"""All faces of an arrangement at once: the exact dual norm M(v) of vector outputs, for small rank.

    M(v) = max_{|u| <= 1} |V'(Xu)_+|_2,        on cell i:  u'Q_i u  with  Q_i = X'D_i V V'D_i X

A maximiser lies in the relative interior of one face of its cell (the cell itself, a facet, ..., a ray) and is there a
top eigenvector of Q_i restricted to the span of the face. So M(v) is the largest restricted eigenvalue whose vector
lies in its face. Faces are shared by cells, where the Q_i agree: as many small eigenproblems as the arrangement has
faces, in a few batched calls, not a search in each cell. `_cone_pca.cone_pca` is the same maximum, one cone at a time.
Source: derived for this project; the problem is that of Sahiner, Ergen, Pauly and Pilanci (arXiv 2012.13329).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from convexnn.numerics import Array, BoolArray
from convexnn.patterns import enumerate_patterns

#: A unit row vanishes on a flat, and a unit vector is inside a face, up to these.
FLAT_TOL, INSIDE_TOL = 1e-9, 1e-11
#: Subsets of rows treated in one batch, and the number of subsets above which the faces are refused.
BATCH, MAX_SUBSETS = 20_000, 2_000_000


@dataclass(frozen=True)
class Neuron:
    """|V'(X u)_+|_2 = value for the unit vector u (r,)."""

    value: float
    u: Array


@dataclass(frozen=True)
class _Level:
    """The F faces of one dimension k: bases (F, r, k), a cell that has each, and the signs of the unit rows (F, N)."""

    basis: Array
    cell: np.ndarray
    signs: Array


@dataclass(frozen=True)
class Faces:
    """The faces of the cells D (N, P) of unit rows (N', r): one level for each dimension r, ..., 1."""

    unit: Array
    levels: tuple[_Level, ...]

    def local_maxima(self, Q: Array, above: float) -> tuple[float, list[Neuron]]:
        """The largest value over all faces, and the neurons above `above` in falling order.

        Q (P, r, c): the pull X'D_i V of every cell.
        """
        best, found = 0.0, []
        for level in self.levels:
            pulls = np.einsum("frk,frc->fkc", level.basis, Q[level.cell])
            values, vectors = np.linalg.eigh(pulls @ pulls.transpose(0, 2, 1))
            u = np.einsum("frk,fk->fr", level.basis, vectors[:, :, -1])
            slack = level.signs * (u @ self.unit.T)
            positive, negative = (slack >= -INSIDE_TOL).all(1), (slack <= INSIDE_TOL).all(1)
            size = np.sqrt(np.maximum(values[:, -1], 0.0))
            inside = positive | negative
            best = max(best, float(size[inside].max(initial=0.0)))
            for f in np.flatnonzero(inside & (size > above)):
                found.append(Neuron(float(size[f]), u[f] if positive[f] else -u[f]))
        return best, sorted(found, key=lambda neuron: -neuron.value)


def faces_of(rows: Array, D: BoolArray) -> Faces:
    """Every face of the cells D (N, P) of rows (N, r) of rank r, zero rows left out.

    Raises ValueError when there are more than MAX_SUBSETS flats to visit.
    """
    size = np.linalg.norm(rows, axis=1)
    alive = size > 0
    unit, r = rows[alive] / size[alive, None], rows.shape[1]
    count = sum(int(np.prod([(len(unit) - j) / (j + 1) for j in range(k)])) for k in range(r))
    if count > MAX_SUBSETS:
        raise ValueError(f"X has {len(unit)} rows of rank {r}: {count:,} flats are too many; use fewer samples")
    signs = np.where(D[alive], 1.0, -1.0)
    levels = (_level(unit, signs, k) for k in range(r, 0, -1))
    return Faces(unit, tuple(level for level in levels if len(level.cell)))


def _level(unit: Array, signs: Array, k: int) -> _Level:
    """The faces of dimension k: those of the arrangement that every flat of dimension k carries."""
    bases: list[Array] = []
    cells: list[np.ndarray] = []
    faces: list[Array] = []
    seen: set[bytes] = set()
    for basis in _flats(unit, unit.shape[1] - k):
        off = np.linalg.norm(unit @ basis, axis=1) > FLAT_TOL
        if (name := off.tobytes()) in seen:  # parallel rows, or rows that are not in general position
            continue
        seen.add(name)
        local = np.where(enumerate_patterns(unit[off] @ basis), 1.0, -1.0) if k > 1 else _two_rays(unit[off] @ basis)
        agree = local.T @ signs[off]  # as many agreements as rows: the cell has this face
        cell = agree.argmax(1)
        kept = agree[np.arange(len(cell)), cell] == off.sum()
        full = np.zeros((int(kept.sum()), len(unit)))
        full[:, off] = local.T[kept]
        bases.append(np.broadcast_to(basis, (len(full), *basis.shape)))
        cells.append(cell[kept])
        faces.append(full)
    return _Level(np.concatenate(bases), np.concatenate(cells), np.concatenate(faces))


def _two_rays(along: Array) -> Array:
    return np.where(along > 0, 1.0, -1.0) * np.array([[1.0, -1.0]])


def _flats(unit: Array, rows: int) -> list[Array]:
    """Orthonormal bases (r, r - rows) of the flats where `rows` independent rows vanish."""
    if rows == 0:
        return [np.eye(unit.shape[1])]
    subsets = np.array(list(combinations(range(len(unit)), rows)))
    found: list[Array] = []
    for start in range(0, len(subsets), BATCH):
        _, s, Vt = np.linalg.svd(unit[subsets[start : start + BATCH]], full_matrices=True)
        independent = s[:, -1] > FLAT_TOL
        found += list(Vt[independent, rows:].transpose(0, 2, 1))
    return found
