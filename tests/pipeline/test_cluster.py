"""A sweep on a Dask cluster of two worker processes, one of which is killed in mid-run."""

import os
import signal
import sys
import threading
import time
from dataclasses import replace

import pytest
from tiny_projects import SWEPT, Recorder, tiny

from convexnn.pipeline import sweep
from convexnn.pipeline.cluster import Cluster, Order, pack, refuse_another_library, unpack
from convexnn.pipeline.keys import State
from convexnn.pipeline.notebooks import find
from convexnn.pipeline.project import ProjectError, read_json
from convexnn.pipeline.slots import Slot

distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The scheduler and its workers share nothing with this process but the checkout."""
    scratch = tmp_path_factory.mktemp("workers")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(scratch)
    ) as made:
        yield made


@pytest.fixture
def project(tmp_path):
    return tiny(tmp_path, _01_swept=SWEPT)


def until(true, seconds=60.0):
    """The first true value within that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = true()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("nothing happened in time")


def waiting(project):
    """The kernel that waits, or nothing."""
    path = project.root / "waiting"
    return int(path.read_text() or 0) if path.exists() else 0


def test_a_killed_worker_loses_nothing_and_a_failed_point_is_told(cluster, project):
    (project.root / "wait").touch()
    planned, recorder, killed = sweep.plan(project, "01", "seed=0,1,2"), Recorder(), {}

    def kill():
        killed["kernel"] = until(lambda: waiting(project))
        worker = psutil.Process(killed["kernel"]).parent().parent()
        killed["worker"] = worker.pid
        os.kill(worker.pid, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(killed["kernel"]))
        (project.root / "wait").unlink()

    killer = threading.Thread(target=kill)
    killer.start()
    with Cluster(cluster.scheduler_address) as place:
        assert place.room()[0] == 2
        outcomes = sweep.run(project, planned, progress=recorder, place=place)
    killer.join()
    assert killed["worker"] != os.getpid() and not psutil.pid_exists(killed["kernel"])
    assert [outcome.ending for outcome in outcomes] == ["finished", "finished", "failed"]
    assert len(recorder.started) >= 4 and set(recorder.started) == {"quick", "quick,seed=1", "quick,seed=2"}
    state = State.now(project)
    for request in planned.requests[:2]:
        assert state.changes(request.notebook, request.values, request.slot) == []
        assert request.slot.finished()["provenance"]["machine"]["cores"] >= 1
        assert not (request.slot.folder / "processes.json").exists()
    assert "seed 2 is broken" in planned.requests[2].slot.failure()["traceback"]
    assert (planned.requests[2].slot.folder / "failed.ipynb").exists()
    again = Recorder()
    assert sweep.run(project, sweep.plan(project, "01", "seed=0,1"), progress=again)[1].ending == "unchanged"
    assert again.started == []


class Impatient(Recorder):
    """Presses Ctrl-C once a point waits."""

    def __init__(self, project):
        super().__init__()
        self.project, self.pressed = project, False

    def tick(self):
        if not self.pressed and waiting(self.project):
            self.pressed = True
            raise KeyboardInterrupt


def test_an_interrupt_ends_the_notebook_at_the_worker(cluster, project):
    (project.root / "wait").touch()
    planned = sweep.plan(project, "01", "seed=3")
    with Cluster(cluster.scheduler_address) as place:
        outcomes = sweep.run(project, planned, progress=Impatient(project), place=place)
        until(lambda: not psutil.pid_exists(waiting(project)), 20)
    assert [outcome.ending for outcome in outcomes] == ["interrupted"]
    assert not planned.requests[0].slot.folder.exists()


def order(project):
    state, notebook = State.now(project), find(project, ["01"])[0]
    head = (str(project.root), notebook.name, notebook.code_hash, "quick", "quick", notebook.values("quick"))
    return Order(*head, dict(state.library), dict(state.environment), "cpu", "topic"), state


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code": "0"}, "another notebooks/01_swept.py"),
        ({"environment": {}}, "another .*numpy|another "),
        ({"device": "cuda"}, "another the device"),
        ({"files": {}}, "another lib/tiny/"),
    ],
)
def test_a_worker_with_another_library_refuses(project, change, words):
    good, state = order(project)
    refuse_another_library(good, state)
    with pytest.raises(ProjectError, match=words):
        refuse_another_library(replace(good, **change), state)


def test_a_folder_travels_between_checkouts_at_different_places(tmp_path):
    here, there = tiny(tmp_path / "here"), tiny(tmp_path / "there")
    sent, got = Slot(tmp_path / "a", "x"), Slot(tmp_path / "b", "x")
    sent.begin()
    got.begin()
    (sent.running / "figures").mkdir()
    (sent.running / "figures" / "f.png").write_bytes(bytes(range(256)))
    (sent.running / "processes.json").write_text("{}")
    lib = there.lib.resolve()
    (sent.running / "trace.json").write_text(f'{{"files": ["{(lib / "tiny/gauges.py").as_posix()}"], "data": {{}}}}')
    unpack(pack(sent.running, there), got.running, here)
    assert (got.running / "figures" / "f.png").read_bytes() == bytes(range(256))
    assert read_json(got.running / "trace.json")["files"] == [str(here.lib.resolve() / "tiny/gauges.py")]
    assert not (got.running / "processes.json").exists()


def test_without_dask_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ProjectError, match=r"pip install -e '\.\[sweep\]'"):
        Cluster("tcp://127.0.0.1:1")
