"""The nouns of the data floor: a data set, its fingerprint, and the two ways of not having one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]


class DataError(RuntimeError):
    """A data set cannot be used; the message says which one, why, and what to do."""


class DataNotHereError(DataError):
    """The data set is not on this machine, or no source gave it."""


class DataCorruptError(DataError):
    """Bytes or arrays differ from the ones that the manifest describes."""


@dataclass(frozen=True)
class Dataset:
    """One real data set, or a named part of it, exactly as its source has it.

    X          (n, ...) raw values in the source's own dtype: images are uint8, (n, h, w) or (n, h, w, 3)
    y          (n,) int64 index into `classes`; float64 targets or zeros where `classes` is empty;
               (n, k) uint8 where one sample has k attributes
    sha256     fingerprint of X and y (`fingerprint`), the same on every machine and from every source
    source     where these bytes came from, in words
    is_subset  True if these are fewer samples than the set of that name has in this split
    """

    name: str
    title: str
    split: str
    X: AnyArray
    y: AnyArray
    classes: tuple[str, ...]
    citation: str
    licence: str
    sha256: str
    source: str
    is_subset: bool

    def __post_init__(self) -> None:
        if len(self.X) != len(self.y):
            raise DataCorruptError(f"{self.name}: X has {len(self.X)} rows but y has {len(self.y)}; load it again")
        self.X.setflags(write=False)
        self.y.setflags(write=False)

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.X)

    @property
    def key(self) -> str:
        """Name, split and kind of cut: 'mnist/train', 'mnist/train/shipped'."""
        return f"{self.name}/{self.split}" + ("/shipped" if self.is_subset else "")


def array_sha256(array: AnyArray) -> str:
    """SHA-256 of the values in C order, in the array's own dtype (shape and dtype are not part of it)."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def fingerprint(arrays: Mapping[str, AnyArray]) -> str:
    """SHA-256 over one line 'key dtype shape sha256' per array, keys sorted."""
    rows = (f"{key} {a.dtype.str} {list(a.shape)} {array_sha256(a)}\n" for key, a in sorted(arrays.items()))
    return hashlib.sha256("".join(rows).encode()).hexdigest()
