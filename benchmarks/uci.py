"""Test accuracy and time on real tables, the same budget for everybody: eight settings, three inner folds, three seeds.

A table is cut at random into training (at most TRAIN rows, half of the set where that is less) and test (at most TEST
rows); everybody sees the same rows, standardised by the training part. Every contender chooses among SETTINGS settings
by the same three inner folds, is fitted again on all training rows, and is scored once. The grids were written down
before the first run and never changed: beta on eight shares of beta_max for the convex programs (the same eight for
both libraries), two parameters for the others around scikit-learn's defaults.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.machine import installed
from convexnn.data import load, matrix, split, standardise
from convexnn.estimators import ConvexReLUClassifier, ConvexReLURegressor

#: Shipped with the checkout, inside scikit-learn, and (the last group) fetched by `python -m convexnn data NAME`.
SETS = (
    "sonar", "heart", "bupa", "ionosphere", "pima", "wdbc", "wisconsin", "mammographic", "banana",
    "iris", "wine", "diabetes",
    "australian", "vehicle", "vowel", "segment", "phoneme", "satimage",
)  # fmt: skip
TRAIN, TEST, SEEDS, FOLDS = 400, 2000, 3, 3
#: beta over beta_max, eight settings.
SHARES = tuple(float(share) for share in np.geomspace(0.3, 3e-4, 8))
#: Gates drawn: gated ReLU, and ReLU with its cones.
GATES, CONE_GATES = 100, 16
Row = dict[str, Any]
Say = Callable[[str], None]


class Kernel(ClassifierMixin, BaseEstimator):
    """Least squares on one column of 0/1 a class, by kernel ridge."""

    def __init__(self, alpha: float = 1.0, gamma: float | None = None) -> None:
        self.alpha, self.gamma = alpha, gamma

    def fit(self, X: Any, y: Any) -> Kernel:
        self.classes_, numbers = np.unique(y, return_inverse=True)
        self.model_ = KernelRidge(kernel="rbf", alpha=self.alpha, gamma=self.gamma)
        self.model_.fit(X, np.eye(len(self.classes_))[numbers])
        return self

    def predict(self, X: Any) -> Any:
        return self.classes_[self.model_.predict(X).argmax(axis=1)]


class _Pyscnn(BaseEstimator):
    """pyscnn's gated ReLU model by R-FISTA at its default tolerance; least squares, lambda a share of its largest."""

    def __init__(self, share: float = 0.01, seed: int = 0) -> None:
        self.share, self.seed = share, seed

    def _fit(self, X: Any, T: Any) -> None:
        from scnn.activations import sample_gate_vectors
        from scnn.metrics import Metrics
        from scnn.models import ConvexGatedReLU
        from scnn.optimize import optimize_model
        from scnn.regularizers import NeuronGL1
        from scnn.solvers import RFISTA

        F = np.hstack([X, np.ones((len(X), 1))])
        gates = sample_gate_vectors(self.seed, F.shape[1], GATES)
        # R-FISTA's problem is 1/(2 n) |.|^2 + lambda sum |w_i|: zero above max_i |X'D_i T| / n, one norm a group
        pulls = np.einsum("nd,np,nc->pdc", F, (F @ gates >= 0).astype(float), T)
        top = np.sqrt(np.square(pulls).sum((1, 2))).max() / len(F)
        model = ConvexGatedReLU(gates, c=T.shape[1])
        penalty = NeuronGL1(self.share * top)
        self.model_ = optimize_model(model, RFISTA(model), Metrics(), F, T, regularizer=penalty, dtype="float32")[0]

    def _outputs(self, X: Any) -> Any:
        return np.asarray(self.model_(np.hstack([X, np.ones((len(X), 1))])))


class PyscnnClassifier(ClassifierMixin, _Pyscnn):
    def fit(self, X: Any, y: Any) -> PyscnnClassifier:
        self.classes_, numbers = np.unique(y, return_inverse=True)
        self._fit(X, np.eye(len(self.classes_))[numbers])
        return self

    def predict(self, X: Any) -> Any:
        return self.classes_[self._outputs(X).argmax(axis=1)]


class PyscnnRegressor(RegressorMixin, _Pyscnn):
    def fit(self, X: Any, y: Any) -> PyscnnRegressor:
        self.mean_, self.scale_ = y.mean(), y.std()
        self._fit(X, ((y - self.mean_) / self.scale_)[:, None])
        return self

    def predict(self, X: Any) -> Any:
        return self.mean_ + self.scale_ * self._outputs(X)[:, 0]


class _Convex(BaseEstimator):
    """The estimator of this library along the eight shares; its own search, the same folds."""

    def __init__(self, regression: bool, activation: str, seed: int) -> None:
        self.regression, self.activation, self.seed = regression, activation, seed

    def fit(self, X: Any, y: Any) -> _Convex:
        make: Any = ConvexReLURegressor if self.regression else ConvexReLUClassifier
        patterns = GATES if self.activation == "gated" else CONE_GATES
        options: Row = {"activation": self.activation, "patterns": patterns, "cv": FOLDS, "random_state": self.seed}
        top = make(**options).program(X, y).beta_max()
        self.model_ = make(beta=[share * top for share in SHARES], **options).fit(X, y)
        return self

    def score(self, X: Any, y: Any) -> float:
        return float(self.model_.score(X, y))


@dataclass(frozen=True)
class Contender:
    """make(regression, seed) -> something with fit and score that searches over eight settings by itself."""

    name: str
    package: str
    make: Callable[[bool, int], Any]


def _search(model: Any, grid: dict[str, Sequence[Any]]) -> GridSearchCV:
    return GridSearchCV(model, grid, cv=FOLDS, error_score="raise")


def _network(regression: bool, seed: int) -> Any:
    make = MLPRegressor if regression else MLPClassifier
    grid = {"alpha": [1e-4, 1e-2, 1.0, 10.0], "learning_rate_init": [1e-3, 1e-2]}
    return _search(make(random_state=seed, max_iter=200), grid)


def _boosting(regression: bool, seed: int) -> Any:
    make = GradientBoostingRegressor if regression else GradientBoostingClassifier
    grid = {"learning_rate": [0.03, 0.1, 0.3, 1.0], "max_depth": [1, 3]}
    return _search(make(random_state=seed), grid)


def _kernel(regression: bool, seed: int) -> Any:
    grid = {"alpha": [1e-2, 1e-1, 1.0, 10.0], "gamma": [0.01, 0.1]}
    return _search(KernelRidge(kernel="rbf") if regression else Kernel(), grid)


CONTENDERS = (
    Contender("convexnn gated", "", lambda regression, seed: _Convex(regression, "gated", seed)),
    Contender("convexnn ReLU", "", lambda regression, seed: _Convex(regression, "relu", seed)),
    Contender(
        "pyscnn gated",
        "pyscnn",
        lambda regression, seed: _search(
            PyscnnRegressor(seed=seed) if regression else PyscnnClassifier(seed=seed), {"share": SHARES}
        ),
    ),
    Contender("MLP (Adam)", "", _network),
    Contender("kernel ridge", "", _kernel),
    Contender("gradient boosting", "", _boosting),
)


def race(names: Sequence[str], only: Sequence[str], seeds: int, say: Say) -> Iterator[Row]:
    """One row for each set and contender; a set that is not here and a peer that is not installed are said and left."""
    for name in names:
        try:
            cuts = [cut(name, seed) for seed in range(seeds)]
        except (RuntimeError, ValueError) as error:
            say(f"{name}: left out, {str(error).splitlines()[0][:120]}")
            continue
        for contender in CONTENDERS:
            if only and contender.name not in only:
                continue
            if contender.package and not installed(contender.package):
                say(f"{contender.name}: left out, {contender.package} is not installed")
                continue
            row = _measured(name, contender, cuts)
            say(f"{name}, {contender.name}: {100 * row['score']:.1f} % in {row['cpu_s']:.3g} CPU s")
            yield row


def cut(name: str, seed: int) -> tuple[Any, Any, Any, Any]:
    """(X_train, y_train, X_test, y_test) of a set, standardised by the training rows."""
    dataset = load(name)
    X_train, y_train, X_test, y_test = split(matrix(dataset), dataset.y, test_share=0.5, seed=seed)
    if len(X_train) > TRAIN:
        kept = _some(X_train, y_train, TRAIN / len(X_train), seed)
        X_train, y_train = X_train[kept], y_train[kept]
    tested = np.random.default_rng(seed).permutation(len(X_test))[:TEST]
    first, second = standardise(X_train, X_test[tested])
    return first, y_train, second, y_test[tested]


def _some(X: Any, y: Any, share: float, seed: int) -> Any:
    """Positions of about that share of the rows, classes in proportion."""
    return split(np.arange(len(X)), y, test_share=share, seed=seed)[2]


def _measured(name: str, contender: Contender, cuts: Sequence[tuple[Any, Any, Any, Any]]) -> Row:
    """Scores and CPU seconds (search, refit; not the score) over the cuts."""
    regression = np.issubdtype(cuts[0][1].dtype, np.floating)
    scores, times = [], []
    for seed, (X, y, X_test, y_test) in enumerate(cuts):
        model = contender.make(bool(regression), seed)
        started = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a network that has not converged in its steps, and the like
            model.fit(X, y)
        times.append(time.process_time() - started)
        scores.append(float(model.score(X_test, y_test)))
    X, y, X_test, _ = cuts[0]
    shape = {"rows": len(X), "tested": len(X_test), "features": X.shape[1]}
    shape |= {} if regression else {"classes": len(np.unique(y))}
    return {
        "instance": name, "contender": contender.name, "measure": "R2" if regression else "accuracy", **shape,
        "score": float(np.mean(scores)), "scores": [round(s, 5) for s in scores], "cpu_s": float(np.mean(times)),
    }  # fmt: skip
