"""The committed references against a current quick run of every notebook, and no declared claim left unmeasured."""

import json

import pytest

from convexnn import report
from convexnn.pipeline import ledger, notebooks, references, runner
from convexnn.pipeline.project import Project
from convexnn.pipeline.slots import Slot

PROJECT = Project.find()
NAMES = notebooks.discover(PROJECT)

# Every test of this file may run notebooks; the lock on each result keeps parallel workers from doing so twice.
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not NAMES, reason="there is no notebook yet")]


def current(name):
    """The quick result of `name`, made now when it is out of date."""
    outcome = runner.run(PROJECT, [name], jobs=1)[0]
    assert outcome.ending in ("finished", "unchanged"), outcome.sentence()
    return report.load(Slot(PROJECT.results("quick"), name).folder)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_there_run_and_made_from_this_source(name):
    assert references.stale(PROJECT, [name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_quick_run_agrees_with_the_reference(name):
    _, path = references.paths(PROJECT, name)
    assert path.is_file(), f"{PROJECT.relative(path)} is missing; run `python -m convexnn reference {name}`"
    differences = references.compare(current(name), json.loads(path.read_text(encoding="utf-8")))
    assert differences == [], "\n".join(differences)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_shows_numbers_that_the_reference_compares(name):
    _, path = references.paths(PROJECT, name)
    reference = json.loads(path.read_text(encoding="utf-8"))
    compared = {*reference["numbers"], *reference["arrays"]}
    assert [figure for figure, reads in reference["figures"].items() if not compared & set(reads)] == []


def test_every_declared_claim_is_measured_and_every_measured_one_declared():
    for name in NAMES:
        current(name)
    found = ledger.build(PROJECT)
    assert found.problems == ()
    assert [row.id for row in found.rows if row.measurements == 0] == []
