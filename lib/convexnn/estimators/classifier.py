"""`ConvexReLUClassifier`: two-layer classification to a certified global optimum, as scikit-learn expects it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from convexnn.estimators.base import ConvexReLU, checked_weights
from convexnn.losses import LOSSES
from convexnn.numerics import Array, check_choice


def _has_probabilities(model: Any) -> bool:
    if model.loss in ("logistic", "cross_entropy"):
        return True
    raise AttributeError(f"loss={model.loss!r} gives no probabilities; use loss='logistic' or 'cross_entropy'")


class ConvexReLUClassifier(ClassifierMixin, ConvexReLU):
    """Two-layer ReLU or gated ReLU classification by the equivalent convex program.

    loss    "squared" (default): least squares on -1/+1, or on one column of 0/1 a class; the fastest, sample weights
            included. "logistic", "hinge", "squared_hinge": margins, one class against the rest where there are more
            than two. "cross_entropy": softmax over the classes, one objective for all. Sample weights of the losses
            other than "squared" are solved by first-order steps.
    All other parameters and fitted attributes are those of ConvexReLURegressor; also classes_. beta="cv" and lists take
    the beta with the smallest held-out error rate (of equal ones the largest beta).
    predict_proba needs loss="logistic" (more than two classes: one against the rest, normalised) or "cross_entropy".
    """

    @property
    def _error_name(self) -> str:
        return "held-out error rate"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ConvexReLUClassifier:
        """Fit to X (n, d) and labels y (n,) with weights (n,) or None. Raises ValueError naming what is wrong."""
        check_choice("loss", self.loss, tuple(LOSSES))
        X, T, weights = self._checked(X, y, sample_weight, reset=True)
        self._fit(X, T, weights, _numbers(T))
        return self

    def decision_function(self, X: Any) -> Array:
        """(n,) for two classes, positive for the second; else (n, c)."""
        found = self._outputs(X)
        if len(self.classes_) > 2:
            return found
        return found[:, 0] if found.shape[1] == 1 else found[:, 1] - found[:, 0]

    def predict(self, X: Any) -> Any:
        """(n,) class names."""
        outputs = self._outputs(X)
        return self.classes_[_numbers(outputs)]

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> Array:
        """(n, c) probabilities that the loss models."""
        found = self._outputs(X)
        if self.loss == "cross_entropy":
            return np.asarray(softmax(found, axis=1))
        each = expit(found)
        if found.shape[1] == 1:
            return np.hstack([1 - each, each])
        return np.asarray(each / each.sum(axis=1, keepdims=True))

    def _checked(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> tuple[Array, Array, Array | None]:
        X, y = validate_data(self, X, y, dtype=np.float64, reset=reset, ensure_min_samples=2)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        weights = checked_weights(sample_weight, len(X))
        if weights is not None:
            X, y, weights = X[weights > 0], y[weights > 0], weights[weights > 0]
        if reset:
            self.classes_ = np.unique(y)
        else:
            check_is_fitted(self, "classes_")
        if len(self.classes_) < 2:
            raise ValueError(f"y has only one class, {self.classes_[0]!r}; a classifier needs samples of two or more")
        if not np.isin(y, self.classes_).all():
            raise ValueError("y has a class that was not there in fit; pass the labels of the training set")
        return X, self._targets(np.searchsorted(self.classes_, y)), weights

    def _targets(self, numbers: Any) -> Array:
        """What the loss compares with: -1/+1, or one column a class."""
        count = len(self.classes_)
        if self.loss == "cross_entropy":
            return np.eye(count)[numbers]
        if count == 2:
            return np.where(numbers == 1, 1.0, -1.0)[:, None]
        one_hot = np.eye(count)[numbers]
        return one_hot if self.loss == "squared" else 2.0 * one_hot - 1.0

    def _rescales_targets(self) -> bool:
        return False

    def _error(self, predicted: Array, T: Array, weights: Array) -> float:
        """Weighted share of samples that are put in the wrong class."""
        return float(weights @ (_numbers(predicted) != _numbers(T)) / weights.sum())


def _numbers(outputs: Array) -> Any:
    """The class of each row: the sign of one output, else the largest."""
    return (outputs[:, 0] > 0).astype(int) if outputs.shape[1] == 1 else outputs.argmax(axis=1)
