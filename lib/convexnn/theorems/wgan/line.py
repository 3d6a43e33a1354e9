"""ReLU discriminators with free biases on a line: three expressions of one gap, and a quadratic program.

For samples x and w of n numbers and neurons (u t + b)_+, |u| <= 1, the gap is the largest of

    kinks     | sum_i s_i (u (t_i - t_j))_+ |   over kinks t_j of [x; w] and u = +1, -1   (s = +1 real, -1 generated)
    sorted    | sum_{i<=k} (w_(i) - x_(i)) |,  | sum_{i>n-k} (w_(i) - x_(i)) |              over k = 1 .. n
    integral  | int_{-inf}^t F_x - F_w |,  | int_t^inf |    n times the empirical distribution functions

The second is polyhedral in a sorted w: min (beta_g/2)|w|^2 is convex with sorting, and not without.
"""

from __future__ import annotations

import numpy as np

from convexnn.numerics import Array, check_finite, check_positive


def gap_at_kinks(x: Array, w: Array) -> float:
    """The gap from neurons whose kink is a sample; a neuron between two samples is a mean of its neighbours."""
    t = np.concatenate([x, w])
    s = np.repeat([1.0, -1.0], [len(x), len(w)])
    right = np.maximum(t[:, None] - t, 0) * s[:, None]
    left = np.maximum(t - t[:, None], 0) * s[:, None]
    flat = abs(float(x.sum() - w.sum()))  # a bias so large that every sample is active
    return max(flat, float(np.abs(right.sum(0)).max()), float(np.abs(left.sum(0)).max()))


def gap_sorted(x: Array, w: Array) -> float:
    """The gap from partial sums of the sorted samples."""
    difference = np.sort(w) - np.sort(x)
    return float(max(np.abs(np.cumsum(difference)).max(), np.abs(np.cumsum(difference[::-1])).max()))


def gap_integral(x: Array, w: Array) -> float:
    """The gap from integrals of the two empirical distribution functions."""
    t = np.sort(np.concatenate([x, w]))
    below = (x <= t[:, None]).sum(1) - (w <= t[:, None]).sum(1)
    pieces = below[:-1] * np.diff(t)
    return float(max(np.abs(np.cumsum(pieces)).max(), np.abs(np.cumsum(pieces[::-1])).max()))


def solve_line(x: Array, beta: float, weight: float = 1.0) -> tuple[Array, float]:
    """The sorted w of least (beta_g/2)|w|^2 whose gap to x is at most beta, and its value; a quadratic program."""
    import cvxpy as cp

    check_finite(x=x)
    check_positive(beta=beta, weight=weight)
    if x.ndim != 1:
        raise ValueError(f"x has shape {x.shape}; pass the samples on the line as a vector")
    n = len(x)
    w = cp.Variable(n)
    difference = w - np.sort(x)
    sums, ends = np.tril(np.ones((n, n))), np.triu(np.ones((n, n)))
    tube = [cp.abs(sums @ difference) <= beta, cp.abs(ends @ difference) <= beta]
    order = [cp.diff(w) >= 0] if n > 1 else []
    problem = cp.Problem(cp.Minimize(weight / 2 * cp.sum_squares(w)), tube + order)
    value = problem.solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    return np.asarray(w.value), float(value)
