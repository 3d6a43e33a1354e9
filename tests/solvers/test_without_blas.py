"""The path of a GPU, run on the CPU: with torch in the place of numpy's and scipy's BLAS the answers are the same."""

import numpy as np
import pytest

from convexnn import numerics
from convexnn.solvers import _symmetric
from convexnn.solving import solve
from convexnn.theorems import two_layer
from convexnn.types import Data


def programs():
    rng = np.random.default_rng(0)
    X, y, labels = rng.standard_normal((40, 5)), rng.standard_normal(40), rng.integers(0, 3, 40)
    for activation in ("gated", "relu"):
        yield f"squared, {activation}", two_layer.program(Data(X, y, 0.5), patterns=15, activation=activation)
        classes = Data(X, np.eye(3)[labels], 0.5)
        yield (
            f"cross entropy, {activation}",
            two_layer.program(classes, loss="cross_entropy", patterns=15, activation=activation),
        )


CASES = dict(programs())


@pytest.mark.parametrize("name", CASES)
def test_torch_alone_gives_the_same_certified_value(name, monkeypatch):
    program = CASES[name]
    with_blas = solve(program, tol=1e-7, device="cpu")
    asked = []

    def none(A):
        asked.append(True)
        return False

    monkeypatch.setattr(numerics, "has_blas", none)
    monkeypatch.setattr(_symmetric, "has_blas", none)
    alone = solve(program, tol=1e-7, device="cpu")
    assert asked
    assert with_blas.status == alone.status == "solved"
    assert alone.value == pytest.approx(with_blas.value, rel=2e-7)
    assert alone.lower <= with_blas.value * (1 + 1e-12)
