"""Bring results up to date: one process per notebook, several at a time, failures kept and told, the rest goes on.

Nothing is imported from torch, papermill or Jupyter here: a call that finds everything current starts no process.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from convexnn.pipeline.keys import State, key_of
from convexnn.pipeline.notebooks import Notebook, find
from convexnn.pipeline.progress import PlainProgress, Progress
from convexnn.pipeline.project import Project, ProjectError, read_json
from convexnn.pipeline.provenance import provenance
from convexnn.pipeline.sealing import finish
from convexnn.pipeline.slots import Slot, end_processes, recover_all
from convexnn.report import write_atomically

Ending = Literal["finished", "unchanged", "failed", "interrupted"]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Request:
    """One notebook with all its parameter values, and the slot its result belongs in."""

    notebook: Notebook
    values: Mapping[str, Any]
    slot: Slot
    size: str


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


def plan(project: Project, names: Sequence[str], size: str, given: Mapping[str, str] | None = None) -> list[Request]:
    """Validate everything before any kernel starts: names, parameters cells, parameter names and types."""
    requests = []
    for notebook in find(project, names):
        values = notebook.values(size, given)
        requests.append(Request(notebook, values, Slot.of(project, notebook, size, values), size))
    return requests


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
    """The threads that each look after one process; `stop` ends them all."""

    def __init__(self, project: Project, progress: Progress, force: bool) -> None:
        self.project, self.progress, self.force = project, progress, force
        self.stop = threading.Event()

    def all(self, requests: Sequence[Request], jobs: int) -> list[Outcome]:
        """Run the requests, the longest of the last time first; an interrupt ends the processes and is told."""
        order = sorted(requests, key=lambda r: -(expected_s(r.slot) or 1e9))
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
            slot.begin()
            self.progress.start(label, expected_s(slot))
            outcome = replace(self.attempt(request, state), reasons=reasons or ("forced",))
            self.progress.done(label, outcome.sentence())
            return outcome

    def attempt(self, request: Request, state: State) -> Outcome:
        """One execution in a fresh process, from the empty folder to the swap."""
        slot, began = request.slot, time.monotonic()
        started = datetime.now(UTC).isoformat(timespec="seconds")
        process = self.spawn(request, state)
        code = self.follow(process, slot.label)
        elapsed_s = time.monotonic() - began
        end_processes(slot.running / "processes.json")
        if self.stop.is_set() and code != 0:
            slot.recover()
            return Outcome(slot.label, "interrupted", elapsed_s)
        if code != 0 or not (slot.running / "trace.json").exists():
            failure = read_json(slot.running / "failure.json") or _vanished(code)
            failure = {"notebook": request.notebook.name, "elapsed_s": elapsed_s, "started": started, **failure}
            slot.keep_failure(failure)
            return Outcome(slot.label, "failed", elapsed_s, failure=failure)
        parts = state.parts(request.notebook, request.values, read_json(slot.running / "trace.json") or {})
        about = {"notebook": request.notebook.name, "size": request.size, "started": started, "elapsed_s": elapsed_s}
        finish(slot, parts, about)
        return Outcome(slot.label, "finished", elapsed_s)

    def spawn(self, request: Request, state: State) -> subprocess.Popen[str]:
        """The process that runs the notebook; it ends itself when this one dies."""
        folder = request.slot.running
        defaults = {name: parameter.default for name, parameter in request.notebook.parameters.items()}
        inject = {name: value for name, value in request.values.items() if value != defaults[name]}
        job = {"folder": str(folder), "source": str(request.notebook.path), "inject": inject}
        write_atomically(folder / "job.json", json.dumps(job))
        with (folder / "log.txt").open("w", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "convexnn.pipeline.execute", str(folder / "job.json")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.project.root,
                env=environment_of(self.project, request, state),
                start_new_session=True,
            )

    def follow(self, process: subprocess.Popen[str], label: str) -> int:
        """Pass its events on until it ends; an interrupt lets go of its leash."""

        def watch() -> None:
            while process.poll() is None:
                if self.stop.wait(0.2) and process.stdin is not None:
                    process.stdin.close()
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            self.progress.cell(label, event["cell"], event["of"])
        return process.wait()


def environment_of(project: Project, request: Request, state: State) -> dict[str, str]:
    """Where the notebook writes, what it is, one thread for each library, and this project's code first."""
    folder = request.slot.running
    ours = {
        "CONVEXNN_ROOT": str(project.root),
        "CONVEXNN_LIB": str(project.lib),
        "CONVEXNN_NOTEBOOK": request.notebook.name,
        "CONVEXNN_RESULT_DIR": str(folder),
        "CONVEXNN_TRACE": str(folder / "trace.json"),
        "CONVEXNN_KEY": "running-" + key_of(state.parts(request.notebook, request.values, {})),
        "CONVEXNN_PROVENANCE": json.dumps(provenance(project.root, request.values)),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(project.lib), os.environ.get("PYTHONPATH")])),
        "PYTHONHASHSEED": "0",
    }
    return {**dict.fromkeys(THREADS, "1"), **os.environ, **ours}


def expected_s(slot: Slot) -> float | None:
    """How long it took the last time."""
    run = slot.finished()
    return None if run is None else float(run["elapsed_s"])


def _vanished(code: int) -> dict[str, Any]:
    text = f"the process ended with {code} and left no message; see failed/log.txt (killed, or out of memory?)"
    if code == 0:
        text = "the notebook left before its last cell; remove sys.exit() or exit() from its cells"
    return {"where": "an unknown cell", "cell_id": "", "error": text, "traceback": ""}
