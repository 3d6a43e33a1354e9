"""From raw data to what a theorem takes: float64 matrices, labels -1/+1 or one-hot, standardised or whitened rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from convexnn.data.dataset import AnyArray, Dataset
from convexnn.numerics import EPS, Array, check_choice, check_finite


def matrix(dataset: Dataset) -> Array:
    """(n, d) float64, one flattened row a sample; uint8 images are divided by 255, every other dtype is kept as is."""
    X = dataset.X.reshape(dataset.n, -1).astype(np.float64)
    return X / 255.0 if dataset.X.dtype == np.uint8 else X


def _class_index(dataset: Dataset, name: str, value: int | str) -> int:
    if isinstance(value, str):
        check_choice(name, value, dataset.classes)
        return dataset.classes.index(value)
    check_choice(name, value, range(len(dataset.classes)))
    return int(value)


def binary(dataset: Dataset, a: int | str | None = None, b: int | str | None = None) -> tuple[Array, Array]:
    """Two classes as (X, y): X from `matrix`, y = +1 for class `a` and -1 for class `b`, samples in their own order.

    Classes are given by name or by position; a set with exactly two classes needs none (the second is +1).
    Raises ValueError for a set without classes, an unknown class, or a == b.
    """
    if dataset.y.ndim != 1 or len(dataset.classes) < 2:
        hint = "dataset.y[:, k] is the k-th attribute" if dataset.y.ndim == 2 else "use matrix(dataset) and dataset.y"
        raise ValueError(f"dataset {dataset.name} has no classes to tell apart; {hint}")
    if a is None and b is None and len(dataset.classes) == 2:
        a, b = 1, 0
    if a is None or b is None:
        raise ValueError(f"a and b are missing: {dataset.name} has {len(dataset.classes)} classes, name two of them")
    plus, minus = _class_index(dataset, "a", a), _class_index(dataset, "b", b)
    if plus == minus:
        raise ValueError(f"a and b are both {dataset.classes[plus]!r}; name two different classes of {dataset.name}")
    rows = (dataset.y == plus) | (dataset.y == minus)
    return matrix(dataset)[rows], np.where(dataset.y[rows] == plus, 1.0, -1.0)


def one_hot(y: AnyArray, classes: int | None = None) -> Array:
    """(n, c) float64 with a one at each label; `classes` is c where not every class occurs in `y`."""
    labels = np.asarray(y)
    if labels.ndim != 1 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(f"y has dtype {labels.dtype}, shape {labels.shape}; pass a vector of class indices 0, 1, ...")
    count = int(labels.max()) + 1 if classes is None else classes
    if labels.max() >= count:
        raise ValueError(f"classes is {count} but y holds the label {labels.max()}; pass classes >= {labels.max() + 1}")
    return np.eye(count)[labels]


def standardise(X_train: AnyArray, X_test: AnyArray) -> tuple[Array, Array]:
    """Both matrices with the training columns' mean removed and divided by their standard deviation.

    A column that is constant in training becomes zero there and is only centred in the test set.
    """
    train, test = np.asarray(X_train, np.float64), np.asarray(X_test, np.float64)
    check_finite(X_train=train, X_test=test)
    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1] or train.shape[0] == 0:
        raise ValueError(f"X_train is {train.shape}, X_test {test.shape}; pass matrices (n, d) with the same d, n > 0")
    mean, spread = train.mean(axis=0), train.std(axis=0)
    constant = spread <= 8 * EPS * np.abs(train).max(axis=0, initial=0.0)
    mean = np.where(constant, train[0], mean)  # exactly zero after centring, whatever the mean's rounding
    return (train - mean) / np.where(constant, 1.0, spread), (test - mean) / np.where(constant, 1.0, spread)


def whiten_rows(X: AnyArray) -> Array:
    """(X X')^{-1/2} X, the closest matrix with orthonormal rows: the result Q has Q Q' = I.

    X : (n, d) with n <= d and full row rank. Raises ValueError for a smaller rank (no whitening exists).
    Computed as U V' of the singular value decomposition X = U diag(s) V'.
    """
    rows = np.asarray(X, np.float64)
    check_finite(X=rows)
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"X has shape {rows.shape}; pass a matrix (n, d), e.g. matrix(dataset)")
    U, s, Vt = np.linalg.svd(rows, full_matrices=False)
    rank = int(np.sum(s > max(rows.shape) * EPS * s[0]))
    if rank < rows.shape[0]:
        raise ValueError(
            f"X has {rows.shape[0]} rows but rank {rank}: rows cannot be whitened. Keep at most {rank} independent "
            "samples (a cut of the set), drop repeated rows, or use more features"
        )
    return np.asarray(U @ Vt)


def whiten_columns(X_train: AnyArray, X_test: AnyArray, components: int) -> tuple[Array, Array]:
    """The leading principal components of the training rows, scaled so that the result Z has Z'Z = I and column sums 0.

    Returns (n, components) and the test rows under the same affine map (centred and scaled by training alone).
    Raises ValueError when the centred training rows have a smaller rank than `components`.
    """
    train, test = np.asarray(X_train, np.float64), np.asarray(X_test, np.float64)
    check_finite(X_train=train, X_test=test)
    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1] or train.shape[0] == 0:
        raise ValueError(f"X_train is {train.shape}, X_test {test.shape}; pass matrices (n, d) with the same d, n > 0")
    mean = train.mean(axis=0)
    U, s, Vt = np.linalg.svd(train - mean, full_matrices=False)
    rank = int(np.sum(s > max(train.shape) * EPS * s[0]))
    if not 1 <= components <= rank:
        raise ValueError(f"components is {components}; the centred rows have rank {rank}: pass a number from 1 to that")
    return U[:, :components], (test - mean) @ (Vt[:components].T / s[:components])


def split(X: AnyArray, y: AnyArray, test_share: float = 0.3, seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """(X_train, y_train, X_test, y_test): a random cut that keeps class proportions where `y` holds classes.

    Every class with two samples or more is on both sides. Real-valued targets (floating point, more than 50 distinct
    values or fewer than two rows for each) are cut without strata. The same seed gives the same cut on every machine.
    """
    if len(X) != len(y) or len(X) < 2:
        raise ValueError(f"X has {len(X)} rows and y {len(y)}; pass two or more rows and one label for each")
    if not 0 < test_share < 1:
        raise ValueError(f"test_share is {test_share}; it must lie strictly between 0 and 1")
    rng = np.random.default_rng(seed)
    labels = np.asarray(y)
    most = min(50, len(labels) // 2)
    real = labels.ndim != 1 or (np.issubdtype(labels.dtype, np.floating) and len(np.unique(labels)) > most)
    strata = [np.arange(len(X))] if real else [np.flatnonzero(labels == c) for c in np.unique(labels)]
    test = np.zeros(len(X), dtype=np.bool_)
    for rows in strata:
        count = min(max(round(test_share * len(rows)), 1), len(rows) - 1)
        test[rng.permutation(rows)[:count]] = True
    return X[~test], y[~test], X[test], y[test]
