"""Path regularisation makes parallel three-layer ReLU networks convex, with one norm for a whole branch.

    min over branches   loss( sum_k ((X W_k)_+ w_k)_+ a_k ) + beta sum_k R_k
    R_k = |a_k| ( sum_j |w_{k,j}|^2 |W_{k,j}|^2 )^{1/2}
    =  min over V       loss( sum_{g,e} e D2_g sum_j D1_{g,j} X v_{g,e,j} ) + beta sum_{g,e} |V_{g,e}|_F
       s.t.             s_j (2 D1_{g,j} - I) X v_{g,e,j} >= 0,      (2 D2_g - I) sum_j D1_{g,j} X v_{g,e,j} >= 0

A group g is a tuple of m neurons, each with its own pattern and the sign s_j of its second-layer weight, and a pattern
D2_g of the second layer; repeated neurons are kept. The finite dual has the pull of every group in a Frobenius ball:

    | [ e X' D1_j D2 v + s_j X' (2 D1_j - I) alpha_j + X' D1_j (2 D2 - I) alpha ]_j |_F <= beta,    alpha >= 0

norm="neurons" takes sum_j |v_j| in place of |V|_F: first layers in a Frobenius ball (Global Optimality Beyond Two
Layers). The printed theorem is for these groups; the index set, with signs and a pattern for each neuron, is ours.
Tests: tests/theorems/test_path_regularized.py.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from convexnn.gauges import Frobenius, GroupL2
from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, check_count
from convexnn.program import Program
from convexnn.theorems.path_regularized.claim_list import claims as claims
from convexnn.theorems.path_regularized.claim_list import source as source
from convexnn.theorems.path_regularized.path_network import PathBranches
from convexnn.theorems.shared.layered_patterns import LayeredGroups, enumerate_groups, sample_groups
from convexnn.theorems.shared.layered_program import branches_of, layered_program
from convexnn.types import Data, Solution

# ---- 1 the statement ------------------------------------------------------------------------------------------------

sizes = ("tiny", "quick", "full")
Norm = Literal["path", "neurons"]


def assumptions(data: Data) -> tuple[str, ...]:
    """The theorem's conditions in words; raises ValueError where the data break one."""
    if not isinstance(data, Data):
        raise ValueError(f"data is a {type(data).__name__}; pass Data(X, y, beta)")
    if data.X.ndim != 2 or data.y.size != data.n:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; the theorem takes X (n, d) and one output")
    return ("beta > 0", "three layers, branches with one second-layer neuron", "at least n + 1 branches of m neurons")


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """tiny: Gaussian X and y; quick and full: two arms of a spiral with a column of ones, targets -1 and +1."""
    check_choice("size", size, sizes)
    rng = np.random.default_rng(seed)
    if size == "tiny":
        return Data(rng.standard_normal((4, 2)), rng.standard_normal(4), 0.1, "tiny")
    return spiral({"quick": 30, "full": 100}[size], rng)


def spiral(points: int, rng: np.random.Generator, turns: float = 1.25, beta: float = 1e-3) -> Data:
    """Two interleaved arms with `points` points each, radius up to 1, a little noise; X has a column of ones last."""
    t = np.sqrt(np.linspace(0.05, 1.0, points))
    arms, labels = [], []
    for label in (1.0, -1.0):
        angle = 2 * np.pi * turns * t + (0 if label > 0 else np.pi)
        arms.append(np.column_stack([t * np.cos(angle), t * np.sin(angle)]) + 0.01 * rng.standard_normal((points, 2)))
        labels.append(np.full(points, label))
    X = np.concatenate(arms)
    return Data(np.column_stack([X, np.ones(len(X))]), np.concatenate(labels), beta, "two-class spiral")


# ---- 2 the reference: the paper's letters, in CVXPY -----------------------------------------------------------------


def reference(
    data: Data,
    width: int = 2,
    groups: LayeredGroups | None = None,
    loss: str = "squared",
    norm: Norm = "path",
    dual: bool = False,
) -> Any:
    """The finite program as a cvxpy.Problem, group by group; dual=True: its finite dual (squared loss, path norm).

    loss "distance" is |f - y|_2, which is Lipschitz. Small data only.
    """
    import cvxpy as cp

    X, y, beta = data.X, data.y.reshape(-1), data.beta
    chosen = enumerate_groups(X, width) if groups is None else groups
    D1, s, D2 = (np.asarray(part, dtype=float) for part in (chosen.D1, chosen.s, chosen.D2))
    f, cost, constraints, lam = 0, 0, [], cp.Variable(len(y))
    for i in range(len(s)):
        for sign in (1, -1):
            if dual:
                constraints += _dual_constraint(X, D1[i], s[i], D2[i], sign, lam, beta)
                continue
            V = cp.Variable((X.shape[1], len(s[i])))
            pre = sum(np.diag(D1[i, j]) @ X @ V[:, j] for j in range(len(s[i])))
            constraints += [s[i, j] * np.diag(2 * D1[i, j] - 1) @ X @ V[:, j] >= 0 for j in range(len(s[i]))]
            constraints += [np.diag(2 * D2[i] - 1) @ pre >= 0]
            f += sign * np.diag(D2[i]) @ pre
            cost += cp.norm(V, "fro") if norm == "path" else cp.sum(cp.norm(V, 2, axis=0))
    if dual:
        return cp.Problem(cp.Maximize(-cp.sum_squares(lam - y) / 2 + y @ y / 2), constraints)
    terms = {
        "squared": lambda: cp.sum_squares(f - y) / 2,
        "distance": lambda: cp.norm(f - y),
        "logistic": lambda: cp.sum(cp.logistic(-cp.multiply(y, f))),
    }
    check_choice("loss", loss, tuple(terms))
    return cp.Problem(cp.Minimize(terms[loss]() + beta * cost), constraints)


def _dual_constraint(X: Array, D1: Array, s: Array, D2: Array, sign: int, lam: Any, beta: float) -> list[Any]:
    import cvxpy as cp

    alpha = cp.Variable(len(X), nonneg=True)
    pulls = []
    for j in range(len(s)):
        own = cp.Variable(len(X), nonneg=True)
        pull = sign * X.T @ np.diag(D1[j] * D2) @ lam + s[j] * X.T @ np.diag(2 * D1[j] - 1) @ own
        pulls.append(pull + X.T @ np.diag(D1[j] * (2 * D2 - 1)) @ alpha)
    return [cp.norm(cp.hstack(pulls)) <= beta]


# ---- 3 the program --------------------------------------------------------------------------------------------------


def program(
    data: Data,
    width: int = 2,
    groups: Literal["all"] | int | LayeredGroups = "all",
    loss: str | Loss = "squared",
    norm: Norm = "path",
    seed: int = 0,
) -> Program:
    """The finite convex program; Z (2 G, rank X, m), the groups with e = +1, then with e = -1.

    width   m, neurons of a branch
    groups  "all" (tiny data), a number of random branches whose groups are taken, or groups as given
    norm    "path" is the Frobenius norm of a group, "neurons" the sum of its columns' norms
    """
    conditions = assumptions(data)
    check_choice("norm", norm, ("path", "neurons"))
    if isinstance(groups, str):
        check_choice("groups", groups, ("all",))
        groups = enumerate_groups(data.X, width)
    elif not isinstance(groups, LayeredGroups):
        groups = sample_groups(data.X, width, groups, seed)
    gauge = Frobenius() if norm == "path" else GroupL2()
    return layered_program(data, groups, gauge, loss, "path_regularized", conditions, {"hidden": groups.neurons})


# ---- 4 the map back -------------------------------------------------------------------------------------------------


def recover(data: Data, solution: Solution) -> PathBranches:
    """One branch for each non-zero group: w_1j = s_j v_j / |v_j|, w_2j = s_j |v_j| / |V|, a = e |V|, then balanced.

    Path norms equal block norms. A solution of norm="neurons" is rebuilt the same way; its objective is then the path
    one. Raises ValueError when X is not the program's.
    """
    solution.program.model.check(data.X)
    found = branches_of(solution)
    size = np.linalg.norm(found.V, axis=1)  # (k, m)
    block = np.linalg.norm(size, axis=1, keepdims=True)
    root, safe = np.sqrt(block), np.maximum(block, 1e-300)
    W = found.V * (found.s / np.maximum(size, 1e-300))[:, None, :]
    w = found.s * size / safe * root
    return PathBranches([W, w[:, :, None]], found.e * root[:, 0], solution.program.loss)


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(width: int, data: Data, hidden: int = 2, loss: str | Loss = "squared", seed: int = 0) -> PathBranches:
    """`width` seeded branches of `hidden` neurons, ready for gradient training."""
    check_count(width=width)
    built = PathBranches(
        [np.zeros((width, data.d, hidden)), np.zeros((width, hidden, 1))], np.zeros(width), get_loss(loss)
    )
    built.reset(seed)
    return built


def objective(network: torch.nn.Module, data: Data) -> float:
    """loss(f(X), y) + beta * penalty; the penalty is the sum of path norms once branches are balanced, never less."""
    if not isinstance(network, Network):
        raise ValueError("network is not a convexnn Network; build one with path_regularized.network or recover")
    return network.objective(data)
