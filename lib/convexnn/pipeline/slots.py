"""The folder of one result: who may write it, how it is replaced, and what a killed run leaves behind.

results/<size>/<label>/              the finished result; run.json is its marker, written last
results/<size>/.running/<label>/     being made; becomes the result by two renames
results/<size>/.previous/<label>/    the former result between those renames
results/<size>/.locks/<label>        held while a runner works on the label; the system frees it when it dies

The points of sweeps lie in the same way in results/sweeps/<notebook>/points/.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from convexnn.pipeline.notebooks import Notebook
from convexnn.pipeline.project import Project, digest_of, read_json
from convexnn.report import write_atomically


@dataclass(frozen=True)
class Slot:
    """Paths of one (size, label) and the moves between them; every mover holds `lock`."""

    base: Path
    label: str

    @classmethod
    def of(cls, project: Project, notebook: Notebook, size: str, values: Mapping[str, Any]) -> Slot:
        """The slot for these parameters: the notebook's own with its defaults, else `<notebook>@name=value,...`."""
        changed = _changed(notebook, size, values)
        return cls(project.results(size), f"{notebook.name}@{changed}" if changed else notebook.name)

    @classmethod
    def of_point(cls, project: Project, notebook: Notebook, size: str, values: Mapping[str, Any]) -> Slot:
        """The slot of these parameters as a point of sweeps: apart from the results that ledger and pages are of."""
        changed = _changed(notebook, size, values)
        return cls(project.sweeps(notebook.name) / "points", f"{size},{changed}" if changed else size)

    @property
    def folder(self) -> Path:
        return self.base / self.label

    @property
    def running(self) -> Path:
        return self.base / ".running" / self.label

    @property
    def previous(self) -> Path:
        return self.base / ".previous" / self.label

    def finished(self) -> dict[str, Any] | None:
        """The finish marker, or None when there is no finished result."""
        run = read_json(self.folder / "run.json")
        return run if run is not None and run.get("format") == 1 else None

    def failure(self) -> dict[str, Any] | None:
        """What went wrong the last time, or None."""
        return read_json(self.folder / "failed.json")

    def begin(self) -> None:
        """An empty folder to work in."""
        shutil.rmtree(self.running, ignore_errors=True)
        self.running.mkdir(parents=True)

    def publish(self) -> None:
        """Replace the result by the finished work; after a kill in between, `recover` completes it."""
        self.previous.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.previous, ignore_errors=True)
        if self.folder.exists():
            os.rename(self.folder, self.previous)
        os.rename(self.running, self.folder)
        shutil.rmtree(self.previous, ignore_errors=True)

    def recover(self) -> bool:
        """Clean up after a killed run: end its processes, complete or undo its moves. True when there was one."""
        if not self.running.exists() and not self.previous.exists():
            return False
        end_processes(self.running / "processes.json")
        if read_json(self.running / "run.json") is not None:
            self.publish()
        elif not self.folder.exists() and self.previous.exists():
            os.rename(self.previous, self.folder)
        shutil.rmtree(self.running, ignore_errors=True)
        shutil.rmtree(self.previous, ignore_errors=True)
        return True

    def keep_failure(self, failure: Mapping[str, Any]) -> None:
        """Keep the failed notebook, its partial result and its log beside the last finished result."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / "failed"
        shutil.rmtree(partial, ignore_errors=True)
        if (self.running / "notebook.ipynb").exists():
            os.replace(self.running / "notebook.ipynb", self.folder / "failed.ipynb")
        (self.running / "run.json").unlink(missing_ok=True)
        os.rename(self.running, partial)
        write_atomically(self.folder / "failed.json", _pretty(failure))

    @contextlib.contextmanager
    def lock(self, give_up: Callable[[], bool], waiting: Callable[[], None] = lambda: None) -> Iterator[bool]:
        """Hold the label; yields False when `give_up` said so before another runner let go of it."""
        path = self.base / ".locks" / self.label
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as handle:
            held, told = _try_lock(handle), False
            while not held and not give_up():
                if not told:
                    waiting()
                    told = True
                time.sleep(0.2)
                held = _try_lock(handle)
            yield held


def leftovers(base: Path) -> list[Slot]:
    """The slots below `base` in which a killed run left something."""
    return [Slot(base, path.name) for name in (".running", ".previous") for path in sorted((base / name).glob("*"))]


def recover_all(project: Project, size: str) -> list[str]:
    """Recover every slot of `size` that no live runner holds; the labels that needed it."""
    return recover_in(project.results(size))


def recover_in(base: Path) -> list[str]:
    """The same for any folder of slots."""
    found = []
    for slot in leftovers(base):
        with slot.lock(give_up=lambda: True) as held:
            if held and slot.recover():
                found.append(slot.label)
    return found


def write_processes(path: Path) -> None:
    """Record this process and its children, with their start times, so that a later run can end them."""
    psutil: Any = importlib.import_module("psutil")
    here = psutil.Process()
    alive = [here, *here.children(recursive=True)]
    write_atomically(path, _pretty({"processes": [[process.pid, process.create_time()] for process in alive]}))


def end_processes(path: Path) -> None:
    """Kill the recorded processes that are still the same ones (a process id may have been given to another)."""
    recorded = (read_json(path) or {}).get("processes", [])
    if not recorded:
        return
    psutil: Any = importlib.import_module("psutil")
    for pid, started in recorded:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(pid)
            if abs(process.create_time() - started) < 1:
                process.kill()


def _changed(notebook: Notebook, size: str, values: Mapping[str, Any]) -> str:
    """`name=value,...` of what is not the default, fit for a file name; its digest where that is long or lossy."""
    usual = notebook.values(size)
    words = ",".join(f"{name}={values[name]}" for name in sorted(values) if values[name] != usual[name])
    return words if re.fullmatch(r"[\w=.,+-]{0,80}", words) else digest_of(dict(values))[:16]


def _try_lock(handle: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:
        return _try_lock_windows(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try_lock_windows(handle: IO[str]) -> bool:
    msvcrt: Any = importlib.import_module("msvcrt")
    try:
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def _pretty(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1) + "\n"
