"""The training problem of a two-layer ReLU network as one form: rows, outputs, an offset, and what is penalised.

    min over W (m, p), A (m, c), o (c,)    L( P (R W')_+ A + 1 o' ) + beta/2 ( |W|^2 + |A|^2 + [ridge] |o|^2 )

R (n K, p) holds K rows a sample (K = 1: the samples themselves), P averages them. A hidden bias is a column of R; a
hidden bias that is not penalised is a last column of size `reach` whose weight is left out of |W|. The offset is absent
("none"), penalised ("ridge") or free. Weak duality, v = -grad L, v (n, c):

    p* >= -L*(-v) - [ridge] |1'v|^2 / (2 beta)     for every v with  M(v) = max_{|w| <= 1} |v'P(Rw)_+|_2 <= beta,
                                                   and 1'v = 0 where constants are free

Tests: tests/your_network/test_bounds.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from convexnn.losses import Loss
from convexnn.numerics import EPS, SAFETY_ULPS, Array, BoolArray, check_choice, tensor

Constants = Literal["none", "ridge", "free"]
#: A hidden bias without penalty is a column of this many times the longest row: M grows by at most 1 / (2 REACH^2).
REACH = 300.0
#: 1'v counts as zero when it is below this share of |v|_1.
BALANCED_TOL = 1e-12


@dataclass(frozen=True)
class Neurons:
    """W (m, p), A (m, c), offset o (c,)."""

    W: Array
    A: Array
    o: Array

    @property
    def width(self) -> int:
        return len(self.W)

    def plus(self, W: Array, A: Array) -> Neurons:
        """With more neurons."""
        return Neurons(np.vstack([self.W, W]), np.vstack([self.A, A]), self.o)

    def keep(self, where: np.ndarray[Any, Any]) -> Neurons:
        """The neurons at `where` (mask or indices)."""
        return Neurons(self.W[where], self.A[where], self.o)


@dataclass(frozen=True)
class Problem:
    """The module's docstring in arrays.

    free_bias  the last column of R belongs to a hidden bias without penalty
    ridge      the offset's penalty is ridge beta/2 |o|^2 where constants are "ridge"
    """

    rows: Array
    Y: Array
    beta: float
    loss: Loss
    constants: Constants = "none"
    free_bias: bool = False
    ridge: float = 1.0

    def __post_init__(self) -> None:
        check_choice("constants", self.constants, ("none", "ridge", "free"))
        self.loss.check_targets(tensor(self.Y))

    @property
    def n(self) -> int:
        return len(self.Y)

    @property
    def outputs(self) -> int:
        return self.Y.shape[1]

    @property
    def K(self) -> int:
        """Rows a sample."""
        return len(self.rows) // self.n

    @property
    def decayed(self) -> Array:
        """(p,) which weights of a neuron are penalised."""
        mask = np.ones(self.rows.shape[1])
        mask[-1] = 0.0 if self.free_bias else 1.0
        return mask

    def hidden(self, W: Array) -> Array:
        """P (R W')_+, (n, m)."""
        after = np.maximum(self.rows @ W.T, 0)
        return after if self.K == 1 else after.reshape(self.n, self.K, -1).mean(1)

    def fit(self, net: Neurons) -> Array:
        """Predictions (n, c)."""
        return self.hidden(net.W) @ net.A + net.o

    def loss_value(self, f: Array) -> float:
        """L(f)."""
        return float(self.loss.value(tensor(f), tensor(self.Y)))

    def pull(self, f: Array) -> Array:
        """v = -grad L(f), (n, c)."""
        return -np.asarray(self.loss.gradient(tensor(f), tensor(self.Y)).numpy())

    def decay(self, net: Neurons) -> float:
        """beta/2 of the squared weights as they are."""
        squares = float((net.W**2 @ self.decayed).sum() + np.square(net.A).sum())
        return 0.5 * self.beta * squares + self.offset_cost(net.o)

    def offset_cost(self, o: Array) -> float:
        """What the offset pays."""
        return 0.5 * self.ridge * self.beta * float(o @ o) if self.constants == "ridge" else 0.0

    def value(self, net: Neurons) -> float:
        """The training objective."""
        return self.loss_value(self.fit(net)) + self.decay(net)

    def lengths(self, W: Array) -> Array:
        """(m,) norms of the penalised weights."""
        return np.asarray(np.sqrt(W**2 @ self.decayed))

    def alive(self, net: Neurons) -> BoolArray:
        """(m,) bool: neurons that change a prediction on the data."""
        return (self.hidden(net.W) > 0).any(0) & (np.abs(net.A).sum(1) > 0)

    def balanced(self, net: Neurons) -> Neurons:
        """The same predictions with |w_j| = |a_j|: the penalty becomes beta |w_j||a_j|; dead neurons are dropped.

        A neuron of a free bias without slope is a constant: it keeps a faint output weight, since its cost is a limit.
        """
        net = net.keep(self.alive(net))
        first, second = self.lengths(net.W), np.linalg.norm(net.A, axis=1)
        scale = np.where(first > 0, np.sqrt(second / np.where(first > 0, first, 1.0)), 1e6 * second)
        return Neurons(net.W * scale[:, None], net.A / scale[:, None], net.o)

    # ---- the dual side ----------------------------------------------------------------------------------------------

    def stretch(self) -> Array:
        """(p,) scales of the columns of R for the dual: the weight of a free bias then costs next to nothing."""
        scale = np.ones(self.rows.shape[1])
        if self.free_bias:
            scale[-1] = REACH * max(1e-300, float(np.linalg.norm(self.rows[:, :-1], axis=1).max(initial=0.0)))
        return scale

    def scaled_rows(self) -> Array:
        """R with its columns stretched; a direction w of these rows is the neuron stretch * w."""
        return self.rows * self.stretch()

    def spread(self, v: Array) -> Array:
        """P'v: one number a row of R, (n K,)."""
        return v if self.K == 1 else np.repeat(v, self.K, axis=0) / self.K

    def slack(self) -> float:
        """M(v) <= slack * (the same maximum over the scaled rows); 1 without a free bias.

        A bias beyond the longest row makes a neuron linear or zero on the data, so |b| <= max |x_i| is enough, and then
        |(u, b / reach)| <= (1 + 1 / REACH^2)^(1/2).
        """
        return float(np.sqrt(1 + REACH**-2)) if self.free_bias else 1.0

    def admissible(self, v: Array) -> Array:
        """The nearest simple v in the domain of L*, with 1'v = 0 where constants are free."""
        v = np.asarray(self.loss.into_domain(tensor(v), tensor(self.Y)).numpy())
        if self.constants != "free":
            return v
        if self.loss.name == "squared":
            return v - v.mean(0)
        if self.loss.name == "cross_entropy":
            return self._balanced_classes(v)
        up, down = np.maximum(v, 0).sum(0), np.maximum(-v, 0).sum(0)
        least = np.minimum(up, down)
        return np.where(v > 0, v * least / np.maximum(up, 1e-300), v * least / np.maximum(down, 1e-300))

    def _balanced_classes(self, v: Array) -> Array:
        """v with column sums zero and Y - v >= 0: mixed with the dual vector of the class frequencies."""
        v, even = v - v.mean(0), self.Y - self.Y.mean(0)
        least = np.minimum((self.Y - v).min(0), 0.0)
        share = -least / np.maximum(self.Y.mean(0) - least, 1e-300)
        t = min(1.0, float(share.max()) * (1 + 1e-9))
        return (1 - t) * v + t * even

    def dual(self, v: Array) -> float:
        """The dual value less a rounding allowance; -inf outside the domain or where a free constant gains."""
        if self.constants == "free" and not (np.abs(v.sum(0)) <= BALANCED_TOL * np.abs(v).sum(0) + 1e-300).all():
            return -np.inf
        value = float(self.loss.dual(tensor(v), tensor(self.Y)))
        if self.constants == "ridge":
            value -= float(np.square(v.sum(0)).sum()) / (2 * self.ridge * self.beta)
        room = SAFETY_ULPS * EPS * v.size * max(1.0, abs(value), float((v * v).sum()))
        return value - room if np.isfinite(value) else -np.inf
