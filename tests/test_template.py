"""The notebook template is a notebook: its cells run as they stand, and leave a result that bears its claims out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convexnn import report
from convexnn.pipeline import notebooks
from convexnn.theorems import two_layer

TEMPLATE = Path(__file__).resolve().parents[1] / "docs" / "notebook_template.py"
#: Seconds; about four on one core, most of them imports.
LIMIT = 60


def run(code: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    """Execute the cells in order in a new process inside `folder`, as a reader outside the pipeline would."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONVEXNN_")}
    environment = {**clean, "CONVEXNN_RESULT_DIR": str(folder / "result"), "OMP_NUM_THREADS": "1"}
    script = "\n\n".join(code)
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    done = run(notebooks.read(TEMPLATE).code, folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_parameters_are_those_that_the_runner_gives_and_start_at_the_quick_size():
    template = notebooks.read(TEMPLATE)
    assert template.values("quick") == {name: p.default for name, p in template.parameters.items()}
    assert template.values("full", {"seed": "3"}) == {"size": "full", "seed": 3, "device": "auto"}


def test_the_cells_run_in_order_and_end_with_a_certified_verdict(executed):
    _, output = executed
    assert output.startswith("certified: ")
    assert "best of 5 trainings above the bound" in output
    assert output.count("\n") == 1


def test_every_claim_that_the_template_measures_is_borne_out(executed):
    stored = report.load(executed[0] / "result")
    statuses = {name.removeprefix("two_layer."): row["status"] for name, row in stored.claims.items()}
    assert statuses == {
        "strong_duality": "certified",
        "recovery": "holds_on_tested",
        "no_training_below": "holds_on_tested",
    }
    declared = {claim.id: claim for claim in two_layer.claims}
    assert all(row["tolerance"] == declared[name].tolerance for name, row in stored.claims.items())
    assert stored.claims["two_layer.strong_duality"]["measurements"][0]["note"] == "network"
    assert stored.claims["two_layer.no_training_below"]["measurements"][0]["seeds"] == [0, 1, 2, 3, 4]


def test_the_result_holds_what_was_computed_and_how_far_it_may_move(executed):
    stored = report.load(executed[0] / "result")
    assert dict(stored.parameters) == {"size": "quick", "seed": 0, "device": "auto"}
    assert stored["value"] <= stored["best_training"] * (1 + 1e-6)  # the gap of the solve
    assert stored.tolerances == {"value": (1e-6, 0.0), "best_training": (1e-3, 0.0)}
    rows = dict(stored.tables["objectives"]["rows"])
    assert rows["best training"] == stored["best_training"]
    assert rows["certified lower bound"] <= stored["value"]


def test_nothing_is_written_outside_the_result_folder(executed):
    folder, _ = executed
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {str(Path("result") / "result.json"), str(Path("result") / "arrays.npz")}


def test_a_cell_that_fails_fails_the_run(tmp_path):
    code = notebooks.read(TEMPLATE).code
    broken = run((*code[:2], 'claims["no such claim"]'), tmp_path)
    assert broken.returncode != 0
    assert "no such claim" in broken.stderr
