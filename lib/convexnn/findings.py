"""What the papers show beyond their theorems, and where they stop: figures and tables, errata, counterexamples.

A theorem lists its findings in `theorems/NAME/experiments.py`; the ledger finds them there. A finding names the claims
and tests that bear it out, and its outcome is derived from theirs: nobody writes `reproduced` by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from convexnn.claims import Source

FindingKind = Literal["experiment", "erratum", "counterexample", "open"]
Outcome = Literal[
    "reproduced",
    "reproduced at smaller size",
    "shown",
    "settled",
    "contradicted",
    "inconclusive",
    "not measured",
    "not attempted",
]

BORNE_OUT = ("certified", "holds_on_tested")


@dataclass(frozen=True)
class Finding:
    """One figure or table of a paper, a corrected statement, an instance where a theorem stops, or an open question.

    An `open` finding explains claims that stay inconclusive: the ledger accepts no inconclusive claim without one.

    id         theorem.word; for an experiment the word is what the list of experiments calls it, "two_layer.E2"
    statement  what it shows, restated here
    claims     ids of the claims that bear it out; all of them have to
    against    ids of claims that contradict it when they hold
    tests      "tests/theorems/test_x.py::test_y", as good as a claim that holds
    here       what was run: data, sizes, widths
    smaller    less was run than in the paper, or the paper's sizes are not known
    confirmed  the description was read in the paper or its code; otherwise the ledger says that it was not
    why        why it was not attempted or fails, or what to know when reading it
    """

    id: str
    kind: FindingKind
    statement: str
    source: Source
    claims: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    here: str = ""
    smaller: bool = False
    confirmed: bool = True
    why: str = ""

    def __post_init__(self) -> None:
        if "." not in self.id:
            raise ValueError(f"finding id {self.id!r} has no theorem; write it as 'theorem.word'")
        if self.kind not in get_args(FindingKind):
            raise ValueError(f"finding {self.id}: kind is {self.kind!r}; use one of {', '.join(get_args(FindingKind))}")
        evidence = self.claims or self.against or self.tests
        if not evidence and not self.why:
            raise ValueError(f"finding {self.id} names no claim and no test; add them, or say in `why` what is missing")
        if not evidence and self.kind != "experiment":
            raise ValueError(f"finding {self.id}: {self.kind} without a claim or a test that shows it")
        if self.kind == "open" and not self.why:
            raise ValueError(f"finding {self.id} is open; say in `why` what keeps its claims from being decided")
        if evidence and self.kind == "experiment" and not self.here:
            raise ValueError(f"finding {self.id} does not say what was run; describe data and sizes in `here`")
        if self.against and not self.why:
            raise ValueError(f"finding {self.id} is contradicted by {', '.join(self.against)}; say in `why` how")
        if evidence and not (self.confirmed or self.smaller):
            raise ValueError(f"finding {self.id}: sizes that are not confirmed are not reached; set smaller=True")


def outcome(finding: Finding, statuses: Mapping[str, str]) -> Outcome:
    """What became of `finding`, given the status of every claim by its id; KeyError names an unknown claim."""
    if not (finding.claims or finding.against or finding.tests):
        return "not attempted"
    borne = [statuses[claim] for claim in finding.claims]
    opposed = [statuses[claim] for claim in finding.against]
    if "contradicted" in borne or any(status in BORNE_OUT for status in opposed):
        return "contradicted"
    if "not measured" in (*borne, *opposed):
        return "not measured"
    if any(status not in BORNE_OUT for status in borne) or not (borne or finding.tests):
        return "inconclusive"
    if finding.kind != "experiment":
        return "settled" if finding.kind == "open" else "shown"
    return "reproduced at smaller size" if finding.smaller else "reproduced"
