"""Members of a downloaded file as a mapping name -> bytes, read without unpacking anything to disk."""

from __future__ import annotations

import fnmatch
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from convexnn.data.dataset import DataCorruptError


class Members(Mapping[str, bytes]):
    """Lazy name -> bytes over a zip file or a folder (photographs are read one at a time)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip = None if path.is_dir() else zipfile.ZipFile(path)
        if self._zip is not None:
            names = [info.filename for info in self._zip.infolist() if not info.is_dir()]
        else:
            names = [str(p.relative_to(path).as_posix()) for p in path.rglob("*") if p.is_file()]
        self._names = dict.fromkeys(sorted(names))

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        return self._zip.read(name) if self._zip is not None else (self.path / name).read_bytes()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _tar(stream: IO[bytes], wanted: tuple[str, ...]) -> dict[str, bytes]:
    """Members whose name matches a pattern of `wanted`, in one pass over the stream."""
    blobs: dict[str, bytes] = {}
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            if member.isfile() and any(fnmatch.fnmatch(member.name, pattern) for pattern in wanted):
                content = archive.extractfile(member)
                if content is not None:
                    blobs[member.name] = content.read()
    return blobs


def _deb(path: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(path)], stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise DataCorruptError(f"{path.name}: dpkg-deb gave no output; download the package again")
        blobs = _tar(process.stdout, wanted)
        process.stdout.read()
    return blobs


def members(path: Path, wanted: tuple[str, ...]) -> Mapping[str, bytes]:
    """The members of `path` (.tgz, .tar.gz, .whl, .zip, .deb, a folder; any other file is its own only member).

    Names in a tar or a Debian package match the patterns `wanted`; a zip and a folder show all their names.
    Raises DataCorruptError for an archive that cannot be read or that lacks a member.
    """
    try:
        if path.is_dir() or path.suffix in (".whl", ".zip"):
            found: Mapping[str, bytes] = Members(path)
        elif path.name.endswith((".tgz", ".tar.gz")):
            with path.open("rb") as stream:
                found = _tar(stream, wanted or ("*",))
        elif path.suffix == ".deb":
            found = _deb(path, wanted or ("*",))
        else:
            found = {path.name: path.read_bytes()}
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise DataCorruptError(f"{path.name} cannot be read ({error}); delete it and download it again") from None
    for pattern in wanted:
        if not any(fnmatch.fnmatch(name, pattern) for name in found):
            raise DataCorruptError(f"{path.name} has no member {pattern!r}; it is not the file that was asked for")
    return found


def one(blobs: Mapping[str, bytes], ending: str) -> bytes:
    """The only member whose name ends with `ending`."""
    hits = [name for name in blobs if name == ending or name.endswith("/" + ending)]
    if len(hits) != 1:
        raise DataCorruptError(f"{len(hits)} members are called {ending!r}, one was expected; get the file again")
    return blobs[hits[0]]
