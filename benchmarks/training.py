"""The tables of the training problem itself: column generation against gradient training, and network certificates."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.instances import SIZES, network_data, real_data
from convexnn.globalize import SHARE, GlobalSolution, globalize
from convexnn.theorems import two_layer
from convexnn.training import train
from convexnn.types import Data

#: Gradient training: four seeds in one batch, cosine decay, at each of these initial rates; the first is the rival at
#: equal CPU seconds, the best of all has had three times as many.
SEEDS, RATES, WIDTH = 4, (0.03, 0.1, 0.01), 200
#: `globalize` counts wall seconds; this much more than the CPU seconds lets it search long enough on a busy machine.
ROOM = 1.25
#: n, d, share of beta_max
CERTIFICATES = (
    (40, 3, 0.05), (40, 5, 0.05), (100, 5, 0.05), (200, 4, 0.05), (500, 5, 0.05), (1000, 4, 0.05),
    (100, 8, 0.05), (200, 20, 0.05), (200, 20, 0.01),
)  # fmt: skip
REAL = ("breast cancer", 0.05)
Row = dict[str, Any]


def against_training(size: str, share: float, count: int, seconds: float, device: str) -> Iterator[Row]:
    """F after `seconds` CPU seconds: `globalize` (one run) and the gradient runs, instance by instance."""
    n, d, _ = SIZES[size]
    for seed in range(count):
        data = network_data(n, d, share, seed)
        found, cpu = _measured(partial(globalize, data, budget=ROOM * seconds / SHARE, seed=seed))
        row: Row = {"instance": f"{size} ({n}, {d}), {share:g} beta_max, seed {seed}", "seconds": seconds}
        row |= {"globalize": _at(found, seconds * found.elapsed_s / cpu), "final": found.value, "lower": found.lower}
        row |= {"cpu_s": cpu, "wall_s": found.elapsed_s}
        row["curve"] = [[round(line.elapsed_s * cpu / found.elapsed_s, 3), line.value] for line in found.history]
        try:
            row["adam_by_rate"] = by_rate(data, seconds, device)
            row["adam"] = row["adam_by_rate"][str(RATES[0])]
            row["adam_best"] = min(row["adam_by_rate"].values())
            run = train(_network(data), data, optimiser="lbfgs", seeds=range(SEEDS), steps=100_000, budget=seconds)
            row["lbfgs"] = run.value
        except (ValueError, RuntimeError) as error:
            row["error"] = str(error)[:160]
        yield row


def by_rate(data: Data, seconds: float, device: str) -> dict[str, float]:
    """The best objective of SEEDS runs of Adam at each rate; each rate has `seconds` CPU seconds."""
    options: dict[str, Any] = {"seeds": range(SEEDS), "device": device}
    steps = _steps(lambda k: train(_network(data), data, steps=k, **options), seconds)
    return {str(rate): train(_network(data), data, steps=steps, learning_rate=rate, **options).value for rate in RATES}


def _network(data: Data) -> Any:
    return two_layer.network(WIDTH, data)


def _steps(run: Callable[[int], Any], seconds: float) -> int:
    """How many steps take `seconds` CPU seconds."""
    run(5)
    probe = 60
    return max(probe, int(seconds / _measured(lambda: run(probe))[1] * probe))


def certificates(budget: float, names: tuple[str, ...] = ()) -> Iterator[Row]:
    """The best gap between a network and a bound for all networks within `budget` seconds."""
    makers: dict[str, Callable[[], Data]] = {
        f"({n}, {d}), {share:g}": partial(network_data, n, d, share) for n, d, share in CERTIFICATES
    }
    makers[f"{REAL[0]}, {REAL[1]:g}"] = partial(real_data, REAL[1])
    for name, make in makers.items():
        if names and not any(part in name for part in names):
            continue
        data = make()
        found, cpu = _measured(partial(globalize, data, budget=budget))
        yield {
            "instance": name, "budget_s": budget, "value": found.value, "lower": found.lower, "gap": found.gap,
            "status": found.status, "cpu_s": cpu, "wall_s": found.elapsed_s, "neurons": found.network.width,
            "method": found.bound.method,
        }  # fmt: skip


def _at(found: GlobalSolution, seconds: float) -> float:
    """The objective that was reached by then."""
    return min((line.value for line in found.history if line.elapsed_s <= seconds), default=float("nan"))


def _measured(run: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    found = run()
    return found, time.process_time() - started


def wins(rows: list[Row], rivals: tuple[str, ...]) -> int:
    """On how many instances `globalize` ends below every one of the rivals."""
    return sum(row["globalize"] < min(row.get(rival, np.inf) for rival in rivals) for row in rows)
