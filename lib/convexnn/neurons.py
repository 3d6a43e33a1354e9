"""Fewer neurons, the same function: merging parallel neurons and pruning to at most as many as there are samples.

An interior-point solution splits one neuron over all cells that share its boundary, so the raw count says nothing.

    merge   neurons of one direction, output and sign add their strengths: predictions and penalty are unchanged
    prune   with psi_j the features of neuron j at unit strength, the strengths solve the linear program
            min sum_j s_j   s.t.   sum_j s_j psi_j = (the network's predictions on X),  s >= 0;
            a vertex has at most rank(psi) <= n c positive strengths, and its penalty is not above the network's

Source: Mishkin and Pilanci (arXiv 2306.00119) for optimal pruning; the linear program and the merge rule are ours.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog, nnls

from convexnn.networks import TwoLayer, balanced
from convexnn.numerics import Array, tensor

#: Two directions are one when their cosine is above 1 - this.
PARALLEL_TOL = 1e-6
#: Pruning may move a prediction by this much, relative to the largest one, and the objective by the same relative size.
EXACT_TOL = 1e-7
#: Singular values of the unit features below this share of the largest are no equations.
RANK_TOL = 1e-10


def merge(network: TwoLayer, X: Array, tol: float = PARALLEL_TOL) -> TwoLayer:
    """Join neurons of equal direction, equal output and sign, and equal activations on X; the penalty cannot rise.

    A neuron that feeds several outputs is first split into one for each, which costs nothing under |a_j|_1^2.
    ReLU networks only: a gated neuron also needs equal gates, so gated networks are only balanced and split.
    """
    net = one_output_each(network)
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
    root = np.sqrt(np.linalg.norm(_penalised(net, joined), axis=1))[:, None]
    return _rebuild(net, joined / root, signature[[g[0] for g in groups]] * root)


def prune(network: TwoLayer, X: Array) -> TwoLayer:
    """Keep the neurons of a vertex of the strengths' linear program: at most n c of them.

    Predictions on X move by at most EXACT_TOL relative and the penalty does not rise; where the linear program cannot
    deliver that, the balanced network is returned unpruned.
    """
    net = one_output_each(network)
    if net.width == 0:
        return net
    vectors, A = _vectors(net), net.A.detach().numpy()
    strength = np.abs(A).sum(1) ** 2  # balanced: |u| |a| = |a|^2
    features = np.einsum("nm,mc->ncm", net.hidden(tensor(X)).detach().numpy(), A).reshape(-1, net.width)
    target = features.sum(1)
    scale = max(1e-300, float(np.abs(target).max()))
    unit = features / strength / scale
    _, singular, Vt = np.linalg.svd(unit, full_matrices=False)
    rows = Vt[singular > RANK_TOL * singular.max(initial=0.0)]  # the same equations, orthonormal: never infeasible
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
    root = np.sqrt(s / strength[keep])[:, None]
    gates = None if net.gates is None else net.gates.numpy()[keep]
    return _rebuild(net, vectors[keep] * root, A[keep] * root, gates)


def simplify(network: TwoLayer, X: Array) -> TwoLayer:
    """Merge, then prune: at most n c neurons with the same predictions and no larger penalty, up to EXACT_TOL."""
    return prune(merge(network, X), X)


def one_output_each(network: TwoLayer) -> TwoLayer:
    """The balanced network with every neuron that feeds several outputs split into one for each of them."""
    net = balanced(network)
    vectors, A = _vectors(net), net.A.detach().numpy()
    neuron, output = np.nonzero(A)
    if len(neuron) == net.width:
        return net
    share = np.sqrt(np.abs(A[neuron, output]) / np.abs(A).sum(1)[neuron])[:, None]
    alone = np.zeros((len(neuron), A.shape[1]))
    alone[np.arange(len(neuron)), output] = A[neuron, output]
    gates = None if net.gates is None else net.gates.numpy()[neuron]
    return _rebuild(net, vectors[neuron] * share, alone / share, gates)


def _vectors(net: TwoLayer) -> Array:
    U, b = net.U.detach().numpy(), net.b.detach().numpy()
    return U if net.bias == "none" else np.column_stack([U, b])


def _penalised(net: TwoLayer, vectors: Array) -> Array:
    return vectors[:, :-1] if net.bias == "unregularised" else vectors


def _rebuild(net: TwoLayer, vectors: Array, A: Array, gates: Array | None = None) -> TwoLayer:
    d = net.U.shape[1]
    b = vectors[:, d] if net.bias != "none" else None
    return TwoLayer(vectors[:, :d], A, net.loss, b, net.offset.detach().numpy(), gates, net.bias)
