"""The small real subsets in the checkout's `data/` folder: read, and checked against `subsets.json`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from convexnn.data import cache
from convexnn.data.dataset import AnyArray, DataNotHereError
from convexnn.data.manifest import Subset, subsets


def folder() -> Path:
    """Where the shipped files are: CONVEXNN_SHIPPED, else `data/` of the source checkout."""
    chosen = os.environ.get("CONVEXNN_SHIPPED")
    return Path(chosen).expanduser() if chosen else Path(__file__).resolve().parents[3] / "data"


def shipped() -> dict[str, str]:
    """Names of the shipped subsets and how each was cut."""
    return {name: subset.how for name, subset in subsets().items()}


def has(name: str) -> bool:
    """Whether the project ships a part (or all) of the set `name`."""
    return name in subsets()


def is_whole(name: str) -> bool:
    """Whether what is shipped is the complete set."""
    return has(name) and subsets()[name].whole


def file(name: str) -> Path:
    """The shipped file of the set `name`."""
    return folder() / subsets()[name].file


def _row(name: str) -> Subset:
    if not has(name):
        raise DataNotHereError(
            f"subset is 'shipped' but nothing of {name} is shipped; shipped sets: {', '.join(subsets())}. "
            f"For the complete set use load({name!r}, download=True)"
        )
    return subsets()[name]


def read(name: str, keys: list[str]) -> dict[str, AnyArray]:
    """The arrays `keys` of a shipped subset, verified. Float arrays come back in the dtype of the manifest."""
    row = _row(name)
    path = file(name)
    if not path.exists():
        raise DataNotHereError(
            f"{path} does not exist: the package was installed without its source checkout. Point CONVEXNN_SHIPPED "
            f"at the checkout's data folder, or get the complete set with `python -m convexnn data {name}`"
        )
    return {key: np.ascontiguousarray(a) for key, a in cache.read_arrays(path, row.arrays, keys, name).items()}
