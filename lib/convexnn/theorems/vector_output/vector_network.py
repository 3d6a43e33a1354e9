"""Networks with vector outputs and weight decay |a_j|_2^2: fully connected, or over patches with pooling.

The l2 norm couples the outputs: one neuron may feed all of them at the price of its longest direction. (With |a_j|_1^2,
the penalty of `networks.TwoLayer`, the outputs separate into scalar problems.)
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linprog, nnls
from torch import Tensor, nn

from convexnn.losses import Loss
from convexnn.networks import Network
from convexnn.numerics import Array, tensor

#: Directions are one when |u/|u| - w/|w|| is below this; pruning may move a prediction by EXACT_TOL relative.
SAME_DIRECTION, EXACT_TOL = 1e-6, 1e-8
#: Singular values of the unit features below this share of the largest are no equations.
RANK_TOL = 1e-10


class VectorNetwork(Network):
    """f(x_i) = sum_j sum_a ( p_a' s(X_i u_j) ) A_j[a],  s = ReLU, or the gate 1[X_i h_j >= 0] times its argument.

    U (m, h), A (m, a, c), pool (a, K), gates (m, h) or None; X (n, d) is one patch a sample, X (n, K, h) has K.
    penalty = 1/2 sum_j ( |u_j|^2 + |A_j|_F^2 )
    """

    pool: Tensor
    gates: Tensor | None

    def __init__(self, U: Array, A: Array, loss: Loss, pool: Array, gates: Array | None = None) -> None:
        super().__init__()
        self.loss = loss
        self.U, self.A = nn.Parameter(tensor(U).clone()), nn.Parameter(tensor(A).clone())
        self.register_buffer("pool", tensor(pool).clone())
        self.register_buffer("gates", None if gates is None else tensor(gates).clone())

    @property
    def width(self) -> int:
        """m, the number of hidden neurons."""
        return int(self.U.shape[0])

    def hidden(self, X: Tensor) -> Tensor:
        """Pooled activations (n, a, m)."""
        patches = X if X.dim() == 3 else X[:, None, :]
        before = patches @ self.U.T
        if self.gates is None:
            after = torch.relu(before)
        else:
            after = (patches @ self.gates.T >= 0).to(before.dtype) * before
        return torch.einsum("ak,nkm->nam", self.pool, after)

    def forward(self, X: Tensor) -> Tensor:
        return torch.einsum("nam,mac->nc", self.hidden(X), self.A)

    def penalty(self) -> Tensor:
        return 0.5 * (self.U.square().sum() + self.A.square().sum())

    def reset(self, seed: int) -> None:
        """u ~ N(0, 1/h), a ~ N(0, 1/m)."""
        rng = np.random.default_rng(seed)
        with torch.no_grad():
            self.U.copy_(tensor(rng.standard_normal(tuple(self.U.shape)) / np.sqrt(self.U.shape[1])))
            self.A.copy_(tensor(rng.standard_normal(tuple(self.A.shape)) / np.sqrt(max(1, self.width))))


def balanced(network: VectorNetwork) -> VectorNetwork:
    """The same function with |u_j| = |A_j|_F in every neuron (the rescaling lemma); the penalty cannot rise."""
    U, A = network.U.detach().numpy(), network.A.detach().numpy()
    first, second = np.linalg.norm(U, axis=1), np.linalg.norm(A, axis=(1, 2))
    live = (first > 0) & (second > 0)
    scale = np.sqrt(second[live] / first[live])
    return _like(network, U[live] * scale[:, None], A[live] / scale[:, None, None], live)


def merge(network: VectorNetwork) -> VectorNetwork:
    """Neurons of one direction become one, u (A_1 + A_2): |A_1 + A_2| <= |A_1| + |A_2|, so the penalty cannot rise.

    ReLU networks; a gated network is only balanced, because gates would have to agree as well.
    """
    net = balanced(network)
    if net.gates is not None or net.width == 0:
        return net
    U, A = net.U.detach().numpy(), net.A.detach().numpy()
    size = np.linalg.norm(U, axis=1)
    unit, strong = U / size[:, None], A * size[:, None, None]
    left, directions, outputs = list(np.argsort(-size)), [], []
    while left:
        same = [j for j in left if np.linalg.norm(unit[j] - unit[left[0]]) < SAME_DIRECTION]
        directions.append(unit[left[0]])
        outputs.append(strong[same].sum(0))
        left = [j for j in left if j not in set(same)]
    return balanced(_like(net, np.array(directions), np.array(outputs), None))


def prune(network: VectorNetwork, X: Array) -> VectorNetwork:
    """At most n c neurons with the same predictions on X and no larger penalty: a vertex of the strengths' program.

    min sum_j s_j   s.t.  sum_j s_j psi_j = f(X),  s >= 0,     psi_j (n c,) the prediction of neuron j per strength
    """
    net = balanced(network)
    if net.width == 0:
        return net
    U, A = net.U.detach().numpy(), net.A.detach().numpy()
    strength = np.linalg.norm(U, axis=1) ** 2
    alone = np.einsum("nam,mac->ncm", net.hidden(tensor(X)).detach().numpy(), A).reshape(-1, net.width)
    target, scale = alone.sum(1), max(1e-300, float(np.abs(alone.sum(1)).max()))
    unit = alone / strength / scale
    _, singular, Vt = np.linalg.svd(unit, full_matrices=False)
    rows = Vt[singular > RANK_TOL * singular.max(initial=0.0)]
    found = linprog(np.ones(net.width), A_eq=rows, b_eq=rows @ strength, method="highs-ds")
    if found.status != 0:
        return net
    support = np.flatnonzero(found.x > 1e-12 * found.x.max(initial=0.0))
    if not len(support):  # scipy's nnls aborts the process on a matrix without columns
        return net
    s = nnls(unit[:, support], target / scale)[0]  # the linear program's own accuracy is 1e-7
    keep, s = support[s > 0], s[s > 0]
    moved = float(np.abs(unit[:, keep] @ s - target / scale).max(initial=0.0))
    if moved > EXACT_TOL or s.sum() > strength.sum() * (1 + EXACT_TOL):
        return net
    root = np.sqrt(s / strength[keep])
    return _like(net, U[keep] * root[:, None], A[keep] * root[:, None, None], keep)


def _like(network: VectorNetwork, U: Array, A: Array, live: np.ndarray | None) -> VectorNetwork:
    gates = None if network.gates is None or live is None else network.gates.numpy()[live]
    return VectorNetwork(U, A, network.loss, network.pool.numpy(), gates)
