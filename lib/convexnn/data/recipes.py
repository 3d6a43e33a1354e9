"""From the members of a source to the arrays of a set: one function per source layout, looked up by name."""

from __future__ import annotations

import fnmatch
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn import datasets as sklearn_sets

from convexnn.data import formats
from convexnn.data.archives import one
from convexnn.data.dataset import AnyArray, DataCorruptError
from convexnn.data.manifest import Entry, Source

Arrays = dict[str, AnyArray]
Blobs = Mapping[str, bytes]

_IDX = {
    "X_train": "train-images-idx3-ubyte", "y_train": "train-labels-idx1-ubyte",
    "X_test": "t10k-images-idx3-ubyte", "y_test": "t10k-labels-idx1-ubyte",
}  # fmt: skip


def _sorted(blobs: Blobs, pattern: str) -> list[str]:
    return sorted(name for name in blobs if fnmatch.fnmatch(name, pattern))


def idx_pairs(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """MNIST layout: four IDX files, `options.ending` '.gz' where they are compressed."""
    ending = source.options.get("ending", "")
    arrays = {key: formats.idx(one(blobs, name + ending)) for key, name in _IDX.items()}
    return {key: a.astype(np.int64) if key[0] == "y" else a for key, a in arrays.items()}


def cifar10_png(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """One row of a lossless PNG per image, labels as JSON."""

    def part(names: list[str], labels: str) -> tuple[AnyArray, AnyArray]:
        images = [formats.picture(one(blobs, name)).reshape(-1, 32, 32, 3) for name in names]
        return np.concatenate(images), np.array(json.loads(one(blobs, labels)), dtype=np.int64)

    X_train, y_train = part([f"data_batch_{k}.png" for k in range(1, 6)], "train_lables.json")
    X_test, y_test = part(["test_batch.png"], "test_lables.json")
    return {"X_train": X_train, "y_train": y_train, "X_test": X_test, "y_test": y_test}


def cifar10_python(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """The official Python archive: five pickled batches and a test batch."""
    train = [formats.cifar_pickle(one(blobs, f"data_batch_{k}"), b"labels") for k in range(1, 6)]
    X_test, y_test = formats.cifar_pickle(one(blobs, "test_batch"), b"labels")
    X_train, y_train = (np.concatenate(parts) for parts in zip(*train, strict=True))
    return {"X_train": X_train, "y_train": y_train, "X_test": X_test, "y_test": y_test}


def cifar100_python(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """The official Python archive: members `train` and `test`, fine labels."""
    X_train, y_train = formats.cifar_pickle(one(blobs, "train"), b"fine_labels")
    X_test, y_test = formats.cifar_pickle(one(blobs, "test"), b"fine_labels")
    return {"X_train": X_train, "y_train": y_train, "X_test": X_test, "y_test": y_test}


def celeba(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """Aligned photographs, the attribute table and the official partition (0 train, 1 valid, 2 test)."""
    lines = one(blobs, "list_attr_celeba.txt").decode().splitlines()
    if tuple(lines[1].split()) != entry.classes:
        raise DataCorruptError("list_attr_celeba.txt names other attributes than the manifest; get it again")
    attributes = {row[0]: [int(v) > 0 for v in row[1:]] for row in (line.split() for line in lines[2:]) if row}
    parts = dict(line.split() for line in one(blobs, "list_eval_partition.txt").decode().splitlines() if line.strip())
    folder = {name.rsplit("/", 1)[-1]: name for name in blobs if name.endswith(".jpg")}
    if not parts.keys() <= folder.keys() & attributes.keys():
        raise DataCorruptError(f"{len(parts.keys() - folder.keys())} photographs are missing; get the archive again")
    arrays: Arrays = {}
    for code, part in enumerate(("train", "valid", "test")):
        files = sorted(name for name, value in parts.items() if int(value) == code)
        X = np.empty((len(files), *entry.arrays[f"X_{part}"].shape[1:]), np.uint8)
        for k, name in enumerate(files):
            X[k] = formats.face(blobs[folder[name]], X.shape[1])
        arrays[f"X_{part}"] = X
        arrays[f"y_{part}"] = np.array([attributes[name] for name in files], np.uint8)
    return arrays


def table(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """One comma-separated table, the class in its last column."""
    X, texts = formats.table(blobs[source.members[0]])
    return {"X": X, "y": formats.class_indices(texts, entry.classes)}


def orl(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """s1/1.pgm ... s40/10.pgm, people and pictures in the order of their numbers."""
    names = [f"s{person}/{k}.pgm" for person in range(1, 41) for k in range(1, 11)]
    X = np.stack([formats.picture(one(blobs, name)) for name in names])
    return {"X": X, "y": np.repeat(np.arange(40, dtype=np.int64), 10)}


def lfw(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """100 crops with a face (class 1), then 100 without (class 0)."""
    X = np.load(io.BytesIO(blobs[source.members[0]]), allow_pickle=False)
    return {"X": X, "y": np.repeat(np.array([1, 0], dtype=np.int64), len(X) // 2)}


def quickdraw(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """One gzipped file per class, 28 x 28 values in [0, 1] a drawing; classes in alphabetical order."""
    ending = ".ndjson.gz"
    by_class = {name.rsplit("/", 1)[-1][: -len(ending)]: name for name in blobs if name.endswith(ending)}
    if tuple(sorted(by_class)) != entry.classes:
        raise DataCorruptError(f"{len(by_class)} classes were found, {len(entry.classes)} expected; get it again")
    drawings = [formats.json_lines(blobs[by_class[name]]).astype(np.float32) for name in entry.classes]
    labels = [np.full(len(part), k, dtype=np.int64) for k, part in enumerate(drawings)]
    return {"X": np.concatenate(drawings).reshape(-1, 28, 28), "y": np.concatenate(labels)}


def mitbih(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """A two-lead record: X raw converter values, y[t] the class of the annotation at sample t (0: none)."""
    record = source.options["record"]
    X = formats.wfdb212(one(blobs, f"{record}.dat"))
    times, symbols = formats.wfdb_annotations(one(blobs, f"{record}.atr"))
    y = np.zeros(len(X), dtype=np.int64)
    y[times] = formats.class_indices(symbols, entry.classes)
    return {"X": X, "y": y}


def numpy_signal(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """A one-lead signal under a key of an npz file, no labels."""
    with np.load(io.BytesIO(blobs[source.members[0]]), allow_pickle=False) as stored:
        X = np.asarray(stored[source.options["key"]]).reshape(-1, 1)
    return {"X": X, "y": np.zeros(len(X), dtype=np.int64)}


def scikit_learn(blobs: Blobs, source: Source, entry: Entry) -> Arrays:
    """A set that scikit-learn carries; targets of a regression stay float64."""
    bunch: Any = getattr(sklearn_sets, source.options["function"])(**source.options.get("arguments", {}))
    y = np.asarray(bunch.target)
    X = np.ascontiguousarray(bunch.data, dtype=np.float64)
    return {"X": X, "y": y.astype(np.int64 if entry.classes else np.float64)}


RECIPES: Mapping[str, Callable[[Blobs, Source, Entry], Arrays]] = {
    recipe.__name__: recipe
    for recipe in (
        idx_pairs, cifar10_png, cifar10_python, cifar100_python, celeba, table, orl, lfw, quickdraw, mitbih,
        numpy_signal, scikit_learn,
    )
}  # fmt: skip
