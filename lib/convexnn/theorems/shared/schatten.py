"""What depth does to weight decay: the penalty s^(2/L) on a product of L layers, and its scalar problem solved.

    scaling lemma    min { 1/2 sum_l a_l^2 : a_1 ... a_L = s, a_l >= 0 } = (L/2) s^(2/L),  at a_l = s^(1/L) only
    scalar problem   h(s) = 1/2 (s - sigma)^2 + (beta L / 2) s^(2/L),   s >= 0
    L = 2            s* = (sigma - beta)_+
    L >= 3           s* = 0 for sigma <= tau_L, else the larger root of  s + beta s^(2/L - 1) = sigma,
                     tau_L = (L-1)/(L-2) [beta (L-2)]^(L / (2 (L-1)));  at tau_L the minimiser jumps from 0 to
                     [beta (L-2)]^(L / (2 (L-1)))

For L >= 3 the penalty is not convex, so h can have two local minimisers, 0 and the larger root; the smaller value wins.
A problem kappa s^2 / 2 - eta s + (beta L / 2) s^(2/L) is kappa times this one with sigma = eta / kappa, beta / kappa.
Source: the lemma is the inequality of means; thresholds and jump derived by this project.
"""

from __future__ import annotations

import numpy as np

from convexnn.numerics import Array, check_finite, check_positive


def check_depth(L: int, least: int = 2) -> None:
    """Raise ValueError unless L is a whole number of layers >= `least`."""
    if isinstance(L, bool) or not isinstance(L, int | np.integer) or not least <= L:
        raise ValueError(f"L is {L!r}; pass a whole number of layers >= {least}")


def decay(s: Array | float, L: int) -> Array:
    """(L/2) s^(2/L): the least 1/2 (sum of squared norms) of L layers whose product has scale s >= 0."""
    check_depth(L)
    return np.asarray(0.5 * L * np.power(_scales("s", s), 2.0 / L))


def jump(beta: float, L: int) -> float:
    """[beta (L-2)]^(L / (2 (L-1))): the smallest nonzero minimiser of h; 0 for L = 2."""
    check_depth(L)
    check_positive(beta=beta)
    return float((beta * (L - 2)) ** (L / (2.0 * (L - 1))))


def threshold(beta: float, L: int) -> float:
    """tau_L(beta): h has the minimiser 0 exactly when sigma <= tau_L; beta for L = 2, and above jump(beta, L)."""
    return float(beta) if L == 2 else (L - 1.0) / (L - 2.0) * jump(beta, L)


def shrink(sigma: Array | float, beta: float, L: int) -> Array:
    """argmin_{s >= 0} h(s), entry by entry; 0 where both minimisers have the same value.

    sigma : array >= 0;  beta > 0;  L >= 2. Returns an array of the shape of sigma.
    Raises ValueError for a negative or non-finite sigma, beta <= 0, or L below 2.
    """
    check_depth(L)
    check_positive(beta=beta)
    sigma = _scales("sigma", sigma)
    if L == 2:
        return np.asarray(np.maximum(sigma - beta, 0.0))
    s = stationary(sigma, beta, L)
    return np.asarray(np.where(_value(s, sigma, beta, L) < 0.5 * sigma**2, s, 0.0))


def envelope(sigma: Array | float, beta: float, L: int) -> Array:
    """min_{s >= 0} h(s), entry by entry: what a singular value sigma of the targets costs at best."""
    return _value(shrink(sigma, beta, L), _scales("sigma", sigma), beta, L)


def _value(s: Array, sigma: Array, beta: float, L: int) -> Array:
    return np.asarray(0.5 * (s - sigma) ** 2 + beta * decay(s, L))


def stationary(sigma: Array, beta: float, L: int) -> Array:
    """The local minimiser of h other than 0: the larger root of s + beta s^(-q) = sigma, q = 1 - 2/L, or 0 without one.

    The left side is convex with its minimum at (q beta)^(1 / (1+q)), so Newton from sigma falls to the root.
    """
    q = 1.0 - 2.0 / L
    bottom = (q * beta) ** (1.0 / (1.0 + q))
    has_root = sigma >= bottom + beta * bottom**-q
    s = np.where(has_root, sigma, 1.0 + bottom)
    for _ in range(60):
        step = (s + beta * s**-q - sigma) / np.maximum(1.0 - q * beta * s ** (-q - 1.0), 1e-300)
        s = np.where(has_root, np.maximum(s - step, bottom), s)
        if not (np.abs(step) > 4e-16 * s)[has_root].any():
            break
    return np.where(has_root, s, 0.0)


def _scales(name: str, value: Array | float) -> Array:
    array = np.asarray(value, dtype=np.float64)
    check_finite(**{name: array})
    if (array < 0).any():
        raise ValueError(f"{name} holds {array.min():.3g}; pass norms or singular values, which are >= 0")
    return array
