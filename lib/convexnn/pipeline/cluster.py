"""A Dask cluster as the place where notebooks run.

Workers need a checkout of the same library and notebooks, and no common disk: an order goes out, a worker runs the
notebook in its own scratch folder, and the finished folder comes back packed, to be sealed and published here. The lock
of the point stays with this process. A worker that dies takes its kernel along (the leash of execute.py), and the
scheduler gives the point to another one.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import io
import json
import os
import tempfile
import threading
import time
import traceback
import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from convexnn.pipeline.keys import State
from convexnn.pipeline.notebooks import find
from convexnn.pipeline.places import Filling, Here
from convexnn.pipeline.planning import Request
from convexnn.pipeline.progress import Progress
from convexnn.pipeline.project import Project, ProjectError, read_json
from convexnn.pipeline.provenance import device_kind
from convexnn.pipeline.slots import Slot

#: Points handed to the scheduler at once: more than any small cluster has room for, so that no worker waits.
HANDED = 200
#: How long a scheduler may take to answer.
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Order:
    """What a worker has to know; `files` and `environment` are what the key will be made of."""

    root: str
    notebook: str
    code: str
    label: str
    size: str
    values: Mapping[str, Any]
    files: Mapping[str, str]
    environment: Mapping[str, str]
    device: str
    topic: str


@dataclass(frozen=True)
class Delivery:
    """The folder of an execution, packed."""

    filling: Filling
    packed: bytes


class Cluster:
    """Connects when it is entered; ProjectError when Dask is not installed or no scheduler answers."""

    def __init__(self, address: str) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise ProjectError("a Dask cluster needs distributed, which is not installed: pip install -e '.[sweep]'")
        distributed: Any = importlib.import_module("distributed")
        try:
            self.client = distributed.Client(address, timeout=TIMEOUT_S, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            start = "start one with `dask scheduler`, and workers with `dask worker ADDRESS` in this checkout"
            raise ProjectError(f"scheduler {address} does not answer ({error}); {start}") from error
        self.topic = f"convexnn-{uuid.uuid4().hex}"
        self.shown: dict[str, tuple[Progress, float | None]] = {}
        self.client.subscribe_topic(self.topic, self._tell)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *details: object) -> None:
        self.client.close()

    def room(self) -> tuple[int, int]:
        """One for each thread of each worker; the scheduler keeps what waits."""
        return max(1, sum(self.client.nthreads().values())), HANDED

    def fill(self, request: Request, state: State, progress: Progress, stop: threading.Event) -> Filling:
        """Order, wait, unpack; what the cluster could not do becomes the failure of this point."""
        started, began = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        label = request.slot.label
        self.shown[label] = (progress, request.expected_s)
        future = self.client.submit(
            at_worker, self._order(request, state), key=f"{label}-{uuid.uuid4().hex}", pure=False
        )
        try:
            while not future.done():
                if stop.wait(0.2):
                    future.cancel()
                    return Filling(130, started, time.monotonic() - began)
            delivery: Delivery = future.result()
        except (Exception, asyncio.CancelledError) as error:  # the worker's, the scheduler's or the network's
            said = {"where": "the cluster", "cell_id": "", "error": f"{type(error).__name__}: {error}"}
            said["traceback"] = "".join(traceback.format_exception(error))
            (request.slot.running / "failure.json").write_text(json.dumps(said, indent=1), encoding="utf-8")
            return Filling(1, started, time.monotonic() - began)
        finally:
            self.shown.pop(label, None)
            future.release()
        unpack(delivery.packed, request.slot.running, state.project)
        return delivery.filling

    def _order(self, request: Request, state: State) -> Order:
        notebook = request.notebook
        head = (str(state.project.root), notebook.name, notebook.code_hash, request.slot.label, request.size)
        needed = (dict(request.values), dict(state.library), dict(state.environment), device_kind(request.values))
        return Order(*head, *needed, self.topic)

    def _tell(self, event: tuple[float, Mapping[str, Any]]) -> None:
        """Called in the client's own thread with what a worker said."""
        said = event[1]
        progress, expected_s = self.shown.get(said["label"], (None, None))
        if progress is not None and said["what"] == "start":
            progress.start(said["label"], expected_s)
        elif progress is not None:
            progress.cell(said["label"], said["cell"], said["of"])


def at_worker(order: Order) -> Delivery:
    """Run one order in the worker's scratch folder; ends the notebook when nobody waits for it any more."""
    distributed: Any = importlib.import_module("distributed")
    worker = distributed.get_worker()
    key, stop, over = worker.get_current_task(), threading.Event(), threading.Event()
    project = Project.find(Path(order.root) if (Path(order.root) / "pyproject.toml").is_file() else None)
    state, notebook = State.now(project), find(project, [order.notebook])[0]
    refuse_another_library(order, state)

    def watch() -> None:
        while not over.wait(1.0):
            task = worker.state.tasks.get(key)
            if task is None or task.state not in ("executing", "long-running"):
                stop.set()

    threading.Thread(target=watch, daemon=True).start()
    with tempfile.TemporaryDirectory(dir=worker.local_directory) as scratch:
        slot = Slot(Path(scratch), "point")
        slot.begin()
        request = Request(notebook, order.values, slot, order.size, slot)
        try:
            said = _Said(order.label, lambda words: worker.log_event(order.topic, words))
            filling = Here(project).fill(request, state, said, stop)
        finally:
            over.set()
        return Delivery(filling, b"" if stop.is_set() else pack(slot.running, project))


def refuse_another_library(order: Order, state: State) -> None:
    """ProjectError when the worker would make another result than the one that was ordered."""
    ours = {**state.library, f"notebooks/{order.notebook}.py": find(state.project, [order.notebook])[0].code_hash}
    theirs = {**order.files, f"notebooks/{order.notebook}.py": order.code}
    differ = [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
    packages = {*state.environment, *order.environment}
    differ += [name for name in sorted(packages) if state.environment.get(name) != order.environment.get(name)]
    differ += ["the device"] if device_kind(order.values) != order.device else []
    if differ:
        more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
        raise ProjectError(
            f"the worker has another {', '.join(differ[:3])}{more}; bring its checkout and environment up to date"
        )


@dataclass(frozen=True)
class _Said:
    """Progress at a worker: events for the client. Everything but start and cell is said by the client itself."""

    label: str
    send: Callable[[Mapping[str, Any]], None]

    def start(self, label: str, expected_s: float | None) -> None:
        self.send({"what": "start", "label": self.label})

    def cell(self, label: str, cell: int, of: int) -> None:
        self.send({"what": "cell", "label": self.label, "cell": cell, "of": of})

    def done(self, label: str, line: str) -> None: ...
    def note(self, line: str) -> None: ...
    def tick(self) -> None: ...
    def __enter__(self) -> _Said:
        return self

    def __exit__(self, *details: object) -> None: ...


def pack(folder: Path, project: Project) -> bytes:
    """An archive of `folder`; the files in its trace are named from lib/, which lies elsewhere on other machines."""
    trace = read_json(folder / "trace.json")
    if trace is not None:
        lib = project.lib.resolve()
        trace["files"] = [Path(file).relative_to(lib).as_posix() for file in trace["files"]]
        (folder / "trace.json").write_text(json.dumps(trace), encoding="utf-8")
    for name in ("processes.json", "job.json"):  # process ids and paths of the worker's machine
        (folder / name).unlink(missing_ok=True)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return out.getvalue()


def unpack(packed: bytes, folder: Path, project: Project) -> None:
    """The reverse: into `folder`, with the trace's files in this project's lib/."""
    if not packed:
        return
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
    trace = read_json(folder / "trace.json")
    if trace is not None:
        lib = project.lib.resolve()
        trace["files"] = [os.fspath(lib / file) for file in trace["files"]]
        (folder / "trace.json").write_text(json.dumps(trace), encoding="utf-8")
