"""Frank-Wolfe with principal components in cones: vector outputs under a budget t on the sum of |u_j||a_j|.

    p_t = min 1/2 |f - Y|^2  over networks with  sum_j |u_j||a_j|_2 <= t,        p* = min over t of p_t + beta t

Step k: R = Y - f; the neuron u that attains M(R); its output a = R'(Xu)_+ / M(R); f <- (1 - g) f + g t (Xu)_+ a',
g = 2 / (k + 2). The gap <R, t (Xu)_+ a' - f> = t M(R) - <R, f> bounds 1/2 |f - Y|^2 - p_t, and the theory promises
2 C / (k + 2) with C = 4 t^2 sigma_max(X)^2. One neuron a step, no master problem: slow when beta is small.
Source: Sahiner, Ergen, Pauly and Pilanci (arXiv 2012.13329), Frank-Wolfe algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from convexnn.numerics import Array, check_positive
from convexnn.patterns import enumerate_patterns
from convexnn.theorems.vector_output.columns import assemble
from convexnn.theorems.vector_output.faces import faces_of
from convexnn.theorems.vector_output.patches import Pooling, patches_of
from convexnn.theorems.vector_output.vector_network import VectorNetwork
from convexnn.types import Data


@dataclass(frozen=True)
class FrankWolfe:
    """The end of a run: history (steps + 1, 2) of 1/2 |f - Y|^2 and gap, the curvature C of the promised rate.

    loss - gap <= p_t <= loss at every step; `value` is the training objective of the network.
    """

    network: VectorNetwork
    value: float
    t: float
    curvature: float
    history: Array = field(repr=False)


def budget_of(network: VectorNetwork) -> float:
    """t = 1/2 sum of squared weights of a network, at least its sum of |u_j||a_j|."""
    return float(network.penalty().detach())


def frank_wolfe(
    data: Data, t: float, steps: int = 400, pooling: Pooling | Array = "sum", limit: int = 20_000
) -> FrankWolfe:
    """`steps` steps over all cells, at most `limit`, from the zero network. Squared loss."""
    check_positive(t=t, steps=steps)
    patches = patches_of(data.X, pooling)
    D = enumerate_patterns(patches.rows, limit=limit)
    faces, Y = faces_of(patches.rows, D), data.y.reshape(data.n, -1)
    f, history = np.zeros_like(Y), []
    U: list[Array] = []
    A: list[Array] = []
    for k in range(int(steps) + 1):
        R = Y - f
        largest, neurons = faces.local_maxima(patches.pulls(D, R), above=0.0)
        history.append((0.5 * float((R * R).sum()), t * largest - float((R * f).sum())))
        if k == steps or largest == 0:
            break
        u = neurons[0].u
        features = patches.features(u[None])[:, :, 0]
        a, g = features.T @ R / largest, 2 / (k + 2)
        f = (1 - g) * f + g * t * features @ a
        A = [(1 - g) * weight for weight in A] + [g * t * a]
        U.append(u)
    network = assemble(
        patches, np.array(U).reshape(-1, patches.rank), np.array(A).reshape(-1, len(patches.pool), Y.shape[1])
    )
    sigma = float(np.linalg.norm(patches.rows, 2) * np.linalg.norm(patches.pool, 2))
    return FrankWolfe(network, network.objective(data), t, 4 * (t * sigma) ** 2, np.array(history))
