"""Which bound to use when, and what it proves about training: `network_bound` and `maximum`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from convexnn.bounds.dual import checked, dual, into_domain, scaled
from convexnn.bounds.partition import partition
from convexnn.bounds.pricing import price, starts
from convexnn.bounds.restricted import Task
from convexnn.bounds.shor import relaxed_training, shor
from convexnn.bounds.sweep import cells, sweep
from convexnn.bounds.tree import tree
from convexnn.bounds.zonotope import Bound, Zonotopes, zonotopes
from convexnn.losses import Loss
from convexnn.numerics import Array, check_choice, check_positive

METHODS = ("auto", "sweep", "tree", "shor", "partition")
#: Cells that a sweep visits in about a second on one core, and the largest rank where the tree is likely to close.
CELLS_PER_SECOND, TREE_RANK = 4e5, 6
#: The conic solver proposes the first v up to this rank; beyond, the ascent starts from the first candidate.
CONIC_RANK = 40


@dataclass(frozen=True)
class NetworkBound:
    """lower <= p*, proved by v.

    v          (n,) with M(v) <= beta; lower = dual(v) less a rounding allowance
    M_upper    upper bounds on M+(v) and M+(-v), both <= beta
    method     how both were bounded, in words
    open_nodes cells or nodes left when the budget was spent; 0 when the bound is as good as v allows
    directions (k, d) unit u with |w'(Xu)_+| > beta (1 + tol) for the unscaled candidate w: columns the network lacks
    closed     nothing left open: lower is within tol of what the best candidate can prove, or of the known value
    """

    lower: float
    v: Array
    M_upper: tuple[float, float]
    method: str
    open_nodes: int
    directions: Array
    closed: bool

    def sentence(self) -> str:
        """The outcome in words."""
        state = "closed" if self.closed else f"inconclusive, {self.open_nodes:,} nodes open; raise budget_s"
        return f"no two-layer network has an objective below {self.lower:.8g} ({self.method}; {state})"


def network_bound(
    X: Array,
    y: Array,
    v_candidates: Array | Sequence[Array],
    beta: float,
    loss: str | Loss = "squared",
    budget_s: float = 60.0,
    tol: float = 1e-6,
    method: str = "auto",
    eager: bool = False,
    value: float = np.inf,
) -> NetworkBound:
    """The best lower bound on  min L(sum_j (X u_j)_+ a_j) + beta sum |a_j|, |u_j| = 1,  that the budget allows.

    v_candidates  (n,) or (k, n): dual vectors to scale, e.g. the residual -grad L of a good network
    tol           relative accuracy asked of M(v)
    method        "auto", "sweep", "tree" (exact at v), "shor" (cheapest), "partition" (v adapts; high rank)
    eager         stop at the first direction that proves M(v) > beta (1 + tol); the bound is then weak, the column real
    value         the objective of a network, where one is known: no bound is improved beyond it less tol
    Raises ValueError for shapes that do not fit, beta <= 0 or an unknown method.
    """
    check_choice("method", method, METHODS)
    check_positive(tol=tol, budget_s=budget_s)
    task, candidates = checked(X, y, v_candidates, beta, loss)
    clock, best = _Clock(budget_s), _zero(task)
    ranked = _ranked(task, candidates)
    seen = [_columns(task, ranked[0], tol)]
    if method in ("sweep", "tree", "shor") or (method == "auto" and _within_reach(task, ranked[0][1], budget_s)):
        for k, (_, v, climbed) in enumerate(ranked):
            share = 0.75 if method == "auto" else 1.0
            share = 0.5 * share if k + 1 < len(ranked) else share
            found = _prove(task, v, climbed, clock.left() * share, tol, method, eager)
            best = max(best, found, key=lambda bound: bound.lower)
            seen.append(found.directions)
            if found.closed or clock.left() <= 0 or (eager and len(found.directions)):
                return replace(best, directions=found.directions)
    if method in ("auto", "partition") and clock.left() > 0:
        best = max(best, _lifted(task, ranked[0][1], clock.left(), tol, value), key=lambda bound: bound.lower)
    if method == "shor":
        best = max(best, _relaxed(task, clock.left()), key=lambda bound: bound.lower)
    return replace(best, directions=np.concatenate(seen))


def maximum(
    X: Array,
    v: Array,
    level: float = 0.0,
    tol: float = 1e-7,
    seconds: float = 60.0,
    method: str = "auto",
    start: Array | None = None,
    eager: bool = False,
) -> Bound:
    """Bounds on M+(v) = max_{|u| <= 1} v'(Xu)_+; with `level` > 0 it is enough to prove M+(v) <= level (1 + tol).

    start : (K, d) directions to begin with, or None to draw some. "auto" takes the cheapest method that can finish.
    """
    Z = zonotopes(X, v)
    if start is None:
        start = price(Z, starts(Z, 300))[0][:20] @ Z.basis
    quick = _sweep_seconds(Z) < min(0.8 * seconds, 0.5 if Z.rank <= 5 else 10.0 if Z.rank == 6 else np.inf)
    if method == "sweep" or (method == "auto" and quick):
        return sweep(Z, level, tol, seconds, start=start, eager=eager)
    if method == "tree" or (method == "auto" and Z.rank <= TREE_RANK):
        return tree(Z, level, tol, seconds, start=start, eager=eager)
    root = shor(Z, 200, 0.3 * seconds)
    if root.upper <= max(level, Z.best(start @ Z.basis.T)[0]) * (1 + tol):
        return replace(root, closed=True, open=0)
    return root


class _Clock:
    """Seconds left of a budget."""

    def __init__(self, budget_s: float) -> None:
        self.finish = time.perf_counter() + budget_s

    def left(self) -> float:
        return max(0.0, self.finish - time.perf_counter())


def _sides(X: Array, v: Array) -> tuple[Zonotopes, Zonotopes]:
    return zonotopes(X, v), zonotopes(X, -v)


def _zero(task: Task) -> NetworkBound:
    """v = 0 proves dual(0) = -L*(0), which is min L."""
    v = np.zeros(len(task.y))
    return NetworkBound(dual(task, v), v, (0.0, 0.0), "v = 0", 0, np.zeros((0, task.X.shape[1])), False)


def _ranked(task: Task, candidates: list[Array]) -> list[tuple[float, Array, list[Array]]]:
    """The candidates with the most that each could prove, judged by pricing, and the directions found; best first."""
    ranked = []
    for v in candidates:
        sides = _sides(task.X, v)
        climbed = [price(Z, starts(Z, 300))[0][:20] @ Z.basis for Z in sides]
        reached = max(Z.best(U @ Z.basis.T)[0] for Z, U in zip(sides, climbed))
        ranked.append((scaled(task, v, reached)[0], v, climbed))
    return sorted(ranked, key=lambda item: -item[0])


def _columns(task: Task, first: tuple[float, Array, list[Array]], tol: float) -> Array:
    """The directions that pricing found above beta (1 + tol) at the most promising candidate."""
    U = np.concatenate(first[2])
    return U[np.abs(first[1] @ np.maximum(task.X @ U.T, 0)) > task.beta * (1 + tol)]


def _within_reach(task: Task, v: Array, seconds: float) -> bool:
    """Whether the tree or a sweep of both signs may well finish."""
    return all(Z.rank <= TREE_RANK or _sweep_seconds(Z) < 0.3 * seconds for Z in _sides(task.X, v))


def _sweep_seconds(Z: Zonotopes) -> float:
    return 2.0 * cells(Z) * (len(Z.plus) + len(Z.minus)) / 100.0 / CELLS_PER_SECOND


def _prove(
    task: Task, v: Array, climbed: list[Array], seconds: float, tol: float, method: str, eager: bool
) -> NetworkBound:
    """Both signs of one candidate, the second with the time the first has left."""
    clock, sides, level = _Clock(seconds), [], task.beta
    for sign, start in zip((1.0, -1.0), climbed):
        share = 0.5 if sign > 0 else 1.0
        side = maximum(task.X, sign * v, level, tol, clock.left() * share, method, start, eager)
        level = max(level, side.lower)
        sides.append(side)
    U = np.concatenate([u for side in sides for u in (side.direction[None], side.found) if u is not None])
    above = np.abs(v @ np.maximum(task.X @ U.T, 0)) > task.beta * (1 + tol)
    text = f"+v: {sides[0].method}; -v: {sides[1].method}"
    left = sum(side.open for side in sides if not side.closed)
    closed = all(side.closed for side in sides)
    return _bound(task, v, (sides[0].upper, sides[1].upper), text, left, closed, U[above])


def _bound(
    task: Task,
    v: Array,
    uppers: tuple[float, float],
    text: str,
    left: int,
    closed: bool,
    directions: Array | None = None,
) -> NetworkBound:
    """What upper bounds on M+(v) and M+(-v) prove."""
    lower, best = scaled(task, v, max(uppers))
    t = float(np.linalg.norm(best)) / max(float(np.linalg.norm(v)), 1e-300)
    found = np.zeros((0, task.X.shape[1])) if directions is None else directions
    return NetworkBound(lower, best, (t * uppers[0], t * uppers[1]), text, left, found, closed)


def _relaxed(task: Task, seconds: float) -> NetworkBound:
    """The Shor relaxation of training proposes v; its bound is rebuilt from v."""
    proposal = relaxed_training(task, seconds)
    if proposal is None:
        return _zero(task)
    v = into_domain(task, proposal.v)
    sides = [shor(Z, 300, max(seconds, 0.5), guess) for Z, guess in zip(_sides(task.X, v), proposal.moments)]
    text = "v of the Shor relaxation of training, bound rebuilt from its multipliers"
    return _bound(task, v, (sides[0].upper, sides[1].upper), text, 2, False)


def _lifted(task: Task, v: Array, seconds: float, tol: float, value: float) -> NetworkBound:
    """The lifted partition, from the relaxation's v where that is cheap, in coordinates of the row space."""
    clock = _Clock(seconds)
    basis = zonotopes(task.X, np.ones(len(task.y))).basis
    reduced = replace(task, X=task.X @ basis.T)
    small = len(basis) <= CONIC_RANK
    proposal = relaxed_training(reduced, 0.2 * seconds) if small and seconds > 0.5 else None
    start = v if proposal is None else into_domain(task, proposal.v)
    state = partition(reduced, start, clock.left(), value, tol)
    if not np.isfinite(state.lower):
        return _zero(task)
    lost = float(np.abs(state.v) @ np.linalg.norm(task.X - reduced.X @ basis, axis=1))
    room = [lost + Z.margin() for Z in _sides(task.X, state.v)]  # p and Q are sums that may cancel
    uppers = [upper * (1 + 1e-11) + extra for upper, extra in zip(state.uppers, room)]
    closed = np.isfinite(value) and state.lower >= value - tol * max(1.0, abs(value))
    text = f"lifted partition, {len(state.blocks):,} blocks"
    return _bound(task, state.v, (uppers[0], uppers[1]), text, 0 if closed else len(state.blocks), closed)
