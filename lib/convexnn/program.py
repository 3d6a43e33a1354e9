"""The one convex program:  minimise loss(A Z, Y) + beta * gauge(Z)  subject to  Z in K.

Its dual, with v = -grad loss at the optimum:

    maximise -loss*(-v)   subject to   polar_g(v) <= beta for every group g,
    polar_g(v) = max { <(A'v)_g, z> : z in K_g, N(z) <= 1 } <= N°( (A'v)_g + G_g' lambda ) for every lambda >= 0.

A program knows values, pulls and polars. It does not know how it was solved, nor judges a point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from convexnn.claims import Scope
from convexnn.cones import Cone
from convexnn.gauges import Gauge
from convexnn.losses import Loss
from convexnn.numerics import Array, check_positive, tensor
from convexnn.operators import Operator


@dataclass(frozen=True)
class Program:
    """loss(A Z, Y) + beta * gauge(Z), Z in K; Z has shape `operator.domain`, groups first.

    Y             (n, c) targets
    scope         "network" when the optimum is that of the training problem over all patterns (they are all here),
                  "program" when it is a restriction or a relaxation of it
    free_columns  (n, k) or None: what unpenalised coordinates can add to the predictions at no cost; a dual vector
                  must be orthogonal to it
    model         what the theorem needs to map a solution back; opaque to solvers and to the judge
    """

    loss: Loss
    operator: Operator
    gauge: Gauge
    cone: Cone
    beta: float
    Y: Tensor
    scope: Scope = "program"
    name: str = "program"
    assumptions: tuple[str, ...] = ()
    free_columns: Tensor | None = None
    model: Any = None

    def __post_init__(self) -> None:
        check_positive(beta=self.beta)
        if tuple(self.Y.shape) != self.operator.codomain:
            raise ValueError(f"Y has shape {tuple(self.Y.shape)}; the operator predicts {self.operator.codomain}")
        self.loss.check_targets(self.Y)

    @property
    def groups(self) -> int:
        """G, the number of groups."""
        return self.operator.domain[0]

    def zeros(self) -> Tensor:
        """Z = 0 on the program's device."""
        return self.operator.like.new_zeros(self.operator.domain)

    def predict(self, Z: Tensor) -> Tensor:
        """A Z, shape (n, c)."""
        return self.operator.forward(Z)

    def objective(self, Z: Tensor) -> float:
        """loss(A Z, Y) + beta * gauge(Z); says nothing about Z in K."""
        return float(self.loss.value(self.predict(Z), self.Y) + self.beta * self.gauge.value(Z))

    def residual(self, Z: Tensor) -> Tensor:
        """v = -grad loss at A Z, the dual vector that belongs to Z."""
        return -self.loss.gradient(self.predict(Z), self.Y)

    def dual_value(self, v: Tensor) -> float:
        """-loss*(-v); a lower bound on the optimum when every polar is <= beta and v is orthogonal to free_columns."""
        return float(self.loss.dual(v, self.Y))

    def polars(self, v: Tensor, hint: Tensor | None = None, settled: float = 0.0) -> tuple[Tensor, Tensor]:
        """Upper bounds on the polars, and the multipliers lambda >= 0 that prove them.

        v : (n, c);  hint : (G, k, c) or None, multipliers to try first;
        settled : groups that are not the largest and whose bound is <= `settled` are left at the cheap bound.
        Returns (G,) bounds and lambda (G, k, c). For the l2 gauges the maximum is exact when above `settled`; for other
        gauges on a cone (nuclear: a copositive problem) every bound is valid, none is claimed to be tight.
        """
        Q = self.operator.adjoint(v)
        bounds = self.gauge.polar(self._round_free(Q))
        lam = torch.zeros_like(self.cone.rows(Q))
        if lam.shape[1] == 0 or len(bounds) == 0:
            return bounds, lam
        free = self.gauge.free
        if hint is not None:
            hint = hint.to(lam).clamp(min=0)
            hinted = self.gauge.polar(self._round_free(Q + self.cone.adjoint(hint)))
            better = hinted < bounds
            bounds, lam[better] = torch.where(better, hinted, bounds), hint[better]
        largest = settled
        for g in torch.argsort(bounds, descending=True).split(1):
            if not float(bounds[g]) > largest:
                break
            exact = self.cone.multipliers(Q[g], g, free)
            value = self.gauge.polar(self._round_free(Q[g] + self.cone.adjoint_at(exact, g)))
            if float(value) < float(bounds[g]):
                bounds[g], lam[g] = value, exact
            largest = max(largest, float(bounds[g]))
        return bounds, lam

    def _round_free(self, Q: Tensor) -> Tensor:
        """Zero the unpenalised entries of a pull that are rounding errors, so that the polar is finite there."""
        free = self.gauge.free
        if not free:
            return Q
        Q = Q.clone()
        tail = Q[:, -free:]
        size = self.Y.shape[0] ** 0.5 * 1e-11 * max(1.0, float(self.Y.abs().max()))
        tail[tail.abs() <= size] = 0.0
        return Q

    def restore(self, v: Tensor, iterations: int = 5000) -> Tensor:
        """A nearby dual vector in the loss's domain and orthogonal to `free_columns` (alternating projections)."""
        v = self.loss.into_domain(v, self.Y)
        if self.free_columns is None:
            return v
        basis = torch.linalg.svd(self.free_columns, full_matrices=False)
        U = basis.U[:, 1e-12 * basis.S[0] < basis.S]
        for _ in range(iterations):
            flat = v - U @ (U.T @ v)
            v = self.loss.into_domain(flat, self.Y)
            if float((v - flat).abs().max()) <= 1e-14:
                break
        return v

    def beta_max(self) -> float:
        """The smallest beta at which Z = 0 is optimal: max_g polar_g(-grad loss(0)).

        With unpenalised coordinates the predictions at Z = 0 are replaced by the best free fit.
        """
        bounds = self.polars(self.restore(self._null_residual()))[0]
        return float(bounds.max()) if len(bounds) else 0.0

    def _null_residual(self) -> Tensor:
        f = torch.zeros_like(self.Y)
        if self.free_columns is None:
            return -self.loss.gradient(f, self.Y)
        from scipy.optimize import minimize

        B, c = self.free_columns.cpu(), self.Y.shape[1]

        def fit(w: Array) -> tuple[float, Array]:
            f = B @ tensor(w).reshape(-1, c)
            Y = self.Y.cpu()
            return float(self.loss.value(f, Y)), (B.T @ self.loss.gradient(f, Y)).reshape(-1).numpy()

        best = minimize(fit, torch.zeros(B.shape[1] * c).numpy(), jac=True, method="L-BFGS-B", options={"ftol": 1e-15})
        f = (B @ tensor(best.x).reshape(-1, c)).to(self.Y)
        return -self.loss.gradient(f, self.Y)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float64) -> Program:
        """The same program on another device or in another precision."""
        free = None if self.free_columns is None else self.free_columns.to(device, dtype)
        return replace(
            self,
            operator=self.operator.to(device, dtype),
            cone=self.cone.to(device, dtype),
            Y=self.Y.to(device, dtype),
            free_columns=free,
        )

    def with_beta(self, beta: float) -> Program:
        """The same program with another regularisation."""
        return replace(self, beta=float(beta))
