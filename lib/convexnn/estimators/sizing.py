"""What a fit will hold in memory, and a refusal with numbers before anything is allocated.

    gated   n P gates in two precisions with the activations of a first-order step; grows like n
    ReLU    the cones' rows for both signs, and the n x n matrix of the interior point: 12 n^2 bytes, which is what
            ends it (31 000 rows in 11 GiB); so many rows are for gated ReLU

Counted are upper estimates of measured peaks; tests/estimators/test_large.py holds one of them against a real fit.
"""

from __future__ import annotations

from convexnn.choosing import MEMORY_SHARE, memory_bytes
from convexnn.networks import Activation
from convexnn.numerics import resolve_device

#: Bytes for each of the n P (gated) or 2 n P c (ReLU) entries, for each entry of the features, of the n x n matrix.
GATED_BYTES, CONE_BYTES, FEATURE_BYTES, MATRIX_BYTES = 40.0, 56.0, 100.0, 12.0


def memory_gib(n: int, d: int, c: int, patterns: int, activation: Activation) -> float:
    """GiB that a fit of n distinct rows, d features, c outputs and so many patterns needs at its peak."""
    cones = 2.0 * n * patterns * c * CONE_BYTES + MATRIX_BYTES * n * n
    entries = n * patterns * GATED_BYTES if activation == "gated" else cones
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
    fewer, rows = patterns, n
    while fewer > 1 and memory_gib(n, d, c, fewer, activation) > limit:
        fewer //= 2
    if memory_gib(n, d, c, fewer, activation) <= limit:
        advice.append(f"patterns={fewer}")
    while rows > 1 and memory_gib(rows, d, c, patterns, activation) > limit:
        rows -= max(1, rows // 10)
    advice.append(f"a sample of {rows} rows")
    raise ValueError(
        f"{n} distinct rows with patterns={patterns} and activation={activation!r} need about {needed:.1f} GiB, more "
        f"than the limit of {limit:.1f} GiB; use {', or '.join(advice)}, or raise memory_limit_gib"
    )
