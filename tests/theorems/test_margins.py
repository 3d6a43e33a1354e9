"""Classification without slack: minimum-l1 weights with margin one, their dual, and the hinge loss that finds them."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from tolerances import VALUE

from convexnn import Data, solve
from convexnn.theorems import convex_geometry as geometry
from convexnn.theorems.convex_geometry.margins import hard_margin
from convexnn.theorems.shared.kinks import dictionary


def labelled(seed: int, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(-2, 2, n)), np.where(rng.standard_normal(n) > 0, 1.0, -1.0)


@pytest.mark.parametrize("offset", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_the_program_and_its_dual_have_the_value_of_a_conic_solver(seed, offset):
    t, y = labelled(seed)
    Phi = dictionary(t)[0] / 2
    w, c = cp.Variable(Phi.shape[1]), cp.Variable()
    limits = [cp.multiply(y, Phi @ w + c) >= 1, *([] if offset else [c == 0])]
    expected = cp.Problem(cp.Minimize(cp.norm(w, 1)), limits).solve(solver="CLARABEL")
    found = hard_margin(Phi, y, offset)
    assert found.cost == pytest.approx(expected, rel=VALUE["CLARABEL"])
    assert found.s.sum() == pytest.approx(found.cost, rel=1e-9)
    assert (y * (Phi @ found.w + found.offset)).min() >= 1 - 1e-9
    assert np.abs(Phi.T @ (y * found.s)).max() <= 1 + 1e-9
    assert not offset or abs(y @ found.s) < 1e-9 * found.cost


@pytest.mark.parametrize("seed", range(3))
def test_hinge_training_is_the_hard_margin_up_to_a_threshold_and_cheaper_beyond(seed):
    t, y = labelled(seed)
    hard = hard_margin(dictionary(t)[0], y)
    values = {}
    for share in (0.5, 1.0, 2.0):
        beta = share * hard.threshold
        values[share] = solve(geometry.program(Data(t[:, None], y, beta), loss="hinge"), tol=1e-8).value / beta
    assert values[0.5] == pytest.approx(hard.cost, rel=1e-6)  # tol 1e-8 of the value, divided by beta
    assert values[1.0] == pytest.approx(hard.cost, rel=1e-6)
    assert values[2.0] < hard.cost * 0.99


def test_two_labels_on_three_points_by_hand():
    """+1, -1, +1 at 0, 1, 2: slopes -2 and 2, a bend of 4 at 1, shared by two ramps there: cost 4, s = (1, 2, 1)."""
    hard = hard_margin(dictionary(np.arange(3.0))[0], np.array([1.0, -1.0, 1.0]))
    assert hard.cost == pytest.approx(4.0, abs=1e-9)
    assert hard.s == pytest.approx([1.0, 2.0, 1.0], abs=1e-9)
    assert hard.threshold == pytest.approx(0.5, abs=1e-9)


def test_one_class_costs_nothing_with_an_offset():
    assert hard_margin(dictionary(np.arange(3.0))[0], np.ones(3)).cost == 0.0


def test_labels_that_are_not_separated_and_no_labels_are_refused():
    with pytest.raises(ValueError, match="not separated by these 1 neurons"):
        hard_margin(np.ones((2, 1)), np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="one label -1 or"):
        hard_margin(np.ones((2, 1)), np.array([0.0, 1.0]))
