"""Several outputs: an upper bound on M(v) by splitting the sphere of output directions into simplicial cones.

    M(v) = max_{|a| = 1} M+(v a),   M+(z) = max_{|w| <= 1} z'P(Rw)_+      convex and positively homogeneous in a

On the cone of g_1 .. g_c (columns of G), a = G l with l >= 0, so M+(v a) <= sum_k l_k M+(v g_k) <= |G^-T m|, |a| = 1,
with m_k an upper bound on M+(v g_k). Orthants of the principal axes come first; the cone with the largest bound is cut
at the middle of its longest edge until the bounds meet or the time is up. Source: this project.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from itertools import product

import numpy as np

from convexnn.numerics import Array

#: With more outputs than this there are too many orthants: the root of the sum of squares is the bound.
MOST_OUTPUTS = 7

#: g (c,) -> upper and lower bounds on M+(v g)
Side = Callable[[Array], tuple[float, float]]


def sphere_bound(v: Array, side: Side, seconds: float, tol: float = 1e-5) -> tuple[float, int]:
    """An upper bound on M(v), within the factor 1 + tol where time allows, and the number of directions looked at."""
    finish = time.perf_counter() + seconds
    axes = np.linalg.svd(v, full_matrices=False)[2]
    c = v.shape[1]
    seen: dict[bytes, float] = {}
    reached = 0.0

    def above(g: Array) -> float:
        nonlocal reached
        key = np.round(g, 12).tobytes()
        if key not in seen:
            seen[key], low = side(g)
            reached = max(reached, low)
        return seen[key]

    if len(axes) < c or c > MOST_OUTPUTS:
        return float(np.linalg.norm([max(above(q), above(-q)) for q in axes])), len(seen)
    heap: list[tuple[float, int, Array, Array]] = []
    for k, signs in enumerate(product((1.0, -1.0), repeat=c)):
        G = (axes.T * np.array(signs)).copy()
        m = np.array([above(g) for g in G.T])
        heap.append((-_cone(G, m), k, G, m))
    heapq.heapify(heap)
    count = len(heap)
    while -heap[0][0] > reached * (1 + tol) and time.perf_counter() < finish:
        _, _, G, m = heapq.heappop(heap)
        cosines = G.T @ G
        i, j = np.unravel_index(int(cosines.argmin()), cosines.shape)
        middle = G[:, i] + G[:, j]
        middle /= np.linalg.norm(middle)
        value = above(middle)
        for replaced in (i, j):
            child, levels = G.copy(), m.copy()
            child[:, replaced], levels[replaced] = middle, value
            count += 1
            heapq.heappush(heap, (-_cone(child, levels), count, child, levels))
    return max(-heap[0][0], reached), len(seen)


def _cone(G: Array, m: Array) -> float:
    """max over unit a in the cone of m'G^-1 a: the norm of G^-T m where it is attained inside, else the best face."""
    p = np.linalg.solve(G.T, m)
    size = float(np.linalg.norm(p))
    inside = np.linalg.solve(G, p)
    if len(m) == 1 or (inside >= 0).all():
        return size
    if len(m) == 2:
        return float(m.max())
    return min(size, _outside(G, m))


def _outside(G: Array, m: Array) -> float:
    """The maximum is on a face: the largest bound of the faces, each in its own span."""
    best = 0.0
    for k in range(len(m)):
        face = np.delete(np.arange(len(m)), k)
        R = np.linalg.qr(G[:, face])[1]
        best = max(best, _cone(R, m[face]))
    return best
