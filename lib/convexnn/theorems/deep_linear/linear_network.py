"""Deep linear networks with branches, and the three training problems that are all called weight decay.

    f(X) = sum_b X W_{1,b} W_{2,b} ... W_{L,b}            one branch is the standard network

    "squared"      1/2 sum_{b,l} |W_{l,b}|_F^2             weight decay as optimisers apply it
    "power"        1/2 sum_{b,l} |W_{l,b}|_F^L             the L-th power
    "normalised"   1/2 sum_b (|W_{L-1,b}|_F^2 + |W_{L,b}|_F^2)   with |W_{l,b}|_F = t for the layers l <= L - 2

They agree for L = 2 and for no other depth. Equality |W| = t loses nothing against |W| <= t: f grows with every layer,
so a shorter inner layer only makes the outer ones longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, check_positive, tensor
from convexnn.theorems.shared.schatten import check_depth

Problem = Literal["squared", "power", "normalised"]
PROBLEMS: tuple[Problem, ...] = get_args(Problem)
#: Starting scales that the seeds go through: with L >= 3 there are many local minima, one scale is not enough.
START_SCALES = (1.0, 0.6, 1.6, 0.8, 1.25)


@dataclass(frozen=True)
class Depth:
    """Which training problem: number of layers, which of the three penalties, and the norm t of normalised layers."""

    layers: int = 3
    problem: Problem = "normalised"
    t: float = 1.0

    def __post_init__(self) -> None:
        check_depth(self.layers)
        check_choice("problem", self.problem, PROBLEMS)
        check_positive(t=self.t)

    @property
    def is_convex(self) -> bool:
        """Whether the penalty on the product is a norm: always, but for squared decay on three layers or more."""
        return self.problem != "squared" or self.layers == 2

    def sentence(self) -> str:
        """The training problem in words, for the assumptions of a certificate."""
        words = {
            "squared": "half the sum of squared Frobenius norms of all layers",
            "power": f"half the sum of the Frobenius norms to the power {self.layers}",
            "normalised": f"half the squared norms of the last two layers, the others of norm at most {self.t:g}",
        }
        return f"{self.layers} layers; beta multiplies {words[self.problem]}"

    def strength(self, beta: float) -> float:
        """What multiplies the nuclear norm: beta t^-(L-2) normalised, beta L / 2 for the L-th power, beta for L = 2.

        Raises ValueError where the penalty is no norm.
        """
        if not self.is_convex:
            raise ValueError(
                f"problem='squared' with layers={self.layers} is not convex: the penalty is (L/2) sum sigma_i^(2/L). "
                "Use deep_linear.whitened or deep_linear.one_output, or problem='power' or 'normalised'"
            )
        if self.problem == "power":
            return 0.5 * self.layers * beta
        return beta * (self.t ** -(self.layers - 2) if self.problem == "normalised" else 1.0)


class DeepLinear(Network):
    """weights[l] has shape (branches, m_{l-1}, m_l), m_0 = d, m_L = c; see the module for f and the three penalties."""

    def __init__(self, weights: Sequence[Array], loss: Loss, depth: Depth) -> None:
        super().__init__()
        if len(weights) != depth.layers:
            raise ValueError(f"weights has {len(weights)} layers, depth says {depth.layers}; pass one array for each")
        self.loss, self.depth = loss, depth
        self.weights = nn.ParameterList([nn.Parameter(tensor(W).clone()) for W in weights])

    @property
    def branches(self) -> int:
        return int(self.weights[0].shape[0])

    def layers(self) -> list[Tensor]:
        """The weights that f uses: for the normalised problem the first L - 2 are brought to Frobenius norm t."""
        inner = self.depth.layers - 2 if self.depth.problem == "normalised" else 0
        sizes = [W.square().sum((1, 2), keepdim=True).sqrt().clamp(min=1e-150) for W in self.weights[:inner]]
        scaled = [self.depth.t * W / size for W, size in zip(self.weights, sizes)]
        return [*scaled, *self.weights[inner:]]

    def forward(self, X: Tensor) -> Tensor:
        H = X
        for W in self.layers():
            H = H @ W
        return H.sum(0)

    def penalty(self) -> Tensor:
        L = self.depth.layers
        outer = self.weights[-2:] if self.depth.problem == "normalised" else self.weights
        squares = torch.stack([W.square().sum((1, 2)) for W in outer])
        return 0.5 * (squares ** (0.5 * L) if self.depth.problem == "power" else squares).sum()

    def reset(self, seed: int) -> None:
        """Entries N(0, s^2 / m_{l-1}) with s from START_SCALES[seed mod 5], numpy's generator."""
        rng, scale = np.random.default_rng(seed), START_SCALES[seed % len(START_SCALES)]
        with torch.no_grad():
            for W in self.weights:
                W.copy_(tensor(scale * rng.standard_normal(tuple(W.shape)) / np.sqrt(W.shape[1])))

    def product(self) -> Array:
        """W = sum_b W_{1,b} ... W_{L,b}, the (d, c) matrix that the network is."""
        return self.predict(np.eye(self.weights[0].shape[1]))

    def matrices(self) -> list[Array]:
        """The layers of a network of one branch, as matrices. Raises ValueError when there are several branches."""
        if self.branches != 1:
            raise ValueError(f"the network has {self.branches} branches; matrices of a layer exist for one branch")
        return [np.asarray(W[0].detach().numpy()) for W in self.layers()]

    def layer_norms(self) -> Array:
        """(branches, L) Frobenius norms of the layers in use."""
        return np.stack([W.detach().numpy().reshape(len(W), -1).__pow__(2).sum(1) ** 0.5 for W in self.layers()], 1)


def standard(U: Array, s: Array, Vt: Array, loss: Loss, depth: Depth, widths: Sequence[int] = (), seed: int = 0) -> Any:
    """The balanced one-branch network of W = U diag(s) V': W_l = R_{l-1} diag(s^(1/L)) R_l', R_0 = U, R_L = V.

    widths  hidden widths, each >= the rank (default: the rank); R_1 .. R_{L-1} are random with orthonormal columns
    """
    r, L = len(s), depth.layers
    hidden = tuple(widths) or (max(r, 1),) * (L - 1)
    if len(hidden) != L - 1 or min(hidden) < r:
        raise ValueError(f"widths is {hidden}; pass {L - 1} hidden widths, none below the rank {r}")
    rng = np.random.default_rng(seed)
    frames = [U, *(np.linalg.qr(rng.standard_normal((m, r)))[0] for m in hidden), Vt.T]
    root = s ** (1.0 / L)
    return DeepLinear([((A * root) @ B.T)[None] for A, B in pairwise(frames)], loss, depth)


def parallel(U: Array, s: Array, Vt: Array, loss: Loss, depth: Depth) -> DeepLinear:
    """One branch of rank one for each singular triple, hidden widths 1, balanced as the problem wants it.

    power, squared: every layer of branch i has norm s_i^(1/L); normalised: the inner ones t, the outer two
    sqrt(s_i t^-(L-2)).
    """
    L, r = depth.layers, len(s)
    inner = np.full(r, depth.t) if depth.problem == "normalised" else s ** (1.0 / L)
    outer = np.sqrt(s / depth.t ** (L - 2)) if depth.problem == "normalised" else inner
    sizes = [inner] * (L - 2) + [outer] * 2
    first, last = U.T[:, :, None] * sizes[0][:, None, None], Vt[:, None, :] * sizes[-1][:, None, None]
    return DeepLinear([first, *(size[:, None, None] for size in sizes[1:-1]), last], loss, depth)
