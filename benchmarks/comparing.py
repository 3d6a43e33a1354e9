"""The tables of convex programs: every contender on every instance, judged, with its ratio to `interior`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks.instances import SIZES, Instance
from benchmarks.judging import Judgement, judge
from benchmarks.machine import installed
from benchmarks.peers import OURS, PEERS, Contender
from benchmarks.racing import Run, race
from convexnn.program import Program
from convexnn.solving import solve

#: The certified relative gap that is asked of everyone.
TARGET = 1e-6
#: The bound that peers are measured against comes from a solve to this gap.
KNOWN_TOL = 1e-8
#: Groups times samples beyond which peers on cones are judged against the known bound alone.
MANY_CONES = 100_000
Row = dict[str, Any]


def compare(
    instances: Iterable[Instance], names: tuple[str, ...], device: str, limit_s: float, say: Callable[[str], None]
) -> Iterator[Row]:
    """One row after the other; `names` picks contenders, all when empty."""
    for instance in instances:
        program = instance.build()
        chosen = [c for c in (*OURS, *PEERS) if instance.kind in c.kinds and (not names or c.name in names)]
        known = solve(program, tol=KNOWN_TOL, device=device, budget=limit_s).lower
        for contender in chosen:
            row = _row(contender, instance, program, known, device, limit_s)
            say(sentence(row))
            yield row


def _row(c: Contender, instance: Instance, program: Program, known: float, device: str, limit_s: float) -> Row:
    """The cheapest runs that reach the target against the known bound and by themselves, else the best run."""
    n, d, P = SIZES[instance.size]
    row: Row = {"instance": instance.name, "contender": c.name, "n": n, "d": d, "P": P, "share": instance.share}
    if c.package and not installed(c.package):
        return {**row, "status": "skipped", "note": f"{c.package} is not installed"}
    if n * d * P > c.largest:
        return {**row, "status": "skipped", "note": f"n d P = {n * d * P:.1e} is beyond what it was given"}
    alone = not c.package or program.groups * n < MANY_CONES or instance.kind == "gated"
    attempts: list[tuple[Run, Judgement]] = []
    note, waited = "", limit_s
    for run in race(c, instance, device, limit_s):
        found = (
            Judgement(error=run.error or "no point") if run.answer is None else judge(program, run.answer, known, alone)
        )
        if found.error:
            note, waited = found.error, run.wall_s if run.error else waited
            continue
        attempts.append((run, found))
        if (found.gap if alone else found.gap_known) <= TARGET:
            break
    return {**row, **_outcome(attempts, note, waited)}


def _outcome(attempts: list[tuple[Run, Judgement]], note: str, waited: float) -> Row:
    late = note.startswith("not finished")
    limit = {"limit_s": waited} if late else {}
    if not attempts:
        return {"status": "limit" if late else "failed", "note": note, **limit}
    reached = [pair for pair in attempts if pair[1].gap_known <= TARGET]
    run, found = reached[0] if reached else min(attempts, key=lambda pair: pair[1].gap_known)
    numbers = {"setting": run.setting, "cpu_s": run.cpu_s, "wall_s": run.wall_s, "repeats": run.repeats}
    judged = {"value": found.value, "gap_known": found.gap_known, "gap": min(f.gap for _, f in attempts)}
    alone = next((r.cpu_s for r, f in attempts if f.gap <= TARGET), None)
    proved = {} if alone is None else {"certified_cpu_s": alone}
    status = "reached" if reached else "limit" if late else "missed"
    return {"status": status, **numbers, **judged, **proved, "note": note, **limit}


def sentence(row: Row) -> str:
    """One line for the terminal."""
    head = f"{row['instance']}: {row['contender']} {row['status']}"
    if "cpu_s" in row:
        head += f" in {row['cpu_s']:.3g} CPU s ({row['wall_s']:.3g} s), gap {row['gap_known']:.1e}"
        head += f", certified by itself: {row.get('certified_cpu_s', float('nan')):.3g} CPU s, {row['gap']:.1e}"
    return head + (f" ({row['note']})" if row["note"] else "")
