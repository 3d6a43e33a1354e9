"""The contract of a theorem, for every file in `theorems/`: nothing here names one of them."""

import inspect
import math
from functools import cache
from typing import get_args

import numpy as np
import pytest
import torch
from tolerances import AGREEMENT, VALUE, close

from convexnn import Data, certify, solve, train
from convexnn.claims import STATUSES, Claim, Kind, Scope, Source, judge
from convexnn.program import Program
from convexnn.theorems import all_theorems
from convexnn.theorems.contract import MEMBERS, Theorem

THEOREMS = all_theorems()
every_theorem = pytest.mark.parametrize("name", THEOREMS)
every_seed = pytest.mark.parametrize("seed", range(3))


@cache
def solved(name: str, seed: int):
    data = THEOREMS[name].sample("tiny", seed)
    return data, solve(THEOREMS[name].program(data), device="cpu", budget=10)


def test_discovery_finds_theorems_and_no_shared_files():
    assert "two_layer" in THEOREMS
    assert not {"contract", "__init__"} & set(THEOREMS)
    assert not [name for name in THEOREMS if name.startswith("_")]


@every_theorem
def test_a_theorem_has_every_member_of_the_contract(name):
    theorem = THEOREMS[name]
    assert [member for member in MEMBERS if member not in vars(theorem)] == []
    assert isinstance(theorem, Theorem)
    for member in ("assumptions", "sample", "reference", "program", "recover", "network", "objective"):
        asked = list(inspect.signature(getattr(Theorem, member)).parameters)[1:]
        given = inspect.signature(getattr(theorem, member)).parameters
        assert [p for p in asked if p not in given and p != "options"] == [], f"{member} lacks parameters"


@every_theorem
def test_a_theorem_says_what_it_states_and_where_it_is_tested(name):
    text = THEOREMS[name].__doc__ or ""
    assert "min" in text or "max" in text
    assert f"tests/theorems/test_{name}.py" in text
    for member in ("sample", "reference", "program", "recover", "network", "objective"):
        assert getattr(THEOREMS[name], member).__doc__, f"{member} has no docstring"


@every_theorem
def test_claims_are_well_formed_and_carry_the_name_of_their_theorem(name):
    theorem = THEOREMS[name]
    assert isinstance(theorem.source, Source)
    assert theorem.claims
    for claim in theorem.claims:
        assert isinstance(claim, Claim)
        assert claim.id.startswith(f"{name}.")
        assert claim.kind in get_args(Kind)
        assert claim.scope in get_args(Scope)
        assert claim.source.paper
        assert claim.source.arxiv or claim.source.paper.startswith("this project")
        assert len(claim.statement.split()) >= 3
        assert 0 <= claim.tolerance <= 0.1, "a claim this loose says nothing"
        assert judge(claim, math.nan) == "inconclusive"
        assert {judge(claim, x) for x in (-1e9, 0.0, 1e9)} - {"inconclusive", "contradicted"} <= set(STATUSES)
        assert len({judge(claim, x) for x in (-1e9, 0.0, 1e9)}) == 2, "a claim that no measurement can fail"


def test_no_two_claims_have_the_same_id():
    ids = [claim.id for theorem in THEOREMS.values() for claim in theorem.claims]
    assert len(ids) == len(set(ids))


@every_theorem
@pytest.mark.parametrize("size", ["tiny", "quick"])
def test_a_sample_is_its_size_and_seed(name, size):
    theorem = THEOREMS[name]
    first, again, other = (theorem.sample(size, seed) for seed in (0, 0, 1))
    assert isinstance(first, Data)
    assert np.array_equal(first.X, again.X)
    assert np.array_equal(first.y, again.y)
    assert first.beta == again.beta
    assert not np.array_equal(first.y, other.y) or not np.array_equal(first.X, other.X)


@every_theorem
def test_the_sizes_are_tiny_quick_and_full_in_growing_order(name):
    theorem = THEOREMS[name]
    assert tuple(theorem.sizes) == ("tiny", "quick", "full")
    amounts = [theorem.sample(size).X.size for size in theorem.sizes[:2]]
    assert amounts[0] < amounts[1]
    with pytest.raises(ValueError, match=r"size is 'tinny'.*Did you mean 'tiny'"):
        theorem.sample("tinny")


@every_theorem
def test_the_assumptions_are_sentences_that_the_program_carries(name):
    theorem = THEOREMS[name]
    data = theorem.sample("tiny")
    said = theorem.assumptions(data)
    assert said
    assert all(isinstance(text, str) and text for text in said)
    assert set(said) <= set(theorem.program(data).assumptions)


@every_theorem
def test_the_global_generators_are_left_alone(name):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002  the global generator is what is tested
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    theorem = THEOREMS[name]
    data = theorem.sample("tiny", 3)
    theorem.program(data)
    theorem.network(3, data)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@every_theorem
@every_seed
def test_the_reference_and_the_program_have_the_same_value(name, seed):
    data, solution = solved(name, seed)
    reference = THEOREMS[name].reference(data)
    expected = reference.solve(solver="CLARABEL")
    assert reference.status == "optimal"
    assert abs(solution.value - expected) <= AGREEMENT * max(1e-3, abs(expected))
    assert solution.lower <= expected + VALUE["CLARABEL"]


@every_theorem
@every_seed
def test_the_default_solve_is_certified(name, seed):
    data, solution = solved(name, seed)
    program = THEOREMS[name].program(data)
    assert isinstance(program, Program)
    assert solution.status == "solved", solution.message
    assert 0 <= solution.gap <= 1e-6
    assert certify(program, solution.Z).upper <= solution.value + VALUE["solve"]


@every_theorem
@every_seed
def test_the_recovered_network_has_the_value_of_the_program(name, seed):
    data, solution = solved(name, seed)
    network = THEOREMS[name].recover(data, solution)
    assert isinstance(network, torch.nn.Module)
    assert {p.dtype for p in network.parameters()} == {torch.float64}
    close(THEOREMS[name].objective(network, data), solution.value, VALUE["solve"])
    prediction = solution.program.predict(torch.as_tensor(solution.Z))
    close(network(torch.as_tensor(data.X.copy())).detach().reshape(prediction.shape), prediction, VALUE["solve"])


@every_theorem
def test_a_perturbed_recovered_network_does_not_have_the_value_of_the_program(name):
    data, solution = solved(name, 0)
    network = THEOREMS[name].recover(data, solution)
    with torch.no_grad():
        for p in network.parameters():
            p.mul_(1.01)
    assert THEOREMS[name].objective(network, data) > solution.value + VALUE["solve"]


@every_theorem
@every_seed
def test_no_training_run_ends_below_the_lower_bound(name, seed):
    data, solution = solved(name, seed)
    network = THEOREMS[name].network(12, data)
    run = train(network, data, seeds=range(3), steps=300, device="cpu")
    if solution.certificate.scope == "network":
        assert run.curves.min() >= solution.lower - 1e-9
    close(run.value, THEOREMS[name].objective(run.best, data))


@every_theorem
def test_the_objective_of_a_network_is_the_one_that_training_follows(name):
    data = THEOREMS[name].sample("tiny", 1)
    network = THEOREMS[name].network(3, data)
    Y = torch.as_tensor(data.y.copy()).reshape(data.n, -1)
    close(
        THEOREMS[name].objective(network, data),
        network.training_loss(torch.as_tensor(data.X.copy()), Y, data.beta).detach(),
    )
    again = THEOREMS[name].network(3, data)
    assert THEOREMS[name].objective(again, data) == THEOREMS[name].objective(network, data)


@every_theorem
def test_a_network_without_neurons_is_refused(name):
    with pytest.raises(ValueError, match="width is 0"):
        THEOREMS[name].network(0, THEOREMS[name].sample("tiny"))
