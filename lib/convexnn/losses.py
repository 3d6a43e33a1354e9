"""Convex losses: value, gradient, conjugate, prox, and the ways of making a dual vector feasible.

A loss is a SUM over samples of l(f_k, y_k); predictions f and targets Y have shape (n, c).
The dual vector is always v = -grad L(f) (squared loss: the residual y - f), so that the dual objective is

    dual(v) = -L*(-v),        L*(z) = sup_f <z, f> - L(f)

Laws (tests/laws/test_losses.py): Fenchel-Young L(f) + L*(z) >= <f, z> with equality at z = grad L(f);
Moreau on the prox; `into_domain` returns a point where L* is finite.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

from convexnn.numerics import check_choice, check_finite

#: The probabilities of a sample may miss the sum one by this many units in the last place for each output.
SIMPLEX_ULPS = 4096.0


class Loss(ABC):
    """A separable convex loss. Stateless; one instance of each in `LOSSES`."""

    name: str
    smoothness: float  # Lipschitz constant of grad L, inf for the hinge

    @abstractmethod
    def value(self, f: Tensor, Y: Tensor) -> Tensor:
        """L(f) >= 0, a scalar."""

    @abstractmethod
    def gradient(self, f: Tensor, Y: Tensor) -> Tensor:
        """grad L(f), shape of f; at a kink of the hinge the one-sided value 0."""

    @abstractmethod
    def conjugate(self, z: Tensor, Y: Tensor) -> Tensor:
        """L*(z), a scalar; +inf outside the domain."""

    @abstractmethod
    def prox(self, f: Tensor, Y: Tensor, step: float) -> Tensor:
        """argmin_p  L(p) + |p - f|^2 / (2 step)."""

    @abstractmethod
    def into_domain(self, v: Tensor, Y: Tensor) -> Tensor:
        """The nearest simple point v' with L*(-v') finite (a projection, sample by sample)."""

    def check_targets(self, Y: Tensor) -> None:
        """Raise ValueError unless Y is what this loss is defined for."""
        check_finite(y=Y)

    def dual(self, v: Tensor, Y: Tensor) -> Tensor:
        """-L*(-v), the dual objective."""
        return -self.conjugate(-v, Y)


class Squared(Loss):
    """L(f) = 1/2 |f - y|^2;  L*(z) = 1/2 |z|^2 + <z, y>;  dual(v) = <v, y> - 1/2 |v|^2."""

    name = "squared"
    smoothness = 1.0

    def value(self, f: Tensor, Y: Tensor) -> Tensor:
        return 0.5 * (f - Y).square().sum()

    def gradient(self, f: Tensor, Y: Tensor) -> Tensor:
        return f - Y

    def conjugate(self, z: Tensor, Y: Tensor) -> Tensor:
        return 0.5 * z.square().sum() + (z * Y).sum()

    def prox(self, f: Tensor, Y: Tensor, step: float) -> Tensor:
        return (f + step * Y) / (1.0 + step)

    def into_domain(self, v: Tensor, Y: Tensor) -> Tensor:
        return v


class _Margin(Loss):
    """A loss of the margin m = y f with labels y in {-1, +1}; v = y s with s = -l'(m) >= 0."""

    def check_targets(self, Y: Tensor) -> None:
        super().check_targets(Y)
        if not bool((Y.abs() == 1).all()):
            found = sorted({float(value) for value in Y.reshape(-1)[:50]})[:5]
            raise ValueError(
                f"y holds {found}; the {self.name} loss needs labels -1 and +1, e.g. np.where(y > 0, 1, -1)"
            )


class Logistic(_Margin):
    """L(f) = sum log(1 + exp(-y f));  -L*(-v) = -sum s log s + (1 - s) log(1 - s),  s = y v in [0, 1]."""

    name = "logistic"
    smoothness = 0.25

    def value(self, f: Tensor, Y: Tensor) -> Tensor:
        return softplus(-Y * f).sum()

    def gradient(self, f: Tensor, Y: Tensor) -> Tensor:
        return -Y * torch.sigmoid(-Y * f)

    def conjugate(self, z: Tensor, Y: Tensor) -> Tensor:
        s = -Y * z
        inside = bool(((s >= 0) & (s <= 1)).all())
        return (torch.xlogy(s, s) + torch.xlogy(1 - s, 1 - s)).sum() if inside else z.new_tensor(torch.inf)

    def prox(self, f: Tensor, Y: Tensor, step: float) -> Tensor:
        # In the margin m: m - m0 = step * sigmoid(-m), an increasing equation on [m0, m0 + step]; guarded Newton.
        m0 = Y * f
        low, high = m0.clone(), m0 + step
        m = 0.5 * (low + high)
        for _ in range(60):
            s = torch.sigmoid(-m)
            residual = m - m0 - step * s
            low, high = torch.where(residual < 0, m, low), torch.where(residual < 0, high, m)
            newton = m - residual / (1.0 + step * s * (1 - s))
            m = torch.where((newton > low) & (newton < high), newton, 0.5 * (low + high))
        return Y * m

    def into_domain(self, v: Tensor, Y: Tensor) -> Tensor:
        return Y * (Y * v).clamp(0.0, 1.0)


class Hinge(_Margin):
    """L(f) = sum max(0, 1 - y f);  -L*(-v) = sum s,  s = y v in [0, 1]."""

    name = "hinge"
    smoothness = float("inf")

    def value(self, f: Tensor, Y: Tensor) -> Tensor:
        return (1 - Y * f).clamp(min=0).sum()

    def gradient(self, f: Tensor, Y: Tensor) -> Tensor:
        return -Y * (Y * f < 1).to(f.dtype)

    def conjugate(self, z: Tensor, Y: Tensor) -> Tensor:
        s = -Y * z
        inside = bool(((s >= 0) & (s <= 1)).all())
        return -s.sum() if inside else z.new_tensor(torch.inf)

    def prox(self, f: Tensor, Y: Tensor, step: float) -> Tensor:
        m0 = Y * f
        return Y * torch.where(m0 >= 1, m0, torch.minimum(m0 + step, torch.ones_like(m0)))

    def into_domain(self, v: Tensor, Y: Tensor) -> Tensor:
        return Y * (Y * v).clamp(0.0, 1.0)


class SquaredHinge(_Margin):
    """L(f) = 1/2 sum max(0, 1 - y f)^2;  -L*(-v) = sum s - s^2 / 2,  s = y v >= 0."""

    name = "squared_hinge"
    smoothness = 1.0

    def value(self, f: Tensor, Y: Tensor) -> Tensor:
        return 0.5 * (1 - Y * f).clamp(min=0).square().sum()

    def gradient(self, f: Tensor, Y: Tensor) -> Tensor:
        return -Y * (1 - Y * f).clamp(min=0)

    def conjugate(self, z: Tensor, Y: Tensor) -> Tensor:
        s = -Y * z
        return (0.5 * s.square() - s).sum() if bool((s >= 0).all()) else z.new_tensor(torch.inf)

    def prox(self, f: Tensor, Y: Tensor, step: float) -> Tensor:
        m0 = Y * f
        return Y * torch.where(m0 >= 1, m0, (m0 + step) / (1 + step))

    def into_domain(self, v: Tensor, Y: Tensor) -> Tensor:
        return Y * (Y * v).clamp(min=0.0)


class CrossEntropy(Loss):
    """L(f) = sum_k log sum_j exp(f_kj) - f_k,y_k with one-hot Y;  L*(z) = sum p log p, p = z + Y in the simplex."""

    name = "cross_entropy"
    smoothness = 0.5

    def check_targets(self, Y: Tensor) -> None:
        super().check_targets(Y)
        one_hot = bool(((Y == 0) | (Y == 1)).all()) and bool((Y.sum(1) == 1).all())
        if Y.shape[1] < 2 or not one_hot:
            raise ValueError(
                f"y has shape {tuple(Y.shape)}; cross_entropy needs one-hot rows (n, c) with c >= 2, "
                "e.g. np.eye(c)[labels]; for two classes with labels -1/+1 use loss='logistic'"
            )

    def value(self, f: Tensor, Y: Tensor) -> Tensor:
        return -(Y * log_softmax(f, 1)).sum()

    def gradient(self, f: Tensor, Y: Tensor) -> Tensor:
        return torch.softmax(f, 1) - Y

    def conjugate(self, z: Tensor, Y: Tensor) -> Tensor:
        p = z + Y
        tolerance = SIMPLEX_ULPS * torch.finfo(p.dtype).eps * p.shape[1]
        inside = bool((p >= 0).all()) and bool(((p.sum(1) - 1).abs() <= tolerance).all())
        return torch.xlogy(p, p).sum() if inside else z.new_tensor(torch.inf)

    def prox(self, f: Tensor, Y: Tensor, step: float) -> Tensor:
        # p + step * softmax(p) = q. With t = log sum exp p, step * exp(p_j - t) = omega(x_j - t), x = log step + q, so
        # one decreasing convex equation sum_j omega(x_j - t) = step is left for t: Newton from the left is monotone.
        q = f + step * Y
        t = q.amax(1, keepdim=True) - step
        for _ in range(100):
            w = wright_omega(math.log(step) + q - t)
            move = (w.sum(1, keepdim=True) - step) / (w / (1 + w)).sum(1, keepdim=True)
            t = t + move
            if float((move.abs() / (1 + t.abs())).max()) <= 1e-15:
                break
        return q - w

    def into_domain(self, v: Tensor, Y: Tensor) -> Tensor:
        return Y - project_simplex(Y - v)


def wright_omega(x: Tensor) -> Tensor:
    """The root w > 0 of w + log w = x: Newton in log w where x is small, in w where it is large."""
    tiny = torch.finfo(x.dtype).tiny
    w = torch.where(
        x > 1, x - x.clamp(min=1).log(), torch.exp(x.clamp(max=1) - torch.exp(x.clamp(max=1)).clamp(max=0.6))
    )
    for _ in range(6):
        w = w.clamp(min=tiny)  # below it the root is not a float: w stays there
        w = w * (1 + x - w.log()) / (1 + w)
    return w.clamp(min=tiny)


def project_simplex(P: Tensor) -> Tensor:
    """Each row of P projected on {p >= 0, sum p = 1} (sort and threshold)."""
    ordered = P.sort(1, descending=True).values
    thresholds = (ordered.cumsum(1) - 1) / torch.arange(1, P.shape[1] + 1, device=P.device, dtype=P.dtype)
    count = (ordered > thresholds).sum(1, keepdim=True)
    projected = (P - thresholds.gather(1, count - 1)).clamp(min=0)
    return projected / projected.sum(1, keepdim=True)


LOSSES: dict[str, Loss] = {loss.name: loss for loss in (Squared(), Logistic(), Hinge(), SquaredHinge(), CrossEntropy())}


def get_loss(name: str | Loss) -> Loss:
    """The loss of that name; a Loss passes through."""
    if isinstance(name, Loss):
        return name
    check_choice("loss", name, LOSSES)
    return LOSSES[name]
