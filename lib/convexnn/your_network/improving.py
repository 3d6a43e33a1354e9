"""`improve`: a better network of the same kind where one is found, never a worse one."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from convexnn.losses import Loss
from convexnn.numerics import check_positive
from convexnn.your_network.certificate import read
from convexnn.your_network.forms import Biases

#: A network counts as better when it saves more than this share of the objective (rounding of float32 weights).
WORTH = 1e-7


@dataclass(frozen=True)
class Improvement:
    """The network to use, what it costs, and what happened in one sentence."""

    network: nn.Module
    before: float
    after: float
    width: int
    improved: bool
    message: str
    elapsed_s: float

    @property
    def saved(self) -> float:
        """The share of the objective that was saved."""
        return (self.before - self.after) / max(1e-300, abs(self.before))


def improve(
    model: nn.Module,
    X: Any,
    y: Any,
    beta: float,
    loss: str | Loss = "squared",
    biases: Biases = "penalised",
    budget: float = 20.0,
    max_width: int | None = None,
    seed: int = 0,
) -> Improvement:
    """Search from the network's own neurons for one with a lower  sum of losses + beta/2 * sum of squared weights.

    max_width  most hidden neurons of what is returned; None lets the width grow
    The result has the layers of `model` (an nn.Sequential of the same types), its dtype and its mode, and its objective
    is computed from the weights as they are returned. Where nothing better is found, a copy of `model` comes back and
    the message says so. Raises like `certify_network`.
    """
    check_positive(budget=budget)
    if max_width is not None and not (isinstance(max_width, int) and max_width >= 1):
        raise ValueError(f"max_width is {max_width!r}; pass a whole number >= 1, or None")
    began = time.perf_counter()
    form, _, _ = read(model, X, y, beta, loss, biases)
    before = sum(form.parts())
    study = form.study(budget, seed, bound=False)
    found = form.write(study, max_width)
    if found is not None:
        found = like(found, model)
        rewritten = read(found, X, y, beta, loss, biases)[0]
        after, width = sum(rewritten.parts()), rewritten.width()[0]
        if after < before - WORTH * max(1.0, abs(before)):
            text = f"objective {before:.6g} to {after:.6g}, {width} hidden neurons (was {form.width()[0]})"
            return Improvement(found, before, after, width, True, text, time.perf_counter() - began)
    text = f"no better network was found in {budget:g} s; objective {before:.6g} stays"
    same = copy.deepcopy(model)
    return Improvement(same, before, before, form.width()[0], False, text, time.perf_counter() - began)


def like(found: nn.Module, model: nn.Module) -> nn.Module:
    """In the dtype and on the device of `model`, in its mode."""
    weight: torch.Tensor = next(model.parameters())
    return found.to(device=weight.device, dtype=weight.dtype).train(model.training)
