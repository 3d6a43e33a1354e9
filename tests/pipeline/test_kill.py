"""A kill at any moment loses at most the running notebook, and never harms a finished one."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from tiny_projects import Recorder, tiny

from convexnn.pipeline import clean, runner
from convexnn.pipeline.project import ProjectError
from convexnn.pipeline.slots import Slot, recover_all

psutil = pytest.importorskip("psutil")

FAST = """
# %% tags=["parameters"]
size = "quick"

# %%
print("done")
"""

# Waits only while the file `wait` is there; says that it waits, and who it is, in the file `waiting`.
SLOW = """
# %% tags=["parameters"]
size = "quick"

# %%
import os, time
from pathlib import Path
Path("../waiting").write_text(str(os.getpid()))
while Path("../wait").exists():
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = tiny(tmp_path_factory.mktemp("kill"), _01_fast=FAST, _02_slow=SLOW)
    (made.root / "wait").touch()
    return made


def start(project):
    """The command line's runner in a process of its own, and the process id of the kernel that waits."""
    (project.root / "waiting").unlink(missing_ok=True)
    environment = {**os.environ, "CONVEXNN_ROOT": str(project.root)}
    call = [sys.executable, "-m", "convexnn", "run", "--jobs", "1"]
    process = subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process, int(until(lambda: (project.root / "waiting").exists() and (project.root / "waiting").read_text()))


def until(true, seconds=60.0):
    """The first true value within that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = true()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("nothing happened in time")


def test_killing_the_runner_ends_the_kernel_and_keeps_what_was_finished(project):
    process, kernel = start(project)
    fast = Slot(project.results("quick"), "01_fast")
    marker = (fast.folder / "run.json").read_bytes()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not psutil.pid_exists(kernel), 20)
    assert (fast.folder / "run.json").read_bytes() == marker
    assert not Slot(project.results("quick"), "02_slow").folder.exists()
    assert recover_all(project, "quick") == ["02_slow"]
    assert not list((project.results("quick") / ".running").iterdir())


def test_killing_a_kernel_fails_its_notebook_alone_and_a_rerun_completes(project):
    process, kernel = start(project)
    with pytest.raises(ProjectError, match="being made by another run"):
        clean.clean(project)
    os.kill(kernel, signal.SIGKILL)
    assert process.wait(60) == 1
    slow = Slot(project.results("quick"), "02_slow")
    assert "the kernel died" in slow.failure()["error"] and "cell 2 of 2" in slow.failure()["where"]
    (project.root / "wait").unlink()
    recorder = Recorder()
    endings = [outcome.ending for outcome in runner.run(project, progress=recorder)]
    assert (endings, recorder.started) == (["unchanged", "finished"], ["02_slow"])
    assert slow.finished() is not None and slow.failure() is None


def folders(base, label, **marks):
    """A slot with the folders named, each with its mark in run.json (None: a folder without a marker)."""
    slot = Slot(base, label)
    for where, mark in marks.items():
        folder = getattr(slot, where)
        folder.mkdir(parents=True)
        if mark is not None:
            (folder / "run.json").write_text(json.dumps({"format": 1, "mark": mark}))
    return slot


@pytest.mark.parametrize(
    ("marks", "survivor"),
    [
        ({"folder": "old", "running": None}, "old"),  # killed while the notebook ran
        ({"folder": "old", "running": "new"}, "new"),  # killed after the marker, before the swap
        ({"previous": "old", "running": "new"}, "new"),  # killed between the two renames
        ({"folder": "new", "previous": "old"}, "new"),  # killed before the old result was removed
        ({"previous": "old"}, "old"),
    ],
)
def test_every_moment_of_the_swap_recovers_to_a_whole_result(tmp_path, marks, survivor):
    project = tiny(tmp_path)
    slot = folders(project.results("quick"), "01_x", **marks)
    assert recover_all(project, "quick") != []
    assert slot.finished()["mark"] == survivor
    assert not slot.running.exists() and not slot.previous.exists()


def test_a_held_slot_is_left_alone_and_waited_for(tmp_path):
    project = tiny(tmp_path)
    slot = folders(project.results("quick"), "01_x", running=None)
    told = []
    with slot.lock(lambda: True) as held:
        assert held
        assert recover_all(project, "quick") == []
        with slot.lock(lambda: bool(told), lambda: told.append("waiting")) as second:
            assert not second and told == ["waiting"]
    assert recover_all(project, "quick") == ["01_x"]
