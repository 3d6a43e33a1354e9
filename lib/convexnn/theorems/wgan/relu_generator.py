"""Two-layer ReLU generators G = (Z W_1)_+ W_2 whose penalty sees the output alone: two steps.

1  G* = argmin R(G) subject to the discriminator's constraint, over all outputs: any other theorem file here.
2  min 1/2 sum_j (|u_j|^2 + |a_j|_1^2)  s.t.  (Z U)_+ A = G*     =     min sum_{i,k} |V_ik| + |W_ik|
                                                     s.t.  sum_i D_i Z (V_i - W_i) = G*,   V, W in the cells' cones

The l1 norm on a neuron's outputs makes step two a sum over outputs, exact with all cells; the l2 norm would make it
a copositive program. Every interpolant is optimal for step one: step two breaks the tie. G* is unique only up to an
orthonormal basis L of the latents' space, and step two's price depends on L.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_finite
from convexnn.patterns import enumerate_patterns


@dataclass(frozen=True)
class ReluGenerator:
    """First-layer weights U (p, m), second-layer weights A (m, d), and 1/2 sum_j (|u_j|^2 + |a_j|_1^2)."""

    U: Array
    A: Array

    @property
    def cost(self) -> float:
        return 0.5 * float((self.U**2).sum() + (np.abs(self.A).sum(1) ** 2).sum())

    def generate(self, Z: Array) -> Array:
        """(Z U)_+ A."""
        return np.maximum(Z @ self.U, 0) @ self.A


def spectrum_output(X: Array, beta: float, basis: Array) -> Array:
    """Step one against quadratic discriminators: L (Sigma^2 - beta)_+^(1/2) V' for orthonormal columns L = basis."""
    sigma, Vt = np.linalg.svd(X, full_matrices=False)[1:]
    k = int((sigma**2 > beta).sum())
    if basis.shape[1] < k or not np.allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-9):
        raise ValueError(f"basis has shape {basis.shape}; pass at least {k} orthonormal columns")
    return (basis[:, :k] * np.sqrt(sigma[:k] ** 2 - beta)) @ Vt[:k]


def min_norm_generator(Z: Array, G: Array, drop: float = 1e-7) -> tuple[ReluGenerator, float]:
    """The cheapest two-layer ReLU generator with (Z U)_+ A = G, and the value of its convex program.

    Raises ValueError when no generator makes G: rows of Z that are positive multiples force multiples in G.
    """
    import cvxpy as cp

    check_finite(Z=Z, G=G)
    D, p = enumerate_patterns(Z).T.astype(float), Z.shape[1]
    gated = np.concatenate([cell[:, None] * Z for cell in D], axis=1)
    neurons, outputs, value = [], [], 0.0
    for k in range(G.shape[1]):
        V = [cp.Variable((len(D), p)) for _ in range(2)]
        cones = [((2 * cell - 1)[:, None] * Z) @ family[i] >= 0 for family in V for i, cell in enumerate(D)]
        fit = gated @ cp.reshape(V[0] - V[1], (len(D) * p,), order="C") == G[:, k]
        norms = sum(cp.sum(cp.norm(family, axis=1)) for family in V)
        problem = cp.Problem(cp.Minimize(norms), [fit, *cones])
        value += float(problem.solve(solver="CLARABEL"))
        if problem.status != "optimal":
            raise ValueError(f"G, column {k}, is made by no ReLU generator of Z ({problem.status}); append a 1 to Z")
        for sign, family in zip((1.0, -1.0), V):
            for u in np.asarray(family.value):
                size = np.linalg.norm(u)
                if size > drop:
                    neurons.append(u / np.sqrt(size))
                    outputs.append(sign * np.sqrt(size) * np.eye(G.shape[1])[k])
    return ReluGenerator(np.array(neurons).T.reshape(p, -1), np.array(outputs).reshape(-1, G.shape[1])), value
