"""What is refused before any kernel starts, and what a percent file means."""

from pathlib import Path

import pytest
from tiny_projects import GAUGE, LOSS, tiny, write

from convexnn.pipeline import notebooks, runner
from convexnn.pipeline.project import Project, ProjectError


@pytest.fixture
def project(tmp_path):
    return tiny(tmp_path, _01_gauge=GAUGE, _02_loss=LOSS)


@pytest.mark.parametrize(
    ("names", "given", "words"),
    [
        (["01_gage"], {}, "Did you mean '01_gauge'"),
        (["07"], {}, "there are 01_gauge, 02_loss"),
        (["01"], {"sed": "1"}, "Did you mean 'seed'"),
        (["01"], {"seed": "abc"}, "it takes int"),
        (["01"], {"seed": "1.5"}, "it takes int"),
        (["01"], {"seed": "True"}, "it takes int"),
        (["01"], {"beta": "high"}, "it takes float"),
        (["01"], {"size": "full"}, "use --size full"),
        ([], {"beta": "0.2"}, "02_loss has no parameter 'beta'"),
    ],
)
def test_a_wrong_name_or_value_is_refused_with_a_remedy(project, names, given, words):
    with pytest.raises(ProjectError, match=words):
        runner.plan(project, names, "quick", given)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("# %%\nprint(1)\n", "no cell tagged parameters"),
        ('# %% tags=["parameters"]\na = 1\n\n# %% tags=["parameters"]\nb = 1\n', "2 cells tagged parameters"),
        ('# %% tags=["parameters"]\na = open("x")\n', "write only lines like"),
        ('# %% tags=["parameters"]\nimport os\n', "line 1 is not an assignment"),
    ],
)
def test_a_bad_parameters_cell_is_refused(tmp_path, source, words):
    project = tiny(tmp_path, _01_bad=source)
    with pytest.raises(ProjectError, match=words):
        runner.plan(project, [], "quick")


def test_parameters_are_read_from_annotations_and_from_tuples():
    found = notebooks.parameters_of("x", 'size, seed = "quick", 0\nbeta: float = 1\nwidth: int | None = None  # any')
    assert [p.default for p in found.values()] == ["quick", 0, 1, None]
    assert found["seed"].parse("3") == 3
    assert isinstance(found["beta"].parse("2"), float)
    assert found["width"].parse("none") is None
    assert found["size"].parse("12") == "12"


def test_prose_does_not_change_the_code_hash(project):
    path = project.notebooks / "01_gauge.py"
    before = notebooks.read(path).code_hash
    path.write_text(path.read_text().replace("# # A gauge", "# # The gauge, told better"))
    assert notebooks.read(path).code_hash == before
    path.write_text(path.read_text().replace("norm(3.0", "norm(3.5"))
    assert notebooks.read(path).code_hash != before


def test_the_quick_reader_sees_the_code_cells_that_jupytext_sees(project):
    header = "# ---\n# jupyter:\n#   jupytext:\n#     formats: ipynb,py:percent\n# ---\n\n"
    write(project.root, {"notebooks/03_head.py": header + GAUGE.lstrip("\n")})
    for name in notebooks.discover(project):
        path = project.notebooks / f"{name}.py"
        node = notebooks.to_ipynb(path)
        assert [c.source for c in node.cells if c.cell_type == "code"] == list(notebooks.read(path).code)
        assert [c.id for c in node.cells] == [f"{name}-{k:02d}" for k in range(len(node.cells))]


def test_a_folder_that_is_no_project_is_named(tmp_path):
    with pytest.raises(ProjectError, match=r"no pyproject\.toml"):
        Project.find(Path(tmp_path))
