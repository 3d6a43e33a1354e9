"""Closed forms of batch-normalised networks: one output, one-hot labels, any depth, and where they stop."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from tolerances import close

from convexnn import Data, solve
from convexnn.numerics import tensor
from convexnn.theorems import batch_norm, deep_relu, two_layer
from convexnn.theorems.batch_norm.golden import golden
from convexnn.theorems.deep_relu.normalised_network import normalised_form
from convexnn.theorems.shared.closed_forms import huber


def gaussian(seed, n, d, beta=0.2, outputs=()):
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((n, d)), rng.standard_normal((n, *outputs)), beta)


def positive_parts(data):
    """sum h(|y_+|) + h(|y_-|)."""
    return sum(huber(float(np.linalg.norm(np.maximum(sign * data.y, 0))), data.beta) for sign in (1, -1))


@pytest.mark.parametrize("seed", range(5))
def test_the_scalar_closed_form_is_optimal_and_has_the_papers_weights(seed):
    data = gaussian(seed, 6, 8, beta=0.4)
    form = batch_norm.closed_form(data)
    lower = solve(two_layer.program(replace(data, X=batch_norm.whitening(data.X).features)), tol=1e-9).lower
    close(form.value, lower, 1e-8)
    close(form.value, positive_parts(data))
    close(batch_norm.objective(form.network, data), form.value)
    f, value = np.zeros(6), 0.0
    for sign in (1.0, -1.0):  # the printed weights: w = X^+ y, g and a of unit length, output (|y| - beta)_+
        part = np.maximum(sign * data.y, 0)
        size = np.linalg.norm(part)
        w, out = np.linalg.pinv(data.X) @ part, max(size - data.beta, 0)
        g, a = np.linalg.norm(part - part.mean()) / size, part.sum() / np.sqrt(6) / size
        close(g * g + a * a, 1.0)
        z = data.X @ w - (data.X @ w).mean()
        f += sign * out * np.maximum(g * z / np.linalg.norm(z) + a / np.sqrt(6), 0)
        value += data.beta * out
    close(form.network.predict(data.X)[:, 0], f)
    close(0.5 * np.sum((f - data.y) ** 2) + value, form.value)


def test_the_one_hot_closed_form_meets_the_copositive_dual_at_every_depth():
    rng, labels = np.random.default_rng(3), np.repeat(np.arange(3), (4, 3, 2))
    tall, flat = (Data(rng.standard_normal((9, d)), np.eye(3)[labels], 0.3) for d in (12, 4))
    form = batch_norm.closed_form(tall)
    white = replace(tall, X=batch_norm.whitening(tall.X).features)
    close(form.value, solve(deep_relu.program(white, depth=2), tol=1e-9).lower, 1e-8)
    close(form.value, normalised_form(tall)[1])
    close(form.value, sum(0.3 * np.sqrt(m) - 0.045 for m in (4, 3, 2)))
    for widths in ((4, 40), (4, 40, 40)):
        inner = [rng.standard_normal(pair) for pair in pairwise(widths)]
        deep = batch_norm.closed_form(flat, inner)
        close(batch_norm.objective(deep.network, flat), form.value)
    hidden = form.network.hidden(tensor(tall.X)).detach().numpy()
    expected = np.eye(3)[labels] / np.sqrt((4, 3, 2)) * np.sqrt(np.sqrt((4, 3, 2)) - 0.3)
    close(hidden, expected)  # one feature vector a class


@pytest.mark.parametrize("factor", [0.999, 1.001])
def test_a_class_is_silent_from_the_square_root_of_its_size_on(factor):
    labels = np.repeat(np.arange(3), (4, 3, 2))
    data = Data(np.random.default_rng(0).standard_normal((9, 12)), np.eye(3)[labels], np.sqrt(2) * factor)
    assert batch_norm.closed_form(data).network.width == (3 if factor < 1 else 2)


def test_closed_forms_refuse_data_outside_their_class():
    with pytest.raises(ValueError, match="rank 2, the closed form needs n - 1 = 7"):
        batch_norm.closed_form(golden("scalar")[0])
    with pytest.raises(ValueError, match="y is not one-hot"):
        batch_norm.closed_form(gaussian(0, 5, 8, outputs=(2,)))
    with pytest.raises(ValueError, match="use the program for patches"):
        batch_norm.closed_form(golden("patches")[0])


def test_below_full_rank_the_formula_is_a_bound_that_is_not_reached():
    data, _ = golden("scalar")
    solution = solve(batch_norm.program(data), tol=1e-7)
    assert solution.lower > positive_parts(data) + 0.1
