"""Deep networks on a line: a spline with kinks at the data, under conditions that cannot be dropped.

    X = c a' with c >= 0; a free bias in the last hidden layer alone, a free output offset; a linear price of a branch

    min over w, c0    L( K w + c0 1 ) + beta price |w|_1        K the ramps (t - t_j)_+, (t_j - t)_+,  t = c |a|

because a branch without inner biases is (alpha t + b)_+ with |alpha| at most the product of its norms: depth adds
nothing on a half line. Three ways to leave it:

    both signs   on t < 0 and t > 0 an inner layer has two slopes: `tent_network` costs 2 where the lasso pays 4
    inner biases shift the tent to t >= 0: the same function and cost, now with biases in the first layer
    squared      the price |w|^{2/L} is concave, so one kink between two data points can be cheaper than two at them:
                 `kink_prices` compares (the lasso's kinks at data cost nothing extra only when the price is linear)

Source: Ergen and Pilanci (arXiv 2002.09773) for the spline; conditions and counterexamples are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from convexnn.cones import FreeCone
from convexnn.gauges import GroupL2
from convexnn.losses import Loss, get_loss
from convexnn.numerics import Array, check_finite, tensor
from convexnn.program import Program
from convexnn.theorems.deep_relu.forms import nonnegative_line
from convexnn.theorems.deep_relu.networks import Branches, Penalty, aligned, linear_price
from convexnn.theorems.shared.kinks import KinkOperator, Kinks, dictionary
from convexnn.theorems.shared.schatten import decay
from convexnn.types import Data, Solution


@dataclass(frozen=True)
class DeepKinks(Kinks):
    """The kinks of a spline program together with the architecture that it stands for."""

    depth: int = 3
    penalty: Penalty = "power"
    t: float = 1.0


def spline_program(
    data: Data, loss: str | Loss = "squared", depth: int = 3, penalty: Penalty = "power", t: float = 1.0
) -> Program:
    """The lasso over kinks at the data with beta * (L/2) or beta t^{-(L-2)}; any loss.

    Raises ValueError where X is not c a' with c >= 0 (the spline then is not optimal), and for "squared", L >= 3.
    """
    points, a = nonnegative_line(data.X)
    if np.ptp(points) == 0:
        raise ValueError("all rows of X are equal, so every network is a constant on them; pass two different points")
    K, kinks, sides = dictionary(points)
    Y = tensor(data.y).reshape(data.n, -1)
    return Program(
        loss=get_loss(loss),
        operator=KinkOperator(tensor(K), Y.shape[1]),
        gauge=GroupL2(free=1),
        cone=FreeCone(),
        beta=data.beta * linear_price(penalty, depth, t),
        Y=Y,
        scope="network",
        name="deep_spline",
        assumptions=(
            "X = c a' with c >= 0",
            "free biases in the last hidden layer alone, and a free output offset",
            "a branch costs a multiple of its scale (L-th power, or fixed norms)",
        ),
        free_columns=torch.ones(data.n, 1, dtype=torch.float64),
        model=DeepKinks(a, kinks, sides, data.X, depth, penalty, t),
    )


def recover_spline(data: Data, solution: Solution) -> Branches:
    """One branch for every ramp in use, the kink in the bias of its last hidden neuron; the program's value."""
    model, Z = solution.program.model, solution.Z
    model.check(data.X)
    group, column = np.nonzero(Z[:, 0])
    w = Z[group, 0, column]
    outputs = np.zeros((len(w), Z.shape[2]))
    outputs[np.arange(len(w)), column] = np.sign(w)
    inputs = np.repeat(model.direction[None], len(w), 0)
    side, kink = model.sides[group], model.kinks[group]
    plain = aligned(inputs, outputs, np.abs(w), model.depth, model.penalty, model.t)
    A = plain.A.detach().numpy()
    slope = np.abs(w) / np.abs(A).sum(1)  # of the last pre-activation in t
    u = side[:, None] * plain.u.detach().numpy()
    W = [p.detach().numpy() for p in plain.W]
    loss = solution.program.loss
    return Branches(W, u, A, loss, model.penalty, model.t, "last", -side * kink * slope, Z[0, 1])


def tent_network(shift: float = 0.0) -> Branches:
    """(1 - |t - shift|)_+ by one three-layer branch of scale 2; shift > 0 needs biases in the first layer."""
    root = np.sqrt(0.5)
    even = 2 ** (1 / 3)  # the three layers have norms 1, 1, 2; balanced, 2^{1/3} each
    W, u = np.array([[[root, -root]]]) * even, np.array([[-root, -root]]) * even
    net = Branches([W], u, np.array([[even]]), penalty="power", biases="all", b=np.array([0.5 * even**2]))
    with torch.no_grad():
        net.inner[0].copy_(tensor(np.array([[[-root, root]]]) * shift * even))
    return net


@dataclass(frozen=True)
class KinkPrices:
    """What interpolation costs under (L/2) sum |w|^{2/L}: the best kinks at data, and the network that was given."""

    at_data: float
    between: float
    kinks: int


def kink_prices(points: Array, kink: float, depth: int) -> KinkPrices:
    """Interpolate (t - kink)_+ at `points` by kinks at the data (all basic solutions), or by the one ramp itself.

    The price is concave, so its minimum over interpolants is at a basic solution: enumerated, for a few points only.
    Raises ValueError for more than 8 points.
    """
    check_finite(points=points)
    if len(points) > 8:
        raise ValueError(f"points has {len(points)} entries; the enumeration is for at most 8")
    y = np.maximum(points - kink, 0.0)
    K = dictionary(points)[0]
    best, count = np.inf, 0
    for size in range(len(points)):
        for S in combinations(range(K.shape[1]), size):
            columns = np.hstack([K[:, list(S)], np.ones((len(points), 1))])
            w = np.linalg.lstsq(columns, y, rcond=None)[0]
            price = float(decay(np.abs(w[:-1]), depth).sum())
            if np.abs(columns @ w - y).max() < 1e-9 and price < best:
                best, count = price, size
    return KinkPrices(best, float(decay(1.0, depth)), count)
