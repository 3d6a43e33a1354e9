"""One run of a tiny project, then everything that should and should not happen next."""

import json
import shutil
from dataclasses import replace

import nbformat
import pytest
from tiny_projects import GAUGE, LOSS, Recorder, tiny, write

from convexnn import report
from convexnn.pipeline import index, keys, ledger, notebooks, references, runner
from convexnn.pipeline.project import ProjectError
from convexnn.pipeline.slots import Slot

BROKEN = """
# %% tags=["parameters"]
size = "quick"

# %% compute
from convexnn import report
result = report.Result("03_broken", {"size": size})
result.save(rtol=None, before=1.0)

# %% divide
1 / 0
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = tiny(tmp_path_factory.mktemp("tiny"), _01_gauge=GAUGE, _02_loss=LOSS, _03_broken=BROKEN)
    made_outcomes[made.root] = runner.run(made, jobs=2, progress=Recorder())
    (made.notebooks / "03_broken.py").unlink()
    shutil.copytree(made.results("quick") / "03_broken", made.root / "kept")
    return made


made_outcomes: dict = {}


def changes(project, name):
    notebook = notebooks.find(project, [name])[0]
    return keys.State.now(project).changes(notebook, notebook.values("quick"), slot(project, name))


def slot(project, name):
    return Slot(project.results("quick"), name)


def test_a_failure_is_kept_with_its_cell_and_the_rest_goes_on(project):
    endings = {outcome.label: outcome for outcome in made_outcomes[project.root]}
    assert [endings[n].ending for n in ("01_gauge", "02_loss", "03_broken")] == ["finished", "finished", "failed"]
    assert "cell 3 of 3 (divide): ZeroDivisionError" in endings["03_broken"].sentence()
    kept = json.loads((project.root / "kept/failed.json").read_text())
    assert "1 / 0" in kept["traceback"] and kept["cell_id"] == "03_broken-02"
    assert "ZeroDivisionError" in (project.root / "kept/failed.ipynb").read_text()
    assert json.loads((project.root / "kept/failed/result.json").read_text())["numbers"]["before"]["value"] == 1.0
    assert not (project.root / "kept/run.json").exists()


def test_the_stored_notebook_is_valid_and_without_the_runners_cell(project):
    folder = slot(project, "01_gauge").folder
    node = nbformat.read(folder / "notebook.ipynb", as_version=4)
    nbformat.validate(node)
    assert [cell.id for cell in node.cells] == [f"01_gauge-{k:02d}" for k in range(4)]
    assert "CONVEXNN_TRACE" not in (folder / "notebook.ipynb").read_text()
    shown = [output for output in node.cells[-1].outputs if "image/png" in output.get("data", {})]
    assert [output.data["text/plain"] for output in shown] == ["A straight line."]
    assert not [
        output for cell in node.cells if cell.cell_type == "code" for output in cell.outputs if "text" in output
    ]


def test_a_figure_carries_its_provenance(project):
    stored, run = report.load(slot(project, "01_gauge").folder), slot(project, "01_gauge").finished()
    figure = stored.figures["curve"]
    assert figure["key"] == run["key"] == stored.key
    assert (figure["notebook"], figure["parameters"]["beta"], figure["reads"]) == ("01_gauge", 0.1, ["curve"])
    for name in figure["files"].values():
        assert (slot(project, "01_gauge").folder / name).stat().st_size > 1000
    assert stored.provenance["machine"]["cores"] >= 1


def test_only_the_imported_files_and_the_manifests_beside_them_are_in_the_key(project):
    assert list(slot(project, "02_loss").finished()["parts"]["files"]) == [
        "lib/tiny/__init__.py", "lib/tiny/constants.json", "lib/tiny/losses.py", "lib/tiny/theorems.py"
    ]  # fmt: skip


def test_a_second_run_starts_no_kernel(project):
    recorder = Recorder()
    outcomes = runner.run(project, progress=recorder)
    assert [outcome.ending for outcome in outcomes] == ["unchanged", "unchanged"]
    assert recorder.started == []
    assert keys.why(project, "01") == ["nothing changed"]


@pytest.mark.parametrize(
    ("file", "old", "new", "reasons"),
    [
        ("lib/tiny/gauges.py", "0.5", "0.50", {"01": "lib/tiny/gauges.py changed since the last run"}),
        ("lib/tiny/__init__.py", "", "x = 1", dict.fromkeys(("01", "02"), "lib/tiny/__init__.py changed")),
        ("notebooks/02_loss.py", "squared(2.0)", "squared(3.0)", {"02": "notebooks/02_loss.py: code cells changed"}),
        ("notebooks/02_loss.py", "seed: int = 0", "seed: int = 1", {"02": "parameter seed changed from 0 to 1"}),
        ("notebooks/01_gauge.py", "# # A gauge", "# # Prose", {}),
    ],
)
def test_why_names_what_changed(project, file, old, new, reasons):
    path = project.root / file
    before = path.read_text()
    path.write_text(before.replace(old, new, 1))
    found = {name: changes(project, name) for name in ("01_gauge", "02_loss")}
    path.write_text(before)
    assert {name[:2] for name, lines in found.items() if lines} == set(reasons)
    for name, words in reasons.items():
        assert any(words in line for lines in (found[k] for k in found if k[:2] == name) for line in lines)


def test_why_names_the_environment_the_device_a_removed_file_and_damage(project):
    notebook, folder = notebooks.find(project, ["01"])[0], slot(project, "01_gauge").folder
    state, values = keys.State.now(project), notebook.values("quick")
    other = replace(state, environment={**state.environment, "numpy": "0.1"}, library={})
    found = other.changes(notebook, values | {"device": "cuda"}, slot(project, "01_gauge"))
    assert any(line.startswith("environment: numpy changed") for line in found)
    assert "device changed from cpu to cuda" in found and "lib/tiny/gauges.py was removed" in found
    page = (folder / "arrays.npz").read_bytes()
    (folder / "arrays.npz").write_bytes(page[:-1])
    damage = changes(project, "01_gauge")
    (folder / "arrays.npz").write_bytes(page)
    assert damage == ["result file arrays.npz is missing or was changed"]


def test_the_ledger_judges_and_lists_what_nobody_measured(project):
    rows = {row.id: row for row in ledger.write(project).rows}
    assert {name: row.status for name, row in rows.items()} == {
        "one.gap": "inconclusive", "one.same": "holds_on_tested", "one.idle": "not measured"
    }  # fmt: skip
    gap = rows["one.gap"]
    assert (gap.measured, gap.seeds, gap.note) == ("NaN", (0, 1, 2), "one run diverged")
    assert gap.link.endswith("notebook.html#cell-id=01_gauge-02")
    assert 'id="cell-id=01_gauge-02"' in (slot(project, "01_gauge").folder / "notebook.html").read_text()
    assert ledger.unmeasured(project) == ["one.idle"]
    assert "two values \\| agree" in (project.results("quick") / "ledger.md").read_text()


def test_a_measured_claim_must_be_declared_as_it_was_measured(project):
    path = project.lib / "tiny/theorems.py"
    before = path.read_text()
    path.write_text(before.replace("one.gap", "one.gulp").replace('"agreement", 1e-6', '"agreement", 1e-9'))
    problems = ledger.build(project).problems
    path.write_text(before)
    assert "'one.gap', measured in 01_gauge, is declared by no theorem" in problems[0]
    assert "one.same was measured in 02_loss before it was changed" in problems[1]
    with pytest.raises(ProjectError, match="declared by no theorem"):
        ledger.Ledger((), problems).check()


def test_the_index_page_is_complete_and_needs_no_network(project):
    page = index.write(project, "quick", ledger.build(project)).read_text()
    for words in ("01_gauge", "A straight line.", "Two rows.", "data:image/png;base64", "prefers-color-scheme: dark"):
        assert words in page
    assert slot(project, "01_gauge").finished()["key"] in page
    assert "http://" not in page and "https://" not in page


def test_references_are_normal_and_go_stale_with_their_source(project):
    assert any("01_gauge.ipynb is missing" in line for line in references.stale(project))
    references.write(project)
    assert references.stale(project) == []
    text = (project.notebooks / "01_gauge.ipynb").read_text()
    assert "papermill" not in text and str(project.root) not in text and "execute_input" not in text
    nbformat.validate(nbformat.reads(text, as_version=4))
    page = project.notebooks / "02_loss.ipynb"
    node = json.loads(page.read_text())
    node["cells"][-1]["execution_count"] = None
    node["cells"][0]["outputs"] = [{"output_type": "error", "ename": "E", "evalue": "", "traceback": []}]
    page.write_text(json.dumps(node))
    source = project.notebooks / "01_gauge.py"
    before = source.read_text()
    source.write_text(before + "\n# one more line\n")
    found = "\n".join(references.stale(project))
    source.write_text(before)
    for words in ("02_loss-01 was not run", "02_loss-00 holds an error", "01_gauge.ipynb: was made from another"):
        assert words in found
    references.write(project)


def test_comparison_sees_a_thousandth_and_forgives_a_billionth(project):
    references.write(project, ["01"])
    reference = json.loads((project.root / "tests/reference/01_gauge.json").read_text())
    stored = report.load(slot(project, "01_gauge").folder)
    assert references.compare(stored, reference) == []
    assert "took_s" not in reference["numbers"]

    def shifted(factor):
        arrays = {"curve": stored.arrays["curve"] * factor}
        return references.compare(
            replace(stored, numbers={**stored.numbers, "value": 0.5 * factor}, arrays=arrays), reference
        )

    assert shifted(1 + 1e-9) == []
    assert [line.split()[0] for line in shifted(1 + 1e-3)] == ["value", "curve"]
    flipped = {**stored.claims, "one.gap": {**stored.claims["one.gap"], "status": "certified"}}
    assert "claim one.gap is 'certified'" in references.compare(replace(stored, claims=flipped), reference)[0]
    finite = replace(stored, numbers={**stored.numbers, "bad": 1.0})
    assert "bad has NaN" in references.compare(finite, reference)[0]


def test_other_parameters_give_a_result_of_their_own(project):
    first = slot(project, "02_loss").finished()["key"]
    outcome = runner.run(project, ["02"], given={"seed": "4"}, progress=Recorder())[0]
    assert (outcome.label, outcome.ending) == ("02_loss@seed=4", "finished")
    assert slot(project, "02_loss").finished()["key"] == first
    assert report.load(slot(project, "02_loss@seed=4").folder).parameters["seed"] == 4
    assert runner.run(project, ["02"], given={"seed": "4"}, progress=Recorder())[0].ending == "unchanged"


def test_a_changed_file_reruns_only_who_imports_it(project):
    write(project.root, {"lib/tiny/losses.py": "def squared(r):\n    return 0.5 * r**2\n"})
    recorder = Recorder()
    outcomes = runner.run(project, progress=recorder)
    assert recorder.started == ["02_loss"]
    assert outcomes[1].reasons == ("lib/tiny/losses.py changed since the last run",)
