"""The same training problem in torch's own parameters.

    BatchNorm1d:  weight = g / sqrt(n), bias = a / sqrt(n)  (eps -> 0), so  decay beta_t/2 (weight^2 + bias^2 + A^2)
    costs  beta_t / sqrt(n) |(g, a)| |A|  at the best balance of a neuron:  beta_t = sqrt(n) beta  is the theorem.

The balance differs: here |(weight, bias)| = |A|. A layer in training needs eps > 0; any eps only shrinks what a neuron
can reach, so bounds hold, and a length of w that is large beside sqrt(eps) comes arbitrarily near.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss
from convexnn.numerics import Array, tensor
from convexnn.theorems.shared.normalised import Normalised
from convexnn.types import Data

#: torch refuses eps = 0 in training; the variances here are far above this.
EPS = 1e-14


def torch_network(network: Normalised, X: Array) -> nn.Sequential:
    """Linear, BatchNorm1d(eps=EPS), ReLU, Linear in training mode, balanced for torch's parameters."""
    layers = network.module(X, eps=EPS)
    norm, last = _decayed(layers)
    with torch.no_grad():
        first = (norm.weight.square() + norm.bias.square()).sqrt()
        scale = (last.weight.norm(dim=0) / first).sqrt()
        norm.weight.mul_(scale)
        norm.bias.mul_(scale)
        last.weight.div_(scale)
    return layers.train()


def torch_loss(layers: nn.Sequential, data: Data, decay: float, loss: Loss) -> Tensor:
    """loss(f(X), Y) + decay/2 (weight^2 + bias^2 + A^2) with batch statistics."""
    norm, last = _decayed(layers)
    squares = norm.weight.square().sum() + norm.bias.square().sum() + last.weight.square().sum()
    return loss.value(layers(tensor(data.X)), tensor(data.y).reshape(data.n, -1)) + 0.5 * decay * squares


def _decayed(layers: nn.Sequential) -> tuple[nn.BatchNorm1d, nn.Linear]:
    """The two layers whose parameters are decayed."""
    norm, last = layers[-3], layers[-1]
    if not isinstance(norm, nn.BatchNorm1d) or not isinstance(last, nn.Linear):
        raise ValueError("layers do not end in BatchNorm1d, ReLU, Linear; build them with torch_network")
    return norm, last


def train_torch(start: Normalised, data: Data, decay: float, seeds: range, steps: int = 1000) -> Array:
    """The lowest objective of every seed: ordinary torch layers, full batch, Adam with a cosine rate from 0.03."""
    lowest = []
    for seed in seeds:
        start.reset(seed)
        layers = torch_network(start, data.X)
        stepper = torch.optim.Adam(layers.parameters(), lr=0.03)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(stepper, steps)
        values = []
        for _ in range(steps):
            stepper.zero_grad()
            value = torch_loss(layers, data, decay, start.loss)
            value.backward()
            stepper.step()
            schedule.step()
            values.append(value.item())
        lowest.append(min(values))
    return np.array(lowest)
