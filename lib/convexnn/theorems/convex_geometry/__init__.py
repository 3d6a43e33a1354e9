"""The convex geometry of two-layer ReLU networks; on a line, training is a lasso over kinks at the data.

For data on a line (one feature, or rank one) with an unregularised bias

    min over m, u_j, b_j, a_j, c0   L( sum_j (X u_j + b_j 1)_+ a_j + c0 1 ) + beta/2 sum_j ( |u_j|^2 + a_j^2 )
    =  min over w, c0               L( K w + c0 1 ) + beta |w|_1,

K the ramps (t - t_j)_+ and (t_j - t)_+ at the data points t_j = x_j'u, u the line's unit direction, and the dual is

    max_v  -L*(-v)   subject to   |K'v| <= beta,   1'v = 0.

Why: the rectified ellipsoid {(X u + b 1)_+ : |u| <= 1} has its extreme points at ramps that break at a sample, because
v'(X u + b 1)_+ is piecewise linear in b; an optimal network uses extreme points only. So it is a linear spline. The
free offset c0 belongs to the statement: without it the value is larger in general.

The rest of the geometry lives in shared ideas of this folder:
    _extreme_points   the rectified ellipsoid, its support function, implicit autoencoding
    _spike_free       the sign test for every bias, the program with D = I;  _closed_forms  what needs no program
    _cutting_plane    the algorithm for every loss and bias, on the masters of _restricted
    _output_norms     several outputs with l1, l2 or linf output weights
    _sparsest, _margins, _kinks, _tangent_kernel   l0 and l1, classification without slack, the line, the contrast
Tests: tests/theorems/test_convex_geometry.py (the line), and the files named after the ideas.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from convexnn.claims import Claim, Kind, Scope, Source
from convexnn.cones import FreeCone
from convexnn.gauges import GroupL2
from convexnn.losses import Loss, get_loss
from convexnn.networks import Network, TwoLayer
from convexnn.numerics import Array, check_choice, check_count, tensor
from convexnn.program import Program
from convexnn.theorems.convex_geometry.restricted_problem import restricted
from convexnn.theorems.shared.kinks import KinkOperator, Kinks, dictionary, line
from convexnn.types import Data, Solution

# ---- 1 the statement ------------------------------------------------------------------------------------------------

source = Source("Ergen and Pilanci, Convex Geometry and Duality of Over-parameterized Neural Networks", "2002.11219")
ours = Source("this project, proved and measured here")

sizes = ("tiny", "quick", "full")


def _claim(
    name: str, statement: str, kind: Kind, tolerance: float, scope: Scope = "network", by: Source = source
) -> Claim:
    return Claim(f"convex_geometry.{name}", statement, by, kind, tolerance, scope)


claims = (
    _claim("strong_duality", "the lasso over kinks and its dual with 1'v = 0 agree", "certificate", 1e-6),
    _claim("reference", "the paper's program in CVXPY and the fast program agree", "agreement", 1e-6),
    _claim("lasso", "the value is that of scikit-learn's lasso with a free intercept", "agreement", 1e-8),
    _claim("recovery", "the recovered spline network has the program's value", "agreement", 1e-6),
    _claim("kinks_at_data", "every kink of the recovered network is a data point", "agreement", 1e-9),
    _claim("no_training_below", "no training run ends below the certified lower bound", "one_sided", 1e-9),
    _claim("training_reaches", "the best of many seeds of a wide network comes close", "agreement", 1e-2),
    _claim("five_points", "the five points cost 8 beta - 8 beta^2 up to beta = 0.3", "agreement", 1e-6),
    _claim("offset_matters", "without the free output offset the value is larger", "counterexample", 1e-3),
    _claim("kinks_leave", "with a regularised bias kinks leave the data", "counterexample", 1e-2, by=ours),
    _claim("hinge", "hinge and logistic classification are the same program", "certificate", 1e-6),
    _claim("hard_margin", "up to a threshold the hinge loss gives minimum-l1 margins", "agreement", 1e-6, by=ours),
    _claim("interpolation", "interpolating costs max(V, (V + |s_1 + s_last|) / 2)", "agreement", 1e-7, by=ours),
    _claim("extreme_points", "every neuron attains |v'(Xu + b)_+| = beta", "agreement", 1e-4),
    _claim("autoencoder", "isolating a sample costs its hull or cone distance", "agreement", 1e-6, by=ours),
    _claim("rank_one", "rank-one data without bias have two neurons in closed form", "agreement", 1e-6),
    _claim("spike_free_test", "the sign test agrees with random maximisation", "agreement", 0.0, by=ours),
    _claim("free_bias_spikes", "with a free bias spikes mean an obtuse angle", "agreement", 0.0, by=ours),
    _claim("spike_free", "spike-free data need the pattern D = I alone", "agreement", 1e-6),
    _claim("spikes_matter", "with spikes the program with D = I lies above the optimum", "counterexample", 1e-3),
    _claim("closed_forms", "whitened, orthogonal and one-hot closed forms are optimal", "agreement", 1e-6),
    _claim("forms_judged", "the judge certifies every closed form", "certificate", 1e-8),
    _claim("two_neurons", "two neurons are not optimal on all spike-free data", "counterexample", 1e-3, by=ours),
    _claim("sparsest", "on a line with free offset a unique l1 network is the sparsest", "agreement", 0.0, by=ours),
    _claim("denser", "without an offset a unique l1 network is not the sparsest", "counterexample", 0.1, by=ours),
    _claim("cutting_plane", "cutting planes with the exact oracle reach the optimum", "agreement", 1e-5),
    _claim("cuts_judged", "cutting planes: every loss and bias, by the judge", "certificate", 1e-5, by=ours),
    _claim("kinks_meet_samples", "with a free bias every kink runs through a sample", "agreement", 1e-6, by=ours),
    _claim("relaxed_above", "cutting planes with the relaxed oracle end above the optimum", "one_sided", 1e-6),
    _claim("separable", "l1 output weights make one problem of each output", "agreement", 1e-5),
    _claim("coupled", "weight decay on several outputs costs less than one by one", "counterexample", 1e-3),
    _claim("outputs_no_training_below", "several outputs: no training run ends below", "one_sided", 1e-9),
    _claim("tangent_kernel", "the tangent kernel's interpolant is not a linear spline", "counterexample", 1e-3),
    _claim("real_whitened", "real whitened data: closed form and cutting plane agree", "agreement", 1e-5, by=ours),
    _claim("real_judged", "real data: the judge certifies the cutting planes", "certificate", 1e-4, by=ours),
    _claim("real_no_training_below", "real data: no training run ends below the optimum", "one_sided", 1e-9, by=ours),
)


def assumptions(data: Data) -> tuple[str, ...]:
    """The theorem's conditions in words; raises ValueError where the data break one."""
    if not isinstance(data, Data):
        raise ValueError(f"data is a {type(data).__name__}; pass Data(X, y, beta)")
    if data.X.ndim != 2 or data.y.ndim > 2:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; the theorem takes matrices (n, d), (n, c)")
    line(data.X)
    return (
        "the rows of X lie on a line",
        "the hidden bias and the output offset are not regularised",
        "beta > 0, and as many neurons as there are kinks",
    )


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """Points on a line with targets of a sine plus ten per cent noise; full is rank one in three dimensions."""
    check_choice("size", size, sizes)
    rng = np.random.default_rng(seed)
    n, direction = {"tiny": (6, [1.0]), "quick": (20, [1.0]), "full": (80, [2.0, -1.0, 2.0])}[size]
    t = np.sort(rng.uniform(-2, 2, n))
    y = np.sin(2.5 * t) + 0.1 * rng.standard_normal(n)
    return Data(np.outer(t, np.array(direction) / np.linalg.norm(direction)), y, 0.05, size)


# ---- 2 the reference: the paper's letters, in CVXPY -----------------------------------------------------------------


def reference(data: Data, loss: str | Loss = "squared", offset: bool = True) -> Any:
    """The lasso over kinks at every sample as printed, a cvxpy.Problem; offset=False forces c0 = 0."""
    import cvxpy as cp

    a = np.linalg.svd(data.X - data.X.mean(0))[2][0]
    x, y = data.X @ a, data.y.reshape(data.n, -1)
    K = np.array([[max(s * (xi - xj), 0.0) for s in (1.0, -1.0) for xj in x] for xi in x])
    w, c0 = cp.Variable((K.shape[1], y.shape[1])), cp.Variable((1, y.shape[1]))
    f = K @ w + np.ones((data.n, 1)) @ c0
    margin = cp.multiply(y, f)
    terms = {
        "squared": 0.5 * cp.sum_squares(f - y),
        "logistic": cp.sum(cp.logistic(-margin)),
        "hinge": cp.sum(cp.pos(1 - margin)),
        "squared_hinge": cp.sum(cp.square(cp.pos(1 - margin))) / 2,
        "cross_entropy": cp.sum(cp.log_sum_exp(f, axis=1)) - cp.sum(cp.multiply(y, f)),
    }
    return cp.Problem(
        cp.Minimize(terms[get_loss(loss).name] + data.beta * cp.sum(cp.abs(w))), [] if offset else [c0 == 0]
    )


# ---- 3 the program --------------------------------------------------------------------------------------------------


def program(data: Data, loss: str | Loss = "squared") -> Program:
    """The lasso over kinks with its free offset; Z has shape (2 (distinct points - 1), 2, c), see KinkOperator.

    Groups of one penalised weight make the l2 group norm the l1 norm; the second row is free, so a certificate's dual
    vector satisfies 1'v = 0. Any loss; (n, c) targets let one neuron feed one output.
    Raises ValueError for an unknown loss, or when the rows of X lie on no line.
    """
    conditions = assumptions(data)
    direction, t = line(data.X)
    K, kinks, sides = dictionary(t)
    Y = tensor(data.y).reshape(data.n, -1)
    return Program(
        loss=get_loss(loss),
        operator=KinkOperator(tensor(K), Y.shape[1]),
        gauge=GroupL2(free=1),
        cone=FreeCone(),
        beta=data.beta,
        Y=Y,
        scope="network",
        name="convex_geometry",
        assumptions=conditions,
        free_columns=torch.ones(data.n, 1, dtype=torch.float64),
        model=Kinks(direction, kinks, sides, data.X),
    )


# ---- 4 the map back -------------------------------------------------------------------------------------------------


def recover(data: Data, solution: Solution) -> TwoLayer:
    """The linear spline of a solution: u = +- direction sqrt|w_j|, b = -+ t_j sqrt|w_j|, a = sign(w_j) sqrt|w_j|.

    Returns a float64 TwoLayer with bias "unregularised"; its training objective is the program's value.
    Raises ValueError when `data` is not the program's.
    """
    return spline(data, solution.program, solution.Z)


def spline(data: Data, program: Program, Z: Array) -> TwoLayer:
    """The network of any point Z (G, 2, c) of the program, as `recover` builds it."""
    model = program.model
    model.check(data.X)
    group, column = np.nonzero(Z[:, 0])
    w = Z[group, 0, column]
    root, side = np.sqrt(np.abs(w)), model.sides[group]
    A = np.zeros((len(w), Z.shape[2]))
    A[np.arange(len(w)), column] = np.sign(w) * root
    U = (side * root)[:, None] * model.direction
    return TwoLayer(U, A, program.loss, -side * model.kinks[group] * root, Z[0, 1], bias="unregularised")


def by_master(data: Data, loss: str | Loss = "hinge") -> tuple[Array, Array]:
    """A point Z of the program and its dual vector v (n, 1) from the exact master of the loss: for the hinge a linear
    program. The judge certifies them: certify(program, Z, witnesses=[v]). One output."""
    there = program(data, loss)
    found = restricted(there.operator.like.numpy(), data.y.reshape(-1), data.beta, loss, offset=True)
    Z = np.zeros(there.operator.domain)
    Z[:, 0, 0], Z[0, 1, 0] = found.a, found.c0
    return Z, found.v[:, None]


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(width: int, data: Data, loss: str | Loss = "squared", seed: int = 0) -> TwoLayer:
    """A network of `width` neurons with seeded weights, unregularised biases and output offset, ready for training.

    Kinks start at random samples: with all of them at the origin gradient descent sees two neurons only.
    """
    check_count(width=width)
    c = data.y.reshape(data.n, -1).shape[1]
    built = _Spread(np.zeros((width, data.d)), np.zeros((width, c)), get_loss(loss), bias="unregularised")
    built.points = data.X
    built.reset(seed)
    return built


class _Spread(TwoLayer):
    """A two-layer network whose seeded start puts each neuron's kink at a random sample."""

    points: np.ndarray

    def reset(self, seed: int) -> None:
        super().reset(seed)
        at = np.random.default_rng(seed).integers(len(self.points), size=self.width)
        with torch.no_grad():
            self.b.copy_(-(self.U * tensor(self.points[at])).sum(1))


def objective(network: torch.nn.Module, data: Data) -> float:
    """L(f(X), y) + beta/2 sum_j (|u_j|^2 + |a_j|_1^2): biases and offset are free, as the theorem states it."""
    if not isinstance(network, Network):
        raise ValueError("network is not a convexnn Network; build one with convex_geometry.network or recover")
    return network.objective(data)
