"""Deep ReLU networks: parallel branches that end in one neuron, and the standard fully connected network.

    Branches     f(X) = sum_j ( ... ((X W_1j)_+ W_2j)_+ ... w_{L-1,j} )_+ w_Lj',   w_{L-1,j} a vector: L layers a branch
    Standard     f(X) = ( ... ((X W_1)_+ W_2)_+ ... )_+ W_L

Three problems are called weight decay; beta multiplies, for a branch whose layers have Frobenius norms a_1 .. a_L,

    "squared"    1/2 sum_l a_l^2           >= (L/2) s^{2/L}            s = a_1 ... a_L, equality iff all a_l are equal
    "power"      1/2 sum_l a_l^L           >= (L/2) s                  the same equality
    "fixed"      1/2 (a_{L-1}^2 + a_L^2)   >= s / t^{L-2}              with a_1 = ... = a_{L-2} = t held fixed

so the first charges a concave price of the scale s for L >= 3, the others a linear one. For L = 2 all are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, check_count, check_positive, tensor
from convexnn.theorems.shared.schatten import check_depth

Penalty = Literal["squared", "power", "fixed"]
Biases = Literal["none", "last", "all"]
PENALTIES: tuple[Penalty, ...] = ("squared", "power", "fixed")
BIASES: tuple[Biases, ...] = ("none", "last", "all")
#: Starting weights are N(0, 2 / fan-in) times one of these, by seed: small starts find sparse networks, large ones fit.
STARTS, STANDARD_STARTS = (0.6, 1.0, 1.6), (0.6, 0.8, 1.0)


def linear_price(penalty: Penalty, depth: int, t: float = 1.0) -> float:
    """What one unit of branch scale costs under a penalty that is linear in it: L/2, or t^{-(L-2)}.

    Raises ValueError for "squared" with L >= 3, whose price (L/2) s^{2/L} is concave.
    """
    check_choice("penalty", penalty, PENALTIES)
    check_depth(depth)
    check_positive(t=t)
    if penalty == "squared" and depth > 2:
        raise ValueError(
            f"penalty is 'squared' with depth {depth}: it charges (L/2) s^(2/L), which is not convex; "
            "use penalty='power' or 'fixed' for the convex program, closed_form(penalty='squared') for the optimum"
        )
    return float(t ** -(depth - 2)) if penalty == "fixed" else depth / 2


class Branches(Network):
    """Parallel branches of L layers: matrices W (each (m, fan-in, fan-out)), last hidden vectors u (m, .), outputs A.

    depth 2 has no matrices and is the two-layer network. biases: "none"; "last": a free b (m,) on the last hidden
    neurons and a free offset (c,); "all": also free biases on the earlier hidden neurons.
    """

    def __init__(
        self,
        W: Iterable[Array],
        u: Array,
        A: Array,
        loss: str | Loss = "squared",
        penalty: Penalty = "power",
        t: float = 1.0,
        biases: Biases = "none",
        b: Array | None = None,
        offset: Array | None = None,
    ) -> None:
        super().__init__()
        check_choice("penalty", penalty, PENALTIES)
        check_choice("biases", biases, BIASES)
        check_positive(t=t)
        self.loss, self.kind, self.t, self.biases = get_loss(loss), penalty, float(t), biases
        self.W = nn.ParameterList([nn.Parameter(tensor(w).clone()) for w in W])
        self.u, self.A = nn.Parameter(tensor(u).clone()), nn.Parameter(tensor(A).clone())
        (m, c), free = A.shape, biases != "none"
        self.b = nn.Parameter(tensor(np.zeros(m) if b is None else b).clone(), requires_grad=free)
        self.offset = nn.Parameter(tensor(np.zeros(c) if offset is None else offset).clone(), requires_grad=free)
        inner = [torch.zeros(w.shape[0], 1, w.shape[2], dtype=torch.float64) for w in self.W]
        self.inner = nn.ParameterList([nn.Parameter(zero, requires_grad=biases == "all") for zero in inner])
        self.points: Array | None = None  # where seeded kinks start

    @property
    def depth(self) -> int:
        """L, the number of layers of a branch."""
        return len(self.W) + 2

    def layers(self) -> list[Tensor]:
        """The L weights of every branch as matrices: (m, fan-in, fan-out); "fixed" ones are scaled to norm t."""
        scaled = list(self.W)
        if self.kind == "fixed":
            scaled = [self.t * w / w.square().sum((1, 2), keepdim=True).sqrt() for w in scaled]
        return [*scaled, self.u[:, :, None], self.A[:, None, :]]

    def activations(self, X: Tensor) -> list[Tensor]:
        """The outputs of every hidden layer: (m, n, fan-out) each, the last one (m, n, 1)."""
        h, found = X[None].expand(len(self.u), -1, -1), []
        *inside, last, _ = self.layers()
        for w, bias in zip(inside, self.inner):
            h = torch.relu(h @ w + bias)
            found.append(h)
        return [*found, torch.relu(h @ last + self.b[:, None, None])]

    def forward(self, X: Tensor) -> Tensor:
        return torch.einsum("mn,mc->nc", self.activations(X)[-1][:, :, 0], self.A) + self.offset

    def penalty(self) -> Tensor:
        squares = torch.stack([w.square().sum((1, 2)) for w in self.layers()])  # (L, m)
        if self.kind == "fixed":
            return 0.5 * squares[-2:].sum()
        return 0.5 * (squares if self.kind == "squared" else squares ** (self.depth / 2)).sum()

    def scales(self) -> Array:
        """(m,) the product of the layers' norms of each branch."""
        norms = [w.detach().square().sum((1, 2)).sqrt() for w in self.layers()]
        return np.asarray(torch.stack(norms).prod(0).numpy())

    def reset(self, seed: int) -> None:
        draw = _Draw(seed)
        with torch.no_grad():
            for w in self.W:
                w.copy_(draw(w.shape, w.shape[1]))
            self.u.copy_(draw(self.u.shape, self.u.shape[1]))
            self.A.copy_(draw(self.A.shape, 2 * len(self.A)))
            for bias in (self.b, self.offset, *self.inner):
                bias.zero_()
            if self.biases != "none" and self.points is not None:
                self._spread(tensor(self.points), draw.rng)

    def _spread(self, X: Tensor, rng: np.random.Generator) -> None:
        """Biases that put the kink of every free neuron at a random sample: with all at 0 descent sees few of them."""
        h = X[None].expand(len(self.u), -1, -1)
        for w, bias in zip(self.W, self.inner):
            before = h @ w
            at = torch.as_tensor(rng.integers(len(X), size=(len(w), 1, w.shape[2])))
            if bias.requires_grad:
                bias.copy_(-before.gather(1, at))
            h = torch.relu(before + bias)
        before = (h @ self.u[:, :, None])[:, :, 0]
        self.b.copy_(-before.gather(1, torch.as_tensor(rng.integers(len(X), size=(len(before), 1))))[:, 0])


class Standard(Network):
    """The fully connected ReLU network with weights W_1 .. W_L and 1/2 sum_l |W_l|_F^2; no biases."""

    def __init__(self, W: Iterable[Array], loss: str | Loss = "squared") -> None:
        super().__init__()
        self.loss = get_loss(loss)
        self.W = nn.ParameterList([nn.Parameter(tensor(w).clone()) for w in W])

    def activations(self, X: Tensor) -> list[Tensor]:
        """The outputs (n, m_l) of the hidden layers."""
        h, found = X, []
        for w in list(self.W)[:-1]:  # a slice of a ParameterList copies, and gradients are lost
            h = torch.relu(h @ w)
            found.append(h)
        return found

    def forward(self, X: Tensor) -> Tensor:
        return self.activations(X)[-1] @ self.W[-1]

    def penalty(self) -> Tensor:
        return 0.5 * torch.stack([w.square().sum() for w in self.W]).sum()

    def balanced(self) -> Standard:
        """The same function with all layers of one norm, which the penalty prefers (the scaling lemma)."""
        norms = [float(w.detach().norm()) for w in self.W]
        even = float(np.exp(np.mean(np.log(norms))))
        return Standard([w.detach().numpy() * (even / norm) for w, norm in zip(self.W, norms)], self.loss)

    def reset(self, seed: int) -> None:
        draw = _Draw(seed, STANDARD_STARTS)
        with torch.no_grad():
            for w in self.W:
                w.copy_(draw(w.shape, w.shape[0]))


class _Draw:
    """Gaussian starting weights of one seed."""

    def __init__(self, seed: int, starts: tuple[float, ...] = STARTS) -> None:
        self.rng, self.start = np.random.default_rng(seed), starts[seed % len(starts)]

    def __call__(self, shape: torch.Size, fan_in: int) -> Tensor:
        return tensor(self.rng.standard_normal(tuple(shape))) * self.start * np.sqrt(2 / fan_in)


def seeded_branches(
    width: int,
    d: int,
    c: int,
    depth: int,
    hidden: int = 3,
    seed: int = 0,
    points: Array | None = None,
    **options: object,
) -> Branches:
    """`width` branches of `depth` layers with `hidden` neurons in each inner layer and seeded weights.

    points (n, d): with biases, kinks start at these rows. Raises ValueError for no branches or fewer than two layers.
    """
    check_count(width=width, hidden=hidden)
    check_depth(depth)
    sizes = [d, *[hidden] * (depth - 2)]
    W = [np.zeros((width, *pair)) for pair in pairwise(sizes)]
    built = Branches(W, np.zeros((width, sizes[-1])), np.zeros((width, c)), **options)  # type: ignore[arg-type]
    built.points = points
    built.reset(seed)
    return built


def seeded_standard(sizes: Iterable[int], loss: str | Loss = "squared", seed: int = 0) -> Standard:
    """A fully connected network with layer sizes d, m_1, .., c and seeded weights."""
    widths = list(sizes)
    built = Standard([np.zeros(pair) for pair in pairwise(widths)], loss)
    built.reset(seed)
    return built


def aligned(
    inputs: Array, outputs: Array, scales: Array, depth: int, penalty: Penalty, t: float, loss: str | Loss = "squared"
) -> Branches:
    """Rank-one branches: every layer of branch k carries its signal along one vector, with the norms the penalty wants.

    inputs (K, d), outputs (K, c) unit rows; scales (K,) > 0. Layers have norm s^{1/L}; "fixed": t, .., t, and the last
    two share s / t^{L-2} equally. The width inside is one neuron: nothing is gained by more.
    """
    s = np.asarray(scales, dtype=float)[:, None]
    inner = np.full_like(s, t) if penalty == "fixed" else s ** (1 / depth)
    last = np.sqrt(s / t ** (depth - 2)) if penalty == "fixed" else inner
    first, *rest = [inner] * (depth - 2) + [last]
    ones = [size[:, :, None] for size in rest]
    W = [(first * inputs)[:, :, None], *ones[:-1]] if depth > 2 else []
    u = ones[-1][:, :, 0] if depth > 2 else first * inputs
    return Branches(W, u, last * outputs, loss, penalty, t)
