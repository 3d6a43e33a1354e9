"""`ConvexReLURegressor`: two-layer regression to a certified global optimum, as scikit-learn expects it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from convexnn.estimators.base import ConvexReLU, checked_weights
from convexnn.numerics import Array, check_choice


class ConvexReLURegressor(RegressorMixin, ConvexReLU):
    """Two-layer ReLU or gated ReLU regression by the equivalent convex program.

        min over networks  1/2 sum_k w_k |f(x_k) - y_k|^2 + beta sum_j |u_j| |a_j|      (standardised x and y)

    beta            None (0.01 beta_max), a number, "cv" (20 values down to beta_max / 1000), or a list to choose from
    activation      "relu", or "gated": fixed gates, no cones, much faster on many samples
    patterns        how many Gaussian gates to draw, or "all" (few samples or rank <= 3): then the certificate is for
                    every two-layer network
    fit_intercept   centre x and y and give every neuron a regularised bias
    scope           "program": the certificate is for the drawn patterns. "network" (ReLU, one output): go on by column
                    generation for `budget` seconds, and bound what any network of any width can reach
    tol, budget     relative gap to reach and seconds to spend; when they run out first, `status_` is "inconclusive",
                    both bounds hold, and a ConvergenceWarning says so
    cv, n_jobs      folds for beta="cv" or a list (scikit-learn's meaning), and how many at a time
    device          "cpu", "cuda" or "auto"; the judge is always float64 on the CPU
    memory_limit_gib  refuse a fit that needs more (None: half of the memory); the message says what fits
    random_state    of the gates

    Fitted: network_ (TwoLayer in the units of the data), certificate_, gap_, value_, lower_, status_, message_, beta_,
    Z_, active_ (groups in use), n_neurons_, n_patterns_, n_distinct_, path_ (RegularisationPath), n_features_in_.
    Several columns of y are several outputs; each neuron feeds one of them. Rows that repeat are merged.
    """

    @property
    def _error_name(self) -> str:
        return "held-out mean squared error"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ConvexReLURegressor:
        """Fit to X (n, d) and y (n,) or (n, c) with weights (n,) or None. Raises ValueError naming what is wrong."""
        check_choice("loss", self.loss, ("squared",))
        X, T, weights = self._checked(X, y, sample_weight, reset=True)
        self._fit(X, T, weights, T[:, 0])
        return self

    def predict(self, X: Any) -> Array:
        """(n,) or (n, c) predictions."""
        found = self._outputs(X)
        return found[:, 0] if self._flat else found

    def _checked(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> tuple[Array, Array, Array | None]:
        X, y = validate_data(
            self, X, y, multi_output=True, y_numeric=True, dtype=np.float64, reset=reset, ensure_min_samples=2
        )
        weights = checked_weights(sample_weight, len(X))
        if reset:
            self._flat = y.ndim == 1
        T = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        if weights is None:
            return X, T, None
        kept = weights > 0
        return X[kept], T[kept], weights[kept]

    def _rescales_targets(self) -> bool:
        return True

    def _error(self, predicted: Array, T: Array, weights: Array) -> float:
        """Weighted mean squared error, averaged over outputs."""
        return float(weights @ np.square(predicted - T).mean(axis=1) / weights.sum())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags
