"""Wrong inputs: each is a ValueError that names the argument, the fault and the remedy."""

import re

import numpy as np
import pytest
import torch

from convexnn import Data, solve, train
from convexnn.claims import Claim
from convexnn.numerics import check_choice, check_finite, check_positive, resolve_device
from convexnn.theorems import deep_relu, parallel, two_layer
from convexnn.theorems.deep_relu import forms
from convexnn.theorems.shared import closed_forms
from convexnn.theorems.shared.kinks import interpolation_cost
from convexnn.theorems.shared.sparsest import smallest_weights
from convexnn.theorems.vector_output.columns import column_generation

X = np.random.default_rng(0).normal(size=(6, 2))
y = np.random.default_rng(1).normal(size=6)
DATA = Data(X, y, 0.1)
ONE_HOT = np.eye(3)[[0, 1, 2, 0, 1, 2]]


def with_entry(array: np.ndarray, index, entry: float) -> np.ndarray:
    changed = array.copy()
    changed[index] = entry
    return changed


def program(**options):
    return two_layer.program(DATA, **options)


def solved(**options):
    return solve(program(activation="gated"), **options)


# name: (call, words of the message in this order: argument, fault, remedy)
REFUSED = {
    # data
    "a NaN in X": (
        lambda: Data(with_entry(X, (3, 1), np.nan), y, 0.1),
        ["X has 1 non-finite", "(3, 1)", "drop or impute"],
    ),
    "an infinity in y": (
        lambda: Data(X, with_entry(y, 2, np.inf), 0.1),
        ["y has 1 non-finite", "(2,)", "drop or impute"],
    ),
    "y of another length": (
        lambda: Data(X, y[:5], 0.1),
        ["y has shape (5,)", "X has 6 rows", "one target for each row"],
    ),
    "a scalar y": (lambda: Data(X, np.float64(1.0), 0.1), ["y has shape", "X has 6 rows", "one target for each row"]),
    "no rows": (lambda: Data(X[:0], y[:0], 0.1), ["X has shape (0, 2)", "empty", "at least one row"]),
    "no columns": (lambda: Data(X[:, :0], y, 0.1), ["X has shape (6, 0)", "empty", "one column"]),
    "y without columns": (lambda: Data(X, np.zeros((6, 0)), 0.1), ["y has shape (6, 0)", "no targets", "one column"]),
    "a vector X": (lambda: Data(X[:, 0], y, 0.1), ["X has shape (6,)", "matrix (n, d)", "reshape(-1, 1)"]),
    "words in X": (lambda: Data(np.array([["a", "b"]]), y[:1], 0.1), ["X has dtype", "encode categories"]),
    "objects in y": (lambda: Data(X[:2], np.array([None, 1]), 0.1), ["y has dtype object", "pass real numbers"]),
    "beta zero": (lambda: Data(X, y, 0.0), ["beta is 0.0", "beta > 0", "1e-8 * program.beta_max()"]),
    "beta negative": (lambda: Data(X, y, -1.0), ["beta is -1.0", "beta > 0", "1e-8"]),
    "beta NaN": (lambda: Data(X, y, float("nan")), ["beta is nan", "finite number beta > 0"]),
    "beta infinite": (lambda: Data(X, y, float("inf")), ["beta is inf", "finite number beta > 0"]),
    "beta a word": (lambda: Data(X, y, "0.1"), ["beta is '0.1'", "number"]),
    "beta a vector": (lambda: Data(X, y, np.array([0.1, 0.2])), ["beta is array", "number"]),
    "beta missing": (lambda: Data(X, y, None), ["beta is None", "number"]),
    # the theorems
    "no hidden neuron": (lambda: deep_relu.network(4, DATA, hidden=0), ["hidden is 0", "whole number >= 1"]),
    "no branch": (lambda: parallel.network(0, DATA), ["width is 0", "whole number >= 1"]),
    "true as a width": (lambda: parallel.network(True, DATA), ["width is True", "whole number >= 1"]),
    "images for a closed form": (
        lambda: closed_forms.whitened(Data(X.reshape(6, 2, 1), y, 0.1)),
        ["X has shape (6, 2, 1)", "pass a matrix", "X.reshape(len(X), -1)"],
    ),
    "images for deep whitened data": (
        lambda: forms.whitened(Data(X.reshape(6, 2, 1), y, 0.1)),
        ["X has shape (6, 2, 1)", "pass a matrix"],
    ),
    "patterns for fewer patches": (
        lambda: column_generation(DATA, patterns=np.ones((5, 3), dtype=bool)),
        ["patterns has 5 rows", "6 rows of patches"],
    ),
    "too few values on a line": (
        lambda: interpolation_cost(np.arange(5.0), np.arange(4.0)),
        ["t has shape (5,), y (4,)", "one value for each point"],
    ),
    "too few targets for a dictionary": (
        lambda: smallest_weights(np.ones((5, 3)), np.ones(4)),
        ["y has shape (4,)", "each of the 5 rows of Phi"],
    ),
    "a misspelt loss": (
        lambda: program(loss="squaredd"),
        ["loss is 'squaredd'", "choose one of", "Did you mean 'squared'?"],
    ),
    "a misspelt bias": (lambda: program(bias="unregularized"), ["bias is", "Did you mean 'unregularised'?"]),
    "a misspelt activation": (lambda: program(activation="rellu"), ["activation is 'rellu'", "Did you mean 'relu'?"]),
    "a misspelt pattern option": (lambda: program(patterns="al"), ["patterns is 'al'", "Did you mean 'all'?"]),
    "a misspelt size": (lambda: two_layer.sample("tinny"), ["size is 'tinny'", "Did you mean 'tiny'?"]),
    "patterns of another height": (
        lambda: program(patterns=np.ones((5, 3), dtype=bool)),
        ["patterns has shape (5, 3)", "bool array (6, P)"],
    ),
    "patterns of numbers": (
        lambda: program(patterns=np.ones((6, 3))),
        ["patterns has", "dtype float64", "bool array (6, P)"],
    ),
    "a vector of patterns": (
        lambda: program(patterns=np.ones(6, dtype=bool)),
        ["patterns has shape (6,)", "bool array"],
    ),
    "only the zero pattern": (
        lambda: program(patterns=np.zeros((6, 2), dtype=bool)),
        ["patterns", "all-zero", "at least one other"],
    ),
    "no pattern at all": (lambda: program(patterns=np.zeros((6, 0), dtype=bool)), ["patterns", "at least one"]),
    "zero sampled patterns": (lambda: program(patterns=0), ["P is 0", "positive number of gates"]),
    "True for patterns": (lambda: program(patterns=True), ["patterns has shape ()", "'all', an int, or a bool array"]),
    "more cells than the limit": (lambda: program(limit=3), ["up to 12 patterns", "limit=3", "sample_patterns"]),
    "images": (lambda: two_layer.program(Data(np.zeros((2, 3, 3)), y[:2], 0.1)), ["X has shape (2, 3, 3)", "matrices"]),
    "targets without signs": (lambda: program(loss="hinge"), ["y holds", "-1 and +1", "np.where"]),
    "one column of classes": (lambda: program(loss="cross_entropy"), ["y has shape (6, 1)", "one-hot", "np.eye"]),
    "labels that count": (
        lambda: two_layer.program(Data(X, 2 * ONE_HOT, 0.1), loss="cross_entropy"),
        ["y has shape (6, 3)", "one-hot"],
    ),
    "no neurons": (lambda: two_layer.network(0, DATA), ["width is 0", "whole number >= 1"]),
    "half a neuron": (lambda: two_layer.network(2.5, DATA), ["width is 2.5", "whole number >= 1"]),
    "a foreign module": (
        lambda: two_layer.objective(torch.nn.Linear(2, 1), DATA),
        ["network is not", "two_layer.network"],
    ),
    # solve
    "a misspelt method": (
        lambda: solved(method="fistaa"),
        ["method is 'fistaa'", "choose one of", "Did you mean 'fista'?"],
    ),
    "fista on a cone": (
        lambda: solve(program(), method="fista"),
        ["method='fista'", "cone", "method='admm' or 'auto'"],
    ),
    "fista on a kink": (
        lambda: solve(two_layer.program(Data(X, np.sign(y), 0.1), activation="gated", loss="hinge"), method="fista"),
        ["method='fista'", "smooth loss", "method='admm'"],
    ),
    "tolerance zero": (lambda: solved(tol=0.0), ["tol is 0.0", "tol > 0"]),
    "tolerance NaN": (lambda: solved(tol=float("nan")), ["tol is nan", "tol > 0"]),
    "a negative budget": (lambda: solved(budget=-1.0), ["budget is -1.0", "budget > 0"]),
    "an unknown device": (lambda: solved(device="gpu"), ["device", "gpu"]),
    "a warm start of another shape": (
        lambda: solved(warm_start=np.zeros((2, 2, 1))),
        ["warm_start has shape (2, 2, 1)"],
    ),
    "a warm start with a NaN": (
        lambda: solved(
            warm_start=np.full(program(activation="gated").operator.domain, np.nan), method="fista", max_iterations=50
        ),
        ["warm_start has", "non-finite"],
    ),
    "no iterations": (lambda: solved(method="fista", max_iterations=0), ["max_iterations is 0"]),
    # train
    "a misspelt optimiser": (
        lambda: train(two_layer.network(2, DATA), DATA, optimiser="adamm"),
        ["optimiser is 'adamm'", "Did you mean 'adam'?"],
    ),
    "no seeds": (lambda: train(two_layer.network(2, DATA), DATA, seeds=[]), ["seeds is empty", "seeds=range(5)"]),
    "no steps": (lambda: train(two_layer.network(2, DATA), DATA, steps=0), ["steps is 0", "steps > 0"]),
    "a rate of zero": (lambda: train(two_layer.network(2, DATA), DATA, learning_rate=0), ["learning_rate is 0"]),
    # claims
    "a claim without a theorem": (
        lambda: Claim("count", "s", two_layer.source, "agreement", 0.0),
        ["claim id 'count'", "'theorem.claim'"],
    ),
    "a claim with a negative tolerance": (
        lambda: Claim("a.b", "s", two_layer.source, "agreement", -1.0),
        ["a.b", "tolerance is -1.0", ">= 0"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_input_is_refused_by_name_with_the_cure(name):
    call, words = REFUSED[name]
    with pytest.raises(ValueError, match="(?s)" + ".*".join(map(re.escape, words))):
        call()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU that the test says is missing")
def test_a_gpu_that_is_not_there_is_an_error_and_no_fallback():
    with pytest.raises(ValueError, match=r"device is 'cuda' but torch sees no GPU; pass device='cpu'"):
        solved(device="cuda")
    assert resolve_device("auto").type == "cpu"


def test_several_faults_are_counted_and_the_first_is_located():
    broken = with_entry(with_entry(X, (4, 0), np.inf), (1, 1), np.nan)
    with pytest.raises(ValueError, match=r"X has 2 non-finite value\(s\), the first at index \(1, 1\)"):
        check_finite(good=X, X=broken)


def test_good_values_pass_the_checks():
    check_finite(X=X, mask=X > 0, labels=np.arange(3), t=torch.ones(2))
    check_positive(beta=1e-300, steps=3, tol=np.float64(1e-6))
    check_choice("loss", "squared", ["squared"])


def test_a_choice_without_a_near_name_gets_no_guess():
    with pytest.raises(ValueError) as caught:
        check_choice("loss", "zzz", ["squared", "hinge"])
    assert "Did you mean" not in str(caught.value)


def test_data_are_frozen_copies_of_what_was_passed():
    source = X.astype(np.float32)
    data = Data(source, list(y), 1)
    assert data.X.dtype == data.y.dtype == np.float64
    assert isinstance(data.beta, float)
    assert not data.X.flags.writeable
    assert (data.n, data.d) == (6, 2)


def test_making_data_leaves_the_callers_arrays_writeable():
    mine = X.copy()
    data = Data(mine, y.copy(), 0.1)
    mine[0, 0] = 1e9
    assert data.X[0, 0] == X[0, 0]
