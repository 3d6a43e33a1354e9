"""What the checkout ships is what the manifest says, and anything else is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from convexnn import data
from convexnn.data import shipping
from convexnn.data.manifest import entries, entry, subsets

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = [name for name, row in entries().items() if row.sources[0].kind == "bundled"]


@pytest.mark.parametrize("name", subsets())
def test_every_shipped_array_has_the_hash_shape_and_dtype_of_its_row(name: str) -> None:
    arrays = shipping.read(name, list(subsets()[name].arrays))  # read() verifies, and raises
    assert arrays and all(a.size for a in arrays.values())
    whole = data.load(name, "all" if not entry(name).splits else None, subset="shipped")
    assert whole.n == len(whole.y) and whole.is_subset == (not subsets()[name].whole)
    assert not whole.classes or whole.y.max() < len(whole.classes)


@pytest.mark.parametrize("name", [n for n, s in subsets().items() if s.whole])
def test_a_complete_table_needs_no_network_and_is_not_a_subset(name, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("CONVEXNN_DATA", str(tmp_path))
    table = data.load(name)
    assert not table.is_subset and table.key == f"{name}/all"
    facts = entry(name).facts
    assert np.bincount(table.y).tolist() == facts["counts"]
    assert table.X.mean() == pytest.approx(facts["mean"], rel=1e-5)  # facts carry six digits
    assert len(np.unique(table.X, axis=0)) == facts["distinct_rows"]
    assert {k: f.sha256 for k, f in subsets()[name].arrays.items()} == {
        k: f.sha256 for k, f in entry(name).arrays.items()
    }


@pytest.mark.parametrize("name", BUNDLED)
def test_scikit_learn_still_carries_the_arrays_of_the_manifest(name: str) -> None:
    whole = data.load(name)
    assert whole.X.mean() == pytest.approx(entry(name).facts["mean"], rel=1e-5)
    assert not whole.classes or np.bincount(whole.y).tolist() == entry(name).facts["counts"]


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar10_tokens"])
def test_image_cuts_are_balanced_and_train_and_test_share_no_image(name: str) -> None:
    train, test = data.load(name, "train", "shipped"), data.load(name, "test", "shipped")
    for part in (train, test):
        assert len(set(np.bincount(part.y, minlength=10))) == 1
    rows = {row.tobytes() for row in train.X}
    assert len(rows) == train.n and not rows & {row.tobytes() for row in test.X}
    assert data.load(name, "all", "shipped").n == train.n + test.n


def test_the_cut_of_sketches_has_fifty_classes_of_forty_different_drawings_in_four_levels() -> None:
    drawn = data.load("quickdraw", subset="shipped")
    assert np.unique(drawn.y).tolist() == list(range(0, 345, 7))
    assert set(np.bincount(drawn.y)) == {0, 40}
    assert np.unique(drawn.X).tolist() == [0, 85, 170, 255]
    assert len({row.tobytes() for row in drawn.X}) == drawn.n


def test_token_basis_is_orthonormal_and_tokens_belong_to_the_shipped_images() -> None:
    basis = shipping.read("cifar10_tokens", ["basis"])["basis"].astype(np.float64)
    assert np.abs(basis.T @ basis - np.eye(32)).max() < 1e-6  # float32 columns
    images, tokens = data.load("cifar10", "train", "shipped"), data.load("cifar10_tokens", "train", "shipped")
    kept = np.sort(np.concatenate([np.flatnonzero(tokens.y == c)[:24] for c in range(10)]))
    assert np.array_equal(tokens.y[kept], images.y)


def test_first_labels_of_cifar10_are_the_published_ones() -> None:
    assert data.load("cifar10", "train", "shipped").y[:5].tolist() == entry("cifar10").facts["first_labels"]


def test_first_sample_of_record_100_is_the_one_in_its_header() -> None:
    ecg = data.load("mitbih_100", subset="shipped")
    assert ecg.X[0].tolist() == [995, 1011]  # 100.hea: initial values of the two leads
    X, y = data.beats(ecg)
    assert X.shape[1] == 200 and 60 < len(X) < 90 and set(y) <= set(range(1, len(ecg.classes)))


def _copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> Path:
    for name in names:
        shutil.copy(shipping.file(name), tmp_path / f"{name}.npz")
    monkeypatch.setenv("CONVEXNN_SHIPPED", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("damage", ["bit", "half", "empty", "text"])
def test_a_damaged_file_is_refused(damage, tmp_path, monkeypatch) -> None:
    path = _copy(tmp_path, monkeypatch, "mnist") / "mnist.npz"
    blob = bytearray(path.read_bytes())
    blob[len(blob) // 3] ^= 1
    path.write_bytes(
        {"bit": bytes(blob), "half": bytes(blob[: len(blob) // 2]), "empty": b"", "text": b"<html>"}[damage]
    )
    with pytest.raises(data.DataCorruptError, match="mnist"):
        data.load("mnist", "train", "shipped")


def test_a_whole_file_with_other_values_is_refused(tmp_path, monkeypatch) -> None:
    path = _copy(tmp_path, monkeypatch, "sonar") / "sonar.npz"
    with np.load(path) as stored:
        X, y = stored["X"].copy(), stored["y"]
    X[3, 4] += 1e-12
    np.savez_compressed(path, X=X, y=y)
    with pytest.raises(data.DataCorruptError, match=r"sonar: X .*another SHA-256"):
        data.load("sonar", subset="shipped")


def test_without_a_checkout_the_error_says_what_to_do(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CONVEXNN_SHIPPED", str(tmp_path / "nowhere"))
    with pytest.raises(data.DataNotHereError, match=r"CONVEXNN_SHIPPED.*python -m convexnn data mnist"):
        data.load("mnist", subset="shipped")


def test_asking_for_a_cut_that_is_not_shipped_names_the_ones_that_are() -> None:
    with pytest.raises(data.DataNotHereError, match=r"nothing of cifar100 is shipped.*mnist"):
        data.load("cifar100", subset="shipped")


def test_folder_readme_and_manifest_list_the_same_files_within_four_megabytes() -> None:
    files = {path.name for path in (ROOT / "data").glob("*.npz")}
    assert files == {subset.file for subset in subsets().values()}
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in files)
    assert sum((ROOT / "data" / name).stat().st_size for name in files) < 4 * 2**20


def test_manifest_counts_add_up_and_every_set_can_be_described() -> None:
    for name, row in entries().items():
        for part in row.splits or ("",):
            counts = row.facts.get(f"counts_{part}" if part else "counts")
            shape = row.arrays[f"X_{part}" if part else "X"].shape
            assert counts is None or (sum(counts) == shape[0] and len(counts) == len(row.classes)), name
        assert row.title in data.describe(name) and row.citation and row.licence and row.sources
