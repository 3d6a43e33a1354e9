"""Sweeps: one notebook at every point of a grid, here or on a Dask cluster, and the tables and the figure of it.

    results/sweeps/<notebook>/points/<label>/    one point: a result like any other, with the same key
    results/sweeps/<notebook>/<grid>/            summary.json, summary.csv, summary.md, claims.png, claims.pdf

Points belong to the notebook and not to the grid: two grids share what they have in common, and a second call runs
nothing. A result of the same key among the ordinary ones is copied, not made again, and the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convexnn.pipeline.grid import Grid, parse
from convexnn.pipeline.keys import State
from convexnn.pipeline.notebooks import Notebook, find
from convexnn.pipeline.places import Here, Place
from convexnn.pipeline.planning import Request, expected_s
from convexnn.pipeline.progress import Countdown, PlainProgress, Progress, duration
from convexnn.pipeline.project import Project
from convexnn.pipeline.runner import Outcome, Runner, check_installed
from convexnn.pipeline.slots import Slot, recover_in


@dataclass(frozen=True)
class Sweep:
    """A grid of one notebook with the request of every point, in the grid's order."""

    notebook: Notebook
    grid: Grid
    points: tuple[Mapping[str, Any], ...]
    requests: tuple[Request, ...]

    def folder(self, project: Project) -> Path:
        """Where tables and figure of this grid lie."""
        return project.sweeps(self.notebook.name) / self.grid.label


def plan(project: Project, name: str, text: str, size: str = "quick") -> Sweep:
    """Validate notebook, grid and values before any kernel starts."""
    notebook = find(project, [name])[0]
    grid = parse(notebook, text, size)
    points = tuple(grid.points())
    requests = [_request(project, notebook, size, point) for point in points]
    return Sweep(notebook, grid, points, tuple(_timed(request, requests) for request in requests))


def run(
    project: Project, sweep: Sweep, jobs: int = 0, progress: Progress | None = None, place: Place | None = None
) -> list[Outcome]:
    """Make every point current; how each ended, in the grid's order.

    jobs    points at a time; 0: as many as the place has room for
    place   where they run; None: in processes of this machine
    """
    progress, place = progress or PlainProgress(), place or Here(project)
    for label in recover_in(sweep.requests[0].slot.base):
        progress.note(f"{label}: cleaned up after a run that was killed")
    state = State.now(project)
    todo = [r for r in sweep.requests if state.changes(r.notebook, r.values, r.slot)]
    ended = {r.slot.label: Outcome(r.slot.label, "unchanged") for r in sweep.requests if r not in todo}
    if todo:
        check_installed()
        room, handed = place.room()
        countdown = Countdown(progress, {r.slot.label: r.expected_s for r in todo}, jobs or room)
        progress.note(opening(sweep, len(todo), countdown))
        ended |= {
            outcome.label: outcome for outcome in Runner(project, countdown, place=place).all(todo, jobs or handed)
        }
    return [ended[r.slot.label] for r in sweep.requests]


def opening(sweep: Sweep, todo: int, countdown: Countdown) -> str:
    """How much there is to do, and for about how long."""
    left = countdown.left_s()
    times = "" if left is None else f", about {duration(left)} by the times of earlier runs"
    return f"{sweep.notebook.name}: {len(sweep.grid)} points, {todo} to run, {countdown.at_once} at a time{times}"


def _timed(request: Request, others: Sequence[Request]) -> Request:
    """With a time: its own, else the mean of the other points of its size."""
    known = [other.expected_s for other in others if other.size == request.size and other.expected_s is not None]
    guess = sum(known) / len(known) if known else None
    return request if request.expected_s is not None else replace(request, expected_s=guess)


def _request(project: Project, notebook: Notebook, size: str, point: Mapping[str, Any]) -> Request:
    """The point as a request; its time is that of the last run, else of the ordinary result of that size."""
    size = point.get("size", size)
    values = {**notebook.values(size), **point}
    slot, ordinary = Slot.of_point(project, notebook, size, values), Slot.of(project, notebook, size, values)
    times = (expected_s(known) for known in (slot, ordinary, Slot(project.results(size), notebook.name)))
    return Request(notebook, values, slot, size, ordinary, next((time for time in times if time is not None), None))
