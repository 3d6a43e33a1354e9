"""Cross-validation of beta: each fold prepares its own data, follows its own path and is judged on what it left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv

from convexnn.numerics import Array

if TYPE_CHECKING:
    from convexnn.estimators.base import ConvexReLU


def held_out(model: ConvexReLU, X: Array, T: Array, weights: Array | None, groups: Array, shares: Array) -> Array:
    """(K, folds) errors of the betas `shares` times the total weight of the fold's training part.

    model   an estimator whose parameters count; `groups` are class numbers where folds are to be stratified
    Raises ValueError from scikit-learn when there are fewer samples (of a class) than folds.
    """
    splitter = check_cv(model.cv, groups, classifier=is_classifier(model))
    folds = list(splitter.split(X, groups))
    work = (delayed(_fold)(clone(model), X, T, weights, train, test, shares) for train, test in folds)
    return np.column_stack(Parallel(n_jobs=model.n_jobs)(work))


def _fold(
    model: Any, X: Array, T: Array, weights: Array | None, train: Array, test: Array, shares: Array
) -> list[float]:
    """Errors on one fold, one for each share."""
    own = None if weights is None else weights[train]
    prepared, program, _ = model._formulate(X[train], T[train], own)
    judged = np.ones(len(test)) if weights is None else weights[test]
    errors = []
    for solution in model._follow(program, shares * prepared.total):
        _, network = model._network(prepared, solution)
        errors.append(model._error(network.predict(X[test]), T[test], judged))
    return errors
