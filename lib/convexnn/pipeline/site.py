"""The site: executed notebooks, ledger, benchmarks and the library as a book that opens from disk.

Pages are gathered in build/site/, from results, docs/ and benchmarks/results/, and Sphinx makes site/ of them. Nothing
on a page is typed twice, and no page asks the network for anything. Sphinx's warnings are errors: a broken link fails.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from convexnn.pipeline import api_pages, pictures, tables
from convexnn.pipeline import ledger as ledgers
from convexnn.pipeline.notebooks import discover
from convexnn.pipeline.project import Project, ProjectError, digest, digest_of, read_json
from convexnn.pipeline.slots import Slot

#: What the site extra of pyproject.toml installs, by module.
NEEDED = ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx-mathjax-offline")
#: On the front page when the repository's address is known.
LAUNCH = """
*Without installing anything.* Every notebook has a launch button: Binder builds the locked environment and opens it at
quick size; in Colab open `docs/colab.ipynb`, which installs the project and runs one notebook.
"""
#: In the finished site: the digest of what it was made of.
STAMP = ".made-of"


def missing() -> list[str]:
    """The modules of the site extra that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def build(project: Project, size: str = "quick") -> Path:
    """Gather the pages, run Sphinx, and return site/index.html.

    Raises ProjectError when Sphinx is not installed, no notebook has a result, or a page does not build.
    """
    if missing():
        raise ProjectError(f"the site needs {', '.join(missing())}: pip install -e '.[site]', or `make env`")
    source, target = project.root / "build" / "site", project.root / "site"
    gather(project, size, source)
    stamp = digest_of([made_of(source), project.library_hashes()])
    if (target / STAMP).is_file() and (target / STAMP).read_text(encoding="utf-8") == stamp:
        return target / "index.html"
    fresh = project.root / "build" / "html"  # the old site stays until the new one is whole
    shutil.rmtree(fresh, ignore_errors=True)
    call = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d"]
    where = [str(project.root / "build" / "doctrees"), str(source), str(fresh)]
    path = os.pathsep.join(filter(None, [str(project.lib), os.environ.get("PYTHONPATH")]))
    done = subprocess.run([*call, *where], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line or "rror" in line]
        raise ProjectError("the site does not build: " + "; ".join((lines or done.stderr.splitlines()[-3:])[:5]))
    (fresh / STAMP).write_text(stamp, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(fresh, target)
    return target / "index.html"


def repository(project: Project) -> str:
    """The address of the project, `repository-code` in CITATION.cff; empty while it is not known."""
    path = project.root / "CITATION.cff"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = re.search(r"^repository-code:\s*[\"']?(https://\S+?)/?[\"']?\s*$", text, re.MULTILINE)
    return found[1] if found else ""


def made_of(source: Path) -> dict[str, str]:
    """What the pages hold: a site that was made of the same is not made again."""
    return {path.relative_to(source).as_posix(): digest(path) for path in sorted(source.rglob("*")) if path.is_file()}


def gather(project: Project, size: str, source: Path) -> None:
    """All pages of the site, in the folder that Sphinx reads."""
    shutil.rmtree(source, ignore_errors=True)
    (source / "notebooks").mkdir(parents=True)
    (source / "_static").mkdir()
    docs = project.root / "docs"
    address = repository(project)
    settings = (docs / "site" / "conf.py").read_text(encoding="utf-8")
    settings = settings.replace('repository = ""', f"repository = {address!r}")
    (source / "conf.py").write_text(settings, encoding="utf-8")
    shutil.copy(docs / "site" / "site.css", source / "_static")
    names = [name for name in discover(project) if (project.results(size) / name / "notebook.ipynb").is_file()]
    if not names:
        raise ProjectError(f"no notebook has a result of size {size}; run `make reproduce` first")
    stale = [text for name in names for text in pictures.stale(Slot(project.results(size), name))]
    if stale:
        raise ProjectError("; ".join(stale))
    cells = {m["cell"] for _, claim, _ in ledgers.measured(project, size) for m in claim["measurements"] if m["cell"]}
    for name in names:
        node = _anchored(read_json(project.results(size) / name / "notebook.ipynb") or {}, cells)
        (source / "notebooks" / f"{name}.ipynb").write_text(json.dumps(node, ensure_ascii=False), encoding="utf-8")
    listed = "\n".join(f"notebooks/{name}" for name in names)
    front = (docs / "site" / "index.md").read_text(encoding="utf-8").replace("{notebooks}", listed)
    front = front.replace("{launch}", LAUNCH if address else "")
    pages = {
        "index": front,
        "ledger": _ledger(project, size),
        "runs": _runs(project, size, names),
        "benchmarks": _benchmarks(project),
        **api_pages.pages(project),
        "readme": _standalone((project.root / "README.md").read_text(encoding="utf-8")).replace(
            "# convexnn", "# Read me", 1
        ),
        "design": _standalone((docs / "design.md").read_text(encoding="utf-8")),
        "notation": _standalone((docs / "notation.md").read_text(encoding="utf-8")),
        "changelog": _standalone((project.root / "CHANGELOG.md").read_text(encoding="utf-8")),
    }
    (source / "api").mkdir()
    for page, text in pages.items():
        (source / f"{page}.md").write_text(text, encoding="utf-8")
    if (docs / "figures").is_dir():
        shutil.copytree(docs / "figures", source / "docs" / "figures")


def _ledger(project: Project, size: str) -> str:
    """Findings, goals and claims, with links to the cells on the pages of the site."""

    def to_cell(text: str, notebook: str, link: str) -> str:
        words = re.sub("`([^`]*)`", r"<code>\1</code>", text)
        place = link.partition("#cell-id=")[2]
        return f'<a href="notebooks/{notebook}.html{"#" + place if place else ""}">{words}</a>'

    return tables.page(ledgers.build(project, size), size, to_cell)


def _anchored(page: dict[str, Any], cells: set[str]) -> dict[str, Any]:
    """The notebook with a place to link to before every cell of `cells`."""
    whole: list[dict[str, Any]] = []
    for cell in page["cells"]:
        if cell.get("id") in cells:
            place = {"cell_type": "markdown", "id": f"at-{cell['id']}"[-64:], "metadata": {}}
            whole.append({**place, "source": f'<span class="place" id="{cell["id"]}"></span>'})
        whole.append(cell)
    return {**page, "cells": whole}


def _runs(project: Project, size: str, names: list[str]) -> str:
    """Times, parameters and commit of every run, then the machines they ran on."""
    rows: list[tuple[str, ...]] = []
    machines: dict[str, str] = {}
    for name in names:
        slot = Slot(project.results(size), name)
        run, doc = slot.finished(), read_json(slot.folder / "result.json") or {}
        if run is None:
            continue
        origin, started = doc.get("provenance", {}), str(run["started"])[:16].replace("T", " ")
        facts = ", ".join(f"{key} {value}" for key, value in origin.get("machine", {}).items())
        letter = machines.setdefault(facts, "ABCDEFGHIJ"[len(machines) % 10])
        values = ", ".join(f"{key}={value!r}" for key, value in run["parts"]["parameters"].items())
        commit = str(origin.get("commit", "unknown"))[:10] + (" and changes" if origin.get("dirty") else "")
        cells = [f"[{name}](notebooks/{name}.ipynb)", f"{run['elapsed_s']:.0f}\u00a0s", letter, started]
        rows.append((*cells, values, commit, run["key"]))
    said = f"Every notebook at {size} size: when it ran, for how long, and where. Equal keys mean equal inputs."
    columns = ("notebook", "time", "machine", "started", "parameters", "commit", "key")
    lines = ["# Runs", "", said, "", *tables.table(columns, rows), "", "## Machines", ""]
    lines += tables.table(("machine", "facts"), [(letter, facts) for facts, letter in machines.items()])
    return "\n".join(lines) + "\n"


def _benchmarks(project: Project) -> str:
    """The stored tables one after the other, goals first; their headings one level down."""
    folder = project.root / "benchmarks" / "results"
    paths = sorted(folder.glob("*.md"), key=lambda path: (path.stem != "goals", path.stem))
    stored = [re.sub(r"^#", "##", path.read_text(encoding="utf-8"), count=1) for path in paths]
    said = "Measured by `make bench`, stored with the project, and copied here unchanged."
    return "\n\n".join(["# Benchmarks", said, *stored]) + "\n"


def _standalone(text: str) -> str:
    """A page of the project without links into the checkout, which the site does not carry."""
    return re.sub(r"\[([^\]]+)\]\((?!https?:|docs/figures|#)[^)]+\)", r"\1", text)
