"""The site in a real browser, from disk: no errors, formulas set, light and dark, narrow screens, search."""

import shutil
from pathlib import Path

import pytest
from tiny_projects import GAUGE, Recorder, tiny

from convexnn.pipeline import browsing, links, runner, site

ROOT = Path(__file__).resolve().parents[2]
FORMULA = r"""
# %% [markdown]
# ## A wide formula
#
# $$\min_{u,a}\ \tfrac12\Big\|\sum_j(Xu_j)_+a_j-y\Big\|^2+\tfrac\beta2\sum_j\big(\|u_j\|^2+a_j^2\big)
# \quad\text{and much more than fits on a narrow screen}$$
"""

pytestmark = [
    pytest.mark.skipif(bool(site.missing()), reason="the site extra is not installed"),
    pytest.mark.skipif(bool(why := browsing.missing()), reason=why or "there is a browser"),
]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The site of a project of one notebook, run by the real runner."""
    root = tmp_path_factory.mktemp("seen")
    project = tiny(root, _01_two_layer=GAUGE.replace("01_gauge", "01_two_layer") + FORMULA)
    for name in ("README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "docs", root / "docs")
    assert [outcome.ending for outcome in runner.run(project, progress=Recorder())] == ["finished"]
    return site.build(project).parent


def test_no_page_has_a_fault_in_any_scheme_or_width(book):
    assert links.broken(book) == []
    pages = [book / f"{name}.html" for name in ("index", "ledger", "runs", "api/program", "notebooks/01_two_layer")]
    assert browsing.faults(book, pages) == []


FAULTS = {
    "<p>$$x$$</p>": "shows a formula as text: $$x$$",
    "<p>\\(x\\)</p>": "shows a formula as text: \\(x\\)",
    "<div style='width: 900px'>wide</div>": "is 908 pixels wide on 390",
    "<script>console.error('oh')</script>": "says oh",
    "<script>null.x</script>": "fails with Cannot read properties of null (reading 'x')",
    "<img src='gone.png'>": "cannot load",
    "<span class='math'>x</span>": "has 1 formulas and sets none",
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """What the check says of one bad page each, by its number, all seen with one browser."""
    folder = tmp_path_factory.mktemp("planted")
    for number, text in enumerate(FAULTS):
        page = f"<!doctype html><meta charset='utf-8'><link rel='icon' href='data:,'><article>{text}</article>"
        (folder / f"{number}.html").write_text(page, encoding="utf-8")
    (folder / "fine.html").write_text("<!doctype html><article>fine <code>$$x$$</code></article>", encoding="utf-8")
    return browsing.faults(folder, views=browsing.VIEWS[1:])


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_a_planted_fault_is_seen(planted, number):
    said = [line for line in planted if line.startswith(f"{number}.html (dark, narrow)")]
    assert any(list(FAULTS.values())[number] in line for line in said), said


def test_a_page_without_faults_has_none(planted):
    assert [line for line in planted if line.startswith("fine")] == []


def test_search_works_from_disk_and_a_claim_leads_to_its_cell(book):
    with browsing.browser() as shown:
        page = shown.new_page()
        page.goto((book / "search.html").resolve().as_uri() + "?q=gauge")
        page.wait_for_selector("#search-results li a", timeout=10_000)
        assert "two_layer" in page.content()
        page.goto((book / "ledger.html").resolve().as_uri())
        page.click("section#claims a[href*='#01_two_layer-']")
        page.wait_for_url("**/01_two_layer.html#01_two_layer-*")
        place = page.locator(f"[id='{page.url.partition('#')[2]}']")
        place.wait_for(state="attached")
        code = place.locator("xpath=following::div[contains(@class, 'cell')][1]")
        assert "result.measure" in code.inner_text()


def test_the_dark_scheme_is_dark_and_the_light_one_light(book):
    shades = {}
    with browsing.browser() as shown:
        for scheme in ("light", "dark"):
            page = shown.new_context(color_scheme=scheme).new_page()
            page.goto((book / "index.html").resolve().as_uri())
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            shades[scheme] = int(colour.split("(")[1].split(",")[0])
    assert shades["light"] > 200 and shades["dark"] < 60
