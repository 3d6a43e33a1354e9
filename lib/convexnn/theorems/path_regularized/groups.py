"""Groups (patterns, signs, second pattern) of three-layer branches: all with an interior, or a sample of weights.

A group is realised when some first layer and second weights lie strictly inside its cone; those without an interior are
faces of others and are dropped. Neurons may repeat a pattern: under the path norm a repetition lowers the cost.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations_with_replacement, product

import numpy as np
import torch
from scipy.optimize import linprog

from convexnn.gated_tuples import Tuples
from convexnn.numerics import Array, BoolArray, tensor
from convexnn.patterns import enumerate_patterns

#: More candidates than this are refused: each costs a linear program.
CANDIDATE_LIMIT = 6000
#: Depth (of weights in the unit box, rows of unit length) under which a cone has no interior.
FLAT = 1e-9


def sample_groups(X: Array, count: int, width: int, seed: int = 0) -> Tuples:
    """Distinct groups of `count` Gaussian branches of `width` neurons; a larger count contains a smaller one's."""
    _check(width, count)
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((count, width, X.shape[1] + 1))
    return groups_of(X, weights[..., :-1], weights[..., -1])


def groups_of(X: Array, A: Array, b: Array) -> Tuples:
    """The distinct groups of branches with first layers A (K, m, d) and second weights b (K, m)."""
    before = A @ X.T
    D1, s = before >= 0, np.where(b >= 0, 1.0, -1.0)
    D2 = (b[..., None] * np.maximum(before, 0)).sum(1) >= 0
    D2 |= ~D1.any(1)
    order = np.array([sorted(range(len(t)), key=lambda j: (t[j], D[j].tobytes())) for D, t in zip(D1, s)], dtype=int)
    rows = np.arange(len(A))[:, None]
    D1, s, inside = D1[rows, order], s[rows, order], (b[..., None] * A)[rows, order]
    useful = (D1 & D2[:, None]).any((1, 2)) & (s > 0).any(1)
    words = np.concatenate([D1.reshape(len(A), -1), s > 0, D2], 1)
    _, first = np.unique(np.packbits(words, axis=1), axis=0, return_index=True)
    keep = np.array(
        [k for k in np.sort(first) if useful[k] and _is_strict(X, D1[k], s[k], D2[k], inside[k])], dtype=int
    )
    inside = inside[keep] / np.maximum(np.linalg.norm(inside[keep], axis=(1, 2), keepdims=True), 1e-300)
    gates, weights, second = (tensor(part[keep].astype(float)) for part in (D1, s, D2))
    return Tuples(tensor(X), gates, weights, second, tensor(inside))


def _is_strict(X: Array, D1: Array, s: Array, D2: Array, z: Array) -> bool:
    before, live = z @ X.T, np.abs(X).max(1) > 0
    first = s[:, None] * (2.0 * D1 - 1) * before
    second = (2.0 * D2 - 1) * (D1 * before).sum(0)
    return bool((first[:, live] > 0).all() and (second[live & D1.any(0)] > 0).all())


def all_groups(X: Array, width: int) -> Tuples:
    """Every group with an interior. Raises ValueError when the candidates are more than CANDIDATE_LIMIT."""
    _check(width, 1)
    return _all_groups(np.ascontiguousarray(X).tobytes(), X.shape, width)


@lru_cache(maxsize=32)
def _all_groups(raw: bytes, shape: tuple[int, int], width: int) -> Tuples:
    X = np.frombuffer(raw).reshape(shape)
    found: list[tuple[Array, Array, Array, Array]] = []
    for D1, s, D2 in _candidates(X, width):
        if (z := _interior(X, D1, s, D2)) is not None:
            found.append((D1.astype(float), s, D2.astype(float), z / np.linalg.norm(z)))
    if not found:
        raise ValueError("X is zero: no neuron fires on any row")
    return Tuples(tensor(X), *(tensor(np.array(part)) for part in zip(*found)))


def _candidates(X: Array, width: int) -> list[tuple[BoolArray, Array, BoolArray]]:
    """Tuples of first patterns and signs with every second pattern that the signs leave open, counted as they come."""
    options = [(D, s) for s in (1.0, -1.0) for D in enumerate_patterns(X).T if D.any()]
    found: list[tuple[BoolArray, Array, BoolArray]] = []
    for chosen in combinations_with_replacement(options, width):
        D1, s = np.array([o[0] for o in chosen]), np.array([o[1] for o in chosen])
        plus, minus = D1[s > 0].any(0), D1[s < 0].any(0)
        both = np.flatnonzero(plus & minus)
        if len(found) + 2.0 ** len(both) > CANDIDATE_LIMIT:
            raise ValueError(f"X gives more than {CANDIDATE_LIMIT} candidate groups; pass groups=<int> to sample them")
        for bits in product((False, True), repeat=len(both)):
            D2 = np.asarray(plus | ~minus)
            D2[both] = bits
            if (D1 & D2).any():
                found.append((D1, s, D2))
    return found


def _interior(X: Array, D1: BoolArray, s: Array, D2: BoolArray) -> Array | None:
    """A deepest point of the group's cone in the unit box, None when the cone is flat."""
    length, m = np.linalg.norm(X, axis=1), len(D1)
    live = length > 0
    unit = X[live] / length[live, None]
    d, blocks = X.shape[1], []
    for j in range(m):
        row = np.zeros((len(unit), m * d))
        row[:, j * d : (j + 1) * d] = (s[j] * (2.0 * D1[j, live] - 1))[:, None] * unit
        blocks.append(row)
    fired = np.asarray(D1.any(0))[live]
    second = np.hstack([((2.0 * D2 - 1) * D1[j])[live, None] * unit for j in range(m)])
    C = np.vstack([*blocks, second[fired]])
    A = np.hstack([-C, np.ones((len(C), 1))])
    solved = linprog(np.append(np.zeros(m * d), -1.0), A_ub=A, b_ub=np.zeros(len(C)), bounds=[(-1, 1)] * (m * d + 1))
    return solved.x[:-1].reshape(m, d) if solved.status == 0 and -solved.fun > FLAT else None


def select(tuples: Tuples, keep: np.ndarray) -> Tuples:
    """The groups with these indices, or where this mask is true."""
    index = torch.as_tensor(keep)
    return Tuples(tuples.X, *(part[index] for part in (tuples.D1, tuples.s, tuples.D2, tuples.inside)))


def join(first: Tuples, second: Tuples) -> Tuples:
    """Both, without the groups of the second that the first has."""
    known = {_word(first, k) for k in range(len(first.s))}
    fresh = select(second, np.array([k for k in range(len(second.s)) if _word(second, k) not in known], dtype=int))
    names = ("D1", "s", "D2", "inside")
    return Tuples(first.X, *(torch.cat([getattr(first, a), getattr(fresh, a)]) for a in names))


def _word(tuples: Tuples, k: int) -> bytes:
    return b"".join((part[k] > 0).numpy().tobytes() for part in (tuples.D1, tuples.s, tuples.D2))


def _check(width: int, count: int) -> None:
    for name, value in (("width", width), ("groups", count)):
        if isinstance(value, bool) or not (isinstance(value, int | np.integer) and value >= 1):
            raise ValueError(f"{name} is {value!r}; pass an integer >= 1")
