"""Laws of the doubly gated map, its cone and the (2,1) gauge."""

import numpy as np
import pytest
import torch

from convexnn.gated_tuples import NeuronL2, TupleCone, TupleOperator
from convexnn.theorems.path_regularized.groups import sample_groups


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    tuples = sample_groups(rng.standard_normal((6, 3)), 30, 2)
    operator, cone = TupleOperator(tuples), TupleCone(tuples)
    Z = torch.as_tensor(rng.standard_normal(operator.domain))
    return tuples, operator, cone, Z, torch.as_tensor(rng.standard_normal(operator.codomain)), rng


def test_the_adjoint_is_the_adjoint(parts):
    _, operator, cone, Z, V, rng = parts
    assert float((operator.forward(Z) * V).sum()) == pytest.approx(float((Z * operator.adjoint(V)).sum()), rel=1e-12)
    T = torch.as_tensor(rng.standard_normal(cone.rows(Z).shape))
    assert float((cone.rows(Z) * T).sum()) == pytest.approx(float((Z * cone.adjoint(T)).sum()), rel=1e-12)
    at = cone.adjoint_at(T[[3, 20]], torch.tensor([3, 20]))
    assert torch.allclose(at, cone.adjoint(T)[[3, 20]], atol=1e-12)


def test_inside_a_cone_the_map_is_the_network(parts):
    tuples, operator, cone, Z, _, _ = parts
    z = torch.zeros_like(Z)
    z[5] = tuples.inside[5].reshape(-1, 1)
    assert float(cone.rows(z).min()) >= 0
    hidden = tuples.s[5][:, None] * torch.relu(tuples.s[5][:, None] * (tuples.inside[5] @ tuples.X.T))
    assert torch.allclose(operator.forward(z)[:, 0], torch.relu(hidden.sum(0)), atol=1e-12)


def test_projection_is_inside_and_orthogonal(parts):
    _, _, cone, Z, _, _ = parts
    P = cone.project(Z)
    assert float(cone.rows(P).min()) >= -1e-12  # absolute: some projections are zero up to rounding
    assert torch.allclose(((Z - P) * P).sum((1, 2)), torch.zeros(len(Z), dtype=Z.dtype), atol=1e-8)


def test_the_gauge_and_its_polar_are_dual(parts):
    _, _, _, Z, _, rng = parts
    gauge = NeuronL2(2)
    Q = torch.as_tensor(rng.standard_normal(Z.shape))
    assert bool(((Z * Q).sum((1, 2)) <= gauge.polar(Q) * gauge.per_group(Z) + 1e-12).all())
    left = Z - gauge.prox(Z, 0.7)
    assert float(gauge.polar(left).max()) <= 0.7 + 1e-12
    moved = gauge.prox(Z, 0.7)
    assert torch.allclose((left * moved).sum((1, 2)), 0.7 * gauge.per_group(moved), atol=1e-12)
