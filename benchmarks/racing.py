"""Run a contender in a process of its own, with a limit for all its runs; nothing it does can reach the judge.

The child warms up on a tiny instance (imports, compilation, caches), then climbs the ladder of settings; a run of less
than SHORT_S seconds is repeated and the median counts. Times are CPU seconds (time.process_time, all threads) and wall
seconds of `work()` alone.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.instances import Instance
from benchmarks.machine import one_thread
from benchmarks.peers import OURS, PEERS, Contender

#: Runs below this many CPU seconds are done three times.
SHORT_S, REPEATS = 5.0, 3
#: A child may take this long to import, to warm up and to build its matrices, on top of the limit for its run.
START_S = 120.0


@dataclass(frozen=True)
class Run:
    """One setting of one contender; without an `answer`, `error` says why, and `wall_s` how long it was waited for."""

    setting: float
    cpu_s: float = float("nan")
    wall_s: float = float("nan")
    repeats: int = 0
    answer: Any = None
    error: str = ""


def race(contender: Contender, instance: Instance, device: str, limit_s: float) -> Iterator[Run]:
    """The runs of the ladder, `limit_s` wall seconds for all of them; closing the iterator ends the child."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    arguments = (there, contender.name, instance, device)
    child = multiprocessing.get_context("spawn").Process(target=_child, args=arguments, daemon=True)
    child.start()
    there.close()
    left = limit_s
    try:
        for setting in contender.ladder:
            here.send(setting)
            run, left = _answer(here, setting, left)
            if run.error or left <= 0:
                child.kill()
                yield run
                return
            yield run
    finally:
        here.close()  # an idle child reads the end of the pipe and leaves
        child.join(5.0)
        child.kill()
        child.join()


def _answer(here: Connection, setting: float, left: float) -> tuple[Run, float]:
    """Wait for `ready`, the first result and its repetitions; also the seconds that remain."""
    times: list[tuple[float, float]] = []
    try:
        if not here.poll(START_S) or here.recv() != "ready":
            return Run(setting, error="failed: not ready in time"), left
        while len(times) < (REPEATS if not times or times[0][0] < SHORT_S else 1):
            if left <= 0 or not here.poll(left):
                if times:
                    break
                return Run(setting, wall_s=left, error=f"not finished in {max(left, 0.0):.3g} s"), 0.0
            message = here.recv()
            if isinstance(message, str):
                return Run(setting, error=message), left
            times.append(message[:2])
            left -= message[1]
            answer = message[2]
    except EOFError:
        return Run(setting, error="failed: the process ended"), left
    cpu, wall = (statistics.median(column) for column in zip(*times))
    return Run(setting, cpu, wall, len(times), answer), left


def _child(pipe: Connection, name: str, instance: Instance, device: str) -> None:
    """Answer settings with (cpu, wall, answer), or with a sentence that starts with `failed`."""
    one_thread()
    contender = next(c for c in (*OURS, *PEERS) if c.name == name)
    announced = False
    try:
        tiny = Instance(instance.kind, "tiny", 0.1).build()
        _timed(*contender.prepare(tiny, contender.ladder[0], device))
        program = instance.build()
        while True:
            setting = pipe.recv()
            announced = False
            work, read = contender.prepare(program, setting, device)
            pipe.send("ready")
            announced = True
            first = _timed(work, read)
            pipe.send(first)
            for _ in range(REPEATS - 1 if first[0] < SHORT_S else 0):
                work, read = contender.prepare(program, setting, device)
                pipe.send(_timed(work, read))
    except EOFError:
        return
    except BaseException as error:
        if not announced:
            pipe.send("ready")
        pipe.send(f"failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160])


def _timed(work: Callable[[], Any], read: Callable[[Any], Any]) -> tuple[float, float, Any]:
    cpu, wall = time.process_time(), time.perf_counter()
    answer = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu, wall, read(answer)
