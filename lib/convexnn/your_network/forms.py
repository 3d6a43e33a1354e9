"""The covered forms: which training problem a module belongs to, its value, and how a better one is written back.

A form knows its objective exactly as the module stands, what rebalancing its layers would cost, and how to study it:
find a better network and bound all of them.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from torch import nn

from convexnn.numerics import Array
from convexnn.your_network.descent import polish, resume, search, strongest
from convexnn.your_network.lower import network_lower
from convexnn.your_network.own_cells import own_cells_lower
from convexnn.your_network.problem import Neurons, Problem

Biases = Literal["penalised", "free"]
#: Shares of the budget: looking for a better network, bounding at network scope, at program scope.
SEARCH, PROVE, CELLS = 0.4, 0.45, 0.15
#: Columns that a bound met are put into the network and the bound is repeated this often, until the gap is CLOSED.
REPEATS, CLOSED = 6, 1e-6


@dataclass(frozen=True)
class Study:
    """What a search and a proof found about one form.

    best            objective of the best network found; `network` writes it (at most `width` neurons, or None)
    lower           no network of this form, of any width, has an objective below it
    program_lower   no network with the patterns of this one has; NaN where it is not computed, +inf never
    history         (k, 3) seconds, value, neurons
    """

    best: float
    lower: float
    program_lower: float
    method: str
    v: Array
    neurons: int
    scope: Literal["network", "program"] = "network"
    history: Array = field(repr=False, default_factory=lambda: np.zeros((0, 3)))
    found: object = field(repr=False, default=None)


class Form(ABC):
    """One training problem with the module's own weights in it."""

    name: str
    decay: str
    notes: tuple[str, ...]

    @abstractmethod
    def parts(self) -> tuple[float, float]:
        """(loss, decay) of the module as it is; their sum is the objective."""

    @abstractmethod
    def rebalanced(self) -> float:
        """The objective after rescaling the layers against each other; predictions on the data stay."""

    @abstractmethod
    def width(self) -> tuple[int, int]:
        """(hidden neurons, how many of them change no prediction on the data)."""

    @abstractmethod
    def study(self, budget: float, seed: int, bound: bool = True) -> Study:
        """Look for a better network, then bound all of them; without `bound` only look."""

    @abstractmethod
    def write(self, study: Study, max_width: int | None) -> nn.Module | None:
        """The best network as the same kind of module, or None where `max_width` does not allow it."""


class ReluForm(Form):
    """Two-layer ReLU networks in all their clothes: plain, normalised, convolutional."""

    def __init__(self, name: str, decay: str, notes: tuple[str, ...], problem: Problem, net: Neurons) -> None:
        self.name, self.decay, self.notes = name, decay, notes
        self.problem, self.net = problem, net

    def parts(self) -> tuple[float, float]:
        return self.problem.loss_value(self.problem.fit(self.net)), self.problem.decay(self.net)

    def rebalanced(self) -> float:
        net = self.problem.balanced(self.net)
        strength = self.problem.lengths(net.W) * np.linalg.norm(net.A, axis=1)
        loss = self.problem.loss_value(self.problem.fit(net))
        return loss + self.problem.beta * float(strength.sum()) + self.problem.offset_cost(net.o)

    def width(self) -> tuple[int, int]:
        return self.net.width, int((~self.problem.alive(self.net)).sum())

    def study(self, budget: float, seed: int, bound: bool = True) -> Study:
        began = time.perf_counter()
        found = search(self.problem, self.net, (SEARCH if bound else 1.0) * budget, seed)
        if not bound:
            empty = np.zeros_like(self.problem.Y)
            return Study(
                found.value, -np.inf, np.nan, "none", empty, found.net.width, history=found.history, found=found.net
            )
        own = own_cells_lower(self.problem, self.problem.balanced(self.net), found.net.o, CELLS * budget)
        low = network_lower(self.problem, found.net, PROVE * budget, found.proofs)
        for _ in range(REPEATS):
            left = budget - (time.perf_counter() - began)
            closed = found.value - low.lower <= CLOSED * max(1.0, abs(found.value))
            if closed or left < 0.3 * budget or low.directions is None or not len(low.directions):
                break
            found = resume(self.problem, found, low.directions, 0.4 * left, seed)
            low = max(low, network_lower(self.problem, found.net, 0.6 * left, found.proofs), key=lambda b: b.lower)
        net = found.net
        return Study(found.value, low.lower, own, low.method, low.v, net.width, history=found.history, found=net)

    def write(self, study: Study, max_width: int | None) -> nn.Module | None:
        net = study.found
        assert isinstance(net, Neurons)
        if max_width is not None and net.width > max_width:
            cut = (polish(self.problem, strongest(self.problem, one, max_width)) for one in (net, self.net))
            net = min(cut, key=self.problem.value)
        return self.module(self.problem.balanced(net))

    @abstractmethod
    def module(self, net: Neurons) -> nn.Module:
        """The user's kind of module with these neurons, in float64."""
