"""Progressive training in closed form: the stage identity, the rank of a linear chain, and the trained rival."""

import numpy as np
import pytest
from tolerances import close

from convexnn.data import load
from convexnn.theorems.wgan.images import at_sizes, covariance_error, sliced_distance
from convexnn.theorems.wgan.progressive import RankError, moment_error, train_stages
from convexnn.theorems.wgan.progressive_descent import train_by_descent

#: The second moments of every stage, relative.
STAGE = 1e-6


@pytest.fixture(scope="module")
def colours():
    return at_sizes(load("cifar10", "train", subset="shipped").X, (4, 8, 16))


@pytest.fixture(scope="module")
def faces():
    return at_sizes(load("orl", subset="shipped").X, (4, 8, 16))


def test_every_stage_has_its_truncated_second_moments(colours):
    chain = train_stages(colours, (16, 32, 64), guard="fresh")
    assert [stage.used for stage in chain.stages] == [16, 32, 64]
    assert max(stage.moment_error for stage in chain.stages) <= STAGE
    first = chain.stages[0]
    X = colours[0].reshape(len(colours[0]), -1) - first.mean
    s, V = np.linalg.svd(X, full_matrices=False)[1:]
    close(first.beta, s[16] ** 2)
    H = np.column_stack([chain.draw(len(X), 0)[0], np.ones(len(X))])
    kept = np.maximum(s**2 - first.beta, 0)
    close((H @ first.W).T @ (H @ first.W), (V.T * kept) @ V, 1e-8)


def test_the_growing_schedule_is_stopped_by_the_guard_at_stage_two(colours):
    with pytest.raises(RankError, match="stage 2 asks for k=30 components, but its features have rank 21"):
        train_stages(colours, (20, 30, 40), latents=48)
    capped = train_stages(colours, (20, 30, 40), latents=48, guard="cap")
    assert [stage.used for stage in capped.stages] == [20, 21, 21]
    assert max(stage.moment_error for stage in capped.stages) <= STAGE
    enough = train_stages(colours, (20, 30, 40), latents=48, guard="fresh")
    assert [stage.used for stage in enough.stages] == [20, 30, 40]


def test_without_the_guard_the_moments_are_wrong_and_precision_decides_the_images(colours):
    broken = train_stages(colours, (20, 30, 40), latents=48, guard="off")
    assert max(stage.moment_error for stage in broken.stages) > 1e-3
    assert max(np.abs(stage.W).max() for stage in broken.stages) > 1e6
    sound = train_stages(colours, (20, 30, 40), latents=48, guard="fresh")
    for chain, differ in ((broken, True), (sound, False)):
        drawn = chain.draw(20, 5)
        a, b = chain.generate(drawn), chain.generate(drawn, np.float32)
        assert bool(np.abs(a - b).max() > 0.1 * np.abs(a).max()) is differ


def test_fresh_latents_are_drawn_as_many_as_the_stages_need(faces):
    chain = train_stages(faces, (12, 24, 40), guard="fresh")
    images = chain.generate(chain.draw(7, 1))
    assert images.shape == (7, 16, 16, 1)
    assert not np.array_equal(images, chain.generate(chain.draw(7, 2)))
    assert np.array_equal(images, chain.generate(chain.draw(7, 1)))


def test_images_shrink_to_their_mean_and_are_never_enlarged(faces):
    whole = load("orl", subset="shipped").X
    close([stack.mean() for stack in faces], [whole.mean() / 255] * 3, 0.02)  # antialiasing weighs borders less
    with pytest.raises(ValueError, match="sizes has 24"):  # 28 x 23: the smaller side decides
        at_sizes(whole, (12, 24))


def test_the_sliced_distance_is_a_distance_that_sees_a_shift():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((200, 5)), rng.standard_normal((100, 5))
    assert sliced_distance(a, a) == 0
    close(sliced_distance(a, b), sliced_distance(b, a))
    U = np.random.default_rng(0).standard_normal((5, 200))
    U /= np.linalg.norm(U, axis=0)
    close(sliced_distance(a, a + 0.5), np.abs(0.5 * U.sum(0)).mean())


def test_the_covariance_error_is_that_of_the_matrices():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((50, 2, 3, 1)), rng.standard_normal((40, 2, 3, 1)) + 1
    A, B = (np.cov(stack.reshape(len(stack), -1).T, bias=True) for stack in (a, b))
    close(covariance_error(a, b), np.linalg.norm(A - B) / np.linalg.norm(B))
    assert covariance_error(a, a) < 1e-7


def test_descent_on_the_stages_approaches_the_closed_form(faces):
    chain = train_stages(faces[:2], (12, 24), guard="fresh")
    drawn = chain.draw(200, 9)

    def quality(trained):
        return sliced_distance(trained.generate(drawn), faces[1])

    run = train_by_descent(faces[:2], chain, quality, steps=500, every=100)
    nothing = sliced_distance(np.tile(faces[1].mean(0), (50, 1, 1, 1)), faces[1])
    assert run.qualities.min() < 0.8 * nothing
    assert quality(run.best) == run.qualities.min()
    assert run.times_s[-1] > sum(stage.elapsed_s for stage in chain.stages)


def test_a_moment_error_can_be_seen():
    rng = np.random.default_rng(1)
    G = rng.standard_normal((10, 6))
    T = np.linalg.cholesky(G.T @ G).T
    assert moment_error(G, T) < 1e-12
    close(moment_error(1.1 * G, T), 0.21, 1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: train_stages(f, (3, 3)), "components has 2 entries for 3 stages"),
        (lambda f: train_stages(f[::-1], (3, 3, 3)), r"images\[1\] has shape"),
        (lambda f: train_stages(f, (3, 0, 3)), r"components\[1\] is 0"),
        (lambda f: train_stages(f, (3, 3, 3), guard="of"), "guard is 'of'"),
        (lambda f: train_stages([f[0] * np.nan], (3,)), "non-finite"),
    ],
)
def test_bad_stages_are_refused_by_name(faces, change, message):
    with pytest.raises(ValueError, match=message):
        change(faces)
