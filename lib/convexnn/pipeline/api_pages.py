"""The library's pages of the site: one page a group of modules, every public name from its docstring."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from pathlib import Path

from convexnn.pipeline.project import Project

#: page -> (title, what stands there, modules below the package); a module that is listed nowhere comes last.
GROUPS = {
    "solve": (
        "Solve and certify",
        "From data to a certified solution, for one program or for all networks.",
        ("solving", "choosing", "certifying", "exact", "globalize", "study", "types", "claims", "findings"),
    ),
    "program": (
        "The convex program",
        "What a program is made of: a loss, an operator, a gauge and a cone.",
        ("program", "losses", "gauges", "cones", "operators", "patterns", "layered", "gated_tuples", "rational"),
    ),
    "networks": ("Networks and training", "The non-convex side.", ("networks", "neurons", "training")),
    "theorems": ("Theorems", "One package a theorem, each with the same members.", ("theorems",)),
    "bounds": ("Bounds for all networks", "Lower bounds of the training problem.", ("bounds",)),
    "data": ("Data", "Real data sets, each verified by the hash of its arrays.", ("data",)),
    "report": ("Results and figures", "The door through which numbers leave a notebook.", ("report", "plotting")),
}
APART = ("pipeline", "solvers")  # reached through `solve` and the command line
FOLDERS = ("theorems", "bounds", "plotting")  # packages whose modules have sections of their own


def pages(project: Project) -> dict[str, str]:
    """Page -> Markdown: `api`, which lists the groups, and `api/<group>` for each that has a module."""
    package = project.lib / project.package
    there = [module.name for module in pkgutil.iter_modules([str(package)]) if not module.name.startswith("_")]
    listed = {name for _, _, names in GROUPS.values() for name in names}
    groups = dict(GROUPS)
    groups["more"] = ("More", "Modules of no group.", tuple(n for n in there if n not in listed and n not in APART))
    made = {}
    for page, (title, said, names) in groups.items():
        sections = [text for name in names if name in there for text in _module(project.package, package, name)]
        if sections:
            made[f"api/{page}"] = "\n".join([f"# {title}", "", said, "", *sections])
    front = ["# Library", "", f"`from {project.package} import ...`: every public name, from its docstring.", ""]
    for page in made:
        title, said, _ = groups[page.partition("/")[2]]
        front.append(f"* [{title}]({page}.md): {said}")
    listing = ["", "```{toctree}", ":hidden:", "", *made, "```", ""]
    return {"api": "\n".join([*front, *listing]), **made}


def _module(package: str, folder: Path, name: str) -> Iterator[str]:
    yield from _section(f"{package}.{name}", 2)
    if name in FOLDERS and (folder / name).is_dir():
        inner = pkgutil.iter_modules([str(folder / name)])
        for part in sorted(m.name for m in inner if not m.name.startswith("_") and m.name != "shared"):
            yield from _section(f"{package}.{name}.{part}", 3)


def _section(module: str, level: int) -> list[str]:
    own = f"```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n   :undoc-members:\n```"
    return [f"{'#' * level} {module}", "", own, ""]
