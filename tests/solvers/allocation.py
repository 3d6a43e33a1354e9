"""How much memory a computation holds at once: every allocation of torch on the CPU, as its profiler lists them."""

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile


def peak_bytes(compute: Callable[[], object]) -> int:
    """The largest sum of live allocations made by torch on the CPU while `compute` runs; what existed before is free.

    Temporaries inside an operation count. numpy does not: the judge's own arrays are as large as torch's, never larger.
    """
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
