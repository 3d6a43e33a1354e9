"""Deep ReLU networks whose optimum is a formula: whitened rows, rank-one data, and bounds for fully connected ones.

    whitened   X X' = I, y of one output or non-negative orthogonal columns: one branch a class, of scale
               s_k = argmin l_k(s) + beta price(s)      (`_branch_scale`), value = sum_k of the minima
    rank one   X = c a', c >= 0: one branch along a/|a|; with g = |c||a| and sigma = |Y'c| / |c|
               f = c v' / |c|, |v| = g s,   value = 1/2 (|Y|^2 - sigma^2) + min_s 1/2 (sigma - g s)^2 + beta price(s)

price(s) = (L/2) s^{2/L} ("squared" weight decay), (L/2) s ("power"), s / t^{L-2} ("fixed": layers of norm t).
Whitened rows with "power" and "fixed": optimal among all branches, certified by the program of `deep_relu`. With
"squared": proved optimal among scalar-ended branches for one output and for the squared loss (Schatten norms are
subadditive there, then von Neumann's inequality); for several logits the formula is attained, not proved optimal.
Source: Ergen and Pilanci (arXiv 2002.09773), re-derived; cross entropy and the bounds are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from convexnn.numerics import Array, check_matrix
from convexnn.theorems.deep_relu.branch_scale import SquaredClass
from convexnn.theorems.deep_relu.class_rows import classes_of, columns_of, require_whitened
from convexnn.theorems.deep_relu.networks import Branches, Penalty, Standard, aligned, linear_price
from convexnn.theorems.shared.schatten import check_depth, decay
from convexnn.types import Data

#: X counts as rank one when its second singular value is below this share of the first.
RANK_TOL = 1e-10
#: A branch is in use when its scale is above this share of the largest.
ALIVE = 1e-6


@dataclass(frozen=True)
class ClosedForm:
    """An optimal network, its training objective, the scale (K,) of every class's branch, and the rows B (K, c)."""

    network: Branches
    value: float
    scales: Array
    rows: Array


def whitened(
    data: Data, loss: str = "squared", depth: int = 3, penalty: Penalty = "power", t: float = 1.0
) -> ClosedForm:
    """Rows orthonormal: branch k has input direction X'y_k / |y_k| and output direction w_k.

    Raises ValueError where X X' is not I, or the targets are outside the class (see `classes_of`).
    """
    require_whitened(data.X)
    classes = classes_of(data, loss)
    beta, L = _price(data.beta, depth, penalty, t)
    scales = np.array([one.best(beta, L) for one in classes.losses])
    value = sum(one.cost(s, beta, L) for one, s in zip(classes.losses, scales))
    live = scales > 0
    network = aligned((data.X.T @ classes.A).T[live], classes.W[live], scales[live], depth, penalty, t, loss)
    return ClosedForm(network, value, scales, scales[:, None] * classes.W)


def _price(beta: float, depth: int, penalty: Penalty, t: float) -> tuple[float, int]:
    """(beta', L') of the scalar problem l(s) + beta' (L'/2) s^{2/L'}: linear prices are L' = 2."""
    check_depth(depth)
    return (beta, depth) if penalty == "squared" else (beta * linear_price(penalty, depth, t), 2)


def rank_one(data: Data, depth: int = 3, penalty: Penalty = "power", t: float = 1.0) -> ClosedForm:
    """X = c a' with c >= 0, squared loss, any targets: the network is one line through the origin.

    Raises ValueError for data of larger rank, and for c of both signs, where the statement is another one.
    """
    c, a = nonnegative_line(data.X)
    Y = data.y.reshape(data.n, -1)
    g, pulled = float(np.linalg.norm(c)), Y.T @ c / np.linalg.norm(c)
    sigma = float(np.linalg.norm(pulled))
    beta, L = _price(data.beta, depth, penalty, t)
    # in r = g s:  1/2 (sigma - r)^2 + beta (L/2) (r/g)^{2/L}
    one, tilted = SquaredClass(sigma), beta / g ** (2 / L)
    r = one.best(tilted, L)
    value = one.cost(r, tilted, L) + 0.5 * (float(np.square(Y).sum()) - sigma**2)
    direction = pulled / sigma if sigma > 0 else pulled
    keep = slice(0, int(r > 0))
    network = aligned(a[None][keep], direction[None][keep], np.array([r / g])[keep], depth, penalty, t)
    return ClosedForm(network, value, np.array([r / g]), r / g * direction[None])


def nonnegative_line(X: Array) -> tuple[Array, Array]:
    """c (n,) >= 0 and the unit a (d,) with X = c a'. Raises ValueError where there are none."""
    check_matrix(X=X)
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    if not s[0] > 0 or (len(s) > 1 and s[1] > RANK_TOL * s[0]):
        raise ValueError(f"X has singular values {s[:2]}; this form needs rank one: X = np.outer(c, a), c >= 0")
    a = Vt[0] * (1.0 if U[:, 0].sum() > 0 else -1.0)
    c = X @ a
    if c.min() < -RANK_TOL * c.max():
        raise ValueError(
            f"c has both signs ({c.min():.3g} and {c.max():.3g}); rank-one layers and zero gap need X = c a' with "
            "c >= 0: flip the sign of rows where that makes sense, or use two_layer.program"
        )
    return np.maximum(c, 0.0), a


def standard_network(data: Data, depth: int, width: int | None = None) -> Standard:
    """The collapsed network of `whitened` (squared loss and decay) as one fully connected network.

    Class k runs through neuron k of every hidden layer; `width` pads the hidden layers with neurons of weight zero.
    """
    form = whitened(data, "squared", depth, "squared")
    live = np.flatnonzero(form.scales > 0)
    K, c = len(live), form.rows.shape[1]
    m = K if width is None else width
    if m < K:
        raise ValueError(f"width is {m}, but {K} classes are alive; a collapsed network needs one neuron for each")
    root = form.scales[live] ** (1 / depth)
    first, last = np.zeros((data.d, m)), np.zeros((m, c))
    first[:, :K] = (data.X.T @ classes_of(data, "squared").A)[:, live] * root
    last[:K] = root[:, None] * form.rows[live] / form.scales[live, None]
    inner = np.zeros((m, m))
    inner[np.arange(K), np.arange(K)] = root
    return Standard([first, *[inner] * (depth - 2), last])


def standard_bound(data: Data, depth: int) -> float:
    """A lower bound for every fully connected network of this depth: squared loss and decay, whitened rows.

        |W_1| .. |W_L| >= gamma(F) for what it predicts (Cauchy-Schwarz over the last hidden neurons), so
        P >= min over g >= 0 of   min { 1/2 |F - Y|^2 : gamma(F) <= g }  +  beta (L/2) g^{2/L}

    The closest F is collapsed, with scales (sigma_k - tau)_+ that sum to g (`whitened`, two layers, beta = tau); g
    falls as tau grows, and the outer minimum is scanned over tau. gamma is the gauge of `_class_rows`.
    """
    require_whitened(data.X)
    check_depth(depth)
    sigma = np.linalg.norm(columns_of(data.y), axis=0)

    def bound(tau: float) -> float:
        s = np.maximum(sigma - tau, 0.0)
        return 0.5 * float(np.square(sigma - s).sum()) + data.beta * float(decay(s.sum(), depth))

    grid = np.linspace(0.0, sigma.max(), 2001)
    best = int(np.argmin([bound(tau) for tau in grid]))
    around = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    inside = minimize_scalar(bound, bounds=around, method="bounded", options={"xatol": 1e-12 * sigma.max()})
    return min(float(inside.fun), bound(float(grid[best])))


def rank_defects(network: Branches | Standard) -> Array:
    """sigma_2 / sigma_1 of every layer with two singular values, largest over the branches in use; 0: rank one."""
    if isinstance(network, Standard):
        stacks = [w.detach().numpy()[None] for w in network.W]
    else:
        used = network.scales() > ALIVE * network.scales().max()
        stacks = [w.detach().numpy()[used] for w in network.layers()]
    values = [np.linalg.svd(stack, compute_uv=False) for stack in stacks if min(stack.shape[1:]) > 1]
    return np.array([(s[:, 1] / s[:, 0]).max() for s in values])
