"""The nouns of the library: data, a solver's history and solution, a certificate, a verdict.

Frozen, float64, checked on construction. Nothing here computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from convexnn.claims import Scope, Status
from convexnn.numerics import Array, BoolArray, check_finite, check_positive

if TYPE_CHECKING:  # a solution remembers its program; floor 2 is not imported at run time
    from convexnn.program import Program

Rigour = Literal["float", "exact"]
SolveStatus = Literal["solved", "inconclusive", "interrupted"]


@dataclass(frozen=True)
class Data:
    """One training set and its regularisation.

    X     (n, d) float64, or (n, ...) where a theorem takes images or tokens
    y     (n,) or (n, c) float64 targets; class labels as -1/+1, several classes one-hot
    beta  float > 0; the objective is  sum of losses + (beta/2) * sum of squared weights

    Raises ValueError for NaN, an empty set, lengths that differ, beta <= 0.
    """

    X: Array
    y: Array
    beta: float
    name: str = "data"

    def __post_init__(self) -> None:
        check_finite(X=self.X, y=self.y)
        X = np.array(self.X, dtype=np.float64, order="C")  # a copy: the caller's own array stays writable
        y = np.array(self.y, dtype=np.float64, order="C")
        if X.ndim < 2:
            raise ValueError(f"X has shape {X.shape}; pass a matrix (n, d), e.g. X.reshape(-1, 1) for one feature")
        if X.shape[0] == 0 or X.size == 0:
            raise ValueError(f"X has shape {X.shape}: the data set is empty; pass at least one row and one column")
        if y.ndim not in (1, 2, 3) or y.shape[0] != X.shape[0]:
            raise ValueError(f"y has shape {y.shape} but X has {X.shape[0]} rows; pass one target for each row of X")
        if y.size == 0:
            raise ValueError(f"y has shape {y.shape}: there are no targets; pass at least one column")
        check_positive(beta=self.beta)
        X.setflags(write=False)
        y.setflags(write=False)
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "y", y)
        object.__setattr__(self, "beta", float(self.beta))

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.X.shape[0])

    @property
    def d(self) -> int:
        """Number of features."""
        return int(self.X.shape[1])


@dataclass(frozen=True)
class Step:
    """One row of a solver's history; `lower` is -inf until the solver holds a dual point."""

    iteration: int
    elapsed_s: float
    objective: float
    lower: float


@dataclass(frozen=True)
class Point:
    """What a solver returns: a primal array, its dual witness, and how it got there. It carries no verdict.

    Z            (G, ...) float64, the program's variable
    v            dual vector of the outputs' shape, or None; the judge checks it, it need not be feasible
    multipliers  cone multipliers per group, or None; a hint for the judge
    """

    Z: Array
    v: Array | None = None
    multipliers: Array | None = None
    history: tuple[Step, ...] = ()
    iterations: int = 0
    interrupted: bool = False


@dataclass(frozen=True)
class Certificate:
    """Bounds that a stranger can check: `lower <= optimum of the named scope <= upper`.

    scope       "program": the finite program with the patterns it was given;
                "network": the non-convex training problem over all patterns
    rigour      "float": float64 with an explicit rounding allowance; "exact": rational arithmetic
    v           the dual witness: v is feasible after scaling, and `lower` is its dual value
    """

    lower: float
    upper: float
    gap: float
    scope: Scope
    rigour: Rigour
    v: Array
    multipliers: Array | None
    assumptions: tuple[str, ...] = ()

    def sentence(self) -> str:
        """The certificate in words."""
        what = "training problem over all patterns" if self.scope == "network" else "program with the given patterns"
        return f"the optimum of the {what} lies in [{self.lower:.6g}, {self.upper:.6g}], relative gap {self.gap:.1e}"


@dataclass(frozen=True)
class Solution:
    """A solved (or honestly unsolved) program; every number in it comes from its certificate.

    Z        (G, ...) float64; rows with `active` False are exactly zero
    status   "solved" only when `gap <= tol`
    reason   why this method was chosen, in one sentence
    """

    Z: Array
    program: Program = field(repr=False)
    certificate: Certificate = field(repr=False)
    status: SolveStatus
    method: str
    reason: str
    message: str
    tol: float
    elapsed_s: float
    history: tuple[Step, ...] = field(repr=False, default=())

    @property
    def value(self) -> float:
        """Objective of the program at Z."""
        return self.certificate.upper

    @property
    def lower(self) -> float:
        return self.certificate.lower

    @property
    def gap(self) -> float:
        return self.certificate.gap

    @property
    def active(self) -> BoolArray:
        """(G,) bool: groups that are not zero."""
        return np.any(self.Z.reshape(self.Z.shape[0], -1) != 0, axis=1)


@dataclass(frozen=True)
class Verdict:
    """The outcome of a study in one word and one sentence, with the numbers behind it."""

    status: Status
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def sentence(self) -> str:
        return f"{self.status}: {self.text}"
