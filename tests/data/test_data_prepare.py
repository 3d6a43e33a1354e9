"""Laws of the preparation steps."""

from __future__ import annotations

import numpy as np
import pytest

from convexnn import data


def toy(X: np.ndarray, y: np.ndarray, classes: tuple[str, ...]) -> data.Dataset:
    return data.Dataset("toy", "", "all", X, y, classes, "", "", "", "", False)


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (7, 40), (200, 784)])
def test_whitened_rows_are_orthonormal(shape) -> None:
    X = np.random.default_rng(0).standard_normal(shape) * np.geomspace(1, 1e3, shape[0])[:, None]
    Q = data.whiten_rows(X)
    assert np.abs(Q @ Q.T - np.eye(shape[0])).max() < 1e-12 * shape[1]
    assert np.linalg.matrix_rank(np.vstack([X, Q])) == shape[0]  # the row space stays


def test_whitening_is_the_inverse_square_root_of_the_gram_matrix() -> None:
    X = np.random.default_rng(1).standard_normal((6, 9))
    values, vectors = np.linalg.eigh(X @ X.T)
    assert np.allclose(data.whiten_rows(X), vectors @ np.diag(values**-0.5) @ vectors.T @ X, atol=1e-12)


def test_real_images_can_be_whitened_while_n_is_at_most_the_rank() -> None:
    X = data.matrix(data.load("cifar10", "train", "shipped"))
    Q = data.whiten_rows(X)
    assert np.abs(Q @ Q.T - np.eye(len(X))).max() < 1e-10  # condition number of 240 images is near 1e3


@pytest.mark.parametrize(
    "X", [np.ones((3, 2)), np.eye(4)[:, :3], np.zeros((1, 5)), np.vstack([np.eye(3), np.eye(3)[:1]])]
)
def test_whitening_more_rows_than_the_rank_is_refused(X) -> None:
    with pytest.raises(ValueError, match=r"rows but rank .*Keep at most"):
        data.whiten_rows(X)


def test_whitening_refuses_nan_and_vectors() -> None:
    with pytest.raises(ValueError, match="X has 1 non-finite"):
        data.whiten_rows(np.array([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="shape"):
        data.whiten_rows(np.ones(3))


def test_standardised_training_columns_have_mean_zero_and_deviation_one_or_are_zero() -> None:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((50, 4)) * [1, 1e-8, 1e8, 0] + [0, 1, 0, 0.1]
    X[:, 3] = 0.1 + 0.2  # a constant that binary floats cannot hold
    train, test = data.standardise(X, X[:3] + np.array([0, 0, 0, 5]))
    assert np.abs(train.mean(axis=0)).max() < 1e-6 and np.allclose(train[:, :3].std(axis=0), 1)
    assert not train[:, 3].any() and np.allclose(test[:, 3], 5)


def test_standardise_uses_nothing_of_the_test_set() -> None:
    X = np.random.default_rng(3).standard_normal((20, 3))
    assert np.array_equal(data.standardise(X, X[:2])[0], data.standardise(X, 100 + X[:9])[0])
    with pytest.raises(ValueError, match="same d"):
        data.standardise(X, X[:, :2])


def test_binary_keeps_two_classes_in_order_and_scales_only_images() -> None:
    X = np.array([[0, 255], [51, 0], [255, 255]], np.uint8)
    dataset = toy(X, np.array([2, 0, 1]), ("a", "b", "c"))
    A, y = data.binary(dataset, "c", "a")
    assert A.tolist() == [[0, 1], [0.2, 0]] and y.tolist() == [1, -1] and A.dtype == np.float64
    assert data.binary(dataset, 0, 1)[1].tolist() == [1, -1]
    sonar = data.load("sonar")
    S, s = data.binary(sonar)
    assert np.array_equal(S, sonar.X) and s.sum() == 97 - 111


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (None, None, "missing"),
        ("c", "c", "both"),
        ("d", "a", "choose one of"),
        (3, 0, "choose one of"),
        ("a", None, "missing"),
    ],
)
def test_binary_names_the_argument_that_is_wrong(a, b, words) -> None:
    with pytest.raises(ValueError, match=words):
        data.binary(toy(np.eye(3), np.arange(3), ("a", "b", "c")), a, b)


def test_binary_refuses_regression_and_attributes() -> None:
    with pytest.raises(ValueError, match="matrix"):
        data.binary(data.load("diabetes"))
    with pytest.raises(ValueError, match="attribute"):
        data.binary(toy(np.eye(2), np.ones((2, 3), np.uint8), ("a", "b", "c")), "a", "b")


def test_one_hot_rows_sum_to_one_and_name_the_label() -> None:
    Y = data.one_hot(np.array([2, 0, 2]), 4)
    assert Y.shape == (3, 4) and np.array_equal(Y.sum(axis=1), np.ones(3)) and Y.argmax(axis=1).tolist() == [2, 0, 2]
    assert data.one_hot(np.array([0, 1])).shape == (2, 2)
    for bad, classes in (
        (np.array([0.5]), None),
        (np.array([-1]), None),
        (np.array([], int), None),
        (np.array([3]), 3),
    ):
        with pytest.raises(ValueError):
            data.one_hot(bad, classes)


@pytest.mark.parametrize("seed", range(5))
def test_split_is_a_partition_that_keeps_proportions(seed) -> None:
    dataset = data.load("ionosphere")
    X_train, y_train, X_test, y_test = data.split(dataset.X, dataset.y, 0.3, seed)
    assert len(X_train) + len(X_test) == dataset.n
    assert sorted(map(bytes, [*X_train, *X_test])) == sorted(map(bytes, dataset.X))
    assert abs(y_test.mean() - y_train.mean()) < 0.01 and len(y_test) == round(0.3 * 126) + round(0.3 * 225)
    again = data.split(dataset.X, dataset.y, 0.3, seed)
    assert np.array_equal(again[2], X_test)


def test_split_of_real_targets_and_bad_shares() -> None:
    dataset = data.load("diabetes")
    assert len(data.split(dataset.X, dataset.y, 0.25)[3]) == round(0.25 * 442)
    few = np.linspace(0, 1, 20)  # every value once: no class to keep the share of
    assert len(data.split(few[:, None], few, 0.25)[3]) == 5
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="test_share"):
            data.split(dataset.X, dataset.y, share)
    with pytest.raises(ValueError, match="rows"):
        data.split(dataset.X, dataset.y[:-1])


def test_windows_predict_the_next_value() -> None:
    X, y = data.windows(np.arange(10), 3, step=2)
    assert X[0].tolist() == [0, 1, 2] and np.array_equal(y, X[:, -1] + 1) and len(X) == 4
    with pytest.raises(ValueError, match="width"):
        data.windows(np.arange(3), 3)
    with pytest.raises(ValueError, match="one lead"):
        data.windows(np.ones((5, 2)), 2)


def test_beats_are_centred_on_their_annotation() -> None:
    y = np.zeros(20, np.int64)
    y[[1, 10, 19]] = [1, 2, 1]
    record = toy(np.arange(40).reshape(20, 2), y, ("none", "N", "V"))
    X, labels = data.beats(record, before=2, after=3, lead=1)
    assert X.tolist() == [[17, 19, 21, 23, 25]] and labels.tolist() == [2]


def test_whitened_columns_are_orthonormal_and_centred_and_the_test_rows_take_the_same_map() -> None:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((30, 7)) @ np.diag(np.geomspace(1, 100, 7)) + 5.0
    Z, again = data.whiten_columns(X, X, 4)
    assert np.abs(Z.T @ Z - np.eye(4)).max() < 1e-12
    assert np.abs(Z.sum(0)).max() < 1e-12
    assert np.abs(Z - again).max() < 1e-12  # the map of the test rows, applied to the training rows
    spread = np.linalg.norm(X - X.mean(0)) ** 2 - np.linalg.norm((X - X.mean(0)) - Z @ (Z.T @ X)) ** 2
    assert abs(spread - (np.linalg.svd(X - X.mean(0))[1][:4] ** 2).sum()) < 1e-8 * spread


@pytest.mark.parametrize("components", [0, 3])
def test_more_components_than_the_rank_are_refused(components) -> None:
    X = np.outer([1.0, 2.0, 4.0], [1.0, 1.0]) + np.array([[0, 0], [0, 1.0], [0, 0]])
    with pytest.raises(ValueError, match=f"components is {components}.*rank 2"):
        data.whiten_columns(X, X, components)
