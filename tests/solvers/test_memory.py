"""The memory of a solve: a few Newton matrices, the groups and the data, never [D_1 X .. D_P X].

LIMITS is in units of `allocation.unit_bytes`, on top of one copy of the data. Peak memory is measured, not estimated.
The goal is 1.5. ReLU programs miss it: their multipliers and slacks are arrays of n numbers for each of 2P groups, and
about a dozen of them are alive at once before groups are left out.
"""

import numpy as np
import pytest
import torch
from allocation import data_bytes, peak_bytes, unit_bytes
from instances import planted

from convexnn import solve
from convexnn.theorems import two_layer

#: activation -> limit at (n, d, P)
LIMITS = {"gated": {(400, 20, 100): 1.5, (1000, 50, 250): 1.5}, "relu": {(400, 20, 100): 11.5}}
CASES = [(activation, *size, limit) for activation, sizes in LIMITS.items() for size, limit in sizes.items()]


def program(activation: str, n: int, d: int, P: int):
    found = two_layer.program(planted(n, d), patterns=P, activation=activation)
    return found.with_beta(0.05 * found.beta_max())


@pytest.mark.parametrize("activation, n, d, P, limit", CASES)
def test_the_peak_of_a_solve_is_a_few_newton_matrices(activation, n, d, P, limit):
    there = program(activation, n, d, P)
    solutions = []
    peak = peak_bytes(lambda: solutions.append(solve(there, tol=1e-4, device="cpu")))
    assert solutions[0].status == "solved"
    assert 0.25 * unit_bytes(there) <= peak <= limit * unit_bytes(there) + data_bytes(there)
    assert peak < 8.0 * n * d * there.groups or activation == "relu"  # the explicit matrix of all groups


def test_the_measure_sees_every_array_and_forgets_those_that_died():
    size = 8 * 300 * 300

    def compute():
        a = torch.ones(300, 300, dtype=torch.float64)
        b = a @ a
        del a
        return b + 1

    def by_numpy():
        a = torch.ones(300, 300, dtype=torch.float64).numpy()
        return a + 1

    small = 20_000  # the interpreter's own objects
    assert 2 * size <= peak_bytes(compute) <= 2 * size + small
    assert 2 * size <= peak_bytes(by_numpy) <= 2 * size + small
    assert peak_bytes(lambda: np.ones(10)) <= small


def test_a_solver_that_formed_the_explicit_matrix_would_be_seen():
    there = program("gated", 400, 20, 100)
    X, D = there.operator.X, there.operator.D
    explicit = peak_bytes(lambda: (D[:, :, None] * X[:, None, :]).reshape(len(X), -1))
    assert explicit > LIMITS["gated"][400, 20, 100] * unit_bytes(there) + data_bytes(there)
