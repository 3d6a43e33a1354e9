"""What a fit will hold in memory, and a refusal with numbers before anything is allocated.

Counted are the arrays of n P numbers that the solve has at the same time, found by measuring peaks
(tests/estimators/test_large.py holds one of them): gates and activations in both precisions for gated ReLU; for ReLU
the rows of the cone for both signs and every output, and the copies that projecting and judging them takes.
"""

from __future__ import annotations

from convexnn.choosing import MEMORY_SHARE, memory_bytes
from convexnn.networks import Activation
from convexnn.numerics import resolve_device

#: Bytes for each of the n P (gated) or 2 n P c (ReLU) entries, and for each entry of the features.
GATED_BYTES, CONE_BYTES, FEATURE_BYTES = 40.0, 56.0, 100.0


def memory_gib(n: int, d: int, c: int, patterns: int, activation: Activation) -> float:
    """GiB that a fit of n distinct rows, d features, c outputs and so many patterns needs at its peak."""
    entries = n * patterns * GATED_BYTES if activation == "gated" else 2.0 * n * patterns * c * CONE_BYTES
    return (entries + n * (d + c + 2) * FEATURE_BYTES) / 2**30


def check_memory(
    n: int, d: int, c: int, patterns: int, activation: Activation, limit_gib: float | None, device: str
) -> None:
    """Raise ValueError with what fits when a fit needs more than `limit_gib` (None: half of the memory there is)."""
    limit = MEMORY_SHARE * memory_bytes(resolve_device(device)) / 2**30 if limit_gib is None else limit_gib
    needed = memory_gib(n, d, c, patterns, activation)
    if needed <= limit:
        return
    advice = []
    if activation == "relu" and memory_gib(n, d, c, patterns, "gated") <= limit:
        advice.append("activation='gated' (first-order steps, no cones)")
    fewer = patterns
    while fewer > 1 and memory_gib(n, d, c, fewer, activation) > limit:
        fewer //= 2
    if memory_gib(n, d, c, fewer, activation) <= limit:
        advice.append(f"patterns={fewer}")
    rows = int(n * limit / needed)
    advice.append(f"a sample of {rows} rows")
    raise ValueError(
        f"{n} distinct rows with patterns={patterns} and activation={activation!r} need about {needed:.1f} GiB, more "
        f"than the limit of {limit:.1f} GiB; use {', or '.join(advice)}, or raise memory_limit_gib"
    )
