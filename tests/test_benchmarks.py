"""The benchmark scripts at tiny size: tables run, the judge rejects wrong answers, Markdown comes from JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import comparing, goals, storing, training, uci  # noqa: E402
from benchmarks.__main__ import main  # noqa: E402
from benchmarks.instances import Instance, network_data  # noqa: E402
from benchmarks.judging import judge  # noqa: E402
from benchmarks.peers import PEERS, arrays  # noqa: E402
from benchmarks.racing import race  # noqa: E402

from convexnn.solving import solve  # noqa: E402

MACHINE = {"cpu": "a", "cores": 2, "device": "cpu", "threads": 1, "python": "3", "versions": {"numpy": "2"}}
TINY = {kind: Instance(kind, "tiny", 0.1) for kind in ("gated", "cone")}


def run(*arguments: str) -> str:
    outcome = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


@pytest.mark.parametrize("kind", ["gated", "cone"])
def test_a_table_of_programs_runs_end_to_end_beside_a_conic_solver(kind, tmp_path):
    only = ["--only", "interior", "--only", "Clarabel"]
    run(kind, "--size", "tiny", "--share", "0.1", "--limit", "60", *only, "--results", str(tmp_path))
    doc = json.loads((tmp_path / f"{kind}_cpu.json").read_text(encoding="utf-8"))
    assert [row["contender"] for row in doc["rows"]] == ["interior", "Clarabel"]
    for row in doc["rows"]:
        assert row["status"] == "reached", row
        assert row["gap_known"] <= comparing.TARGET
        assert row["repeats"] >= 3
        assert row["cpu_s"] > 0
    assert doc["machine"]["threads"] == 1
    text = (tmp_path / f"{kind}_cpu.md").read_text(encoding="utf-8")
    assert text == storing.markdown(doc)
    assert str(ROOT) not in text + json.dumps(doc)


def test_the_tables_of_the_training_problem_run_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CERTIFICATES", ((12, 2, 0.05),))
    run("certificates", "--budget", "5", "--only", "(12, 2)", "--results", str(tmp_path))
    monkeypatch.setattr(training, "WIDTH", 10)
    run("network", "--size", "tiny", "--instances", "1", "--seconds", "0.5", "--results", str(tmp_path))
    (proof,) = json.loads((tmp_path / "certificates_cpu.json").read_text(encoding="utf-8"))["rows"]
    assert proof["gap"] <= 1e-6
    (row,) = json.loads((tmp_path / "network_cpu.json").read_text(encoding="utf-8"))["rows"]
    assert row["lower"] <= min(row["final"], row["adam"], row["lbfgs"]) * (1 + 1e-9)


def test_the_table_of_real_data_runs_end_to_end_on_the_same_rows_for_everybody(tmp_path):
    only = ["--only", "convexnn gated", "--only", "kernel ridge"]
    said = run("uci", "--set", "iris", "--set", "no set", "--seeds", "1", *only, "--results", str(tmp_path))
    assert "no set: left out" in said
    doc = json.loads((tmp_path / "uci_cpu.json").read_text(encoding="utf-8"))
    assert [row["contender"] for row in doc["rows"]] == ["convexnn gated", "kernel ridge"]
    assert all(row["score"] > 0.7 and row["rows"] == row["tested"] == 75 for row in doc["rows"])
    X, y, X_test, y_test = uci.cut("banana", 0)
    again = uci.cut("banana", 0)
    assert all(np.array_equal(a, b) for a, b in zip((X, y, X_test, y_test), again))
    assert len(X) == len(y) <= uci.TRAIN + 1 and len(X_test) == len(y_test) <= uci.TEST
    assert not np.array_equal(X, uci.cut("banana", 1)[0])


def test_no_row_is_in_training_and_in_the_test():
    X, _, X_test, _ = uci.cut("wdbc", 0)
    assert not {row.tobytes() for row in X.round(9)} & {row.tobytes() for row in X_test.round(9)}


def test_ranks_share_ties_and_the_best_is_first():
    assert storing._ranks([0.9, 0.8, 0.9]) == [1.5, 3.0, 1.5]


def test_everybody_chooses_among_eight_settings():
    for contender in uci.CONTENDERS:
        model = contender.make(False, 0)
        grid = getattr(model, "param_grid", {"beta": uci.SHARES})
        assert np.prod([len(values) for values in grid.values()]) == 8, contender.name


@pytest.mark.parametrize("kind", ["gated", "cone"])
def test_the_judge_rejects_the_answer_to_another_objective(kind):
    program = TINY[kind].build()
    known = solve(program, tol=1e-8).lower
    assert judge(program, solve(program).Z, known).gap_known <= comparing.TARGET
    mean_loss = solve(program.with_beta(2 * program.beta)).Z  # what a peer finds whose loss lacks the factor 1/2
    assert judge(program, mean_loss, known).gap_known > 1e-3
    assert judge(program, mean_loss).gap > 1e-3
    wrong_order = solve(program).Z[::-1].copy()
    assert judge(program, wrong_order, known).gap_known > 1e-3


def test_the_judge_projects_a_point_that_leaves_its_cones():
    program = TINY["cone"].build()
    Z = solve(program).Z
    outside = Z - 0.1 * np.sign(Z)
    assert judge(program, outside, alone=False).value >= solve(program, tol=1e-8).lower


@pytest.mark.parametrize("alone", [True, False])
def test_a_point_that_is_no_point_is_an_error_in_words(alone):
    program = TINY["gated"].build()
    assert "non-finite" in judge(program, np.full(program.operator.domain, np.nan), 0.0, alone).error
    assert "shape" in judge(program, np.zeros((2, 2)), 0.0, alone).error


def test_a_peer_that_is_not_installed_is_skipped_with_one_line(monkeypatch):
    monkeypatch.setattr(comparing, "installed", lambda package: "")
    rows = list(comparing.compare([TINY["gated"]], ("Clarabel",), "cpu", 10.0, lambda line: None))
    assert [(row["status"], row["note"]) for row in rows] == [("skipped", "clarabel is not installed")]


def test_a_peer_that_fails_is_reported_and_one_that_is_late_is_ended(monkeypatch):
    clarabel = next(peer for peer in PEERS if peer.name == "Clarabel")
    (late,) = race(clarabel, TINY["gated"], "cpu", 0.0)
    assert late.error.startswith("not finished")
    broken = Instance("gated", "no such size", 0.1)
    (failed,) = race(clarabel, broken, "cpu", 10.0)
    assert failed.error == "failed: KeyError: 'no such size'"


def row(contender: str, status: str = "reached", **numbers: float) -> dict:
    return {"instance": "gated S, 0.1 beta_max", "contender": contender, "status": status, "note": "", **numbers}


def test_ratios_are_over_the_interior_point_and_misses_are_marked():
    own = row("interior", cpu_s=2.0, wall_s=2.0)
    assert storing.ratio(row("peer", cpu_s=50.0), own) == "25"
    assert storing.ratio(row("peer", "missed", cpu_s=50.0), own) == "(25)"
    assert storing.ratio(row("peer", "limit", limit_s=120.0), own) == "> 60"
    assert storing.ratio(row("peer", "failed"), own) == "-"


def test_rows_are_replaced_one_by_one_and_another_machine_begins_a_new_file(tmp_path):
    kept = {"cpu_s": 1.0, "wall_s": 1.0, "gap": 0.0, "gap_known": 0.0}
    storing.keep("gated", [row("interior", **kept), row("peer", **kept)], MACHINE, tmp_path)
    path = storing.keep("gated", [row("peer", **kept | {"cpu_s": 7.0})], MACHINE, tmp_path)
    stored = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert [found["cpu_s"] for found in stored] == [1.0, 7.0]
    assert "| 7 |" in path.with_suffix(".md").read_text(encoding="utf-8")
    storing.keep("gated", [row("peer", **kept)], MACHINE | {"cpu": "b"}, tmp_path)
    assert len(json.loads(path.read_text(encoding="utf-8"))["rows"]) == 1


def test_the_committed_tables_are_those_of_their_json_files():
    for path in sorted(storing.RESULTS.glob("*.json")):
        doc = json.loads(path.read_text(encoding="utf-8"))
        assert path.with_suffix(".md").read_text(encoding="utf-8") == storing.markdown(doc), path.name


def test_an_instance_is_the_same_every_time():
    first, second = (arrays(Instance("cone", "tiny", 0.1, seed=3).build()) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second))
    assert network_data(20, 3, 0.1).beta == network_data(20, 3, 0.1).beta


# ---- goals ---------------------------------------------------------------------------------------------------------


def program_rows(peers, own=1.0):
    own_row = {"cpu_s": own, "wall_s": 1.1 * own, "certified_cpu_s": own}
    rows = [{"instance": "i", "contender": "interior", "status": "reached", **own_row}]
    return {"gated": rows + [{"instance": "i", "contender": f"peer {k}", **peer} for k, peer in enumerate(peers)]}


@pytest.mark.parametrize(
    ("peers", "verdict"),
    [
        ([{"status": "reached", "cpu_s": 2.0, "certified_cpu_s": 30.0}], True),
        ([{"status": "reached", "cpu_s": 2.0, "certified_cpu_s": 20.0}], False),
        ([{"status": "reached", "cpu_s": 2.0, "limit_s": 30.0}], True),  # waited 30 s for a proof that did not come
        ([{"status": "reached", "cpu_s": 2.0, "limit_s": 26.0}], None),  # 26 s of wall, and our own wall time was 1.1 s
        ([{"status": "limit", "limit_s": 20.0}], None),  # not waited for long enough to say
        ([{"status": "limit", "limit_s": 60.0}, {"status": "limit", "limit_s": 20.0}], None),  # one might need 21 s
        ([{"status": "limit", "limit_s": 20.0}, {"status": "reached", "cpu_s": 2.0, "certified_cpu_s": 40.0}], None),
        ([{"status": "limit", "limit_s": 20.0}, {"status": "reached", "cpu_s": 2.0, "certified_cpu_s": 24.0}], False),
        ([{"status": "reached", "cpu_s": 40.0, "limit_s": 3.0}], True),  # the tighter setting takes no less than 40 s
        ([{"status": "reached", "cpu_s": 2.0}], None),  # its ladder ended without a proof
        ([{"status": "limit", "limit_s": 60.0}, {"status": "reached", "cpu_s": 2.0, "certified_cpu_s": 3.0}], False),
        ([{"status": "skipped"}, {"status": "failed"}], None),
    ],
)
def test_a_ratio_counts_the_peer_that_proves_itself_first_or_the_time_waited_for_one(peers, verdict):
    assert goals.faster("gated", "i", 25)(program_rows(peers))[1] is verdict


def test_an_own_run_that_missed_is_no_ratio():
    tables = program_rows([{"status": "reached", "cpu_s": 2.0, "certified_cpu_s": 30.0}])
    tables["gated"][0]["status"] = "missed"
    assert goals.faster("gated", "i", 25)(tables) == goals.UNMEASURED


def test_every_goal_is_a_row_and_without_measurements_nothing_is_reached():
    assert len(goals.scoreboard({}).splitlines()) == 2 + len(goals.GOALS)
    assert "| reached |" not in goals.scoreboard({})


def test_the_stored_scoreboard_is_that_of_the_stored_measurements():
    board = (goals.RESULTS / "goals.md").read_text(encoding="utf-8")
    assert goals.scoreboard(goals.stored()) in board
