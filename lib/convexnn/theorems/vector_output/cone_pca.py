"""Principal components in a cone, exactly: one cell's part of the dual norm of vector outputs.

    max u'Q u   s.t.  |u| <= 1,  K u >= 0            Q >= 0 (r, r),  K (n, r)

A maximiser inside the cone is a top eigenvector of Q; any other lies on a facet {k'u = 0}, which is the same problem
with one dimension less. So the faces are visited one after the other: O(n^{r-1}) small eigenproblems, polynomial for
fixed rank. In general the problem is NP-hard (with Q = I - H it decides copositivity).
Source: Sahiner, Ergen, Pauly and Pilanci (arXiv 2012.13329), local search; facets by this project.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_finite

#: A unit vector counts as inside when no slack is below minus this (rows of unit length).
INSIDE_TOL = 1e-12


@dataclass(frozen=True)
class Component:
    """A maximum of u'Q u over a cone and the unit vector that attains it (u = 0 where the cone is {0})."""

    value: float
    u: Array


def cone_pca(Q: Array, K: Array) -> Component:
    """The exact maximum of u'Q u over |u| <= 1, K u >= 0, and a maximiser.

    Q : (r, r) symmetric;  K : (n, r) rows of any length, zero rows do not constrain
    Raises ValueError for a NaN or for shapes that differ.
    """
    check_finite(Q=Q, K=K)
    if Q.ndim != 2 or Q.shape[0] != Q.shape[1] or K.ndim != 2 or K.shape[1] != Q.shape[0]:
        raise ValueError(f"Q has shape {Q.shape}, K {K.shape}; pass a square Q (r, r) and rows K (n, r)")
    size = np.linalg.norm(K, axis=1)
    return _search(0.5 * (Q + Q.T), K[size > 0] / size[size > 0, None])


def _search(Q: Array, K: Array) -> Component:
    values, vectors = np.linalg.eigh(Q)
    top = vectors[:, -1]
    for side in (1.0, -1.0):
        if (K @ (side * top) >= -INSIDE_TOL).all():
            return Component(float(values[-1]), side * top)
    if len(Q) == 1:
        return Component(0.0, np.zeros(1))
    if len(Q) == 2:
        return _planar(Q, K)
    best = Component(0.0, np.zeros(len(Q)))
    for k in range(len(K)):
        basis = _complement(K[k])
        rest = np.delete(K, k, axis=0) @ basis
        size = np.linalg.norm(rest, axis=1)
        found = _search(basis.T @ Q @ basis, rest[size > INSIDE_TOL] / size[size > INSIDE_TOL, None])
        if found.value > best.value:
            best = Component(found.value, basis @ found.u)
    return best


def _planar(Q: Array, K: Array) -> Component:
    """Two dimensions, top eigenvector outside: the better extreme ray, or 0 when there is none."""
    turned = np.column_stack([-K[:, 1], K[:, 0]])
    candidates = np.vstack([turned, -turned])
    inside = candidates[(candidates @ K.T >= -INSIDE_TOL).all(1)]
    if not len(inside):
        return Component(0.0, np.zeros(2))
    values = np.einsum("ki,ij,kj->k", inside, Q, inside)
    best = int(values.argmax())
    return Component(float(values[best]), inside[best])


def _complement(k: Array) -> Array:
    """An orthonormal basis (r, r - 1) of the hyperplane of the unit vector k: a Householder reflection without k."""
    w = k.copy()
    w[0] += np.copysign(1.0, k[0])
    reflection = np.eye(len(k)) - np.outer(w, w) * (2.0 / float(w @ w))
    return np.asarray(reflection[:, 1:])
