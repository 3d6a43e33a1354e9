"""Gradient descent and the singular directions: the ratio of the first step, energies, and what cutting does."""

import numpy as np
import pytest
from tolerances import close

from convexnn import Data, solve
from convexnn.theorems import batch_norm
from convexnn.theorems.batch_norm.descent import descend, start
from convexnn.theorems.batch_norm.spectra import falling


@pytest.mark.parametrize("seed", range(3))
def test_the_first_step_moves_direction_i_by_its_squared_singular_value(seed):
    task = falling(seed)
    S = batch_norm.whitening(task.data.X).S
    rows, white = (descend(task.data, task.X_test, c, steps=1, seed=seed) for c in ("rows", "whitened"))
    close(rows.first_move / white.first_move, np.tile((S / S[0])[:, None] ** 2, rows.first_move.shape[1]), 1e-10)
    close(rows.objective[0], white.objective[0])
    close(rows.predictions[0], white.predictions[0])


def test_a_gaussian_w_has_energy_in_proportion_to_the_squared_singular_values():
    task = falling(0)
    white = batch_norm.whitening(task.data.X)
    q, _ = start(task.data, 20_000, 0, white)
    close(np.linalg.norm(q, axis=0), np.ones(20_000))
    share = np.square(q / white.S[:, None])
    share = (share / share.sum(0)).mean(1)  # w itself: every direction alike
    close(share * white.rank, np.ones(white.rank), 0.05)  # the mean of 20 000 shares: 1 per cent
    other, _ = start(task.data, 20_000, 0, white, "q")
    close(np.square(other).mean(1) * white.rank, np.ones(white.rank), 0.05)
    assert np.all(np.diff(np.square(q).mean(1)) < 0)


def test_descent_on_rows_is_descent_on_the_rows_themselves():
    """One step by hand, on X and not on rotated rows; the length of the start is free, so |q| = 1 is kept."""
    import torch

    from convexnn.numerics import tensor
    from convexnn.theorems.shared.normalised import Normalised

    task = falling(1)
    white = batch_norm.whitening(task.data.X)
    q, net = start(task.data, 6, 1, white)
    w = white.weights(q) * white.S[0]
    on_rows = Normalised([], w, net.g.detach().numpy(), net.a.detach().numpy(), net.A.detach().numpy())
    scaled = tensor(task.data.X / white.S[0])
    value = on_rows.training_loss(scaled, tensor(task.data.y)[:, None], task.data.beta)
    pull = torch.autograd.grad(value, [on_rows.V])[0].numpy()
    walk = descend(task.data, task.X_test, "rows", width=6, steps=1, rate=0.5, seed=1)
    moved = (white.S / white.S[0])[:, None] * (white.V.T @ (-0.5 / task.data.n * pull))
    close(walk.first_move, moved)
    close(walk.objective[0], value.item())


def test_descent_on_rows_stays_on_top_and_the_cut_program_beats_the_uncut_one():
    task = falling(0)
    rows, white = (descend(task.data, task.X_test, c, steps=400, rate=1.0) for c in ("rows", "whitened"))
    assert rows.energy[-1, :3].sum() > white.energy[-1, :3].sum() + 0.05
    assert rows.objective[-1] < rows.objective[0]
    errors = []
    for keep in (3, None):
        found = solve(batch_norm.program(task.data, patterns=40, keep=keep, seed=0), tol=1e-3)
        fitted = batch_norm.recover(task.data, found).predict_after(task.data.X, task.X_test)[:, 0]
        errors.append(float(np.square(fitted - task.y_test).mean()))
    assert errors[0] < errors[1] - 0.1


def test_features_of_a_recovered_layer_are_its_neurons_under_the_training_statistics():
    task = falling(2)
    found = solve(batch_norm.program(task.data, patterns=20, activation="gated", keep=4, seed=0), tol=1e-3)
    first = batch_norm.recover(task.data, found)
    there = first.features_after(task.data.X, task.X_test)
    close(there @ first.A.detach().numpy(), first.predict_after(task.data.X, task.X_test))
    close(first.features_after(task.data.X, task.data.X) @ first.A.detach().numpy(), first.predict(task.data.X))
    assert not np.allclose(there[:5], first.features_after(task.X_test[:5], task.X_test[:5]))


@pytest.mark.parametrize("seed", range(2))
def test_cutting_both_of_three_layers_tests_better_than_cutting_none(seed):
    task, errors = falling(seed), {}
    for keeps in ((3, 3), (None, None)):
        rows, there = task.data.X, task.X_test
        for keep in keeps:
            data = Data(rows, task.data.y, task.data.beta)
            found = solve(batch_norm.program(data, patterns=20, activation="gated", keep=keep, seed=seed), tol=1e-3)
            layer = batch_norm.recover(data, found)
            fitted = layer.predict_after(rows, there)[:, 0]
            rows, there = layer.features_after(rows, rows), layer.features_after(rows, there)
        errors[keeps] = np.square(fitted - task.y_test).mean()
    assert errors[3, 3] < errors[None, None] - 0.05


def test_cutting_patches_keeps_the_first_directions_of_all_patches_together():
    rng = np.random.default_rng(3)
    patches = rng.standard_normal((12, 4, 5)) * np.array([3.0, 2.0, 1.0, 0.1, 0.1])
    data = Data(patches, rng.standard_normal(12), 0.1)
    found = solve(batch_norm.program(data, patterns=10, activation="gated", keep=2, seed=0), tol=1e-4)
    layer = batch_norm.recover(data, found)
    rows = patches.reshape(-1, 5)
    top = np.linalg.svd(rows - rows.mean(0), full_matrices=False)[2][:2]
    V = layer.V.detach().numpy()
    close(V, top.T @ (top @ V))  # the filters lie in the kept directions
    close(batch_norm.objective(layer, data), found.value, 1e-8)


def test_a_diverging_run_and_bad_options_are_named():
    task = falling(0)
    with pytest.raises(ValueError, match="lower rate"):
        descend(task.data, task.X_test, rate=1e200, steps=5)
    with pytest.raises(ValueError, match="Did you mean 'rows'"):
        descend(task.data, task.X_test, "row")
