"""Two result sets side by side: what is worse, what moved, what came and went. Result files are written directly."""

import json

import pytest
from tiny_projects import tiny

from convexnn import report
from convexnn.__main__ import main
from convexnn.claims import Claim, Source
from convexnn.pipeline import differences
from convexnn.pipeline.project import ProjectError

PAPER = Source("Tiny", "0000.00000")
GAP = Claim("one.gap", "the gap closes", PAPER, "certificate", 1e-6)
SAME = Claim("one.same", "two values agree", PAPER, "agreement", 1e-6)
FAR = Claim("one.far", "there is a distance", PAPER, "counterexample", 1e-3)
ABOVE = Claim("one.above", "never below", PAPER, "one_sided", 1e-9)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVEXNN_ROOT", str(tmp_path))
    return tiny(tmp_path)


def write(project, monkeypatch, where, gap=1e-9, same=0.0, far=0.5, above=0.1, value=1.0, without=(), more=()):
    """One result under results/<where>."""
    folder = project.root / "results" / where
    monkeypatch.setenv("CONVEXNN_RESULT_DIR", str(folder))
    result = report.Result(folder.name, {"seed": 0})
    result.save(rtol=1e-5, value=value, curve=[value, 2 * value])
    result.save(rtol=None, took_s=len(where))
    for claim, measured in ((GAP, gap), (SAME, same), (FAR, far), (ABOVE, above), *more):
        if claim not in without:
            result.measure(claim, measured)
    return folder


def kinds(project, before="a", after="b", **options):
    found = differences.compare(project, before, after, **options)
    return {(change.what, change.name) for change in found.changes}


def test_equal_results_have_no_differences(project, monkeypatch):
    for where in ("a", "b"):
        write(project, monkeypatch, where)
    found = differences.compare(project, "a", "b")
    assert (found.changes, found.claims, found.numbers, found.is_grave()) == ((), 4, 2, False)
    assert found.lines() == ["4 claims and 2 numbers compared: no difference"]


@pytest.mark.parametrize(
    ("change", "expected", "is_grave"),
    [
        ({"gap": 1e-3}, {("worsened", "one.gap")}, True),
        ({"gap": float("nan")}, {("worsened", "one.gap")}, True),
        ({"gap": 9e-7}, set(), False),  # both are within the tolerance: the verdict holds, the digits are noise
        ({"same": 1e-3}, {("worsened", "one.same")}, True),
        ({"far": 0.4}, {("moved", "one.far")}, True),
        ({"far": 0.5004}, set(), False),
        ({"above": 0.1 * (1 + 1e-4)}, set(), False),
        ({"above": 0.09}, {("moved", "one.above")}, True),
        ({"above": float("inf")}, {("moved", "one.above")}, True),
        ({"value": 1 + 1e-6}, set(), False),
        ({"value": 1 + 1e-4}, {("moved", "value"), ("moved", "curve")}, True),
        ({"without": (SAME,)}, {("removed", "one.same")}, True),
        ({"more": ((Claim("one.idle", "more", PAPER, "agreement", 1e-6), 0.0),)}, {("added", "one.idle")}, False),
    ],
)
def test_a_change_is_named_and_weighed(project, monkeypatch, change, expected, is_grave):
    write(project, monkeypatch, "a")
    write(project, monkeypatch, "b", **change)
    found = differences.compare(project, "a", "b")
    assert {(c.what, c.name) for c in found.changes} == expected
    assert found.is_grave() == is_grave


def test_the_other_way_round_a_worse_verdict_is_a_better_one(project, monkeypatch):
    write(project, monkeypatch, "a", gap=1e-3, same=1.0)
    write(project, monkeypatch, "b")
    assert kinds(project) == {("improved", "one.gap"), ("improved", "one.same")}
    assert not differences.compare(project, "a", "b").is_grave()


def test_a_share_is_allowed_for_distances_and_never_for_errors(project, monkeypatch):
    write(project, monkeypatch, "a", gap=1e-2)
    write(project, monkeypatch, "b", gap=2e-2, far=0.4)
    assert kinds(project) == {("moved", "one.gap"), ("moved", "one.far")}
    assert kinds(project, rtol=0.5) == {("moved", "one.gap")}


def test_sets_are_matched_by_their_folders(project, monkeypatch):
    for where in ("before/01_x", "before/02_y", "after/01_x", "after/03_z"):
        write(project, monkeypatch, where, gap=1e-3 if where == "after/01_x" else 1e-9)
    found = differences.compare(project, "before", str(project.root / "results/after"))
    whats = {(change.what, change.result) for change in found.changes}
    assert whats == {("worsened", "01_x"), ("removed", "02_y"), ("added", "03_z")}
    assert found.changes[0].what == "worsened"
    one = differences.compare(project, "before/02_y", "after/03_z")
    assert one.changes == () and one.claims == 4


def test_a_failed_attempt_counts_against_its_result_and_partial_results_do_not_count(project, monkeypatch):
    for where in ("a/01_x", "b/01_x", "b/01_x/failed", "b/.running/02_y"):
        folder = write(project, monkeypatch, where)
    (folder.parent.parent / "01_x" / "failed.json").write_text("{}")
    found = differences.compare(project, "a", "b")
    assert {(change.what, change.result) for change in found.changes} == {("worsened", "01_x")}
    assert found.changes[0].after.startswith("failed")


def test_what_the_runs_differ_in_is_said_once(project, monkeypatch):
    for where, torch in (("a/01_x", "1"), ("a/02_y", "1"), ("b/01_x", "2"), ("b/02_y", "2")):
        origin = {"commit": "c", "machine": {"cores": 2}, "threads": {}, "packages": {"torch": torch}}
        monkeypatch.setenv("CONVEXNN_PROVENANCE", json.dumps(origin))
        write(project, monkeypatch, where)
    assert differences.compare(project, "a", "b").origins == ("packages torch 1 -> 2",)


@pytest.mark.parametrize(("before", "words"), [("nowhere", "is not there"), ("empty", "holds no result.json")])
def test_a_set_that_is_not_there_is_an_error_with_a_remedy(project, monkeypatch, before, words):
    write(project, monkeypatch, "b")
    (project.root / "results" / "empty").mkdir()
    with pytest.raises(ProjectError, match=words):
        differences.compare(project, before, "b")


def test_a_cut_result_file_is_an_error(project, monkeypatch):
    write(project, monkeypatch, "a")
    folder = write(project, monkeypatch, "b")
    (folder / "result.json").write_text('{"form')
    with pytest.raises(ProjectError, match="run the notebook again"):
        differences.compare(project, "a", "b")


@pytest.mark.parametrize(("gap", "code"), [(1e-8, 0), (1e-3, 1)])
def test_the_command_prints_a_table_or_json_and_its_exit_code_is_the_judgement(project, monkeypatch, capsys, gap, code):
    write(project, monkeypatch, "a")
    write(project, monkeypatch, "b", gap=gap)
    for options in ((), ("--json",)):
        with pytest.raises(SystemExit) as exit:
            main(("diff", "a", "b", *options))
        assert (exit.value.code or 0) == code
        shown = capsys.readouterr().out
        if options:
            doc = json.loads(shown)
            assert doc["is_grave"] == bool(code) and doc["counts"]["worsened"] == code
        elif code:
            assert "worsened  b       one.gap" in shown and "inconclusive 1.00e-03" in shown
