"""convexnn's own networks whose program is convex: gated two-layer networks and attention heads."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from torch import nn

from convexnn.networks import Network, TwoLayer, balanced
from convexnn.program import Program
from convexnn.solving import solve
from convexnn.theorems import attention, two_layer
from convexnn.theorems.attention.head_network import HeadNetwork
from convexnn.types import Data
from convexnn.your_network.forms import Form, Study
from convexnn.your_network.reading import NotCovered


class Solved(Form):
    """A network whose training problem is the convex program itself: the program's optimum is the answer."""

    theorem: Any

    def __init__(self, name: str, decay: str, network: Network, data: Data, program: Program) -> None:
        self.name, self.decay, self.notes = name, decay, ()
        self.network, self.data, self.program = network, data, program

    def parts(self) -> tuple[float, float]:
        total = self.network.objective(self.data)
        decay = self.data.beta * float(copy.deepcopy(self.network).double().cpu().penalty().detach())
        return total - decay, decay

    def study(self, budget: float, seed: int, bound: bool = True) -> Study:
        solution = solve(self.program, tol=1e-7, budget=budget, device="cpu")
        found = self.theorem.recover(self.data, solution)
        best, scope = found.objective(self.data), self.program.scope
        lower = solution.lower
        v, count = solution.certificate.v, int(found.width)
        return Study(best, lower, lower, f"the convex program ({solution.method})", v, count, scope, found=found)

    def write(self, study: Study, max_width: int | None) -> nn.Module | None:
        assert isinstance(study.found, Network)
        return study.found if max_width is None or study.neurons <= max_width else None


class Gated(Solved):
    """Fixed gates: the program with exactly those gates; its scope is "program" because the gates are given."""

    theorem = two_layer

    def __init__(self, network: TwoLayer, data: Data) -> None:
        if network.gates is None or network.bias == "unregularised":
            raise NotCovered(
                "model is a convexnn TwoLayer without gates or with an unregularised bias; pass network.sequential()"
            )
        gates = network.gates.numpy()
        D = data.X @ gates[:, :-1].T + gates[:, -1] >= 0
        self.gates, self.index = gates, _distinct(D)
        self.D = D
        program = two_layer.program(
            data, patterns=D[:, self.index], activation="gated", loss=network.loss, bias=network.bias
        )
        super().__init__("two-layer gated ReLU", "both layers, |a_j|_1 a neuron", network, data, program)

    def rebalanced(self) -> float:
        return balanced(self.network).objective(self.data)  # type: ignore[arg-type]

    def width(self) -> tuple[int, int]:
        net = self.network
        assert isinstance(net, TwoLayer)
        dead = (np.abs(net.A.detach().numpy()).sum(1) == 0) | ~self.D.any(0)
        return net.width, int(dead.sum())


class Heads(Solved):
    """Linear or gated attention, mixer, Fourier and MLP heads with merged weights."""

    theorem = attention

    def __init__(self, network: HeadNetwork, data: Data) -> None:
        gates = None if network.gates is None else network.gates.numpy()
        head: Any = network.head
        program = attention.program(data, head.name, network.activation, gates, head.blocks, network.loss)
        super().__init__(f"{network.head.name} heads", "merged mixing and output weights", network, data, program)

    def rebalanced(self) -> float:
        net = self.network
        left, right = (np.linalg.norm(p.detach().numpy(), axis=-1) for p in (net.left, net.right))  # type: ignore[operator]
        return self.parts()[0] + self.data.beta * float((left * right).sum())

    def width(self) -> tuple[int, int]:
        net = self.network
        assert isinstance(net, HeadNetwork)
        total = int(net.left.shape[0] * net.left.shape[1])
        return total, total - net.width


def _distinct(D: np.ndarray) -> np.ndarray:
    """Columns of D that are on somewhere and differ from those before."""
    _, first = np.unique(D, axis=1, return_index=True)
    first = np.sort(first)
    return first[D[:, first].any(0)]
