"""Where things lie, and the errors that a user can mend."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convexnn.report import project_root

SIZES = ("quick", "full")


class ProjectError(ValueError):
    """Something the user can mend; the command line prints it as one line and exits with 2."""


@dataclass(frozen=True)
class Project:
    """One checkout: notebooks/, lib/<package>/, results/, tests/reference/."""

    root: Path
    package: str

    @classmethod
    def find(cls, root: Path | None = None) -> Project:
        """The project at `root`, else by `report.project_root`; the package is named in its pyproject.toml."""
        folder = (root or project_root()).resolve()
        if not (folder / "pyproject.toml").is_file():
            raise ProjectError(f"folder {folder} has no pyproject.toml; run from the checkout or set CONVEXNN_ROOT")
        table = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        return cls(folder, str(table.get("project", {}).get("name", "convexnn")).replace("-", "_"))

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def lib(self) -> Path:
        return self.root / "lib"

    def results(self, size: str) -> Path:
        """results/<size>, the folder of all products of that size."""
        return self.root / "results" / size

    def sweeps(self, notebook: str) -> Path:
        """results/sweeps/<notebook>: points/<label>/ and one folder of tables and figures for each grid."""
        return self.root / "results" / "sweeps" / notebook

    def relative(self, path: Path) -> str:
        """`path` as a reader of the checkout writes it."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()

    def library_hashes(self) -> dict[str, str]:
        """SHA-256 of every source and manifest under lib/, by path relative to the project."""
        files = [p for pattern in ("*.py", "*.json") for p in self.lib.rglob(pattern)]
        return {self.relative(path): digest(path) for path in sorted(files)}


def digest(path: Path) -> str:
    """SHA-256 of a text file with its line ends normalised, or 'absent'."""
    try:
        return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    except OSError:
        return "absent"


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`, or None when it is missing or cut short."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return value if isinstance(value, dict) else None


def nearest(word: str, words: Iterable[str]) -> str:
    """' Did you mean ...?' or nothing."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
