"""What is to be run: one notebook with all its parameter values, and the slot its result belongs in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convexnn.pipeline.notebooks import Notebook, find
from convexnn.pipeline.project import Project
from convexnn.pipeline.slots import Slot


@dataclass(frozen=True)
class Request:
    """One result to be made; `elsewhere` is where the same result may lie already, `expected_s` how long it may take.

    An ordinary result may lie among the points of a sweep, a point among the ordinary results: both have one key.
    """

    notebook: Notebook
    values: Mapping[str, Any]
    slot: Slot
    size: str
    elsewhere: Slot
    expected_s: float | None = None


def plan(project: Project, names: Sequence[str], size: str, given: Mapping[str, str] | None = None) -> list[Request]:
    """Validate everything before any kernel starts: names, parameters cells, parameter names and types."""
    requests = []
    for notebook in find(project, names):
        values = notebook.values(size, given)
        slot, point = Slot.of(project, notebook, size, values), Slot.of_point(project, notebook, size, values)
        requests.append(Request(notebook, values, slot, size, point, expected_s(slot)))
    return requests


def expected_s(slot: Slot) -> float | None:
    """How long it took the last time."""
    run = slot.finished()
    return None if run is None else float(run["elapsed_s"])
