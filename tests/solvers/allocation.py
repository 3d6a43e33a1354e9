"""How much memory a computation holds at once: every allocation of torch and of numpy on the CPU."""

import tracemalloc
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile


def peak_bytes(compute: Callable[[], object]) -> int:
    """A bound on the largest sum of live allocations while `compute` runs: torch's peak plus numpy's.

    What existed before is free; temporaries inside an operation count. Memory that torch borrows from numpy is counted
    where it was allocated. A first run warms caches up, so that imports do not count.
    """
    compute()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    compute()
    numpy_peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return numpy_peak + _torch_peak(compute)


def _torch_peak(compute: Callable[[], object]) -> int:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        compute()
    events = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = top = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        top = max(top, live)
    return top


def unit_bytes(program) -> float:
    """8 (n^2 + n P / 8 + groups d): one Newton matrix, the patterns as bytes, the groups once, in doubles."""
    n, P = program.operator.D.shape
    return 8.0 * (n * n + n * P / 8 + program.groups * program.operator.X.shape[1])


def data_bytes(program) -> float:
    """X, Y and the patterns as stored: a solver may hold one more copy of what it was given."""
    operator = program.operator
    return 8.0 * (operator.X.numel() + operator.D.numel() + program.Y.numel())
