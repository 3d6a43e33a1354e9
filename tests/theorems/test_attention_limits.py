"""Where the attention theorems stop, and real tokens: separate Q, K, V, O, softmax, exact ReLU, numbers of heads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tolerances import close

from convexnn import Data, solve, train
from convexnn.theorems import attention
from convexnn.theorems.attention import beyond, real_tokens
from convexnn.theorems.attention.factored import descend
from convexnn.theorems.attention.separate import SeparateHeads

GOLDEN = attention.sample("tiny", 401)


@pytest.mark.parametrize("activation", ["linear", "softmax"])
def test_separate_heads_are_merged_heads_with_another_penalty(activation):
    heads = SeparateHeads.of_size(2, 2, 2)
    heads.activation = activation
    merged = heads.merged()
    close(heads.predict(GOLDEN.X), merged.predict(GOLDEN.X))
    sides = [W.detach().numpy()[0].reshape(2, 2, 2) for W in (merged.left, merged.right)]
    cheapest = sum(beyond.separate_decay(W1.T, W2) for W1, W2 in zip(*sides))
    assert heads.penalty().item() > cheapest > 0


def test_trained_separate_heads_cost_what_the_formula_says_and_more_than_merged_ones():
    runs = train(SeparateHeads.of_size(4, 2, 2), GOLDEN, "lbfgs", range(4), steps=500)
    best, optimum = runs.best.merged(), solve(attention.program(GOLDEN), tol=1e-8)
    sides = [W.detach().numpy()[0].reshape(-1, 2, 2) for W in (best.left, best.right)]
    price = sum(beyond.separate_decay(W1.T, W2) for W1, W2 in zip(*sides))
    loss = 0.5 * np.square(best.predict(GOLDEN.X) - GOLDEN.y.reshape(5, -1)).sum()
    close(loss + GOLDEN.beta * price, runs.value, 1e-7)
    assert runs.value > 1.1 * optimum.value
    assert runs.final.max() > 1.001 * runs.value, "equal widths, other minima"


def test_zero_traps_separate_heads_and_not_merged_ones():
    nothing = 0.5 * float(np.square(GOLDEN.y).sum())
    near = SeparateHeads.of_size(3, 2, 2, start=0.05)
    close(train(near, GOLDEN, "lbfgs", range(3), steps=500).final, np.full(3, nothing), 1e-6)
    merged = near.merged()
    assert descend(merged, GOLDEN, 2000)[1] < 0.6 * nothing


@pytest.mark.parametrize("seed", range(3))
def test_softmax_goes_below_the_linear_bound_on_its_own_targets(seed):
    teacher = attention.network(1, GOLDEN, activation="softmax", seed=seed)
    own = beyond.softmax_targets(GOLDEN, teacher)
    lower = solve(attention.program(own), tol=1e-8).lower
    value = descend(attention.network(2, own, activation="softmax", seed=0), own, 500)[1]
    assert value < 0.6 * lower


@pytest.mark.parametrize("seed", range(5))
def test_the_side_of_the_lifted_variable_in_heads_leaves_no_bad_start_and_one_less_than_needed_falls_short(seed):
    data = attention.sample("tiny", seed)
    level = solve(attention.program(data), tol=1e-9).value
    best = {}
    for heads in (4, 3, 2, 1):  # min(d^2, d c) = 4
        runs = [descend(attention.network(heads, data, seed=k), data, 2000)[1] for k in range(5)]
        assert min(runs) >= level - 1e-8
        best[heads] = min(runs) / level - 1
        if heads == 4:
            close(max(runs), level, 1e-7)
    enough = min(m for m, excess in best.items() if excess < 1e-6)
    assert 2 <= enough <= 4
    assert best[enough - 1] > 1e-5


@pytest.mark.parametrize("head", ["mlp", "fno"])
def test_relu_heads_on_real_tokens_are_certified_over_all_networks(head):
    tokens, sides = real_tokens.few(0, head)
    case = Data(tokens, sides, 2.0)
    found = solve(attention.program(case, head=head, activation="relu"), tol=1e-7)
    assert found.certificate.scope == "network"
    assert found.gap <= 1e-7
    close(attention.objective(attention.recover(case, found), case), found.value, 1e-8)
    run = train(attention.network(8, case, head=head, activation="relu"), case, seeds=range(2), steps=300)
    assert found.lower - 1e-9 <= run.value <= found.value * (1 + 1e-3)  # 300 steps of Adam


def test_a_cut_of_real_pictures_trains_and_tests_on_different_ones():
    part = real_tokens.sketches(1, keep=5)
    assert part.X.shape == (250, 16, 6)
    assert np.bincount(part.labels).tolist() == [5] * 50
    assert np.bincount(part.labels_test).tolist() == [10] * 50
    close((part.X**2).sum(-1).mean(), 1.0)
    assert not {x.tobytes() for x in part.X} & {x.tobytes() for x in part.X_test}
    close(part.X.reshape(-1, 6).mean(0), np.zeros(6), 1e-10)
    again, other = real_tokens.sketches(1, keep=5), real_tokens.sketches(2, keep=5)
    assert np.array_equal(part.X, again.X)
    assert not np.array_equal(part.X, other.X)
    pictures = real_tokens.images(0, keep=3, features=4)
    assert pictures.X.shape == (30, 16, 4)
    assert np.bincount(pictures.labels).tolist() == [3] * 10


def test_patches_are_cut_row_by_row_and_centred_on_the_pictures_asked_for():
    drawn = np.random.default_rng(0).integers(0, 9, (5, 4, 4, 1)).astype(float)
    tokens = beyond.image_patches(drawn, 2, 4, np.array([0, 1]))
    assert tokens.shape == (5, 4, 4)
    close(tokens[:2].reshape(-1, 4).mean(0), np.zeros(4))
    raw = drawn[:, :2, 2:, 0].reshape(5, 4)  # the second patch; all directions are kept, so distances are
    whole = tokens[:, 1]
    ratio = np.linalg.norm(raw[0] - raw[3]) / np.linalg.norm(raw[1] - raw[4])
    close(np.linalg.norm(whole[0] - whole[3]) / np.linalg.norm(whole[1] - whole[4]), ratio)


def test_separate_heads_refuse_another_activation():
    with pytest.raises(ValueError, match="activation is 'relu'"):
        SeparateHeads(*(torch.zeros(1, 2, 2).numpy() for _ in range(4)), activation="relu")
