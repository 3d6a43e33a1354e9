"""The rectified ellipsoid {(A u)_+ : |u| <= 1}: its support function, its extreme points, and implicit autoencoding.

    support       max_{|u| <= 1} v'(A u)_+ = max_i max_{u in K_i, |u| <= 1} v'D_i A u     one projection a pattern
    isolate       the neuron that fires on sample k alone stores what the other samples cannot reconstruct:
                  with a free bias  dist(a_k, conv of the others),  without bias  dist(a_k, cone of the others)
Source: Ergen and Pilanci (arXiv 2002.11219); the published form of the lemma was not seen, the mathematics is proved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from convexnn.cones import PatternCone
from convexnn.networks import TwoLayer
from convexnn.numerics import Array, BoolArray, check_finite, tensor
from convexnn.patterns import enumerate_patterns


@dataclass(frozen=True)
class Pull:
    """A maximum over the unit ball and where it is attained: value >= 0, direction u (d,) with |u| <= 1."""

    value: float
    u: Array


@dataclass(frozen=True)
class Neuron:
    """A neuron (u, b) that fires on one sample, and the weights (n,) of the others in that sample's reconstruction."""

    value: float
    u: Array
    b: float
    weights: Array


def directions(d: int, count: int = 240) -> Array:
    """Unit vectors to draw with: the circle (count, 2), or a grid on the sphere (count // 2, count, 3)."""
    around = np.linspace(0, 2 * np.pi, count)
    if d == 2:
        return np.column_stack([np.cos(around), np.sin(around)])
    if d != 3:
        raise ValueError(f"d is {d}; a rectified ellipsoid can be drawn for 2 or 3 features")
    down = np.linspace(0, np.pi, count // 2)[:, None]
    parts = np.broadcast_arrays(np.sin(down) * np.cos(around), np.sin(down) * np.sin(around), np.cos(down))
    return np.asarray(np.stack(parts, axis=2))


def hull(points: Array) -> Array:
    """The corners, in order and closed, of the convex hull of points (T, 2) and their negatives."""
    both = np.vstack([points, -points])
    corners = both[ConvexHull(both).vertices]
    return np.vstack([corners, corners[:1]])


def one_sample_neurons(A: Array, bias: bool = False) -> Array:
    """Row k: the activations on all samples of the neuron that `isolate` builds for sample k; a diagonal matrix."""
    found = [isolate(A, k, bias) for k in range(len(A))]
    return np.array([np.maximum(A @ neuron.u + neuron.b, 0) for neuron in found])


def nonnegative_fit(G: Array, q: Array, free: int = 0) -> Array:
    """lambda >= 0 that minimises |q + G'lambda|, exactly zero in the `free` trailing coordinates: one cone's polar."""
    ones = np.ones((len(G), 1))
    cone = PatternCone(tensor(np.ascontiguousarray(G)), tensor(ones))
    return np.asarray(cone.multipliers(tensor(q)[None, :, None], tensor([0]).long(), free)[0, :, 0].numpy())


def pull(G: Array, q: Array, free: int = 0) -> Pull:
    """max { q'u : G u >= 0, |u| <= 1 } = min_{lambda >= 0} |q + G'lambda|, and its maximiser.

    free=1: the last coordinate b of u is not in the norm; q + G'lambda vanishes there, and b is put where a row of G
    becomes zero, the end of its interval that q prefers: the kink of an optimal neuron runs through a sample.
    """
    best = (q + G.T @ nonnegative_fit(G, q, free))[: len(q) - free]
    size = float(np.linalg.norm(best))
    if not size > 1e-12 * float(np.linalg.norm(q)):
        return Pull(0.0, np.zeros(len(q)))
    return Pull(size, best / size if not free else _with_bias(G, q, best / size))


def _with_bias(G: Array, q: Array, u: Array) -> Array:
    """(u, b) with G (u, b) >= 0: b at the upper end of its interval when q pulls up, else at the lower, if finite."""
    at, side = -(G[:, :-1] @ u) / np.where(G[:, -1] == 0, np.inf, G[:, -1]), G[:, -1]
    low = float(at[side > 0].max(initial=-np.inf))
    high = float(at[side < 0].min(initial=np.inf))
    upward = bool(q[-1] > 0 and np.isfinite(high)) or not np.isfinite(low)
    return np.append(u, high if upward else low)


def support(A: Array, v: Array, patterns: BoolArray | None = None, free: int = 0) -> Pull:
    """max_{|u| <= 1} v'(A u)_+ over the cells of `patterns` (n, P), default all cells of A: then it is exact.

    With patterns = ones((n, 1)) it is the relaxed oracle of the spike-free case, A u >= 0; fewer patterns give less.
    free=1: the last column of A is ones and its coordinate is a bias outside the norm; v must satisfy 1'v = 0.
    Raises ValueError for a NaN or for lengths that differ.
    """
    return strongest(A, v, patterns, free)[0]


def strongest(A: Array, v: Array, patterns: BoolArray | None = None, free: int = 0) -> list[Pull]:
    """The maximum of `support` first, then what the other cells that had to be looked at offered, in falling order."""
    check_finite(A=A, v=v)
    if v.shape != (len(A),):
        raise ValueError(f"v has shape {v.shape}; pass one entry for each of the {len(A)} rows of A")
    D = enumerate_patterns(A) if patterns is None else patterns
    pulls = (D * v[:, None]).T @ A  # (P, d)
    bounds = np.linalg.norm(pulls, axis=1) if not free else _free_bounds(A, D, pulls)
    seen, best = [Pull(0.0, np.zeros(A.shape[1]))], 0.0
    for i in np.argsort(-bounds):
        if bounds[i] <= best:
            break
        seen.append(pull(np.where(D[:, i], 1.0, -1.0)[:, None] * A, pulls[i], free))
        best = max(best, seen[-1].value)
    return sorted(seen, key=lambda p: -p.value)


def _free_bounds(A: Array, D: BoolArray, pulls: Array) -> Array:
    """Upper bounds on the pull of each cell with a free bias: one row alone keeps b within its limit.

    With q = (g, h), the row a_i that limits b in the direction of h gives  g'u + h b <= |g - h a_i|; h = 0 gives |g|.
    """
    g, h, X = pulls[:, :-1], pulls[:, -1], A[:, :-1]
    h = np.where(np.abs(h) <= 1e-12 * np.maximum(np.linalg.norm(g, axis=1), 1e-300), 0.0, h)
    limits = (h > 0) != D  # b is limited from above by rows that are off, from below by rows that are on
    squares = (g**2).sum(1) - 2 * h * (X @ g.T) + h**2 * (X**2).sum(1)[:, None]
    bounds = np.sqrt(np.maximum(np.where(limits, squares, np.inf).min(0), 0.0)) * (1 + 1e-12)
    return np.asarray(np.where(h == 0, np.linalg.norm(g, axis=1), bounds))


def dual_norm(A: Array, v: Array, patterns: BoolArray | None = None, free: int = 0) -> tuple[float, Array, float]:
    """M(v) = max_{|u| <= 1} |v'(A u)_+|, the direction that attains it, and the sign of the pull there."""
    plus, minus = support(A, v, patterns, free), support(A, -v, patterns, free)
    return (plus.value, plus.u, 1.0) if plus.value >= minus.value else (minus.value, minus.u, -1.0)


def pulls_of(network: TwoLayer, X: Array, v: Array) -> Array:
    """|v'(X u_j + b_j)_+| / |u_j| for every neuron: at an optimum with dual vector v each of them is beta."""
    hidden = network.hidden(tensor(X)).detach().numpy()
    return np.asarray(np.abs(v @ hidden) / np.linalg.norm(network.U.detach().numpy(), axis=1))


def isolate(A: Array, k: int, bias: bool) -> Neuron:
    """The neuron that fires on sample k alone, as strongly as |u| <= 1 allows.

        max  a_k'u + b   s.t.  a_j'u + b <= 0 (j != k), |u| <= 1      = min over weights l of |a_k - sum_j l_j a_j|

    l >= 0 without bias (b = 0), and sum l = 1 with a bias. Value 0, u = 0 when sample k is in the cone or the hull.
    """
    check_finite(A=A)
    if len(A) < 2 or not 0 <= k < len(A):
        raise ValueError(f"k is {k} and A has {len(A)} rows; isolation needs two samples and 0 <= k < {len(A)}")
    others = np.delete(A, k, axis=0)
    l = _hull_weights(others, A[k]) if bias else nonnegative_fit(-others, A[k])
    rest = A[k] - l @ others
    size = float(np.linalg.norm(rest))
    weights = np.insert(l, k, 0.0)
    if not size > 1e-9 * max(float(np.abs(A).max()), 1e-300):
        return Neuron(0.0, np.zeros(A.shape[1]), 0.0, weights)
    u = rest / size
    b = float(-(others @ u).max()) if bias else 0.0
    return Neuron(float(A[k] @ u) + b, u, b, weights)


def _hull_weights(points: Array, target: Array) -> Array:
    """argmin over the simplex of |target - l'points|.

    For q = s l the sum |(points - target)'q|^2 + (sum q - 1)^2 is s^2 D^2 + (s - 1)^2, least where the distance D is.
    """
    scale = max(float(np.abs(points - target).max()), 1e-300)
    rows = np.column_stack([(points - target) / scale, np.ones(len(points))])
    q = nonnegative_fit(rows, -np.eye(rows.shape[1])[-1])
    return np.asarray(q / q.sum())
