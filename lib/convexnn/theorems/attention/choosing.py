"""Which head, which gates, which outputs: from the words of a caller to the objects of this package."""

from __future__ import annotations

from typing import Literal

import numpy as np

from convexnn.numerics import Array, check_choice, check_finite
from convexnn.theorems.attention.baselines import Tokenwise
from convexnn.theorems.attention.fourier import Fourier
from convexnn.theorems.attention.head import ACTIVATIONS, Head
from convexnn.theorems.attention.mixer import Mixer
from convexnn.theorems.attention.self_attention import SelfAttention
from convexnn.types import Data

HeadName = Literal["self_attention", "mixer", "fno", "block_fno", "mlp"]
HEADS: tuple[HeadName, ...] = ("self_attention", "mixer", "fno", "block_fno", "mlp")


def head_of(name: str, blocks: int = 2) -> Head:
    """The head of that name; `blocks` counts for block_fno only."""
    check_choice("head", name, HEADS)
    if not (isinstance(blocks, int | np.integer) and blocks >= 1):
        raise ValueError(f"blocks is {blocks!r}; pass a whole number >= 1")
    table: dict[str, Head] = {"self_attention": SelfAttention(), "mixer": Mixer(), "fno": Fourier(), "mlp": Tokenwise()}
    return table[name] if name in table else Fourier("block_fno", int(blocks))


def outputs(data: Data) -> tuple[int, bool]:
    """c, and whether outputs are the mean over the tokens."""
    return (data.y.shape[-1] if data.y.ndim > 1 else 1), data.y.ndim < 3


def gates_of(head: Head, data: Data, gates: int | Array | None, activation: str, seed: int = 0) -> Array | None:
    """The gates of a gated head: given, or that many Gaussian ones; None for other activations."""
    check_choice("activation", activation, ACTIVATIONS)
    if activation != "gated":
        return None
    shape = head.gate_shape(*data.X.shape[1:])
    if gates is None or isinstance(gates, int | np.integer):
        count = 4 if gates is None else int(gates)
        if count < 1:
            raise ValueError(f"gates is {gates!r}; pass a number >= 1 or an array (gates, {shape})")
        return np.random.default_rng(seed).standard_normal((count, *shape))
    given = np.asarray(gates, dtype=np.float64)
    check_finite(gates=given)
    if given.ndim != len(shape) + 1 or given.shape[1:] != shape or len(given) == 0:
        raise ValueError(f"gates has shape {given.shape}; pass (gates, {', '.join(map(str, shape))})")
    return given
