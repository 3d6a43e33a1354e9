"""The site: executed notebooks, ledger, benchmarks and the library as a book that opens from disk.

Pages are gathered in build/site/, from results, docs/ and benchmarks/results/, and Sphinx makes site/ of them. Nothing
on a page is typed twice, and no page asks the network for anything. Sphinx's warnings are errors: a broken link fails.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import re
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

from convexnn.pipeline import ledger as ledgers
from convexnn.pipeline.notebooks import discover
from convexnn.pipeline.project import Project, ProjectError, digest, digest_of, read_json
from convexnn.pipeline.slots import Slot

#: What the site extra of pyproject.toml installs, by module.
NEEDED = ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx-mathjax-offline")
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
    done = subprocess.run(
        [*call, str(project.root / "build" / "doctrees"), str(source), str(fresh)], capture_output=True, text=True
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line or "rror" in line]
        raise ProjectError("the site does not build: " + "; ".join((lines or done.stderr.splitlines()[-3:])[:5]))
    (fresh / STAMP).write_text(stamp, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(fresh, target)
    return target / "index.html"


def made_of(source: Path) -> dict[str, str]:
    """What the pages hold: a site that was made of the same is not made again."""
    return {path.relative_to(source).as_posix(): digest(path) for path in sorted(source.rglob("*")) if path.is_file()}


def gather(project: Project, size: str, source: Path) -> None:
    """All pages of the site, in the folder that Sphinx reads."""
    shutil.rmtree(source, ignore_errors=True)
    (source / "notebooks").mkdir(parents=True)
    (source / "_static").mkdir()
    docs = project.root / "docs"
    shutil.copy(docs / "site" / "conf.py", source)
    shutil.copy(docs / "site" / "site.css", source / "_static")
    names = [name for name in discover(project) if (project.results(size) / name / "notebook.ipynb").is_file()]
    if not names:
        raise ProjectError(f"no notebook has a result of size {size}; run `make reproduce` first")
    for name in names:
        shutil.copy(project.results(size) / name / "notebook.ipynb", source / "notebooks")
        (source / "notebooks" / "notebook.ipynb").rename(source / "notebooks" / f"{name}.ipynb")
    listed = "\n".join(f"notebooks/{name}" for name in names)
    front = (docs / "site" / "index.md").read_text(encoding="utf-8").replace("{notebooks}", listed)
    pages = {
        "index": front,
        "ledger": _ledger(project, size),
        "runs": _runs(project, size, names),
        "benchmarks": _benchmarks(project),
        "api": _api(project),
        "readme": _standalone((project.root / "README.md").read_text(encoding="utf-8")).replace(
            "# convexnn", "# Read me", 1
        ),
        "design": _standalone((docs / "design.md").read_text(encoding="utf-8")),
        "notation": _standalone((docs / "notation.md").read_text(encoding="utf-8")),
        "changelog": _standalone((project.root / "CHANGELOG.md").read_text(encoding="utf-8")),
    }
    for page, text in pages.items():
        (source / f"{page}.md").write_text(text, encoding="utf-8")
    if (docs / "figures").is_dir():
        shutil.copytree(docs / "figures", source / "docs" / "figures")


def _ledger(project: Project, size: str) -> str:
    """The claims, theorem by theorem, with links to the pages of the site."""
    ledger = ledgers.build(project, size)
    counts = ", ".join(f"{number} {status}" for status, number in ledger.counts().items())
    lines = ["# Ledger", "", f"Every declared claim against what the notebooks measured at {size} size: {counts}.", ""]
    lines += [f"**Problem:** {problem}\n" for problem in ledger.problems]
    for theorem, group in groupby(ledger.rows, key=lambda row: row.id.split(".")[0]):
        rows = list(group)
        sources = "; ".join(dict.fromkeys(row.source for row in rows))
        lines += [f"## {theorem}", "", f"Source: {sources}.", ""]
        lines += ["| claim | status | measured | tolerance | scope | seeds | notebook |", "|" + " --- |" * 7]
        lines += [_claim(row) for row in rows]
        lines.append("")
    return "\n".join(lines)


def _claim(row: ledgers.Row) -> str:
    words = f"`{row.id.partition('.')[2]}`: {row.statement}" + (f" ({row.note})" if row.note else "")
    pages = ", ".join(f"[{name.split('_')[0]}](notebooks/{name}.ipynb)" for name in row.notebooks)
    cells = [words, row.status.replace("_", " "), ledgers.number(row.measured), f"{row.tolerance:.0e}", row.scope]
    cells += [ledgers.seeds_text(row), pages]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _runs(project: Project, size: str, names: list[str]) -> str:
    """Times, parameters, commit and machine of every run."""
    lines = ["# Runs", "", f"Every notebook at {size} size: when it ran, for how long, and where.", ""]
    lines += ["| notebook | time | started | parameters | commit | machine |", "| --- | ---: | --- | --- | --- | --- |"]
    for name in names:
        slot = Slot(project.results(size), name)
        run, doc = slot.finished(), read_json(slot.folder / "result.json") or {}
        if run is None:
            continue
        origin = doc.get("provenance", {})
        machine = ", ".join(f"{key} {value}" for key, value in origin.get("machine", {}).items())
        values = ", ".join(f"{key}={value!r}" for key, value in run["parts"]["parameters"].items())
        commit = str(origin.get("commit", "unknown"))[:10] + (" and changes" if origin.get("dirty") else "")
        cells = [f"[{name}](notebooks/{name}.ipynb)", f"{run['elapsed_s']:.1f} s", str(run["started"]), values]
        lines.append("| " + " | ".join([*cells, commit, machine]).replace("\n", " ") + " |")
    return "\n".join(lines) + "\n"


def _benchmarks(project: Project) -> str:
    """The stored tables one after the other, goals first; their headings one level down."""
    folder = project.root / "benchmarks" / "results"
    paths = sorted(folder.glob("*.md"), key=lambda path: (path.stem != "goals", path.stem))
    tables = [re.sub(r"^#", "##", path.read_text(encoding="utf-8"), count=1) for path in paths]
    said = "Measured by `make bench`, stored with the project, and copied here unchanged."
    return "\n\n".join(["# Benchmarks", said, *tables]) + "\n"


def _api(project: Project) -> str:
    """One section for every public module, from its docstrings."""
    package = project.lib / project.package
    names = [module.name for module in pkgutil.iter_modules([str(package)]) if not module.name.startswith("_")]
    folders = [name for name in ("theorems", "bounds", "plotting") if (package / name).is_dir()]
    parts = ["# Library", "", f"`from {project.package} import ...`; every public name, from its docstring.", ""]
    for name in [n for n in names if n not in ("pipeline", "solvers")]:
        parts += _section(f"{project.package}.{name}", 2)
        if name in folders:
            inner = pkgutil.iter_modules([str(package / name)])
            below = sorted(m.name for m in inner if not m.name.startswith("_") and m.name != "shared")
            for part in below:
                parts += _section(f"{project.package}.{name}.{part}", 3)
    return "\n".join(parts) + "\n"


def _section(module: str, level: int) -> list[str]:
    own = f"```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n   :undoc-members:\n```"
    return [f"{'#' * level} {module}", "", own, ""]


def _standalone(text: str) -> str:
    """A page of the project without links into the checkout, which the site does not carry."""
    return re.sub(r"\[([^\]]+)\]\((?!https?:|docs/figures|#)[^)]+\)", r"\1", text)
