"""The training problem over a few neurons: strengths alone, all weights by descent, or exactly inside given cells.

With unit directions u_k, output signs s_k and strengths a_k >= 0 the network is f = sum_k s_k a_k (X u_k)_+ and

    F = L(f) + beta sum_k a_k

Every function lowers F and none of them judges it. Features X are in row-space coordinates, a ones column included
where the bias is regularised. Source: this project; the cell program is arXiv 2002.10553, equation (8).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

from convexnn.losses import Loss
from convexnn.numerics import Array, BoolArray, tensor


@dataclass(frozen=True)
class Task:
    """X (n, r), y (n,), beta and the loss of one training problem."""

    X: Array
    y: Array
    beta: float
    loss: Loss

    def loss_value(self, f: Array) -> float:
        """L(f)."""
        return float(self.loss.value(tensor(f)[:, None], tensor(self.y)[:, None]))

    def pull(self, f: Array) -> Array:
        """v = -grad L(f), (n,)."""
        return -np.asarray(self.loss.gradient(tensor(f)[:, None], tensor(self.y)[:, None])[:, 0].numpy())


@dataclass(frozen=True)
class Atoms:
    """Neurons: unit directions U (K, r), output signs s (K,), strengths a (K,) >= 0."""

    U: Array
    s: Array
    a: Array

    def __len__(self) -> int:
        return len(self.a)

    def fit(self, X: Array) -> Array:
        """f = sum_k s_k a_k (X u_k)_+, (n,)."""
        return np.asarray(np.maximum(X @ self.U.T, 0) @ (self.s * self.a))

    def value(self, task: Task) -> float:
        """L(f) + beta sum a."""
        return task.loss_value(self.fit(task.X)) + task.beta * float(self.a.sum())

    def keep(self, where: Array) -> Atoms:
        """The neurons at `where` (mask or indices)."""
        return Atoms(self.U[where], self.s[where], self.a[where])

    def strong(self, share: float = 1e-9) -> Atoms:
        """Without the neurons weaker than `share` of the strongest."""
        return self.keep(self.a > share * self.a.max(initial=0.0)) if len(self) else self

    def plus(self, U: Array, sign: float) -> Atoms:
        """With directions U (k, r) added at strength zero."""
        zeros = np.zeros(len(U))
        return Atoms(
            np.concatenate([self.U, U]), np.concatenate([self.s, zeros + sign]), np.concatenate([self.a, zeros])
        )


def none(r: int) -> Atoms:
    """No neuron at all."""
    return Atoms(np.zeros((0, r)), np.zeros(0), np.zeros(0))


def strengths(task: Task, atoms: Atoms) -> Atoms:
    """The best strengths for fixed directions: a lasso with known signs, by L-BFGS-B; zero neurons are dropped."""
    if not len(atoms):
        return atoms
    features = np.maximum(task.X @ atoms.U.T, 0) * atoms.s
    size = np.maximum(np.linalg.norm(features, axis=0), 1e-300)

    def evaluate(b: Array) -> tuple[float, Array]:
        a = b / size
        f = features @ a
        return task.loss_value(f) + task.beta * float(a.sum()), (task.beta - features.T @ task.pull(f)) / size

    options = {"maxiter": 500, "maxfun": 1000, "ftol": 1e-12, "gtol": 1e-9, "maxcor": 20}
    positive = [(0.0, None)] * len(size)
    found = minimize(evaluate, atoms.a * size, jac=True, method="L-BFGS-B", bounds=positive, options=options)
    better = Atoms(atoms.U, atoms.s, found.x / size)
    return (better if better.value(task) <= atoms.value(task) else atoms).strong()


def polish(task: Task, atoms: Atoms, iterations: int = 300) -> Atoms:
    """L-BFGS on all weights of the balanced network, penalty beta/2 sum (|w_k|^2 + a_k^2)."""
    if not len(atoms):
        return atoms
    K, r = atoms.U.shape
    root = np.sqrt(atoms.a)

    def evaluate(flat: Array) -> tuple[float, Array]:
        W, a = flat[: K * r].reshape(K, r), flat[K * r :]
        before = task.X @ W.T
        hidden = np.maximum(before, 0)
        f = hidden @ a
        v = task.pull(f)
        gradient = -(a[:, None] * ((before > 0) * v[:, None]).T) @ task.X + task.beta * W
        value = task.loss_value(f) + 0.5 * task.beta * float(flat @ flat)
        return value, np.concatenate([gradient.ravel(), task.beta * a - hidden.T @ v])

    start = np.concatenate([(atoms.U * root[:, None]).ravel(), atoms.s * root])
    options = {"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 30}
    x = minimize(evaluate, start, jac=True, method="L-BFGS-B", options=options).x
    better = from_weights(x[: K * r].reshape(K, r), x[K * r :])
    return better if better.value(task) <= atoms.value(task) else atoms


def from_weights(W: Array, a: Array) -> Atoms:
    """Atoms of a network f = (X W')_+ a; dead neurons are dropped."""
    norms = np.linalg.norm(W, axis=1)
    live = norms * np.abs(a) > 1e-18 * max(1.0, float((norms * np.abs(a)).max(initial=0.0)))
    W, a, norms = W[live], a[live], norms[live]
    return Atoms(W / norms[:, None], np.sign(a), norms * np.abs(a))


def inside_cells(task: Task, atoms: Atoms, near: float = 0.2) -> tuple[Atoms, Array | None]:
    """The exact optimum with every neuron confined to the closed cell it is in (a second-order cone program).

        min  L( sum_k s_k D_k X w_k ) + beta sum_k |w_k|    s.t.  (2 D_k - I) X w_k >= 0

    Only rows near a neuron's direction are written down; rows that turn out violated are added and it is solved again.
    The second value is the program's dual vector (n,), which a loss with kinks needs; None where the solver failed.
    """
    if not len(atoms):
        return atoms, None
    atoms = one_per_cell(task, atoms)
    D = task.X @ atoms.U.T >= 0
    S = np.where(D, 1.0, -1.0)
    lengths = np.maximum(np.linalg.norm(task.X, axis=1), 1e-300)[:, None]
    heights = S * (task.X @ atoms.U.T)
    wanted = heights <= near * lengths
    for _ in range(6):
        solved = _solve(task, atoms, D, S, wanted)
        if solved is None:
            return atoms, None
        W, v = solved
        heights = S * (task.X @ W.T)
        wrong = heights < -1e-9 * lengths * np.linalg.norm(W, axis=1)
        if not (wrong & ~wanted).any():
            break
        wanted |= wrong
    better = from_weights(W, atoms.s).strong(1e-8)
    return better if better.value(task) < atoms.value(task) else atoms, v


def one_per_cell(task: Task, atoms: Atoms) -> Atoms:
    """Neurons of one sign and one cell joined, sum_k a_k u_k: the fit stays, the penalty cannot rise."""
    if not len(atoms):
        return atoms
    key = np.concatenate([np.packbits(task.X @ atoms.U.T >= 0, axis=0).T, (atoms.s[:, None] > 0)], axis=1)
    _, first, group = np.unique(key, axis=0, return_index=True, return_inverse=True)
    W = np.zeros((len(first), atoms.U.shape[1]))
    np.add.at(W, group.ravel(), atoms.a[:, None] * atoms.U)
    norms = np.linalg.norm(W, axis=1)
    U = np.where(norms[:, None] > 0, W / np.maximum(norms, 1e-300)[:, None], atoms.U[first])
    return Atoms(U, atoms.s[first], norms)


def _solve(task: Task, atoms: Atoms, D: BoolArray, S: Array, wanted: BoolArray) -> tuple[Array, Array] | None:
    """W (K, r) and the dual v (n,) of the cell program, or None when the conic solver gives up."""
    import cvxpy as cp

    K, r = atoms.U.shape
    A = np.hstack([atoms.s[k] * D[:, k : k + 1] * task.X for k in range(K)])
    rows = sparse.block_diag([S[wanted[:, k], k][:, None] * task.X[wanted[:, k]] for k in range(K)], format="csr")
    w, f = cp.Variable(K * r), cp.Variable(len(task.y))
    penalty = cp.sum(cp.norm(cp.reshape(w, (K, r), order="C"), 2, axis=1))
    fit = f == A @ w
    constraints = [fit, rows @ w >= 0] if rows.shape[0] else [fit]
    problem = cp.Problem(cp.Minimize(_loss(task, f) + task.beta * penalty), constraints)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "inaccurate": the caller compares values anyway
            problem.solve(solver=cp.CLARABEL, tol_gap_rel=1e-11, tol_gap_abs=1e-11, tol_feas=1e-11)
    except (cp.SolverError, ValueError):
        return None
    return None if w.value is None else (np.asarray(w.value).reshape(K, r), np.asarray(fit.dual_value))


def _loss(task: Task, f: Any) -> Any:
    """The loss as a cvxpy expression."""
    import cvxpy as cp

    if task.loss.name == "squared":
        return 0.5 * cp.sum_squares(f - task.y)
    m = cp.multiply(task.y, f)
    terms = {"logistic": cp.logistic(-m), "hinge": cp.pos(1 - m), "squared_hinge": 0.5 * cp.square(cp.pos(1 - m))}
    return cp.sum(terms[task.loss.name])
