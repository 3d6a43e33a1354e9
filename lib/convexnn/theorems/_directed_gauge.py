"""A gauge with given neurons inside and the whole cell outside: bounds on both sides at any rank.

Group g has a cell K_g and one unit neuron u_g in it (any number of groups may share a cell):

    N(Z_g)     = |u_g'Z_g|_2 when Z_g = u_g (u_g'Z_g), else infinity        the price of a network: an upper bound
    polar(Q_g) = max over all u in K_g, |u| <= 1 of |Q_g'u|_2               exact by faces: at least |Q_g'u_g|_2

So an objective is that of a network and a dual value bounds every network: a certificate holds for the training problem
over all neurons, and its gap says what the given neurons lack. In one dimension a cell is a ray and nothing is lacking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convexnn.gauges import Gauge
from convexnn.numerics import Array, BoolArray, tensor, to_numpy
from convexnn.theorems._cone_pca import cone_pca

#: Z_g may leave the line of its neuron by this much, relative to its size.
LINE_TOL = 1e-9
#: A neuron may leave the closure of its cell by this much (unit rows, unit neuron).
CELL_TOL = 1e-9


@dataclass(frozen=True)
class DirectedNuclear(Gauge):
    """Neurons U (G, r) of unit length in the cells {u : S_g rows u >= 0}, S (N, G) with entries -1, +1."""

    U: Tensor
    rows: Array
    S: Array

    def per_group(self, Z: Tensor) -> Tensor:
        pulled = self._along(Z)
        off = (Z - self._line(pulled)).flatten(1).norm(dim=1)
        size = pulled.norm(dim=1)
        return torch.where(off > LINE_TOL * size.clamp(min=1e-300), torch.full_like(size, torch.inf), size)

    def prox(self, Z: Tensor, step: float) -> Tensor:
        pulled = self._along(Z)
        shrink = (1 - step / pulled.norm(dim=1, keepdim=True).clamp(min=1e-300)).clamp(min=0)
        return self._line(shrink * pulled)

    def polar(self, Q: Tensor) -> Tensor:
        """Exact for the largest group; a group whose spectral norm does not exceed that maximum keeps the norm."""
        pulls = to_numpy(Q)
        bounds = np.linalg.norm(pulls, 2, axis=(1, 2)) if len(pulls) else np.zeros(0)
        largest = 0.0
        for g in np.argsort(-bounds):
            if bounds[g] <= largest:
                break
            bounds[g] = np.sqrt(max(cone_pca(pulls[g] @ pulls[g].T, self.S[:, g, None] * self.rows).value, 0.0))
            largest = max(largest, float(bounds[g]))
        return torch.as_tensor(bounds).to(Q)

    def factors(self, V: Array, g: int) -> tuple[Array, Array]:
        """The balanced neuron of group g: u (1, r), a (1, c) with V = u'a."""
        u = to_numpy(self.U[g : g + 1])
        pulled = u @ V
        root = np.sqrt(np.linalg.norm(pulled))
        return u * root, pulled / root

    def _along(self, Z: Tensor) -> Tensor:
        return torch.einsum("gr,grc->gc", self.U.to(Z), Z)

    def _line(self, pulled: Tensor) -> Tensor:
        return self.U.to(pulled)[:, :, None] * pulled[:, None, :]


def directed_nuclear(rows: Array, D: BoolArray, U: Array) -> DirectedNuclear:
    """The gauge of unit neurons U (G, r), one for each column of D (N, G)."""
    return DirectedNuclear(tensor(U), rows, np.where(D, 1.0, -1.0))


def nearest_cells(rows: Array, D: BoolArray, U: Array) -> np.ndarray:
    """(m,) the column of D whose closed cell holds each unit neuron. Raises ValueError when there is none."""
    size = np.linalg.norm(rows, axis=1)
    unit = rows[size > 0] / size[size > 0, None]
    before = unit @ U.T
    cells = np.zeros(len(U), dtype=int)
    for j in range(len(U)):
        slack = (np.where(D[size > 0], 1.0, -1.0) * before[:, j, None]).min(0)
        cells[j] = int(np.argmax(slack))
        if slack[cells[j]] < -CELL_TOL:
            raise ValueError(f"neuron {j} lies in no cell of the patterns; pass patterns='all' or add its pattern")
    return cells
