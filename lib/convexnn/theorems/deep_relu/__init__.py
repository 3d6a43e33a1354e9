"""Deep ReLU networks with collapsed optima: whitened rows, rank-one data, splines, batch normalisation.

Training (branches of L layers that end in one neuron, as many as are useful; penalty "power")

    p* = min  L( sum_j (..((X W_1j)_+ W_2j)_+ .. w_{L-1,j})_+ w_Lj', Y ) + beta/2 sum_j sum_l |W_lj|_F^L

equals, on whitened rows (X X' = I) and targets with non-negative orthogonal columns y_k (or one column, split in y_+
and y_-), with a_k = y_k / |y_k| and V = A Q a dual vector,

    min over B (K x c)   L( sum_k a_k B_k', Y ) + beta L/2 sum_k |B_k|
    max over Q           -L*(-A Q)     s.t.   |Q'z| <= beta L/2 for every z >= 0 with |z| = 1

whose solution is a formula for the squared, logistic and cross-entropy loss: one branch a class, every layer of rank
one. Why: the last hidden activations of a branch with layers of norm 1 fill {z >= 0 : |z| <= 1}; the price of a branch
is linear in its scale; pulls of different classes do not add up, so the copositive constraint is one for each class.

Squared weight decay (beta/2 sum |W|_F^2) is another problem: its price (L/2) s^{2/L} is concave, its optimum has the
same directions and other scales (`_deep_forms`, penalty="squared"). "fixed" holds the first L - 2 layers at norm t.
Shared ideas: `_branch_scale`, `_class_rows`, `_deep_networks`, `_deep_forms`, `_deep_spline`, `_neural_collapse`,
`_normalised_network`, `_edge_network`, `_schatten`.
Tests: tests/theorems/test_deep_relu.py, tests/theorems/test_deep_relu_collapse.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from convexnn.claims import Claim, Kind, Scope, Source
from convexnn.cones import FreeCone
from convexnn.losses import Loss, get_loss
from convexnn.networks import Network
from convexnn.numerics import check_choice, tensor
from convexnn.operators import MatrixOperator
from convexnn.program import Program
from convexnn.theorems.deep_relu.class_rows import ClassModel, NonNegativeRows, classes_of, columns_of, require_whitened
from convexnn.theorems.deep_relu.networks import Branches, Penalty, aligned, linear_price, seeded_branches
from convexnn.types import Data, Solution

# ---- 1 the statement ------------------------------------------------------------------------------------------------

source = Source("Ergen and Pilanci, Revealing the Structure of Deep Neural Networks via Convex Duality", "2002.09773")
parallel = Source("Wang, Ergen and Pilanci, Parallel Deep Neural Networks Have Zero Duality Gap", "2110.06482")
low_rank = Source("Sukenik et al., Neural Collapse versus Low-rank Bias", "2405.14468")
ours = Source("this project, derived and measured here")

sizes = ("tiny", "quick", "full")


def _claim(
    name: str, statement: str, kind: Kind, tolerance: float, scope: Scope = "network", by: Source = source
) -> Claim:
    return Claim(f"deep_relu.{name}", statement, by, kind, tolerance, scope)


claims = (
    # whitened rows; "power": (beta/2) sum |W|^L, "squared": (beta/2) sum |W|^2
    _claim("strong_duality", "power: the class program and its dual agree", "certificate", 1e-6, by=parallel),
    _claim("closed_form", "power, fixed: the closed form is certified by the judge", "certificate", 1e-9),
    _claim("reference", "power: the semidefinite program in CVXPY has the same value", "agreement", 1e-6, by=parallel),
    _claim("recovery", "power: the recovered network scores the program's value", "agreement", 1e-6),
    _claim("no_training_below", "power: no training run ends below the certified bound", "one_sided", 1e-9),
    _claim("training_reaches", "power: the best of many seeds reaches the value", "agreement", 1e-5),
    _claim("squared_below", "squared: no run of branches ends below the formula", "one_sided", 1e-9),
    _claim("squared_reaches", "squared: the best of many seeds reaches the formula", "agreement", 1e-5),
    _claim("softmax_squared", "squared, several logits: best run and formula agree", "agreement", 1e-5, by=ours),
    _claim("wrong_threshold", "soft thresholds are not optimal under squared decay", "counterexample", 1e-3, by=ours),
    _claim("jump", "squared: a class appears at tau_L, not at beta", "agreement", 1e-6, by=ours),
    _claim("standard_three", "squared: fully connected, L = 3, reaches the formula", "agreement", 1e-5, by=ours),
    # rank one and splines
    _claim(
        "rank_one_value", "squared, L = 5; power, L = 3: rank-one data, training reaches the formula", "agreement", 1e-5
    ),
    _claim("rank_one_layers", "squared: rank-one data, c >= 0: every layer has rank one", "agreement", 1e-6),
    _claim(
        "mixed_signs", "squared: c of both signs, a layer of rank two is optimal", "counterexample", 1e-2, by=parallel
    ),
    _claim("spline", "power, biases in the last hidden layer: kinks at the data", "certificate", 1e-6),
    _claim("spline_recovery", "the recovered deep spline scores its program", "agreement", 1e-6),
    _claim("spline_training", "power: no run with these biases is below the spline", "one_sided", 1e-9),
    _claim("tent", "power: data of both signs, depth halves the cost of the tent", "counterexample", 1e-1, by=ours),
    _claim("inner_biases", "power: biases in every hidden layer go below the spline", "counterexample", 1e-3, by=ours),
    _claim("kink_between", "squared: a kink between the data can be cheaper", "counterexample", 1e-2, by=ours),
    # batch normalisation and neural collapse
    _claim("batch_norm", "normalised features: the closed form scores its value", "agreement", 1e-9),
    _claim("batch_norm_training", "normalised features: training reaches the value", "agreement", 1e-5),
    _claim("batch_norm_below", "normalised features: no run ends below the value", "one_sided", 1e-9),
    _claim("unbalanced", "with g^2 + a^2 = 1 the squared penalty is larger", "counterexample", 1e-3, by=ours),
    _claim("collapse", "balanced classes: NC1 to NC4 vanish at the optimum", "agreement", 1e-6),
    _claim("collapse_trained", "balanced classes: NC1 to NC4 vanish in training", "agreement", 1e-6),
    _claim("imbalanced", "unequal classes: orthogonal means, no simplex", "counterexample", 1e-2),
    _claim("imbalanced_trained", "unequal classes: NC1 and cosines vanish in training", "agreement", 1e-5, by=ours),
    _claim("minority", "classes vanish exactly up to the threshold of beta", "agreement", 1e-6, by=ours),
    # fully connected networks
    _claim("edges", "squared, L = 5: the edge network beats collapse", "counterexample", 1e-2, by=ours),
    _claim("edges_cost", "the edge network costs what its formula says", "agreement", 1e-9, by=ours),
    _claim("collapse_beaten", "squared, L = 5: training goes below collapse", "counterexample", 1e-3, by=low_rank),
    _claim("standard_bound", "squared, fully connected: no run ends below the dual bound", "one_sided", 1e-9, by=ours),
    _claim("real_lowest", "squared: real data, no SGD run ends below the closed form", "one_sided", 1e-6),
    _claim("real_accuracy", "real data: test accuracy is not below the mean of SGD", "one_sided", 0.03),
)


def assumptions(data: Data) -> tuple[str, ...]:
    """The theorem's conditions in words; raises ValueError where the data break one."""
    if not isinstance(data, Data):
        raise ValueError(f"data is a {type(data).__name__}; pass Data(X, y, beta)")
    if data.X.ndim != 2 or data.y.ndim > 2:
        raise ValueError(f"X has shape {data.X.shape}, y {data.y.shape}; the theorem takes matrices (n, d), (n, c)")
    require_whitened(data.X)
    columns_of(data.y)
    return (
        "whitened rows: X X' = I",
        "one output, or targets with non-negative orthogonal columns",
        "beta > 0, branches that end in one neuron, as many as there are classes",
        "L-th power decay, or the first L - 2 layers of each branch held at norm t",
    )


def sample(size: str = "tiny", seed: int = 0) -> Data:
    """Whitened Gaussian rows with one-hot labels of classes of different sizes."""
    check_choice("size", size, sizes)
    rng = np.random.default_rng(seed)
    counts, d, beta = {
        "tiny": ((3, 2, 1), 8, 0.2),
        "quick": ((9, 7, 5, 3), 30, 0.1),
        "full": (tuple(range(3, 13)), 90, 0.05),
    }[size]
    labels = np.repeat(np.arange(len(counts)), counts)
    X = np.linalg.qr(rng.standard_normal((d, len(labels))))[0].T
    return Data(X, np.eye(len(counts))[labels], beta, size)


# ---- 2 the reference: the paper's letters, in CVXPY -----------------------------------------------------------------


def reference(
    data: Data, loss: str | Loss = "squared", depth: int = 3, penalty: Penalty = "power", t: float = 1.0
) -> Any:
    """The training problem over all networks, a cvxpy.Problem in the first-layer variables; it knows no classes.

    One output: f = X (w_1 - w_2) with X w_1 >= 0, X w_2 >= 0 and |w_1| + |w_2|. Several: F = X W, and the nuclear norm
    with non-negative left factors is relaxed from completely positive to doubly non-negative matrices,
    min 1/2 (tr P + tr R) s.t. [[P, W], [W', R]] >= 0 (semidefinite), X P X' >= 0 (entry by entry): a lower bound.
    """
    import cvxpy as cp

    X, Y, name = data.X, data.y.reshape(data.n, -1), get_loss(loss).name
    beta = data.beta * (t ** (2 - depth) if penalty == "fixed" else depth / 2)
    d, c = X.shape[1], Y.shape[1]
    constraints: list[Any]
    if c == 1:
        w1, w2 = cp.Variable((d, 1)), cp.Variable((d, 1))
        f, constraints = X @ (w1 - w2), [X @ w1 >= 0, X @ w2 >= 0]
        price = cp.norm(w1, "fro") + cp.norm(w2, "fro")
    else:
        joint = cp.Variable((d + c, d + c), PSD=True)
        f, constraints = X @ joint[:d, d:], [X @ joint[:d, :d] @ X.T >= 0]
        price = 0.5 * cp.trace(joint)
    margin = cp.multiply(Y, f)
    terms = {
        "squared": 0.5 * cp.sum_squares(f - Y),
        "logistic": cp.sum(cp.logistic(-margin)),
        "cross_entropy": cp.sum(cp.log_sum_exp(f, axis=1)) - cp.sum(margin),
    }
    check_choice("loss", name, terms)
    return cp.Problem(cp.Minimize(terms[name] + beta * price), constraints)


# ---- 3 the program --------------------------------------------------------------------------------------------------


def program(
    data: Data, loss: str | Loss = "squared", depth: int = 3, penalty: Penalty = "power", t: float = 1.0
) -> Program:
    """The class program, Z of shape (K, 1, c): row k is the output of the branch of class k.

    Its polar bounds the pull of every non-negative feature, so a certificate has network scope. beta is multiplied by
    the price of a branch: L/2 for "power", t^{-(L-2)} for "fixed".
    Raises ValueError for data or targets outside the theorem, and for "squared" with depth >= 3 (no convex program).
    """
    conditions, chosen = assumptions(data), get_loss(loss)
    classes = classes_of(data, chosen.name)
    Y = tensor(data.y).reshape(data.n, -1)
    return Program(
        loss=chosen,
        operator=MatrixOperator(tensor(classes.A).T[:, :, None].contiguous(), Y.shape[1]),
        gauge=NonNegativeRows(),
        cone=FreeCone(),
        beta=data.beta * linear_price(penalty, depth, t),
        Y=Y,
        scope="network",
        name="deep_relu",
        assumptions=conditions,
        model=ClassModel(classes, depth, penalty, t, data.X),
    )


# ---- 4 the map back -------------------------------------------------------------------------------------------------


def recover(data: Data, solution: Solution) -> Branches:
    """One branch for every row B_k != 0: input X'a_k, scale |B_k|, output B_k / |B_k|, layers as the penalty wants.

    Its training objective is the program's value. Raises ValueError when `data` is not the program's.
    """
    model, B = solution.program.model, solution.Z[:, 0]
    model.check(data.X)
    size = np.linalg.norm(B, axis=1)
    live = size > 0
    inputs = (data.X.T @ model.classes.A).T[live]
    return aligned(
        inputs, B[live] / size[live, None], size[live], model.depth, model.penalty, model.t, solution.program.loss
    )


# ---- 5 the network --------------------------------------------------------------------------------------------------


def network(
    width: int,
    data: Data,
    loss: str | Loss = "squared",
    depth: int = 3,
    penalty: Penalty = "power",
    t: float = 1.0,
    hidden: int = 3,
    biases: str = "none",
    seed: int = 0,
) -> Branches:
    """`width` branches of `depth` layers, `hidden` neurons in each inner layer, seeded weights, ready for training."""
    c = data.y.reshape(data.n, -1).shape[1]
    return seeded_branches(
        width, data.d, c, depth, hidden, seed, data.X, loss=get_loss(loss), penalty=penalty, t=t, biases=biases
    )


def objective(network: torch.nn.Module, data: Data) -> float:
    """L(f(X), y) + beta * penalty: the training problem with the penalty that the network carries."""
    if not isinstance(network, Network):
        raise ValueError("network is not a convexnn Network; build one with deep_relu.network or deep_relu.recover")
    return network.objective(data)
