"""The site builds without a warning, its links lead somewhere, and no page asks the network for anything."""

import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from convexnn.pipeline import site
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


class Page(HTMLParser):
    """What a page refers to: (tag, address) of links and of everything that is loaded, and the names in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.names: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.names |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        stylesheet = tag == "link" and found.get("rel") in ("stylesheet", "preload", "icon")
        address = found.get("src") if tag in ("script", "img", "iframe") else found.get("href") if stylesheet else None
        if address:
            self.loaded.append(address)


def pages_of(book):
    """The pages for readers; the theme leaves templates of its own under _static."""
    return [path for path in book.rglob("*.html") if "_static" not in path.relative_to(book).parts]


def test_nothing_is_loaded_from_elsewhere_and_every_file_is_there(book):
    for path in pages_of(book):
        for address in Page(path).loaded:
            parts = urlparse(address)
            assert parts.scheme in ("", "data"), f"{path.name} loads {address}"
            if not parts.scheme and "searchtools" not in address:
                assert (path.parent / unquote(parts.path)).is_file(), f"{path.name}: {address} is missing"


def test_every_link_leads_to_a_page_and_a_place_on_it(book):
    pages = {path.resolve(): Page(path) for path in pages_of(book)}
    for path, page in pages.items():
        for address in page.links:
            parts = urlparse(address)
            if parts.scheme or address == "#":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name}: {address} leads nowhere"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].names, f"{path.name}: no place {address}"


def test_the_pages_hold_what_they_promise(book):
    assert all((book / "notebooks" / f"{name}.html").is_file() for name in SHOWN)
    assert "not measured" in (book / "ledger.html").read_text(encoding="utf-8")  # these results have no numbers
    assert "best peer" in (book / "benchmarks.html").read_text(encoding="utf-8")
    api = (book / "api.html").read_text(encoding="utf-8")
    assert "convexnn.solving.solve" in api and "relative gap" in api
    two_layer = (book / "notebooks" / "01_two_layer.html").read_text(encoding="utf-8")
    assert 'class="math notranslate nohighlight"' in two_layer and "mathjax" in two_layer.lower()
    assert "image/png" in two_layer or "_images/" in two_layer


def test_pages_carry_no_warnings_of_the_machine_and_nothing_is_left_outside_build(book):
    assert {path.name for path in book.parent.iterdir()} & {"jupyter_execute", "_build"} == set()
    for path in pages_of(book):
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
