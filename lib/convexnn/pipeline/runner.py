"""Bring results up to date: one process per notebook, several at a time, failures kept and told, the rest goes on.

Nothing is imported from torch, papermill or Jupyter here: a call that finds everything current starts no process.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Literal

from convexnn.pipeline.keys import State
from convexnn.pipeline.places import Here, Place
from convexnn.pipeline.planning import Request, expected_s, plan
from convexnn.pipeline.progress import PlainProgress, Progress
from convexnn.pipeline.project import Project, ProjectError, read_json
from convexnn.pipeline.sealing import adopt, finish
from convexnn.pipeline.slots import recover_all

__all__ = ["Outcome", "Request", "Runner", "check_installed", "expected_s", "plan", "run"]

Ending = Literal["finished", "unchanged", "failed", "interrupted"]


@dataclass(frozen=True)
class Outcome:
    """How one request ended; `reasons` say why it ran, `failure` where it broke."""

    label: str
    ending: Ending
    elapsed_s: float = 0.0
    reasons: tuple[str, ...] = ()
    failure: Mapping[str, Any] | None = None

    def sentence(self) -> str:
        """One line for the log."""
        if self.failure is not None:
            return f"FAILED in {self.failure['where']}: {self.failure['error']}".splitlines()[0]
        took = f" in {self.elapsed_s:.1f} s" if self.ending == "finished" else ""
        return self.ending + took + (f" ({'; '.join(self.reasons[:3])})" if self.reasons else "")


def run(
    project: Project,
    names: Sequence[str] = (),
    size: str = "quick",
    jobs: int = 0,
    given: Mapping[str, str] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Make the results of `names` (all when empty) current and say how each ended, in notebook order.

    jobs   notebooks at a time; 0: one for each core
    given  parameter values as texts, checked against every notebook named
    """
    requests = plan(project, names, size, given)
    for label in recover_all(project, size):
        (progress or PlainProgress()).note(f"{label}: cleaned up after a run that was killed")
    state = State.now(project)
    changes = {r.slot.label: state.changes(r.notebook, r.values, r.slot) for r in requests}
    todo = [r for r in requests if force or changes[r.slot.label]]
    ended = {r.slot.label: Outcome(r.slot.label, "unchanged") for r in requests if r not in todo}
    if todo:
        check_installed()
        runner = Runner(project, progress or PlainProgress(), force)
        ended |= {outcome.label: outcome for outcome in runner.all(todo, jobs or os.cpu_count() or 1)}
    return [ended[r.slot.label] for r in requests]


def check_installed() -> None:
    """ProjectError when what runs notebooks is not installed."""
    missing = [name for name in ("papermill", "jupytext", "ipykernel") if importlib.util.find_spec(name) is None]
    if missing:
        raise ProjectError(f"{missing[0]} is not installed; to run notebooks: python -m pip install -e '.[notebooks]'")


class Runner:
    """The threads that each look after one execution; `stop` ends them all."""

    def __init__(self, project: Project, progress: Progress, force: bool = False, place: Place | None = None) -> None:
        self.project, self.progress, self.force = project, progress, force
        self.place: Place = place or Here(project)
        self.stop = threading.Event()

    def all(self, requests: Sequence[Request], jobs: int) -> list[Outcome]:
        """Run the requests, the longest of the last time first; an interrupt ends the processes and is told."""
        order = sorted(requests, key=lambda r: -(r.expected_s or 1e9))
        with self.progress, ThreadPoolExecutor(min(jobs, len(order))) as pool:
            futures: list[Future[Outcome]] = [pool.submit(self.one, request) for request in order]
            try:
                while wait(futures, timeout=0.5).not_done:
                    self.progress.tick()
            except KeyboardInterrupt:
                self.stop.set()
                self.progress.note("interrupted: ending the running notebooks")
                wait(futures)
        return [future.result() for future in futures]

    def one(self, request: Request) -> Outcome:
        """Take the lock, look again whether there is anything to do, run, publish or keep the failure."""
        slot, label = request.slot, request.slot.label
        with slot.lock(
            self.stop.is_set, lambda: self.progress.note(f"{label}: another run works on it, waiting")
        ) as held:
            state = State.now(self.project)
            reasons = tuple(state.changes(request.notebook, request.values, slot)) if held else ()
            if not held or self.stop.is_set():
                return Outcome(label, "interrupted")
            if not reasons and not self.force:
                return Outcome(label, "unchanged")
            slot.recover()
            if not self.force and self.adopt(request, state):
                return Outcome(label, "unchanged", reasons=("its result was found under another label",))
            slot.begin()
            outcome = replace(self.attempt(request, state), reasons=reasons or ("forced",))
            self.progress.done(label, outcome.sentence())
            return outcome

    def adopt(self, request: Request, state: State) -> bool:
        """Copy the result when it lies elsewhere, finished and current; nothing that is sealed is run twice."""
        twin = request.elsewhere
        if twin.finished() is None or state.changes(request.notebook, request.values, twin):
            return False
        if not adopt(request.slot, twin):
            return False
        self.progress.note(f"{request.slot.label}: taken from {self.project.relative(twin.folder)}, which has its key")
        return True

    def attempt(self, request: Request, state: State) -> Outcome:
        """One execution, from the empty folder to the swap."""
        slot = request.slot
        done = self.place.fill(request, state, self.progress, self.stop)
        if self.stop.is_set() and done.code != 0:
            slot.recover()
            return Outcome(slot.label, "interrupted", done.elapsed_s)
        about = {"notebook": request.notebook.name, "started": done.started, "elapsed_s": done.elapsed_s}
        if done.code != 0 or not (slot.running / "trace.json").exists():
            failure = {**about, **(read_json(slot.running / "failure.json") or _vanished(done.code))}
            slot.keep_failure(failure)
            return Outcome(slot.label, "failed", done.elapsed_s, failure=failure)
        parts = state.parts(request.notebook, request.values, read_json(slot.running / "trace.json") or {})
        finish(slot, parts, {**about, "size": request.size})
        return Outcome(slot.label, "finished", done.elapsed_s)


def _vanished(code: int) -> dict[str, Any]:
    text = f"the process ended with {code} and left no message; see failed/log.txt (killed, or out of memory?)"
    if code == 0:
        text = "the notebook left before its last cell; remove sys.exit() or exit() from its cells"
    return {"where": "an unknown cell", "cell_id": "", "error": text, "traceback": ""}
