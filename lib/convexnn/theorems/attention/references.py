"""The lifted programs in the paper's letters, block by block, for CVXPY; nothing here is shared with the fast maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from convexnn.numerics import Array
from convexnn.types import Data


def circ(X: Array) -> Array:
    """[X, X shifted by one token, ..., X shifted by s - 1 tokens], (s, s d)."""
    return np.hstack([np.roll(X, k, axis=0) for k in range(len(X))])


def lifted_reference(data: Data, head: str, gates: Array | None, blocks: int) -> Any:
    """minimise 1/2 sum_i |f(X_i) - Y_i|^2 + beta sum |Z|_*."""
    import cvxpy as cp

    X, Y = data.X, data.y
    c = Y.shape[-1] if Y.ndim > 1 else 1
    builder = {"self_attention": _attention, "mixer": _mixer}.get(head)
    predictions, variables = (
        builder(X, c, gates) if builder else _rows(X, c, gates, head, blocks if head == "block_fno" else 1)
    )
    targets = [Y[i] if Y.ndim == 3 else np.atleast_1d(Y[i]) for i in range(len(X))]
    outputs = [f if Y.ndim == 3 else cp.sum(f, axis=0) / X.shape[1] for f in predictions]
    loss = sum(0.5 * cp.sum_squares(f - t) for f, t in zip(outputs, targets))
    return cp.Problem(cp.Minimize(loss + data.beta * sum(cp.normNuc(Z) for Z in variables)))


def _attention(X: Array, c: int, gates: Array | None) -> tuple[list[Any], list[Any]]:
    """f_i = sum_j sum_{k,l} diag(mask_ij (X_i[:, k] o X_i[:, l])) X_i Z_j^(k,l)."""
    import cvxpy as cp

    _n, s, d = X.shape
    Z = [cp.Variable((d * d, d * c)) for _ in range(1 if gates is None else len(gates))]
    f = []
    for x in X:
        total = 0
        for j, Zj in enumerate(Z):
            mask = np.ones((s, s)) if gates is None else (x @ gates[j] @ x.T >= 0).astype(float)
            for k in range(d):
                for m in range(d):
                    weight = np.diag(mask @ (x[:, k] * x[:, m]))
                    total = total + weight @ x @ Zj[k * d : (k + 1) * d, m * c : (m + 1) * c]
        f.append(total)
    return f, Z


def _mixer(X: Array, c: int, gates: Array | None) -> tuple[list[Any], list[Any]]:
    """Column p of f_i is sum_t (mask_ij o Z_j^(t,p)) X_i[t, :]'."""
    import cvxpy as cp

    _n, s, d = X.shape
    Z = [cp.Variable((s * s, d * c)) for _ in range(1 if gates is None else len(gates))]
    f = []
    for x in X:
        columns = []
        for p in range(c):
            total = 0
            for j, Zj in enumerate(Z):
                mask = np.ones((s, d)) if gates is None else (gates[j] @ x >= 0).astype(float)
                for t in range(s):
                    block = Zj[t * s : (t + 1) * s, p * d : (p + 1) * d]
                    total = total + cp.multiply(mask, block) @ x[t]
            columns.append(cp.reshape(total, (s, 1), order="C"))
        f.append(cp.hstack(columns))
    return f, Z


def _rows(X: Array, c: int, gates: Array | None, head: str, blocks: int) -> tuple[list[Any], list[Any]]:
    """[sum_j mask_ij1 R(X_i^(1)) Z_1j, ...], R = circ for the Fourier operator, the identity for the MLP."""
    import cvxpy as cp

    d, stack = X.shape[2] // blocks, (lambda x: x) if head == "mlp" else circ
    rows = [[stack(x[:, b * d : (b + 1) * d]) for b in range(blocks)] for x in X]
    count = 1 if gates is None else len(gates)
    Z = [[cp.Variable((rows[0][0].shape[1], c // blocks)) for _ in range(count)] for _ in range(blocks)]
    f = []
    for parts in rows:
        columns = []
        for b, R in enumerate(parts):
            masks = [np.eye(len(R)) if gates is None else np.diag((R @ gates[j][b] >= 0) * 1.0) for j in range(count)]
            columns.append(sum(mask @ R @ Zj for mask, Zj in zip(masks, Z[b])))
        f.append(cp.hstack(columns))
    return f, [Zj for part in Z for Zj in part]
