"""Losses inside an interior point: the dual vector strictly inside its domain, predictions as a function of it.

At the optimum  theta = -grad L(f).  The iteration keeps theta in the interior of the domain of L*(-theta) and reads
f off it, with non-negative slacks at the ends of the domain. In the margin m = y f and the level s = y theta:

    squared         f = y - theta                                        no ends
    squared hinge   m = 1 - s + x,          s x = mu                     s > 0
    hinge           m = 1 + x - z,          s x = mu,  (1 - s) z = mu    0 < s < 1
    logistic        m = log((1 - s)/s)                                   0 < s < 1, the entropy is its own barrier

Linearised and with the slacks eliminated:  df = -dtheta / h + right,   h = 1/(kappa + x/s + z/(1 - s)) > 0
(logistic: h = s (1 - s)). h vanishes for well-classified samples, so the Newton matrix is formed from sqrt(h).
Law (tests/solvers/test_interior.py): at slacks mu/s the linearisation is the derivative of f.
Source: primal-dual interior points for linear complementarities, Wright (1997), chapter 10.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.losses import Loss

#: The ends c0 + c1 s >= 0 of each loss's domain that carry a slack.
ENDS: dict[str, list[tuple[float, float]]] = {
    "squared": [],
    "logistic": [],
    "squared_hinge": [(0.0, 1.0)],
    "hinge": [(0.0, 1.0), (1.0, -1.0)],
}
#: |Q'theta| relative to |theta| that counts as rounding.
ORTHOGONAL = 1e-11
#: A logistic level below the first no longer limits the step and falls by at most ten; none falls below the second.
NEGLIGIBLE, SMALLEST = 1e-9, 1e-16
#: Balanced levels below this mean that the plane touches the box only at its boundary.
LEVEL_FLOOR = 1e-6


@dataclass
class End:
    """One end of the domain: a distance c0 + c1 s >= 0 with its slack x >= 0, and slack * distance = mu.

    The slack enters the margin with the sign c1, and the distance changes at the rate c1.
    """

    c0: float
    c1: float
    slack: Tensor

    def distance(self, s: Tensor) -> Tensor:
        return self.c0 + self.c1 * s

    def right(self, s: Tensor, mu: float, affine: tuple[Tensor, Tensor] | None) -> Tensor:
        """(target of the complementarity) / distance, with the second-order term of the affine step."""
        target = mu - self.slack * self.distance(s)
        if affine is not None:
            ds, dx = affine
            target = target - self.c1 * ds * dx
        return target / self.distance(s)

    def step(self, s: Tensor, ds: Tensor, right: Tensor) -> Tensor:
        """The slack's step."""
        return right - self.slack * self.c1 * ds / self.distance(s)


def _reach(x: Tensor, dx: Tensor) -> float:
    """The largest a with x + a dx >= 0."""
    ratio = torch.where(dx < 0, -x / dx, torch.inf)
    return float(ratio.min()) if ratio.numel() else float("inf")


@dataclass
class LossStep:
    """A direction of theta and of the slacks."""

    theta: Tensor
    slacks: list[Tensor]


class BarrierLoss:
    """The state (theta, slacks) of one loss; predictions, linearisation, step length, move."""

    def __init__(self, loss: Loss, Y: Tensor) -> None:
        if loss.name not in ENDS:
            raise ValueError(f"no barrier for the {loss.name} loss; use method='fista' or 'admm'")
        self.loss, self.Y, self.name = loss, Y, loss.name
        self.theta = torch.zeros_like(Y)
        self.ends: list[End] = []

    def start(self, theta: Tensor, mu: float) -> None:
        """Begin at theta, strictly inside; slacks near the central path that also predict f = 0 for the hinge."""
        self.theta = theta
        s = self.Y * theta
        self.ends = [End(c0, c1, mu / (c0 + c1 * s)) for c0, c1 in ENDS[self.name]]
        if self.ends:
            self.ends[0].slack = self.ends[0].slack.clamp(max=1.0)  # a small s must not predict a huge margin
        if self.name == "hinge":
            self.ends[1].slack = torch.maximum(self.ends[1].slack, 1 + self.ends[0].slack)

    def pairs(self) -> int:
        """Number of ends of the domain that carry a slack."""
        return len(ENDS[self.name])

    def centre_direction(self, Q: Tensor) -> tuple[Tensor, float]:
        """A direction of theta with Q'theta = 0 (where there is one), and the largest multiple of it to start from."""
        if self.name == "squared":
            return self.Y - Q @ (Q.T @ self.Y), 1.0
        if Q.shape[1]:
            return self.Y * balanced_levels(self.Y * Q), 1.0
        cap = {"squared_hinge": 0.9, "hinge": 0.5, "logistic": 1.0}[self.name]
        return -self.loss.gradient(torch.zeros_like(self.Y), self.Y), cap

    @property
    def degree(self) -> int:
        """Number of complementary pairs."""
        return len(self.ends) * self.Y.numel()

    def complementarity(self) -> float:
        """sum of slack * distance."""
        s = self.Y * self.theta
        return sum(float((end.slack * end.distance(s)).sum()) for end in self.ends)

    def prediction(self) -> Tensor:
        """f that belongs to theta and the slacks."""
        if self.name == "squared":
            return self.Y - self.theta
        s = self.Y * self.theta
        if self.name == "logistic":
            return self.Y * (torch.log1p(-s) - torch.log(s))
        m = 1 - s if self.name == "squared_hinge" else torch.ones_like(s)
        for end in self.ends:
            m = m + end.c1 * end.slack
        return self.Y * m

    def curvature(self) -> Tensor:
        """h > 0 of df = -dtheta / h + right."""
        if self.name == "squared":
            return torch.ones_like(self.theta)
        s = self.Y * self.theta
        if self.name == "logistic":
            return s * (1 - s)
        inverse = torch.ones_like(s) if self.name == "squared_hinge" else torch.zeros_like(s)
        for end in self.ends:
            inverse = inverse + end.slack / end.distance(s)
        return 1 / inverse

    def rights(self, mu: float, affine: LossStep | None) -> list[Tensor]:
        """Right-hand sides of the ends, to be handed to `shift` and `step`."""
        s = self.Y * self.theta
        pairs = [None] * len(self.ends) if affine is None else [(self.Y * affine.theta, dx) for dx in affine.slacks]
        return [end.right(s, mu, pair) for end, pair in zip(self.ends, pairs)]

    def shift(self, rights: list[Tensor]) -> Tensor:
        """The part of df that does not depend on dtheta."""
        total = torch.zeros_like(self.Y)
        for end, right in zip(self.ends, rights):
            total = total + end.c1 * right
        return self.Y * total

    def step(self, dtheta: Tensor, rights: list[Tensor]) -> LossStep:
        s, ds = self.Y * self.theta, self.Y * dtheta
        return LossStep(dtheta, [end.step(s, ds, right) for end, right in zip(self.ends, rights)])

    def reach(self, step: LossStep) -> float:
        """The largest step that stays in the domain."""
        s, ds = self.Y * self.theta, self.Y * step.theta
        limits = [float("inf")]
        if self.name == "logistic":
            limits += [_reach(s, torch.where(s > NEGLIGIBLE, ds, 0.0)), _reach(1 - s, -ds)]
        for end, dx in zip(self.ends, step.slacks):
            limits += [_reach(end.distance(s), end.c1 * ds), _reach(end.slack, dx)]
        return min(limits)

    def move(self, a: float, step: LossStep) -> bool:
        """Take the step; False when some levels were kept from going all of it."""
        theta, kept = self.theta + a * step.theta, False
        if self.name == "logistic":  # levels that no longer matter do not stop the others
            s, wanted = self.Y * self.theta, self.Y * theta
            below = (s <= NEGLIGIBLE) & (wanted < (0.1 * s).clamp(min=SMALLEST))
            theta, kept = torch.where(below, self.Y * (0.1 * s).clamp(min=SMALLEST), theta), bool(below.any())
        self.theta = theta
        for end, dx in zip(self.ends, step.slacks):
            end.slack = end.slack + a * dx
        return not kept

    def shorten(self, factor: float) -> None:
        """theta times a factor <= 1, for a domain without slacks at its ends."""
        assert not self.ends
        self.theta = factor * self.theta

    def orthogonal(self, Q: Tensor) -> Tensor | None:
        """theta corrected to Q'theta = 0 exactly, within its domain; None while it is too far away.

        Levels s that tend to zero may be forced there by Q'theta = 0: several cuts are tried, the best value counts.
        """
        if self.name == "squared" or Q.shape[1] == 0:
            v = self.theta - Q @ (Q.T @ self.theta)
            return v if float((v - self.theta).norm()) <= ORTHOGONAL * float(self.theta.norm()) else None
        found = [self.Y * s for cut in (0.0, 1e-10, 1e-8, 1e-6) if (s := self._level_off(Q, cut)) is not None]
        return max(found, key=lambda v: float(self.loss.dual(v, self.Y)), default=None)

    def _level_off(self, Q: Tensor, cut: float) -> Tensor | None:
        """Levels below `cut` set to zero, the others moved least in units of their distance to the ends."""
        E, s = self.Y * Q, self.Y * self.theta
        s = torch.where(s < cut, 0.0, s)
        for _ in range(3):
            room = (s if self.name == "squared_hinge" else torch.minimum(s, 1 - s)).square()
            s = s - room * (E @ (torch.linalg.pinv((room * E).T @ E, hermitian=True) @ (E.T @ s)))
        inside = bool((s >= 0).all()) and (self.name == "squared_hinge" or bool((s <= 1).all()))
        return s if inside and float((E.T @ s).norm()) <= ORTHOGONAL * float(s.norm()) else None


def balanced_levels(E: Tensor, iterations: int = 60) -> Tensor:
    """(n, 1) the analytic centre of {s in (0, 1)^n : E's = 0} by Newton; 1/2 where that set is empty."""
    s = torch.full_like(E[:, :1], 0.5)
    for _ in range(iterations):
        slope, weight = 1 / s - 1 / (1 - s), 1 / (1 / s.square() + 1 / (1 - s).square())
        small = (weight * E).T @ E
        nu = torch.linalg.pinv(small, hermitian=True) @ (E.T @ (s + weight * slope))
        ds = weight * (slope - E @ nu)
        a = min(1.0, 0.9 * min(_reach(s, ds), _reach(1 - s, -ds)))
        s = s + a * ds
        if a == 1.0 and float((ds / s).abs().max()) < 1e-6:
            break
    flat = s - E @ (E.T @ s)
    return flat if bool(((flat > LEVEL_FLOOR) & (flat < 1)).all()) else torch.full_like(flat, 0.5)
