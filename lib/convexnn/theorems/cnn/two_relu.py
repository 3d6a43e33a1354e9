"""Three layers with two ReLUs and a filter for every patch: a group lasso with Frobenius norms.

    min over |u_jk| <= 1, w_1j, w_2j
          L( sum_j ( sum_k (X_k u_jk)_+ w_1jk )_+ w_2j ) + beta/2 sum_j ( |w_1j|^2 + w_2j^2 )
    = min  L( sum_g D2_g A_g (C_g - C_g') ) + beta sum_g ( |C_g|_F + |C_g'|_F ),     C (h, K), c_k = |w_1k| u_k
    A_g C = sum_k I_k D1_k X_k c_k   with the signs I_k of w_1k, the patterns D1_k of every X_k by itself, and
    (2 D1_k - I) X_k c_k >= 0,   (2 D2 - I) A_g C >= 0

The filters differ from patch to patch, so the first patterns are a product, and C is any matrix with |C|_F <= 1. With
one filter for all patches C has rank one: the program is then only a lower bound. The number of groups is
prod_k P_k 2^K P_2: tiny sizes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from convexnn.coupled import CoupledCone, CoupledOperator
from convexnn.gauges import Frobenius
from convexnn.losses import Loss, get_loss
from convexnn.numerics import Array, tensor
from convexnn.patterns import enumerate_patterns, is_realised
from convexnn.program import Program
from convexnn.theorems.cnn.two_relu_network import TwoReluNetwork
from convexnn.types import Data, Solution


@dataclass(frozen=True)
class TwoReluModel:
    """signs (B, K) of w_1 in every group; X the data."""

    signs: Array
    X: Array

    def network_options(self) -> dict[str, Any]:
        """What a rival network must share with the program."""
        return {"shared": False}


def two_relu_sample(seed: int = 0) -> Data:
    """K = 2 Gaussian patches of length 2 for four samples, and Gaussian targets; beta = 0.1."""
    rng = np.random.default_rng(seed)
    X = np.ascontiguousarray(rng.standard_normal((2, 4, 2)).transpose(1, 0, 2))
    return Data(X, rng.standard_normal(4), 0.1, "two ReLUs")


def two_relu_groups(X: Array, limit: int = 20_000) -> tuple[Array, Array, Array]:
    """E (B, n, h, K), C (B, n K + n, h, K), signs (B, K) of all groups whose cone has an interior and that predict.

    Raises ValueError when more than `limit` first-layer combinations would have to be looked at.
    """
    n, K, h = X.shape
    first = [enumerate_patterns(X[:, k]).T for k in range(K)]
    count = 2**K * int(np.prod([len(D) for D in first]))
    if count > limit:
        raise ValueError(f"X has {count} first-layer patterns with signs, more than limit={limit}; take fewer samples")
    found: list[tuple[Array, Array, Array]] = []
    for D in product(*first):
        on = np.array(D, dtype=float).T  # (n, K)
        cone = np.zeros((K, n, h, K))
        for k in range(K):
            cone[k, :, :, k] = (2 * on[:, k] - 1)[:, None] * X[:, k]
        first_rows = cone.reshape(K * n, h, K)
        for signs in product((1.0, -1.0), repeat=K):
            A = (on * signs)[:, :, None] * X
            found += [(*pair, np.array(signs)) for pair in _second(A.swapaxes(1, 2), first_rows)]
    E, C, signs_of = (np.array(part) for part in zip(*found))
    return E, C, signs_of


def _second(A: Array, cone: Array) -> list[tuple[Array, Array]]:
    """The second-layer patterns of A (n, h, K) that meet the interior of the first-layer cone, but for the zero one."""
    rows = A.reshape(len(A), -1)
    live = rows.any(1)
    if not live.any():
        return []
    D2 = enumerate_patterns(rows[live])
    D2 = D2[:, D2.any(0)]
    above = cone.reshape(len(cone), -1)
    stacked = np.vstack([above[above.any(1)], rows[live]])
    whole = np.vstack([np.ones((len(stacked) - int(live.sum()), D2.shape[1]), dtype=bool), D2])
    pairs = []
    for pattern in D2[:, is_realised(stacked, whole)].T:
        on = np.zeros(len(A))
        on[live] = pattern
        side = np.where(live, 2 * on - 1, 0.0)
        pairs.append((on[:, None, None] * A, np.concatenate([cone, side[:, None, None] * A])))
    return pairs


def two_relu_program(data: Data, loss: str | Loss = "squared", limit: int = 20_000) -> Program:
    """The finite program; Z (2B, h, K) holds C and C'. X (n, K, h), one output. Raises ValueError for other shapes."""
    if data.X.ndim != 3 or data.y.size != data.n:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; pass patches (n, K, h) and one output")
    E, C, signs = two_relu_groups(data.X, limit)
    return Program(
        loss=get_loss(loss),
        operator=CoupledOperator(tensor(E)),
        gauge=Frobenius(),
        cone=CoupledCone(tensor(C)),
        beta=data.beta,
        Y=tensor(data.y).reshape(data.n, 1),
        scope="network",
        name="two_relu_cnn",
        assumptions=("beta > 0", "a filter of length at most 1 for every patch of every neuron"),
        model=TwoReluModel(signs, data.X),
    )


def recover_two_relu(data: Data, solution: Solution) -> TwoReluNetwork:
    """u_k = c_k / |c_k|, w_1k = I_k |c_k| / sqrt|C|_F, w_2 = +- sqrt|C|_F. Raises ValueError for other data."""
    model: TwoReluModel = solution.program.model
    if data.X.shape != model.X.shape or not np.array_equal(data.X, model.X):
        raise ValueError(f"data has X of shape {data.X.shape}, not the X of the solution's program; pass that one")
    used = np.flatnonzero(solution.active)
    C, half = solution.Z[used].swapaxes(1, 2), len(model.signs)  # (m, K, h)
    size = np.linalg.norm(C, axis=2)
    root = np.sqrt(np.linalg.norm(size, axis=1))
    unit = np.zeros_like(C)
    unit[:, :, 0] = 1.0
    U = np.where(size[:, :, None] > 0, C / np.where(size > 0, size, 1.0)[:, :, None], unit)
    w1 = model.signs[used % half] * size / root[:, None]
    return TwoReluNetwork(U, w1, np.where(used < half, root, -root), solution.program.loss)
