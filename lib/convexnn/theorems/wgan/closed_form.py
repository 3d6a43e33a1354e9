"""Linear generators in closed form: linear and quadratic discriminators, and two penalties on the generator.

    quadratic, (beta_g/2)|Z W|_F^2:   G'G = V (Sigma^2 - beta_d)_+ V',   value  beta_g/2  sum_i (sigma_i^2 - beta_d)_+
    quadratic, (beta_g/2)|W|_F^2:     value  beta_g/2  sum_{i <= k} (sigma_i^2 - beta_d) / e_i,   e = eig(Z'Z) falling
    linear,    (beta_g/2)|G|_F^2:     G'1 = X'1 (1 - beta_d/|X'1|)_+,  every row the same: collapse on a shrunken mean

sigma are the singular values of X and k of them have sigma^2 > beta_d; feasible iff rank(Z) >= k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_choice, check_finite, check_positive

#: Singular values of the latents below this share of the largest are rounding.
RCOND = 1e-9


@dataclass(frozen=True)
class Form:
    """A generator in closed form. W is None where the generator is free; Q is the discriminator x'Q x (or x'Q).

    With the penalty on the weights, Q makes the generator stationary and no more: unless the singular values of Z are
    equal, the payoff at Q is not convex in W, and there is no saddle.
    """

    W: Array | None
    G: Array
    Q: Array
    value: float
    rank: int


def numerical_rank(Z: Array, rcond: float = RCOND) -> int:
    """Singular values above `rcond` times the largest."""
    s = np.linalg.svd(Z, compute_uv=False)
    return int((s > rcond * s.max(initial=0.0)).sum())


def quadratic_form(X: Array, Z: Array, beta: float, weight: float = 1.0, penalty: str = "output") -> Form:
    """The optimal linear generator against quadratic discriminators, by two SVDs.

    weight   beta_g > 0;  penalty  "output" for |Z W|_F^2, "weights" for |W|_F^2
    Raises ValueError when rank(Z) < #{sigma_i^2 > beta}: no linear generator satisfies the constraint.
    """
    check_finite(X=X, Z=Z)
    check_positive(beta=beta, weight=weight)
    check_choice("penalty", penalty, ("output", "weights"))
    sigma, Vx = np.linalg.svd(X, full_matrices=False)[1:]
    e, Vz = np.linalg.svd(Z, full_matrices=False)[1:]
    k, rank = int((sigma**2 > beta).sum()), numerical_rank(Z)
    if k > rank:
        raise ValueError(
            f"Z has rank {rank}, but {k} squared singular values of X exceed beta={beta:g}; no linear generator is "
            f"feasible: draw more latent columns, or take beta >= {sigma[rank] ** 2:.4g}"
        )
    strength = np.sqrt(sigma[:k] ** 2 - beta)
    W = (Vz[:k].T * (strength / e[:k])) @ Vx[:k]
    cost = strength**2 if penalty == "output" else (strength / e[:k]) ** 2
    price = np.ones(k) if penalty == "output" else 1 / e[:k] ** 2
    Q = 0.5 * weight * (Vx[:k].T * price) @ Vx[:k]
    return Form(W, Z @ W, Q, float(0.5 * weight * cost.sum()), k)


def lifted(Z: Array) -> Array:
    """[z x z, z, 1] for every latent row: two-layer polynomial generators of any width are linear in these features."""
    i, j = np.triu_indices(Z.shape[1])
    return np.column_stack([Z[:, i] * Z[:, j], Z, np.ones(len(Z))])


def linear_form(X: Array, beta: float, weight: float = 1.0, Z: Array | None = None) -> Form:
    """The optimal generator against linear discriminators: free (Z is None), or linear in the latents Z.

    Raises ValueError when the latents have column sums zero while |X'1| > beta.
    """
    check_finite(X=X)
    check_positive(beta=beta, weight=weight)
    m = X.sum(0)
    target = np.asarray(m * max(0.0, 1 - beta / max(float(np.linalg.norm(m)), 1e-300)))
    excess = float(np.linalg.norm(target))
    basis = np.eye(len(X)) if Z is None else Z
    ones = basis @ np.linalg.lstsq(basis, np.ones(len(basis)), rcond=RCOND)[0]
    size = float(ones @ ones)
    if excess > 0 and size <= RCOND * len(basis):
        raise ValueError(f"Z has column sums zero and |X'1| = {np.linalg.norm(m):.4g} > beta={beta:g}: not feasible")
    G = np.outer(ones, target) / max(size, 1e-300)
    W = None if Z is None else np.asarray(np.linalg.lstsq(Z, G, rcond=RCOND)[0], dtype=np.float64)
    q = weight * target / max(size, 1e-300)
    return Form(W, G, q, 0.5 * weight * excess**2 / max(size, 1e-300), int(excess > 0))
