"""Where a notebook runs. Here: in a process of this machine (the other place is a cluster, in cluster.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from convexnn.pipeline.keys import State, key_of
from convexnn.pipeline.planning import Request
from convexnn.pipeline.progress import Progress
from convexnn.pipeline.project import Project
from convexnn.pipeline.provenance import THREADS, provenance
from convexnn.pipeline.slots import end_processes
from convexnn.report import write_atomically


@dataclass(frozen=True)
class Filling:
    """How an execution ended: its exit code (0: `slot.running` is whole), when it began and how long it took."""

    code: int
    started: str
    elapsed_s: float


class Place(Protocol):
    """Something that can run a notebook into the empty folder `request.slot.running`."""

    def room(self) -> tuple[int, int]: ...  # how many run side by side, how many to hand over at once
    def fill(self, request: Request, state: State, progress: Progress, stop: threading.Event) -> Filling: ...


class Here:
    """A fresh process of this machine for each notebook."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def room(self) -> tuple[int, int]:
        """One for each core."""
        cores = os.cpu_count() or 1
        return cores, cores

    def fill(self, request: Request, state: State, progress: Progress, stop: threading.Event) -> Filling:
        """Run, follow, and leave no process behind; when `stop` is set the notebook is ended."""
        started, began = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        progress.start(request.slot.label, request.expected_s)
        process = self.spawn(request, state)
        code = follow(process, request.slot.label, progress, stop)
        end_processes(request.slot.running / "processes.json")
        return Filling(code, started, time.monotonic() - began)

    def spawn(self, request: Request, state: State) -> subprocess.Popen[str]:
        """The process that runs the notebook; it ends itself when this one dies."""
        folder = request.slot.running
        defaults = {name: parameter.default for name, parameter in request.notebook.parameters.items()}
        inject = {name: value for name, value in request.values.items() if value != defaults[name]}
        job = {"folder": str(folder), "source": str(request.notebook.path), "inject": inject}
        write_atomically(folder / "job.json", json.dumps(job))
        environment = environment_of(self.project, request, state)
        write_atomically(folder / "provenance.json", environment["CONVEXNN_PROVENANCE"])
        with (folder / "log.txt").open("w", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "convexnn.pipeline.execute", str(folder / "job.json")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.project.root,
                env=environment,
                start_new_session=True,
            )


def follow(process: subprocess.Popen[str], label: str, progress: Progress, stop: threading.Event) -> int:
    """Pass its events on until it ends; `stop` lets go of its leash."""

    def watch() -> None:
        while process.poll() is None:
            if stop.wait(0.2) and process.stdin is not None:
                process.stdin.close()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        progress.cell(label, event["cell"], event["of"])
    return process.wait()


def environment_of(project: Project, request: Request, state: State) -> dict[str, str]:
    """Where the notebook writes, what it is, one thread for each library, and this project's code first."""
    folder = request.slot.running
    shared = {**dict.fromkeys(THREADS, "1"), **os.environ}
    ours = {
        "CONVEXNN_ROOT": str(project.root),
        "CONVEXNN_LIB": str(project.lib),
        "CONVEXNN_NOTEBOOK": request.notebook.name,
        "CONVEXNN_RESULT_DIR": str(folder),
        "CONVEXNN_TRACE": str(folder / "trace.json"),
        "CONVEXNN_KEY": "running-" + key_of(state.parts(request.notebook, request.values, {})),
        "CONVEXNN_PROVENANCE": json.dumps(provenance(project.root, request.values, shared)),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(project.lib), os.environ.get("PYTHONPATH")])),
        "PYTHONHASHSEED": "0",
    }
    return {**shared, **ours}
