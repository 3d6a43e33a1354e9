"""The paper: its sources in paper/, every number, table and figure from result files, set by LaTeX byte for byte alike.

    gather    build/paper/: the sources, sections for theorems that have none, values.tex, figures/
    build     latexmk there, and paper/<package>.pdf

A theorem is in the paper because it declares claims; paper/sections/<theorem>.tex says it in words, and begins with

    % shape: network & operator & gauge & cone          its row of the table in the section about the one idea
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from convexnn.pipeline.latex import escape, uncommented
from convexnn.pipeline.paper_values import Request, Values, requests
from convexnn.pipeline.project import Project, ProjectError, digest_of
from convexnn.pipeline.site import made_of

TOOLS = ("latexmk", "pdflatex", "bibtex", "kpsewhich")
#: Beyond LaTeX's own; `preamble.tex` loads them.
STYLES = ("lmodern", "microtype", "booktabs", "natbib", "hyperref", "caption", "longtable", "placeins", "xcolor")
INSTALL = "on Debian: apt install latexmk texlive-latex-extra texlive-fonts-recommended lmodern; elsewhere TeX Live"
#: Nothing of the clock, the time zone or the machine gets into the file.
SETTINGS = {
    "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "TZ": "UTC", "LC_ALL": "C", "max_print_line": "1000",
    "openout_any": "p",
}  # fmt: skip


def missing() -> list[str]:
    """The programs and LaTeX packages that are not installed."""
    tools = [name for name in TOOLS if shutil.which(name) is None]
    if tools:
        return tools
    asked = [f"{style}.sty" for style in STYLES]
    found = subprocess.run(["kpsewhich", *asked], capture_output=True, text=True).stdout.splitlines()
    return sorted(set(asked) - {Path(line).name for line in found})


def build(project: Project, size: str = "quick") -> Path:
    """Gather, set, and return the PDF; one made of the same is left alone.

    Raises ProjectError when LaTeX is not installed, no notebook has a result, or a macro names what no result holds.
    """
    if missing():
        raise ProjectError(f"the paper needs {', '.join(missing())}; {INSTALL}")
    folder, target = project.root / "build" / "paper", project.root / "paper" / f"{project.package}.pdf"
    values = gather(project, size, folder)
    if not values.results:
        raise ProjectError(f"no notebook has a result of size {size}; run `make reproduce` first")
    stamp, kept = digest_of(made_of(folder)), project.root / "build" / "paper.made-of"
    if target.is_file() and kept.is_file() and kept.read_text(encoding="utf-8") == stamp:
        return target
    shutil.copy(typeset(folder), target)
    kept.write_text(stamp, encoding="utf-8")
    return target


def gather(project: Project, size: str, folder: Path) -> Values:
    """All that LaTeX reads, in `folder`, made anew."""
    source = project.root / "paper"
    if not (source / "main.tex").is_file():
        raise ProjectError(f"folder {source} has no main.tex; the paper's sources are part of the checkout")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.pdf", ".*"))
    (folder / "sections").mkdir(exist_ok=True)
    citations = keys_by_number((source / "references.bib").read_text(encoding="utf-8"))
    values = Values(project, size, citations)
    check_sources(values)
    groups = in_order(values)
    for group in groups:
        path = folder / "sections" / f"{group}.tex"
        if not path.is_file():
            path.write_text(section_of(project, values, group), encoding="utf-8")
    main = uncommented((folder / "main.tex").read_text(encoding="utf-8"))
    rest = [group for group in groups if f"{{sections/{group}}}" not in main]
    inputs = "".join(f"\\theoremstart\\input{{sections/{group}}}\n" for group in rest)
    (folder / "theorems.tex").write_text(inputs, encoding="utf-8")
    values = Values(project, size, citations, tuple(filter(None, (shape(folder, group) for group in rest))))
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.tex"))}
    check_citations(texts, set(re.findall(r"^@\w+\{([^,\s]+)", (source / "references.bib").read_text("utf-8"), re.M)))
    asked = [
        ask for path, text in texts.items() for ask in requests(text, f"paper/{path.relative_to(folder).as_posix()}")
    ]
    define(values, asked, folder)
    return values


def define(values: Values, asked: list[Request], folder: Path) -> None:
    """values.tex, one definition for each request, and the figures they name."""
    lines = [f"\\setresult{{{ask.key}}}{{{values.definition(ask)}}}" for ask in dict.fromkeys(asked)]
    (folder / "values.tex").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "figures").mkdir(exist_ok=True)
    for ask in asked:
        file = values.figure_file(*ask.arguments) if ask.macro == "resultfigure" else None
        if file is not None:
            shutil.copy(file, folder / "figures" / f"{'-'.join(ask.arguments)}.pdf")


def typeset(folder: Path) -> Path:
    """Run latexmk in `folder`; ProjectError with LaTeX's first complaint, or with references that lead nowhere."""
    call = ["latexmk", "-pdf", "-bibtex", "-norc", "-halt-on-error", "-interaction=nonstopmode", "-file-line-error"]
    environment = {**os.environ, **SETTINGS}
    done = subprocess.run(
        [*call, "main.tex"], cwd=folder, env=environment, capture_output=True, text=True, errors="replace"
    )
    log = (folder / "main.log").read_text(encoding="utf-8", errors="replace") if (folder / "main.log").is_file() else ""
    if done.returncode != 0:
        wrong = [line for line in log.splitlines() if re.match(r"(!|\S+\.tex:\d+:)", line)]
        said = wrong or (done.stdout + done.stderr).strip().splitlines()[-3:]
        raise ProjectError("the paper does not build: " + "; ".join(said[:3]) + "; see build/paper/main.log")
    lost = [line for line in log.splitlines() if re.search(r"(Reference|Citation) .*undefined", line)]
    if lost:
        raise ProjectError("the paper refers to what is not there: " + "; ".join(lost[:3]))
    return folder / "main.pdf"


def overfull(folder: Path) -> list[str]:
    """The lines of the log that say a box is too wide."""
    log = (folder / "main.log").read_text(encoding="utf-8", errors="replace")
    return [line for line in log.splitlines() if line.startswith("Overfull \\hbox")]


def in_order(values: Values) -> list[str]:
    """The groups of claims by the first notebook that measures them; those that none measures come last."""
    first = {name: min((n for row in rows for n in row.notebooks), default="~") for name, rows in values.groups.items()}
    return sorted(first, key=lambda name: (first[name], name))


def shape(folder: Path, group: str) -> tuple[str, ...] | None:
    """The row of the theorem in the table of the one idea, with a reference to its section."""
    found = re.search(r"^% shape: (.+)$", (folder / "sections" / f"{group}.tex").read_text(encoding="utf-8"), re.M)
    if found is None:
        return None
    cells = [cell.strip() for cell in found[1].split("&")]
    if len(cells) != 4:
        raise ProjectError(
            f"paper/sections/{group}.tex: the shape has {len(cells)} cells; write 4: network & operator & ..."
        )
    return (rf"\hyperref[sec:{group}]{{{cells[0]}}}", *cells[1:])


def section_of(project: Project, values: Values, group: str) -> str:
    """A section for claims without a text of their own: the module's docstring, every figure, the ledger."""
    theorems = project.lib / project.package / "theorems"
    found = [path for path in (theorems / group / "__init__.py", theorems / f"{group}.py") if path.is_file()]
    said = (ast.get_docstring(ast.parse(found[0].read_text(encoding="utf-8"))) or "") if found else ""
    notebooks = sorted({name for row in values.groups[group] for name in row.notebooks})
    figures = [f"\\resultfigure{{{nb}}}{{{name}}}" for nb in notebooks for name in values.results[nb]["figures"]]
    lines = [f"\\section{{{escape(group.replace('_', ' ').capitalize())}}}\\label{{sec:{group}}}"]
    lines += [f"Sources: \\sources{{{group}}}. The statement, as the module has it:"]
    lines += [r"{\docstringsize\begin{verbatim}", said.encode("ascii", "replace").decode(), r"\end{verbatim}}"] * bool(
        said
    )
    return "\n".join([*lines, *figures, f"\\ledger{{{group}}}", ""])


def keys_by_number(bib: str) -> dict[str, str]:
    """The BibTeX key of every arXiv number."""
    entries = re.findall(r"^@\w+\{([^,\s]+),(.*?)^\}", bib, re.M | re.S)
    return {found[1]: key for key, body in entries if (found := re.search(r"eprint\s*=\s*\{([^}]+)\}", body))}


def check_sources(values: Values) -> None:
    """Raise ProjectError when a claim's paper is not in the bibliography."""
    for row in values.rows.values():
        found = re.search(r"arXiv ([\d.]+\d)", row.source)
        if found and found[1] not in values.citations:
            raise ProjectError(f"claim {row.id}: paper/references.bib has no eprint {found[1]}; add {row.source}")


def check_citations(texts: Mapping[Path, str], known: set[str]) -> None:
    """Raise ProjectError when a source cites a key that the bibliography lacks."""
    for path, text in texts.items():
        for group in re.findall(r"\\cite[a-z]*\*?(?:\[[^\]]*\])*\{([^}]+)\}", uncommented(text)):
            unknown = [key for key in map(str.strip, group.split(",")) if key not in known]
            if unknown:
                raise ProjectError(f"paper/{path.name} cites {unknown[0]!r}, which references.bib does not have")
