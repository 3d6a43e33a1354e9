"""What a stranger meets first: Binder, Colab and the slider open at quick size, and need one setting at most."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import colab  # noqa: E402
import nbformat  # noqa: E402

from convexnn.pipeline.site import repository  # noqa: E402
from convexnn.plotting import sliders  # noqa: E402

CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_colab_notebook_is_what_its_writer_writes():
    assert (ROOT / "docs" / "colab.ipynb").read_text(encoding="utf-8") == colab.render(CITATION)


@pytest.mark.parametrize(
    "line", ["", "repository-code: https://example.org/a/b", 'repository-code: "https://example.org/a/b/"']
)
def test_the_address_stands_in_one_place_and_two_readers_agree(line, tmp_path):
    text = f"{CITATION}{line}\n"
    (tmp_path / "CITATION.cff").write_text(text, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "convexnn"\n', encoding="utf-8")
    from convexnn.pipeline.project import Project

    expected = "https://example.org/a/b" if line else colab.repository(CITATION)
    assert colab.repository(text) == repository(Project.find(tmp_path)) == expected
    node = nbformat.reads(colab.render(text), as_version=4)
    nbformat.validate(node)
    setup = node.cells[1].source
    assert f"repository = {expected!r}" in setup and "!git clone -q --depth 1 {repository} convexnn" in setup


def test_the_colab_notebook_runs_an_existing_notebook_at_quick_size_and_its_example_runs(capsys):
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads(colab.render(CITATION))["cells"]}
    assert "--size quick" in cells["run"] and list((ROOT / "notebooks").glob("01_*.py"))
    exec(cells["example"], {})
    assert "lies in [" in capsys.readouterr().out


def test_binder_installs_the_lock_and_an_extra_that_exists():
    script = (ROOT / ".binder" / "postBuild").read_text(encoding="utf-8")
    assert subprocess.run(["bash", "-n", str(ROOT / ".binder" / "postBuild")], check=False).returncode == 0
    assert (ROOT / ".binder" / "postBuild").stat().st_mode & 0o111
    assert "-c requirements/constraints.txt -e '.[notebooks]'" in script
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "notebooks" in table["optional-dependencies"]
    version = (ROOT / ".binder" / "runtime.txt").read_text(encoding="utf-8").strip()
    assert version == "python-" + table["requires-python"].removeprefix(">=")


def test_the_notebooks_open_at_quick_size():
    for path in sorted((ROOT / "notebooks").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert 'size: str = "quick"' in text, path.name


def drawn(value):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, value])
    return figure


def test_a_slider_is_one_static_picture_in_a_run_and_without_a_kernel(monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr(sliders, "_show", lambda figure: shown.append(figure))
    sliders.slider(drawn, "x", (1.0, 2.0), start=2.0)
    monkeypatch.setenv("CONVEXNN_RESULT_DIR", str(tmp_path))
    sliders.slider(drawn, "x", (1.0, 2.0), start=1.0)
    assert len(shown) == 2 and not sliders.is_live()


def test_a_live_slider_draws_at_its_start_and_again_when_it_is_moved(monkeypatch):
    widgets = pytest.importorskip("ipywidgets")
    asked, made = [], []
    monkeypatch.setattr(sliders, "is_live", lambda: True)
    monkeypatch.setattr(sliders, "_show", lambda figure: None)
    monkeypatch.setattr(widgets, "interact", lambda draw, value: made.append((draw, value)))
    sliders.slider(lambda value: asked.append(value), "x", (1.0, 2.0, 3.0), start=2.0)
    ((draw, control),) = made
    assert control.value == 2.0 and control.description == "x" and control.continuous_update is False
    assert [value for _, value in control.options] == [1.0, 2.0, 3.0]
    draw(3.0)
    assert asked == [3.0]


def test_a_start_beside_the_values_is_refused():
    with pytest.raises(ValueError, match=r"start is 5\.0; it must be one of the values 1, 2"):
        sliders.slider(drawn, "x", (1.0, 2.0), start=5.0)
