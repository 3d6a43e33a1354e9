"""Chains of Linear layers: one matrix at heart, penalised by (L/2) sum sigma_i^(2/L) after the best rescaling.

L = 2 is the nuclear norm, a convex program with a certificate. L >= 3 (squared loss) is not convex; with one output the
search over |w| has both bounds, and otherwise sum s^(2/L) >= (sum s)^(2/L) and

    phi(r) = min { 1/2 |XW - Y|^2 : |W|_* <= r } >= <v, Y> - 1/2 |v|^2 - r sigma_max(X'v)   for every v

bound the minimum over r: every v on a path of nuclear-norm programs gives a line, and r -> (L/2) r^(2/L) is concave
between their corners. With the squared loss an output bias is taken out exactly: rows are multiplied by
I - k 11', k = (1 - (beta / (n + beta))^(1/2)) / n when it is penalised, k = 1/n when it is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from convexnn.losses import Loss
from convexnn.numerics import EPS, SAFETY_ULPS, Array, tensor
from convexnn.solving import solve
from convexnn.theorems import deep_linear
from convexnn.theorems.deep_linear.forms import WHITE_TOL
from convexnn.theorems.deep_linear.linear_network import Depth
from convexnn.theorems.shared.schatten import shrink
from convexnn.types import Data
from convexnn.your_network.forms import Biases, Form, Study
from convexnn.your_network.reading import NotCovered, bias_of, weights_of
from convexnn.your_network.relu_forms import linear

#: Strengths of the nuclear norm on the path that bounds a deeper chain, over the largest useful one.
PATH = np.geomspace(1.0, 1e-4, 24)


class Chain(Form):
    """Linear, ..., Linear with biases in the first and the last layer at most."""

    def __init__(
        self, layers: Sequence[nn.Module], X: Array, Y: Array, beta: float, loss: Loss, biases: Biases
    ) -> None:
        self.layers, self.X, self.Y, self.beta, self.loss, self.biases = list(layers), X, Y, beta, loss, biases
        if any(layer.bias is not None for layer in self.layers[1:-1]):
            raise NotCovered("model has a bias in a middle Linear layer; chains may have biases in the first and last")
        self.first, self.last = bias_of(self.layers[0]) is not None, bias_of(self.layers[-1]) is not None
        if loss.name != "squared" and (self.depth > 2 or self.last or (self.first and biases == "free")):
            raise NotCovered(
                f"model is a chain of {self.depth} Linear layers with the {loss.name} loss; beside the squared loss "
                "only two layers without an output bias are covered"
            )
        if self.first and biases == "free" and not self.last:
            raise NotCovered("model is a chain with a free first bias and no output bias; give the last layer a bias")
        self.name = f"{self.depth}-layer linear"
        self.decay = "weights of all layers" + (f", biases {biases}" if self.first or self.last else "")
        self.notes = ()
        self.rows, self.targets = self._reduced()

    @property
    def depth(self) -> int:
        return len(self.layers)

    def _reduced(self) -> tuple[Array, Array]:
        """X and Y with a penalised first bias as a column of ones, and constants taken out."""
        X = np.hstack([self.X, np.ones((len(self.X), 1))]) if self.first and self.biases == "penalised" else self.X
        free = self.biases == "free" and (self.first or self.last)
        if not free and not self.last:
            return X, self.Y
        n = len(X)
        k = 1.0 / n if free else (1 - np.sqrt(self.beta / (n + self.beta))) / n
        return X - k * X.sum(0), self.Y - k * self.Y.sum(0)

    def _predictions(self) -> Array:
        with torch.no_grad():
            return np.asarray(nn.Sequential(*self.layers)(tensor(self.X)).numpy())

    def parts(self) -> tuple[float, float]:
        counted = [p for name, p in nn.Sequential(*self.layers).named_parameters() if self._pays(name)]
        decay = 0.5 * self.beta * sum(float(p.detach().square().sum()) for p in counted)
        return float(self.loss.value(tensor(self._predictions()), tensor(self.Y))), decay

    def _pays(self, name: str) -> bool:
        return name.endswith("weight") or self.biases == "penalised"

    def product(self) -> Array:
        """The matrix that acts on `rows`."""
        matrices = [weights_of(layer) for layer in self.layers]
        b = bias_of(self.layers[0])
        if b is not None and self.biases == "penalised":
            matrices[0] = np.vstack([matrices[0], b])
        return np.asarray(np.linalg.multi_dot(matrices)) if len(matrices) > 1 else matrices[0]

    def value_of(self, W: Array) -> float:
        """The least objective of a chain whose product is W, the best constant included."""
        s = np.linalg.svd(W, compute_uv=False)
        L = self.depth
        loss = float(self.loss.value(tensor(self.rows @ W), tensor(self.targets)))
        return loss + 0.5 * self.beta * L * float((s[s > 0] ** (2.0 / L)).sum())

    def rebalanced(self) -> float:
        return self.value_of(self.product())

    def width(self) -> tuple[int, int]:
        hidden = [weights_of(layer).shape[1] for layer in self.layers[:-1]]
        W = self.product()
        return min(hidden), min(hidden) - min(int(np.linalg.matrix_rank(W)), min(hidden))

    def study(self, budget: float, seed: int, bound: bool = True) -> Study:
        data = Data(self.rows, self.targets, self.beta)
        if self.depth == 2:
            program = deep_linear.program(data, layers=2, problem="squared", loss=self.loss)
            solution = solve(program, tol=1e-7, budget=budget, device="cpu")
            W, lower, v = solution.Z[0], solution.lower, solution.certificate.v
            method = "the nuclear-norm program"
        elif self.targets.shape[1] == 1 or _is_white(self.rows):
            one = self.targets.shape[1] == 1
            form = (deep_linear.one_output if one else deep_linear.whitened)(data, Depth(self.depth, "squared"))
            W, lower, v = form.network.product(), form.lower, np.zeros_like(self.targets)
            method = "a search over one scale" if one else "the closed form for whitened data, one value at a time"
        else:
            W, lower, v = self._deeper(data, budget)
            method = "a path of nuclear-norm programs"
        W = min((W, self.product(), np.zeros_like(W)), key=self.value_of)
        rank = int(np.linalg.matrix_rank(W, tol=1e-9 * max(1.0, float(np.abs(W).max(initial=0.0)))))
        room = SAFETY_ULPS * EPS * self.rows.size * max(1.0, abs(lower))
        return Study(self.value_of(W), lower - room, np.nan, method, v, rank, found=W)

    def _deeper(self, data: Data, budget: float) -> tuple[Array, float, Array]:
        """The best product on the path, descended from, and the bound of all lines together."""
        X, Y, L = data.X, data.y, self.depth
        top = float(np.linalg.norm(X.T @ Y, 2))
        found, lines, warm = [np.zeros((X.shape[1], Y.shape[1]))], [(0.5 * float((Y**2).sum()), top, Y)], None
        for strength in top * PATH[1:]:
            program = deep_linear.program(Data(X, Y, strength), layers=2, problem="squared")
            warm = solve(program, tol=1e-6, budget=budget / len(PATH), warm_start=warm, device="cpu")
            W = warm.Z[0]
            for rank in range(1, min(W.shape) + 1):
                U, s, Vt = np.linalg.svd(W, full_matrices=False)
                found.append((U[:, :rank] * s[:rank]) @ Vt[:rank])
            v = Y - X @ W
            value = float((v * Y).sum() - 0.5 * (v * v).sum())
            lines.append((value, float(np.linalg.norm(X.T @ v, 2)), v))
        best = min(found, key=self.value_of)
        return self._descend(best), *_under_lines(lines, self.beta, L)

    def _descend(self, W: Array) -> Array:
        """Proximal steps on the product: singular values move to the larger stationary point of their own problem."""
        L, step = self.depth, 1.0 / max(1e-300, float(np.linalg.norm(self.rows, 2)) ** 2)
        for _ in range(2000):
            U, s, Vt = np.linalg.svd(W - step * self.rows.T @ (self.rows @ W - self.targets), full_matrices=False)
            new = (U * shrink(s, step * self.beta, L)) @ Vt
            if self.value_of(new) >= self.value_of(W) - 1e-13 * max(1.0, self.value_of(W)):
                return W
            W = new
        return W

    def write(self, study: Study, max_width: int | None) -> nn.Module | None:
        W = np.asarray(study.found)
        U, s, Vt = np.linalg.svd(W, full_matrices=False)
        hidden = [weights_of(layer).shape[1] for layer in self.layers[:-1]]
        rank = max(1, int((s > 1e-12 * max(float(s[0]), 1e-300)).sum())) if len(s) else 1
        rank = rank if max_width is None else min(rank, max_width)
        root = s[:rank] ** (1.0 / self.depth)
        widths = [rank if max_width is None else min(max(m, rank), max_width) for m in hidden]
        matrices = [_frame(U[:, :rank] * root, W.shape[0], widths[0])]
        matrices += [_frame(np.diag(root), a, b) for a, b in pairwise(widths)]
        matrices.append(_frame(root[:, None] * Vt[:rank], widths[-1], W.shape[1]))
        biases: list[Array | None] = [None] * self.depth
        if self.first:
            penalised = self.biases == "penalised"
            biases[0] = matrices[0][-1] if penalised else np.zeros(widths[0])
            matrices[0] = matrices[0][:-1] if penalised else matrices[0]
        if self.last:
            biases[-1] = np.zeros(W.shape[1])
        chain = nn.Sequential(*(linear(M, b) for M, b in zip(matrices, biases)))
        return self._with_offset(chain)

    def _with_offset(self, chain: nn.Sequential) -> nn.Module | None:
        """The chain with its best output bias."""
        if self.last:
            with torch.no_grad():
                rest = self.Y - chain(tensor(self.X)).numpy()
                n = len(rest)
                best = rest.sum(0) / (n if self.biases == "free" else n + self.beta)
                chain[-1].bias.copy_(tensor(best))  # type: ignore[operator]
        return chain


def _is_white(X: Array) -> bool:
    """Whether every singular value is 0 or 1."""
    s = np.linalg.svd(X, compute_uv=False)
    return bool((np.minimum(np.abs(s), np.abs(s - 1)) <= WHITE_TOL).all())


def _frame(M: Array, rows: int, columns: int) -> Array:
    """M in the upper left corner of zeros."""
    framed = np.zeros((rows, columns))
    framed[: M.shape[0], : M.shape[1]] = M
    return framed


def _under_lines(lines: list[tuple[float, float, Array]], beta: float, L: int) -> tuple[float, Array]:
    """min over r >= 0 of max_k (a_k - r b_k, 0) + (beta L / 2) r^(2/L), which is at a corner of the envelope."""
    a, b = np.array([line[0] for line in lines]), np.array([line[1] for line in lines])
    a, b = np.append(a, 0.0), np.append(b, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        corners = (a[:, None] - a) / (b[:, None] - b)
    r = np.unique(np.concatenate([[0.0], corners[np.isfinite(corners) & (corners > 0)]]))
    envelope = (a[:, None] - b[:, None] * r).max(0)
    values = envelope + 0.5 * beta * L * r ** (2.0 / L)
    k = int(values.argmin())
    active = int((a[:-1] - b[:-1] * r[k]).argmax())
    return float(values[k]), lines[active][2]
