"""Networks without bias whose optimum is a formula: squared loss, data of one of four classes, refused outside them.

    whitened     A A' = I         f = y_+ (1 - beta/|y_+|)_+ - y_- (1 - beta/|y_-|)_+
    orthogonal   A A' diagonal    parts of one sign decouple; one scalar equation for each part
    one_hot      A A' = I, Y one-hot with n_k of class k:   value sum_k h(sqrt n_k)
    rank_one     A = c a'         two features with disjoint supports, a soft threshold for each

with h(t) = beta t - beta^2 / 2 for t > beta, else t^2 / 2. `two_neurons` is the interpolant A^+ y_+, A^+ (-y)_+ that is
optimal as beta -> 0 for orthogonal rows, and not for every spike-free matrix.
Source: Ergen and Pilanci (arXiv 2002.11219) and derivations of this project.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from convexnn.losses import get_loss
from convexnn.networks import TwoLayer
from convexnn.numerics import Array, check_finite, check_matrix
from convexnn.types import Data

#: A A' counts as diagonal (or as the identity) when no entry is off by more than this share of the largest.
CLASS_TOL = 1e-8


@dataclass(frozen=True)
class ClosedForm:
    """An optimal network in balanced form and its training objective."""

    network: TwoLayer
    value: float


def whitened(data: Data) -> ClosedForm:
    """Rows orthonormal: u = A'y_+ / |y_+| with output (|y_+| - beta)_+, and the same for -y_- with a minus sign."""
    _require_identity(data.X)
    y = _one_output(data)
    neurons = [(_unit(data.X.T @ part), sign * max(_norm(part) - data.beta, 0.0)) for part, sign in _parts(y)]
    value = sum(huber(_norm(part), data.beta) for part, _ in _parts(y))
    return ClosedForm(_network([u for u, _ in neurons], np.array([[a] for _, a in neurons])), value)


def huber(t: float, beta: float) -> float:
    """min over f >= 0 of 1/2 (f - t)^2 + beta f: t^2 / 2 up to beta, then beta t - beta^2 / 2."""
    return 0.5 * t * t if t <= beta else beta * t - 0.5 * beta * beta


def orthogonal(data: Data) -> ClosedForm:
    """Rows orthogonal with norms s_i: on each sign q_i = y_i / (1 + beta / (s_i^2 t)), where t = |q / s|.

    The part vanishes exactly when |s y_part| <= beta. Rows of length zero predict 0.
    """
    check_matrix(X=data.X)
    gram = data.X @ data.X.T
    s = np.sqrt(np.diag(gram))
    off = np.abs(gram - np.diag(np.diag(gram))).max()
    if off > CLASS_TOL * max(float(s.max()) ** 2, 1e-300):
        raise ValueError(f"A A' has an off-diagonal entry {off:.2g}; this form needs orthogonal rows, use a program")
    live = s > 0
    inverse = np.where(live, 1.0 / np.where(live, s, 1.0), 0.0)
    directions, outputs, value = [], [], 0.5 * float(_one_output(data)[~live] @ _one_output(data)[~live])
    for part, sign in _parts(_one_output(data) * live):
        q = _orthogonal_part(part, s, inverse, data.beta)
        t = _norm(q * inverse)
        directions.append(_unit(data.X.T @ (q * inverse**2)))
        outputs.append([sign * t])
        value += 0.5 * float((q - part) @ (q - part)) + data.beta * t
    return ClosedForm(_network(directions, np.array(outputs)), value)


def _orthogonal_part(part: Array, s: Array, inverse: Array, beta: float) -> Array:
    """The fit of one sign; t solves sum_i (s_i y_i / (s_i^2 t + beta))^2 = 1, whose left side falls in t."""
    pulled = s * part
    if _norm(pulled) <= beta:
        return 0 * part

    def excess(t: float) -> float:
        return _norm(pulled / (s**2 * t + beta)) - 1.0

    t = float(brentq(excess, 0.0, _norm(part * inverse), xtol=1e-15, rtol=1e-14))
    return np.asarray(s * t * pulled / (s**2 * t + beta))


def one_hot(data: Data) -> ClosedForm:
    """Whitened rows, one-hot targets (n, c): u_k = A'y_k / sqrt(n_k), a_k = (sqrt(n_k) - beta)_+ e_k.

    One neuron a class; each feeds one output, so |a_k|_2 and |a_k|_1 give the same problem.
    """
    _require_identity(data.X)
    Y = data.y
    if Y.ndim != 2 or not (((Y == 0) | (Y == 1)).all() and (Y.sum(1) == 1).all()):
        raise ValueError("y is not one-hot; pass an (n, c) array with a single one in each row, e.g. np.eye(c)[labels]")
    root = np.sqrt(Y.sum(0))
    directions = [_unit(data.X.T @ column) for column in Y.T]
    value = sum(huber(float(r), data.beta) for r in root)
    return ClosedForm(_network(directions, np.diag(np.maximum(root - data.beta, 0.0))), value)


def rank_one(data: Data) -> ClosedForm:
    """A = c a': features z_1 = |a| (c)_+, z_2 = |a| (-c)_+, weights soft(z_k'y, beta) / |z_k|^2, neurons +- a / |a|."""
    check_matrix(X=data.X)
    _, s, Vt = np.linalg.svd(data.X, full_matrices=False)
    if len(s) > 1 and s[1] > CLASS_TOL * s[0]:
        raise ValueError(f"X has singular values {s[0]:.3g}, {s[1]:.3g}; this form needs rank one, use a program")
    y, w, fit = _one_output(data), [], np.zeros(data.n)
    for direction in (Vt[0], -Vt[0]):
        z = np.maximum(data.X @ direction, 0)
        pulled = float(z @ y)
        soft = np.sign(pulled) * max(abs(pulled) - data.beta, 0.0)
        w.append([soft / float(z @ z) if z.any() else 0.0])
        fit += w[-1][0] * z
    value = 0.5 * float((fit - y) @ (fit - y)) + data.beta * float(np.abs(w).sum())
    return ClosedForm(_network([Vt[0], -Vt[0]], np.array(w)), value)


def two_neurons(A: Array, y: Array) -> ClosedForm:
    """The interpolant u_1 = A^+ y_+, u_2 = A^+ (-y)_+ (normalised) with cost |A^+ y_+| + |A^+ (-y)_+|.

    It is a network for every spike-free A of full row rank, and a minimum-norm one for orthogonal rows.
    Raises ValueError when it does not interpolate.
    """
    check_finite(A=A, y=y)
    check_matrix(A=A)
    if np.shape(y) != (len(A),):
        raise ValueError(f"y has shape {np.shape(y)}; pass one target for each of the {len(A)} rows of A")
    inverse = np.linalg.pinv(A)
    parts = [(inverse @ part, sign) for part, sign in _parts(y)]
    network = _network([_unit(z) for z, _ in parts], np.array([[sign * _norm(z)] for z, sign in parts]))
    if np.abs(network.predict(A)[:, 0] - y).max() > CLASS_TOL * max(1.0, float(np.abs(y).max())):
        raise ValueError("the two neurons do not interpolate y: A has no full row rank; use a program")
    return ClosedForm(network, sum(_norm(z) for z, _ in parts))


def _parts(y: Array) -> tuple[tuple[Array, float], tuple[Array, float]]:
    """y = y_+ - y_-: the two parts and their signs."""
    return (np.maximum(y, 0), 1.0), (np.maximum(-y, 0), -1.0)


def _norm(z: Array) -> float:
    return float(np.linalg.norm(z))


def _unit(z: Array) -> Array:
    size = _norm(z)
    return z / size if size > 0 else z


def _one_output(data: Data) -> Array:
    if data.y.size != data.n:
        raise ValueError(f"y has shape {data.y.shape}; this closed form has one output, see one_hot for several")
    return data.y.reshape(-1)


def _require_identity(X: Array) -> None:
    check_matrix(X=X)
    off = float(np.abs(X @ X.T - np.eye(len(X))).max())
    if off > CLASS_TOL:
        raise ValueError(f"A A' differs from I by {off:.2g}; whiten the rows first (n <= d): data.whiten_rows(X)")


def _network(directions: list[Array], strengths: Array) -> TwoLayer:
    """Neurons of unit directions and output rows `strengths` (m, c), balanced; those of strength zero are dropped."""
    size = np.abs(strengths).sum(1)
    live = size > 0
    root = np.sqrt(size[live])[:, None]
    return TwoLayer(np.array(directions)[live] * root, strengths[live] / root, get_loss("squared"))
