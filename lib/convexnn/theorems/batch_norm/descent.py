"""What gradient descent does with the singular directions, step by step.

The same function in two parametrisations: w on the centred rows H X = U S V', or q = S V'w on U. Since
grad_w = V S grad_q, one step of size eta moves

    rows       dq = -eta S^2 grad_q                whitened       dq = -eta grad_q

so on rows direction i is S_i^2 times faster. The optima are the same; the path is not. Recorded along it: the loss, the
energy  mean_j q_ij^2 / |q_j|^2  of every direction, and the predictions on other rows under training statistics.
Full batch, no momentum, no decay on w; decay beta/2 on gains, shifts and outputs. A Gaussian w puts energy S_i^2 on
direction i; a Gaussian q puts the same on all. Every start has |q_j| = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from convexnn.numerics import Array, check_choice, check_positive, tensor, to_numpy
from convexnn.theorems.batch_norm.whitening import Whitening, whitening
from convexnn.theorems.shared.normalised import Normalised
from convexnn.types import Data

Coordinates = Literal["rows", "whitened"]
Start = Literal["w", "q"]


@dataclass(frozen=True)
class Descent:
    """One run: at `steps` (T,) the objective (T,), the energy (T, r) and test predictions (T, n', c).

    first_move  (r, m) the first change of q
    """

    steps: Array
    objective: Array
    energy: Array
    predictions: Array
    first_move: Array


def start(data: Data, width: int, seed: int, white: Whitening, gaussian: Start = "w") -> tuple[Array, Normalised]:
    """Directions q (r, m) of Gaussian w (or Gaussian themselves), and the network on U that computes the function."""
    rng = np.random.default_rng(seed)
    c = data.y.reshape(data.n, -1).shape[1]
    q = rng.standard_normal((white.rank, width)) * (white.S[:, None] if gaussian == "w" else 1.0)
    q /= np.linalg.norm(q, axis=0)
    g = np.full(width, np.sqrt(data.n / width))
    A = rng.standard_normal((width, c)) / np.sqrt(width)
    return q, Normalised([], q, g, np.zeros(width), A)


def descend(
    data: Data,
    test: Array,
    coordinates: Coordinates = "rows",
    width: int = 32,
    steps: int = 1000,
    rate: float = 0.5,
    records: int = 40,
    seed: int = 0,
    gaussian: Start = "w",
) -> Descent:
    """Gradient descent from the same function in either parametrisation; the step is rate / n.

    rows      the parameter is w on H X V (rotated rows: descent does not see the rotation), with S / S_1 for S
    whitened  the parameter is q on U
    gaussian  which of the two is drawn Gaussian at the start; the same seed gives both parametrisations one function
    Raises ValueError when a run diverges: lower `rate`.
    """
    check_choice("coordinates", coordinates, ("rows", "whitened"))
    check_positive(width=width, steps=steps, rate=rate, records=records)
    check_choice("gaussian", gaussian, ("w", "q"))
    white = whitening(data.X)
    q, net = start(data, width, seed, white, gaussian)
    scale = white.S / white.S[0] if coordinates == "rows" else np.ones(white.rank)
    U, Y = tensor(white.features[:, :-1] * scale), tensor(data.y).reshape(data.n, -1)
    there = tensor(white.apply(test)[:, :-1] * scale)
    with torch.no_grad():
        net.V.copy_(tensor(q / scale[:, None]))
    at = np.unique(np.round(np.geomspace(1, steps, records)).astype(int))
    rows: list[tuple[float, Array, Array]] = [_look(net, U, Y, there, data.beta, scale)]
    first = np.zeros_like(q)
    moving = [p for p in net.parameters() if p.requires_grad]
    for step in range(1, steps + 1):
        loss = net.training_loss(U, Y, data.beta)
        pulls = torch.autograd.grad(loss, moving)
        with torch.no_grad():
            for p, pull in zip(moving, pulls):
                p.sub_(rate / data.n * pull)
                if step == 1 and p is net.V:
                    first = -rate / data.n * to_numpy(pull) * scale[:, None]
        if not all(bool(p.square().sum().isfinite()) for p in moving):
            raise ValueError(f"the run diverged at step {step}; lower rate (it is {rate:g})")
        if step in at:
            rows.append(_look(net, U, Y, there, data.beta, scale))
    objective, energy, predictions = (np.array(column) for column in zip(*rows))
    return Descent(np.concatenate([[0], at]).astype(float), objective, energy, predictions, first)


def _look(
    net: Normalised, U: torch.Tensor, Y: torch.Tensor, test: torch.Tensor, beta: float, scale: Array
) -> tuple[float, Array, Array]:
    with torch.no_grad():
        value = float(net.training_loss(U, Y, beta))
        q = to_numpy(net.V) * scale[:, None]
        size = (U @ net.V).norm(dim=0)  # columns of U are centred: the training mean is zero
        f = torch.relu(net.g * (test @ net.V) / size + net.a / len(U) ** 0.5) @ net.A
    return value, (np.square(q) / np.square(q).sum(0)).mean(1), to_numpy(f)
