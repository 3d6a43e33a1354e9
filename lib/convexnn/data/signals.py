"""From a recorded signal to samples: sliding windows for prediction, labelled beats for classification."""

from __future__ import annotations

import numpy as np

from convexnn.data.dataset import AnyArray, Dataset
from convexnn.numerics import Array


def windows(signal: AnyArray, width: int, step: int = 1) -> tuple[Array, Array]:
    """(X, y) for one-step prediction: X[k] = signal[k step : k step + width], y[k] the value after it, float64."""
    line = np.asarray(signal, np.float64)
    if line.ndim != 1:
        raise ValueError(f"signal has shape {line.shape}; pass one lead, e.g. dataset.X[:, 0]")
    if width < 1 or step < 1 or width >= len(line):
        raise ValueError(f"width is {width}, step {step}; both must be >= 1 and width < {len(line)} (the signal)")
    rows = np.lib.stride_tricks.sliding_window_view(line, width + 1)[::step]
    return np.ascontiguousarray(rows[:, :-1]), np.ascontiguousarray(rows[:, -1])


def beats(dataset: Dataset, before: int = 90, after: int = 110, lead: int = 0) -> tuple[Array, AnyArray]:
    """(X, y): a stretch of `before` + `after` values around each annotated sample, y its class index (> 0).

    Stretches that reach over an end of the record are left out. Raises ValueError for a record without labels.
    """
    if not dataset.classes:
        raise ValueError(f"dataset {dataset.name} carries no beat labels; use windows(dataset.X[:, 0], width)")
    if before < 0 or after < 1 or not 0 <= lead < dataset.X.shape[1]:
        raise ValueError(f"before={before}, after={after}, lead={lead}; take before >= 0, after >= 1, an existing lead")
    times = np.flatnonzero(dataset.y)
    times = times[(times >= before) & (times + after <= dataset.n)]
    line = dataset.X[:, lead].astype(np.float64)
    return line[times[:, None] + np.arange(-before, after)], dataset.y[times]
