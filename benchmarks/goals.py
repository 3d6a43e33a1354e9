"""What was to be reached, and what the stored measurements say: one table, computed from the JSON files alone.

A ratio is CPU seconds of the fastest peer whose own point proves 1e-6 over those of `interior`. A peer that was stopped
before it proved anything may be the fastest from the second on at which it was stopped (or which its looser setting had
taken): where that is sooner, the ratio is a lower bound. In parentheses the ratio over the fastest peer whose point is
within 1e-6 of the best bound known, which its user could not have told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers import OURS
from benchmarks.storing import RESULTS, spread
from benchmarks.training import wins

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Found = tuple[str, bool | None]
OWN = {contender.name for contender in OURS}
UNMEASURED: Found = ("not measured", None)
NOTE = """Computed from the JSON files in this folder by `python -m benchmarks goals`; do not edit. Seconds are CPU
seconds of one thread. A ratio counts the fastest peer whose own point proves 1e-6, or `>` the time at which the first
one was stopped where that is less; in parentheses, over the fastest peer whose point is within 1e-6 of the best bound
known."""


@dataclass(frozen=True)
class Goal:
    """text: the problem; wanted: what was to be reached; measure: the measured words, and whether that is enough."""

    text: str
    wanted: str
    measure: Callable[[Tables], Found]


def faster(table: str, instance: str, factor: float) -> Callable[[Tables], Found]:
    """`interior` against the best peer on one instance."""

    def measure(tables: Tables) -> Found:
        rows = [row for row in tables.get(table, []) if row["instance"] == instance]
        own = next((row for row in rows if row["contender"] == "interior" and row["status"] == "reached"), None)
        peers = [row for row in rows if row["contender"] not in OWN and row["status"] not in ("skipped", "failed")]
        if own is None or not peers:
            return UNMEASURED
        proved = min((row["certified_cpu_s"] for row in peers if "certified_cpu_s" in row), default=math.inf)
        unfinished = [row for row in peers if "limit_s" in row and "certified_cpu_s" not in row]
        stopped = min((max(row["limit_s"], row.get("cpu_s", 0.0)) for row in unfinished), default=math.inf)
        seconds, sign = (proved, "") if proved <= stopped else (stopped, "> ")
        ratio = seconds / (own["cpu_s"] if proved <= stopped else max(own["cpu_s"], own["wall_s"]))
        near = [row["cpu_s"] for row in peers if row["status"] == "reached"]
        kinder = f" ({min(near) / own['cpu_s']:.3g}x)" if near else ""
        if math.isinf(seconds):
            return f"{own['cpu_s']:.3g} s; no peer's point proves it{kinder}", None
        said = f"{own['cpu_s']:.3g} s; best peer {sign}{seconds:.3g} s: {sign}{ratio:.3g}x{kinder}"
        return said, True if ratio >= factor else False if proved / own["cpu_s"] < factor else None

    return measure


def within(table: str, instance: str, seconds: float) -> Callable[[Tables], Found]:
    """`interior` in so many CPU seconds."""

    def measure(tables: Tables) -> Found:
        for row in tables.get(table, []):
            if row["instance"] == instance and row["contender"] == "interior":
                return f"{row['cpu_s']:.3g} s, {row['status']}", row["status"] == "reached" and row["cpu_s"] <= seconds
        return UNMEASURED

    return measure


def even(tables: Tables) -> Found:
    """Slowest over fastest beta."""
    found = spread(tables.get("gated", []))
    wanted = [found[name] for name in ("gated S", "gated M", "gated L") if name in found]
    said = ", ".join(f"{name.split()[1]} {value:.2g}x" for name, value in found.items())
    return (said, max(wanted) <= 2.0) if len(wanted) == 3 else UNMEASURED


def near_floor(tables: Tables) -> Found:
    """A float32 step over its two products, at XL."""
    for row in tables.get("first_order", []):
        if row["instance"].startswith("gated XL"):
            ratio = row["step_s"] / row["floor_s"]
            return f"{ratio:.2f}x, {row['status']} at gap {row['gap']:.1e}", row["status"] == "solved" and ratio <= 2.0
    return UNMEASURED


def below_training(tables: Tables) -> Found:
    rows = tables.get("network", [])
    count = wins(rows, ("adam", "lbfgs"))
    return (f"below both on {count} of {len(rows)}", count >= 9) if len(rows) >= 10 else UNMEASURED


def gap(instance: str, wanted: float, seconds: float = 60.0, budget: float = 0.0) -> Callable[[Tables], Found]:
    """A network certificate."""

    def measure(tables: Tables) -> Found:
        for row in tables.get("certificates", []):
            if row["instance"] == instance and row["budget_s"] >= budget:
                said = f"{row['gap']:.1e} in {row['cpu_s']:.3g} CPU s ({row['method']})"
                return said, row["gap"] <= wanted and row["cpu_s"] <= seconds
        return UNMEASURED

    return measure


GOALS = (
    Goal("gated M, 0.01 beta_max, 1e-6", ">= 25x the best peer", faster("gated", "gated M, 0.01 beta_max", 25)),
    Goal("gated L, 0.01, 1e-6", ">= 25x", faster("gated", "gated L, 0.01 beta_max", 25)),
    Goal("gated S, M, L: slowest over fastest beta", "<= 2x", even),
    Goal("gated XL, 0.01, 1e-6", "<= 20 s", within("gated", "gated XL, 0.01 beta_max", 20)),
    Goal("gated XL, first order in float32 to 1e-3", "<= 2x of two products a step", near_floor),
    Goal("ReLU S, 0.01, 1e-6", ">= 15x", faster("cone", "cone S, 0.01 beta_max", 15)),
    Goal("ReLU M, 0.1, 1e-6", ">= 3x", faster("cone", "cone M, 0.1 beta_max", 3)),
    Goal("ReLU M, 0.01, 1e-6", "<= 12 s", within("cone", "cone M, 0.01 beta_max", 12)),
    Goal("network objective, S, 0.01", "below training on 9 of 10", below_training),
    Goal("network gap (100, 5)", "1e-6 in 2 s", gap("(100, 5), 0.05", 1e-6, 2.0)),
    *(
        Goal(f"network gap ({n}, {d})", "1e-6 in 60 s", gap(f"({n}, {d}), 0.05", 1e-6))
        for n, d in ((40, 3), (40, 5), (200, 4), (500, 5), (1000, 4))
    ),
    Goal("network gap (100, 8)", "0.2 % in 60 s", gap("(100, 8), 0.05", 2e-3)),
    Goal("network gap (200, 20)", "3 %", gap("(200, 20), 0.05", 3e-2)),
    Goal("network gap S, 0.01", "10 %", gap("(200, 20), 0.01", 1e-1)),
    Goal("network gap, breast cancer (569, 30)", "the best in 600 s", gap("breast cancer, 0.05", 1.0, 700.0, 600.0)),
)


def stored(folder: Path = RESULTS, device: str = "cpu") -> Tables:
    """The rows of every table that was measured on one device."""
    paths = sorted(folder.glob(f"*_{device}.json"))
    return {
        path.stem.removesuffix(f"_{device}"): json.loads(path.read_text(encoding="utf-8"))["rows"] for path in paths
    }


def scoreboard(tables: Tables) -> str:
    """The goals as a Markdown table."""
    lines = ["| problem | to reach | measured | |", "|---|---|---|---|"]
    words = {True: "reached", False: "missed", None: "undecided"}
    for goal in GOALS:
        said, enough = goal.measure(tables)
        lines.append(f"| {goal.text} | {goal.wanted} | {said} | {words[enough]} |")
    return "\n".join(lines)
