"""Formats are read as their authors define them, on files generated here, and hostile files are refused."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convexnn.data import formats, recipes
from convexnn.data.archives import members
from convexnn.data.dataset import DataCorruptError
from convexnn.data.manifest import ArrayFact, Entry, Source


def write_idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def entry_of(classes: tuple[str, ...], **shapes: tuple[int, ...]) -> Entry:
    return Entry("toy", "", "", "", classes, {k: ArrayFact("uint8", s) for k, s in shapes.items()}, ())


@pytest.mark.parametrize("shape", [(7,), (3, 4, 5), (0, 2, 2)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_is_read_back_with_and_without_gzip(shape, pack) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert np.array_equal(formats.idx(pack(write_idx(array))), array)


@pytest.mark.parametrize("blob", [b"", b"\0\0\x0d\x01", write_idx(np.ones((2, 3), np.uint8))[:-1], b"<html>no</html>"])
def test_a_broken_idx_file_is_refused(blob) -> None:
    with pytest.raises(DataCorruptError):
        formats.idx(blob)


def test_cifar_planes_become_pixels_and_the_binary_layout_is_the_inverse() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.integers(0, 256, (5, 32, 32, 3)).astype(np.uint8), rng.integers(0, 10, 5)
    rows = np.frombuffer(formats.cifar_binary(X, y), np.uint8).reshape(5, 3073)
    assert np.array_equal(rows[:, 0], y) and np.array_equal(formats.cifar_rows(rows[:, 1:]), X)
    assert rows[2, 1 + 1024 + 33] == X[2, 1, 1, 1]  # green plane, second row, second column


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_cifar_batch_is_read_from_its_pickle(protocol) -> None:
    rows = np.random.default_rng(2).integers(0, 256, (4, 3072)).astype(np.uint8)
    blob = pickle.dumps({b"data": rows, b"labels": [3, 1, 0, 9], b"batch_label": b"one"}, protocol)
    X, y = formats.cifar_pickle(blob, b"labels")
    assert np.array_equal(X, formats.cifar_rows(rows)) and y.tolist() == [3, 1, 0, 9]


def test_a_pickle_of_the_old_numpy_is_read() -> None:
    blob = pickle.dumps(np.arange(6, dtype=np.uint8), 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert formats.unpickle(blob).tolist() == [0, 1, 2, 3, 4, 5]


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_wants_to_run_code_is_refused_and_runs_none(protocol, tmp_path) -> None:
    blob = pickle.dumps({b"data": _Bomb(tmp_path / "ran")}, protocol)
    with pytest.raises(DataCorruptError, match="only numpy arrays"):
        formats.unpickle(blob)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("blob", [b"", b"\x80\x02}", b"cposix\nsystem\n(S'true'\ntR.", b"\x80\x04\x95"])
def test_a_broken_or_hostile_pickle_is_a_corrupt_file(blob) -> None:
    with pytest.raises(DataCorruptError):
        formats.unpickle(blob)


def test_cifar100_takes_the_fine_labels() -> None:
    def batch(count: int) -> bytes:
        return pickle.dumps(
            {
                b"data": np.zeros((count, 3072), np.uint8),
                b"fine_labels": list(range(count)),
                b"coarse_labels": [0] * count,
            }
        )

    arrays = recipes.cifar100_python(
        {"cifar-100-python/train": batch(6), "cifar-100-python/test": batch(2)}, Source("official", ""), entry_of(())
    )
    assert arrays["y_train"].tolist() == [0, 1, 2, 3, 4, 5] and arrays["X_test"].shape == (2, 32, 32, 3)


def _celeba(folder: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """A CelebA look-alike: coloured portraits of the official size whose red level tells which one they are."""
    parts = {f"{k:06d}.jpg": code for k, code in enumerate([0, 0, 0, 1, 2], start=1)}
    attributes = ("Bald", "Smiling")
    (folder / "img_align_celeba").mkdir()
    for k, name in enumerate(parts):
        Image.new("RGB", (178, 218), (40 * k, 0, 100)).save(folder / "img_align_celeba" / name, quality=95)
    rows = [f"{name}  {1 if k % 2 else -1} -1" for k, name in enumerate(parts)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(len(parts)), " ".join(attributes), *rows]) + "\n")
    (folder / "list_eval_partition.txt").write_text("".join(f"{name} {code}\n" for name, code in parts.items()))
    return parts, attributes


@pytest.mark.parametrize("packed", [False, True])
def test_celeba_is_read_from_the_folder_and_from_the_archive(packed, tmp_path) -> None:
    _, attributes = _celeba(tmp_path)
    if packed:
        with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
            for path in sorted((tmp_path / "img_align_celeba").iterdir()):
                archive.write(path, f"img_align_celeba/{path.name}")
    blobs = dict(members(tmp_path / ("faces.zip" if packed else "img_align_celeba"), ()))
    for name in ("list_attr_celeba.txt", "list_eval_partition.txt"):
        blobs |= members(tmp_path / name, ())
    shapes = {f"X_{p}": (n, 8, 8, 3) for p, n in (("train", 3), ("valid", 1), ("test", 1))}
    arrays = recipes.celeba(blobs, Source("official", ""), entry_of(attributes, **shapes))
    assert {k: a.shape for k, a in arrays.items() if k[0] == "X"} == shapes
    assert np.abs(arrays["X_train"][2, ..., 0].astype(int) - 80).max() <= 3  # JPEG keeps a flat colour to a few levels
    assert arrays["y_train"].tolist() == [[0, 0], [1, 0], [0, 0]]


def test_celeba_with_a_missing_photograph_is_refused(tmp_path) -> None:
    _, attributes = _celeba(tmp_path)
    (tmp_path / "img_align_celeba" / "000002.jpg").unlink()
    blobs = dict(members(tmp_path, ()))
    with pytest.raises(DataCorruptError, match="1 photographs are missing"):
        recipes.celeba(blobs, Source("official", ""), entry_of(attributes, X_train=(3, 8, 8, 3)))


def test_table_keeps_numbers_and_spreads_texts_over_columns() -> None:
    X, labels = formats.table(b"1.5, b, 7, yes\n2, a, 8, no\n\n3, b, 9, yes\n")
    assert X.tolist() == [[1.5, 0, 1, 7], [2, 1, 0, 8], [3, 0, 1, 9]] and labels == ["yes", "no", "yes"]
    with pytest.raises(DataCorruptError, match="differ in length"):
        formats.table(b"1,2,a\n1,b\n")


def test_format_212_is_the_inverse_of_packing_two_12_bit_numbers_in_three_bytes() -> None:
    values = np.random.default_rng(3).integers(-2048, 2048, (50, 2))
    values[:3] = [[-2048, 2047], [0, -1], [-1, 0]]
    a, b = (values & 0xFFF).T
    packed = np.stack([a & 0xFF, (a >> 8) | (b >> 8 << 4), b & 0xFF], axis=1).astype(np.uint8).tobytes()
    assert np.array_equal(formats.wfdb212(packed), values)
    with pytest.raises(DataCorruptError, match="threes"):
        formats.wfdb212(packed[:-1])


def test_annotations_follow_steps_skips_fields_and_comments() -> None:
    def word(code: int, step: int) -> bytes:
        return struct.pack("<H", code << 10 | step)

    far = word(59, 0) + struct.pack("<HH", 1, 2)  # high word first: 65538 samples on
    blob = word(1, 18) + word(28, 5) + word(63, 3) + b"(N\0\0" + far + word(5, 0) + word(61, 1) + word(8, 7) + b"\0\0"
    times, symbols = formats.wfdb_annotations(blob + b"\xff\xff")
    assert times.tolist() == [18, 23, 65561, 65568] and symbols == ["N", "+", "V", "A"]


def test_cifar_png_rows_are_images() -> None:
    rng = np.random.default_rng(4)
    X, y = rng.integers(0, 256, (12, 32, 32, 3)).astype(np.uint8), rng.integers(0, 10, 12)
    blobs = {"package/train_lables.json": json.dumps(y[:10].tolist()).encode()}
    blobs["package/test_lables.json"] = json.dumps(y[10:].tolist()).encode()
    for k in range(6):
        stream = io.BytesIO()
        Image.fromarray(X[2 * k : 2 * k + 2].reshape(2, 1024, 3)).save(stream, "PNG")
        blobs["package/" + (f"data_batch_{k + 1}.png" if k < 5 else "test_batch.png")] = stream.getvalue()
    arrays = recipes.cifar10_png(blobs, Source("npm", ""), entry_of(()))
    assert np.array_equal(arrays["X_train"], X[:10]) and np.array_equal(arrays["X_test"], X[10:])
    assert np.array_equal(arrays["y_train"], y[:10]) and np.array_equal(arrays["y_test"], y[10:])
