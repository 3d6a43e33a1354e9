"""Compact Shor bounds: no enumeration, one (r+1) x (r+1) moment matrix; valid for every choice of the multipliers.

On the unit ball |a'u| <= ((a'u)^2 / c + c) / 2 for every c > 0, and (c_j'u)_+ is at least 0, c_j'u and
(c_j'u + (c_j'u)^2 / |c_j|) / 2, hence at least any convex combination. With phi of `zonotope`:

    M+(v) <= kappa + max_{|u| <= 1} p'u + u'Q u,            kappa = 1/4 sum c_i
    Q = 1/4 sum_i a_i a_i' / c_i - 1/2 sum_j h_j c_j c_j' / |c_j|,   p = b + 1/2 sum a_i - sum_j (t_j + h_j / 2) c_j

and the maximum is min_{nu > lambda_max(Q)_+} nu + p'(nu I - Q)^{-1} p / 4, exact by the S-lemma; any nu is valid.
`relaxed_training` optimises v as well. Its conic solver only proposes v: the bound is rebuilt from v.
Source: this project (Shor relaxation of the pricing problem); tests/bounds/test_pricing_maximum.py.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convexnn.bounds.restricted import Task, _loss
from convexnn.bounds.zonotope import Bound, Zonotopes
from convexnn.numerics import Array, tensor

#: The training relaxation is left out when its n r^2 data entries exceed this.
RELAXED_ENTRIES = 1_000_000


def shor(
    Z: Zonotopes,
    steps: int = 200,
    seconds: float = np.inf,
    guess: tuple[Array, Array] | None = None,
    rate: float = 0.05,
) -> Bound:
    """An upper bound on M+(v) by descent on the multipliers; the best step counts and every step is valid.

    guess : (m (d,), U (d, d)), moments of a relaxed neuron; they start c_i at sqrt(a_i'U a_i) and weight the pieces
    """
    finish = time.perf_counter() + seconds
    plus, minus, b = tensor(Z.plus), tensor(Z.minus), tensor(Z.b)
    short = minus.norm(dim=1).clamp(min=1e-300)
    variables = [part.requires_grad_() for part in _start(Z, plus, minus, guess)]
    stepper = torch.optim.Adam(variables, lr=rate)
    best, direction = np.inf, np.zeros(Z.rank)
    taken = 0
    for taken in range(1, steps + 1):
        stepper.zero_grad()
        scale, mix = variables[0].exp(), torch.softmax(variables[1], 1)
        kappa, p, Q = _form(plus, minus, b, short, scale, mix[:, 1], mix[:, 2])
        with torch.no_grad():
            value, u, U = trust_region(p[None], Q[None])
        total = float(kappa.detach()) + float(value)
        if total < best:
            best, direction = total, u[0].numpy()
        if time.perf_counter() > finish:
            break
        (kappa + p @ u[0] + (Q * U[0]).sum()).backward()
        stepper.step()
        for group in stepper.param_groups:
            group["lr"] = rate * 0.02 ** (taken / steps)
    lower, at = Z.best(np.stack([direction, -direction]))
    return Bound(max(best, lower) + Z.margin(), lower, at, f"compact Shor bound, {taken} steps", False, 1, taken)


def _start(Z: Zonotopes, plus: Tensor, minus: Tensor, guess: tuple[Array, Array] | None) -> tuple[Tensor, Tensor]:
    """log c (p,) and the logits (m, 3) of the pieces 0, c'u, (c'u + (c'u)^2 / |c|) / 2."""
    lengths, short = plus.norm(dim=1).clamp(min=1e-300), minus.norm(dim=1).clamp(min=1e-300)
    if guess is None:
        return torch.log(0.5 * lengths), torch.zeros(len(minus), 3, dtype=plus.dtype) + tensor([0.0, 0.0, 1.0])
    m, U = tensor(Z.basis @ guess[0]), tensor(Z.basis @ guess[1] @ Z.basis.T)
    spread = torch.einsum("ij,jk,ik->i", plus, U, plus).clamp(min=0).sqrt()
    line = minus @ m
    curve = 0.5 * (line + torch.einsum("ij,jk,ik->i", minus, U, minus) / short)
    pieces = torch.stack([torch.zeros_like(line), line, curve], 1) / short[:, None]
    return torch.log(torch.maximum(spread, 1e-3 * lengths)), (30.0 * pieces).clamp(-6.0, 6.0)


def _form(
    plus: Tensor, minus: Tensor, b: Tensor, short: Tensor, c: Tensor, t: Tensor, h: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """kappa, p, Q of the module docstring."""
    Q = 0.25 * (plus.T / c) @ plus - 0.5 * (minus.T * (h / short)) @ minus
    p = b + 0.5 * plus.sum(0) - (t + 0.5 * h) @ minus
    return 0.25 * c.sum(), p, Q


def trust_region(p: Tensor, Q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """max_{|u| <= 1} p'u + u'Q u for a batch p (K, r), Q (K, r, r): an upper bound, u, and a moment matrix U.

    U has trace <= 1 and U - u u' is positive semidefinite: together they are the gradient of the bound in (p, Q).
    """
    values, vectors = torch.linalg.eigh(Q)
    q = 0.5 * torch.bmm(vectors.mT, p[:, :, None])[:, :, 0]
    top = values[:, -1:].clamp(min=0.0)
    size = torch.maximum(q.norm(dim=1, keepdim=True), values.abs().amax(1, keepdim=True)).clamp(min=1e-300)
    # |q / (nu - lambda)| = 1 by Newton on its reciprocal, concave in nu: from the left it never overshoots
    nu = torch.maximum((values + q.abs()).amax(1, keepdim=True), top + 1e-14 * size)
    for _ in range(9):
        w = q / (nu - values)
        square = w.square().sum(1, keepdim=True).clamp(min=1e-300)
        slope = (w.square() / (nu - values)).sum(1, keepdim=True).clamp(min=1e-300)
        nu = torch.maximum(nu + (square.sqrt() - 1.0) * square / slope, nu)
    w = q / (nu - values)
    bound = nu[:, 0] + (q * w).sum(1) + 1e-13 * size[:, 0]
    u = torch.bmm(vectors, w[:, :, None])[:, :, 0]
    missing = (1.0 - w.square().sum(1)).clamp(min=0.0) * (nu - top <= 1e-6 * size)[:, 0] * (values[:, -1] > 0)
    share = torch.softmax((values - top) / (1e-3 * size), 1) * missing[:, None]
    U = torch.bmm(vectors * share[:, None, :], vectors.mT) + u[:, :, None] * u[:, None, :]
    return bound, u, U


@dataclass(frozen=True)
class Proposal:
    """What the relaxation suggests: v (n,), moments (m, U) for +v and -v; its own objective is no bound."""

    v: Array
    moments: tuple[tuple[Array, Array], tuple[Array, Array]]
    objective: float


def relaxed_training(task: Task, seconds: float = np.inf) -> Proposal | None:
    """The Shor relaxation of training, or None where the conic solver fails. Its v is the best one for this bound.

    min  L(f+ - f-) + beta (om+ + om-)   s.t.  [[om, m'], [m, U]] PSD,  tr U <= om,
         max(0, x'm, (x'm + x'U x / |x|) / 2) <= f_i <= (x'm + sqrt(om x'U x)) / 2
    """
    import cvxpy as cp

    X = task.X[np.linalg.norm(task.X, axis=1) > 0]
    n, r = X.shape
    if n * r * r > RELAXED_ENTRIES:  # the conic solver would need many gigabytes
        return None
    fits, blocks, constraints = [], [], []
    lengths = np.linalg.norm(X, axis=1)
    products = np.einsum("ni,nj->nij", X, X).reshape(n, r * r)
    for _ in range(2):
        T = cp.Variable((r + 1, r + 1), PSD=True)
        f, m, om = cp.Variable(n), T[0, 1:], T[0, 0]
        quad, line = products @ cp.reshape(T[1:, 1:], (r * r,), order="C"), X @ m
        root = 2 * f - line
        constraints += [cp.trace(T[1:, 1:]) <= om, f >= 0, f >= line, 2 * f >= line + cp.multiply(1 / lengths, quad)]
        constraints += [cp.norm(cp.vstack([2 * root, quad - om * np.ones(n)]), 2, axis=0) <= quad + om]
        fits.append(f)
        blocks.append(T)
    alive = np.zeros((len(task.X), n))
    alive[np.flatnonzero(np.linalg.norm(task.X, axis=1) > 0), np.arange(n)] = 1.0
    f = alive @ (fits[0] - fits[1])
    problem = cp.Problem(cp.Minimize(_loss(task, f) + task.beta * (blocks[0][0, 0] + blocks[1][0, 0])), constraints)
    try:
        limit = {} if not np.isfinite(seconds) else {"time_limit": max(seconds, 0.1)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "inaccurate": the bound is rebuilt from v anyway
            problem.solve(solver=cp.CLARABEL, **limit)
    except (cp.SolverError, ValueError):
        return None
    if f.value is None:
        return None
    values = [np.asarray(T.value) for T in blocks]
    moments = [M / max(float(M[0, 0]), 1e-12) for M in values]
    first, second = ((M[0, 1:], M[1:, 1:]) for M in moments)
    return Proposal(task.pull(np.asarray(f.value)), (first, second), float(problem.value))
