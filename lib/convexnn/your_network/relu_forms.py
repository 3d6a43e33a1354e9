"""Plain, normalised and convolutional two-layer ReLU modules: read into rows and neurons, and written back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from convexnn.losses import Loss
from convexnn.numerics import Array, tensor
from convexnn.theorems.batch_norm import whitening
from convexnn.your_network.forms import Biases, ReluForm
from convexnn.your_network.problem import Constants, Neurons, Problem
from convexnn.your_network.reading import bias_of, weights_of

#: Variance of a normalised neuron over eps in a module that is written back: what eps costs is its inverse.
VARIANCE = 1e8
#: Output weight of a neuron that stands for a free constant; its cost is half its square times beta.
FAINT = 1e-4


def constants_of(last: nn.Module, biases: Biases, hidden_free: bool) -> Constants:
    """What an output bias, or a hidden bias without penalty, makes of constants."""
    if last.bias is None:
        return "free" if hidden_free else "none"
    return "free" if biases == "free" or hidden_free else "ridge"


def offset_of(last: nn.Module) -> Array:
    found = bias_of(last)
    return np.zeros(last.out_features) if found is None else found  # type: ignore[arg-type]


def linear(weight: Array, bias: Array | None) -> nn.Linear:
    """x -> x W + b for W (in, out), float64."""
    layer = nn.Linear(weight.shape[0], weight.shape[1], bias=bias is not None).double()
    with torch.no_grad():
        layer.weight.copy_(tensor(weight.T))
        if bias is not None:
            layer.bias.copy_(tensor(bias))
    return layer


def at_least_one(net: Neurons) -> Neurons:
    """A module needs a neuron: a zero one where there is none."""
    return net if net.width else Neurons(np.zeros((1, net.W.shape[1])), np.zeros((1, net.A.shape[1])), net.o)


def with_constant(net: Neurons, has_offset: bool) -> Neurons:
    """Free constants without an output bias: a neuron without slope for each output that needs one."""
    if has_offset or not net.o.any():
        return net
    used = np.flatnonzero(net.o)
    W, A = np.zeros((len(used), net.W.shape[1])), np.zeros((len(used), net.A.shape[1]))
    W[:, -1] = np.abs(net.o[used]) / FAINT
    A[np.arange(len(used)), used] = FAINT * np.sign(net.o[used])
    return Neurons(np.vstack([net.W, W]), np.vstack([net.A, A]), np.zeros_like(net.o))


class Plain(ReluForm):
    """Linear, ReLU, Linear."""

    def __init__(self, layers: list[nn.Module], X: Array, Y: Array, beta: float, loss: Loss, biases: Biases) -> None:
        first, last = layers[0], layers[-1]
        self.has_bias, self.has_offset = first.bias is not None, last.bias is not None
        free = self.has_bias and biases == "free"
        rows = np.hstack([X, np.ones((len(X), 1))]) if self.has_bias else X
        W = weights_of(first).T
        b = bias_of(first)
        W = W if b is None else np.column_stack([W, b])
        problem = Problem(rows, Y, beta, loss, constants_of(last, biases, free), free)
        what = "weights of both layers" + (f", biases {biases}" if self.has_bias or self.has_offset else "")
        super().__init__("two-layer ReLU", what, (), problem, Neurons(W, weights_of(last), offset_of(last)))

    def module(self, net: Neurons) -> nn.Module:
        net = at_least_one(with_constant(net, self.has_offset))
        slopes, b = (net.W[:, :-1], net.W[:, -1]) if self.has_bias else (net.W, None)
        return nn.Sequential(linear(slopes.T, b), nn.ReLU(), linear(net.A, net.o if self.has_offset else None))


class WithBatchNorm(ReluForm):
    """Linear, BatchNorm1d, ReLU, Linear in training mode: statistics of all rows, decay not on the first layer.

    On the whitened features U' a normalised neuron is a plain one, s = (g q / |q|, a) with g = sqrt(n) weight and
    a = sqrt(n) bias, and beta becomes beta / sqrt(n). The module's eps only shrinks g.
    """

    def __init__(self, layers: list[nn.Module], X: Array, Y: Array, beta: float, loss: Loss, biases: Biases) -> None:
        first, norm, last = layers[0], layers[1], layers[-1]
        self.white, self.eps, self.norm, self.last = whitening(X), float(norm.eps), norm, last  # type: ignore[arg-type]
        self.has_bias, self.has_offset, self.n = first.bias is not None, last.bias is not None, len(X)
        self.X, self.beta_given = X, beta
        weight, bias = (np.asarray(p.detach().numpy()) for p in (norm.weight, norm.bias))  # type: ignore[operator]
        z = X @ weights_of(first)
        z = z - z.mean(0)
        size = np.linalg.norm(z, axis=0)
        q = (self.white.features[:, :-1].T @ z).T
        gain = weight * np.sqrt(self.n) * np.sqrt(size**2 / (size**2 + self.n * self.eps))
        W = np.column_stack([q * (gain / np.where(size > 0, size, 1.0))[:, None], bias * np.sqrt(self.n)])
        problem = Problem(
            self.white.features,
            Y,
            beta / np.sqrt(self.n),
            loss,
            constants_of(last, biases, False),
            ridge=np.sqrt(self.n),
        )
        notes = ("statistics are those of the whole batch, as in training mode",)
        offset = f", output bias {biases}" if self.has_offset else ""
        what = f"gains and shifts of BatchNorm and output weights{offset}; not the layer before BatchNorm"
        squares = float(weight @ weight + bias @ bias + np.square(weights_of(last)).sum())
        self.penalty = 0.5 * beta * squares + problem.offset_cost(offset_of(last))
        super().__init__(
            "two-layer ReLU with BatchNorm", what, notes, problem, Neurons(W, weights_of(last), offset_of(last))
        )

    def parts(self) -> tuple[float, float]:
        return self.problem.loss_value(self.problem.fit(self.net)), self.penalty

    def module(self, net: Neurons) -> nn.Module:
        net, n, m = at_least_one(net), self.n, max(1, net.width)
        gain = np.linalg.norm(net.W[:, :-1], axis=1)
        s = np.where(gain[:, None] > 0, net.W[:, :-1] / np.where(gain > 0, gain, 1.0)[:, None], 1.0)
        s = s / np.linalg.norm(s, axis=1, keepdims=True)
        length = np.sqrt(VARIANCE * self.eps * n)
        weight, bias = gain / np.sqrt(n) * np.sqrt(1 + 1 / VARIANCE), net.W[:, -1] / np.sqrt(n)
        first, second = np.hypot(weight, bias), np.linalg.norm(net.A, axis=1)
        scale = np.sqrt(np.where(first > 0, second, 1.0) / np.where(first > 0, first, 1.0))
        scale = np.where(scale > 0, scale, 1.0)
        norm = nn.BatchNorm1d(m, eps=self.eps, momentum=self.norm.momentum).double()  # type: ignore[arg-type]
        slopes = length * self.white.weights(s.T)
        z = self.X @ slopes
        with torch.no_grad():
            norm.weight.copy_(tensor(weight * scale))
            norm.bias.copy_(tensor(bias * scale))
            norm.running_mean.copy_(tensor(z.mean(0)))  # type: ignore[union-attr]
            norm.running_var.copy_(tensor(z.var(0) * n / max(1, n - 1)))  # type: ignore[union-attr]
        last = linear(net.A / scale[:, None], net.o if self.has_offset else None)
        return nn.Sequential(linear(slopes, np.zeros(m) if self.has_bias else None), norm, nn.ReLU(), last)


class Convolution(ReluForm):
    """Conv2d, ReLU, AdaptiveAvgPool2d(1), Flatten, Linear: a neuron reads every patch of an image, and is averaged."""

    def __init__(self, layers: list[nn.Module], X: Array, Y: Array, beta: float, loss: Loss, biases: Biases) -> None:
        conv, last = layers[0], layers[-1]
        assert isinstance(conv, nn.Conv2d)
        if conv.groups != 1 or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
            raise ValueError("model has a Conv2d with groups, another padding mode or a named padding; use numbers")
        self.conv, self.has_offset = conv, last.bias is not None
        shape = (conv.kernel_size, conv.dilation, conv.padding, conv.stride)
        patches = torch.nn.functional.unfold(tensor(X), *shape).numpy().swapaxes(1, 2)
        rows = np.ascontiguousarray(patches).reshape(-1, patches.shape[-1])
        W = np.asarray(conv.weight.detach().numpy()).reshape(conv.out_channels, -1)
        free = conv.bias is not None and biases == "free"
        if conv.bias is not None:
            rows = np.hstack([rows, np.ones((len(rows), 1))])
            W = np.column_stack([W, conv.bias.detach().numpy()])
        problem = Problem(rows, Y, beta, loss, constants_of(last, biases, free), free)
        what = "filters and output weights" + (f", biases {biases}" if conv.bias is not None or self.has_offset else "")
        super().__init__("two-layer ReLU convolution", what, (), problem, Neurons(W, weights_of(last), offset_of(last)))

    def module(self, net: Neurons) -> nn.Module:
        net, old = at_least_one(with_constant(net, self.has_offset)), self.conv
        has_bias = old.bias is not None
        same: Any = {name: getattr(old, name) for name in ("kernel_size", "stride", "padding", "dilation")}
        conv = nn.Conv2d(old.in_channels, net.width, bias=has_bias, **same).double()
        with torch.no_grad():
            conv.weight.copy_(tensor(net.W[:, :-1] if has_bias else net.W).reshape(conv.weight.shape))
            if conv.bias is not None:
                conv.bias.copy_(tensor(net.W[:, -1]))
        last = linear(net.A, net.o if self.has_offset else None)
        return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
