"""Every result says what it was made with, and its key does not depend on what does not matter."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_projects import Recorder, tiny, write

from convexnn.pipeline import keys, notebooks, provenance, runner
from convexnn.pipeline.project import digest
from convexnn.pipeline.slots import Slot

SAVES_NOTHING = (
    '# %% tags=["parameters"]\nsize = "quick"\n\n# %%\nimport os\nassert os.environ["OMP_NUM_THREADS"] == "3"\n'
)
ROOT = Path(__file__).resolve().parents[2]


def test_a_run_records_versions_lock_machine_commit_and_threads(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    project = tiny(tmp_path, _01_none=SAVES_NOTHING)
    write(tmp_path, {"requirements/constraints.txt": "numpy==2.0\n"})
    assert runner.run(project, progress=Recorder())[0].ending == "finished"
    slot = Slot(project.results("quick"), "01_none")
    origin = slot.finished()["provenance"]
    assert set(origin) == {"commit", "dirty", "machine", "threads", "lock", "packages"}
    assert origin["threads"]["OMP_NUM_THREADS"] == "3" and origin["threads"]["MKL_NUM_THREADS"] == "1"
    assert origin["lock"] == digest(tmp_path / "requirements/constraints.txt") != "absent"
    assert origin["packages"]["numpy"] == np.__version__ and "papermill" in origin["packages"]
    assert {"cpu", "cores", "memory_gib", "system", "device", "python", "torch"} <= set(origin["machine"])
    assert not (slot.folder / "provenance.json").exists()

    write(tmp_path, {"requirements/constraints.txt": "numpy==2.1\n"})
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = notebooks.find(project, ["01"])[0]
    assert keys.State.now(project).changes(notebook, notebook.values("quick"), slot) == []


def test_the_commit_is_that_of_the_checkout_and_unknown_elsewhere(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("the tests do not run in a git checkout")
    assert len(provenance.provenance(ROOT, {})["commit"]) == 40
    assert provenance.provenance(tmp_path, {})["commit"] == "unknown"


def test_no_path_of_this_machine_is_recorded():
    text = json.dumps(provenance.provenance(ROOT, {}))
    assert str(ROOT) not in text and sys.prefix not in text
