"""Wasserstein GANs: the discriminator is the multiplier of a moment constraint, and the game is convex in the moments.

    min_W max_{|u_j| <= 1, v}   sum_j v_j (|X u_j|^2 - |Z W u_j|^2) + (beta_g/2) |Z W|_F^2 - beta_d sum_j |v_j|
      =  min_{S >= 0} (beta_g/2) tr S   s.t.   |X'X - S|_2 <= beta_d         (linear generator, quadratic discriminator)
      =  max_Q  <Q, X'X> - beta_d |Q|_*   s.t.   Q <= (beta_g/2) I            (the same, from the discriminator's side)

A saddle problem has two training problems. The contract here is the discriminator's: `program` is its maximum with the
generator's answer put in, written as a minimum (so its value is minus that of the game); `recover` and `network` are
discriminators; the dual vector v of a certificate is the generator, S = X'X - v; `reference` is the *generator's*
program in S, from the other side. Pairs of players that are no point of this program, such as the iterates of
descent-ascent, are judged by `second_moments.judge_players` with their two best responses.

Data: X (n, d) real samples, y (n, p) latent samples Z, beta = beta_d; beta_g is the option `weight`. Sums, no means.
Other discriminators and generators: `moments`, `closed_form`, `polynomial`, `line`, `ccp`, `relu_generator`,
`progressive`.
Why: for a fixed generator the payoff is homogeneous in v, so the inner maximum is an indicator; exchanging the two
extrema is allowed because the payoff is bilinear in (S, Q), and rank(Z) large enough lets Z W make any such S.
Tests: tests/theorems/test_wgan.py, test_wgan_relu.py, test_wgan_images.py there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from convexnn.cones import FreeCone
from convexnn.gauges import Nuclear
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, check_count, check_positive, tensor
from convexnn.operators import MatrixOperator
from convexnn.program import Program
from convexnn.theorems.wgan.claim_list import claims, source
from convexnn.theorems.wgan.closed_form import numerical_rank, quadratic_form
from convexnn.theorems.wgan.discriminator import QuadraticDiscriminator
from convexnn.theorems.wgan.second_moments import GeneratorAnswer, bound_on_moments
from convexnn.types import Data, Solution

__all__ = [
    "assumptions", "claims", "generator", "network", "objective", "program", "recover", "reference", "sample", "sizes",
    "source",
]  # fmt: skip

# ---- 1 the statement ------------------------------------------------------------------------------------------------

sizes = ("tiny", "quick", "full")


def assumptions(data: Data) -> tuple[str, ...]:
    """The theorem's conditions in words; raises ValueError where the data break one."""
    if not isinstance(data, Data):
        raise ValueError(f"data is a {type(data).__name__}; pass Data(X, Z, beta_d) with the latent samples as y")
    if data.X.ndim != 2 or data.y.ndim != 2:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; the game takes samples (n, d), latents (n, p)")
    k, rank = int((np.linalg.svd(data.X, compute_uv=False) ** 2 > data.beta).sum()), numerical_rank(data.y)
    if k > rank:
        raise ValueError(
            f"y has rank {rank}, but {k} squared singular values of X exceed beta: no generator is feasible"
        )
    return ("as many generated as real samples", "rank(Z) >= #{sigma_i(X)^2 > beta_d}", "|u_j| <= 1, not weight decay")


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """Gaussian rows of falling scale, centred and divided by sqrt(n); Gaussian latents; beta a tenth of sigma_1^2."""
    check_choice("size", size, sizes)
    rng = np.random.default_rng(seed)
    n, d, p = {"tiny": (12, 4, 5), "quick": (60, 8, 10), "full": (1000, 40, 50)}[size]
    X = rng.standard_normal((n, d)) * np.geomspace(1.0, 0.2, d) / np.sqrt(n)
    X -= X.mean(0)
    return Data(X, rng.standard_normal((n, p)), 0.1 * float(np.linalg.norm(X, 2)) ** 2, size)


# ---- 2 the reference: the generator's side, in CVXPY ----------------------------------------------------------------


def reference(data: Data, weight: float = 1.0) -> Any:
    """max -(beta_g/2) tr S  s.t.  -beta_d I <= X'X - S <= beta_d I, S >= 0: a cvxpy.Problem of value -p*."""
    import cvxpy as cp

    d = data.d
    S = cp.Variable((d, d), PSD=True)
    moment, ball = data.X.T @ data.X, data.beta * np.eye(d)
    return cp.Problem(cp.Maximize(-weight / 2 * cp.trace(S)), [moment - S << ball, moment - S >> -ball])


# ---- 3 the program: the discriminator's side ------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """What recovery needs: beta_g and the samples the program was made from."""

    weight: float
    X: Array


def program(data: Data, weight: float = 1.0) -> Program:
    """min_Q  -<Q, X'X> + M tr(Q - (beta_g/2) I)_+ + beta_d |Q|_*; Z is Q as one group, shape (1, d, d).

    The scope is "network": every quadratic discriminator of every width is a Q, and the program is over all of them.
    """
    conditions = assumptions(data)
    check_positive(weight=weight)
    X = tensor(data.X)
    return Program(
        loss=GeneratorAnswer(0.5 * weight, bound_on_moments(data.X)),
        operator=MatrixOperator(torch.eye(data.d, dtype=torch.float64)[None], data.d),
        gauge=Nuclear(),
        cone=FreeCone(),
        beta=data.beta,
        Y=X.T @ X,
        scope="network",
        name="wgan",
        assumptions=conditions,
        model=Model(weight, data.X),
    )


# ---- 4 the map back -------------------------------------------------------------------------------------------------


def recover(data: Data, solution: Solution) -> QuadraticDiscriminator:
    """The discriminator of Q: neurons are its eigenvectors, output weights its eigenvalues.

    Raises ValueError when `data` is not the program's.
    """
    model = solution.program.model
    if data.X.shape != model.X.shape or not np.array_equal(data.X, model.X):
        raise ValueError(f"data has X of shape {data.X.shape}, not the X of the solution's program; pass that one")
    q, V = np.linalg.eigh(0.5 * (solution.Z[0] + solution.Z[0].T))
    return QuadraticDiscriminator(V.T, q, model.weight)


def generator(data: Data, weight: float = 1.0) -> Array:
    """W (p, d), the generator's half of the saddle in closed form: it generates Z W."""
    assumptions(data)
    W = quadratic_form(data.X, data.y, data.beta, weight).W
    assert W is not None  # a linear generator has weights
    return W


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(width: int, data: Data, weight: float = 1.0, seed: int = 0) -> QuadraticDiscriminator:
    """A quadratic discriminator of `width` neurons with seeded weights, to be trained against the best generator."""
    check_count(width=width)
    built = QuadraticDiscriminator(np.ones((int(width), data.d)), np.zeros(int(width)), weight)
    built.reset(seed)
    return built


def objective(network: torch.nn.Module, data: Data) -> float:
    """Minus the discriminator's payoff after the generator's best answer."""
    if not isinstance(network, Network):
        raise ValueError("network is not a convexnn Network; build one with wgan.network or wgan.recover")
    return network.objective(data)
