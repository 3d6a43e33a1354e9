"""The ledger's second half: figures and tables of the papers, errata, counterexamples, and the benchmarks' goals.

The outcome of a finding is derived from the claims and tests that it names (`convexnn.findings.outcome`).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convexnn.claims import Source
from convexnn.findings import Finding, outcome
from convexnn.pipeline.project import Project, nearest

if TYPE_CHECKING:
    from convexnn.pipeline.ledger import Row

TITLES = {
    "experiment": "Figures and tables of the papers",
    "erratum": "Errata",
    "counterexample": "Counterexamples: where the theorems stop",
    "open": "Open",
}
UNCONFIRMED = "described from memory, not confirmed in the paper"


@dataclass(frozen=True)
class FindingRow:
    """One finding with its outcome, and the rows of the claims that it names."""

    finding: Finding
    outcome: str
    claims: tuple[Row, ...]

    @property
    def notebooks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for row in self.claims for name in row.notebooks))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({seed for row in self.claims for seed in row.seeds}))

    def remark(self) -> str:
        """What was run, what was not confirmed, and what to know, in one sentence each."""
        said = [f"Run here: {self.finding.here}" if self.finding.here else "", self.finding.why]
        if self.finding.kind == "experiment" and not self.finding.confirmed:
            said.append(UNCONFIRMED)
        return " ".join(f"{text[0].upper()}{text[1:]}." for text in said if text)

    def stored(self) -> dict[str, Any]:
        """As ledger.json holds it."""
        told = self.finding
        plain = {
            name: getattr(told, name) for name in ("id", "kind", "statement", "claims", "against", "tests", "here")
        }
        rest = {"why": told.why, "confirmed": told.confirmed, "smaller": told.smaller, "source": str(told.source)}
        return {**plain, **rest, "outcome": self.outcome, "notebooks": self.notebooks, "seeds": self.seeds}


@dataclass(frozen=True)
class Goal:
    """One line of benchmarks/results/goals.md."""

    problem: str
    to_reach: str
    measured: str
    outcome: str


def rows(declared: Sequence[Mapping[str, Any]], claims: Sequence[Row]) -> tuple[FindingRow, ...]:
    """The declared findings, in order, with their outcomes; claims that nobody declares count as not measured."""
    by_id = {row.id: row for row in claims}
    found = []
    for stored in declared:
        fields = {name: value for name, value in stored.items() if name != "source_text"}
        lists = {name: tuple(fields[name]) for name in ("claims", "against", "tests")}
        finding = Finding(**{**fields, **lists, "source": Source(**fields["source"])})
        named = (*finding.claims, *finding.against)
        statuses = {name: by_id[name].status if name in by_id else "not measured" for name in named}
        found.append(FindingRow(finding, outcome(finding, statuses), tuple(by_id[n] for n in named if n in by_id)))
    return tuple(found)


def problems(project: Project, found: Sequence[FindingRow], claims: Sequence[Row]) -> list[str]:
    """In words: findings that name what does not exist, ids used twice, inconclusive claims that nobody explains."""
    known, said = {row.id for row in claims}, []
    for row in found:
        for name in (*row.finding.claims, *row.finding.against):
            if name not in known:
                hint = nearest(name, known)
                said.append(f"finding {row.finding.id} names the claim {name!r}, which no theorem declares.{hint}")
        for test in row.finding.tests:
            path, _, function = test.partition("::")
            if function not in _functions(project.root / path):
                said.append(f"finding {row.finding.id} names the test {test}, which does not exist")
    ids = [*known, *(row.finding.id for row in found)]
    said += [f"the id {name} is used twice in the ledger" for name in sorted({n for n in ids if ids.count(n) > 1})]
    explained = {name for row in found if row.finding.kind == "open" for name in row.finding.claims}
    remedy = "add an `open` finding with the reason to the theorem's experiments.py"
    for claim in claims:
        if claim.status == "inconclusive" and claim.id not in explained:
            said.append(f"claim {claim.id} is inconclusive ({claim.note or 'no note'}) and nothing says why; {remedy}")
    return said


def goals(project: Project) -> tuple[Goal, ...]:
    """The goals of the benchmarks as they were last computed; empty where there are none."""
    path = project.root / "benchmarks" / "results" / "goals.md"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return tuple(Goal(*cells) for cells in table[2:] if len(cells) == 4)


@cache
def _functions(path: Path) -> frozenset[str]:
    """The names of the functions that a test file defines; none when there is no such file."""
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
