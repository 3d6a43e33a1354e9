"""The groups of the two programs: normalise-then-ReLU shares one basis, ReLU-then-normalise has one for each pattern.

    before   E_i = sum_k D_i^(k) U'_[k]     K_i = (2 D_i - I) U'                       patterns of U' over all patches
    after    H D_i X = U_i S_i V_i',  E_i = [U_i, 1/sqrt(n), 0]                         patterns of X
             K_i = (2 D_i - I) X [V_i S_i^{-1}, 0, N_i],  coordinates (q, a, w),  z = V_i S_i^{-1} q + N_i w

N_i spans the z that H D_i X does not see; w is free of charge and predicts nothing, it only helps z into its cell.
Blocks are padded with zero columns to one size. Patterns with H D_i X = 0 have nothing to normalise and are left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from convexnn.cones import Cone, FreeCone, PatternCone, RowCone
from convexnn.gauges import Gauge, GroupL2, Nuclear
from convexnn.numerics import Array, BoolArray, tensor
from convexnn.operators import GatedOperator, MatrixOperator, Operator
from convexnn.theorems.shared.patterned import row_space

#: Singular values of H D_i X below this share of the largest of H X are zero.
RANK_TOL = 1e-9


class Parts(NamedTuple):
    """Operator, gauge and cone of a program; `lift[i]` (d, p) maps the coordinates of pattern i to a direction w."""

    operator: Operator
    gauge: Gauge
    cone: Cone
    lift: list[Array]


def before(features: Array, D: BoolArray, n: int, c: int, relu: bool) -> Parts:
    """The groups for U' = `features` (n K, r + 1) and patterns D (n K, P)."""
    F, gates = tensor(features), tensor(D)
    signs = (1.0, -1.0) if relu else (1.0,)
    cone: Cone = PatternCone(F, 2 * gates - 1, copies=2) if relu else FreeCone()
    operator: Operator = GatedOperator(F, gates, signs, c)
    if len(features) > n:
        patches = features.reshape(n, -1, features.shape[1])
        E = np.einsum("nkp,nkd->pnd", D.reshape(n, -1, D.shape[1]).astype(float), patches)
        operator = MatrixOperator(tensor(np.concatenate([sign * E for sign in signs])), c)
    return Parts(operator, GroupL2() if c == 1 else Nuclear(), cone, [])


def after(X: Array, D: BoolArray) -> tuple[Parts, BoolArray]:
    """The groups for ReLU, then normalisation, and the patterns that are left."""
    n = len(X)
    reduced, basis = row_space(X, "none")
    scale = np.linalg.norm(reduced - reduced.mean(0), 2)
    found: list[tuple[Any, ...]] = []
    for pattern in D.T:
        gated = pattern[:, None] * reduced
        U, s, Vt = np.linalg.svd(gated - gated.mean(0))
        rank = int((s > RANK_TOL * scale).sum())
        if rank:
            found.append((pattern, U[:, :rank], Vt[:rank].T / s[:rank], Vt[rank:].T))
    if not found:
        raise ValueError("no pattern leaves anything to normalise: all rows of X are equal or zero; pass other data")
    most, null = max(f[1].shape[1] for f in found), max(f[3].shape[1] for f in found)
    E, G, lift = [], [], []
    for pattern, U, V, N in found:
        image, back = np.zeros((n, most + 1 + null)), np.zeros((reduced.shape[1], most + 1 + null))
        image[:, : U.shape[1]], image[:, most] = U, n**-0.5
        back[:, : V.shape[1]] = V
        back[:, most + 1 : most + 1 + N.shape[1]] = N
        E.append(image)
        G.append((2.0 * pattern - 1)[:, None] * (reduced @ back))
        lift.append(back if basis is None else basis.T @ back)
    both = np.concatenate([np.array(E), -np.array(E)])
    cone = RowCone(tensor(np.concatenate([np.array(G), np.array(G)])))
    patterns = np.array([f[0] for f in found]).T
    return Parts(MatrixOperator(tensor(both), 1), GroupL2(free=null), cone, lift), patterns
