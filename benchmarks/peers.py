"""The other solvers, each as  prepare(program, setting, device) -> (work, read).

`work()` is what is timed; building matrices, modelling and reading the answer are not. `read(answer)` gives Z in the
program's shape. All minimise  1/2 |sum_i D_i X w_i - y|^2 + beta sum_i |w_i|  (cone: S_i X w_i >= 0), a sum, not a
mean: where a peer divides the loss by n, beta is divided too. `ladder` holds its tolerance settings, loosest first;
two runs count: the cheapest whose point reaches the target against the best bound
known, which is more than its user could know, and the cheapest whose point proves the target by itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from convexnn.operators import GatedOperator
from convexnn.program import Program
from convexnn.solving import solve
from convexnn.types import Point, Solution

Work = tuple[Callable[[], Any], Callable[[Any], Any]]


@dataclass(frozen=True)
class Contender:
    """One solver with fixed options.

    package   what must be installed, "" for this library
    kinds     the programs it takes
    largest   numbers in [D_1 X .. D_P X] that it is given at most; beyond, the time or memory is out of proportion
    """

    name: str
    package: str
    kinds: tuple[str, ...]
    ladder: tuple[float, ...]
    prepare: Callable[[Program, float, str], Work]
    largest: float = np.inf


def ours(method: str) -> Callable[[Program, float, str], Work]:
    """`solve`, its certificate included."""

    def read(found: Solution) -> Point:
        return Point(found.Z, found.certificate.v, found.certificate.multipliers)

    def prepare(program: Program, setting: float, device: str) -> Work:
        return lambda: solve(program, tol=setting, method=method, device=device), read

    return prepare


def conic(solver: str, options: Callable[[float], dict[str, Any]]) -> Callable[[Program, float, str], Work]:
    """A general conic solver through CVXPY; the reduction to its standard form is not timed."""

    def prepare(program: Program, setting: float, device: str) -> Work:
        import cvxpy as cp

        X, D, signs, y = arrays(program)
        W = cp.Variable((X.shape[1], len(signs)))
        wide = np.tile(D, (1, len(signs) // D.shape[1]))
        fit = cp.sum(cp.multiply(wide * signs, X @ W), axis=1)
        cones = [cp.multiply(2 * wide - 1, X @ W) >= 0] if len(signs) > D.shape[1] else []
        penalty = program.beta * cp.sum(cp.norm(W, 2, axis=0))
        problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(fit - y) + penalty), cones)
        data, chain, inverse = problem.get_problem_data(solver, solver_opts=options(setting))

        def read(answer: Any) -> Any:
            problem.unpack_results(answer, chain, inverse)
            return None if W.value is None else W.value.T[:, :, None]

        return lambda: chain.solve_via_data(problem, data, solver_opts=options(setting)), read

    return prepare


def adelie(program: Program, setting: float, device: str) -> Work:
    """Block coordinate descent along ten values of beta, as its users run it; the last one is the program's."""
    import adelie as ad

    X, D, signs, y = arrays(program)
    (n, d), G = X.shape, len(signs)
    coned = D.shape[1] < G
    matrix = ad.matrix.convex_relu(np.asfortranarray(X), np.asfortranarray(D > 0), gated=not coned)
    zero, top = np.zeros(n), np.full(n, np.inf)
    rows = np.tile(2 * D - 1, (1, G // D.shape[1])).T[:, :, None] * X if coned else []
    cones = [ad.constraint.linear(np.ascontiguousarray(A), zero, top) for A in rows] or None
    options = {"tol": setting, "early_exit": False, "intercept": False, "progress_bar": False}
    path = np.geomspace(program.beta_max(), program.beta, 10) / n

    def work() -> Any:
        return ad.grpnet(
            X=matrix, glm=ad.glm.gaussian(y), groups=np.arange(G) * d, penalty=np.ones(G), lmda_path=path,
            constraints=cones, **options,
        )  # fmt: skip

    def read(state: Any) -> Any:
        if not np.isclose(state.lmdas[-1], path[-1]):
            return None
        return np.asarray(state.betas[-1].todense()).reshape(G, d, 1)

    return work, read


def pyscnn(program: Program, setting: float, device: str) -> Work:
    """R-FISTA (gated) and the augmented Lagrangian method (cone), float64, columns as they are."""
    from scnn.metrics import Metrics
    from scnn.models import ConvexGatedReLU, ConvexReLU
    from scnn.optimize import optimize_model
    from scnn.regularizers import NeuronGL1
    from scnn.solvers import AL, RFISTA

    X, D, signs, y = arrays(program)
    gates = np.ascontiguousarray(program.model.gates.T)
    coned = D.shape[1] < len(signs)
    model = ConvexReLU(gates) if coned else ConvexGatedReLU(gates)
    solver = AL(model, tol=setting, constraint_tol=setting) if coned else RFISTA(model, 100_000, setting)
    options = {"return_convex": True, "unitize_data": False, "device": device, "dtype": "float64"}

    def work() -> Any:
        penalty = NeuronGL1(program.beta / len(y))
        return optimize_model(model, solver, Metrics(), X, y, regularizer=penalty, **options)[0]

    def read(found: Any) -> Any:
        at = _places((X @ np.asarray(found.G)) > 0, D > 0)  # it sorts its patterns
        return np.concatenate([np.asarray(block)[0][at] for block in found.get_parameters()])[:, :, None]

    return work, read


def _places(theirs: np.ndarray, wanted: np.ndarray) -> list[int]:
    """For each wanted pattern (a column) its place among theirs; KeyError where it is missing."""
    place = {column.tobytes(): k for k, column in enumerate(np.ascontiguousarray(theirs.T))}
    return [place[column.tobytes()] for column in np.ascontiguousarray(wanted.T)]


def group_lasso(package: str) -> Callable[[Program, float, str], Work]:
    """celer and skglm on the explicit matrix [D_1 X .. D_P X]; they know no cones."""

    def prepare(program: Program, setting: float, device: str) -> Work:
        X, D, _, y = arrays(program)
        n, d = X.shape
        A = np.asfortranarray((D[:, :, None] * X[:, None, :]).reshape(n, -1))
        if package == "celer":
            from celer import GroupLasso

            model = GroupLasso(groups=d, alpha=program.beta / n, tol=setting, fit_intercept=False, max_iter=1000)
        else:
            from skglm import GroupLasso

            model = GroupLasso(d, alpha=program.beta / n, tol=setting, fit_intercept=False, max_iter=1000)

        def work() -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a missed tolerance is the judge's business
                return model.fit(A, y)

        return work, lambda fitted: fitted.coef_.reshape(-1, d, 1)

    return prepare


def arrays(program: Program) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X (n, d), D (n, P) of 0 and 1, the group signs (G,) and y (n,) of a program with one output."""
    operator = program.operator
    assert isinstance(operator, GatedOperator) and operator.c == 1
    parts = (operator.X, operator.D, operator.group_signs, program.Y[:, 0])
    X, D, signs, y = (part.cpu().numpy().copy() for part in parts)
    return X, D, signs, y


def _clarabel(tol: float) -> dict[str, Any]:
    return {"tol_gap_rel": tol, "tol_gap_abs": tol, "tol_feas": tol, "max_threads": 1}


OURS = (
    Contender("interior", "", ("gated", "cone"), (1e-6,), ours("interior")),
    Contender("fista", "", ("gated",), (1e-6,), ours("fista"), 2e8),
    Contender("admm", "", ("gated", "cone"), (1e-6,), ours("admm"), 1e6),
)
PEERS = (
    Contender("Clarabel", "clarabel", ("gated", "cone"), (1e-6, 1e-8), conic("CLARABEL", _clarabel), 1e6),
    Contender(
        "ECOS", "ecos", ("gated", "cone"), (1e-6, 1e-8),
        conic("ECOS", lambda tol: {"abstol": tol, "reltol": tol, "feastol": tol}), 1e6,
    ),
    Contender(
        "SCS", "scs", ("gated", "cone"), (1e-5, 1e-7),
        conic("SCS", lambda tol: {"eps_abs": tol, "eps_rel": tol, "max_iters": 1_000_000}), 1e6,
    ),
    Contender("adelie", "adelie", ("gated", "cone"), (1e-7, 1e-10, 1e-13, 1e-16), adelie, 2e8),
    Contender("pyscnn", "pyscnn", ("gated", "cone"), (1e-6, 1e-8, 1e-10, 1e-12, 1e-14), pyscnn, 2e8),
    Contender("celer", "celer", ("gated",), (1e-4, 1e-6, 1e-8, 1e-11), group_lasso("celer"), 2e8),
    Contender("skglm", "skglm", ("gated",), (1e-4, 1e-6, 1e-8, 1e-11), group_lasso("skglm"), 2e8),
)  # fmt: skip
PACKAGES = tuple(peer.package for peer in PEERS)
