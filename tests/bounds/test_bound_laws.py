"""Laws of the network-scope bounds: their order, the other bounds of the literature, goldens, rounding."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from planted import GOLDEN, gaussian, phi, planted

from convexnn import Data, Point, certify_exactly
from convexnn.bounds import maximum, network_bound, zonotopes
from convexnn.bounds.partition import Partition
from convexnn.bounds.restricted import Task
from convexnn.bounds.shor import relaxed_training, shor
from convexnn.bounds.sweep import arrangement, sweep
from convexnn.bounds.tree import _Search, tree
from convexnn.losses import get_loss
from convexnn.theorems import two_layer

#: seed, n, d, beta -> optimum over all networks, objective of the Shor relaxation of training
OPTIMA = {
    (0, 5, 2, 0.1): (0.56547035, 0.552647),
    (1, 6, 2, 0.5): (0.51273588, 0.512736),
    (2, 6, 3, 0.05): (0.15707320, 0.132539),
    (4, 10, 3, 0.1): (0.94410556, 0.523425),
    (4, 10, 3, 0.5): (2.39289832, 1.968665),
    (4, 10, 3, 1.0): (2.94162882, 2.795062),
}
golden = pytest.mark.parametrize("key", OPTIMA)
seeds = pytest.mark.parametrize("seed", range(6))


def simple_bounds(X, v):
    """Bounds on M+(v) that are one line each; a_i = |v_i| x_i."""
    a, up = np.abs(v)[:, None] * X, v > 0
    lengths = np.linalg.norm(a, axis=1)
    tilted = a[up] / np.sqrt(lengths)[up, None]
    half = 0.5 * np.linalg.norm(X.T @ v)
    return {
        "rows": lengths[up].sum(),
        "spectral": np.linalg.norm(X, 2) * np.linalg.norm(v[up]),
        "half split": half + 0.5 * np.sqrt(lengths.sum()) * np.linalg.norm(a / np.sqrt(lengths)[:, None], 2),
        "half split of the plus rows": half_of_plus(X, v, tilted, lengths[up].sum()),
    }


def half_of_plus(X, v, tilted, total):
    """v'(Xu)_+ <= sum over plus rows of (a_i'u)_+ = (sum a_i)'u / 2 + sum |a_i'u| / 2."""
    up = v > 0
    return 0.5 * np.linalg.norm(v[up] @ X[up]) + 0.5 * np.sqrt(total) * np.linalg.norm(tilted, 2)


@seeds
def test_exact_below_shor_below_nothing_else_is_below_exact(seed):
    rng = np.random.default_rng(300 + seed)
    X, v = gaussian(seed, int(rng.integers(6, 30)), int(rng.integers(1, 5)))
    Z = zonotopes(X, v)
    exact, branched, relaxed = sweep(Z), tree(Z), shor(Z, 100)
    assert abs(exact.upper - branched.upper) <= 3e-7 * max(1.0, exact.upper)
    assert exact.lower <= relaxed.upper
    for name, bound in simple_bounds(X, v).items():
        assert exact.lower <= bound * (1 + 1e-12), name


@seeds
def test_the_maximum_is_convex_and_homogeneous_in_v_and_grows_with_plus_rows(seed):
    X, v = gaussian(seed, 10, 3)
    w = np.random.default_rng(seed + 50).standard_normal(10)
    M = {name: sweep(zonotopes(X, x)).upper for name, x in {"v": v, "w": w, "mean": 0.3 * v + 0.7 * w}.items()}
    assert M["mean"] <= 0.3 * M["v"] + 0.7 * M["w"] + 1e-6
    assert sweep(zonotopes(X, np.maximum(v, 0))).upper >= M["v"] * (1 - 1e-6)
    assert abs(sweep(zonotopes(X, v) if seed % 2 else zonotopes(-X, v)).upper - M["v"]) <= 1e-6  # u and -u


@pytest.mark.parametrize("n, d", [(20, 3), (30, 4)])
def test_no_child_is_above_its_parent(n, d):
    X, v = planted(n, d)
    search = _Search(zonotopes(X, v), 0.0, 1e-7, "cpu")
    search.bound(search.root(), torch.full((2**d,), torch.inf, dtype=torch.float64))
    tops = []
    while len(search.upper) and len(tops) < 40:
        tops.append(max(float(search.upper.max()), search.lower))
        search.split(16)
    exact = sweep(zonotopes(X, v)).lower
    assert all(b <= a for a, b in pairwise(tops))
    assert min(tops) >= exact * (1 - 1e-9)
    assert tops[0] > tops[-1]


@pytest.mark.parametrize(
    "n, r, half", [(12, 3, 67), (20, 4, 1160), (30, 4, 4090), (14, 5, 1093), (24, 5, 10903), (50, 4, 19650)]
)
def test_the_sweep_emits_the_known_number_of_cells(n, r, half):
    Z = zonotopes(np.random.default_rng(n).standard_normal((n, r)), np.ones(n))
    signs = torch.cat([S for S, _ in arrangement(Z, 0.0, "cpu", 2_000_000)]).numpy()
    assert len(signs) == half
    assert len(np.unique(np.packbits(signs, axis=1), axis=0)) == half


@golden
def test_the_relaxation_of_training_has_its_golden_value_and_the_rebuilt_bound_is_not_its_objective(key):
    *instance, beta = key
    X, y = gaussian(*instance)
    task = Task(X, y, beta, get_loss("squared"))
    proposal = relaxed_training(task)
    assert abs(proposal.objective - OPTIMA[key][1]) <= 3e-6  # six stored digits and the conic solver's own accuracy
    v = proposal.v + 0.1 * np.random.default_rng(0).standard_normal(len(y))  # as if the conic solver had failed
    bound = network_bound(X, y, v, beta, method="shor", budget_s=0.5)
    assert bound.lower <= OPTIMA[key][0] + 1e-8
    assert max(maximum(X, s * bound.v).lower for s in (1, -1)) <= beta * (1 + 1e-9)


@golden
def test_branching_rises_from_the_relaxation_to_the_optimum(key):
    *instance, beta = key
    X, y = gaussian(*instance)
    task = Task(X, y, beta, get_loss("squared"))
    state, seen = Partition(task, relaxed_training(task).v), []
    for _ in range(7):
        state.ascend(100, np.inf)
        seen.append(state.lower)
        if not state.split(4):
            break
    optimum, relaxed = OPTIMA[key]
    assert all(a <= b <= optimum + 1e-8 for a, b in pairwise(seen))
    assert seen[-1] >= relaxed - 0.01 * optimum  # first-order ascent: a hundredth
    assert optimum - relaxed < 0.05 * optimum or seen[-1] > relaxed + 0.2 * (optimum - relaxed)


@pytest.mark.parametrize("key", GOLDEN)
def test_beta_max_is_the_larger_of_the_two_golden_maxima(key):
    X, y = gaussian(*key)
    assert abs(two_layer.program(Data(X, y, 0.1)).beta_max() - max(GOLDEN[key])) <= 2e-8
    assert abs(max(maximum(X, s * y).upper for s in (1, -1)) - max(GOLDEN[key])) <= 1e-6


@pytest.mark.parametrize("method", ["sweep", "tree", "shor", "partition", "auto"])
@pytest.mark.parametrize("kind", ["gaussian", "nearly parallel features"])
def test_the_bound_is_true_in_rational_arithmetic(method, kind):
    """Its v, judged by the rational certificate of the complete program, proves at least what the bound says."""
    X, y = gaussian(1, 8, 2)
    beta = 0.3
    if kind != "gaussian":
        X, beta = X @ np.array([[1.0, 1.0], [0.0, 1e-6]]), 1e-7
    bound = network_bound(
        X, y, [y, y - 0.5 * X @ np.linalg.lstsq(X, y, rcond=None)[0]], beta, budget_s=1, method=method
    )
    program = two_layer.program(Data(X, y, beta))
    exact = certify_exactly(program, Point(program.zeros().numpy(), bound.v[:, None]))
    assert exact.scope == "network"
    assert bound.lower <= exact.lower + 1e-12


def test_the_direction_of_a_bound_attains_its_lower_end():
    X, v = planted(25, 4)
    for method in ("sweep", "tree", "shor"):
        bound = maximum(X, v, method=method)
        assert np.isclose(np.linalg.norm(bound.direction), 1)
        assert np.isclose(phi(X, v, bound.direction[None])[0], bound.lower, rtol=1e-10)
        assert bound.lower <= bound.upper


def test_the_margin_covers_merged_rows_and_rounding():
    rng = np.random.default_rng(0)
    X, v = gaussian(5, 12, 3)
    X = np.vstack([X, X + 3e-11 * rng.standard_normal(X.shape)])
    v = np.concatenate([v, rng.standard_normal(12)])
    Z = zonotopes(X, v)
    size = (np.abs(v) * np.linalg.norm(X, axis=1)).sum()
    U = rng.standard_normal((500, 3))
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    lost = np.abs(Z.value(U @ Z.basis.T) - phi(X, v, U)).max()
    assert len(Z.plus) + len(Z.minus) == 12
    assert 0 < lost <= Z.margin() <= 1e-9 * size
    assert zonotopes(X[:12], v[:12]).margin() >= 1e-15 * size
