"""Column generation over groups, the low-rank approximation, and pruning to n branches.

low rank:  P* <= P_kappa <= P* (1 + sqrt(m) R sigma / beta)
    loss R-Lipschitz in the l2 norm, sigma = sigma_{kappa+1}(X)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.optimize import linprog, nnls

from convexnn.gated_tuples import Tuples
from convexnn.numerics import Array, tensor
from convexnn.program import Program
from convexnn.theorems.path_regularized import program
from convexnn.theorems.path_regularized.groups import groups_of, join, select
from convexnn.theorems.path_regularized.path_network import PathBranches
from convexnn.types import Data, Solution

Solve = Callable[[Program], Solution]


def grow(
    data: Data,
    solve: Solve,
    start: Tuples,
    rounds: int = 8,
    batch: int = 200,
    slack: float = 1e-5,
    loss: str = "squared",
    seed: int = 0,
) -> list[Solution]:
    """Solve, pull random branches uphill on |v'f| / R, add the groups that v violates, again; one solution a round.

    Ends when no group is found; that is a local search and proves nothing about the groups it missed.
    """
    tuples, found = start, [solve(program(data, groups=start, loss=loss))]
    for k in range(rounds):
        v = tensor(np.asarray(found[-1].certificate.v)).reshape(-1, 1)
        fresh = join(tuples, climb(data.X, found[-1].program.residual(tensor(found[-1].Z)), tuples.m, batch, seed + k))
        fresh = select(fresh, np.arange(len(tuples.s), len(fresh.s)))
        if not len(fresh.s):
            break
        trial = program(data, groups=fresh, loss=loss)
        bounds = trial.polars(v)[0].reshape(2, -1).amax(0)
        fresh = select(fresh, (bounds > data.beta * (1 + slack)).numpy())
        if not len(fresh.s):
            break
        tuples = join(tuples, fresh)
        found.append(solve(program(data, groups=tuples, loss=loss)))
    return found


def climb(X: Array, v: torch.Tensor, width: int, batch: int, seed: int, steps: int = 100) -> Tuples:
    """The groups of random branches after gradient ascent of |v'f| at path norm one."""
    rng = np.random.default_rng(seed)
    A = tensor(rng.standard_normal((batch, width, X.shape[1]))).requires_grad_()
    b = tensor(rng.standard_normal((batch, width))).requires_grad_()
    ascent, features = torch.optim.Adam([A, b], lr=0.05), tensor(X)
    for _ in range(steps):
        inner = (A.square().sum(2) * b.square()).sum(1).sqrt()
        out = torch.relu((b[..., None] * torch.relu(A @ features.T)).sum(1)) / inner[:, None]
        ascent.zero_grad()
        (-(out @ v[:, 0]).abs().sum()).backward()
        ascent.step()
    first, second = A.detach().numpy(), b.detach().numpy()
    shaken = first + 1e-4 * rng.standard_normal(first.shape)
    return groups_of(X, np.concatenate([first, shaken]), np.concatenate([second, second]))


def low_rank_data(data: Data, rank: int) -> tuple[Data, Array, float]:
    """Z = X V_kappa as data, V_kappa (d, kappa), and sigma_{kappa+1}(X)."""
    s, Vt = np.linalg.svd(data.X)[1:]
    if not 1 <= rank <= len(s):
        raise ValueError(f"rank is {rank}; pass an integer from 1 to {len(s)}")
    V = Vt[:rank].T
    sigma = float(s[rank]) if rank < len(s) else 0.0
    return Data(data.X @ V, data.y, data.beta, f"{data.name}, rank {rank}"), V, sigma


def low_rank_factor(width: int, lipschitz: float, sigma: float, beta: float) -> float:
    """1 + sqrt(m) R sigma / beta."""
    return 1 + width**0.5 * lipschitz * sigma / beta


def lifted(solution: Solution, V: Array) -> Solution:
    """The solution on Z = X V, to be recovered on X: first layers V w."""
    return replace(solution, program=replace(solution.program, model=replace(solution.program.model, lift=V)))


def prune(network: PathBranches, X: Array) -> PathBranches:
    """At most n branches with the same predictions and no larger sum of path norms: a vertex of a linear program."""
    norms = network.path_norms()
    with torch.no_grad():
        signed = (network.a[:, None] * network.features(tensor(X))).numpy()
    outputs = (signed / norms[:, None]).T
    target = signed.sum(0)
    found = linprog(np.ones(len(norms)), A_eq=outputs, b_eq=target, method="highs-ds")
    if found.status != 0:
        return network
    keep = np.flatnonzero(found.x > 1e-10 * found.x.max())
    c = nnls(outputs[:, keep], target)[0]
    keep, c = keep[c > 0], c[c > 0]
    root = np.sqrt(c / norms[keep])
    layers = [W.detach().numpy()[keep] for W in network.layers]
    layers[-1] = layers[-1] * root[:, None, None]
    return PathBranches(layers, network.a.detach().numpy()[keep] * root, network.loss)
