"""environment.yml, written from pyproject.toml, so that pip and conda read one list.

    python tools/environment.py            write it
    python tools/environment.py --check    exit 1 if it is stale

Also the reader of declared requirements, with which tools/bootstrap.py judges an active conda environment.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# PyPI's name -> conda-forge's name, where they differ. matplotlib-base leaves Qt out.
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}

# Extras that conda does not carry: the benchmarks' peers are installed by hand (benchmarks/README.md), and without
# the site's packages `make reproduce` says in a line what they are and goes on.
PIP_ONLY = {"bench", "site", "browser"}

HEADER = """\
# Written from pyproject.toml by tools/environment.py (`make lock`); edit pyproject.toml instead.
#   conda env create -f environment.yml && conda activate convexnn && make reproduce
name: convexnn
channels: [conda-forge, nodefaults]
dependencies:
"""


def render(pyproject: str) -> str:
    """The text of environment.yml for the text of pyproject.toml."""
    table = tomllib.loads(pyproject)
    python = f"python {table['project']['requires-python'].replace(' ', '')}"
    specs = [python, "pip", *(conda_spec(requirement) for requirement in requirements(table))]
    return HEADER + "".join(f"  - {spec}\n" for spec in specs)


def requirements(table: dict) -> list[str]:
    """Everything declared: what runs, the extras, and what builds the library (pip installs it without isolation)."""
    project = table["project"]
    groups = project.get("optional-dependencies", {})
    extras = [line for name, lines in groups.items() if name not in PIP_ONLY for line in lines]
    return [*project["dependencies"], *extras, *table["build-system"]["requires"]]


def declared(root: Path = ROOT) -> list[str]:
    return requirements(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")))


def split(requirement: str) -> tuple[str, str]:
    """("numpy", ">=2.0,<3") from "numpy >=2.0, <3".

    Raises ValueError for extras, markers and wildcards, which have no equal on the conda side.
    """
    name, clause = r"[A-Za-z0-9][A-Za-z0-9._-]*", r"(?:[<>]=?|[=!]=)\d+(?:\.\d+)*"
    found = re.fullmatch(rf"({name})((?:{clause},?)*)", requirement.replace(" ", ""))
    if found is None:
        raise ValueError(f"pyproject.toml: `{requirement}` is more than a name and a version range; write it plainly")
    return found[1], found[2]


def conda_spec(requirement: str) -> str:
    name, range_ = split(requirement)
    return f"{CONDA_NAMES.get(name, name)} {range_}".strip()


def complaints(wanted: Iterable[str], version_of: Callable[[str], str | None]) -> list[str]:
    """One phrase for every requirement that is missing or out of its range."""
    said = []
    for name, range_ in map(split, wanted):
        version = version_of(name)
        if version is None:
            said.append(f"{name} is missing")
        elif not satisfies(version, range_):
            said.append(f"{name} is {version}, declared {range_}")
    return said


def installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def satisfies(version: str, range_: str) -> bool:
    """Is the release part of `version` in `range_`? satisfies("2.13.0+cpu", ">=2.6,<3") is True."""
    return all(compare(version, clause) for clause in range_.split(",") if clause)


def compare(version: str, clause: str) -> bool:
    operator, bound = clause.rstrip("0123456789."), clause.lstrip("<>=!")
    left, right = release(version), release(bound)
    return {
        ">=": left >= right,
        "<=": left <= right,
        ">": left > right,
        "<": left < right,
        "==": left == right,
        "!=": left != right,
    }[operator]


def release(version: str) -> tuple[int, ...]:
    """(2, 13) from "2.13.0+cpu": trailing zeros say nothing."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def main(arguments: list[str]) -> int:
    target = ROOT / "environment.yml"
    text = render((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if arguments == ["--check"]:
        if target.is_file() and target.read_text(encoding="utf-8") == text:
            return 0
        print("environment.yml is stale. Try: python tools/environment.py", file=sys.stderr)
        return 1
    if arguments:
        print(f"unknown argument {arguments[0]}; the only one is --check", file=sys.stderr)
        return 2
    target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
