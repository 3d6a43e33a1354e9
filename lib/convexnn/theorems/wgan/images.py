"""Images for the stages, and how far generated images are from real ones, without a network to be downloaded.

`sliced_distance` is the mean over random unit directions of the 1-D Wasserstein distance between the projected pixel
vectors, in units of intensity (0 black, 1 white). It sees every marginal of pixels, but weighs a component by its
variance: it says little about sharpness, and nothing about what a person would call a face. `covariance_error` weighs
the pairs of pixels instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

from convexnn.numerics import Array


def at_sizes(images: np.ndarray, sizes: Sequence[int]) -> list[Array]:
    """uint8 images (n, h, w) or (n, h, w, 3) as (n, size, size, channels) in [0, 1] for every size, antialiased.

    Raises ValueError for a size above the smaller side: enlarging would invent pixels.
    """
    stack = images[..., None] if images.ndim == 3 else images
    if max(sizes) > min(stack.shape[1:3]):
        raise ValueError(f"sizes has {max(sizes)}, the images have {stack.shape[1:3]} pixels; use smaller stages")
    pixels = torch.as_tensor(stack.copy()).double().permute(0, 3, 1, 2) / 255
    shrunk = [interpolate(pixels, size=(s, s), mode="bilinear", antialias=True) for s in sizes]
    return [np.asarray(one.permute(0, 2, 3, 1).numpy()) for one in shrunk]


def covariance_error(generated: Array, real: Array) -> float:
    """|C_G - C_X|_F / |C_X|_F of the pixels' covariances: what quadratic discriminators see of centred images."""
    a, b = (stack.reshape(len(stack), -1) for stack in (generated, real))
    a, b = ((rows - rows.mean(0)) / np.sqrt(len(rows)) for rows in (a, b))
    own = float(np.square(b @ b.T).sum())
    return float(np.sqrt(max(0.0, np.square(a @ a.T).sum() + own - 2 * np.square(a @ b.T).sum()) / own))


def sliced_distance(first: Array, second: Array, directions: int = 200, seed: int = 0, levels: int = 101) -> float:
    """Mean 1-D Wasserstein distance over random directions, by quantiles at `levels` midpoints; sizes may differ."""
    a, b = first.reshape(len(first), -1), second.reshape(len(second), -1)
    U = np.random.default_rng(seed).standard_normal((a.shape[1], directions))
    U /= np.linalg.norm(U, axis=0)
    at = (np.arange(levels) + 0.5) / levels
    return float(np.abs(np.quantile(a @ U, at, axis=0) - np.quantile(b @ U, at, axis=0)).mean())
