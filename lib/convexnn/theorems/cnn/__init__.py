"""Convolutional networks: pooled ReLU filters are a group lasso over patch cells, flat linear ones a nuclear norm.

With X_k (n, h) the k-th patch of every sample, and pool the sum, average or maximum over the K patches,

    min over u_j, w_j   L( sum_j pool_k (X_k u_j)_+ w_j ) + beta/2 sum_j ( |u_j|^2 + w_j^2 )
    =  min over v_i, w_i  L( sum_i E_i (v_i - w_i) ) + beta sum_i ( |v_i| + |w_i| )   s.t.  v_i, w_i in the cell i

where the cells are joint over all patches, since the patches share the filter (`cells`). "flat" has no ReLU and an
output weight for every patch:

    min over u_j, w_jk  L( sum_jk X_k u_j w_jk ) + beta/2 sum_j ( |u_j|^2 + |w_j|^2 )
    =  min over Z (h, K)  L( sum_k X_k z_k ) + beta |Z|_*

Why: the best rescaling turns weight decay into beta |u| |w|; inside a cell the pooled activation is linear in u.
K = 1 is the two-layer theorem. Max pooling keeps the group l2 norm: only the cones change.

Other architectures have programs of their own here: circular filters of full length, the l1 norm of the spectrum
(`circular`); three layers with two ReLUs and a filter for every patch, Frobenius norms (`two_relu`). Flat ReLU, several
outputs and general linear pooling are the vector-output theorem on patches; `pooled_layers` turns its networks into
torch layers.
Tests: tests/theorems/test_cnn.py, test_cnn_circular.py, test_cnn_two_relu.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from convexnn.cones import FreeCone
from convexnn.coupled import CoupledCone, CoupledOperator
from convexnn.gauges import GroupL2, Nuclear
from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, check_count, tensor
from convexnn.program import Program
from convexnn.theorems.cnn.cells import Patterns, cells_of
from convexnn.theorems.cnn.circular import circular_linear_program, circular_program, recover_circular
from convexnn.theorems.cnn.circular_network import circular_network
from convexnn.theorems.cnn.claim_list import claims, source
from convexnn.theorems.cnn.conv_network import POOLINGS, ConvNetwork, Pooling, pooled_layers
from convexnn.theorems.cnn.references import pooled_reference
from convexnn.theorems.cnn.two_relu import recover_two_relu, two_relu_program
from convexnn.theorems.cnn.two_relu_network import two_relu_network
from convexnn.types import Data, Solution

__all__ = [
    "assumptions",
    "circular_linear_program",
    "circular_network",
    "circular_program",
    "claims",
    "network",
    "objective",
    "pooled_layers",
    "program",
    "recover",
    "recover_circular",
    "recover_two_relu",
    "reference",
    "sample",
    "sizes",
    "source",
    "two_relu_network",
    "two_relu_program",
]

# ---- 1 the statement ------------------------------------------------------------------------------------------------

sizes = ("tiny", "quick", "full")


def assumptions(data: Data) -> tuple[str, ...]:
    """The theorem's conditions in words; raises ValueError where the data break one."""
    if not isinstance(data, Data):
        raise ValueError(f"data is a {type(data).__name__}; pass Data(X, y, beta)")
    if data.X.ndim != 3 or data.y.reshape(data.n, -1).shape[1] != 1:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; pass patches (n, K, h) and one output")
    return ("beta > 0", "at least n + 1 filters, shared by all patches", "weight decay on both layers with factor 1/2")


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """K Gaussian patch matrices (n, h) drawn one after the other, then Gaussian targets; beta = 0.2."""
    check_choice("size", size, sizes)
    rng = np.random.default_rng(seed)
    n, K, h = {"tiny": (6, 3, 2), "quick": (10, 4, 2), "full": (16, 6, 3)}[size]
    X = np.ascontiguousarray(rng.standard_normal((K, n, h)).transpose(1, 0, 2))
    return Data(X, rng.standard_normal(n), 0.2, size)


# ---- 2 the reference: the paper's letters, in CVXPY -----------------------------------------------------------------


def reference(data: Data, pooling: Pooling = "sum") -> Any:
    """The convex program written cell by cell, squared loss, a cvxpy.Problem; max pooling lists every fine cell."""
    assumptions(data)
    check_choice("pooling", pooling, POOLINGS)
    return pooled_reference(data, pooling)


# ---- 3 the program --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """What recovery needs: the pooling and the patches that the program was made from."""

    pooling: Pooling
    X: Array

    def network_options(self) -> dict[str, Any]:
        """What a rival network must share with the program."""
        return {"pooling": self.pooling}

    def check(self, X: Array) -> None:
        """Raise ValueError unless X is the array the program was made from."""
        if X.shape != self.X.shape or not np.array_equal(X, self.X):
            raise ValueError(f"data has X of shape {X.shape}, not the X of the solution's program; pass that one")


def program(
    data: Data,
    pooling: Pooling = "sum",
    patterns: Patterns = "all",
    loss: str | Loss = "squared",
    seed: int = 0,
    limit: int = 100_000,
) -> Program:
    """The finite convex program; Z = (v_1..v_P, w_1..w_P) of shape (2P, h, 1), or (1, h, K) for "flat".

    patterns  "all" enumerates the joint cells; an int draws that many Gaussian filters with `seed`; an array (m, h)
              takes the cells of these filters
    Raises ValueError for an unknown option or more than `limit` cells.
    """
    conditions = assumptions(data)
    check_choice("pooling", pooling, POOLINGS)
    common: dict[str, Any] = {
        "loss": get_loss(loss), "beta": data.beta, "Y": tensor(data.y).reshape(data.n, 1), "name": "cnn",
        "assumptions": conditions, "model": Model(pooling, data.X),
    }  # fmt: skip
    if pooling == "flat":
        E = tensor(data.X).transpose(1, 2)[None]
        return Program(operator=CoupledOperator(E, (1.0,)), gauge=Nuclear(), cone=FreeCone(), scope="network", **common)
    cells = cells_of(data.X, pooling, patterns, seed, limit)
    return Program(
        operator=CoupledOperator(tensor(cells.E)[..., None]),
        gauge=GroupL2(),
        cone=CoupledCone(tensor(cells.C)[..., None]),
        scope="network" if cells.complete else "program",
        **common,
    )


# ---- 4 the map back -------------------------------------------------------------------------------------------------


def recover(data: Data, solution: Solution) -> ConvNetwork:
    """u = v_i / sqrt|v_i|, w = +- sqrt|v_i| for every cell in use; flat: the balanced singular triples of Z.

    Returns a float64 ConvNetwork whose training objective is the program's value; its `sequential` gives torch layers.
    Raises ValueError when `data` is not the program's.
    """
    model, Z, loss = solution.program.model, solution.Z, solution.program.loss
    model.check(data.X)
    if model.pooling == "flat":
        P, s, Qt = np.linalg.svd(Z[0], full_matrices=False)
        kept = s > 1e-12 * max(float(s.max(initial=0.0)), 1e-300)
        root = np.sqrt(s[kept])[:, None]
        return ConvNetwork(root * P[:, kept].T, root * Qt[kept], loss, "flat")
    strength = np.linalg.norm(Z[:, :, 0], axis=1)
    used = np.flatnonzero(strength)
    root = np.sqrt(strength[used])[:, None]
    sign = np.where(used < len(Z) // 2, 1.0, -1.0)[:, None]
    return ConvNetwork(Z[used, :, 0] / root, sign * root, loss, model.pooling)


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(
    width: int, data: Data, pooling: Pooling = "sum", loss: str | Loss = "squared", seed: int = 0
) -> ConvNetwork:
    """A network of `width` filters with seeded weights, ready for training."""
    check_count(width=width)
    check_choice("pooling", pooling, POOLINGS)
    K, h = data.X.shape[1:]
    built = ConvNetwork(np.zeros((width, h)), np.zeros((width, K if pooling == "flat" else 1)), get_loss(loss), pooling)
    built.reset(seed)
    return built


def objective(network: torch.nn.Module, data: Data) -> float:
    """L(f(X), y) + beta * penalty: the training problem exactly as the theorem states it."""
    if not isinstance(network, Network):
        raise ValueError("network is not a convexnn Network; build one with cnn.network or cnn.recover")
    return network.objective(data)
