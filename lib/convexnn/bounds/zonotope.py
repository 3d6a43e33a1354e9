"""The pricing problem as a Hausdorff distance between two zonotopes, and the record of a bound on it.

For a dual vector v the neuron that pulls most is

    M+(v) = max_{|u| <= 1} phi(u),    phi(u) = v'(Xu)_+ = b'u + sum_i (a_i'u)_+ - sum_j (c_j'u)_+

with a_i the rows where v pushes up ("plus") and c_j where it pushes down ("minus"). Both sums are support functions:

    M+(v) = max_{z in b + Z+} dist(z, Z-),    Z+ = sum_i [0, a_i],   Z- = sum_j [0, c_j]

and a distance to a convex set is convex, so the maximum is at a vertex of Z+: only the arrangement of the plus rows
matters. Rows on one line are merged, w (e'u)_+ + w' (-e'u)_+ = (w + w') (e'u)_+ - w' e'u, which is where b comes from.
Source: this project (zonotope form of the dual norm of arXiv 2002.10553); tests/bounds/test_pricing_maximum.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_finite

#: Unit rows closer than this are one line; what merging changes is added to `error`.
LINE_TOL = 1e-10


@dataclass(frozen=True)
class Zonotopes:
    """phi in coordinates of the row space of X; |u| and phi are those of the original coordinates.

    b (r,), plus (p, r), minus (m, r), basis (r, d) with orthonormal rows: u in R^d is basis.T @ u in R^r
    error   M+(v) differs from the maximum of this phi by at most `error` (merged lines, dropped directions)
    """

    b: Array
    plus: Array
    minus: Array
    basis: Array
    error: float

    @property
    def rank(self) -> int:
        """r."""
        return int(self.b.shape[0])

    def value(self, U: Array) -> Array:
        """phi at the rows of U (K, r), not normalised; returns (K,)."""
        return np.asarray(U @ self.b + np.maximum(U @ self.plus.T, 0).sum(1) - np.maximum(U @ self.minus.T, 0).sum(1))

    def best(self, U: Array) -> tuple[float, Array]:
        """The largest phi(u / |u|) over the rows of U and its u in R^d, or (0, 0) when none is positive."""
        norms = np.linalg.norm(U, axis=1)
        U = U[norms > 0] / norms[norms > 0, None]
        if not len(U) or not (values := self.value(U)).max() > 0:
            return 0.0, np.zeros(self.basis.shape[1])
        k = int(values.argmax())
        return float(values[k]), self.basis.T @ U[k]

    def margin(self) -> float:
        """Room for rounding in any bound on this phi, `error` included."""
        size = (
            np.linalg.norm(self.b) + np.linalg.norm(self.plus, axis=1).sum() + np.linalg.norm(self.minus, axis=1).sum()
        )
        return float(self.error + 1e-14 * size)


@dataclass(frozen=True)
class Bound:
    """lower <= M+(v) <= upper.

    direction (d,) unit, phi(direction) = lower, or zero when lower is 0
    found     (k, d) further unit directions met on the way whose value exceeded the level that was to be proved
    closed    the method finished: upper is max(level, lower) up to its tolerance
    open      cells or nodes left when it stopped
    work      cells or nodes looked at
    """

    upper: float
    lower: float
    direction: Array
    method: str
    closed: bool
    open: int = 0
    work: int = 0
    found: Array | None = None


def zonotopes(X: Array, v: Array) -> Zonotopes:
    """The zonotopes of phi(u) = v'(Xu)_+ for X (n, d), v (n,)."""
    check_finite(X=X, v=v)
    if v.shape != (X.shape[0],):
        raise ValueError(f"v has shape {v.shape}; pass one number for each of the {X.shape[0]} rows of X")
    norms = np.linalg.norm(X, axis=1)
    alive = np.flatnonzero((norms > 0) & (v != 0))
    units, weights = X[alive] / norms[alive, None], v[alive] * norms[alive]
    lines, up, down, error = _merge(units, weights)
    basis = _row_space(lines)
    reduced = lines @ basis.T
    total = up + down
    error += float(np.abs(up) @ _lost(lines, reduced, basis) + np.abs(down) @ _lost(lines, reduced, basis))
    rows = reduced * total[:, None]
    return Zonotopes(-(down @ reduced), rows[total > 0], -rows[total < 0], basis, error)


def _lost(lines: Array, reduced: Array, basis: Array) -> Array:
    return np.linalg.norm(lines - reduced @ basis, axis=1)


def _row_space(lines: Array) -> Array:
    """Orthonormal rows spanning the lines; one zero-safe row when there is no line."""
    if not len(lines):
        return np.eye(1, lines.shape[1])
    _, s, Vt = np.linalg.svd(lines, full_matrices=False)
    return np.asarray(Vt[s > 1e-13 * s[0] * max(lines.shape)])


def _merge(units: Array, weights: Array) -> tuple[Array, Array, Array, float]:
    """Distinct lines e, the weights on (e'u)_+ and on (-e'u)_+, and the error of calling near rows equal."""
    probe = units @ np.random.default_rng(0).standard_normal(units.shape[1])
    side = np.where(probe < 0, -1.0, 1.0)
    order = np.argsort(np.abs(probe), kind="stable")
    turned = units * side[:, None]
    starts: list[int] = []
    group = np.zeros(len(units), dtype=int)
    for i in order:
        if not starts or np.abs(turned[i] - turned[starts[-1]]).max() > LINE_TOL:
            starts.append(int(i))
        group[i] = len(starts) - 1
    lines = turned[starts]
    error = float(np.abs(weights) @ np.linalg.norm(turned - lines[group], axis=1)) if len(units) else 0.0
    up, down = np.zeros(len(starts)), np.zeros(len(starts))
    np.add.at(up, group, weights * (side > 0))
    np.add.at(down, group, weights * (side < 0))
    flat = np.abs(up + down) <= 1e-14 * (np.abs(up) + np.abs(down))
    return lines, up, down, error + float(np.abs(up + down)[flat].sum())
