"""The bound at program scope: the convex program with the activation patterns that the network itself uses.

    P_D = min over v_i, w_i in the cells of D   L( sum_i D_i R (v_i - w_i) + 1 o' ) + beta sum_i ( |v_i| + |w_i| )

is the best that any network with those patterns reaches: it says whether the weights or the patterns are to blame. The
offset is held while the program is solved; its dual vector then proves a bound with the offset free to move.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convexnn.numerics import EPS, Array, BoolArray, tensor, to_numpy
from convexnn.program import Program
from convexnn.solving import solve
from convexnn.theorems import two_layer
from convexnn.types import Data
from convexnn.your_network.descent import Proof
from convexnn.your_network.lower import Shifted, scaled
from convexnn.your_network.problem import Neurons, Problem

#: Largest n p^2 P of a program that is solved; beyond, there is no bound at program scope.
PROGRAM_SIZE = 3e7


def own_patterns(problem: Problem, net: Neurons) -> BoolArray:
    """(n, P) the distinct patterns of the neurons that are on somewhere."""
    D = np.unique(problem.rows @ net.W.T >= 0, axis=1)
    return D[:, D.any(0)]


def own_cells_lower(problem: Problem, net: Neurons, offset: Array, budget: float) -> float:
    """A lower bound on P_D, or NaN where the form has none here (several outputs, many rows, too many patterns)."""
    if problem.outputs > 1 or problem.K > 1 or not net.width:
        return float("nan")
    D = own_patterns(problem, net)
    if not D.shape[1] or D.shape[1] * problem.rows.shape[1] ** 2 * problem.n > PROGRAM_SIZE:
        return float("nan")
    squared, o = problem.loss.name == "squared", float(offset[0])
    y = problem.Y[:, 0] - (o if squared else 0.0)
    data = Data(problem.scaled_rows(), y, problem.beta / problem.slack())
    program = two_layer.program(data, patterns=D, loss=problem.loss)
    if not squared and problem.constants != "none":
        program = _with_loss(program, Shifted(problem.loss, o))
    solution = solve(program, tol=1e-7, budget=budget, device="cpu")
    proofs = [Proof(solution.certificate.v.reshape(-1, 1), problem.beta / problem.slack(), "the program's dual vector")]
    if problem.constants == "free":
        v = problem.admissible(proofs[0].v)
        hint = solution.certificate.multipliers
        bounds, _ = program.polars(tensor(v), None if hint is None else tensor(hint))
        rounding = 4 * EPS * problem.n * float(np.linalg.norm(data.X)) * float(np.linalg.norm(v))
        proofs = [Proof(v, float(to_numpy(bounds).max()) + rounding, "the program's dual vector, balanced")]
    return max(scaled(problem, proof).lower for proof in proofs)


def _with_loss(program: Program, loss: Shifted) -> Program:
    return replace(program, loss=loss)
