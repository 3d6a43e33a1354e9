"""A table on disk as numbers: `read_table("data.csv", "y")` is X, y and the names of the features.

What is in the file has one stated outcome each:

    numbers, true/false     a feature (true is 1)
    text, dates             TableError naming the column and the first such row: encode it, or leave it out
    missing, infinite       TableError naming the column and how many: fill them in, or leave it out
    one value throughout    TableError naming the column: it says nothing that an intercept does not
    target of one value     TableError: there is nothing to learn
    target of text          class names, kept as they are (never as a feature)

Rows are counted from 1 without the header line. Nothing is dropped, filled in or encoded silently.
"""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from convexnn.pipeline.project import ProjectError

if TYPE_CHECKING:
    from convexnn.numerics import Array

SUFFIXES = (".csv", ".tsv", ".parquet", ".npz")
#: A numeric target with whole numbers and at most this many different ones is read as classes.
MOST_CLASSES = 10

Task = Literal["regression", "classification"]


class TableError(ProjectError):
    """A table that cannot be used as it is; the message names the column and what to do."""


@dataclass(frozen=True)
class Table:
    """X (n, d) float64; y (n,) float64 or class names, or (n, c) float64; one name for each column of X."""

    X: Array
    y: np.ndarray[Any, Any]
    features: tuple[str, ...]
    targets: tuple[str, ...]
    path: Path

    @property
    def task(self) -> Task:
        """Classes where the target is text, true/false, or at most MOST_CLASSES different whole numbers."""
        if self.y.ndim > 1:
            return "regression"
        if self.y.dtype.kind not in "iuf":
            return "classification"
        values = np.unique(self.y)
        whole = len(values) <= MOST_CLASSES and bool((values == np.round(values)).all())
        return "classification" if whole else "regression"


def read_table(path: str | Path, target: str | Sequence[str], drop: Sequence[str] = ()) -> Table:
    """The table in `path` with the column `target` (or several, for several outputs) as y and the others as X.

    path    .csv or .tsv (with a header line), .parquet, or .npz with the arrays X and `target`
    drop    columns to leave out
    Raises TableError for everything that the module's docstring refuses, a file that is not there or cannot be read,
    a column that is not there, and a missing pandas (the extra `tables`; .npz needs none).
    """
    place = Path(path)
    targets = (target,) if isinstance(target, str) else tuple(target)
    if not targets:
        raise TableError("no target was named; pass the name of the column to predict")
    if not place.is_file():
        raise TableError(f"there is no file {place}; pass one of {', '.join(SUFFIXES)}")
    if place.suffix.lower() not in SUFFIXES:
        raise TableError(f"{place.name} is no {', '.join(SUFFIXES)} file; save the table as one of these")
    columns = _arrays(place) if place.suffix.lower() == ".npz" else _frame(place)
    features = _chosen(columns, targets, drop, place)
    X = np.column_stack([_feature(name, columns[name]) for name in features])
    _refuse_constant(X, features)
    parts = [_target(name, columns[name], alone=len(targets) == 1) for name in targets]
    return Table(X, parts[0] if len(parts) == 1 else np.column_stack(parts), features, targets, place)


def _frame(path: Path) -> dict[str, Any]:
    """The columns of a text table or a Parquet file, as pandas reads them."""
    try:
        import pandas as pd
    except ImportError as error:
        hint = "pip install 'convexnn[tables]', or save the arrays as .npz"
        raise TableError(f"reading {path.name} needs pandas; {hint}") from error
    try:
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",", skipinitialspace=True)
    except ImportError as error:
        raise TableError(f"reading {path.name} needs pyarrow; pip install 'convexnn[tables]'") from error
    except Exception as error:  # pandas and pyarrow raise many kinds for a file that is not what it says
        reason = " ".join(str(error).split())[:200]
        raise TableError(f"{path.name} cannot be read as {path.suffix[1:].upper()}: {reason}") from error
    names = [str(name).strip() for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(f"{path.name} has two columns {twice[0]!r}; give every column a name of its own")
    return {name: frame.iloc[:, k] for k, name in enumerate(names)}


def _arrays(path: Path) -> dict[str, Any]:
    """The columns of an .npz file: a matrix M gives M0, M1, ... (or the names in `features` for X), a vector itself."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise TableError(f"{path.name} cannot be read as NPZ: {error}; save it by np.savez(path, X=X, y=y)") from error
    names = [str(name) for name in arrays.pop("features", np.array([])).reshape(-1)]
    columns: dict[str, Any] = {}
    for name, array in arrays.items():
        if array.ndim not in (1, 2):
            shape = "a single number" if array.ndim == 0 else f"shape {array.shape}"
            raise TableError(f"array {name!r} of {path.name} has {shape}; save matrices (n, d) and vectors (n,)")
        if array.ndim == 1:
            columns[name] = array
            continue
        own = names if name == "X" and len(names) == array.shape[1] else [f"{name}{k}" for k in range(array.shape[1])]
        columns.update(zip(own, array.T))
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise TableError(f"the arrays of {path.name} have different lengths: {lengths}; pass one row for each sample")
    return columns


def _chosen(columns: dict[str, Any], targets: Sequence[str], drop: Sequence[str], path: Path) -> tuple[str, ...]:
    """The names of the features; every column that is named must be there, and something must be left."""
    for name in (*targets, *drop):
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            have = ", ".join(list(columns)[:12]) + (", ..." if len(columns) > 12 else "")
            raise TableError(f"{path.name} has no column {name!r}; it has {have or 'none'}.{guess}")
    features = tuple(name for name in columns if name not in targets and name not in drop)
    if not features:
        raise TableError(f"{path.name} has no column beside {', '.join(map(repr, (*targets, *drop)))} to predict from")
    rows = len(columns[targets[0]])
    if rows < 2:
        raise TableError(f"{path.name} has {rows} row{'' if rows == 1 else 's'} of data; two or more are needed")
    return features


def _feature(name: str, column: Any) -> Array:
    """One column as finite float64."""
    _refuse_missing(name, column)
    values = np.asarray(column)
    if values.dtype == object and all(isinstance(value, Number | np.bool_) for value in values):
        values = values.astype(np.float64)  # whole numbers or truth values that pandas keeps as objects
    if values.dtype.kind not in "biuf":
        where, value = _first_not_a_number(values)
        hint = f"encode it as numbers (one 0/1 column for each value), or leave it out: --drop {_quoted(name)}"
        raise TableError(f"column {name!r} holds {value!r} in row {where}, which is not stored as a number; {hint}")
    return _finite(name, values.astype(np.float64))


def _target(name: str, column: Any, alone: bool) -> np.ndarray[Any, Any]:
    """The target: numbers as float64, anything else as class names."""
    _refuse_missing(name, column)
    values = np.asarray(column)
    if values.dtype.kind in "iuf":
        values = _finite(name, values.astype(np.float64))
    elif not alone:
        where, value = _first_not_a_number(values)
        raise TableError(f"target {name!r} holds {value!r} in row {where}; several targets must all be numbers")
    elif values.dtype.kind != "b":
        values = np.array([str(value) for value in values])
    if len(np.unique(values)) == 1:
        hint = "there is nothing to learn: pass another --target"
        raise TableError(f"target {name!r} is {str(values[0])!r} in every row; {hint}")
    return values


def _refuse_missing(name: str, column: Any) -> None:
    """Raise for missing values (NaN, empty cells, None)."""
    if hasattr(column, "isna"):
        missing = np.asarray(column.isna(), dtype=bool)
    else:
        missing = np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), dtype=bool)
    if missing.any():
        count, first = int(missing.sum()), int(np.argmax(missing)) + 1
        hint = f"fill them in, drop those rows, or leave the column out: --drop {_quoted(name)}"
        raise TableError(f"column {name!r} has {count} missing value(s), the first in row {first}; {hint}")


def _finite(name: str, values: Array) -> Array:
    bad = ~np.isfinite(values)
    if bad.any():
        where = int(np.argmax(bad)) + 1
        raise TableError(f"column {name!r} has {int(bad.sum())} infinite value(s), the first in row {where}; mend them")
    return values


def _refuse_constant(X: Array, features: Sequence[str]) -> None:
    """Raise for columns that never change."""
    constant = [name for name, same in zip(features, (np.ptp(X, axis=0) == 0)) if same]
    if constant:
        which = f"column {constant[0]!r}" if len(constant) == 1 else f"columns {', '.join(map(repr, constant))}"
        verb = "has" if len(constant) == 1 else "have"
        leave = " ".join(f"--drop {_quoted(name)}" for name in constant)
        raise TableError(f"{which} {verb} the same value in every row and can predict nothing; leave out: {leave}")


def _first_not_a_number(values: np.ndarray[Any, Any]) -> tuple[int, str]:
    """Row, counted from 1, and content of the first entry that is no number; the first row where all are."""
    for k, value in enumerate(values):
        try:
            float(value)
        except (TypeError, ValueError):
            return k + 1, str(value)
    return 1, str(values[0])


def _quoted(name: str) -> str:
    return name if name.replace("_", "").isalnum() else f"'{name}'"
