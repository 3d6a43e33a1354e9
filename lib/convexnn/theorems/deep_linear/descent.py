"""Gradient descent that writes down the norms of the layers on its way."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from convexnn.numerics import Array, check_positive, tensor
from convexnn.theorems.deep_linear.linear_network import DeepLinear
from convexnn.types import Data


class Descent(NamedTuple):
    """Rows of a run: `steps` (T,), `objectives` (T,), Frobenius and operator norms (T, L) of the layers."""

    steps: Array
    objectives: Array
    frobenius: Array
    operator: Array


def descend(network: DeepLinear, data: Data, steps: int = 2000, rate: float = 0.02, every: int = 10) -> Descent:
    """Train a network of one branch in place by Adam (cosine rate) and log its layers every `every` steps."""
    check_positive(steps=steps, rate=rate, every=every)
    X, Y = tensor(data.X), tensor(data.y).reshape(data.n, -1)
    stepper = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(stepper, lambda k: 0.5 * (1 + math.cos(math.pi * min(k / steps, 1.0))))
    rows = []
    for step in range(steps + 1):
        stepper.zero_grad()
        value = network.training_loss(X, Y, data.beta)
        if step % every == 0 or step == steps:
            layers = network.matrices()
            norms = [[float(np.linalg.norm(W, kind)) for W in layers] for kind in ("fro", 2)]
            rows.append((step, value.item(), *norms))
        value.backward()
        stepper.step()
        schedule.step()
    return Descent(*(np.array(column, dtype=np.float64) for column in zip(*rows)))
