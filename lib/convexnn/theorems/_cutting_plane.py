"""Cutting planes on the dual, one neuron a cut: the master projects y, the oracle finds the neuron it violates most.

    master   max_v  v'y - 1/2 |v|^2   s.t.  |v'(A u_k)_+| <= beta for the neurons found so far
    oracle   max_{|u| <= 1} +- v'(A u)_+ over the cells of some patterns: all of them (exact), D = I (the convex
             relaxation), or any others

The relaxed oracle sees a part of the rectified ellipsoid: fewer cuts, a dual value that is too large, a network that is
too expensive. It is exact when the data are spike-free. Squared loss, no bias.
Source: Ergen and Pilanci (arXiv 2002.11219), cutting-plane algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from convexnn.losses import get_loss
from convexnn.networks import TwoLayer
from convexnn.numerics import Array, BoolArray, check_positive
from convexnn.patterns import enumerate_patterns
from convexnn.theorems._extreme_points import nonnegative_fit, support
from convexnn.theorems._spike_free import is_spike_free
from convexnn.types import Data


@dataclass(frozen=True)
class Cuts:
    """The end of a run.

    network, value   the neurons found with their lasso strengths, and the training objective
    lower            dual value of the last v scaled until the oracle's maximum is beta: a bound for the oracle's cells
    history          (rounds, 2) upper values and best lower bounds
    exact            the oracle covers every cell, or the data are spike-free: `lower` bounds every network
    converged        (value - lower) <= tol max(1, value)
    """

    network: TwoLayer
    value: float
    lower: float
    exact: bool
    converged: bool
    history: Array = field(repr=False)
    v: Array = field(repr=False)


def cutting_plane(
    data: Data, oracle: Literal["exact", "relaxed"] | BoolArray = "exact", tol: float = 1e-6, rounds: int = 200
) -> Cuts:
    """Run until the oracle finds no violated neuron, or for `rounds` rounds.

    oracle  "exact" enumerates all cells; "relaxed" uses D = I alone; a bool array (n, P) gives the cells
    Raises ValueError for several outputs. A run that does not converge says so and keeps its bounds.
    """
    check_positive(tol=tol, rounds=rounds)
    if data.X.ndim != 2 or data.y.size != data.n:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; cutting planes take a matrix and one output")
    D, exact = _cells(data.X, oracle)
    y, beta, history = data.y.reshape(-1), data.beta, []
    U, v, a = np.zeros((0, data.d)), y.copy(), np.zeros(0)
    best = 0.0
    for _ in range(int(rounds)):
        pulls = [support(data.X, sign * v, D) for sign in (1.0, -1.0)]
        top = max(pull.value for pull in pulls)
        best = max(best, _dual(v, y, beta, top))
        value = _value(data, U, a)
        history.append((value, best))
        if value - best <= tol * max(1.0, value):
            break
        U = np.vstack([U, *(pull.u for pull in pulls if pull.value > beta)])
        a = restricted_lasso(np.maximum(data.X @ U.T, 0), y, beta)
        v = y - np.maximum(data.X @ U.T, 0) @ a
        U, a = U[a != 0], a[a != 0]
    return Cuts(_network(U, a), value, best, exact, value - best <= tol * max(1.0, value), np.array(history), v)


def _cells(X: Array, oracle: Literal["exact", "relaxed"] | BoolArray) -> tuple[BoolArray, bool]:
    if not isinstance(oracle, str):
        return oracle, False
    if oracle == "exact":
        return enumerate_patterns(X), True
    return np.ones((len(X), 1), dtype=bool), bool(is_spike_free(X))


def restricted_lasso(Phi: Array, y: Array, beta: float) -> Array:
    """argmin_a 1/2 |Phi a - y|^2 + beta |a|_1, exactly: its dual projects y on {v : |Phi'v| <= beta}.

        min |z|  s.t.  G z >= h,  G = (Phi, -Phi)',  h = G y - beta,  v = y - z = y - Phi a

    is non-negative least squares on the rows (G, h) (Lawson and Hanson's least distance problem).
    """
    G = np.vstack([Phi.T, -Phi.T])
    h = G @ y - beta  # |Phi'(y - z)| <= beta  <=>  G z >= G y - beta
    rows = np.column_stack([G, h])
    q = nonnegative_fit(rows, -np.eye(rows.shape[1])[-1])
    scale = 1.0 - float(h @ q)
    if not scale > 0:
        raise ValueError("the restricted lasso is degenerate: two neurons coincide up to rounding; loosen tol")
    signed = q / scale
    return np.asarray(signed[: Phi.shape[1]] - signed[Phi.shape[1] :])


def _dual(v: Array, y: Array, beta: float, top: float) -> float:
    """max over t of the dual value of t v with t top <= beta."""
    reach = beta / top if top > 0 else np.inf
    t = float(np.clip(v @ y / max(float(v @ v), 1e-300), -reach, reach))
    return t * float(v @ y) - 0.5 * t * t * float(v @ v)


def _value(data: Data, U: Array, a: Array) -> float:
    residual = np.maximum(data.X @ U.T, 0) @ a - data.y.reshape(-1)
    return 0.5 * float(residual @ residual) + data.beta * float(np.abs(a).sum())


def _network(U: Array, a: Array) -> TwoLayer:
    root = np.sqrt(np.abs(a))[:, None]
    return TwoLayer(U * root, np.sign(a)[:, None] * root, get_loss("squared"))
