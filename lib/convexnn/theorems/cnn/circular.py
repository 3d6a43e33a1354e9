"""Circular filters of full length: weight decay is the l1 norm of the spectrum.

    ReLU     f = sum_j (X U_{1j} .. U_{L-2,j} w_{1j})_+ w_{2j},  decay beta/2 sum_j ( |w_1j|^2 + w_2j^2 ),  U circulant
             = min L( sum_i D_i X (z_i - z_i') ) + beta / rho sum_i ( |F z_i|_1 + |F z_i'|_1 ), z_i, z_i' in cell i of X
             where |Lambda_1 .. Lambda_{L-2}|_F <= rho, Lambda_l the eigenvalues of U_l; for L = 3, |u| <= 1 is
             rho = sqrt(d), the program's default
    linear   f = sum_j X U_j W_j,  decay beta/2 sum_j ( |u_j|^2 + |W_j|_F^2 )
             = min L(X Theta) + beta / sqrt(d) sum_k |row k of F Theta|_2

Why: U_l = F' Lambda_l F, so F z = (sqrt(d) F u)(F w) entry by entry, whose l1 norm is at most the product of lengths;
equal lengths |Lambda| and |F w| in every frequency attain it, and conjugate symmetry keeps both real.
z is written in real Fourier coordinates (`fourier`), scaled so that the gauge is a sum of S lengths: Z_g is 2 x S.
`middle` unit filters between the two decayed layers of the linear network give each frequency another weight: d^{-1/2}
for its own conjugate, (2/d)^{1/2} for a pair, for each of them, since a real unit filter spends half on each partner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from convexnn.cones import FreeCone
from convexnn.coupled import CoupledCone, CoupledOperator
from convexnn.gauges import Frobenius, GroupL2
from convexnn.losses import Loss, get_loss
from convexnn.numerics import Array, check_choice, check_positive, tensor
from convexnn.operators import MatrixOperator
from convexnn.program import Program
from convexnn.theorems.cnn.circular_network import CircularNetwork
from convexnn.theorems.cnn.fourier import real_fourier, spectrum
from convexnn.theorems.shared.patterned import select_patterns
from convexnn.types import Data, Solution


@dataclass(frozen=True)
class CircularModel:
    """basis (d, 2, S): z = <basis, Z_g>;  depth and rho of the network; X the data."""

    basis: Array
    depth: int
    rho: float
    X: Array

    def filters(self, Z: Array) -> Array:
        """(G, d) the effective filters z of groups (G, 2, S)."""
        return np.einsum("dps,gps->gd", self.basis, Z)

    def network_options(self) -> dict[str, Any]:
        """What a rival network must share with the program."""
        return {"depth": self.depth, "rho": self.rho}


def circular_sample(size: str = "tiny", seed: int = 0) -> Data:
    """Gaussian signals (n, d); targets from two neurons of one frequency each, and noise; beta = 0.2."""
    check_choice("size", size, ("tiny", "quick", "full"))
    rng = np.random.default_rng(seed)
    n, d = {"tiny": (6, 4), "quick": (10, 6), "full": (14, 8)}[size]
    X = rng.standard_normal((n, d))
    first, second = (np.cos(2 * np.pi * k * np.arange(d) / d + rng.uniform(0, 2 * np.pi)) for k in (1, 2))
    y = np.maximum(X @ first, 0) - np.maximum(X @ second, 0) + 0.1 * rng.standard_normal(n)
    return Data(X, y, 0.2, size)


def _check(data: Data) -> None:
    if data.X.ndim != 2:
        raise ValueError(f"X has shape {data.X.shape}; circular filters act on whole rows, pass (n, d)")


def circular_program(
    data: Data,
    patterns: Literal["all"] | int = "all",
    depth: int = 3,
    rho: float | None = None,
    loss: str | Loss = "squared",
    seed: int = 0,
    limit: int = 100_000,
) -> Program:
    """The finite ReLU program; Z (2P, 2, S), columns are frequencies. X (n, d), one output.

    patterns  "all" cells of X (exponential in the rank of X, not in a filter's length), or a number of Gaussian gates
    rho       bound on |Lambda_1 .. Lambda_{depth-2}|_F, default sqrt(d); the value depends on depth only through rho
    Raises ValueError for patches, several outputs or a depth below 3.
    """
    _check(data)
    n, d = data.X.shape
    if data.y.size != n or depth < 3:
        raise ValueError(f"y has shape {data.y.shape}, depth is {depth}; pass one output and depth >= 3")
    rho = d**0.5 if rho is None else rho
    check_positive(rho=rho)
    D, _, complete = select_patterns(data.X, patterns, "none", seed, limit)
    B, mu = real_fourier(d)
    basis = B * rho / mu
    XB = np.einsum("nd,dps->nps", data.X, basis)
    gates = D.T[:, :, None, None].astype(float)
    return Program(
        loss=get_loss(loss),
        operator=CoupledOperator(tensor(gates * XB)),
        gauge=GroupL2(),
        cone=CoupledCone(tensor((2 * gates - 1) * XB)),
        beta=data.beta,
        Y=tensor(data.y).reshape(n, 1),
        scope="network" if complete else "program",
        name="circular_cnn",
        assumptions=("beta > 0", "filters of full length d", f"|product of the filters' eigenvalues| <= {rho:.6g}"),
        model=CircularModel(basis, depth, float(rho), data.X),
    )


def circular_linear_program(data: Data, middle: int = 0, loss: str | Loss = "squared") -> Program:
    """The linear program; Z (S, 2, c), one group a frequency. `middle` unit filters lie between the decayed layers."""
    _check(data)
    n, d = data.X.shape
    B, mu = real_fourier(d)
    weight = mu * d**-0.5 * (mu * d**-0.5) ** middle
    basis = B / weight
    return Program(
        loss=get_loss(loss),
        operator=MatrixOperator(tensor(np.einsum("nd,dps->snp", data.X, basis)), data.y.size // n),
        gauge=Frobenius(),
        cone=FreeCone(),
        beta=data.beta,
        Y=tensor(data.y).reshape(n, -1),
        scope="network",
        name="circular_linear_cnn",
        assumptions=("beta > 0", "filters of full length d", f"{middle} unit filters between the decayed layers"),
        model=CircularModel(basis, 2 + middle, 1.0, data.X),
    )


def recover_circular(data: Data, solution: Solution) -> CircularNetwork:
    """The network of a ReLU program's solution: each filter's spectrum and w_1's share |F z| evenly, phases go to w_1.

    The first filter carries the product, the others are unit pulses. Raises ValueError for other data.
    """
    model: CircularModel = solution.program.model
    if data.X.shape != model.X.shape or not np.array_equal(data.X, model.X):
        raise ValueError(f"data has X of shape {data.X.shape}, not the X of the solution's program; pass that one")
    used, d = np.flatnonzero(solution.active), data.X.shape[1]
    hat = spectrum(model.filters(solution.Z[used]))
    size = np.abs(hat)
    cost = size.sum(1, keepdims=True) / model.rho  # the gauge t of every group
    root = np.sqrt(size / (model.rho * cost))
    U = np.zeros((len(used), model.depth - 2, d))
    U[:, :, 0] = 1.0
    U[:, 0] = np.fft.ifft(root, norm="ortho").real  # of length 1, times rho / sqrt(d) inside the network
    phase = np.where(size > 0, hat / np.where(size > 0, size, 1.0), 1.0)
    w1 = np.sqrt(cost) * np.fft.ifft(root * phase, norm="ortho").real
    sign = np.where(used < len(solution.Z) // 2, 1.0, -1.0)
    return CircularNetwork(U, w1, sign * np.sqrt(cost[:, 0]), solution.program.loss, model.rho)
