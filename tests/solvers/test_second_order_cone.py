"""Laws of the second-order cone: scaling identities, Jordan algebra, the step to the boundary."""

import numpy as np
import pytest
import torch
from instances import ALGEBRA

from convexnn.numerics import tensor
from convexnn.solvers._second_order_cone import Cone2, Scaling


def interior_points(G, m, seed):
    """Random interior points, some within 1e-6 of the boundary."""
    rng = np.random.default_rng(seed)
    tail = rng.standard_normal((G, m))
    head = np.linalg.norm(tail, axis=1) * (1 + 10.0 ** rng.uniform(-6, 1, G))
    return Cone2(tensor(head), tensor(tail))


@pytest.mark.parametrize("seed", range(3))
def test_the_scaling_maps_u_and_s_to_the_same_point(seed):
    s, u = interior_points(50, 4, seed), interior_points(50, 4, seed + 100)
    scaling = Scaling.of(s, u)
    for image in (scaling.apply(u), scaling.inverse(s)):
        size = scaling.point.head[:, None]
        torch.testing.assert_close(image.head / size[:, 0], scaling.point.head / size[:, 0], rtol=0, atol=1e-6)
        torch.testing.assert_close(image.tail / size, scaling.point.tail / size, rtol=0, atol=1e-6)
    back = scaling.inverse(scaling.apply(u))
    torch.testing.assert_close(back.tail, u.tail, rtol=0, atol=1e-6 * float(u.head.max()))


def test_the_scaling_identities_hold_to_rounding_inside_the_cone():
    rng = np.random.default_rng(0)
    tails = [tensor(rng.standard_normal((40, 5))) for _ in range(2)]
    s, u = (Cone2(1.5 * tail.norm(dim=1), tail) for tail in tails)
    scaling = Scaling.of(s, u)
    other = scaling.inverse(s)
    torch.testing.assert_close(other.head, scaling.point.head, rtol=ALGEBRA, atol=ALGEBRA)
    torch.testing.assert_close(other.tail, scaling.point.tail, rtol=ALGEBRA, atol=ALGEBRA)
    inner = scaling.point.inner(scaling.point)
    torch.testing.assert_close(inner, s.inner(u), rtol=ALGEBRA, atol=ALGEBRA)


def test_the_closed_form_inverse_is_the_inverse():
    scaling = Scaling.of(interior_points(20, 4, 1), Cone2(torch.ones(20).double(), torch.zeros(20, 4).double()))
    N = scaling.block()
    inverse = torch.stack([scaling.solve_block(row.expand(20, 4)) for row in torch.eye(4).double()], 2)
    product = N @ inverse
    scale = N.norm(dim=(1, 2)) * inverse.norm(dim=(1, 2))
    assert float(((product - torch.eye(4).double()).norm(dim=(1, 2)) / scale).max()) <= ALGEBRA


def test_division_undoes_the_jordan_product():
    a, b = interior_points(30, 3, 2), interior_points(30, 3, 3)
    a = Cone2(a.head + 1, a.tail)
    x = a.divide(a.product(b))
    torch.testing.assert_close(x.tail, b.tail, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_step_ends_on_the_boundary(seed):
    rng = np.random.default_rng(seed)
    s = interior_points(1, 3, seed)
    step = Cone2(tensor(rng.standard_normal(1) - 1), tensor(rng.standard_normal((1, 3))))
    a = s.reach(step)
    end = Cone2(s.head + a * step.head, s.tail + a * step.tail)
    assert abs(float(end.head - end.tail.norm(dim=1))) <= 1e-9 * (1 + a)
    assert s.reach(Cone2(s.head, s.tail)) == float("inf")
