"""Deep linear networks: what weight decay on L layers does to the one matrix that they are.

"normalised" and "power" (see `_linear_network`), with as many branches as the solution has rank:

    min  L( sum_b X W_{1,b} ... W_{L,b} ) + beta penalty  =  min_W  L(X W) + strength |W|_*
    strength = beta t^-(L-2)  normalised,      beta L / 2  L-th power,      beta  for L = 2 (any of the three)

and its dual   max_v -L*(-v)  s.t.  sigma_max(X'v) <= strength, with no gap. "squared" on a standard network:

    min  L( X W_1 ... W_L ) + beta/2 sum_l |W_l|_F^2      =  min_W  L(X W) + (beta L / 2) sum_i sigma_i(W)^(2/L)

which is convex for L = 2 only; whitened data and one output have closed forms (`whitened`, `one_output`). For whitened
data the rank of every layer is the number of singular values of X'Y above tau_L(beta), not above beta; the dual value
D = `bidual` is below P unless L = 2 or the minimiser of D has rank at most one.
Why: the inequality of means turns products of norms into powers, Hoelder's inequality for Schatten norms does it for
matrices, and both are attained by layers of equal singular values, each aligned with the next.
Tests: tests/theorems/test_deep_linear.py, tests/theorems/test_deep_linear_forms.py, tests/theorems/test_schatten.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from convexnn.claims import Claim, Kind, Scope, Source
from convexnn.cones import FreeCone
from convexnn.gauges import Nuclear
from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, tensor
from convexnn.operators import MatrixOperator
from convexnn.program import Program
from convexnn.theorems.deep_linear.forms import (
    between,
    bidual,
    common_t,
    critical_beta,
    interpolation,
    one_output,
    partial_dual,
    traps,
    whitened,
)
from convexnn.theorems.deep_linear.linear_network import DeepLinear, Depth, Problem, parallel, standard
from convexnn.types import Data, Solution

__all__ = [
    "assumptions", "between", "bidual", "claims", "common_t", "critical_beta", "interpolation", "network",
    "objective", "one_output", "partial_dual", "program", "recover", "reference", "sample", "sizes", "source",
    "traps", "whitened",
]  # fmt: skip

# ---- 1 the statement ------------------------------------------------------------------------------------------------

source = Source("Ergen and Pilanci, Revealing the Structure of Deep Neural Networks via Convex Duality", "2002.09773")
gaps = Source("Wang, Ergen and Pilanci, Parallel Deep Neural Networks Have Zero Duality Gap", "2110.06482")
ours = Source("this project, derived and measured here")

sizes = ("tiny", "quick", "full")


def _claim(name: str, text: str, kind: Kind, tol: float, scope: Scope = "network", by: Source = source) -> Claim:
    return Claim(f"deep_linear.{name}", text, by, kind, tol, scope)


claims = (
    _claim("strong_duality", "normalised, power and L = 2: the nuclear program has no gap", "certificate", 1e-6),
    _claim("reference", "the program in the paper's letters (CVXPY) and the fast one agree", "agreement", 1e-6),
    _claim("recovery", "the recovered network scores the program's value", "agreement", 1e-6),
    _claim("no_training_below", "no training run of any problem ends below its bound", "one_sided", 1e-9),
    _claim("training_reaches", "the best of many seeds reaches the optimum of each problem", "agreement", 1e-6),
    _claim("soft_threshold", "whitened data: soft-thresholding is certified by the judge", "certificate", 1e-9),
    _claim("losses", "logistic loss and cross entropy: the same program has no gap", "certificate", 1e-6),
    _claim("squared_form", "whitened data, L >= 3: the scalar prox meets a global bound", "certificate", 1e-9, by=ours),
    _claim("one_output", "one output, any X: one rank-one branch meets a global bound", "certificate", 1e-9, by=ours),
    _claim("staircase", "squared: trained layers have rank #{sigma_i > tau_L(beta)}", "agreement", 0.0, by=ours),
    _claim("beta_staircase", "squared, L >= 3: the rank is not #{sigma_i > beta}", "counterexample", 0.1, by=ours),
    _claim("equal_norms", "squared: trained layers have one Frobenius and one operator norm", "agreement", 1e-5),
    _claim("alignment", "squared: W_l'W_l = W_{l+1} W_{l+1}' for trained layers", "agreement", 1e-5),
    _claim("parallel_columns", "squared, one output: every first-layer neuron is parallel to w", "agreement", 1e-6),
    _claim("minimum_norm", "P(beta) / beta tends to (L/2) sum sigma^(2/L)", "agreement", 1e-4, by=gaps),
    _claim("dual_value", "D(beta) / beta tends to (L/2) (sum sigma)^(2/L)", "agreement", 1e-4, by=gaps),
    _claim("outer_t", "minimising the nuclear program over one t for all branches gives D", "agreement", 1e-7, by=ours),
    _claim("gap_positive", "L >= 3 and two singular values, equal or not: P > D", "counterexample", 1e-3, by=ours),
    _claim("gap_zero", "L = 2 or one singular value: P = D", "agreement", 1e-9, by=gaps),
    _claim("partial_duals", "leaving more layers out of the exchange raises the dual", "one_sided", 1e-12, by=ours),
    _claim("branches_useless", "squared decay: parallel branches do not train lower", "one_sided", 1e-9, by=gaps),
    _claim("branches_needed", "power: fewer branches than the rank end above", "counterexample", 1e-3, by=gaps),
    _claim("traps", "runs that miss the optimum drop or keep whole singular triples", "agreement", 1e-6, by=ours),
    _claim("real_form", "squared, MNIST: the best training run reaches the closed form", "agreement", 1e-4, by=ours),
    _claim("real_accuracy", "MNIST: closed form and training have one test accuracy", "agreement", 0.02, by=ours),
)


def assumptions(data: Data) -> tuple[str, ...]:
    """The theorem's conditions in words; raises ValueError where the data break one."""
    if not isinstance(data, Data):
        raise ValueError(f"data is a {type(data).__name__}; pass Data(X, y, beta)")
    if data.X.ndim != 2 or data.y.ndim > 2:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; the theorem takes matrices (n, d), (n, c)")
    return ("beta > 0", "hidden widths and branches are at least the rank of the solution", "no biases")


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """Gaussian X, targets of a random linear teacher plus noise, beta a fifth of sigma_max(X'Y)."""
    check_choice("size", size, sizes)
    rng = np.random.default_rng(seed)
    n, d, c = {"tiny": (8, 4, 2), "quick": (60, 20, 5), "full": (300, 60, 8)}[size]
    X = rng.standard_normal((n, d))
    teacher = rng.standard_normal((d, c)) / np.sqrt(d)
    Y = X @ teacher + 0.1 * rng.standard_normal((n, c))
    return Data(X, Y, 0.2 * float(np.linalg.norm(X.T @ Y, 2)), size)


# ---- 2 the reference: the paper's letters, in CVXPY -----------------------------------------------------------------


def reference(
    data: Data, layers: int = 3, problem: Problem = "normalised", t: float = 1.0, loss: str | Loss = "squared"
) -> Any:
    """The convex program over the end-to-end matrix, a cvxpy.Problem; squared decay only for two layers."""
    import cvxpy as cp

    if problem == "squared" and layers != 2:
        raise ValueError(f"problem='squared' with layers={layers} is not convex; there is no reference program")
    y = data.y.reshape(data.n, -1)
    W = cp.Variable((data.d, y.shape[1]))
    f = data.X @ W
    margin = cp.multiply(y, f)
    terms = {
        "squared": 0.5 * cp.sum_squares(f - y),
        "logistic": cp.sum(cp.logistic(-margin)),
        "hinge": cp.sum(cp.pos(1 - margin)),
        "squared_hinge": cp.sum(cp.square(cp.pos(1 - margin))) / 2,
        "cross_entropy": cp.sum(cp.log_sum_exp(f, axis=1)) - cp.sum(cp.multiply(y, f)),
    }
    weight = {"squared": 1.0, "power": layers / 2, "normalised": 1 / t ** (layers - 2)}[problem]
    return cp.Problem(cp.Minimize(terms[get_loss(loss).name] + data.beta * weight * cp.normNuc(W)))


# ---- 3 the program --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """What recovery needs: the training problem and the data the program was made from."""

    depth: Depth
    X: Array

    def network_options(self) -> dict[str, Any]:
        """What a rival network must share with the program."""
        return {"layers": self.depth.layers, "problem": self.depth.problem, "t": self.depth.t}

    def check(self, X: Array) -> None:
        """Raise ValueError unless X is the matrix the program was made from."""
        if X.shape != self.X.shape or not np.array_equal(X, self.X):
            raise ValueError(f"data has X of shape {X.shape}, not the X of the solution's program; pass that one")


def program(
    data: Data, layers: int = 3, problem: Problem = "normalised", t: float = 1.0, loss: str | Loss = "squared"
) -> Program:
    """L(X W) + strength |W|_*; Z is W as one group, shape (1, d, c), and program.beta is the strength.

    layers   L >= 2;  problem  "normalised" with inner norms t, "power", or "squared" for two layers
    Raises ValueError for squared decay on three layers or more, which is not convex, and for an unknown option.
    """
    conditions = assumptions(data)
    depth = Depth(layers, problem, t)
    Y = tensor(data.y).reshape(data.n, -1)
    return Program(
        loss=get_loss(loss),
        operator=MatrixOperator(tensor(data.X)[None], Y.shape[1]),
        gauge=Nuclear(),
        cone=FreeCone(),
        beta=depth.strength(data.beta),
        Y=Y,
        scope="network",
        name="deep_linear",
        assumptions=(*conditions, depth.sentence()),
        model=Model(depth, data.X),
    )


# ---- 4 the map back -------------------------------------------------------------------------------------------------

#: Singular values of a solution below this share of the largest are dropped.
RANK_TOL = 1e-12


def recover(data: Data, solution: Solution) -> DeepLinear:
    """The network of W = U diag(s) V': one branch of rank one for each singular triple, balanced.

    Two layers: the standard network W_1 = U sqrt(s), W_2 = sqrt(s) V'. Returns a float64 DeepLinear whose training
    objective is the program's value. Raises ValueError when `data` is not the program's.
    """
    model = solution.program.model
    model.check(data.X)
    U, s, Vt = np.linalg.svd(solution.Z[0], full_matrices=False)
    kept = s > RANK_TOL * max(float(s.max(initial=0.0)), 1e-300)
    build = standard if model.depth.layers == 2 else parallel
    return build(U[:, kept], s[kept], Vt[kept], solution.program.loss, model.depth)


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(
    width: int | Sequence[int],
    data: Data,
    layers: int = 3,
    problem: Problem = "normalised",
    t: float = 1.0,
    loss: str | Loss = "squared",
    branches: int | None = None,
    seed: int = 0,
) -> DeepLinear:
    """A network with seeded weights, ready for training.

    width     neurons of every hidden layer, or one number for each of them
    branches  None is what the theorem wants: one standard network for squared decay, else `width` branches whose hidden
              widths are 1; a number gives that many branches of hidden widths `width`
    """
    depth, c = Depth(layers, problem, t), data.y.reshape(data.n, -1).shape[1]
    hidden = [width] * (layers - 1) if isinstance(width, int | np.integer) else list(width)
    if len(hidden) != layers - 1 or not all(isinstance(m, int | np.integer) and m >= 1 for m in hidden):
        raise ValueError(f"width is {width!r}; pass a number of neurons >= 1, or {layers - 1} of them")
    if branches is not None and branches < 1:
        raise ValueError(f"branches is {branches!r}; pass a number >= 1, or None for the theorem's architecture")
    scalar_ended = branches is None and problem != "squared" and layers > 2
    count, inner = (max(hidden), [1] * (layers - 1)) if scalar_ended else (branches or 1, hidden)
    shape = [data.d, *inner, c]
    built = DeepLinear([np.zeros((count, p, q)) for p, q in pairwise(shape)], get_loss(loss), depth)
    built.reset(seed)
    return built


def objective(network: torch.nn.Module, data: Data) -> float:
    """L(f(X), Y) + beta penalty, with the penalty of the network's own problem."""
    if not isinstance(network, Network):
        raise ValueError("network is not a convexnn Network; build one with deep_linear.network or deep_linear.recover")
    return network.objective(data)
