"""A barrier method for three-layer branches: Newton steps on one n x n matrix and one small block a group.

    F_mu(z) = L(A z) + sum_blocks phi_mu(z_b) - mu sum_rows log(C z),    phi_mu(z) = min_t beta t - mu log(t^2 - |z|^2)
    phi_mu has  t = (mu + rho) / beta,  rho = sqrt(mu^2 + beta^2 |z|^2),  gradient (beta/t) z,
                Hessian (beta/t) (I - beta/(t rho) z z')

A block is a whole group (path norm) or a neuron ((2,1) norm). Every iterate is strictly inside its cone; the
multipliers mu / C z and v = -grad L are dual feasible up to a scale. A step costs 2 n^2 m d G flops for the n x n
matrix and G n m^2 d^2 for the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.gated_tuples import NeuronL2, TupleOperator, Tuples
from convexnn.program import Program
from convexnn.solvers.contract import Clock, Options
from convexnn.types import Point

#: mu falls by this factor once the Newton decrement is below CENTRED, and starts where the gap is this share.
SHRINK, CENTRED, START_SHARE = 0.15, 0.3, 0.3
#: Share of the way to the boundary, and halvings of a step.
NEAR_BOUNDARY, HALVINGS = 0.95, 30
STEPS = 300
CURVATURES = {
    "squared": lambda f, Y: torch.ones_like(f),
    "logistic": lambda f, Y: torch.sigmoid(f) * torch.sigmoid(-f),
    "squared_hinge": lambda f, Y: (Y * f < 1).to(f),
}


def fits(program: Program) -> bool:
    """Whether the barrier takes this program."""
    return isinstance(program.operator, TupleOperator) and program.loss.name in CURVATURES


@dataclass
class _Iterate:
    z: Tensor  # (A, m, d)
    f: Tensor
    t1: Tensor
    t2: Tensor


class _Barrier:
    def __init__(self, program: Program) -> None:
        assert isinstance(program.operator, TupleOperator)
        self.program, self.t = program, program.operator.tuples
        self.blocks = self.t.m if isinstance(program.gauge, NeuronL2) else 1
        n, d = self.t.X.shape
        self.pairs = (self.t.X[:, :, None] * self.t.X[:, None, :]).reshape(n, d * d)
        first, second = self.t.slacks(self.t.inside.repeat(2, 1, 1))
        self.live1 = (self.t.X.abs().amax(1) > 0).to(first).expand_as(first)
        self.live2 = ((self.t.D1.sum(1) > 0).repeat(2, 1) & (self.t.X.abs().amax(1) > 0)).to(second)
        if not bool((first > 0)[self.live1 > 0].all() and (second > 0)[self.live2 > 0].all()):
            raise ValueError("a group's cone has no interior point in `inside`; drop it or enumerate the groups again")
        self.degree = float(self.live1.sum() + self.live2.sum()) + 2 * self.blocks * len(first)
        signs = program.operator.group_signs
        gates = (self.t.D2[:, None] * self.t.D1).repeat(2, 1, 1) * signs[:, None, None]
        self.Phi = (gates[..., None] * self.t.X).permute(0, 2, 1, 3).reshape(len(gates), n, -1)

    def at(self, z: Tensor) -> _Iterate:
        t1, t2 = self.t.slacks(z)
        t1, t2 = torch.where(self.live1 > 0, t1, 1.0), torch.where(self.live2 > 0, t2, 1.0)
        return _Iterate(z, self.program.predict(z.reshape(len(z), -1, 1)), t1, t2)

    def _norms(self, z: Tensor, mu: float) -> tuple[Tensor, Tensor, Tensor]:
        b = z.reshape(len(z), self.blocks, -1)
        rho = (mu * mu + self.program.beta**2 * b.square().sum(2)).sqrt()
        return b, (mu + rho) / self.program.beta, rho

    def value(self, i: _Iterate, mu: float) -> float:
        _, t, _ = self._norms(i.z, mu)
        norms = (self.program.beta * t - mu * (2 * mu * t / self.program.beta).log()).sum()
        rows = i.t1.log().sum() + i.t2.log().sum()
        return float(self.program.loss.value(i.f, self.program.Y) + norms - mu * rows)

    def newton(self, i: _Iterate, mu: float) -> tuple[Tensor, float]:
        """Direction (A, m, d) and the squared decrement over mu."""
        p, beta = self.program, self.program.beta
        b, t, rho = self._norms(i.z, mu)
        v = p.loss.gradient(i.f, p.Y)
        g = (beta / t[..., None] * b).reshape(len(b), -1)
        g = g - self.t.gather(mu * self.live1 / i.t1, mu * self.live2 / i.t2).reshape(len(b), -1)
        H = self._rows(mu * self.live1 / i.t1.square(), mu * self.live2 / i.t2.square())
        width = b.shape[2]
        for k in range(self.blocks):
            a, part = (beta / t[:, k])[:, None, None], b[:, k]
            outer = (beta / (t[:, k] * rho[:, k]))[:, None, None] * part[:, :, None] * part[:, None, :]
            span = slice(k * width, (k + 1) * width)
            H[:, span, span] += a * (torch.eye(width).to(H) - outer)
        R = _factor(H)
        half = torch.linalg.solve_triangular(R, self.Phi.mT, upper=False)  # (A, M, n)
        flat = half.reshape(-1, half.shape[2])
        root = CURVATURES[p.loss.name](i.f, p.Y).sqrt()
        full = g + torch.einsum("anm,n->am", self.Phi, v[:, 0])
        h = torch.linalg.solve_triangular(R, full[:, :, None], upper=False)[:, :, 0]
        push = -(flat.T @ h.reshape(-1, 1))
        S = flat.T @ flat
        system = torch.eye(len(S)).to(S) + root * S * root.T
        w = root * torch.linalg.solve(system, root * push)
        step = -(h + (half @ w)[:, :, 0])
        dz = torch.linalg.solve_triangular(R.mT, step[:, :, None], upper=True)[:, :, 0]
        return dz.reshape(i.z.shape), -float((full * dz).sum()) / mu

    def _rows(self, c1: Tensor, c2: Tensor) -> Tensor:
        """C' diag(c) C, (A, m d, m d)."""
        t, (A, m, _) = self.t, c1.shape
        d = t.X.shape[1]
        D1 = t.D1.repeat(2, 1, 1)
        gated = D1 * c2[:, None]
        H = ((gated[:, :, None] * D1[:, None]) @ self.pairs).reshape(A, m, m, d, d)
        diagonal = (c1 @ self.pairs).reshape(A, m, d, d)
        for j in range(m):
            H[:, j, j] += diagonal[:, j]
        return H.permute(0, 1, 3, 2, 4).reshape(A, m * d, m * d)

    def multipliers(self, i: _Iterate, mu: float) -> tuple[Tensor, Tensor]:
        return mu * self.live1 / i.t1, mu * self.live2 / i.t2


def barrier_tuples(program: Program, options: Options) -> Point:
    """Solve a program of `TupleOperator` with a smooth loss; a warm start is not used."""
    clock = Clock(options)
    if program.groups == 0:
        return Point(program.zeros().cpu().numpy(), program.residual(program.zeros()).cpu().numpy(), None, (), 0, False)
    solver = _Barrier(program)
    null = program.objective(program.zeros())
    scale = 1e-2 * max(null, 1e-12) / program.beta / program.groups
    i = solver.at(scale * solver.t.inside.repeat(2, 1, 1))
    mu = START_SHARE * max(null, 1e-12) / solver.degree
    best = (float("inf"), -float("inf"), i.z, program.Y, solver.multipliers(i, mu))
    for iteration in range(1, min(STEPS, options.max_iterations) + 1):
        try:
            dz, decrement = solver.newton(i, mu)
        except torch.linalg.LinAlgError:
            break
        moved = _line(solver, i, dz, mu, decrement)
        best = _assess(solver, i, dz, mu, best)
        stuck = moved is None
        i = i if moved is None else moved
        if clock.record(iteration, best[0], best[1]):
            break
        if stuck and decrement > CENTRED:
            break
        if decrement < CENTRED:
            mu *= SHRINK
    _, _, z, v, (l1, l2) = best
    lam = torch.cat([l1.flatten(1), l2], 1)[:, :, None]
    Z = z.reshape(program.operator.domain)
    return Point(Z.cpu().numpy(), v.cpu().numpy(), lam.cpu().numpy(), tuple(clock.steps), iteration, clock.interrupted)


def _factor(H: Tensor) -> Tensor:
    """Cholesky factors of blocks that are positive but for rounding: those that fail get a growing multiple of I."""
    R, failed = torch.linalg.cholesky_ex(H)
    size, jitter = H.diagonal(dim1=1, dim2=2).amax(1), 1e-15
    while bool(failed.any()) and jitter < 1e-6:
        bad = failed > 0
        H = H + (bad * jitter * size)[:, None, None] * torch.eye(H.shape[1]).to(H)
        again, still = torch.linalg.cholesky_ex(H[bad])
        R[bad], failed[bad], jitter = again, still, 10 * jitter
    if bool(failed.any()):
        raise torch.linalg.LinAlgError("a block of the Hessian is not positive")
    return R


def _line(solver: _Barrier, i: _Iterate, dz: Tensor, mu: float, decrement: float) -> _Iterate | None:
    """A point inside the cones with sufficient decrease; None when float64 finds none."""
    d1, d2 = solver.t.slacks(dz)
    steepest = min(float((solver.live1 * d1 / i.t1).min()), float((solver.live2 * d2 / i.t2).min()))
    a = min(1.0, NEAR_BOUNDARY / -steepest) if steepest < 0 else 1.0
    start = solver.value(i, mu)
    for _ in range(HALVINGS):
        there = solver.at(i.z + a * dz)
        inside = float(there.t1.min()) > 0 and float(there.t2.min()) > 0
        if inside and solver.value(there, mu) <= start - 1e-4 * a * mu * decrement + 1e-12 * max(1.0, abs(start)):
            return there
        a *= 0.5
    return None


Best = tuple[float, float, Tensor, Tensor, tuple[Tensor, Tensor]]


def _assess(solver: _Barrier, i: _Iterate, dz: Tensor, mu: float, best: Best) -> Best:
    """The better primal and the better dual; multipliers are mu / t, to first order after the step."""
    program: Program = solver.program
    upper, lower, z, v, lam = best
    objective = program.objective(i.z.reshape(program.operator.domain))
    if objective < upper:
        upper, z = objective, i.z
    d1, d2 = solver.t.slacks(dz)
    l1, l2 = solver.multipliers(i, mu)
    df = program.predict(dz.reshape(program.operator.domain))
    curvature = CURVATURES[program.loss.name](i.f, program.Y)
    linear = ((l1 * (1 - d1 / i.t1)).clamp(min=0), (l2 * (1 - d2 / i.t2)).clamp(min=0))
    residual = program.residual(i.z.reshape(program.operator.domain))
    for dual, pair in ((residual, (l1, l2)), (residual - curvature * df, linear)):
        dual = program.restore(dual)
        pull = program.operator.adjoint(dual) + solver.t.gather(*pair).reshape(program.operator.domain)
        t = min(1.0, program.beta / max(float(program.gauge.polar(pull).max()), 1e-300))
        value = program.dual_value(t * dual)
        if value > lower:
            lower, v, lam = value, t * dual, (t * pair[0], t * pair[1])
    return upper, lower, z, v, lam


__all__ = ["Tuples", "barrier_tuples", "fits"]
