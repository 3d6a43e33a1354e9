"""Cutting planes on the dual, a few neurons at a time: the master re-weighs, the oracle finds the neurons it violates.

    master   max_v  -L*(-v)   s.t.  |v'(A u_k + b_k 1)_+| <= beta for the neurons found so far  (1'v = 0: free bias)
    oracle   max_{|u| <= 1} +- v'(A u + b 1)_+ over the cells of some patterns: all of them (exact), D = I (the convex
             relaxation), or any others

The relaxed oracle sees a part of the rectified ellipsoid: fewer cuts, a dual value that is too large, a network that is
too expensive. It is exact when the data are spike-free. One output; every margin loss and the squared loss; every bias.
Source: Ergen and Pilanci (arXiv 2002.11219), cutting-plane algorithm; other losses and the biases are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar

from convexnn.losses import Loss, get_loss
from convexnn.networks import BIASES, Bias, TwoLayer
from convexnn.numerics import Array, BoolArray, check_choice, check_positive, tensor
from convexnn.patterns import enumerate_patterns
from convexnn.theorems.convex_geometry.restricted_problem import Strengths, restricted
from convexnn.theorems.shared.extreme_points import Pull, strongest
from convexnn.theorems.shared.patterned import row_space
from convexnn.theorems.shared.spike_free import is_spike_free
from convexnn.types import Data

#: Cuts of each sign that one round may add, and the cosine of activations above which two neurons are the same.
CUTS_A_ROUND, SAME = 8, 1 - 1e-12
#: With a free offset 1'v = 0 has to hold to this share of |v|_1: a v of rounding size is no dual vector, v = 0 is.
BALANCED = 1e-9


@dataclass(frozen=True)
class Cuts:
    """The end of a run.

    network, value   the neurons found with their strengths, and the training objective
    lower            the best dual value of a v scaled until the oracle finds beta at most: a bound for its cells
    history          (rounds, 2) upper values and best lower bounds
    exact            the oracle covers every cell, or the data are spike-free: `lower` bounds every network
    converged        (value - lower) <= tol max(1, value)
    v                the dual vector of the best bound: a witness for the judge, `certify(program, Z, witnesses=[v])`
    """

    network: TwoLayer
    value: float
    lower: float
    exact: bool
    converged: bool
    history: Array = field(repr=False)
    v: Array = field(repr=False)


def cutting_plane(
    data: Data,
    oracle: Literal["exact", "relaxed"] | BoolArray = "exact",
    tol: float = 1e-6,
    rounds: int = 200,
    loss: str | Loss = "squared",
    bias: Bias = "none",
) -> Cuts:
    """Run until the oracle finds no violated neuron, or for `rounds` rounds.

    oracle  "exact" enumerates all cells; "relaxed" uses D = I alone; a bool array (n, P) gives the cells
    bias    "unregularised" comes with a free output offset; kinks of the neurons then run through samples
    Raises ValueError for several outputs, an unknown loss, or cells of another height. A run that does not converge
    says so and keeps its bounds.
    """
    check_positive(tol=tol, rounds=rounds)
    check_choice("bias", bias, BIASES)
    if data.X.ndim != 2 or data.y.size != data.n:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; cutting planes take a matrix and one output")
    get_loss(loss).check_targets(tensor(data.y).reshape(-1, 1))
    run = _Run(data, get_loss(loss), bias, oracle)
    for _ in range(int(rounds)):
        pulls = run.look()
        if abs(run.value - run.best) <= tol * max(1.0, run.value) or not run.add(pulls):
            break
    done = abs(run.value - run.best) <= tol * max(1.0, run.value)  # a bound above the value would prove nothing
    return Cuts(run.network(), run.value, run.best, run.exact, done, np.array(run.history), run.v)


class _Run:
    """The state of one run: features A in row-space coordinates (ones last with a free bias), neurons U, strengths."""

    def __init__(self, data: Data, loss: Loss, bias: Bias, oracle: Literal["exact", "relaxed"] | BoolArray) -> None:
        self.data, self.loss, self.bias = data, loss, bias
        self.y, self.offset = data.y.reshape(-1), bias == "unregularised"
        self.A, self.basis = row_space(data.X, bias)
        self.D, self.exact = _cells(self.A, oracle, data.X, bias)
        self.U = np.zeros((0, self.A.shape[1]))
        self.best, self.history = -np.inf, list[tuple[float, float]]()
        self.solve()
        self.v = self.master.v

    def solve(self) -> None:
        self.Phi = np.maximum(self.A @ self.U.T, 0)
        self.master: Strengths = restricted(self.Phi, self.y, self.data.beta, self.loss, self.offset)
        f = tensor(self.Phi @ self.master.a + self.master.c0).reshape(-1, 1)
        fit = float(self.loss.value(f, tensor(self.y).reshape(-1, 1)))
        self.value = fit + self.data.beta * float(np.abs(self.master.a).sum())

    def look(self) -> list[Pull]:
        """Ask the oracle for both signs, bound, and return the neurons that violate their constraint."""
        free = int(self.offset)
        found = [strongest(self.A, sign * self.master.v, self.D, free) for sign in (1.0, -1.0)]
        top = max(pulls[0].value for pulls in found)
        v = self.master.v
        fair = not self.offset or abs(float(v.sum())) <= BALANCED * float(np.abs(v).sum())
        bound = _dual(self.loss, v if fair else 0 * v, self.y, self.data.beta, top if fair else 0.0)
        if bound > self.best:
            self.best, self.v = bound, v if fair else 0 * v
        self.history.append((self.value, self.best))
        return [p for pulls in found for p in pulls[:CUTS_A_ROUND] if p.value > self.data.beta]

    def add(self, pulls: list[Pull]) -> bool:
        """Put the neurons that are not there yet into the master; idle ones leave once the value has dropped."""
        kept, before = list(self.U), self.value
        for p in pulls:
            if not any(_same(self.A, p.u, other) for other in kept):
                kept.append(p.u)
        if len(kept) == len(self.U):
            return False
        self.U = np.array(kept)
        self.solve()
        if self.value < before - 1e-9 * max(1.0, abs(before)):
            live = self.master.a != 0
            self.U, self.master = self.U[live], Strengths(self.master.a[live], self.master.c0, self.master.v)
        return True

    def network(self) -> TwoLayer:
        """The neurons in the coordinates of the data, balanced; those of strength zero are left out."""
        live = self.master.a != 0
        W, a, d = self.U[live], self.master.a[live], self.data.d
        W = W if self.basis is None else W @ self.basis
        size = np.linalg.norm(W[:, :d] if self.offset else W, axis=1)
        root = np.sqrt(np.abs(a) / size)[:, None]
        U, b = (W * root)[:, :d], (W * root)[:, d] if self.bias != "none" else None
        A = np.sign(a)[:, None] * np.sqrt(np.abs(a) * size)[:, None]
        return TwoLayer(U, A, self.loss, b, np.array([self.master.c0]), bias=self.bias)


def _cells(A: Array, oracle: Literal["exact", "relaxed"] | BoolArray, X: Array, bias: Bias) -> tuple[BoolArray, bool]:
    if not isinstance(oracle, str):
        D = np.asarray(oracle)
        if D.ndim != 2 or D.shape[0] != len(A) or D.dtype != np.bool_:
            raise ValueError(f"oracle has shape {D.shape}, dtype {D.dtype}; pass a bool array ({len(A)}, P), or a word")
        return D, False
    check_choice("oracle", oracle, ("exact", "relaxed"))
    if oracle == "exact":
        return enumerate_patterns(A), True
    return np.ones((len(A), 1), dtype=bool), bool(is_spike_free(X, bias))


def _same(A: Array, u: Array, other: Array) -> bool:
    """Whether `other` has the activations of u up to scale, and not smaller ones.

    Neurons that are active on few samples can be parallel and differ in strength: the stronger one is another neuron.
    """
    one, two = np.maximum(A @ u, 0), np.maximum(A @ other, 0)
    sizes = float(np.linalg.norm(one)), float(np.linalg.norm(two))
    return bool(one @ two >= SAME * sizes[0] * sizes[1] and sizes[0] <= sizes[1] * (1 + 1e-9))


def _dual(loss: Loss, v: Array, y: Array, beta: float, top: float) -> float:
    """max over t of the dual value of t v with 0 <= t, t top <= beta; t = 0 is always allowed."""
    Y, V = tensor(y).reshape(-1, 1), loss.into_domain(tensor(v).reshape(-1, 1), tensor(y).reshape(-1, 1))
    reach = beta / top if top > 0 else 1.0

    def cost(t: float) -> float:
        value = float(loss.dual(t * V, Y))
        return -value if np.isfinite(value) else 1e300

    inside = minimize_scalar(cost, bounds=(0.0, reach), method="bounded", options={"xatol": 1e-14 * max(1.0, reach)}).x
    return -min(cost(t) for t in (0.0, min(1.0, reach), reach, float(inside)))
