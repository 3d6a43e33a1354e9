"""What a step of the accelerated gradient costs in float32, over the two matrix products that it cannot do without."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.instances import SIZES, Instance
from convexnn.numerics import product
from convexnn.operators import GatedOperator
from convexnn.solving import solve

#: The certified gap that is asked for, and how often the two products are timed.
TOL, REPEATS = 1e-3, 7
Row = dict[str, Any]


def first_order(sizes: tuple[str, ...], share: float, device: str) -> Iterator[Row]:
    """One row for each size: seconds a step over the seconds of X W and X'V, W (d, P), V (n, P), in float32."""
    for size in sizes:
        program = Instance("gated", size, share).build()
        started = time.process_time()
        solution = solve(program, tol=TOL, method="fista", device=device)
        cpu = time.process_time() - started
        assert isinstance(program.operator, GatedOperator)
        X = program.operator.X.to(device, torch.float32)
        floor = statistics.median(_two_products(X, program.groups) for _ in range(REPEATS))
        last = solution.history[-1]
        yield {
            "instance": f"gated {size}, {share:g} beta_max", "n": SIZES[size][0], "d": SIZES[size][1],
            "P": SIZES[size][2], "status": solution.status, "gap": solution.gap, "steps": last.iteration, "cpu_s": cpu,
            "step_s": last.elapsed_s / last.iteration, "floor_s": floor,
        }  # fmt: skip


def _two_products(X: torch.Tensor, groups: int) -> float:
    """Wall seconds of one forward and one backward product."""
    W, V = torch.randn(X.shape[1], groups).to(X), torch.randn(X.shape[0], groups).to(X)
    _wait(X)
    started = time.perf_counter()
    product(X, W)
    product(X.T, V)
    _wait(X)
    return time.perf_counter() - started


def _wait(X: torch.Tensor) -> None:
    if X.device.type == "cuda":
        torch.cuda.synchronize()
