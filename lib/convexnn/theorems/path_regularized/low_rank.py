"""The low-rank approximation: patterns of X V_kappa, few whatever the dimension, and first layers V_kappa w.

P* <= P_kappa <= P* (1 + sqrt(m) R sigma / beta)
loss R-Lipschitz in the l2 norm, sigma = sigma_{kappa+1}(X)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convexnn.numerics import Array
from convexnn.types import Data, Solution


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


def lifted(solution: Solution, data: Data, V: Array) -> Solution:
    """The solution on Z = X V as one on `data`, to be recovered there: first layers V w."""
    model = solution.program.model
    model.check(data.X @ V)
    basis = V.T if model.basis is None else model.basis @ V.T
    return replace(solution, program=replace(solution.program, model=replace(model, basis=basis, X=data.X)))
