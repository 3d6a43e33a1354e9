"""Real pictures as tokens: pretrained tokens of CIFAR-10, patches of sketches, and a cut small enough for exact ReLU.

A seed chooses which pictures of every class train; all parts are from the checkout's shipped cuts. Tokens are divided
by their root mean square over the training pictures.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from convexnn.data import load
from convexnn.numerics import Array, check_choice
from convexnn.theorems.attention.beyond import image_patches


class Split(NamedTuple):
    """Tokens (n, s, d) and classes (n,), to train on and to test on."""

    X: Array
    labels: np.ndarray
    X_test: Array
    labels_test: np.ndarray


def by_class(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    """Positions of every class in an order that the seed chooses."""
    return [np.random.default_rng([seed, k]).permutation(np.flatnonzero(labels == k)) for k in np.unique(labels)]


def _split(X: Array, y: np.ndarray, X_test: Array, y_test: np.ndarray) -> Split:
    size = np.sqrt((X**2).sum(-1).mean())
    return Split(X / size, y, X_test / size, y_test)


def images(seed: int, keep: int = 20, features: int = 6) -> Split:
    """CIFAR-10: `keep` training images a class (of 40) as 16 pretrained tokens, leading components; 200 test images."""
    train, test = (load("cifar10_tokens", split=part, subset="shipped") for part in ("train", "test"))
    rows = np.concatenate([order[:keep] for order in by_class(train.y, seed)])
    return _split(
        train.X[rows][..., :features].astype(float), train.y[rows], test.X[..., :features].astype(float), test.y
    )


def sketches(seed: int, keep: int = 20, features: int = 6) -> Split:
    """Quick, Draw!, 50 classes: `keep` drawings of each train, ten others test; 16 patches of 7 x 7 pixels."""
    drawn = load("quickdraw", subset="shipped")
    labels = np.unique(drawn.y, return_inverse=True)[1]
    order = by_class(labels, seed)
    rows, others = (np.concatenate([o[part] for o in order]) for part in (slice(keep), slice(-10, None)))
    tokens = image_patches(drawn.X[..., None], 7, features, rows)
    return _split(tokens[rows], labels[rows], tokens[others], labels[others])


def few(seed: int, head: Literal["mlp", "fno"], images_each: int = 5) -> tuple[Array, Array]:
    """Airplanes (+1) and automobiles (-1), one target a token: X (n, 4, 3) for `mlp`, (n, 2, 2) for `fno`; y (n, s, 1).

    Tokens are means of 2 x 2 (`fno`: of 2 x 4) neighbours: so few numbers that all patterns can be listed.
    """
    check_choice("head", head, ("mlp", "fno"))
    train = load("cifar10_tokens", split="train", subset="shipped")
    rows = np.concatenate([order[:images_each] for order in by_class(train.y, seed)[:2]])
    grid = train.X[rows].astype(float).reshape(len(rows), 2, 2, 2, 2, -1).mean((2, 4))
    X = grid.reshape(len(rows), 4, -1)[..., :3] if head == "mlp" else grid.mean(2)[..., :2]
    side = np.where(train.y[rows] == 0, 1.0, -1.0)
    return X / np.sqrt((X**2).sum(-1).mean()), np.repeat(side[:, None, None], X.shape[1], 1)
