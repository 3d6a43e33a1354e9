"""What a sweep found, made from result files alone: summary.json, and from it a CSV, a table to read, and a figure.

One row a point: where it lies, how it stands, and for every claim its verdict and its most telling number.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convexnn.claims import STATUSES
from convexnn.pipeline.ledger import telling
from convexnn.pipeline.planning import Request
from convexnn.pipeline.project import Project, read_json
from convexnn.pipeline.runner import Outcome
from convexnn.pipeline.sweep import Sweep
from convexnn.pipeline.tables import number
from convexnn.report import write_atomically

Row = Mapping[str, Any]


def write(project: Project, sweep: Sweep, outcomes: Sequence[Outcome]) -> list[Path]:
    """Make tables and figure of this grid anew and return their paths, the one to read first."""
    doc, folder = build(project, sweep, outcomes), sweep.folder(project)
    write_atomically(folder / "summary.json", json.dumps(doc, indent=1, allow_nan=False) + "\n")
    write_atomically(folder / "summary.csv", to_csv(doc))
    write_atomically(folder / "summary.md", to_markdown(doc))
    figures = draw(folder, doc) if any(row["claims"] for row in doc["points"]) else []
    return [folder / "summary.md", folder / "summary.csv", *figures]


def build(project: Project, sweep: Sweep, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The summary as a JSON value; NaN and infinities are words."""
    rows: list[dict[str, Any]] = []
    claims: dict[str, dict[str, Any]] = {}
    for request, point, outcome in zip(sweep.requests, sweep.points, outcomes):
        stored = _claims(request, outcome)
        claims |= {
            name: {k: claim[k] for k in ("kind", "tolerance", "statement", "source_text")} for name, claim in stored
        }
        rows.append(_row(project, request, point, outcome, dict(stored)))
    axes = {name: list(values) for name, values in sweep.grid.axes.items()}
    head = {"format": 1, "notebook": sweep.notebook.name, "grid": sweep.grid.text, "size": sweep.grid.size}
    return {**head, "axes": axes, "claims": claims, "points": rows}


def _claims(request: Request, outcome: Outcome) -> list[tuple[str, Mapping[str, Any]]]:
    """What the point measured; nothing when it failed, is missing, or was interrupted."""
    is_whole = outcome.ending in ("finished", "unchanged")
    return list((read_json(request.slot.folder / "result.json") or {}).get("claims", {}).items()) if is_whole else []


def _row(
    project: Project, request: Request, point: Row, outcome: Outcome, stored: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    run = request.slot.finished() if outcome.ending in ("finished", "unchanged") else None
    state = "finished" if run else outcome.ending
    origin = {"folder": project.relative(request.slot.folder), "key": run["key"] if run else ""}
    verdicts = {}
    for name, claim in stored.items():
        worst = telling(claim["kind"], claim["measurements"])
        verdicts[name] = {"status": claim["status"], "measured": worst["measured"], "note": worst["note"]}
    failure = outcome.failure or {}
    times = {"elapsed_s": run["elapsed_s"] if run else None}
    said = {"where": failure.get("where", ""), "error": failure.get("error", "")}
    return {
        "point": request.slot.label,
        "values": dict(point),
        "state": state,
        **origin,
        **times,
        **said,
        "claims": verdicts,
    }


def to_csv(doc: Mapping[str, Any]) -> str:
    """One line a point; two columns a claim, `<claim>` and `<claim>.status`. Numbers in full, NaN as a word."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = [column for name in doc["claims"] for column in (name, f"{name}.status")]
    writer.writerow([*doc["axes"], "point", "state", "key", "elapsed_s", *columns, "error"])
    for row in doc["points"]:
        found = [row["claims"].get(name, {}) for name in doc["claims"]]
        cells = [cell for claim in found for cell in (claim.get("measured", ""), claim.get("status", ""))]
        head = [*row["values"].values(), row["point"], row["state"], row["key"], _blank(row["elapsed_s"])]
        writer.writerow([*head, *cells, row["error"]])
    return out.getvalue()


def to_markdown(doc: Mapping[str, Any]) -> str:
    """For people: the verdicts of every claim over all points, then one row a point."""
    states = Counter(row["state"] for row in doc["points"])
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    lines = [f"# Sweep of {doc['notebook']}", "", f"`{doc['grid']}` at {doc['size']} size: {counts}.", ""]
    failed = [row for row in doc["points"] if row["error"]]
    lines += [
        f"- `{row['point']}` failed in {row['where']}: {row['error'].splitlines()[0]} ({row['folder']})"
        for row in failed
    ]
    lines += [
        "",
        "## Claims",
        "",
        *_table(["claim", *STATUSES, "worst", "at", "tolerance", "statement"], _by_claim(doc)),
    ]
    names = list(doc["claims"])
    lines += [
        "",
        "## Points",
        "",
        *_table([*doc["axes"], "state", "s", *names], (_by_point(row, names) for row in doc["points"])),
    ]
    return "\n".join(lines) + "\n"


def _by_claim(doc: Mapping[str, Any]) -> Iterable[list[str]]:
    for name, claim in doc["claims"].items():
        found = [{**row["claims"][name], "point": row["point"]} for row in doc["points"] if name in row["claims"]]
        statuses, worst = [one["status"] for one in found], telling(claim["kind"], found)
        counts = [str(statuses.count(status) or "") for status in STATUSES]
        yield [
            f"`{name}`",
            *counts,
            number(worst["measured"]),
            worst["point"],
            f"{claim['tolerance']:.0e}",
            claim["statement"],
        ]


def _by_point(row: Row, names: Sequence[str]) -> list[str]:
    found = [row["claims"].get(name) for name in names]
    cells = ["" if one is None else f"{one['status'].replace('_', ' ')} {number(one['measured'])}" for one in found]
    took = "" if row["elapsed_s"] is None else f"{row['elapsed_s']:.1f}"
    return [*map(str, row["values"].values()), row["state"], took, *cells]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return lines + [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows
    ]


def draw(folder: Path, doc: Mapping[str, Any]) -> list[Path]:
    """claims.png and claims.pdf from the summary."""
    from convexnn.plotting.sweep import draw_sweep

    figure = draw_sweep(doc)
    paths = []
    extras: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"metadata": {"CreationDate": None}}}
    for suffix, extra in extras.items():
        path = folder / f"claims.{suffix}"
        figure.savefig(f"{path}.tmp", format=suffix, dpi=150, bbox_inches="tight", **extra)
        os.replace(f"{path}.tmp", path)
        paths.append(path)
    return paths


def _blank(value: Any) -> Any:
    return "" if value is None else value
