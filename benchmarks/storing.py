"""JSON files of rows, and the Markdown tables that are generated from them and from nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.training import wins

RESULTS = Path(__file__).resolve().parent / "results"
Row = dict[str, Any]


def keep(table: str, rows: Sequence[Row], machine: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Put rows into TABLE_DEVICE.json and write the Markdown next to it.

    A row replaces the one of the same instance and contender. A file from another machine is begun anew: times of two
    machines do not belong in one table.
    """
    device = "cpu" if machine["device"] == "cpu" else "cuda"
    path = folder / f"{table}_{device}.json"
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    same = all(old.get("machine", {}).get(k) == machine[k] for k in ("cpu", "device", "threads"))
    merged = {_key(row): row for row in [*(old["rows"] if same and old else []), *(_plain(row) for row in rows)]}
    doc = {"table": table, "machine": machine, "rows": list(merged.values())}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(doc, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(markdown(doc), encoding="utf-8")
    return path


def markdown(doc: dict[str, Any]) -> str:
    """The table of a stored document."""
    machine, rows = doc["machine"], doc["rows"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    where = machine["cpu"] if machine["device"] == "cpu" else f"{machine['device']}, host {machine['cpu']}"
    threads = f"{machine['threads']} thread" + ("s" if machine["threads"] != 1 else "")
    head = f"# {TITLES[doc['table']]}\n\nMeasured on {where}, {threads}; Python {machine['python']}, {versions}.\n"
    return head + LAYOUTS[doc["table"]](rows) + "\nGenerated from the JSON file of the same name; do not edit.\n"


def _programs(rows: list[Row]) -> str:
    lines = ["", "| instance | solver | CPU s | wall s | ratio | gap | certified, CPU s | ratio | best gap | outcome |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|---:|---|")
    own = {row["instance"]: row for row in rows if row["contender"] == "interior"}
    for row in rows:
        setting = f" at {row['setting']:.0e}" if "setting" in row and row["contender"] != "interior" else ""
        rival = own.get(row["instance"])
        cells = [row["instance"], row["contender"] + setting, _number(row, "cpu_s"), _number(row, "wall_s")]
        cells += [ratio(row, rival), _gap(row, "gap_known"), _number(row, "certified_cpu_s")]
        cells += [ratio(row, rival, "certified_cpu_s"), _gap(row, "gap"), _outcome(row)]
        lines.append("| " + " | ".join(cells) + " |")
    spreads = [f"{size}: {value:.2g}" for size, value in spread(rows).items()]
    lines += [
        "",
        "CPU seconds of `interior`, slowest over fastest beta: " + (", ".join(spreads) or "one beta only") + ".",
    ]
    return "\n".join([*lines, "", *NOTES, ""])


def ratio(row: Row, own: Row | None, name: str = "cpu_s") -> str:
    """CPU seconds over those of `interior`; `>` (wall seconds) where a peer did not finish; parentheses: it missed."""
    if own is None or own["status"] != "reached" or row["status"] in ("skipped", "failed"):
        return "-"
    if name not in row or row["status"] == "limit":
        return f"> {row['limit_s'] / max(own['cpu_s'], own['wall_s']):.2g}" if "limit_s" in row else "-"
    found = f"{row[name] / own[name]:.3g}"
    return found if row["status"] == "reached" else f"({found})"


def spread(rows: list[Row]) -> dict[str, float]:
    """Slowest over fastest beta of `interior`, by size."""
    times: dict[str, list[float]] = {}
    for row in rows:
        if row["contender"] == "interior" and row["status"] == "reached":
            times.setdefault(row["instance"].split(",")[0], []).append(row["cpu_s"])
    return {size: max(found) / min(found) for size, found in times.items() if len(found) > 1}


def _network(rows: list[Row]) -> str:
    lines = [
        "",
        "| instance | CPU s | globalize | Adam, 4 seeds | L-BFGS, 4 seeds | Adam, 3 rates x 4 seeds | to Adam, % |",
    ]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        values = [f"{row[k]:.6g}" if k in row else "-" for k in ("globalize", "adam", "lbfgs", "adam_best")]
        distance = f"{100 * (row['globalize'] / row['adam'] - 1):+.3f}" if "adam" in row else row.get("error", "-")
        lines.append("| " + " | ".join([row["instance"], f"{row['seconds']:g}", *values, distance]) + " |")
    equal, generous = wins(rows, ("adam", "lbfgs")), wins(rows, ("adam_best",))
    said = f"Below both rivals at equal CPU seconds on {equal} of {len(rows)} instances; below the best of twelve Adam"
    said += f" runs with three times the CPU seconds on {generous}."
    return "\n".join([*lines, "", said, *NETWORK_NOTES, ""])


def _certificates(rows: list[Row]) -> str:
    lines = ["", "| n, d, share of beta_max | budget s | CPU s | wall s | F | certified lower bound | gap | proof |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|---|")
    for row in rows:
        times = [f"{row[k]:.3g}" for k in ("budget_s", "cpu_s", "wall_s")]
        values = [f"{row['value']:.7g}", f"{row['lower']:.7g}", f"{row['gap']:.1e}"]
        lines.append("| " + " | ".join([row["instance"], *times, *values, row["method"].replace("|", "/")]) + " |")
    return "\n".join([*lines, "", "The bound holds for every network of every width. No peer gives one.", ""])


def _first_order(rows: list[Row]) -> str:
    lines = ["", "| instance | steps | gap | CPU s | a step, ms | two products, ms | ratio |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        times = [f"{row['cpu_s']:.3g}", f"{1e3 * row['step_s']:.3g}", f"{1e3 * row['floor_s']:.3g}"]
        cells = [row["instance"], str(row["steps"]), f"{row['gap']:.1e}", *times]
        lines.append("| " + " | ".join([*cells, f"{row['step_s'] / row['floor_s']:.2f}"]) + " |")
    said = [
        "A step of the accelerated gradient in float32, everything included, over X W and X'V alone: no step can do"
    ]
    said.append("without these two products. The gap is certified in float64.")
    return "\n".join([*lines, "", *said, ""])


def _uci(rows: list[Row]) -> str:
    names = list(dict.fromkeys(row["contender"] for row in rows))
    sets = list(dict.fromkeys(row["instance"] for row in rows))
    found = {_key(row): row for row in rows}
    head = ["", "| set | n, d, c | " + " | ".join(names) + " |", "|---|---|" + "---:|" * len(names)]
    scores, times = list(head), list(head)
    for name in sets:
        some = next(row for row in rows if row["instance"] == name)
        start = f"| {name} | {some['rows']}, {some['features']}, {some.get('classes', '-')} | "
        cells = [found.get((name, contender)) for contender in names]
        top = max(round(100 * row["score"], 1) for row in cells if row)
        scores.append(start + " | ".join(_score(row, top) for row in cells) + " |")
        times.append(start + " | ".join(f"{row['cpu_s']:.3g}" if row else "-" for row in cells) + " |")
    whole = [name for name in sets if all((name, contender) in found for contender in names)]
    ranks = np.array([_ranks([found[name, contender]["score"] for contender in names]) for name in whole])
    if len(whole):
        means = [f"{rank:.2f}" for rank in ranks.mean(axis=0)]
        scores.append(f"| mean rank of {len(whole)} | | " + " | ".join(means) + " |")
    return "\n".join(["", "Percent:", *scores, "", "CPU seconds:", *times, "", *UCI_NOTES, ""])


def _score(row: Row | None, top: float) -> str:
    """Percent with half the range over the seeds; the best of a set in bold."""
    if row is None:
        return "-"
    spread = 50 * (max(row["scores"]) - min(row["scores"]))
    said = f"{100 * row['score']:.1f}"
    return (f"**{said}**" if round(100 * row["score"], 1) == top else said) + f" ({spread:.1f})"


def _ranks(scores: list[float]) -> list[float]:
    """1 for the best; equal scores share the mean of their ranks."""
    return [sum(s > own for s in scores) + 0.5 * (sum(s == own for s in scores) + 1) for own in scores]


NOTES = (
    "Same objective for all (sum loss with the factor 1/2, group penalty beta); CPU seconds of the solve alone, median",
    "of three runs where one takes less than five seconds. `interior` and its siblings include a certificate; peers",
    "are run without one at several tolerances and judged afterwards. Left: the cheapest run within 1e-6 of the",
    "best bound known. Right (`certified`): the cheapest run whose point alone lets the judge prove 1e-6; `best gap`",
    "is the best that any of its points proves. Ratios are over `interior`; in parentheses where 1e-6 was missed.",
)
NETWORK_NOTES = (
    "The training objective after the stated CPU seconds. Adam: width 200, four seeds in one batch, cosine decay to",
    "zero over the whole time, initial rate 0.03 (in the last column also 0.1 and 0.01, the whole time for each).",
    "L-BFGS: four seeds share that many wall seconds. `globalize` is read off its history at that CPU second.",
)
UCI_NOTES = (
    "Mean over the seeds (another random cut each), in parentheses half the range; R2 for diabetes. n rows trained on,",
    "d features, c classes. Everybody has eight settings, the same three inner folds, the same rows and a refit;",
    "`benchmarks/uci.py` holds the grids, fixed before the first run. Time is of search and refit. What convexnn adds",
    "is a bound, for the program with the drawn gates, that goes with every answer; no other row has one. Where ReLU",
    "takes many seconds, the interior point stalled at the smallest beta and alternating directions went on.",
)
TITLES = {
    "uci": "Test accuracy on real tables, the same budget for everybody",
    "gated": "Gated ReLU programs, certified relative gap 1e-6",
    "cone": "ReLU programs with cones, certified relative gap 1e-6",
    "first_order": "The accelerated gradient in float32, certified relative gap 1e-3",
    "network": "The training problem: column generation against gradient training at equal CPU seconds",
    "certificates": "Certificates for all networks of all widths",
}
LAYOUTS = {
    "uci": _uci,
    "gated": _programs,
    "cone": _programs,
    "first_order": _first_order,
    "network": _network,
    "certificates": _certificates,
}


def _key(row: Row) -> tuple[str, str]:
    return row["instance"], row.get("contender", "")


def _plain(row: Row) -> Row:
    """Floats to six digits; what is not finite is left out."""
    kept = {k: float(v) if hasattr(v, "dtype") else v for k, v in row.items()}
    kept = {k: v for k, v in kept.items() if not (isinstance(v, float) and not math.isfinite(v))}
    short = ("cpu_s", "wall_s", "gap", "gap_known")
    return {k: float(f"{v:.4g}") if k in short or k.endswith("_cpu_s") else v for k, v in kept.items()}


def _outcome(row: Row) -> str:
    """The status and, unless it says the same, the note."""
    note = row["note"].removeprefix("failed: ").replace("|", "/")
    return row["status"] + (f": {note}" if note else "")


def _number(row: Row, name: str) -> str:
    if name in row:
        return f"{row[name]:.3g}"
    return f"> {row['limit_s']:.3g}" if "limit_s" in row else "-"


def _gap(row: Row, name: str) -> str:
    return f"{max(row[name], 0.0):.0e}" if name in row else "-"
