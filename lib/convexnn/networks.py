"""Networks as the theorems write them: predictions, the weight-decay penalty, a seeded start.

The training problem of every network is  loss(f(X), y) + beta * penalty, with the loss a sum over samples.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.losses import Loss
from convexnn.numerics import Array, check_choice, tensor
from convexnn.types import Data

Bias = Literal["none", "regularised", "unregularised"]
Activation = Literal["relu", "gated"]
BIASES: tuple[Bias, ...] = ("none", "regularised", "unregularised")
ACTIVATIONS: tuple[Activation, ...] = ("relu", "gated")


class Network(nn.Module, ABC):
    """A float64 module that knows its own training problem."""

    loss: Loss

    @abstractmethod
    def forward(self, X: Tensor) -> Tensor:
        """Predictions (n, c)."""

    @abstractmethod
    def penalty(self) -> Tensor:
        """The regulariser that beta multiplies, a scalar; 1/2 of the squared weights unless the theorem says else."""

    @abstractmethod
    def reset(self, seed: int) -> None:
        """Draw new starting weights from numpy's generator with this seed."""

    def training_loss(self, X: Tensor, Y: Tensor, beta: float) -> Tensor:
        """loss(f(X), Y) + beta * penalty."""
        return self.loss.value(self(X), Y) + beta * self.penalty()

    def objective(self, data: Data) -> float:
        """The training problem's value on `data`, in float64."""
        X, Y = tensor(data.X), tensor(data.y).reshape(data.n, -1)
        with torch.no_grad():
            return float(self._judged().training_loss(X, Y, data.beta))

    def predict(self, X: Array) -> Array:
        """Predictions (n, c) for a numpy array."""
        with torch.no_grad():
            return np.asarray(self._judged()(tensor(X)).numpy())

    def _judged(self) -> Network:
        """This network in float64 on the CPU; a copy when it is elsewhere, so that the caller's stays as it is."""
        at_home = all(p.dtype == torch.float64 and p.device.type == "cpu" for p in self.parameters())
        return self if at_home else copy.deepcopy(self).double().cpu()


class TwoLayer(Network):
    """f(x) = sum_j s(x'u_j + b_j) a_j + offset,  s = ReLU, or a fixed gate 1[x'h_j + g_j >= 0] times its argument.

    U (m, d), b (m,), A (m, c), gates (m, d + 1) with the gate's own offset last (zero without bias).
    penalty = 1/2 sum_j ( |u_j|^2 + [bias regularised] b_j^2 + |a_j|_1^2 ); one output: |a_j|_1^2 = a_j^2.
    The l1 norm on a_j makes several outputs a sum of groups u_j e_k' (theory: separable vector outputs).
    offset is an output bias, present and unpenalised only when bias="unregularised".
    """

    gates: Tensor | None

    def __init__(
        self,
        U: Array,
        A: Array,
        loss: Loss,
        b: Array | None = None,
        offset: Array | None = None,
        gates: Array | None = None,
        bias: Bias = "none",
    ) -> None:
        super().__init__()
        check_choice("bias", bias, BIASES)
        m, c = A.shape
        self.loss, self.bias = loss, bias
        self.U = nn.Parameter(tensor(U).clone())
        self.A = nn.Parameter(tensor(A).clone())
        self.b = nn.Parameter(tensor(np.zeros(m) if b is None else b).clone(), requires_grad=bias != "none")
        self.offset = nn.Parameter(
            tensor(np.zeros(c) if offset is None else offset).clone(), requires_grad=bias == "unregularised"
        )
        self.register_buffer("gates", None if gates is None else tensor(gates).clone())

    @property
    def width(self) -> int:
        """m, the number of hidden neurons."""
        return int(self.U.shape[0])

    def hidden(self, X: Tensor) -> Tensor:
        """Activations s(x'u_j + b_j), shape (n, m)."""
        before = X @ self.U.T + self.b
        if self.gates is None:
            return torch.relu(before)
        return (X @ self.gates[:, :-1].T + self.gates[:, -1] >= 0).to(before.dtype) * before

    def forward(self, X: Tensor) -> Tensor:
        return self.hidden(X) @ self.A + self.offset

    def penalty(self) -> Tensor:
        first = self.U.square().sum()
        if self.bias == "regularised":
            first = first + self.b.square().sum()
        return 0.5 * (first + self.A.abs().sum(1).square().sum())

    def reset(self, seed: int) -> None:
        """u ~ N(0, 1/d), a ~ N(0, 1/m), biases zero."""
        rng = np.random.default_rng(seed)
        m, d = self.U.shape
        with torch.no_grad():
            self.U.copy_(tensor(rng.standard_normal((m, d)) / np.sqrt(d)))
            self.A.copy_(tensor(rng.standard_normal((m, self.A.shape[1])) / np.sqrt(m)))
            self.b.zero_()
            self.offset.zero_()

    def sequential(self) -> nn.Sequential:
        """The same function as an ordinary nn.Sequential(Linear, ReLU, Linear); ReLU networks only."""
        if self.gates is not None:
            raise ValueError("a gated network has no nn.Sequential form: its gates are not functions of its weights")
        m, d = self.U.shape
        first, second = nn.Linear(d, m).double(), nn.Linear(m, self.A.shape[1]).double()
        with torch.no_grad():
            first.weight.copy_(self.U)
            first.bias.copy_(self.b)
            second.weight.copy_(self.A.T)
            second.bias.copy_(self.offset)
        return nn.Sequential(first, nn.ReLU(), second)


def balanced(network: TwoLayer) -> TwoLayer:
    """The same function with |(u_j, b_j)| = |a_j|_1 in every neuron (the rescaling lemma); the penalty cannot rise.

    Dead neurons are dropped. With an unregularised bias a ReLU neuron without slope is a constant and joins the offset;
    a gated one is a constant on its gate and is kept as it is.
    """
    U, b, A = (p.detach().numpy() for p in (network.U, network.b, network.A))
    first = np.linalg.norm(np.column_stack([U, b]) if network.bias == "regularised" else U, axis=1)
    second = np.abs(A).sum(1)
    constant = (first == 0) & (second > 0) & (b != 0) & (network.bias == "unregularised")
    offset = network.offset.detach().numpy().copy()
    if network.gates is None:
        offset += np.maximum(b[constant], 0) @ A[constant]
    live = (first > 0) & (second > 0) | (constant & (network.gates is not None))
    scale = np.where(constant[live], 1.0, np.sqrt(second[live] / np.where(constant[live], 1.0, first[live])))
    gates = None if network.gates is None else network.gates.numpy()[live]
    return TwoLayer(
        U[live] * scale[:, None],
        A[live] / scale[:, None],
        network.loss,
        b[live] * scale,
        offset,
        gates,
        network.bias,
    )
