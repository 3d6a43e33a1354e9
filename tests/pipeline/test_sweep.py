"""A sweep of a tiny notebook: what is kept, what is shared, what is never run twice."""

import csv
import json
from dataclasses import replace

import pytest
from tiny_projects import SWEPT, Recorder, tiny

from convexnn.__main__ import main
from convexnn.pipeline import clean, keys, ledger, notebooks, runner, summary, sweep
from convexnn.pipeline.progress import Countdown, PlainProgress, duration
from convexnn.pipeline.slots import Slot

GRID = "seed=0:3"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The ordinary result is there; then three points: one shared with it, one to run, one that fails."""
    made = tiny(tmp_path_factory.mktemp("sweep"), _01_swept=SWEPT)
    runner.run(made, progress=Recorder())
    planned, recorder = sweep.plan(made, "01", GRID), Recorder()
    outcomes = sweep.run(made, planned, jobs=2, progress=recorder)
    summary.write(made, planned, outcomes)
    first[made.root] = (planned, outcomes, recorder)
    return made


first: dict = {}


def points(project):
    return [Slot(project.sweeps("01_swept") / "points", label) for label in ("quick", "quick,seed=1", "quick,seed=2")]


def test_a_failed_point_is_kept_with_its_traceback_and_the_rest_goes_on(project):
    _, outcomes, recorder = first[project.root]
    assert [outcome.ending for outcome in outcomes] == ["unchanged", "finished", "failed"]
    assert sorted(recorder.started) == ["quick,seed=1", "quick,seed=2"]
    failed = points(project)[2]
    assert "RuntimeError: seed 2 is broken" in failed.failure()["traceback"]
    assert "seed 2 is broken" in (failed.folder / "failed.ipynb").read_text()
    assert "cell 4 of 4 (fail)" in outcomes[2].sentence()


def test_a_result_with_the_same_key_is_copied_and_not_run(project):
    ordinary, shared = Slot(project.results("quick"), "01_swept"), points(project)[0]
    assert shared.finished()["key"] == ordinary.finished()["key"]
    assert shared.finished()["label"] == "quick" and ordinary.finished()["label"] == "01_swept"
    assert keys.damaged(shared, shared.finished()) == []
    _, _, recorder = first[project.root]
    assert any("taken from results/quick/01_swept" in line for line in recorder.lines)


def test_a_result_that_is_out_of_date_in_hand_or_damaged_is_not_copied(project):
    request = replace(sweep.plan(project, "01", "seed=0").requests[0], slot=Slot(project.root / "copies", "x"))
    state, worker = keys.State.now(project), runner.Runner(project, Recorder())
    library = {name: "changed" for name in state.library}
    assert not worker.adopt(request, replace(state, library=library)) and not request.slot.folder.exists()
    with request.elsewhere.lock(give_up=lambda: True) as held:
        assert held and not worker.adopt(request, state) and not request.slot.folder.exists()
    page = request.elsewhere.folder / "notebook.html"
    kept = page.read_bytes()
    page.write_bytes(kept[:-1])
    assert not worker.adopt(request, state)
    page.write_bytes(kept)
    assert worker.adopt(request, state) and request.slot.finished()["label"] == "x"


def test_an_ordinary_run_takes_a_point_of_a_sweep(project):
    recorder = Recorder()
    outcome = runner.run(project, ["01"], given={"seed": "1"}, progress=recorder)[0]
    assert (outcome.ending, recorder.started) == ("unchanged", [])
    made = Slot(project.results("quick"), "01_swept@seed=1")
    assert made.finished()["key"] == points(project)[1].finished()["key"]
    assert json.loads((made.folder / "result.json").read_text())["parameters"]["seed"] == 1


def test_a_second_sweep_runs_nothing_but_what_failed(project):
    recorder = Recorder()
    planned = sweep.plan(project, "01", "seed=0:2")
    assert [o.ending for o in sweep.run(project, planned, progress=recorder)] == ["unchanged", "unchanged"]
    assert recorder.started == [] and recorder.lines == []
    state = keys.State.now(project)
    notebook = notebooks.find(project, ["01"])[0]
    again = state.changes(notebook, {**notebook.values("quick"), "seed": 2}, points(project)[2])
    assert again == ["failed in cell 4 of 4 (fail) the last time"]


def test_sweeps_do_not_disturb_ordinary_results_and_clean_keeps_their_points(project):
    rows = {row.id: row for row in ledger.build(project).rows}
    assert rows["one.gap"].measurements == 1
    removed = {project.relative(path) for path in clean.clean(project)}
    assert removed == {"results/quick/01_swept@seed=1", "results/sweeps/01_swept/points/quick,seed=2"}
    assert points(project)[1].finished() is not None


def test_the_tables_hold_one_row_a_point_with_verdicts_and_numbers(project):
    planned, _, _ = first[project.root]
    folder = planned.folder(project)
    rows = list(csv.DictReader((folder / "summary.csv").open()))
    assert [(row["seed"], row["state"], row["one.gap.status"]) for row in rows] == [
        ("0", "finished", "certified"), ("1", "finished", "certified"), ("2", "failed", "")
    ]  # fmt: skip
    assert [float(row["one.gap"] or "nan") for row in rows[:2]] == [1e-9, 2e-9]
    assert (rows[0]["one.same"], rows[0]["one.same.status"]) == ("NaN", "inconclusive")
    assert "seed 2 is broken" in rows[2]["error"]
    doc = json.loads((folder / "summary.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    assert doc["points"][1]["key"] == rows[1]["key"] == points(project)[1].finished()["key"]
    text = (folder / "summary.md").read_text()
    assert "2 finished, 1 failed" in text and "| `one.gap` | 2 |" in text and "seed 2 is broken" in text
    assert (folder / "claims.png").stat().st_size > 5000 and (folder / "claims.pdf").exists()


class Impatient(Recorder):
    """Presses Ctrl-C once the second point waits."""

    def __init__(self, project):
        super().__init__()
        self.project, self.pressed = project, False

    def tick(self):
        if not self.pressed and (self.project.root / "waiting").exists():
            self.pressed = True
            raise KeyboardInterrupt


def test_an_interrupt_keeps_the_finished_points_and_ends_the_running_one(tmp_path):
    project = tiny(tmp_path, _01_swept=SWEPT)
    (tmp_path / "wait").touch()
    planned = sweep.plan(project, "01", "seed=0,1,3")
    outcomes = sweep.run(project, planned, jobs=1, progress=Impatient(project))
    assert [outcome.ending for outcome in outcomes] == ["finished", "interrupted", "interrupted"]
    slots = [request.slot for request in planned.requests]
    assert slots[0].finished() is not None and not slots[1].folder.exists() and not slots[1].running.exists()
    doc = summary.build(project, planned, outcomes)
    assert [row["state"] for row in doc["points"]] == ["finished", "interrupted", "interrupted"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("01", "--grid", "sed=1"), "has no parameter 'sed'"),
        (("07", "--grid", "seed=1"), "notebook '07' is unknown"),
        (("01", "--grid", ""), "the grid is empty"),
        (("01", "--grid", "seed=0:2", "--scheduler", "tcp://127.0.0.1:9"), "dask scheduler"),
    ],
)
def test_the_command_refuses_in_one_line(project, monkeypatch, capsys, arguments, words):
    monkeypatch.setenv("CONVEXNN_ROOT", str(project.root))
    monkeypatch.setattr("convexnn.pipeline.cluster.TIMEOUT_S", 0.5)
    with pytest.raises(SystemExit) as exit:
        main(("sweep", *arguments))
    err = capsys.readouterr().err
    assert exit.value.code == 2 and words in err and err.startswith("error: ") and err.count("\n") == 1


@pytest.mark.parametrize(("ending", "code"), [("unchanged", 0), ("failed", 1), ("interrupted", 130)])
def test_the_exit_code_tells_failed_and_interrupted_points(project, monkeypatch, capsys, ending, code):
    monkeypatch.setenv("CONVEXNN_ROOT", str(project.root))
    real, failure = sweep.run, {"where": "cell 1 of 1", "error": "odd", "traceback": ""}

    def run(*arguments):
        first, *rest = real(*arguments)
        return [replace(first, ending=ending, failure=failure if ending == "failed" else None), *rest]

    monkeypatch.setattr(sweep, "run", run)
    with pytest.raises(SystemExit) as exit:
        main(("sweep", "01", "--grid", "seed=0:2"))
    assert (exit.value.code or 0) == code
    shown = capsys.readouterr()
    assert "results/sweeps/01_swept/quick_seed=0..2/summary.md" in shown.out
    assert ("odd" in shown.err) == (ending == "failed")
    rows = json.loads((project.sweeps("01_swept") / "quick_seed=0..2/summary.json").read_text())["points"]
    is_whole = ending == "unchanged"  # an earlier result does not hide what happened to it since
    assert rows[0]["state"] == ("finished" if is_whole else ending)
    assert bool(rows[0]["claims"]) == bool(rows[0]["key"]) == is_whole


def test_the_countdown_scales_the_times_of_the_last_runs_by_what_it_sees():
    countdown = Countdown(PlainProgress(), {"a": 10.0, "b": 10.0, "c": 10.0, "d": None}, at_once=2)
    assert countdown.left_s() is None
    countdown.took_s, countdown.known_s, countdown.timed = 40.0, 20.0, 2
    assert countdown.left_s() == pytest.approx((3 * 20.0 + 20.0) / 2)
    assert [duration(s) for s in (90, 120, 7300)] == ["90 s", "2 min", "2 h"]
