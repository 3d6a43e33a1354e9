"""A download is either complete and right, or it does not count; all on a server of this machine."""

from __future__ import annotations

import hashlib
import http.server
import io
import pickle
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from convexnn import data
from convexnn.data import cache, fetch, manifest
from convexnn.data.dataset import array_sha256
from convexnn.data.manifest import ArrayFact, Entry, OfficialFile, Source

BODY = bytes(range(256)) * 8192  # 2 MiB


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`; `break_after` cuts the next answers short, `ranges` says whether it can continue."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content: dict[str, bytes] = {"/file.bin": BODY}
        self.break_after: int | None = None
        self.ranges = True
        self.asked: list[str] = []

    def url(self, name: str = "file.bin") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted or "")
        body, start = server.content.get(self.path), 0
        if body is None:
            self.send_error(404)
            return
        if wanted and server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:] if server.break_after is None else body[start : start + server.break_after])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVEXNN_DATA", str(tmp_path / "cache"))
    monkeypatch.delenv("CONVEXNN_DOWNLOAD", raising=False)
    return tmp_path / "cache"


def wanted(*urls: str, body: bytes = BODY) -> OfficialFile:
    return OfficialFile("file.bin", urls, hashlib.md5(body).hexdigest())


def test_a_file_arrives_whole(server, tmp_path) -> None:
    path = fetch.official(wanted(server.url()), tmp_path)
    assert path.read_bytes() == BODY and [p.name for p in tmp_path.iterdir() if p.is_file()] == ["file.bin"]
    fetch.official(wanted(server.url()), tmp_path)
    assert len(server.asked) == 1  # a finished file is not asked for again


def test_a_broken_download_does_not_count_and_is_continued(server, tmp_path) -> None:
    server.break_after = 700_000
    with pytest.raises(data.DataNotHereError):
        fetch.official(wanted(server.url()), tmp_path)
    part = tmp_path / "file.bin.part"
    have = part.stat().st_size
    assert not (tmp_path / "file.bin").exists() and 0 < have <= 700_000
    server.break_after = None
    assert fetch.official(wanted(server.url()), tmp_path).read_bytes() == BODY
    assert server.asked == ["", f"bytes={have}-"] and not part.exists()


def test_a_server_that_cannot_continue_sends_everything_again(server, tmp_path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    server.ranges = False
    assert fetch.official(wanted(server.url()), tmp_path).read_bytes() == BODY


def test_a_part_that_is_already_complete_is_recognised(server, tmp_path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY)
    assert fetch.official(wanted(server.url()), tmp_path).read_bytes() == BODY


def test_a_part_of_another_file_ends_in_an_error_and_is_removed(server, tmp_path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(data.DataCorruptError, match="other bytes"):
        fetch.official(wanted(server.url()), tmp_path)
    assert fetch.official(wanted(server.url()), tmp_path).read_bytes() == BODY


def test_wrong_content_is_refused_and_the_next_address_is_tried(server, tmp_path) -> None:
    server.content["/page"] = b"<html>this domain is for sale</html>"
    with pytest.raises(data.DataCorruptError, match=r"other bytes than the official file\.bin"):
        fetch.official(wanted(server.url("page")), tmp_path)
    assert not any(p.is_file() for p in tmp_path.iterdir())
    assert fetch.official(wanted(server.url("gone"), server.url("page"), server.url()), tmp_path).read_bytes() == BODY


def test_no_address_that_answers_is_an_error_with_the_reasons(server, tmp_path) -> None:
    with pytest.raises(data.DataNotHereError, match=r"gone: HTTPError.*127.0.0.1:9/: ConnectionError"):
        fetch.official(wanted(server.url("gone"), "http://127.0.0.1:9/"), tmp_path)


def _toy_cifar100() -> tuple[bytes, dict[str, np.ndarray]]:
    """A CIFAR-100 archive in the official layout with random pixels, and its arrays."""
    rng = np.random.default_rng(0)
    stream, arrays = io.BytesIO(), {}
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for part, count in (("train", 20), ("test", 8)):
            rows = rng.integers(0, 256, (count, 3072)).astype(np.uint8)
            labels = rng.integers(0, 100, count)
            blob = pickle.dumps({b"data": rows, b"fine_labels": labels.tolist()}, 2)
            info = tarfile.TarInfo(f"cifar-100-python/{part}")
            info.size = len(blob)
            archive.addfile(info, io.BytesIO(blob))
            arrays[f"X_{part}"] = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            arrays[f"y_{part}"] = labels
    return stream.getvalue(), arrays


@pytest.fixture
def toy(server, monkeypatch) -> Iterator[dict[str, np.ndarray]]:
    """A set called 'toy' in the manifest, whose official file this machine serves."""
    body, arrays = _toy_cifar100()
    server.content["/toy.tar.gz"] = body
    file = OfficialFile("toy.tar.gz", (server.url("toy.tar.gz"),), hashlib.md5(body).hexdigest())
    source = Source("official", "cifar100_python", files=(file,), members=("*/train", "*/test"))
    facts = {k: ArrayFact(str(a.dtype), a.shape) for k, a in arrays.items()}
    row = Entry("toy", "Toy", "nobody", "none", tuple(map(str, range(100))), facts, (source,))
    monkeypatch.setattr(manifest, "entries", lambda: {"toy": row})
    yield arrays


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_load_fetches_once_and_then_lives_from_the_cache(toy, server, own_cache) -> None:
    train = data.load("toy", download=True)
    assert np.array_equal(train.X, toy["X_train"]) and np.array_equal(train.y, toy["y_train"])
    assert files(own_cache) == ["arrays/toy.npz"] and len(server.asked) == 1
    server.content.clear()
    test = data.load("toy", "test")
    assert test.source == "cache" and np.array_equal(test.X, toy["X_test"]) and len(server.asked) == 1


def test_an_interrupted_load_leaves_nothing_that_counts(toy, server, own_cache, monkeypatch) -> None:
    monkeypatch.setattr(fetch, "PIECE", 1024)
    server.break_after = 5000
    with pytest.raises(data.DataNotHereError, match=r"toy could not be fetched(.|\n)*official files toy.tar.gz"):
        data.load("toy", download=True)
    assert files(own_cache) == ["downloads/toy/toy.tar.gz.part"]
    with pytest.raises(data.DataNotHereError, match="python -m convexnn data toy"):
        data.load("toy")
    server.break_after = None
    data.load("toy", download=True)
    assert files(own_cache) == ["arrays/toy.npz"] and server.asked[1].startswith("bytes=")


def test_a_write_that_fails_leaves_no_file(toy, own_cache, monkeypatch) -> None:
    def full_disk(stream, **arrays):
        stream.write(b"half a file")
        raise OSError("no space left")

    monkeypatch.setattr(cache.np, "savez", full_disk)
    with pytest.raises(OSError, match="no space"):
        data.load("toy", download=True)
    assert not list((own_cache / "arrays").iterdir())


def test_arrays_with_another_hash_are_not_cached(toy, own_cache, monkeypatch) -> None:
    row = manifest.entries()["toy"]
    facts = {**row.arrays, "X_test": ArrayFact("uint8", (8, 32, 32, 3), array_sha256(toy["X_test"] ^ 1))}
    other = Entry("toy", "Toy", "", "", row.classes, facts, row.sources)
    monkeypatch.setattr(manifest, "entries", lambda: {"toy": other})
    with pytest.raises(data.DataNotHereError, match="another SHA-256"):
        data.load("toy", download=True)
    assert not (own_cache / "arrays").exists()


def test_many_at_once_fetch_once_and_agree(toy, server) -> None:
    with ThreadPoolExecutor(6) as pool:
        hashes = {d.sha256 for d in pool.map(lambda _: data.load("toy", download=True), range(6))}
    assert len(hashes) == 1 and len(server.asked) == 1


def test_an_official_file_placed_by_hand_needs_no_network(toy, server, own_cache) -> None:
    cache.folder("official", "toy").joinpath("toy.tar.gz").write_bytes(server.content.pop("/toy.tar.gz"))
    assert np.array_equal(data.load("toy").X, toy["X_train"])
    assert not server.asked and files(own_cache) == ["arrays/toy.npz", "official/toy/toy.tar.gz"]


def test_a_wrong_file_placed_by_hand_is_named_and_kept(toy, own_cache) -> None:
    placed = cache.folder("official", "toy") / "toy.tar.gz"
    placed.write_bytes(b"something else")
    with pytest.raises(data.DataNotHereError, match="is not the official file"):
        data.load("toy")
    assert placed.read_bytes() == b"something else"


def test_a_damaged_cache_file_is_refused(toy, own_cache) -> None:
    data.load("toy", download=True)
    path = own_cache / "arrays" / "toy.npz"
    blob = bytearray(path.read_bytes())
    blob[5000] ^= 1
    path.write_bytes(blob)
    with pytest.raises(data.DataCorruptError, match="delete it and load"):
        data.load("toy")


def test_the_environment_allows_downloads(toy, monkeypatch) -> None:
    monkeypatch.setenv("CONVEXNN_DOWNLOAD", "1")
    assert data.load("toy", "all").n == 28
