"""A loss whose samples have weights:  L_w(f) = sum_k w_k l(f_k, y_k),  L_w*(z) = sum_k w_k l*(z_k / w_k).

The squared loss needs none of this: its weight goes into the rows, 1/2 |sqrt(w) (f - y)|^2 with a network that is
positively homogeneous in them. The dual vector of the weighted loss is w times that of the plain one, row by row.
Laws (tests/laws/test_weighted_loss.py): whole weights equal repeated rows; Fenchel-Young; Moreau.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

from convexnn.losses import CrossEntropy, Loss
from convexnn.numerics import Array, check_choice, tensor

#: l(f_k, y_k) for each sample, (n,).
_VALUES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "logistic": lambda f, Y: softplus(-Y * f).sum(1),
    "hinge": lambda f, Y: (1 - Y * f).clamp(min=0).sum(1),
    "squared_hinge": lambda f, Y: 0.5 * (1 - Y * f).clamp(min=0).square().sum(1),
    "cross_entropy": lambda f, Y: -(Y * log_softmax(f, 1)).sum(1),
}


def _logistic(s: Tensor) -> Tensor:
    return torch.xlogy(s, s) + torch.xlogy(1 - s, 1 - s)


#: l*(z_k) for each sample as a function of s = -Y z (margins) or p = z + Y (cross entropy), inside the domain.
_CONJUGATES: dict[str, Callable[[Tensor], Tensor]] = {
    "logistic": lambda s: _logistic(s).sum(1),
    "hinge": lambda s: -s.sum(1),
    "squared_hinge": lambda s: (0.5 * s.square() - s).sum(1),
    "cross_entropy": lambda p: torch.xlogy(p, p).sum(1),
}


class Weighted(Loss):
    """`base` with one positive weight a sample; its name keeps solvers away that know the plain loss by name."""

    def __init__(self, base: Loss, weights: Array) -> None:
        check_choice("loss", base.name, _VALUES)
        if not (weights > 0).all():
            raise ValueError("weights has entries that are not positive; leave samples of weight zero out")
        self.base, self.w = base, tensor(weights).reshape(-1, 1)
        self.name = f"weighted {base.name}"
        self.smoothness = base.smoothness * float(self.w.max())

    def check_targets(self, Y: Tensor) -> None:
        self.base.check_targets(Y)
        if len(Y) != len(self.w):
            raise ValueError(f"y has {len(Y)} rows but there are {len(self.w)} weights; pass one for each row")

    def value(self, f: Tensor, Y: Tensor) -> Tensor:
        return self.w.to(f)[:, 0] @ _VALUES[self.base.name](f, Y)

    def gradient(self, f: Tensor, Y: Tensor) -> Tensor:
        return self.w.to(f) * self.base.gradient(f, Y)

    def conjugate(self, z: Tensor, Y: Tensor) -> Tensor:
        w = self.w.to(z)
        if not bool(torch.isfinite(self.base.conjugate(z / w, Y))):
            return z.new_tensor(torch.inf)
        inner = z / w + Y if isinstance(self.base, CrossEntropy) else -Y * z / w
        return w[:, 0] @ _CONJUGATES[self.base.name](inner)

    def prox(self, f: Tensor, Y: Tensor, step: float) -> Tensor:
        """Row by row the plain prox with the step `w_k step`; for cross entropy rows of one weight go together."""
        w = self.w.to(f)
        if not isinstance(self.base, CrossEntropy):
            steps: Any = step * w  # the margin losses take one step a row
            return self.base.prox(f, Y, steps)
        found = torch.empty_like(f)
        for weight in w.unique():
            rows = w[:, 0] == weight
            found[rows] = self.base.prox(f[rows], Y[rows], step * float(weight))
        return found

    def into_domain(self, v: Tensor, Y: Tensor) -> Tensor:
        w = self.w.to(v)
        return w * self.base.into_domain(v / w, Y)
