"""The site builds without a warning, its links lead somewhere, and no page asks the network for anything."""

import shutil
from pathlib import Path

import pytest

from convexnn.pipeline import links, site
from convexnn.pipeline.project import Project, ProjectError

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ("01_two_layer", "04_deep_linear")

pytestmark = pytest.mark.skipif(bool(site.missing()), reason="the site extra is not installed")


def checkout(folder: Path) -> Project:
    """A project whose sources are the real ones and whose results are two committed notebooks."""
    for name in ("README.md", "CHANGELOG.md", "pyproject.toml", "benchmarks", "lib", "notebooks"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in SHOWN:
        result = folder / "results" / "quick" / name
        result.mkdir(parents=True)
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", result / "notebook.ipynb")
    return Project.find(folder)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of the finished site."""
    return site.build(checkout(tmp_path_factory.mktemp("site"))).parent


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(book):
    assert links.broken(book) == []
    assert len(links.pages_of(book)) > 12


BROKEN = {
    '<a href="nowhere.html">gone</a>': "page.html: nowhere.html leads nowhere",
    '<a href="other.html#gone">gone</a>': "page.html: other.html#gone has no such place on its page",
    '<a href="#gone">gone</a>': "page.html: #gone has no such place on its page",
    '<img src="gone.png">': "page.html: gone.png is missing",
    '<img src="https://example.org/a.png">': "page.html: https://example.org/a.png is loaded from the network",
    '<script src="//example.org/a.js"></script>': "page.html: //example.org/a.js is loaded from the network",
}


@pytest.mark.parametrize(("text", "said"), BROKEN.items())
def test_a_planted_broken_link_is_named(tmp_path, text, said):
    (tmp_path / "other.html").write_text('<h1 id="top">fine</h1><a href="https://example.org">elsewhere</a>')
    (tmp_path / "page.html").write_text(f'<a href="other.html#top">fine</a>{text}')
    assert links.broken(tmp_path) == [said]


def test_the_pages_hold_what_they_promise(book):
    assert all((book / "notebooks" / f"{name}.html").is_file() for name in SHOWN)
    assert "not measured" in (book / "ledger.html").read_text(encoding="utf-8")  # these results have no numbers
    assert "best peer" in (book / "benchmarks.html").read_text(encoding="utf-8")
    assert "Errata" in (book / "ledger.html").read_text(encoding="utf-8")
    api = (book / "api" / "solve.html").read_text(encoding="utf-8")
    assert "convexnn.solving.solve" in api and "relative gap" in api
    two_layer = (book / "notebooks" / "01_two_layer.html").read_text(encoding="utf-8")
    assert 'class="math notranslate nohighlight"' in two_layer and "mathjax" in two_layer.lower()
    assert "image/png" in two_layer or "_images/" in two_layer


def test_pages_carry_no_warnings_of_the_machine_and_nothing_is_left_outside_build(book):
    assert {path.name for path in book.parent.iterdir()} & {"jupyter_execute", "_build"} == set()
    for path in links.pages_of(book):
        assert "site-packages/" not in path.read_text(encoding="utf-8"), path.name


def test_a_broken_link_is_an_error_that_names_the_page(tmp_path):
    project = checkout(tmp_path)
    front = tmp_path / "docs" / "site" / "index.md"
    front.write_text(front.read_text(encoding="utf-8") + "\n[gone](nowhere.md)\n", encoding="utf-8")
    with pytest.raises(ProjectError, match=r"index\.md.*nowhere"):
        site.build(project)


def test_without_results_the_error_says_what_to_run(tmp_path):
    project = checkout(tmp_path)
    shutil.rmtree(tmp_path / "results")
    with pytest.raises(ProjectError, match="make reproduce"):
        site.build(project)


def test_a_site_that_is_made_of_the_same_is_left_alone(book):
    made = (book / "index.html").stat().st_mtime_ns
    site.build(Project.find(book.parent))
    assert (book / "index.html").stat().st_mtime_ns == made


def test_the_binder_and_colab_buttons_need_one_setting(tmp_path):
    project = checkout(tmp_path)
    site.gather(project, "quick", tmp_path / "bare")
    assert "repository = ''" in (tmp_path / "bare" / "conf.py").read_text(encoding="utf-8")
    assert "Binder" not in (tmp_path / "bare" / "index.md").read_text(encoding="utf-8")
    (tmp_path / "CITATION.cff").write_text('repository-code: "https://example.org/a/b/"\n', encoding="utf-8")
    site.gather(project, "quick", tmp_path / "known")
    assert "repository = 'https://example.org/a/b'" in (tmp_path / "known" / "conf.py").read_text(encoding="utf-8")
    assert "Binder" in (tmp_path / "known" / "index.md").read_text(encoding="utf-8")


def test_the_example_on_the_front_page_runs(capsys):
    text = (ROOT / "docs" / "site" / "index.md").read_text(encoding="utf-8")
    scope: dict = {}
    exec(text.split("```python")[1].split("```")[0], scope)
    assert "lies in [" in capsys.readouterr().out
    assert scope["solution"].status == "solved"
