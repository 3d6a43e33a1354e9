"""The problems that are timed: planted networks of four sizes, and one real data set.

X Gaussian, y = a five-neuron ReLU network plus ten per cent noise; the same seed gives the same instance everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from convexnn.bounds.pricing import price, starts
from convexnn.bounds.zonotope import zonotopes
from convexnn.data import binary, load, standardise
from convexnn.numerics import Array
from convexnn.program import Program
from convexnn.theorems import two_layer
from convexnn.types import Data

Kind = Literal["gated", "cone"]

#: name -> samples n, features d, sampled patterns P
SIZES = {
    "tiny": (30, 3, 8),
    "S": (200, 20, 100),
    "M": (1000, 50, 250),
    "L": (2000, 100, 500),
    "XL": (5000, 100, 1000),
}
SHARES = (0.1, 0.01, 0.001)


@dataclass(frozen=True)
class Instance:
    """One convex program with P sampled patterns: gated ReLU ("gated") or ReLU with its cones ("cone").

    share   beta as a share of the program's beta_max
    """

    kind: Kind
    size: str
    share: float
    seed: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind} {self.size}, {self.share:g} beta_max" + (f", seed {self.seed}" if self.seed else "")

    def build(self) -> Program:
        """The program; every call gives the same one."""
        n, d, P = SIZES[self.size]
        X, y = planted(n, d, self.seed)
        activation: Literal["gated", "relu"] = "gated" if self.kind == "gated" else "relu"
        program = two_layer.program(Data(X, y, 1.0), patterns=P, activation=activation, seed=self.seed)
        return program.with_beta(self.share * program.beta_max())


def planted(n: int, d: int, seed: int = 0) -> tuple[Array, Array]:
    """X (n, d) and y (n,)."""
    rng = np.random.default_rng(seed)
    X, W, a = rng.standard_normal((n, d)), rng.standard_normal((d, 5)), rng.standard_normal(5)
    f = np.maximum(X @ W, 0) @ a
    return X, f + 0.1 * np.linalg.norm(f) / np.sqrt(n) * rng.standard_normal(n)


def network_data(n: int, d: int, share: float, seed: int = 0) -> Data:
    """A planted training problem; beta is `share` of the largest pull on y that 400 starts find."""
    X, y = planted(n, d, seed)
    return Data(X, y, share * largest_pull(X, y), f"({n}, {d}), {share:g} beta_max")


def real_data(share: float) -> Data:
    """Wisconsin breast cancer (569 x 30), standardised, labels -1/+1."""
    X, y = binary(load("wdbc", subset="shipped"))
    X = standardise(X, X)[0]
    return Data(X, y, share * largest_pull(X, y), f"breast cancer ({len(X)}, {X.shape[1]}), {share:g} beta_max")


def largest_pull(X: Array, y: Array) -> float:
    """The largest |y'(Xu)_+|, |u| = 1, that pricing finds: the network's beta_max, or a little less."""
    sides = [zonotopes(X, sign * y) for sign in (1.0, -1.0)]
    return max(float(price(Z, starts(Z, 400, 0))[1].max(initial=0.0)) for Z in sides)
