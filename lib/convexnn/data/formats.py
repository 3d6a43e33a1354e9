"""Bytes to arrays, one function per file format. Nothing here touches a disk or a network, and nothing runs code
found in a file: pickles are read by an unpickler that knows arrays and nothing else.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from convexnn.data.dataset import AnyArray, DataCorruptError

#: WFDB annotation codes that mark a beat or an event, with the letters that the MIT-BIH directory uses.
WFDB_SYMBOLS = {
    1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j", 12: "/", 13: "Q",
    14: "~", 16: "|", 18: "s", 19: "T", 20: "*", 21: "D", 22: '"', 23: "=", 24: "p", 25: "B", 26: "^", 27: "t",
    28: "+", 29: "u", 30: "?", 31: "!", 32: "[", 33: "]", 34: "e", 35: "n", 36: "@", 37: "x", 38: "f", 39: "(",
    40: ")", 41: "r",
}  # fmt: skip
_PICKLED = {
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
}  # fmt: skip


class _ArraysOnly(pickle.Unpickler):
    """Rebuilds plain containers and numpy arrays; any other global in the stream is refused before it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PICKLED:
            raise DataCorruptError(
                f"the pickle asks for {module}.{name}; only numpy arrays are read. Get the official file again"
            )
        return super().find_class(module, name)


def unpickle(blob: bytes) -> Any:
    """A pickle of containers and numpy arrays (Python 2 strings arrive as bytes)."""
    try:
        return _ArraysOnly(io.BytesIO(blob), encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise DataCorruptError(f"the pickle cannot be read ({error}); get the official file again") from None


def idx(blob: bytes) -> AnyArray:
    """IDX: 00 00 08 ndim, ndim big-endian sizes, uint8 values; gzip is undone first."""
    if blob[:2] == b"\x1f\x8b":
        blob = gzip.decompress(blob)
    if len(blob) < 4 or blob[:3] != b"\0\0\x08":
        raise DataCorruptError("not an IDX file of uint8: the first bytes must be 00 00 08; get the file again")
    ndim = blob[3]
    shape = struct.unpack(f">{ndim}I", blob[4 : 4 + 4 * ndim])
    values = np.frombuffer(blob, np.uint8, offset=4 + 4 * ndim)
    if values.size != int(np.prod(shape)):
        raise DataCorruptError(f"IDX header says {shape} but {values.size} values follow; get the file again")
    return values.reshape(shape)


def cifar_rows(rows: AnyArray) -> AnyArray:
    """(n, 3072) planes R, G, B to (n, 32, 32, 3)."""
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def cifar_pickle(blob: bytes, label: bytes) -> tuple[AnyArray, AnyArray]:
    """One official Python batch: (n, 32, 32, 3) uint8 and the labels under the key `label`."""
    batch = unpickle(blob)
    if not isinstance(batch, Mapping) or b"data" not in batch or label not in batch:
        raise DataCorruptError(f"a CIFAR batch needs the keys data and {label.decode()}; get the official file again")
    return cifar_rows(np.asarray(batch[b"data"], np.uint8)), np.asarray(batch[label], np.int64)


def cifar_binary(X: AnyArray, y: AnyArray) -> bytes:
    """The official binary layout of (n, 32, 32, 3) images: a label byte, then the planes R, G, B."""
    planes = X.transpose(0, 3, 1, 2).reshape(len(X), -1)
    return np.concatenate([y.astype(np.uint8)[:, None], planes], axis=1).tobytes()


def picture(blob: bytes) -> AnyArray:
    """Any format that Pillow reads, as uint8 (h, w) or (h, w, 3)."""
    return np.asarray(Image.open(io.BytesIO(blob)))


def face(blob: bytes, size: int) -> AnyArray:
    """The central square of a portrait photograph, averaged down to (size, size, 3) with Pillow's box filter."""
    image = Image.open(io.BytesIO(blob)).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((size, size), Image.Resampling.BOX))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def table(blob: bytes) -> tuple[AnyArray, list[str]]:
    """Headerless comma-separated rows, the class last: float64 X and the class texts.

    A column in which every value is a number is one feature; any other column becomes one 0/1 feature for each of
    its distinct texts, sorted.
    """
    rows = [[cell.strip() for cell in line.split(",")] for line in blob.decode().splitlines() if line.strip()]
    if not rows or len({len(row) for row in rows}) != 1:
        raise DataCorruptError("the table is empty or its rows differ in length; get the file again")
    columns: list[AnyArray] = []
    for column in list(zip(*rows, strict=True))[:-1]:
        if all(map(_is_number, column)):
            columns.append(np.array(column, dtype=np.float64))
        else:
            texts = np.array(column)
            columns += [(texts == text).astype(np.float64) for text in sorted(set(column))]
    return np.ascontiguousarray(np.stack(columns, axis=1)), [row[-1] for row in rows]


def class_indices(texts: list[str], classes: tuple[str, ...]) -> AnyArray:
    """(n,) int64 positions of `texts` in `classes`."""
    place = {name: k for k, name in enumerate(classes)}
    unknown = sorted(set(texts) - set(place))
    if unknown:
        raise DataCorruptError(f"labels {unknown[:3]} are not among the classes {list(classes)[:5]}; wrong file")
    return np.array([place[text] for text in texts], dtype=np.int64)


def wfdb212(blob: bytes, signals: int = 2) -> AnyArray:
    """WFDB format 212: two 12-bit two's-complement samples in three bytes, as (n, signals) int16."""
    if len(blob) % 3:
        raise DataCorruptError(f"format 212 comes in threes of bytes, {len(blob)} were given; get the file again")
    low, middle, high = np.frombuffer(blob, np.uint8).reshape(-1, 3).astype(np.int16).T
    pairs = np.stack([low | (middle & 0x0F) << 8, high | (middle & 0xF0) << 4], axis=1)
    return np.ascontiguousarray(np.where(pairs > 2047, pairs - 4096, pairs).astype(np.int16).reshape(-1, signals))


def wfdb_annotations(blob: bytes) -> tuple[AnyArray, list[str]]:
    """MIT annotation file: sample numbers (int64) and symbols of every beat or event.

    A little-endian word is code * 1024 + step; code 59 (SKIP) carries a 32-bit step, 60 to 62 set fields without
    moving, 63 is followed by `step` bytes of text, and the word 0 ends the file.
    """
    words = np.frombuffer(blob[: len(blob) // 2 * 2], "<u2").astype(np.int64)
    time, k, times, symbols = 0, 0, [], []
    while k < len(words) and words[k] != 0:
        code, step = int(words[k]) >> 10, int(words[k]) & 1023
        k += 1
        if code == 59:
            time += (int(words[k]) << 16) + int(words[k + 1])
            k += 2
        elif code == 63:
            k += (step + 1) // 2
        elif code < 50:
            time += step
            times.append(time)
            symbols.append(WFDB_SYMBOLS.get(code, "?"))
    return np.array(times, dtype=np.int64), symbols


def json_lines(blob: bytes) -> AnyArray:
    """A gzipped file with one JSON list of numbers a line, as float64."""
    lines = gzip.decompress(blob).decode().splitlines()
    return np.array([json.loads(line) for line in lines if line.strip()], dtype=np.float64)
