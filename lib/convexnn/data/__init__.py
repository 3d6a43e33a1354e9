"""Real data sets by name, verified bit for bit: `load("mnist", subset="shipped")`, `load("sonar")`.

A name means the published set of that name and nothing else; a cut says so (`Dataset.is_subset`). Nothing is
downloaded unless you ask: `python -m convexnn data NAME`, `load(name, download=True)` or CONVEXNN_DOWNLOAD=1.
"""

from convexnn.data.cache import cache_dir
from convexnn.data.dataset import DataCorruptError, DataError, DataNotHereError, Dataset
from convexnn.data.describing import describe
from convexnn.data.loading import load, names, used
from convexnn.data.prepare import binary, matrix, one_hot, split, standardise, whiten_columns, whiten_rows
from convexnn.data.shipping import shipped
from convexnn.data.signals import beats, windows

__all__ = [
    "DataCorruptError", "DataError", "DataNotHereError", "Dataset", "beats", "binary", "cache_dir", "describe", "load",
    "matrix", "names", "one_hot", "shipped", "split", "standardise", "used", "whiten_columns", "whiten_rows", "windows",
]  # fmt: skip
