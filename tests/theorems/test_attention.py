"""Attention and its alternatives: golden values, adjoints and lifts, head counts, dual norms, equivariance, limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tolerances import VALUE, close

from convexnn import Data, certify, solve
from convexnn.theorems import attention
from convexnn.theorems.attention import beyond
from convexnn.theorems.attention.factored import bound, descend, dual_norm, factored
from convexnn.theorems.attention.fourier import Fourier
from convexnn.theorems.attention.head_network import HeadNetwork, unlift
from convexnn.theorems.attention.references import circ
from convexnn.theorems.attention.self_attention import top_pair

rng = np.random.default_rng(401)
X, Y, H1, H2, H3 = (rng.standard_normal(k) for k in ((5, 3, 2), (5, 3, 2), (2, 2, 2), (2, 3, 3), (2, 6)))
GOLDEN = [  # catalogue values, given to seven decimals; the gates are those of the instance
    ("self_attention", None, 5.1570754),
    ("self_attention", H1, 5.1656298),
    ("mixer", None, 2.4543055),
    ("mixer", H2, 3.7714346),
    ("fno", None, 8.5286957),
    ("fno", H3[:, None], 4.1446402),
    ("block_fno", None, 9.7471189),
]
KINDS = [(head, act) for head in attention.HEADS for act in ("linear", "gated")]
every_kind = pytest.mark.parametrize("head, activation", KINDS)


def golden(beta: float = 0.3) -> Data:
    return Data(X, Y, beta)


def options(head: str, gates) -> dict:
    return {"head": head, "activation": "linear" if gates is None else "gated", "gates": gates}


def gaussian(seed: int, n=4, s=4, d=4, c=2, beta=0.5, pooled=False) -> Data:
    draw = np.random.default_rng(seed)
    return Data(draw.standard_normal((n, s, d)), draw.standard_normal((n, c) if pooled else (n, s, c)), beta)


# ---- golden values: program, reference, recovered heads, trained heads ----------------------------------------------


@pytest.mark.parametrize("head, gates, value", GOLDEN)
def test_program_reference_recovered_and_trained_heads_have_the_golden_value(head, gates, value):
    data, kind = golden(), options(head, gates)
    solution = solve(attention.program(data, **kind), tol=1e-8)
    trained = factored(data, attention.network(1, data, **kind))
    found = {
        "program": solution.value,
        "reference": attention.reference(data, head=head, gates=gates).solve(solver="CLARABEL"),
        "recovered": attention.objective(attention.recover(data, solution), data),
        "trained": trained.value,
    }
    for name, number in found.items():
        assert number == pytest.approx(value, abs=1e-6), name
    assert trained.lower <= value + 1e-7
    assert trained.gap <= 1e-6


def test_the_fourier_operator_with_relu_has_its_golden_value():
    draw = np.random.default_rng(408)
    data = Data(draw.standard_normal((3, 2, 1)), draw.standard_normal(6).reshape(3, 2, 1), 0.2)
    solution = solve(attention.program(data, head="fno", activation="relu"), tol=1e-8)
    assert solution.program.operator.D.shape == (6, 12)
    assert solution.value == pytest.approx(0.9446064, abs=1e-6)
    assert solution.certificate.scope == "network"
    recovered = attention.recover(data, solution)
    close(attention.objective(recovered, data), solution.value, VALUE["solve"])


def test_the_golden_path_over_beta():
    program = attention.program(golden())
    assert program.beta_max() == pytest.approx(13.2998271, abs=1e-6)
    for beta, value in (
        (0.03, 4.684817),
        (0.1, 4.810916),
        (1, 6.210038),
        (3, 8.117788),
        (6, 9.723429),
        (10, 10.740091),
    ):
        assert solve(program.with_beta(beta), tol=1e-8).value == pytest.approx(value, abs=2e-6)
    assert not solve(program.with_beta(13.31)).Z.any()
    assert solve(program.with_beta(13.29), tol=1e-9).Z.any()


# ---- lift, unlift, adjoint ------------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("pooled", [False, True])
def test_the_lifted_map_is_the_network_and_has_its_adjoint(head, activation, pooled):
    data = gaussian(1, pooled=pooled)
    program = attention.program(data, head=head, activation=activation, gates=3)
    network = attention.network(2, data, head=head, activation=activation, gates=3)
    close(program.predict(torch.as_tensor(network.lift())), network.predict(data.X))
    draw = torch.Generator().manual_seed(0)
    Z = torch.randn(program.operator.domain, generator=draw, dtype=torch.float64)
    V = torch.randn(program.operator.codomain, generator=draw, dtype=torch.float64)
    close((program.predict(Z) * V).sum(), (Z * program.operator.adjoint(V)).sum())
    left, right = unlift(Z.numpy())
    close(np.swapaxes(left, 1, 2) @ right, Z)
    close(0.5 * (np.sum(left**2) + np.sum(right**2)), program.gauge.value(Z))  # balanced: decay is the nuclear norm


@pytest.mark.parametrize("head", attention.HEADS)
def test_gates_that_let_everything_through_are_the_linear_head(head):
    data = gaussian(2)
    built = attention.head_of(head)
    whole = np.zeros((1, *built.gate_shape(4, 4)))  # 1[0 >= 0]: all ones
    open_, linear = (solve(attention.program(data, **options(head, g)), tol=1e-8).value for g in (whole, None))
    close(open_, linear, 1e-7)


def test_the_discrete_fourier_transform_convolves_like_circ():
    draw = np.random.default_rng(3)
    x, W = draw.standard_normal((1, 5, 3)), draw.standard_normal((5, 3, 2))
    direct = np.fft.ifft(np.einsum("qr,qrm->qm", np.fft.fft(x[0], axis=0), np.fft.fft(W, axis=0)), axis=0)
    close(direct.real, circ(x[0]) @ W.reshape(15, 2))
    assert np.abs(direct.imag).max() < 1e-12
    close(Fourier().rows(torch.as_tensor(x))[0, :, 0], circ(x[0]))
    left = torch.as_tensor(W.reshape(15, 2).T.copy())[None, None]
    close(Fourier().mix(torch.as_tensor(x), left)[0, 0, :, 0], direct.real)


@every_kind
def test_pooled_targets_agree_with_the_reference(head, activation):
    data = gaussian(4, n=3, s=2, d=2, pooled=True, beta=0.2)
    gates = attention.gates_of(attention.head_of(head), data, 2, activation)
    expected = attention.reference(data, head=head, gates=gates).solve(solver="CLARABEL")
    close(solve(attention.program(data, head=head, activation=activation, gates=gates)).value, expected, 2e-6)


# ---- how many heads -------------------------------------------------------------------------------------------------


def test_three_heads_reach_the_golden_optimum_and_two_do_not():
    data, best = golden(), {}
    for heads in (1, 2, 3):
        runs = [descend(attention.network(heads, data, seed=k), data, 2000)[1] for k in range(8)]
        best[heads] = min(runs)
        if heads == 3:
            assert max(runs) == pytest.approx(5.1570754, abs=1e-6), "every start reaches it"
    assert best[1] == pytest.approx(7.0733416, abs=1e-6)
    assert best[2] == pytest.approx(5.1607116, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_as_many_heads_as_the_rank_suffice_and_one_alone_does_not(seed):
    data = attention.sample("tiny", seed)
    full = factored(data, attention.network(1, data, seed=seed))
    assert full.gap <= 1e-6
    again = factored(data, attention.network(full.network.width, data, seed=seed + 10), grow=False)
    close(again.value, full.value, 1e-6)
    alone = min(descend(attention.network(1, data, seed=k), data, 1000)[1] for k in range(6))
    assert alone > full.value + 1e-3


# ---- the dual norm and the certificate of a factored solution -------------------------------------------------------


@pytest.mark.parametrize("pooled", [False, True])
def test_gram_matrices_give_the_norm_of_the_lifted_pull(pooled):
    data = gaussian(5, n=3, s=4, d=5, c=3, pooled=pooled)
    network = attention.network(1, data)
    exact = dual_norm(network, data.X, data.y)
    lean = dual_norm(network, data.X, data.y, dense=1)
    close(lean[0], exact[0])
    close(lean[0], attention.program(data).beta_max())
    close(np.outer(*lean[2:]), np.outer(*exact[2:]), 1e-8)


def test_masks_enter_the_gram_matrices_too():
    data = gaussian(6, n=3, s=3, d=3, c=2)
    mask = attention.head_of("self_attention").masks(torch.as_tensor(data.X.copy()), torch.as_tensor(H_LARGE))[:, 0]
    sigma = top_pair(torch.as_tensor(data.X.copy()), torch.as_tensor(data.y.copy()), mask)[0]
    close(sigma, attention.program(data, activation="gated", gates=H_LARGE).beta_max())


H_LARGE = np.random.default_rng(9).standard_normal((1, 3, 3))


@every_kind
def test_the_bound_of_a_network_is_the_judges(head, activation):
    data = gaussian(7, n=3)
    kind = {"head": head, "activation": activation, "gates": 2}
    found = factored(data, attention.network(1, data, **kind))
    certificate = certify(attention.program(data, **kind), found.network.lift())
    assert certificate.gap <= 1e-6
    close(found.lower, certificate.lower, 1e-8)
    poor = attention.network(1, data, seed=1, **kind)
    assert bound(poor, data)[0] <= certificate.lower + 1e-9, "a poor network has a valid, weaker bound"


def test_heads_are_certified_where_the_lifted_variable_has_no_room():
    data = large()
    d, c = data.X.shape[2], data.y.shape[2]
    assert 8 * d**3 * c > 24 * 2**30, "bytes of Z"
    found = factored(data, attention.network(1, data), tol=1e-4, steps=40)
    assert found.gap <= 1e-4
    assert found.network.width >= 1
    assert found.lower <= found.value


def large() -> Data:
    tokens, targets = beyond.wide_tokens(0)
    return Data(tokens, targets, 0.8 * top_pair(torch.as_tensor(tokens), torch.as_tensor(targets))[0])


# ---- equivariance, clusters, and where the theorem stops ------------------------------------------------------------


@every_kind
def test_who_permutes_and_who_shifts(head, activation):
    data = gaussian(8)
    network = attention.network(2, data, head=head, activation=activation, gates=2)
    order = np.array([2, 0, 3, 1])

    def defect(tokens) -> float:
        f = network.predict(data.X).reshape(4, 4, -1)
        return float(np.abs(network.predict(data.X[:, tokens]).reshape(f.shape) - f[:, tokens]).max())

    assert (defect(order) < 1e-10) == (head in ("self_attention", "mlp"))
    assert (defect(np.roll(np.arange(4), 1)) < 1e-10) == (head != "mixer")


def test_separate_decay_is_a_formula_and_not_convex():
    draw = np.random.default_rng(10)
    W1, W2 = draw.standard_normal((2, 2)), draw.standard_normal((2, 2))
    close(beyond.searched_decay(W1, W2), beyond.separate_decay(W1, W2), 1e-5)  # the search stops at its gradient's size
    assert beyond.separate_decay(2 * W1, 2 * W2) == pytest.approx(2 * beyond.separate_decay(W1, W2))
    assert beyond.merged_decay(2 * W1, 2 * W2) == pytest.approx(4 * beyond.merged_decay(W1, W2))


def test_some_gate_separates_two_clusters():
    tokens, cluster = beyond.two_clusters(30, 8, 0)
    gates = np.random.default_rng(0).standard_normal((6, 2, 2))
    masks = attention.head_of("self_attention").masks(torch.as_tensor(tokens), torch.as_tensor(gates)).numpy()
    agreement = beyond.mask_agreement(masks)
    same = (cluster[:, None] == cluster) & ~np.eye(8, dtype=bool)
    apart = cluster[:, None] != cluster
    assert all(a[same].mean() > 0.9 for a in agreement)
    assert min(a[apart].mean() for a in agreement) < 0.6


def test_softmax_leaves_the_interval_of_the_linear_theorem():
    data = golden()
    lower = solve(attention.program(data), tol=1e-8).lower
    value = min(descend(attention.network(3, data, activation="softmax", seed=k), data, 500)[1] for k in range(3))
    assert abs(value - lower) > 1e-2
    scores = np.random.default_rng(0).standard_normal((1, 1, 4))
    net = attention.network(1, data, activation="softmax")
    double = HeadNetwork(net.head, 2 * scores, np.ones((1, 1, 4)), net.loss, "softmax", None, False)
    once = HeadNetwork(net.head, scores, 2 * np.ones((1, 1, 4)), net.loss, "softmax", None, False)
    assert np.abs(double.predict(data.X) - once.predict(data.X)).max() > 0.1, "no rescaling between the two sides"


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: attention.program(golden(), activation="softmax"), "not homogeneous"),
        (lambda: attention.program(golden(), activation="relu"), "NP-hard"),
        (lambda: attention.program(golden(), head="block_fno", blocks=3), "blocks is 3; it must divide"),
        (lambda: attention.program(golden(), head="block_fno", blocks=0), "blocks is 0"),
        (lambda: attention.program(golden(), head="mixr"), "Did you mean 'mixer'"),
        (lambda: attention.program(golden(), activation="gated", gates=H2), "gates has shape"),
        (lambda: attention.program(golden(), activation="gated", gates=0), "gates is 0"),
        (lambda: attention.program(Data(X[0], Y[0], 0.1)), "pass tokens X"),
        (lambda: attention.network(1, golden(), head="fno", activation="softmax"), "only self_attention"),
        (lambda: factored(golden(), attention.network(1, golden(), activation="relu")), "linear or gated"),
        (lambda: top_pair(torch.zeros(10, 30, 2), torch.zeros(10, 30, 2)), "at most 6000"),
        (lambda: dual_norm(attention.network(1, golden(), head="mixer"), X, Y, dense=1), "only linear self-attention"),
    ],
)
def test_bad_input_is_refused_with_its_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
