"""Findings: their outcome follows from claims, their names exist, and every theorem has some."""

from dataclasses import replace
from pathlib import Path

import pytest

from convexnn.claims import Source
from convexnn.findings import Finding, outcome
from convexnn.pipeline import experiments, ledger, pictures
from convexnn.pipeline.declared import declared_by, findings_of
from convexnn.pipeline.project import Project
from convexnn.theorems import all_theorems

PROJECT = Project.find(Path(__file__).resolve().parents[1])
SOURCE = Source("Somebody, Something")
SHOWN = Finding("one.E1", "experiment", "a line", SOURCE, claims=("a", "b"), here="two numbers")


def test_every_theorem_lists_its_findings_and_where_it_stops():
    for name, theorem in all_theorems().items():
        found = findings_of(theorem)
        assert found, f"theorems/{name}/experiments.py is missing or empty"
        assert all(finding.id.startswith(f"{name}.") for finding in found)
        assert {"experiment"} < {finding.kind for finding in found}, f"{name} has no erratum and no counterexample"


def test_findings_name_claims_and_tests_that_exist():
    found = ledger.build(PROJECT)
    assert [said for said in found.problems if said.startswith(("finding", "the id"))] == []
    assert len(found.findings) > 80 and len(found.goals) > 10


def test_a_statement_that_was_not_confirmed_is_marked_in_the_ledger():
    rows = experiments.rows(declared_by("convexnn")["findings"], ())
    marked = [row for row in rows if row.finding.kind == "experiment" and not row.finding.confirmed]
    assert len(marked) > 5
    assert all("not confirmed" in row.remark() for row in marked)
    assert not any(row.finding.confirmed and "not confirmed" in row.remark() for row in rows)


OUTCOMES = {
    ("certified", "holds_on_tested"): "reproduced",
    ("certified", "contradicted"): "contradicted",
    ("contradicted", "not measured"): "contradicted",
    ("certified", "not measured"): "not measured",
    ("certified", "inconclusive"): "inconclusive",
    ("inconclusive", "not measured"): "not measured",
    ("bad_input", "certified"): "inconclusive",
}


@pytest.mark.parametrize(("statuses", "expected"), OUTCOMES.items())
def test_an_outcome_is_that_of_the_weakest_claim(statuses, expected):
    assert outcome(SHOWN, dict(zip("ab", statuses))) == expected


def test_the_words_for_what_holds():
    held = {"a": "certified", "b": "holds_on_tested"}
    assert outcome(replace(SHOWN, smaller=True), held) == "reproduced at smaller size"
    assert outcome(replace(SHOWN, kind="erratum"), held) == "shown"
    assert outcome(replace(SHOWN, kind="open", why="w"), held) == "settled"
    assert outcome(replace(SHOWN, claims=(), why="no data"), held) == "not attempted"
    assert outcome(replace(SHOWN, claims=(), tests=("t.py::t",)), {}) == "reproduced"


def test_a_claim_that_says_the_opposite_contradicts_when_it_holds():
    torn = replace(SHOWN, against=("c",), why="it is the other way round")
    held = {"a": "certified", "b": "certified"}
    assert outcome(torn, held | {"c": "holds_on_tested"}) == "contradicted"
    assert outcome(torn, held | {"c": "contradicted"}) == "reproduced"
    assert outcome(replace(torn, claims=()), {"c": "contradicted"}) == "inconclusive"


def test_an_unknown_claim_has_no_outcome():
    with pytest.raises(KeyError, match="b"):
        outcome(SHOWN, {"a": "certified"})


BAD = {
    "has no theorem": {"id": "E1"},
    "kind is 'figure'": {"kind": "figure"},
    "names no claim and no test": {"claims": ()},
    "erratum without a claim": {"kind": "erratum", "claims": (), "why": "said so"},
    "is open; say in `why`": {"kind": "open"},
    "does not say what was run": {"here": ""},
    "say in `why` how": {"against": ("c",)},
    "sizes that are not confirmed": {"confirmed": False},
}


@pytest.mark.parametrize(("message", "change"), BAD.items())
def test_a_finding_that_says_too_little_is_refused(message, change):
    with pytest.raises(ValueError, match=message):
        replace(SHOWN, **change)


def test_committed_pictures_are_drawn_by_committed_notebooks():
    assert pictures.undrawn(PROJECT) == []


def test_a_picture_that_no_notebook_drew_is_named(tmp_path):
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "docs" / "figures" / "old.png").write_bytes(b"not a picture of today")
    assert "docs/figures/old.png is drawn by no committed notebook" in pictures.undrawn(Project(tmp_path, "x"))[0]
