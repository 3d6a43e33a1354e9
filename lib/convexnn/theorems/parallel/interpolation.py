"""What it costs a deep linear network to be the matrix W: four training problems, their duals, and the steps between.

With singular values sigma of W = X^+ Y (Y in the range of X), |sigma|_p = (sum sigma_i^p)^{1/p}, L layers:

    architecture, power      P = min 1/2 sum |W_l|^power          D = the dual over the last two layers
    standard,  2             (L/2) sum sigma^{2/L}                (L/2) |sigma|_1^{2/L}
    parallel,  2             (L/2) sum sigma^{2/L}                (L/2) |sigma|_1^{2/L}
    standard,  L             (L/2) |sigma|_{2/L}                  (L/2) |sigma|_1
    parallel,  L             (L/2) |sigma|_1                      (L/2) |sigma|_1

Only the last problem has P = D for every W. The others have P = D exactly when L = 2 or rank W <= 1: equal singular
values do not close the gap, because sum sigma^p = (sum sigma)^p for p < 1 needs all but one of them to vanish.
Layers of norm at most t (all but the last two): P(t) = t^{-(L-2)} |sigma|_{2/L}, and dualising after the first l layers

    D^(l)(t) = t^{-(L-2)} |sigma|_{2/(l+2)},     D = D^(0) <= D^(1) <= ... <= D^(L-2) = P,

which is the cost of a network with a trunk of l shared layers that ends in parallel branches.
Source: Wang, Ergen and Pilanci (arXiv 2110.06482); the standard network with power L and the trunk are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from convexnn.numerics import Array, check_choice, check_finite, check_positive, relative_gap, tensor

ARCHITECTURES = ("standard", "parallel")


@dataclass(frozen=True)
class Costs:
    """Primal and dual value of one interpolation problem; `gap` is relative."""

    primal: float
    dual: float

    @property
    def gap(self) -> float:
        return relative_gap(self.primal, self.dual)


def schatten(sigma: Array, p: float) -> float:
    """|sigma|_p = (sum sigma_i^p)^{1/p}; a quasi-norm for p < 1."""
    check_positive(p=p)
    return float(np.sum(np.asarray(sigma) ** p) ** (1 / p))


def interpolation(sigma: Array, depth: int, architecture: str = "standard", power: int = 2) -> Costs:
    """Primal and dual value for a matrix with singular values `sigma`; power is 2 or the depth.

    Raises ValueError for negative singular values, a depth below 2 or another power.
    """
    sigma = _checked(sigma, depth)
    check_choice("architecture", architecture, ARCHITECTURES)
    check_choice("power", power, (2, depth))
    L = depth
    if power == 2:
        return Costs(L / 2 * float(np.sum(sigma ** (2 / L))), L / 2 * schatten(sigma, 1) ** (2 / L))
    return Costs(L / 2 * schatten(sigma, 2 / L if architecture == "standard" else 1), L / 2 * schatten(sigma, 1))


def partial_duals(sigma: Array, depth: int, t: float = 1.0) -> Array:
    """(L - 1,) the values D^(l)(t), l = 0 .. L-2: from the dual to the primal."""
    sigma = _checked(sigma, depth)
    return np.array([t ** -(depth - 2.0) * schatten(sigma, 2 / (k + 2)) for k in range(depth - 1)])


def cheapest_factors(sigma: Array, depth: int, seeds: range, trunk: int | None = None, power: int = 2) -> Array:
    """(S,) costs found by descent over all factorisations of diag(sigma), one a seed: an attack on the formulas.

    trunk None   1/2 sum |W_l|_F^power over W_1 .. W_L with product diag(sigma): W_1 .. W_{L-1} are free invertible
                 matrices, W_L is what is left
    trunk l      prod_{i<=l} |T_i|_F * |(T_1 .. T_l)^{-1} diag(sigma)|_*, the cost at t = 1 of l shared layers and
                 branches after them
    """
    sigma = _checked(sigma, depth)
    if not (sigma > 0).all():
        raise ValueError("sigma holds a zero; pass the positive singular values only")
    r, count = len(sigma), depth - 1 if trunk is None else trunk
    W = torch.diag(tensor(sigma))

    def cost(flat: Array) -> tuple[float, Array]:
        factors = tensor(flat).reshape(count, r, r).requires_grad_()
        product = torch.eye(r, dtype=torch.float64)
        for F in factors:
            product = product @ F
        rest = torch.linalg.solve(product, W)
        squares = factors.square().sum((1, 2))
        if trunk is None:
            value = 0.5 * ((squares ** (power / 2)).sum() + rest.square().sum() ** (power / 2))
        else:
            value = squares.sqrt().prod() * torch.linalg.svdvals(rest).sum()
        value.backward()
        assert factors.grad is not None
        return value.item(), factors.grad.numpy().reshape(-1).copy()

    found = []
    for seed in seeds:
        start = np.random.default_rng(seed).standard_normal((count, r, r)) + np.eye(r)
        best = minimize(cost, start.reshape(-1), jac=True, method="L-BFGS-B", options={"maxiter": 2000, "ftol": 1e-15})
        found.append(float(best.fun) if count else cost(start.reshape(-1))[0])
    return np.array(found)


def _checked(sigma: Array, depth: int) -> Array:
    check_finite(sigma=sigma)
    sigma = np.ascontiguousarray(sigma, dtype=float).reshape(-1)
    if (sigma < 0).any() or not len(sigma):
        raise ValueError(f"sigma is {sigma}; pass singular values, at least one and none negative")
    if not (isinstance(depth, int | np.integer) and depth >= 2):
        raise ValueError(f"depth is {depth!r}; pass a number of layers >= 2")
    return sigma
