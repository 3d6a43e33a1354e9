"""The dual side of one training problem: checked input, dual values, and the best scale of a dual vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar

from convexnn.bounds.restricted import Task
from convexnn.losses import Loss, get_loss
from convexnn.numerics import EPS, SAFETY_ULPS, Array, check_finite, check_positive, tensor


def checked(
    X: Array, y: Array, v_candidates: Array | Sequence[Array], beta: float, loss: str | Loss
) -> tuple[Task, list[Array]]:
    """The checked problem, and the candidates moved into the domain of the dual."""
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64).reshape(-1)
    candidates = [np.asarray(v, dtype=np.float64) for v in np.atleast_2d(np.asarray(v_candidates, dtype=np.float64))]
    check_finite(X=X, y=y, v_candidates=np.array(candidates))
    check_positive(beta=beta)
    if X.ndim != 2 or X.shape[0] != len(y) or any(v.shape != y.shape for v in candidates):
        shapes = f"X has shape {X.shape}, y {y.shape}, v_candidates {[v.shape for v in candidates]}"
        raise ValueError(f"{shapes}; pass (n, d), (n,), (k, n)")
    task = Task(X, y, float(beta), get_loss(loss))
    task.loss.check_targets(tensor(y)[:, None])
    return task, [into_domain(task, v) for v in candidates]


def into_domain(task: Task, v: Array) -> Array:
    """The nearest simple v with a finite dual value."""
    return np.asarray(task.loss.into_domain(tensor(v)[:, None], tensor(task.y)[:, None])[:, 0].numpy())


def dual(task: Task, v: Array) -> float:
    """dual(v) = -L*(-v) less a rounding allowance."""
    value = float(task.loss.dual(tensor(v)[:, None], tensor(task.y)[:, None]))
    return value - SAFETY_ULPS * EPS * len(v) * max(1.0, abs(value), float(v @ v)) if np.isfinite(value) else -np.inf


def scaled(task: Task, v: Array, upper: float) -> tuple[float, Array]:
    """The largest dual value on the ray through v with t * upper <= beta."""
    if not np.isfinite(upper):
        return -np.inf, 0 * v
    reach = min(1e6, task.beta / max(upper, 1e-300) * (1 - SAFETY_ULPS * EPS))

    def loss(t: float) -> float:
        value = dual(task, t * v)
        return -value if np.isfinite(value) else 1e300

    inside = minimize_scalar(loss, bounds=(0.0, reach), method="bounded", options={"xatol": 1e-12 * max(1.0, reach)}).x
    t = min((0.0, min(1.0, reach), reach, float(inside)), key=loss)
    return dual(task, t * v), t * v
