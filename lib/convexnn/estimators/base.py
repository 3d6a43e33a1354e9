"""What regressor and classifier share: from checked arrays to a network with its certificate."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from convexnn.estimators.crossing import held_out
from convexnn.estimators.following import follow
from convexnn.estimators.path import COUNT, RATIO, check_betas, collect
from convexnn.estimators.preparing import Prepared, prepare
from convexnn.estimators.sizing import check_memory
from convexnn.globalize import globalize
from convexnn.networks import ACTIVATIONS, Activation, TwoLayer
from convexnn.neurons import simplify
from convexnn.numerics import Array, check_choice, check_positive, relative_gap, resolve_device
from convexnn.program import Program
from convexnn.theorems import two_layer
from convexnn.types import Certificate, Solution

#: beta=None is this share of beta_max.
DEFAULT_SHARE = 0.01
#: Networks with more numbers than this in their activations are not simplified (a linear program).
SIMPLIFY_LIMIT = 500_000
#: Rows that are predicted at a time.
CHUNK = 50_000
#: Seconds for scope="network" when no budget is given.
NETWORK_BUDGET_S = 10.0

Scope = Literal["program", "network"]


class ConvexReLU(BaseEstimator):
    """Shared machinery; use ConvexReLURegressor or ConvexReLUClassifier."""

    def __init__(
        self,
        beta: Any = None,
        *,
        activation: Activation = "relu",
        patterns: Any = 32,
        loss: str = "squared",
        fit_intercept: bool = True,
        scope: Scope = "program",
        tol: float = 1e-4,
        budget: float | None = None,
        cv: Any = 5,
        device: str = "cpu",
        n_jobs: int | None = None,
        memory_limit_gib: float | None = None,
        random_state: Any = 0,
    ) -> None:
        self.beta = beta
        self.activation = activation
        self.patterns = patterns
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.scope = scope
        self.tol = tol
        self.budget = budget
        self.cv = cv
        self.device = device
        self.n_jobs = n_jobs
        self.memory_limit_gib = memory_limit_gib
        self.random_state = random_state

    # ---- after fit --------------------------------------------------------------------------------------------------

    def to_torch(self) -> torch.nn.Module:
        """The fitted function as a float64 torch module: Linear-ReLU-Linear, or the gated network."""
        check_is_fitted(self)
        net: TwoLayer = self.network_
        return net.sequential() if net.gates is None else net

    def program(self, X: Any, y: Any, sample_weight: Any = None) -> Program:
        """The convex program that `fit` with these arguments solves: `certify(e.program(X, y), e.Z_)` judges it again.

        Its beta is the fitted `beta_` where there is one, else the default; `.beta_max()` is where networks begin.
        """
        fitted = hasattr(self, "beta_")
        model = self if fitted else clone(self)
        _, made, _ = model._formulate(*model._checked(X, y, sample_weight, reset=not fitted))
        return made.with_beta(self.beta_) if fitted else made

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _checked(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> tuple[Array, Array, Array | None]:
        """X, targets (n, c) of the loss, and weights > 0; each estimator reads y in its own way."""
        raise NotImplementedError

    def _rescales_targets(self) -> bool:
        raise NotImplementedError

    def _error(self, predicted: Array, T: Array, weights: Array) -> float:
        """The held-out error by which beta is chosen."""
        raise NotImplementedError

    def _fit(self, X: Array, T: Array, weights: Array | None, groups: Array) -> None:
        """Everything after the input checks; `groups` stratify the folds."""
        self._check_parameters()
        prepared, program, top = self._formulate(X, T, weights)
        betas = self._betas(top)
        solutions = self._follow(program, betas)
        networks = [self._network(prepared, s) for s in solutions]
        path = collect(solutions, [network for _, network in networks])
        if len(betas) > 1 or isinstance(self.beta, str):
            path = path.with_errors(held_out(self, X, T, weights, groups, betas / prepared.total), self._error_name)
            chosen = path.best
        else:
            chosen = 0
        self.path_ = path
        self._keep(prepared, solutions[chosen], *networks[chosen])

    def _formulate(self, X: Array, T: Array, weights: Array | None) -> tuple[Prepared, Program, float]:
        """The prepared data, the program at a provisional beta, and its beta_max."""
        prepared = prepare(X, T, weights, self.loss, self.fit_intercept, self._rescales_targets())
        (n, d), c = prepared.F.shape, prepared.T.shape[1]
        if not isinstance(self.patterns, str):
            check_memory(n, d, c, int(self.patterns), self.activation, self.memory_limit_gib, self.device)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        program = two_layer.program(
            prepared.data(1.0), self.patterns, self.activation, loss=prepared.loss, bias="none", seed=seed
        )
        top = program.beta_max()
        return prepared, program.with_beta(DEFAULT_SHARE * top if top > 0 else 1.0), top

    def _betas(self, top: float) -> Array:
        """The betas to follow, largest first."""
        largest = top if top > 0 else 1.0
        if self.beta is None:
            return np.array([DEFAULT_SHARE * largest])
        if isinstance(self.beta, str):
            return largest * np.geomspace(1.0, RATIO, COUNT)
        return check_betas(np.atleast_1d(self.beta))

    def _follow(self, program: Program, betas: Array) -> list[Solution]:
        return follow(program, betas, self.tol, self.device, self.budget)

    def _network(self, prepared: Prepared, solution: Solution) -> tuple[TwoLayer, TwoLayer]:
        """The network in the units of the program, simplified where that is cheap, and in those of the data."""
        data = prepared.data(solution.program.beta)
        network = two_layer.recover(data, solution)
        if 0 < network.width * prepared.T.size <= SIMPLIFY_LIMIT and self.activation == "relu":
            fewer = simplify(network, prepared.F)
            network = fewer if fewer.width < network.width else network
        return network, prepared.in_units_of_the_data(network)

    def _keep(self, prepared: Prepared, solution: Solution, inner: TwoLayer, network: TwoLayer) -> None:
        """The fitted attributes."""
        certificate: Certificate = replace(solution.certificate, multipliers=None)
        status, message, value = solution.status, solution.message, solution.value
        if self.scope == "network" and not (certificate.scope == "network" and status == "solved"):
            found = globalize(
                prepared.data(solution.program.beta), start=inner if inner.width else None, loss=self.loss,
                budget=NETWORK_BUDGET_S if self.budget is None else self.budget, tol=self.tol,
            )  # fmt: skip
            network, value, message = prepared.in_units_of_the_data(found.network), found.value, found.message
            status = "solved" if found.status == "certified" else "inconclusive"
            certificate = replace(
                certificate, lower=found.lower, upper=value, gap=relative_gap(value, found.lower), scope="network",
                v=np.zeros(0), assumptions=(*certificate.assumptions, f"bound by {found.bound.method}"),
            )  # fmt: skip
        self.network_, self.Z_, self.beta_ = network, solution.Z, solution.program.beta
        self.certificate_, self.gap_ = certificate, certificate.gap
        self.value_, self.lower_ = value, certificate.lower
        self.active_, self.n_neurons_ = np.flatnonzero(solution.active), network.width
        self.status_, self.message_, self.method_ = status, message, solution.method
        self.n_patterns_, self.n_distinct_ = solution.program.model.D.shape[1], prepared.F.shape[0]
        if status != "solved":
            warnings.warn(f"{type(self).__name__}: {message}", ConvergenceWarning, stacklevel=4)

    def _check_parameters(self) -> None:
        """Raise ValueError naming the parameter and what it may be."""
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("scope", self.scope, ("program", "network"))
        if self.scope == "network" and self.activation != "relu":
            raise ValueError("scope='network' needs activation='relu': gates are no part of a network's choice there")
        check_positive(tol=self.tol)
        resolve_device(self.device)
        if self.budget is not None:
            check_positive(budget=self.budget)
        if self.memory_limit_gib is not None:
            check_positive(memory_limit_gib=self.memory_limit_gib)
        if isinstance(self.beta, str):
            check_choice("beta", self.beta, ("cv",))
        elif self.beta is not None:
            check_betas(np.atleast_1d(self.beta))
        if isinstance(self.patterns, str):
            check_choice("patterns", self.patterns, ("all",))
        elif isinstance(self.patterns, bool) or not (isinstance(self.patterns, int | np.integer) and self.patterns > 0):
            raise ValueError(f"patterns is {self.patterns!r}; pass 'all' or a number of gates to draw")

    @property
    def _error_name(self) -> str:
        raise NotImplementedError

    # ---- predicting -------------------------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> Array:
        """(n, c) predictions of the network for checked X, in pieces that fit the memory."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.concatenate([self.network_.predict(X[k : k + CHUNK]) for k in range(0, len(X), CHUNK)])


def checked_weights(sample_weight: Any, n: int) -> Array | None:
    """Weights as (n,) float64, None when there are none. Raises ValueError naming sample_weight."""
    if sample_weight is None:
        return None
    w = np.asarray(sample_weight, dtype=np.float64)
    if w.ndim == 0:
        w = np.full(n, float(w))
    if w.shape != (n,):
        raise ValueError(f"sample_weight.shape == {w.shape}, expected ({n},): pass one weight for each row")
    if not np.isfinite(w).all() or (w < 0).any():
        where = int(np.argmax(~np.isfinite(w) | (w < 0)))
        raise ValueError(f"sample_weight[{where}] is {w[where]}; weights must be finite and not negative")
    if not (w > 0).any():
        raise ValueError("sample_weight is zero for every sample; give at least two samples a positive weight")
    return w
