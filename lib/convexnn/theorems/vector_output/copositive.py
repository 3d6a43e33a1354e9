"""The copositive program for vector outputs: its relaxation, the network behind a solution, and where it is exact.

    U_i in C_i = conv { u u' : S_i X u >= 0 }     is relaxed to     U_i >= 0,  S_i X U_i X'S_i >= 0 entry by entry

A network decodes as soon as 2 beta U_i = sum_k u_k u_k' with u_k in cell i: its features are (X u_k)_+, its output
weights the ridge solution, and its objective the program's value. So the relaxation is exact where doubly non-negative
matrices are completely positive: rank X <= 2 (a cone of the plane has two extreme rays) or n <= 4. It is not in
general: with the Horn matrix H (copositive, not a sum of a positive semidefinite and a non-negative matrix), X = I,
beta = 1 and Y Y' = I - H / 3.3, zero is the optimal network because I - Y Y' is copositive, and the relaxation does not
see it.
Source: Sahiner, Ergen, Pauly and Pilanci (arXiv 2012.13329); Maxfield and Minc for n <= 4; the instance is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.losses import get_loss
from convexnn.numerics import Array, BoolArray, tensor
from convexnn.patterns import enumerate_patterns, gates_of
from convexnn.theorems.shared.extreme_points import nonnegative_fit
from convexnn.theorems.vector_output.cone_pca import cone_pca
from convexnn.theorems.vector_output.directed_gauge import nearest_cells
from convexnn.theorems.vector_output.patches import patches_of
from convexnn.theorems.vector_output.planar_cone import planar_nuclear, square_factors
from convexnn.theorems.vector_output.references import copositive_reference
from convexnn.theorems.vector_output.vector_network import VectorNetwork, balanced
from convexnn.types import Data

#: Blocks of trace below this share of the largest are solver noise.
FAINT = 1e-6
#: Rounds of the general factorisation, and the relative residual |U - sum u u'| at which it stops.
ROUNDS, FACTOR_TOL = 60, 1e-9


@dataclass(frozen=True)
class Copositive:
    """value and U (P, d, d) of the relaxation over the patterns D (n, P); exact: it equals the copositive program."""

    value: float
    U: Array
    D: BoolArray
    exact: bool


def copositive(data: Data, coned: bool = True, patterns: BoolArray | None = None) -> Copositive:
    """Solve the doubly non-negative relaxation with an interior-point solver (CLARABEL).

    coned=False drops the inequalities: the gated program, a lower bound.  Raises ValueError when the solver fails.
    """
    import cvxpy as cp

    if data.X.ndim != 2:
        raise ValueError(f"X has shape {data.X.shape}; the copositive program is written for matrices (n, d)")
    D = enumerate_patterns(data.X) if patterns is None else patterns
    scale = [_power_of_ten(A) for A in (data.X, data.y)]  # the solver's tolerances are absolute
    unit = Data(data.X / scale[0], data.y / scale[1], data.beta / (scale[0] * scale[1]))
    problem = copositive_reference(unit, D, coned)
    value = problem.solve(solver=cp.CLARABEL)
    if problem.status != "optimal":
        raise ValueError(f"the semidefinite solver ended with {problem.status!r}; rescale the data or raise beta")
    W = np.array([variable.value for variable in sorted(problem.variables(), key=lambda variable: variable.id)])
    U, value = W / (2 * unit.beta * scale[0] ** 2), float(value) * scale[1] ** 2
    return Copositive(value, 0.5 * (U + U.transpose(0, 2, 1)), D, coned and is_exact(data.X))


def _power_of_ten(A: Array) -> float:
    """The power of ten next to the root mean square of the entries; 1 for zero."""
    size = float(np.sqrt(np.square(A).mean()))
    return float(10.0 ** np.round(np.log10(size))) if size > 0 else 1.0


def is_exact(X: Array) -> bool:
    """Whether doubly non-negative is completely positive for every cell of X: rank X <= 2, or at most 4 samples."""
    return bool(np.linalg.matrix_rank(X) <= 2 or np.any(X, axis=1).sum() <= 4)


def decode(data: Data, solved: Copositive) -> VectorNetwork:
    """The network of a solution: 2 beta U_i = sum u_k u_k' with u_k in cell i, output weights by ridge regression.

    Rank two: two factors by formula. Otherwise columns from the cone's principal components and non-negative least
    squares; what cannot be factorised is left out, so the objective of the network says how good the decoding is.
    """
    patches = patches_of(data.X)
    blocks = patches.drop(patches.drop(solved.U).transpose(0, 2, 1))
    trace = np.trace(blocks, axis1=1, axis2=2)
    kept = np.flatnonzero(trace > FAINT * trace.max(initial=0.0))
    kept = kept[solved.D[:, kept].any(0)]
    factorise = _planar_factors if patches.rank == 2 else _general_factors
    parts = [factorise(2 * data.beta * blocks[i], patches.rows, solved.D[:, i]) for i in kept]
    U = np.vstack([np.zeros((0, patches.rank)), *parts])
    Phi = patches.features(U)[:, 0]
    A = Phi.T @ np.linalg.solve(Phi @ Phi.T + data.beta * np.eye(data.n), data.y.reshape(data.n, -1))
    return balanced(VectorNetwork(patches.lift(U), A[:, None, :], get_loss("squared"), patches.pool))


def encode_copositive(data: Data, network: VectorNetwork, D: BoolArray) -> Array:
    """U_i = sum over the neurons of cell i of u_j u_j' / (2 beta), for a balanced network; shape (P, d, d)."""
    net = balanced(network)
    U = net.U.detach().numpy()
    blocks = np.zeros((D.shape[1], data.d, data.d))
    cells = nearest_cells(data.X, D, U / np.linalg.norm(U, axis=1, keepdims=True))
    for u, i in zip(U, cells):
        blocks[i] += np.outer(u, u) / (2 * data.beta)
    return blocks


def copositive_value(data: Data, U: Array, D: BoolArray) -> float:
    """1/2 tr( Y' (I + 2 sum_i D_i X U_i X'D_i)^{-1} Y ) + beta^2 sum_i tr U_i."""
    Y = data.y.reshape(data.n, -1)
    gated = D.T[:, :, None] * data.X
    K = np.eye(data.n) + 2 * np.einsum("pni,pij,pmj->nm", gated, U, gated)
    return 0.5 * float((Y * np.linalg.solve(K, Y)).sum()) + data.beta**2 * float(np.trace(U, axis1=1, axis2=2).sum())


def _planar_factors(W: Array, rows: Array, pattern: BoolArray) -> Array:
    D = pattern[:, None]
    arc = planar_nuclear(rows, D, gates_of(rows, D))
    frame = arc.frame[0].numpy()
    return square_factors(frame @ W @ frame.T, float(arc.cos[0]), float(arc.sin[0])) @ frame


def _general_factors(W: Array, rows: Array, pattern: BoolArray) -> Array:
    """u_k (rows) in the cell with sum u_k u_k' near W: add the cone's top component of the rest, re-fit all weights."""
    cone = np.where(pattern, 1.0, -1.0)[:, None] * rows
    units, weights, rest = np.zeros((0, len(W))), np.zeros(0), W
    for _ in range(ROUNDS):
        found = cone_pca(rest, cone)
        if found.value <= FACTOR_TOL * np.linalg.norm(W):
            break
        units = np.vstack([units, found.u])
        squares = np.einsum("ki,kj->kij", units, units).reshape(len(units), -1)
        weights = nonnegative_fit(np.ascontiguousarray(squares), -W.reshape(-1))
        rest = W - (weights @ squares).reshape(W.shape)
    return units[weights > 0] * np.sqrt(weights[weights > 0])[:, None]


# ---- where the relaxation stops -------------------------------------------------------------------------------------


def horn() -> Array:
    """The Horn matrix (5, 5): u'H u >= 0 for every u >= 0, and not positive semidefinite plus non-negative."""
    signs = np.array([1.0, -1.0, 1.0, 1.0, -1.0])
    return np.array([np.roll(signs, k) for k in range(5)])


def horn_instance(scale: float = 3.3) -> Data:
    """X = I_5, beta = 1, Y = (I - H / scale)^{1/2}: the zero network is optimal, the relaxation lies below it.

    Raises ValueError when scale is below the largest eigenvalue of H: there is no such Y.
    """
    values, vectors = np.linalg.eigh(np.eye(5) - horn() / scale)
    if not values.min() >= 0:
        raise ValueError(f"scale is {scale}; I - H / scale is not positive semidefinite below 1 + sqrt(5)")
    return Data(np.eye(5), (vectors * np.sqrt(values)) @ vectors.T, 1.0, "Horn")


def best_in_cone(data: Data) -> float:
    """M(Y) for X = I: the square root of max u'Y Y'u over u >= 0, |u| <= 1; zero is optimal when it is <= beta."""
    if not np.array_equal(data.X, np.eye(data.n)):
        raise ValueError("X is not the identity; use strongest(patches, D, y) for M(y) in general")
    Y = tensor(data.y).reshape(data.n, -1).numpy()
    return float(np.sqrt(max(cone_pca(Y @ Y.T, np.eye(data.n)).value, 0.0)))
