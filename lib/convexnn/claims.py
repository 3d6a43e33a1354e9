"""What the project claims, and the one rule that says whether a measurement bears a claim out.

A theorem declares claims, a notebook measures them, `judge` decides. No other code chooses a status.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Status = Literal["certified", "holds_on_tested", "inconclusive", "contradicted", "bad_input"]
Kind = Literal["certificate", "agreement", "one_sided", "counterexample"]
Scope = Literal["program", "network"]

STATUSES: tuple[Status, ...] = ("certified", "holds_on_tested", "inconclusive", "contradicted", "bad_input")


@dataclass(frozen=True)
class Source:
    """Where a statement comes from: paper, and a printed theorem number only where it was confirmed."""

    paper: str
    arxiv: str = ""
    number: str = ""

    def __str__(self) -> str:
        return (
            self.paper + (f" (arXiv {self.arxiv})" if self.arxiv else "") + (f", {self.number}" if self.number else "")
        )


@dataclass(frozen=True)
class Claim:
    """One sentence that a measurement can bear out or refute.

    kind            `measured` is                           bears the claim out when
    certificate     a certified relative gap                measured <= tolerance      (else inconclusive)
    agreement       a relative difference of two values     |measured| <= tolerance    (else contradicted)
    one_sided       how far a point lies above a bound      measured >= -tolerance     (else contradicted)
    counterexample  the distance that was to be shown       measured >  tolerance      (else inconclusive)
    """

    id: str
    statement: str
    source: Source
    kind: Kind
    tolerance: float
    scope: Scope = "program"

    def __post_init__(self) -> None:
        if "." not in self.id:
            raise ValueError(f"claim id {self.id!r} has no theorem; write it as 'theorem.claim'")
        if not self.tolerance >= 0:
            raise ValueError(f"claim {self.id}: tolerance is {self.tolerance}; it must be >= 0")


def judge(claim: Claim, measured: float) -> Status:
    """The status of `claim` given one measured number (NaN is always `inconclusive`)."""
    if math.isnan(measured):
        return "inconclusive"
    if claim.kind == "certificate":
        return "certified" if measured <= claim.tolerance else "inconclusive"
    if claim.kind == "agreement":
        return "holds_on_tested" if abs(measured) <= claim.tolerance else "contradicted"
    if claim.kind == "one_sided":
        return "holds_on_tested" if measured >= -claim.tolerance else "contradicted"
    return "holds_on_tested" if measured > claim.tolerance else "inconclusive"


def worst(statuses: list[Status]) -> Status:
    """The weakest of several statuses: a claim measured many times is as good as its worst measurement."""
    order: list[Status] = ["certified", "holds_on_tested", "inconclusive", "bad_input", "contradicted"]
    return max(statuses, key=order.index) if statuses else "inconclusive"
