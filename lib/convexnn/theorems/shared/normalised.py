"""A network with batch normalisation of its last hidden layer, as theorems write it and as ordinary torch layers.

    z = M v,  N rows of M (samples, or all their patches);   BN(z) = g H z / |H z| + a / sqrt(N),   H = I - 11'/N
    place "before"   f = sum_j sum_k ( BN_j(z_j)_[k] )_+ w_j'          normalise, then ReLU (k: the patches of a sample)
    place "after"    f = sum_j sum_k   BN_j( (z_j)_+ )_[k] w_j'        ReLU, then normalise
    penalty  1/2 sum_j ( g_j^2 + a_j^2 + |w_j|^2 );   V and the layers below carry none: f does not see their scale

A torch layer divides by sqrt( |H z|^2 / N + eps ) and shifts by 1: its weight is g / sqrt(N) sqrt(1 + eps / var) and
its bias a / sqrt(N). Decay beta_t on torch's own parameters is this penalty with beta = beta_t / sqrt(N).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, tensor

Place = Literal["before", "after"]
PLACES: tuple[Place, ...] = ("before", "after")
#: Standard deviations of the gains, shifts and outputs at the start of a run, by seed.
STARTS = (0.6, 1.0, 1.6)


class Normalised(Network):
    """Hidden layers W (no penalty), directions V (h, m), gains g (m,) and shifts a (m,), outputs A (m, c).

    X (n, d), or patches (n, K, h); gates (h + 1, m) or None: fixed gates 1[x'h_j + h_0j >= 0] in place of the ReLU.
    Predictions normalise over the batch they are given, as in training; `module` freezes the statistics of a batch.
    """

    gates: Tensor | None

    def __init__(
        self,
        W: Iterable[Array],
        V: Array,
        g: Array,
        a: Array,
        A: Array,
        loss: str | Loss = "squared",
        place: Place = "before",
        gates: Array | None = None,
    ) -> None:
        super().__init__()
        check_choice("place", place, PLACES)
        self.loss, self.place = get_loss(loss), place
        self.W = nn.ParameterList([nn.Parameter(tensor(w).clone()) for w in W])
        self.V, self.g, self.a, self.A = (nn.Parameter(tensor(p).clone()) for p in (V, g, a, A))
        self.register_buffer("gates", None if gates is None else tensor(gates).clone())

    @property
    def width(self) -> int:
        """m, the number of normalised neurons."""
        return int(self.V.shape[1])

    def below(self, X: Tensor) -> Tensor:
        """The activations that the normalised layer reads."""
        for w in self.W:
            X = torch.relu(X @ w)
        return X

    def hidden(self, X: Tensor, train: Tensor | None = None) -> Tensor:
        """The activations after normalisation, (n, m) or (n, K, m) for patches; statistics of `train`, default X."""
        z, below = self._ready(X)
        rows = z if train is None else self._ready(train)[0]
        rows = rows.reshape(-1, z.shape[-1])
        mean = rows.mean(0)
        size = (rows - mean).square().sum(0).sqrt()
        size = torch.where(size > 0, size, torch.ones_like(size))  # a constant neuron has only its shift
        z = self.g * (z - mean) / size + self.a / len(rows) ** 0.5
        return z if self.place == "after" else self._bend(z, below)

    def _ready(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """What is normalised, and the activations below it."""
        below = self.below(X)
        z = below @ self.V
        return (self._bend(z, below) if self.place == "after" else z), below

    def _bend(self, z: Tensor, below: Tensor) -> Tensor:
        if self.gates is None:
            return torch.relu(z)
        return (below @ self.gates[:-1] + self.gates[-1] >= 0).to(z.dtype) * z

    def forward(self, X: Tensor, train: Tensor | None = None) -> Tensor:
        after = self.hidden(X, train)
        return (after if after.dim() == 2 else after.sum(1)) @ self.A

    def predict_after(self, train: Array, X: Array) -> Array:
        """Predictions (n', c) on other rows X with the statistics of the training rows."""
        with torch.no_grad():
            return np.asarray(self(tensor(X), tensor(train)).numpy())

    def features_after(self, train: Array, X: Array) -> Array:
        """Hidden activations on other rows X with the statistics of the training rows: what a next layer reads."""
        with torch.no_grad():
            return np.asarray(self.hidden(tensor(X), tensor(train)).numpy())

    def penalty(self) -> Tensor:
        return 0.5 * (self.g.square().sum() + self.a.square().sum() + self.A.square().sum())

    def reset(self, seed: int) -> None:
        rng, start = np.random.default_rng(seed), STARTS[seed % len(STARTS)]
        with torch.no_grad():
            for w in (*self.W, self.V):
                w.copy_(tensor(rng.standard_normal(tuple(w.shape)) * np.sqrt(2 / w.shape[0])))
            for p in (self.g, self.a):
                p.copy_(tensor(start * rng.standard_normal(tuple(p.shape))))
            self.A.copy_(tensor(start * rng.standard_normal(tuple(self.A.shape)) / np.sqrt(max(1, len(self.A)))))

    def module(self, X: Array, eps: float = 1e-5) -> nn.Sequential:
        """Linear, BatchNorm1d, ReLU, Linear with the statistics of the rows X frozen (evaluation mode), for any X."""
        if X.ndim != 2:
            raise ValueError(f"X has shape {X.shape}; for patches use convolution(images, kernel, stride)")
        inner: list[nn.Module] = []
        for w in self.W:
            inner += [_linear(w), nn.ReLU()]
        with torch.no_grad():
            z = self.below(tensor(X)) @ self.V
        norm = self._layer(nn.BatchNorm1d(self.width, eps=eps), z)
        return nn.Sequential(*inner, _linear(self.V), *self._order(norm), _linear(self.A)).double().eval()

    def convolution(self, images: Array, kernel: int, stride: int = 1, eps: float = 1e-5) -> nn.Sequential:
        """Conv2d, BatchNorm2d, ReLU, average pooling and Linear for images (n, C, H, W); V holds C kernel^2 rows."""
        patches = image_patches(images, kernel, stride)
        K, h = patches.shape[1:]
        if h != self.V.shape[0] or len(self.W):
            raise ValueError(f"patches have {h} entries, the filters {self.V.shape[0]}; pass the images of the program")
        conv = nn.Conv2d(images.shape[1], self.width, kernel, stride, bias=False).double()
        with torch.no_grad():
            conv.weight.copy_(self.V.T.reshape(conv.weight.shape))
            z = (tensor(patches) @ self.V).reshape(-1, self.width)
        norm = self._layer(nn.BatchNorm2d(self.width, eps=eps), z)
        pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), _linear(K * self.A)
        return nn.Sequential(conv, *self._order(norm), *pooled).double().eval()

    def _order(self, norm: nn.Module) -> tuple[nn.Module, nn.Module]:
        if self.gates is not None:
            raise ValueError("a gated network has no torch.nn form: its gates are not functions of its weights")
        return (norm, nn.ReLU()) if self.place == "before" else (nn.ReLU(), norm)

    def _layer(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, z: Tensor) -> nn.Module:
        """Fill a torch layer: g and a per unit length become a weight per standard deviation and a bias."""
        z = torch.relu(z) if self.place == "after" else z
        var = z.var(0, unbiased=False)
        norm = norm.double()
        with torch.no_grad():
            norm.running_mean.copy_(z.mean(0))  # type: ignore[union-attr]
            norm.running_var.copy_(var)  # type: ignore[union-attr]
            swollen = torch.where(var > 0, (1 + norm.eps / var.clamp(min=1e-300)).sqrt(), torch.ones_like(var))
            norm.weight.copy_(self.g / len(z) ** 0.5 * swollen)
            norm.bias.copy_(self.a / len(z) ** 0.5)
        return norm


def image_patches(images: Array, kernel: int, stride: int = 1) -> Array:
    """Images (n, C, H, W) -> patches (n, K, C kernel^2), each in the order of a Conv2d weight."""
    if images.ndim != 4 or not 1 <= kernel <= min(images.shape[2:]):
        raise ValueError(f"images has shape {images.shape}, kernel {kernel}; pass (n, C, H, W) with kernel <= H, W")
    return np.ascontiguousarray(
        torch.nn.functional.unfold(tensor(images), kernel, stride=stride).numpy().swapaxes(1, 2)
    )


def _linear(weight: Tensor) -> nn.Linear:
    """x -> x W for W (in, out)."""
    layer = nn.Linear(weight.shape[0], weight.shape[1], bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(weight.T)
    return layer
