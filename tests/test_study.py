"""A study: its verdict says no when it must, its rivals are fair, and its comparisons are what they say they are."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tolerances import VALUE, close

from convexnn import Data, solve, study, train
from convexnn.claims import judge
from convexnn.data import split
from convexnn.networks import TwoLayer
from convexnn.theorems import two_layer

DATA = two_layer.sample("tiny", 0)
SEEDS = range(2)
STEPS = 200


def altered(**members):
    """The two-layer theorem with some members replaced."""
    return SimpleNamespace(**{**vars(two_layer), **members})


class Cheap(TwoLayer):
    """A network whose training pays half of the penalty, so that it ends below every bound of the true problem."""

    def penalty(self):
        return 0.5 * super().penalty()


def cheap_network(width, data, **options):
    built = two_layer.network(width, data, **options)
    built.__class__ = Cheap
    return built


def stretched(factor: float):
    """`recover` with the first layer multiplied by `factor`."""

    def recover(data, solution):
        network = two_layer.recover(data, solution)
        with torch.no_grad():
            network.U.mul_(factor)
        return network

    return recover


@pytest.fixture(scope="module")
def complete():
    """The program over all patterns, solved: its bound holds for every network."""
    found = solve(two_layer.program(DATA), device="cpu")
    assert found.certificate.scope == "network"
    return found


@pytest.fixture(scope="module")
def sampled():
    """Two sampled patterns: the program's optimum lies far above that of the networks."""
    found = solve(two_layer.program(DATA, patterns=2), device="cpu")
    assert found.certificate.scope == "program"
    return found


# ---- the verdict of a study -----------------------------------------------------------------------------------------


def test_a_theorem_that_holds_is_certified_in_one_call(complete):
    verdict = study.run(two_layer, DATA, tol=1e-4, seeds=iter([0, 3, 5]))
    assert verdict.status == "certified"
    assert verdict.text == "gap below 1e-04 (network scope), best of 3 trainings above the bound"
    numbers = verdict.numbers
    assert numbers["gap"] <= 1e-4
    assert numbers["lower"] <= complete.value + VALUE["solve"]
    assert complete.lower - VALUE["solve"] <= numbers["value"] <= complete.value * (1 + 1e-4) + VALUE["solve"]
    assert numbers["seeds"] == 3


def test_the_options_of_a_run_reach_the_program_and_the_rival():
    data = Data(DATA.X, np.sign(DATA.y), 0.1)
    verdict = study.run(two_layer, data, seeds=SEEDS, loss="logistic", bias="regularised", patterns=3)
    program = two_layer.program(data, patterns=3, loss="logistic", bias="regularised")
    rival = two_layer.network(14, data, loss="logistic", bias="regularised")
    close(verdict.numbers["value"], solve(program).value, VALUE["solve"])
    close(verdict.numbers["best_training"], train(rival, data, seeds=SEEDS).value)


def test_the_numbers_of_a_verdict_are_those_of_its_parts(complete):
    verdict = study.verify(two_layer, DATA, complete, seeds=SEEDS, width=5, steps=STEPS)
    best = train(two_layer.network(5, DATA), DATA, seeds=SEEDS, steps=STEPS).value
    recovered = two_layer.objective(two_layer.recover(DATA, complete), DATA)
    expected = {
        "value": complete.value,
        "lower": complete.lower,
        "gap": complete.gap,
        "recovered": recovered,
        "recovery_defect": abs(recovered - complete.value) / max(1.0, abs(recovered)),
        "best_training": best,
        "above_bound": (best - complete.lower) / max(1.0, abs(best)),
        "width": 5,
        "seeds": 2,
    }
    assert verdict.numbers == pytest.approx(expected, rel=1e-12)  # the same operations, run twice
    claims = {claim.id: claim for claim in two_layer.claims}
    assert judge(claims["two_layer.recovery"], verdict.numbers["recovery_defect"]) == "holds_on_tested"
    assert judge(claims["two_layer.no_training_below"], verdict.numbers["above_bound"]) == "holds_on_tested"


def test_a_rival_is_wide_enough_for_every_optimum_unless_it_is_told_its_width(complete):
    assert study.verify(two_layer, DATA, complete, seeds=[0], steps=5).numbers["width"] == 2 * (DATA.n + 1)


def test_the_optimiser_of_the_rival_can_be_chosen(complete):
    verdict = study.verify(two_layer, DATA, complete, seeds=SEEDS, optimiser="lbfgs", steps=STEPS)
    best = train(two_layer.network(14, DATA), DATA, "lbfgs", seeds=SEEDS, steps=STEPS).value
    close(verdict.numbers["best_training"], best)


def test_a_starved_solve_is_inconclusive_and_says_what_it_lacked():
    starved = solve(two_layer.program(DATA), tol=1e-9, method="admm", max_iterations=3)
    verdict = study.verify(two_layer, DATA, starved, seeds=SEEDS, steps=STEPS)
    assert verdict.status == "inconclusive"
    assert "raise `max_iterations`" in verdict.text
    assert verdict.numbers["gap"] > 1e-9
    assert verdict.numbers["lower"] <= verdict.numbers["best_training"]  # both bounds hold all the same


def test_a_tolerance_below_rounding_is_inconclusive():
    data = Data(DATA.X[:3], DATA.y[:3], 0.5)
    verdict = study.run(two_layer, data, tol=1e-16, seeds=[0])  # a float certificate is wider than 16 units
    assert verdict.status == "inconclusive"


def test_a_recovered_network_that_disagrees_contradicts_the_theorem(complete):
    verdict = study.verify(altered(recover=stretched(1.01)), DATA, complete, seeds=SEEDS, steps=STEPS)
    assert verdict.status == "contradicted"
    assert "the recovered network is" in verdict.text
    assert verdict.numbers["recovery_defect"] > study.RECOVERY_TOL
    same = study.verify(altered(recover=stretched(1.0)), DATA, complete, seeds=SEEDS, steps=STEPS)
    assert same.status == "certified"


@pytest.mark.parametrize("error", [1e-3, -1e-3, math.nan])
def test_a_recovered_network_that_scores_too_high_too_low_or_nothing_contradicts_the_theorem(complete, error):
    off = altered(objective=lambda network, data: two_layer.objective(network, data) + error)
    assert study.verify(off, DATA, complete, seeds=[0], steps=5).status == "contradicted"


def test_training_below_a_bound_on_all_networks_contradicts_the_theorem(complete):
    verdict = study.verify(altered(network=cheap_network), DATA, complete, seeds=SEEDS)
    assert verdict.status == "contradicted"
    assert "below the bound" in verdict.text
    assert verdict.numbers["above_bound"] < -study.BELOW_TOL
    assert verdict.numbers["best_training"] < complete.lower


def test_training_below_a_bound_on_sampled_patterns_is_only_reported(sampled):
    verdict = study.verify(two_layer, DATA, sampled, seeds=SEEDS)
    assert verdict.status == "certified"
    assert verdict.text == "gap below 1e-06 (program scope), best of 2 trainings below the bound"
    assert verdict.numbers["best_training"] < sampled.lower
    assert verdict.numbers["above_bound"] < 0


# ---- the rule, at its boundaries ------------------------------------------------------------------------------------


def judged(solution, best: float, defect: float = 0.0, **certificate) -> str:
    bounds = replace(solution.certificate, **certificate)
    return study._judge(replace(solution, certificate=bounds, tol=1e-6), defect, best, 3, {}).status


@pytest.mark.parametrize(
    ("gap", "status"),
    [(0.0, "certified"), (1e-6, "certified"), (math.nextafter(1e-6, 1), "inconclusive"), (math.nan, "inconclusive")],
)
def test_a_gap_is_small_enough_up_to_the_tolerance_and_no_further(complete, gap, status):
    assert judged(complete, best=10.0, gap=gap) == status


@pytest.mark.parametrize(
    ("defect", "status"),
    [
        (0.0, "certified"),
        (study.RECOVERY_TOL, "certified"),
        (math.nextafter(study.RECOVERY_TOL, 1), "contradicted"),
        (math.inf, "contradicted"),
        (math.nan, "contradicted"),
    ],
)
def test_a_recovered_network_may_be_off_up_to_the_tolerance_and_no_further(complete, sampled, defect, status):
    assert judged(complete, best=10.0, defect=defect) == status
    assert judged(sampled, best=10.0, defect=defect) == status


@pytest.mark.parametrize(("lower", "scale"), [(0.0, 1.0), (0.01, 1.0), (2.0, 2.0), (5e3, 5e3), (-40.0, 40.0)])
def test_training_may_end_below_a_bound_by_rounding_and_no_further(complete, sampled, lower, scale):
    allowed = study.BELOW_TOL * scale
    for below, status in ((-1.0, "certified"), (0.9, "certified"), (1.1, "contradicted"), (1e6, "contradicted")):
        assert judged(complete, best=lower - below * allowed, lower=lower) == status
        assert judged(sampled, best=lower - below * allowed, lower=lower) == "certified"


def test_a_verdict_is_as_strict_as_the_claims_that_a_notebook_measures():
    claims = {claim.id: claim for claim in two_layer.claims}
    assert claims["two_layer.recovery"].tolerance == study.RECOVERY_TOL
    assert claims["two_layer.no_training_below"].tolerance == study.BELOW_TOL


# ---- gated rivals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", ["none", "regularised", "unregularised"])
@pytest.mark.parametrize("patterns", ["all", 5])
def test_a_gated_rival_has_the_gates_of_the_program_and_stays_above_its_bound(bias, patterns):
    data = two_layer.sample("tiny", 1)
    solution = solve(two_layer.program(data, patterns, activation="gated", bias=bias))
    rivals = []

    def network(width, data, **options):
        rivals.append(two_layer.network(width, data, **options))
        return rivals[-1]

    verdict = study.verify(altered(network=network), data, solution, seeds=SEEDS, optimiser="lbfgs", steps=1000)
    gates = solution.program.model.network_gates()
    assert len(rivals) == 1
    assert rivals[0].bias == bias
    assert np.array_equal(rivals[0].gates.numpy(), gates)
    assert verdict.status == "certified"
    assert verdict.numbers["width"] == rivals[0].width == len(gates)
    assert verdict.numbers["above_bound"] >= -study.BELOW_TOL
    assert verdict.numbers["above_bound"] <= 0.02  # local minima aside, the same gates reach the same value


def test_the_gates_of_the_program_fix_the_width_of_the_rival():
    solution = solve(two_layer.program(DATA, 4, activation="gated"))
    found = study.verify(two_layer, DATA, solution, seeds=[0], steps=5, width=50).numbers["width"]
    assert found == solution.program.groups


def test_a_rival_with_other_gates_can_end_below_the_bound():
    solution = solve(two_layer.program(DATA, 2, activation="gated"))
    other = two_layer.network(40, DATA, activation="gated")
    assert train(other, DATA, seeds=[0]).value < solution.lower - 0.01


# ---- studies over widths and over samples ---------------------------------------------------------------------------


def test_one_row_a_width_and_one_column_a_seed(complete):
    values = study.against_width(two_layer, DATA, [1, 4, 16], iter([2, 7]), steps=STEPS)
    assert values.shape == (3, 2)
    for row, width in zip(values, [1, 4, 16]):
        for value, seed in zip(row, [2, 7]):
            close(value, train(two_layer.network(width, DATA), DATA, seeds=[seed], steps=STEPS).value, VALUE["solve"])
    assert (values >= complete.lower).all()
    best = values.min(1)
    assert best[0] > complete.value + 0.1, "one neuron does not fit this sample"
    assert best[2] < best[1] < best[0]


def test_the_options_of_a_width_study_reach_its_networks():
    values = study.against_width(two_layer, DATA, [3], [0], steps=STEPS, activation="gated", bias="regularised")
    network = two_layer.network(3, DATA, activation="gated", bias="regularised")
    close(values[0, 0], train(network, DATA, seeds=[0], steps=STEPS).value)


def test_more_draws_of_the_same_seed_never_raise_the_value(complete):
    draws, seeds = [1, 2, 4, 8, 16, 64], [0, 1, 4]
    values = study.against_draws(two_layer, DATA, draws, iter(seeds))
    assert values.shape == (6, 3)
    for row, P in zip(values, draws):
        for value, seed in zip(row, seeds):
            close(value, solve(two_layer.program(DATA, patterns=P, seed=seed)).value, VALUE["solve"])
    assert (np.diff(values, axis=0) <= VALUE["solve"] * values[:-1].clip(1)).all()
    assert (values[0] > values[-1] + 0.1).all(), "one draw is not enough for this sample"
    assert (values >= complete.lower).all()


def test_the_draws_of_a_smaller_sample_are_among_those_of_a_larger_one():
    for seed in range(3):
        chosen = [two_layer.program(DATA, patterns=P, seed=seed).model.D for P in (2, 5, 40)]
        patterns = [{tuple(column) for column in D.T.tolist()} for D in chosen]
        assert patterns[0] <= patterns[1] <= patterns[2]
        assert patterns[0] < patterns[2]


def test_the_options_and_the_tolerance_of_a_draw_study_reach_its_programs():
    values = study.against_draws(two_layer, DATA, [3], [0], activation="gated", bias="regularised")
    program = two_layer.program(DATA, patterns=3, activation="gated", bias="regularised")
    close(values[0, 0], solve(program).value, VALUE["solve"])
    tight = study.against_draws(two_layer, DATA, [3], [0], tol=1e-10)
    close(tight[0, 0], solve(two_layer.program(DATA, patterns=3), tol=1e-10).value, 1e-10)  # the tolerance asked for


def test_a_draw_that_is_not_solved_is_refused(monkeypatch):
    monkeypatch.setattr(study, "solve", lambda program, tol: solve(program, tol, method="admm", max_iterations=3))
    with pytest.raises(ValueError, match=r"4 sampled patterns \(seed 2\) is not solved: .*raise `max_iterations`"):
        study.against_draws(two_layer, DATA, [4], [2], tol=1e-9)


# ---- real data ------------------------------------------------------------------------------------------------------


def labelled(seed: int = 0):
    """Two overlapping clouds of fifteen points each, labels -1/+1, columns of very different scale."""
    rng = np.random.default_rng(seed)
    y = np.repeat([-1.0, 1.0], 15)
    return (rng.standard_normal((30, 2)) + 0.7 * y[:, None]) * [1.0, 50.0] + [3.0, -20.0], y


@pytest.fixture(scope="module", params=[3, 300], ids=["hardly trained", "trained"])
def comparison(request):
    X, y = labelled()
    options = {"patterns": 6, "width": 10, "seeds": SEEDS, "steps": request.param, "budget": 1.0, "name": "clouds"}
    return study.real(two_layer, X, y, 0.1, **options)


def test_real_data_are_split_standardised_and_regularised_by_a_share_of_beta_max(comparison):
    X_train, y_train, _, _ = split(*labelled(), seed=0)
    data = comparison.data
    assert data.name == "clouds"
    assert np.array_equal(data.y, y_train)
    close(data.X, (X_train - X_train.mean(0)) / X_train.std(0))
    close(data.beta, 0.1 * comparison.solution.program.beta_max())
    program = two_layer.program(data, patterns=6, bias="regularised")
    close(comparison.solution.value, solve(program).value, VALUE["solve"])


def test_the_network_of_real_data_scores_the_program(comparison):
    assert comparison.solution.status == "solved"
    assert comparison.network.bias == comparison.training.best.bias == "regularised"
    close(two_layer.objective(comparison.network, comparison.data), comparison.solution.value, VALUE["solve"])
    assert comparison.network.width <= comparison.solution.active.sum()
    rival = two_layer.network(10, comparison.data, bias="regularised")
    steps = int(comparison.training.iterations[-1])
    close(comparison.training.value, train(rival, comparison.data, seeds=SEEDS, steps=steps).value, VALUE["solve"])


def test_the_network_of_real_data_has_no_neuron_twice():
    def doubled(data, solution):
        """Every neuron as two halves: the same function and the same objective."""
        found = two_layer.recover(data, solution)
        U, A, b = (np.concatenate([p.detach(), p.detach()]) / np.sqrt(2) for p in (found.U, found.A, found.b))
        return TwoLayer(U, A, found.loss, b, bias=found.bias)

    found = study.real(altered(recover=doubled), *labelled(), 0.1, patterns=6, width=4, seeds=[0], steps=5, budget=0.5)
    assert found.network.width <= found.solution.active.sum()
    close(two_layer.objective(found.network, found.data), found.solution.value, VALUE["solve"])


def test_the_bound_of_real_data_lies_below_every_network(comparison):
    optimum = solve(two_layer.program(comparison.data, bias="regularised"))
    assert optimum.certificate.scope == "network"
    lower = comparison.bound.lower
    assert lower <= optimum.value
    assert lower <= comparison.solution.value
    assert lower <= comparison.training.value
    assert lower >= 0.5 * optimum.lower, "the residuals of both networks were tried, and one of them is good enough"


def test_the_excess_is_how_far_the_sampled_program_lies_above_the_run(comparison):
    lower, run = comparison.solution.lower, comparison.training.value
    close(comparison.excess, lower / run - 1)
    hardly_trained = len(comparison.training.iterations) < 10
    assert (comparison.excess < 0) == hardly_trained  # six patterns are beaten by training, but not at once


def test_the_bound_of_real_data_counts_the_bias_as_a_feature(comparison, rng):
    data, v = comparison.data, comparison.bound.v
    u = rng.standard_normal((3, 5000))
    hidden = np.maximum(np.hstack([data.X, np.ones((data.n, 1))]) @ (u / np.linalg.norm(u, axis=0)), 0)
    assert np.abs(v @ hidden).max() <= data.beta
    close(comparison.bound.lower, v @ data.y - v @ v / 2)


@pytest.mark.parametrize(("lower", "run", "excess"), [(3.0, 2.0, 0.5), (0.2, 0.1, 1.0), (0.1, 0.2, -0.5), (7, 7, 0)])
def test_the_excess_is_relative_to_the_run_however_small(comparison, lower, run, excess):
    found = replace(comparison, solution=SimpleNamespace(lower=lower), training=SimpleNamespace(value=run))
    close(found.excess, excess)


def test_the_accuracies_are_shares_of_the_test_points(comparison):
    X_train, _, X_test, y_test = split(*labelled(), seed=0)
    X_test = (X_test - X_train.mean(0)) / X_train.std(0)
    networks = (comparison.network, comparison.training.best)
    right = [int((net.predict(X_test)[:, 0] * y_test > 0).sum()) for net in networks]
    assert comparison.accuracy == tuple(count / len(y_test) for count in right)
    assert all(0 <= share <= 1 for share in comparison.accuracy)


def test_clouds_that_hardly_overlap_are_told_apart():
    X, y = labelled()
    X = X + 3 * y[:, None] * [1.0, 50.0]
    found = study.real(two_layer, X, y, 0.05, patterns=20, width=10, seeds=[0], steps=300, budget=0.5)
    assert found.accuracy == (1.0, 1.0)
