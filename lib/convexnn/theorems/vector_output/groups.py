"""The groups of a program for vector outputs: their cells, their gauge, and a matrix's cheapest factors in a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from convexnn.gauges import Gauge, Nuclear
from convexnn.numerics import Array, BoolArray
from convexnn.theorems.vector_output.directed_gauge import directed_nuclear, nearest_cells
from convexnn.theorems.vector_output.patches import Patches
from convexnn.theorems.vector_output.planar_cone import planar_nuclear


@dataclass(frozen=True)
class Groups:
    """G groups: patterns D (n K, G), gates (G, r) inside their cells, and what a matrix V_g costs.

    factors     V, g -> rows u_k, g_k with V = sum u_k g_k', |u_k| = |g_k| and sum |u_k||g_k| = N_g(V)
    directions  (G, r) unit neurons when every group is fixed to one, else None
    """

    D: BoolArray
    gates: Array
    gauge: Gauge
    factors: Callable[[Array, int], tuple[Array, Array]]
    directions: Array | None = None


def gated_groups(D: BoolArray, gates: Array) -> Groups:
    """No cones: the nuclear norm, factorised by the singular value decomposition."""
    return Groups(D, gates, Nuclear(), singular_factors)


def relu_groups(patches: Patches, D: BoolArray, gates: Array, directions: Array | None) -> Groups:
    """Arcs at rank two; given neurons (with the whole cell in the polar) at any rank; rays at rank one.

    Raises ValueError for a rank above two without directions.
    """
    if directions is not None or patches.rank == 1:
        D, gates, U = _with_neurons(patches, D, gates, directions)
        directed = directed_nuclear(patches.rows, D, U)
        return Groups(D, gates, directed, directed.factors, U)
    if patches.rank > 2:
        raise ValueError(
            f"X has rank {patches.rank}: the constrained nuclear norm of its cells is NP-hard to evaluate in general; "
            "pass directions=column_generation(data).directions, or activation='gated' for the nuclear norm"
        )
    planar = planar_nuclear(patches.rows, D, gates)
    return Groups(D, gates, planar, planar.factors)


def _with_neurons(
    patches: Patches, D: BoolArray, gates: Array, directions: Array | None
) -> tuple[BoolArray, Array, Array]:
    """Cells, gates and unit neurons of the groups: every cell with its own gate, then a group for each direction."""
    inner = gates / np.linalg.norm(gates, axis=1, keepdims=True)
    if directions is None:
        return D, gates, inner
    U = np.asarray(directions, dtype=np.float64)
    width = patches.rank if patches.basis is None else patches.basis.shape[1]
    if U.ndim != 2 or U.shape[1] != width or len(U) == 0:
        raise ValueError(f"directions has shape {U.shape}; pass at least one neuron, (m, {width})")
    U = patches.drop(U)
    size = np.linalg.norm(U, axis=1)
    if not (size > 0).all():
        raise ValueError(f"directions: row {int(np.argmin(size))} is zero on the data; drop it")
    U = U / size[:, None]
    cells = nearest_cells(patches.rows, D, U)
    return np.hstack([D, D[:, cells]]), np.vstack([gates, gates[cells]]), np.vstack([inner, U])


def singular_factors(V: Array, group: int) -> tuple[Array, Array]:
    """u_k = sqrt(s_k) l_k, g_k = sqrt(s_k) r_k: the cheapest factors without a cone."""
    left, s, right = np.linalg.svd(V, full_matrices=False)
    root = np.sqrt(s[s > 0])[:, None]
    return left.T[s > 0] * root, right[s > 0] * root
