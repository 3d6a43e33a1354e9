"""The cache of decoded arrays: where it is, how a file gets there whole or not at all, one writer at a time.

CACHE/arrays/NAME.npz     decoded, verified arrays; a file here is complete by construction
CACHE/official/NAME/      official files that a user put there by hand (never deleted)
CACHE/downloads/NAME/     partial official files, continued by the next call
CACHE/packages/           packages that serve several sets
CACHE/work/               what a package client is doing right now
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import platformdirs

from convexnn.data.dataset import AnyArray, DataCorruptError
from convexnn.data.manifest import ArrayFact, check_arrays

_FACTS = "convexnn_facts"


def cache_dir() -> Path:
    """The cache folder: CONVEXNN_DATA, else the user's cache folder of this platform."""
    chosen = os.environ.get("CONVEXNN_DATA")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("convexnn"))


def folder(*parts: str) -> Path:
    """A folder of the cache, created on demand."""
    path = cache_dir().joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def empty_folder(*parts: str) -> Iterator[Path]:
    """A folder of the cache that is empty at the start and gone at the end; the caller holds a lock."""
    path = cache_dir().joinpath(*parts)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def atomic(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that takes its place on success and vanishes on any error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}-{secrets.token_hex(8)}{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold the set `name` against other processes; the system frees it when a process dies."""
    with (folder("locks") / f"{name}.lock").open("a+b") as handle:
        try:
            import fcntl
        except ImportError:  # Windows: atomic renames keep the cache whole, two processes may fetch twice
            yield
            return
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


def array_file(name: str) -> Path:
    """Where the decoded arrays of `name` are kept."""
    return cache_dir() / "arrays" / f"{name}.npz"


def write(name: str, arrays: Mapping[str, AnyArray], facts: Mapping[str, ArrayFact]) -> None:
    """Keep verified arrays with their facts, whole or not at all."""
    rows = {key: [fact.dtype, fact.shape, fact.sha256] for key, fact in facts.items()}
    with atomic(array_file(name)) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays, **{_FACTS: np.array(json.dumps(rows))})


def read_arrays(path: Path, facts: Mapping[str, ArrayFact], keys: list[str], name: str) -> dict[str, AnyArray]:
    """`keys` of an npz file, checked against `facts`; facts without a hash are completed from the file's own."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            own = json.loads(str(stored[_FACTS])) if _FACTS in stored.files else {}
            arrays = {key: stored[key] for key in keys}
        hashes = {key: facts[key].sha256 or own[key][2] for key in keys}
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DataCorruptError(f"{name}: {path} is damaged ({error}); delete it and load the set again") from None
    known = {key: ArrayFact(facts[key].dtype, facts[key].shape, hashes[key]) for key in keys}
    check_arrays(name, known, arrays, str(path))
    return arrays


def drop_leftovers(older_than_s: float = 86_400.0) -> None:
    """Remove half-written files of processes that died, once they are a day old."""
    for path in [*cache_dir().glob("arrays/.*"), *cache_dir().glob("packages/.*")]:
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > older_than_s:
                path.unlink()
