"""How large is the branch of one class: a scalar problem for each class, for every loss and both prices of a branch.

    min over s >= 0   l(s) + beta (L/2) s^{2/L},     L layers under weight decay;  L = 2 is the convex price beta s

l is the loss of the samples of one class when their branch has scale s (`ClassLoss`, below). L = 2 has a formula:

    squared          (sigma - beta)_+                                            sigma = |y_k|
    logistic         sqrt(n_k) log(sqrt(n_k) / beta - 1)      for beta < sqrt(n_k) / 2, else 0
    cross entropy    s = m / r,  m = log((c - 1)(1 - q) / q)  for q < (c - 1) / c, else 0;  q = beta / (r n_k),
                     r = sqrt(c / ((c - 1) n_k)) logit margins for each unit of scale

For L >= 3 the minimiser jumps from 0: log(-l') is concave and log(beta s^{2/L-1}) convex, so -l'(s) = beta s^{2/L-1}
has at most two roots; the larger one is compared with 0. The squared loss is the scalar problem of `_schatten`.
Source: derived for this project.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from convexnn.numerics import check_positive
from convexnn.theorems.shared.schatten import check_depth, decay, shrink

#: Absolute and relative accuracy of the roots.
ROOT_TOL, ROOT_RTOL = 1e-15, 1e-14


class ClassLoss(ABC):
    """The loss of one class at branch scale s >= 0: convex, falling up to its minimiser, with log-concave slope."""

    @abstractmethod
    def value(self, s: float) -> float:
        """l(s)."""

    @abstractmethod
    def pull(self, s: float) -> float:
        """-l'(s)."""

    @abstractmethod
    def shrunk(self, beta: float) -> float:
        """argmin over s >= 0 of l(s) + beta s."""

    @abstractmethod
    def crest(self, L: int) -> float:
        """The s > 0 at which s^{1-2/L} (-l'(s)) is largest, L >= 3."""

    def best(self, beta: float, L: int = 2) -> float:
        """argmin over s >= 0 of l(s) + beta (L/2) s^{2/L}."""
        check_depth(L)
        check_positive(beta=beta)
        return self.shrunk(beta) if L == 2 else self._larger_root(beta, L)

    def cost(self, s: float, beta: float, L: int = 2) -> float:
        """l(s) + beta (L/2) s^{2/L}."""
        return self.value(s) + beta * float(decay(s, L))

    def _larger_root(self, beta: float, L: int) -> float:
        def excess(s: float) -> float:
            return float(self.pull(s) - beta * s ** (2 / L - 1))

        low = self.crest(L)
        if not excess(low) > 0:
            return 0.0
        high = 2 * low
        while excess(high) > 0:
            high *= 2
        s = float(brentq(excess, low, high, xtol=ROOT_TOL, rtol=ROOT_RTOL))
        return s if self.cost(s, beta, L) < self.value(0.0) else 0.0


@dataclass(frozen=True)
class SquaredClass(ClassLoss):
    """l(s) = 1/2 (sigma - s)^2, sigma = |y_k|."""

    sigma: float

    def value(self, s: float) -> float:
        return 0.5 * (self.sigma - s) ** 2

    def pull(self, s: float) -> float:
        return self.sigma - s

    def shrunk(self, beta: float) -> float:
        return max(self.sigma - beta, 0.0)

    def crest(self, L: int) -> float:
        return self.sigma * (1 - 2 / L) / (2 - 2 / L)

    def best(self, beta: float, L: int = 2) -> float:
        return float(shrink(self.sigma, beta, L))


@dataclass(frozen=True)
class LogisticClass(ClassLoss):
    """l(s) = n log(1 + exp(-s / sqrt(n))): n labels of one sign, all predictions s / sqrt(n) towards it."""

    count: int

    @property
    def root(self) -> float:
        """sqrt(n)."""
        return float(np.sqrt(self.count))

    def value(self, s: float) -> float:
        return float(self.count * np.logaddexp(0.0, -s / self.root))

    def pull(self, s: float) -> float:
        return float(self.root * np.exp(-np.logaddexp(0.0, s / self.root)))

    def shrunk(self, beta: float) -> float:
        return self.root * float(np.log(self.root / beta - 1)) if beta < self.root / 2 else 0.0

    def crest(self, L: int) -> float:
        def climb(m: float) -> float:  # in the margin m = s / sqrt(n): (1 - 2/L) / m = sigmoid(m)
            return float((1 - 2 / L) / m - np.exp(-np.logaddexp(0.0, -m)))

        return self.root * float(brentq(climb, ROOT_TOL, 4.0, xtol=ROOT_TOL))


@dataclass(frozen=True)
class SoftmaxClass(ClassLoss):
    """l(s) = n log(1 + (c - 1) exp(-r s)): n samples of one class, the c - 1 other logits equal and r s below it."""

    count: int
    classes: int

    @property
    def rate(self) -> float:
        """r: the unit output (e_k - 1/c) / sqrt(1 - 1/c) on n samples of activation 1 / sqrt(n)."""
        return float(np.sqrt(self.classes / ((self.classes - 1) * self.count)))

    def _odds(self, s: float) -> float:
        """log((c - 1) exp(-r s))."""
        return float(np.log(self.classes - 1) - self.rate * s)

    def value(self, s: float) -> float:
        return float(self.count * np.logaddexp(0.0, self._odds(s)))

    def pull(self, s: float) -> float:
        return float(self.count * self.rate * np.exp(-np.logaddexp(0.0, -self._odds(s))))

    def shrunk(self, beta: float) -> float:
        q, others = beta / (self.rate * self.count), self.classes - 1
        return float(np.log(others * (1 - q) / q)) / self.rate if q < others / self.classes else 0.0

    def crest(self, L: int) -> float:
        def climb(m: float) -> float:  # in the margin m = r s: (1 - 2/L) / m = the class's probability
            return float((1 - 2 / L) / m - np.exp(-np.logaddexp(0.0, np.log(self.classes - 1) - m)))

        return float(brentq(climb, ROOT_TOL, np.log(self.classes - 1) + 4, xtol=ROOT_TOL)) / self.rate
