"""The ledger: every declared claim against what the notebooks measured, and every finding that these claims bear out.

A claim that no notebook measures is listed as `not measured`. A measured claim that no theorem declares, an
inconclusive one that nothing explains, and a figure that is not made from its result file are problems.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from convexnn.claims import Status, worst
from convexnn.pipeline import experiments, pictures
from convexnn.pipeline.experiments import FindingRow, Goal
from convexnn.pipeline.notebooks import discover
from convexnn.pipeline.project import Project, ProjectError, digest_of, nearest, read_json
from convexnn.pipeline.slots import Slot
from convexnn.report import write_atomically


@dataclass(frozen=True)
class Row:
    """One claim: its declaration, its status in a word, and its most telling measurement."""

    id: str
    statement: str
    source: str
    scope: str
    kind: str
    tolerance: float
    status: Status | str
    measured: float | str | None
    measurements: int
    seeds: tuple[int, ...]
    note: str
    notebooks: tuple[str, ...]
    link: str


@dataclass(frozen=True)
class Ledger:
    """All rows in the order of declaration, what is wrong with them in words, and what they bear out."""

    rows: tuple[Row, ...]
    problems: tuple[str, ...]
    findings: tuple[FindingRow, ...] = ()
    goals: tuple[Goal, ...] = ()

    def check(self) -> None:
        """Raise ProjectError when something is wrong with the ledger, all of it in one sentence."""
        if self.problems:
            raise ProjectError("; ".join(self.problems))

    def counts(self) -> dict[str, int]:
        """How many rows have which status."""
        statuses = [row.status for row in self.rows]
        return {status: statuses.count(status) for status in dict.fromkeys(statuses)}

    def outcomes(self, kind: str) -> dict[str, int]:
        """How many findings of `kind` came out how."""
        found = [row.outcome for row in self.findings if row.finding.kind == kind]
        return {word: found.count(word) for word in dict.fromkeys(found)}


def build(project: Project, size: str = "quick") -> Ledger:
    """Join the declared claims with the result files of `size`; failed and unknown notebooks do not count."""
    declarations = declared(project)
    claims = {claim["id"]: claim for claim in declarations["claims"]}
    found = measured(project, size)
    problems = []
    for notebook, stored, _ in found:
        claim = claims.get(stored["id"])
        if claim is None:
            hint = nearest(stored["id"], claims) or " Add it to the theorem's `claims`."
            problems.append(f"claim {stored['id']!r}, measured in {notebook}, is declared by no theorem.{hint}")
        elif any(claim[name] != stored[name] for name in claim):
            problems.append(f"claim {stored['id']} was measured in {notebook} before it was changed; run {notebook}")
    rows = [_row(claim, [item for item in found if item[1]["id"] == claim["id"]]) for claim in claims.values()]
    findings = experiments.rows(declarations["findings"], rows)
    problems += experiments.problems(project, findings, rows)
    problems += [text for name in discover(project) for text in pictures.stale(Slot(project.results(size), name))]
    return Ledger(tuple(rows), tuple(problems), findings, experiments.goals(project))


def unmeasured(project: Project, size: str = "quick") -> list[str]:
    """Ids of the declared claims that no current result measures."""
    return [row.id for row in build(project, size).rows if row.measurements == 0]


def declared(project: Project) -> dict[str, list[dict[str, Any]]]:
    """{"claims", "findings"} of all theorems; kept under results/ until a file of the library changes."""
    cache, stamp = project.root / "results" / ".cache" / "declared.json", digest_of(project.library_hashes())
    kept = read_json(cache)
    if kept is not None and kept.get("library") == stamp and "findings" in kept:
        return {name: kept[name] for name in ("claims", "findings")}
    path = os.pathsep.join(filter(None, [str(project.lib), os.environ.get("PYTHONPATH")]))
    call = [sys.executable, "-m", "convexnn.pipeline.declared", project.package]
    done = subprocess.run(call, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ProjectError(f"theorems of {project.package} cannot be imported: {last}; mend that, then `report`")
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
    write_atomically(cache, json.dumps({"library": stamp, **found}))
    return found


def measured(project: Project, size: str) -> list[tuple[str, dict[str, Any], str]]:
    """(notebook, stored claim, link prefix) from every finished result that has not failed since."""
    found = []
    for name in discover(project):
        slot = Slot(project.results(size), name)
        doc = read_json(slot.folder / "result.json") if slot.finished() and not slot.failure() else None
        page = f"{name}/notebook.html" if (slot.folder / "notebook.html").exists() else f"{name}/notebook.ipynb"
        found += [(name, claim, page) for claim in (doc or {}).get("claims", {}).values()]
    return found


def write(project: Project, size: str = "quick") -> Ledger:
    """Make results/<size>/ledger.md and ledger.json anew."""
    from convexnn.pipeline import tables

    ledger = build(project, size)
    doc: dict[str, Any] = {"rows": [asdict(row) for row in ledger.rows], "problems": ledger.problems}
    doc |= {"counts": ledger.counts(), "findings": [row.stored() for row in ledger.findings]}
    doc["goals"] = [asdict(goal) for goal in ledger.goals]
    write_atomically(project.results(size) / "ledger.json", json.dumps(doc, indent=1) + "\n")
    write_atomically(project.results(size) / "ledger.md", tables.markdown(ledger, size))
    return ledger


def _row(claim: Mapping[str, Any], found: Sequence[tuple[str, dict[str, Any], str]]) -> Row:
    measurements = [{**m, "page": page} for _, stored, page in found for m in stored["measurements"]]
    best = telling(claim["kind"], measurements) if measurements else {}
    page = best.get("page", "")
    return Row(
        **{name: claim[name] for name in ("id", "statement", "scope", "kind", "tolerance")},
        source=claim["source_text"],
        status=best.get("status", "not measured"),
        measured=best.get("measured"),
        measurements=len(measurements),
        seeds=tuple(sorted({seed for m in measurements for seed in m["seeds"]})),
        note=best.get("note", ""),
        notebooks=tuple(dict.fromkeys(name for name, _, _ in found)),
        link=f"{page}#cell-id={best['cell']}" if best.get("cell") else page,
    )


def telling(kind: str, measurements: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Of the measurements with the worst status the one farthest on the wrong side."""
    status = worst([m["status"] for m in measurements])
    return max((m for m in measurements if m["status"] == status), key=lambda m: _weight(kind, m))


def _weight(kind: str, measurement: Mapping[str, Any]) -> float:
    """Larger is worse for the claim; words (NaN, infinities) are worst."""
    value = measurement["measured"]
    if isinstance(value, str):
        return float("inf")
    return {"certificate": value, "agreement": abs(value)}.get(kind, -value)
