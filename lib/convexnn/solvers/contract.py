"""What a solver is: a function from a program to a point, with a budget, a callback and an honest way to stop.

solver(program, options) -> Point
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from convexnn.program import Program
from convexnn.types import Point, Step

Callback = Callable[[Step], None]


@dataclass(frozen=True)
class Options:
    """tol: relative gap to reach; budget_s: seconds or None; warm, witness: Z and v to start from, where a solver can;
    callback sees every Step."""

    tol: float = 1e-6
    budget_s: float | None = None
    max_iterations: int = 200_000
    warm: Tensor | None = None
    witness: Tensor | None = None
    callback: Callback | None = None


Solver = Callable[[Program, Options], Point]


@dataclass
class Clock:
    """Records steps, and says when to stop: gap reached, budget spent, too many iterations, or Ctrl-C."""

    options: Options
    started: float = field(default_factory=time.perf_counter)
    steps: list[Step] = field(default_factory=list)

    def record(self, iteration: int, objective: float, lower: float) -> bool:
        """Append a step; True when the solver should return."""
        elapsed = time.perf_counter() - self.started
        step = Step(iteration, elapsed, objective, lower)
        self.steps.append(step)
        if self.options.callback is not None:
            self.options.callback(step)
        reached = objective - lower <= self.options.tol * max(1.0, abs(objective))
        late = self.options.budget_s is not None and elapsed >= self.options.budget_s
        return reached or late or iteration >= self.options.max_iterations or self.interrupted

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C was pressed since `graceful_interrupt` began."""
        return _pressed.is_set()


_pressed = threading.Event()


@contextmanager
def graceful_interrupt() -> Iterator[None]:
    """Within the block the first Ctrl-C only asks solvers to return their best point; the second one raises."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: Any) -> None:
        if _pressed.is_set():
            raise KeyboardInterrupt
        _pressed.set()

    previous = signal.signal(signal.SIGINT, ask)
    _pressed.clear()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        _pressed.clear()
