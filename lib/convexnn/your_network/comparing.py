"""One table, several methods: the same splits, the same scaling, one score.

targets   two classes are -1 and +1, more are one-hot columns, numbers are centred and divided by their training spread
score     accuracy for classes, R^2 for numbers, always on held-out rows
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from convexnn.data import split, standardise
from convexnn.numerics import Array, tensor

TableTask = Literal["regression", "classification"]


@dataclass(frozen=True)
class Split:
    """Training and test rows, features standardised; T (n, c) what a network with the squared loss is trained on.

    labels are class positions 0, 1, ... or the scaled numbers
    """

    X: Array
    T: Array
    labels: np.ndarray[Any, Any]
    X_test: Array
    labels_test: np.ndarray[Any, Any]
    task: TableTask

    def score(self, outputs: Array) -> float:
        """Accuracy, or R^2, of raw outputs (n', c) on the test rows."""
        outputs = np.asarray(outputs, dtype=float).reshape(len(self.X_test), -1)
        if self.task == "classification":
            found = outputs[:, 0] > 0 if outputs.shape[1] == 1 else outputs.argmax(1)
            return float(np.mean(found == self.labels_test))
        rest = np.square(self.labels_test - outputs[:, 0]).sum()
        return float(1 - rest / max(1e-300, np.square(self.labels_test - self.labels_test.mean()).sum()))


def splits(X: Array, y: Any, task: TableTask, seeds: Sequence[int], share: float = 0.3) -> list[Split]:
    """One Split a seed, class proportions kept. Raises ValueError for a target of one value."""
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(f"y is {classes[0]!r} in every row; there is nothing to learn")
    labels = np.searchsorted(classes, y) if task == "classification" else y.astype(np.float64)
    found = []
    for seed in seeds:
        column = labels if task == "classification" else labels[:, None]  # numbers are no strata
        X_train, here, X_test, there = split(X, column, share, seed)
        if task == "regression":
            here, there = here[:, 0], there[:, 0]
            mean, spread = here.mean(), max(float(here.std()), 1e-300)
            here, there = (here - mean) / spread, (there - mean) / spread
        found.append(Split(*_features(X_train, X_test, here, len(classes), task), there, task))
    return found


def _features(X_train: Array, X_test: Array, here: Any, count: int, task: TableTask) -> tuple[Array, Array, Any, Array]:
    scaled, scaled_test = standardise(X_train, X_test)
    if task == "regression":
        return scaled, here[:, None], here, scaled_test
    T = np.where(here == 1, 1.0, -1.0)[:, None] if count == 2 else np.eye(count)[here]
    return scaled, T, here, scaled_test


def strongest_features(part: Split, count: int = 2) -> Array:
    """Positions of the features that correlate most with the (first) target."""
    pull = np.abs(part.X.T @ (part.T[:, 0] - part.T[:, 0].mean()))
    return np.sort(np.argsort(-pull, kind="stable")[:count])


def outputs_of(module: nn.Module, X: Array) -> Array:
    """Predictions of a torch module, in its own dtype."""
    weight = next(module.parameters())
    with torch.no_grad():
        return np.asarray(module(tensor(X, dtype=weight.dtype)).double().numpy())


def rivals(part: Split, seed: int, beta: float, patterns: int = 32) -> dict[str, float]:
    """Held-out scores of scikit-learn's models and of the certified estimator (its beta: the same, by name below)."""
    scores = {}
    for name, make in _models(part.task, seed, beta, patterns).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an MLP that stops at its iteration limit is part of the comparison
            model = make().fit(part.X, part.labels)
        found = model.predict(part.X_test)
        if part.task == "classification":
            scores[name] = float(np.mean(found == part.labels_test))
        else:
            scores[name] = part.score(found)
    return scores


def _models(task: TableTask, seed: int, beta: float, patterns: int) -> dict[str, Callable[[], Any]]:
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    from convexnn.estimators import ConvexReLUClassifier, ConvexReLURegressor

    classes = task == "classification"
    own: Any = ConvexReLUClassifier if classes else ConvexReLURegressor
    mlp: Any = MLPClassifier if classes else MLPRegressor
    boosting: Any = GradientBoostingClassifier if classes else GradientBoostingRegressor
    ridge: Any = RidgeClassifierCV if classes else RidgeCV
    return {
        "convex_relu": lambda: own(beta=beta, patterns=patterns, random_state=seed, tol=1e-3),
        "sklearn_mlp": lambda: mlp((100,), max_iter=300, random_state=seed),
        "ridge": lambda: ridge(alphas=np.geomspace(1e-2, 1e3, 11)),
        "gradient_boosting": lambda: boosting(random_state=seed),
    }
