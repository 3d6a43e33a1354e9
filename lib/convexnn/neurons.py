"""Fewer neurons, the same function: merging parallel neurons and pruning to at most as many as there are samples.

An interior-point solution splits one neuron over all cells that share its boundary, so the raw count says nothing.

    merge   neurons of one direction and one sign add their strengths: prediction and penalty are unchanged
    prune   while the features phi_j = a_j s(x'u_j + b_j) are dependent, sum_j c_j phi_j = 0, move the strengths along
            1 - c until one vanishes. At an optimum the penalty does not change (its derivative along c is zero),
            and at most rank(phi) <= n c neurons are left.

Source: Mishkin and Pilanci (arXiv 2306.00119), optimal pruning; the merge and the sign rule are ours.
"""

from __future__ import annotations

import numpy as np

from convexnn.networks import TwoLayer, balanced
from convexnn.numerics import Array, tensor

#: Two directions are one when their cosine is above 1 - this.
PARALLEL_TOL = 1e-6
#: Features are dependent when the smallest singular value is below this share of the largest.
DEPENDENT_TOL = 1e-9


def merge(network: TwoLayer, X: Array, tol: float = PARALLEL_TOL) -> TwoLayer:
    """Join neurons of equal direction, equal output and equal activations on X; the objective cannot rise.

    ReLU networks only: a gated neuron also needs equal gates, so gated networks are returned balanced.
    """
    net = balanced(network)
    if net.gates is not None or net.width == 0:
        return net
    vectors, A = _vectors(net), net.A.detach().numpy()
    size = np.linalg.norm(vectors, axis=1)
    signature = np.sign(A)
    active = net.hidden(tensor(X)).detach().numpy() > 0
    left, groups = list(np.argsort(-size)), []
    while left:
        head = left[0]
        cosine = vectors[left] @ vectors[head] / (size[left] * size[head])
        together = [
            j
            for j, c in zip(left, cosine)
            if c > 1 - tol and (signature[j] == signature[head]).all() and (active[:, j] == active[:, head]).all()
        ]
        groups.append(together or [head])
        left = [j for j in left if j not in set(groups[-1])]
    # a neuron of strength |u||a| and direction u/|u| adds the vector |a| u to its group
    joined = np.array([sum(np.abs(A[j]).sum() * vectors[j] for j in group) for group in groups])
    strength = np.linalg.norm(_penalised(net, joined), axis=1)
    outputs = signature[[g[0] for g in groups]] * np.sqrt(strength)[:, None]
    return _rebuild(net, joined / np.sqrt(strength)[:, None], outputs)


def prune(network: TwoLayer, X: Array) -> TwoLayer:
    """Drop neurons while their features are linearly dependent; predictions on X are unchanged.

    Of the two directions along the null vector the one that does not raise the penalty is taken, so the objective
    never rises. One output per neuron (a_j has one non-zero entry) is assumed and kept.
    """
    net = balanced(network)
    vectors, A = _vectors(net), net.A.detach().numpy()
    features = np.einsum("nm,mc->ncm", net.hidden(tensor(X)).detach().numpy(), A).reshape(-1, net.width)
    strength = np.abs(A).sum(1) ** 2  # balanced: |u| |a| = |a|^2
    t, keep = np.ones(net.width), np.arange(net.width)
    while len(keep):
        scaled = features[:, keep] * t[keep]
        _, s, Vt = np.linalg.svd(scaled, full_matrices=True)
        if len(s) == len(keep) and s[-1] > DEPENDENT_TOL * s[0]:
            break
        c = Vt[-1]
        cost = strength[keep] * t[keep] @ c
        c = c if cost > 0 or (cost == 0 and c.max() > 0) else -c
        if not c.max() > 0:
            break
        factor = 1 - c / c.max()
        factor[int(c.argmax())] = 0.0
        t[keep] *= factor
        keep = keep[factor > 1e-12]
    root = np.sqrt(t[keep])[:, None]
    gates = None if net.gates is None else net.gates.numpy()[keep]
    return _rebuild(net, vectors[keep] * root, A[keep] * root, gates)


def simplify(network: TwoLayer, X: Array) -> TwoLayer:
    """Merge, then prune: at most n c neurons, the objective not above the original's beyond rounding."""
    return prune(merge(network, X), X)


def _vectors(net: TwoLayer) -> Array:
    U, b = net.U.detach().numpy(), net.b.detach().numpy()
    return U if net.bias == "none" else np.column_stack([U, b])


def _penalised(net: TwoLayer, vectors: Array) -> Array:
    return vectors[:, :-1] if net.bias == "unregularised" else vectors


def _rebuild(net: TwoLayer, vectors: Array, A: Array, gates: Array | None = None) -> TwoLayer:
    d = net.U.shape[1]
    b = vectors[:, d] if net.bias != "none" else None
    return TwoLayer(vectors[:, :d], A, net.loss, b, net.offset.detach().numpy(), gates, net.bias)
