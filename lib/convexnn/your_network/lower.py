"""Lower bounds for every network of the form, of every width: M(v) bounded from above, then the best scale of v.

    one output, one row a sample    `bounds.network_bound` (sweep, tree, lifted partition), the offset held in the loss
    one output, many rows           `bounds.maximum` on the stacked rows
    several outputs                 exact over all cells where they are few, else cones of output directions

Only upper bounds on M count. Tests: tests/your_network/test_bounds.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar
from torch import Tensor

from convexnn.bounds import maximum, network_bound
from convexnn.bounds.sweep import cells
from convexnn.bounds.zonotope import zonotopes
from convexnn.losses import Loss
from convexnn.numerics import EPS, SAFETY_ULPS, Array
from convexnn.patterns import enumerate_patterns
from convexnn.theorems.vector_output.faces import faces_of
from convexnn.theorems.vector_output.patches import patches_of
from convexnn.your_network.descent import Proof
from convexnn.your_network.output_directions import sphere_bound
from convexnn.your_network.problem import Neurons, Problem

#: Cells up to which several outputs are bounded exactly.
FEW_CELLS = 1500
#: Room for rounding where M is computed over all faces.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Lower:
    """lower <= every network's objective, proved by v (n, c) with M(v) <= upper <= beta."""

    lower: float
    v: Array
    upper: float
    method: str
    directions: Array | None = None


class Shifted(Loss):
    """L(f + o) for a fixed offset o: the conjugate gains -<z, o>."""

    def __init__(self, base: Loss, o: float) -> None:
        self.base, self.o, self.name, self.smoothness = base, o, base.name, base.smoothness

    def check_targets(self, Y: Tensor) -> None:
        self.base.check_targets(Y)

    def value(self, f: Tensor, Y: Tensor) -> Tensor:
        return self.base.value(f + self.o, Y)

    def gradient(self, f: Tensor, Y: Tensor) -> Tensor:
        return self.base.gradient(f + self.o, Y)

    def conjugate(self, z: Tensor, Y: Tensor) -> Tensor:
        return self.base.conjugate(z, Y) - self.o * z.sum()

    def prox(self, f: Tensor, Y: Tensor, step: float) -> Tensor:
        return self.base.prox(f + self.o, Y, step) - self.o

    def into_domain(self, v: Tensor, Y: Tensor) -> Tensor:
        return self.base.into_domain(v, Y)


def network_lower(problem: Problem, net: Neurons, budget: float, proofs: tuple[Proof, ...] = ()) -> Lower:
    """The best bound that the proofs at hand and `budget` seconds give; v = 0 proves min L at least."""
    value = problem.value(net)
    best = scaled(problem, Proof(np.zeros_like(problem.Y), 0.0, "v = 0"))
    for proof in proofs:
        if not np.isfinite(proof.upper):
            continue
        best = max(best, scaled(problem, proof), key=lambda bound: bound.lower)
    if value - best.lower <= 1e-7 * max(1.0, abs(value)):
        return best
    duals = [proof.v for proof in proofs if not np.isfinite(proof.upper)]
    v = problem.admissible(duals[0] if duals else problem.pull(problem.fit(net)))
    find = _scalar if problem.outputs == 1 and problem.K == 1 else _stacked if problem.outputs == 1 else _vector
    proof = find(problem, v, net, budget)
    best = max(best, scaled(problem, proof), key=lambda bound: bound.lower)
    return replace(best, directions=proof.directions)


def scaled(problem: Problem, proof: Proof) -> Lower:
    """The largest dual value on the ray through v with t M(v) <= beta; a v that gains by constants is mended first."""
    v = problem.admissible(proof.v)
    moved = np.linalg.norm(v - proof.v, 2) if v.size else 0.0
    upper = proof.upper + float(moved) * float(np.linalg.norm(problem.scaled_rows(), 2)) if moved > 0 else proof.upper
    upper *= problem.slack()
    if not np.isfinite(upper):
        return Lower(-np.inf, v, upper, proof.method)
    reach = min(1e6, problem.beta / max(upper, 1e-300) * (1 - SAFETY_ULPS * EPS))

    def loss(t: float) -> float:
        value = problem.dual(t * v)
        return -value if np.isfinite(value) else 1e300

    inside = minimize_scalar(loss, bounds=(0.0, reach), method="bounded", options={"xatol": 1e-12 * max(1.0, reach)}).x
    t = min((0.0, min(1.0, reach), reach, float(inside)), key=loss)
    return Lower(problem.dual(t * v), t * v, t * upper, proof.method)


def _scalar(problem: Problem, v: Array, net: Neurons, budget: float) -> Proof:
    """network_bound with the offset held; it may move v, which `scaled` mends."""
    o = float(net.o[0])
    squared = problem.loss.name == "squared"
    y = problem.Y[:, 0] - (o if squared else 0.0)
    loss = problem.loss if squared or problem.constants == "none" else Shifted(problem.loss, o)
    rows, beta = problem.scaled_rows(), problem.beta / problem.slack()
    value = problem.value(problem.balanced(net)) - problem.offset_cost(net.o)
    found = network_bound(rows, y, v.T, beta, loss, budget, 1e-7, value=value)
    return Proof(found.v[:, None], max(found.M_upper), found.method, found.directions * problem.stretch())


def _stacked(problem: Problem, v: Array, net: Neurons, budget: float) -> Proof:
    upper, method, found = _both_signs(problem, v[:, 0], budget)
    return Proof(v, upper, method, found)


def _both_signs(problem: Problem, v: Array, seconds: float) -> tuple[float, str, Array]:
    """An upper bound on max(M+(v), M+(-v)) over the scaled rows."""
    rows, spread = problem.scaled_rows(), problem.spread(v)
    plus = maximum(rows, spread, tol=1e-7, seconds=0.5 * seconds)
    minus = maximum(rows, -spread, level=plus.lower, tol=1e-7, seconds=0.5 * seconds)
    found = np.stack([plus.direction, minus.direction]) * problem.stretch()
    return max(plus.upper, minus.upper), plus.method, found


def _vector(problem: Problem, v: Array, net: Neurons, budget: float) -> Proof:
    """Several outputs: exact over few cells, else cones of output directions."""
    if problem.K == 1 and cells(zonotopes(problem.rows, np.ones(problem.n))) <= FEW_CELLS:
        return Proof(v, *_over_cells(problem, v))
    rows, found = problem.scaled_rows(), list[Array]()

    def side(g: Array) -> tuple[float, float]:
        bound = maximum(rows, problem.spread(v @ g), tol=1e-6, seconds=max(0.05, 0.1 * budget))
        pull = float(np.linalg.norm(problem.hidden((bound.direction * problem.stretch())[None])[:, 0] @ v))
        if pull > problem.beta:
            found.append(bound.direction * problem.stretch())
        return bound.upper, pull

    upper, looked = sphere_bound(v, side, budget)
    picked = np.array(found[-40:]).reshape(-1, rows.shape[1])
    return Proof(v, upper, f"{looked} output directions", picked)


def _over_cells(problem: Problem, v: Array) -> tuple[float, str, Array]:
    """M(v) exactly: the strongest direction over all faces of all cells of the rows."""
    patches = patches_of(problem.scaled_rows(), "sum")
    D = enumerate_patterns(patches.rows, limit=20 * FEW_CELLS)
    top, strong = faces_of(patches.rows, D).local_maxima(patches.pulls(D, v), above=problem.beta)
    found = patches.lift(np.array([neuron.u for neuron in strong[:20]]).reshape(-1, patches.rank))
    return float(top) * (1 + ROUNDING), "all cells", found * problem.stretch()
