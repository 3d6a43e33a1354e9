"""A gauge with given neurons inside and the whole cell outside: bounds on both sides at any rank.

Group g has a cell K_g and one unit neuron u_g in it (any number of groups may share a cell):

    N(Z_g)     = |u_g'Z_g|_2 when Z_g = u_g (u_g'Z_g), else infinity        the price of a network: an upper bound
    polar(Q_g) >= max over all u in K_g, |u| <= 1 of |Q_g'u|_2              exact for the largest group: M(v)

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
from convexnn.theorems.vector_output.faces import Faces, faces_of

#: Z_g may leave the line of its neuron by this much, relative to its size.
LINE_TOL = 1e-9
#: A neuron may leave the closure of its cell by this much (unit rows, unit neuron).
CELL_TOL = 1e-9


@dataclass(frozen=True)
class DirectedNuclear(Gauge):
    """Neurons U (G, r) of unit length, one in each of the cells that `faces` was made from."""

    U: Tensor
    faces: Faces

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
        """min( |Q_g|, M ) with M the exact maximum over all cells: valid for every group, exact for the largest."""
        pulls = to_numpy(Q)
        largest, _ = self.faces.local_maxima(pulls, np.inf)
        norms = np.linalg.norm(pulls, 2, axis=(1, 2))
        return torch.as_tensor(np.minimum(norms, largest)).to(Q)

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
    return DirectedNuclear(tensor(U), faces_of(rows, D))


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
