"""Better networks from a user's own neurons: descent on all weights, and columns where the dual pulls harder than beta.

    price   directions w, |w| = 1, with |v'P(Rw)_+|_2 > beta lower the objective when they are added with output
            weights along v'P(Rw)_+; none of any width means optimal (weak duality, see `problem`)
    polish  L-BFGS on W, A and o together

Every step keeps the better of before and after. Nothing here judges: `lower` does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from convexnn.bounds import zonotopes
from convexnn.bounds.pricing import price, starts
from convexnn.globalize import globalize
from convexnn.networks import TwoLayer
from convexnn.numerics import Array
from convexnn.theorems.vector_output.vector_network import VectorNetwork, merge, prune
from convexnn.types import Data
from convexnn.your_network import inside
from convexnn.your_network.problem import Neurons, Problem

#: Rounds of pricing, directions a round, and the excess over beta that makes a direction worth adding.
ROUNDS, CUTS, WORTH = 40, 12, 1e-5
#: Neurons whose cosine is above this are one column; a free bias is priced at these shares of the rows' length.
DISTINCT, FREE_GAUGES = 0.98, (0.5, 2.0)
#: Pricing with several outputs alternates between neuron and output direction this often.
ALTERNATIONS = 4
#: What is left of the last improvement, relative, when the search stops.
STALL = 1e-7
#: Largest n K m p of the exact finish (a conic program inside the cells).
FINISH_SIZE = 3e6


@dataclass(frozen=True)
class Proof:
    """A dual vector v (n, c) whose M(v) is at most `upper`; neurons `directions` (k, p) pull harder than beta."""

    v: Array
    upper: float
    method: str
    directions: Array | None = None


@dataclass(frozen=True)
class Search:
    """The best network found with its value; `history` rows are seconds, value, neurons; proofs met on the way."""

    net: Neurons
    value: float
    history: Array
    proofs: tuple[Proof, ...] = ()


def search(problem: Problem, start: Neurons, budget: float, seed: int = 0, grow: bool = True) -> Search:
    """Column generation from `start` for about `budget` seconds; without `grow` only the weights move."""
    import cvxpy  # noqa: F401  before the clock starts

    began, rng, proofs = time.perf_counter(), np.random.default_rng(seed), list[Proof]()
    best = polish(problem, problem.balanced(start))
    rows = [(time.perf_counter() - began, problem.value(best), best.width)]

    def note(better: Neurons) -> bool:
        """Keep the better network; whether it is better by more than a stall."""
        nonlocal best
        gain = problem.value(best) - problem.value(better)
        best = better if gain > 0 else best
        rows.append((time.perf_counter() - began, problem.value(best), best.width))
        return gain > STALL * max(1.0, abs(problem.value(best)))

    v: Array | None = None
    share = 0.4 if can_finish(problem, best) else 1.0
    for _ in range(ROUNDS if grow else 0):
        left, exact = share * budget - (time.perf_counter() - began), inside.fits(problem, best)
        new = columns(problem, best, rng, v)
        if left < 0 or not (len(new[0]) or exact):
            break
        better = polish(problem, best.plus(*new)) if len(new[0]) else best
        if inside.fits(problem, better):
            better, dual = inside.inside_cells(problem, better)
            v = dual if problem.loss.smoothness == np.inf else None
        if not note(better) and not note(polish(problem, strongest(problem, best, max(1, best.width // 2)))):
            break
    if grow and can_finish(problem, best) and (left := budget - (time.perf_counter() - began)) > 0:
        better, proof = finish(problem, best, max(0.3, left), seed)
        proofs.append(proof)
        note(better)
    note(problem.balanced(best))
    note(settled(problem, best.keep(np.zeros(best.width, dtype=bool))))
    best = fewer(problem, best)
    proofs += [] if v is None else [Proof(v, np.inf, "the dual vector of the cells")]
    return Search(best, problem.value(best), np.array(rows), tuple(proofs))


def resume(problem: Problem, found: Search, W: Array, budget: float, seed: int) -> Search:
    """The search again with the neurons W (k, p) that a bound met; never worse than before."""
    v = problem.admissible(problem.pull(problem.fit(found.net)))
    grown = found.net.plus(*first_steps(problem, W, v))
    again = search(problem, polish(problem, grown), budget, seed)
    history = np.vstack([found.history, again.history + np.array([found.history[-1, 0], 0.0, 0.0])])
    best = again if again.value < found.value else found
    return Search(best.net, best.value, history, again.proofs)


def columns(problem: Problem, net: Neurons, rng: np.random.Generator, v: Array | None = None) -> tuple[Array, Array]:
    """Neurons (k, p) with output weights (k, c) that lower the objective, strongest first, each with a first step."""
    v = problem.admissible(problem.pull(problem.fit(net)) if v is None else v)
    return first_steps(
        problem, np.vstack([_climb(problem, v, a, g, net, rng) for a in directions(v) for g in _gauges(problem)]), v
    )


def first_steps(problem: Problem, W: Array, v: Array) -> tuple[Array, Array]:
    """Of the neurons W (k, p) those that pull harder than beta and differ, with output weights of a sensible size."""
    length = problem.lengths(W)
    W = W[length > 0] / length[length > 0, None]
    features = problem.hidden(W)
    pulls = features.T @ v
    size = np.linalg.norm(pulls, axis=1)
    order, kept = np.argsort(-size), list[int]()
    unit = W / np.maximum(np.linalg.norm(W, axis=1, keepdims=True), 1e-300)
    for k in order[size[order] > problem.beta * (1 + WORTH)]:
        if len(kept) < CUTS and all(unit[k] @ unit[j] < DISTINCT or pulls[k] @ pulls[j] < 0 for j in kept):
            kept.append(int(k))
    W, pulls, size = W[kept], pulls[kept], size[kept]
    smooth = min(problem.loss.smoothness, 1.0)
    curvature = np.maximum(smooth * (features[:, kept] ** 2).sum(0), 1e-300)
    root = np.sqrt((size - problem.beta) / curvature / max(1, len(kept)))[:, None]
    return W * root, pulls / np.maximum(size, 1e-300)[:, None] * root


def directions(v: Array) -> Array:
    """Output directions to begin with: both signs of one output, else the principal axes of v with both signs."""
    axes = np.eye(1) if v.shape[1] == 1 else np.linalg.svd(v, full_matrices=False)[2]
    return np.vstack([axes, -axes])


def _gauges(problem: Problem) -> list[Array]:
    """Scales of the columns of R to price with; a free bias is priced at several lengths."""
    ones = np.ones(problem.rows.shape[1])
    if not problem.free_bias:
        return [ones]
    typical = float(np.sqrt(np.square(problem.rows[:, :-1]).sum(1).mean()))
    return [np.append(ones[:-1], g * max(typical, 1e-300)) for g in FREE_GAUGES]


def _climb(problem: Problem, v: Array, a: Array, gauge: Array, net: Neurons, rng: np.random.Generator) -> Array:
    """Neurons from pricing v a; the output direction follows the best of them where there are several outputs."""
    rows, W = problem.rows * gauge, np.zeros((0, problem.rows.shape[1]))
    own = net.W / gauge
    own = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-300)
    for _ in range(1 if problem.outputs == 1 else ALTERNATIONS):
        Z = zonotopes(rows, problem.spread(v @ a))
        U, value = price(Z, starts(Z, 100, rng, own))
        if not len(value) or value[0] <= 0:
            return W
        W = (U[:20] @ Z.basis) * gauge
        a = problem.hidden(W[:1])[:, 0] @ v
        a = a / max(float(np.linalg.norm(a)), 1e-300)
    return W


def strongest(problem: Problem, net: Neurons, width: int) -> Neurons:
    """The `width` neurons with the largest |w||a|, balanced."""
    strength = problem.lengths(net.W) * np.linalg.norm(net.A, axis=1)
    return problem.balanced(net.keep(np.argsort(-strength, kind="stable")[:width]))


def fewer(problem: Problem, net: Neurons) -> Neurons:
    """Neurons of one direction joined and superfluous ones dropped: at most n c, at no cost."""
    if problem.free_bias or not net.width:
        return net
    pool = np.full((1, problem.K), 1.0 / problem.K)
    joined = merge(VectorNetwork(net.W, net.A[:, None, :], problem.loss, pool))
    kept = prune(joined, problem.rows.reshape(problem.n, problem.K, -1))
    less = Neurons(kept.U.detach().numpy(), kept.A.detach().numpy()[:, 0], net.o)
    return less if problem.value(less) <= problem.value(net) * (1 + 1e-9) else net


def polish(problem: Problem, net: Neurons, iterations: int = 500) -> Neurons:
    """L-BFGS on all weights from `net`; the better of the two is returned."""
    m, p, c = net.width, problem.rows.shape[1], problem.outputs
    decayed, moving = problem.decayed, problem.constants != "none"
    ridge = problem.ridge * problem.beta if problem.constants == "ridge" else 0.0

    def unpack(flat: Array) -> Neurons:
        W, A = flat[: m * p].reshape(m, p), flat[m * p : m * (p + c)].reshape(m, c)
        return Neurons(W, A, flat[m * (p + c) :])

    def evaluate(flat: Array) -> tuple[float, Array]:
        new = unpack(flat)
        before = problem.rows @ new.W.T
        hidden = np.maximum(before, 0)
        pooled = hidden if problem.K == 1 else hidden.reshape(problem.n, problem.K, m).mean(1)
        f = pooled @ new.A + new.o
        v = problem.pull(f)
        back = problem.spread(v) @ new.A.T
        dW = -((before > 0) * back).T @ problem.rows + problem.beta * new.W * decayed
        do = -v.sum(0) + ridge * new.o if moving else np.zeros(c)
        gradient = np.concatenate([dW.ravel(), (problem.beta * new.A - pooled.T @ v).ravel(), do])
        return problem.loss_value(f) + problem.decay(new), gradient

    start = np.concatenate([net.W.ravel(), net.A.ravel(), net.o])
    options = {"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 1e-14, "gtol": 1e-9, "maxcor": 30}
    found = unpack(minimize(evaluate, start, jac=True, method="L-BFGS-B", options=options).x)
    return min((found, settled(problem, found), net), key=problem.value)


def settled(problem: Problem, net: Neurons) -> Neurons:
    """The best offset for these neurons: a convex problem in c numbers, and what makes 1'v balance."""
    if problem.constants == "none" or problem.loss.smoothness == np.inf:
        return net
    f, ridge = problem.fit(net) - net.o, problem.ridge * problem.beta if problem.constants == "ridge" else 0.0

    def evaluate(o: Array) -> tuple[float, Array]:
        return problem.loss_value(f + o) + problem.offset_cost(o), ridge * o - problem.pull(f + o).sum(0)

    found = minimize(evaluate, net.o, jac=True, method="BFGS", options={"gtol": 1e-12, "maxiter": 100})
    return Neurons(net.W, net.A, found.x)


def can_finish(problem: Problem, net: Neurons) -> bool:
    """Whether `globalize` takes this problem: one output, one row a sample, no offset and no free bias."""
    plain = problem.outputs == 1 and problem.K == 1 and not problem.free_bias and problem.loss.name != "cross_entropy"
    return plain and problem.constants == "none" and max(1, net.width) * problem.rows.size <= FINISH_SIZE


def finish(problem: Problem, net: Neurons, budget: float, seed: int) -> tuple[Neurons, Proof]:
    """`globalize` from these neurons; its bound comes along as a proof."""
    data = Data(problem.rows, problem.Y[:, 0], problem.beta)
    start = TwoLayer(net.W, net.A, problem.loss) if net.width else None
    found = globalize(data, start=start, budget=budget, seed=seed, loss=problem.loss)
    better = Neurons(found.network.U.detach().numpy(), found.network.A.detach().numpy(), net.o)
    bound = found.bound
    return better, Proof(bound.v[:, None], max(bound.M_upper), bound.method)
