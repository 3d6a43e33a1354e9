"""What fails the ledger: each defect is planted in a project that has none, and named."""

import json

import pytest
from tiny_projects import GAUGE, LOSS, Recorder, tiny

from convexnn.pipeline import ledger, runner, tables
from convexnn.pipeline.project import ProjectError
from convexnn.pipeline.slots import Slot


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = tiny(tmp_path_factory.mktemp("ledger"), _01_gauge=GAUGE, _02_loss=LOSS)
    assert {outcome.ending for outcome in runner.run(made, progress=Recorder())} == {"finished"}
    return made


@pytest.fixture
def planted(project):
    """`planted(path, old, new)` changes a file of the project and gives the problems; the file comes back after."""
    before = {}

    def change(path, old, new):
        before.setdefault(path, path.read_bytes())
        text = path.read_bytes()
        assert old in text
        path.write_bytes(text.replace(old, new))
        return ledger.build(project).problems

    yield change
    for path, content in before.items():
        path.write_bytes(content)


def test_a_sound_project_has_no_problem_and_its_findings_have_outcomes(project):
    made = ledger.write(project)
    assert made.problems == ()
    assert {row.finding.id: row.outcome for row in made.findings} == {
        "one.E1": "reproduced at smaller size", "one.E2": "not attempted", "one.diverged": "inconclusive"
    }  # fmt: skip
    stored = json.loads((project.results("quick") / "ledger.json").read_text())
    assert [row["outcome"] for row in stored["findings"]] == [row.outcome for row in made.findings]
    text = (project.results("quick") / "ledger.md").read_text()
    for words in ("## Open", "One run diverged.", "There is nothing to measure.", "Run here: two numbers."):
        assert words in text
    assert "notebook.html#cell-id=" in text


def test_an_inconclusive_claim_that_nothing_explains_is_a_problem(project, planted):
    found = planted(project.lib / "tiny/theorems.py", b'claims=("one.gap",)', b'claims=("one.same",)')
    assert len(found) == 1
    assert "claim one.gap is inconclusive (one run diverged) and nothing says why" in found[0]
    with pytest.raises(ProjectError, match=r"one\.gap is inconclusive"):
        ledger.build(project).check()


def test_a_finding_that_names_no_claim_of_any_theorem_is_a_problem(project, planted):
    found = planted(project.lib / "tiny/theorems.py", b'claims=("one.same",)', b'claims=("one.sane",)')
    assert found == ("finding one.E1 names the claim 'one.sane', which no theorem declares. Did you mean 'one.same'?",)


def test_a_finding_that_names_no_test_is_a_problem(project, planted):
    found = planted(project.lib / "tiny/theorems.py", b'claims=("one.same",)', b'tests=("tests/test_a.py::test_b",)')
    assert found == ("finding one.E1 names the test tests/test_a.py::test_b, which does not exist",)


def test_an_id_that_is_used_twice_is_a_problem(project, planted):
    found = planted(project.lib / "tiny/theorems.py", b'"one.E1"', b'"one.same"')
    assert found == ("the id one.same is used twice in the ledger",)


def test_a_claim_nobody_measures_leaves_its_experiment_not_measured(project, planted):
    planted(project.lib / "tiny/theorems.py", b'claims=("one.same",)', b'claims=("one.idle",)')
    assert ledger.build(project).findings[0].outcome == "not measured"


def test_a_figure_of_another_run_is_a_problem(project, planted):
    slot = Slot(project.results("quick"), "01_gauge")
    key = slot.finished()["key"].encode()
    path = slot.folder / "result.json"
    place = path.read_bytes().index(b'"figures"')
    old = path.read_bytes()[place:].split(b'"key": "')[1][:16]
    assert old == key
    head, _, tail = path.read_bytes().partition(b'"figures"')
    found = planted(path, b'"figures"' + tail, b'"figures"' + tail.replace(key, b"0123456789abcdef", 1))
    assert head
    assert "curve was drawn from key 0123456789abcdef" in found[0]


def test_a_picture_that_was_painted_over_is_a_problem(project, planted):
    path = Slot(project.results("quick"), "01_gauge").folder / "figures" / "curve.png"
    found = planted(path, b"IDAT", b"IDAX")
    assert found == (
        "figure 01_gauge/curve is not the picture that the notebook drew from its result file; run 01_gauge",
    )


def test_a_figure_of_numbers_that_are_gone_is_a_problem(project, planted):
    path = Slot(project.results("quick"), "01_gauge").folder / "result.json"
    found = planted(path, b'"reads": [\n    "curve"', b'"reads": [\n    "curb"')
    assert "curve shows curb, which the result does not hold" in found[0]


def test_bars_and_line_ends_in_cells_keep_a_table_a_table():
    assert tables.table(("a", "b"), [("x|y", "1\n2")])[-1] == "| x\\|y | 1 2 |"
