"""Where the attention theorems stop: decay on separate Q, K, V, O, and what a mask says about tokens.

    W1 = Q K' / sqrt(d), W2 = V O:   min 1/2 (|Q|^2 + |K|^2 + |V|^2 + |O|^2) = sqrt(d) |W1|_* + |W2|_*
    over the scale between W1 and W2 as well:                               2 d^(1/4) sqrt( |W1|_* |W2|_* )

A head's strength |W1||W2| times four costs twice as much: no norm of W1 (x) W2, and sums of it are not convex.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from convexnn.numerics import Array
from convexnn.theorems.attention.head_network import HeadNetwork
from convexnn.types import Data


def separate_decay(W1: Array, W2: Array) -> float:
    """The least decay of separate Q, K, V, O (full inner sizes) whose head is W1 (x) W2, any scale between the two."""
    first, second = (float(np.linalg.svd(W, compute_uv=False).sum()) for W in (W1, W2))
    return 2.0 * len(W1) ** 0.25 * np.sqrt(first * second)


def merged_decay(W1: Array, W2: Array) -> float:
    """|W1|_F |W2|_F: the theorem's penalty of one head."""
    return float(np.linalg.norm(W1) * np.linalg.norm(W2))


def searched_decay(W1: Array, W2: Array, seed: int = 0) -> float:
    """`separate_decay` by a search over invertible inner matrices and the scale, which knows no formula.

    Q = sqrt(d)/t W1 A, K' = A^{-1}, so that Q K'/sqrt(d) = W1/t; V = t W2 B, O = B^{-1}; BFGS over A, B, log t.
    """
    d, c = W2.shape
    rng = np.random.default_rng(seed)

    def decay(flat: Array) -> float:
        A, B = flat[: d * d].reshape(d, d), flat[d * d : d * d + c * c].reshape(c, c)
        scale = np.exp(flat[-1])
        try:
            Q, K = np.sqrt(d) / scale * W1 @ A, np.linalg.inv(A)
            V, O = scale * W2 @ B, np.linalg.inv(B)
        except np.linalg.LinAlgError:
            return 1e12
        return float(0.5 * sum((M**2).sum() for M in (Q, K, V, O)))

    start = np.concatenate([np.eye(d).ravel(), np.eye(c).ravel(), [0.0]]) + 0.05 * rng.standard_normal(
        d * d + c * c + 1
    )
    return float(minimize(decay, start, method="BFGS", options={"gtol": 1e-9, "maxiter": 3000}).fun)


def softmax_targets(data: Data, network: HeadNetwork, sharp: float = 6.0, strong: float = 3.0) -> Data:
    """The same tokens with the outputs of a softmax head: its scores times `sharp`, its outputs times `strong`."""
    left, right = (W.detach().numpy() for W in (network.left, network.right))
    teacher = HeadNetwork(network.head, sharp * left, strong * right, network.loss, "softmax", None, False)
    return replace(data, y=teacher.predict(data.X).reshape(*data.X.shape[:2], -1))


def mask_agreement(masks: Array) -> Array:
    """(gates, s, s): share of keys on which two query tokens of a sample have the same mask, mean over the samples.

    masks (n, gates, s, s), queries before keys.
    """
    same = masks[:, :, :, None, :] == masks[:, :, None, :, :]
    return np.asarray(same.mean(-1).mean(0))


def two_clusters(n: int, s: int, seed: int, noise: float = 0.15) -> tuple[Array, np.ndarray]:
    """Tokens (n, s, 2) around the prototypes (2, 0.3) and (-0.3, 2), and their clusters (s,): the first half is 0."""
    rng = np.random.default_rng(seed)
    cluster = (np.arange(s) >= s // 2).astype(int)
    prototypes = np.array([[2.0, 0.3], [-0.3, 2.0]])
    return prototypes[cluster] + noise * rng.standard_normal((n, s, 2)), cluster


def wide_tokens(seed: int, n: int = 10, s: int = 3, d: int = 320, c: int = 160) -> tuple[Array, Array]:
    """Tokens (n, s, d) and targets (n, s, c) of one random linear attention head: Z has d^3 c entries, 39 GiB."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, s, d)) / np.sqrt(d)
    W1, W2 = rng.standard_normal((d, d)), rng.standard_normal((d, c))
    return X, (X @ W1 @ X.transpose(0, 2, 1)) @ (X @ W2)


def image_patches(images: Array, side: int = 8, size: int = 6, fit: np.ndarray | None = None) -> Array:
    """Images (n, h, w, k) cut in side x side patches, centred, on `size` principal directions: tokens (n, s, size).

    fit  the images that mean and directions are taken from; None takes all
    """
    n, h, w, k = images.shape
    cut = images.astype(float).reshape(n, h // side, side, w // side, side, k).transpose(0, 1, 3, 2, 4, 5)
    cut = cut.reshape(n, -1, side * side * k)
    rows = (cut if fit is None else cut[fit]).reshape(-1, cut.shape[2])
    centre = rows.mean(0)
    _, s, Vt = np.linalg.svd(rows - centre, full_matrices=False)
    return np.asarray((cut - centre) @ Vt[:size].T / (s[0] / np.sqrt(len(rows))))
