"""What an iteration costs, in floating-point operations that are counted where they happen, never in seconds."""

from contextlib import contextmanager

import pytest
from instances import planted
from torch.utils.flop_counter import FlopCounterMode

from convexnn import operators
from convexnn.numerics import product
from convexnn.solvers import _box_least_squares, _cone_blocks, _gated_blocks, _symmetric
from convexnn.solvers.contract import Options
from convexnn.solvers.fista import fista
from convexnn.solvers.interior_cone import ConeIterate
from convexnn.solvers.interior_gated import GatedIterate
from convexnn.theorems import two_layer

N, D, P = 300, 20, 120
#: How far above the count on paper an iteration may be.
ALLOWED = 1.2


@contextmanager
def counted(monkeypatch):
    """A list whose sum is the flops of all large products and factors inside; torch's own are appended at the end."""
    flops = []

    def multiply(A, B):
        flops.append(2.0 * A.shape[0] * A.shape[1] * B.shape[1])
        return product(A, B)

    def watched(functions, arrays):
        def syrk(alpha, a, **options):
            k, n = a.shape if options["trans"] else a.shape[::-1]
            flops.append(float(k * n * n))
            return own["syrk"](alpha, a, **options)

        def potrf(a, **options):
            flops.append(len(a) ** 3 / 3)
            return own["potrf"](a, **options)

        def potrs(factor, b, **options):
            flops.append(2.0 * len(factor) ** 2 * b.shape[1])
            return own["potrs"](factor, b, **options)

        names = (functions,) if isinstance(functions, str) else functions
        source = real_blas if "syrk" in names else real_lapack
        found = source(functions, arrays)
        own = dict(zip(names, (found,) if isinstance(functions, str) else found))
        wrapped = [{"syrk": syrk, "potrf": potrf, "potrs": potrs}[name] for name in names]
        return wrapped[0] if isinstance(functions, str) else wrapped

    real_blas, real_lapack = _symmetric.get_blas_funcs, _symmetric.get_lapack_funcs
    with monkeypatch.context() as patch, FlopCounterMode(display=False) as torch_flops:
        for module in (operators, _gated_blocks, _cone_blocks, _symmetric, _box_least_squares):
            patch.setattr(module, "product", multiply)
        patch.setattr(_symmetric, "get_blas_funcs", watched)
        patch.setattr(_symmetric, "get_lapack_funcs", watched)
        yield flops
    flops.append(float(torch_flops.get_total_flops()))


def program(activation):
    made = two_layer.program(planted(N, D), patterns=P, activation=activation)
    return made.with_beta(0.02 * made.beta_max())


def test_the_counter_counts(monkeypatch):
    made = program("gated")
    with counted(monkeypatch) as flops:
        made.operator.forward(made.zeros())
    pairs = made.operator.D.shape[1]
    assert sum(flops) == pytest.approx(2.0 * N * D * pairs, rel=0.2)


def test_a_gated_step_is_one_factor_and_one_matrix_over_the_patterns(monkeypatch):
    made = program("gated")
    iterate = GatedIterate(made)
    iterate.advance()
    with counted(monkeypatch) as flops:
        iterate.advance()
    passes = 4.0 * N * D * P
    assert sum(flops) <= ALLOWED * (N**3 / 3 + 2 * N**2 * P + 10 * passes)
    assert sum(flops) > 0.5 * (N**3 / 3 + 2 * N**2 * P), "something is not counted"


def test_a_cone_step_costs_what_its_groups_cost(monkeypatch):
    made = program("relu")
    iterate = ConeIterate(made, drop=False)
    iterate.advance()
    with counted(monkeypatch) as flops:
        iterate.advance()
    A = made.groups
    own = A * (2 * N * D**2 + 3 * D**3) + N**2 * D * A / 2 + N**3 / 3
    assert sum(flops) <= ALLOWED * (own + 12 * 4.0 * N * D * A)
    assert sum(flops) > 0.3 * own, "something is not counted"


def test_a_gradient_step_is_two_passes(monkeypatch):
    made, steps = program("gated"), 60
    pairs = made.operator.D.shape[1] * len(made.operator.signs)
    counts = []
    for limit in (steps, 2 * steps):
        with counted(monkeypatch) as flops:
            fista(made, Options(tol=1e-15, max_iterations=limit))
        counts.append(sum(flops))
    assert counts[1] - counts[0] <= ALLOWED * steps * 4.0 * N * D * pairs
