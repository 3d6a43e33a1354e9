"""What a person sees while notebooks run: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from rich.table import Table


@dataclass
class Track:
    """One running notebook."""

    cell: int = 0
    of: int = 0
    expected_s: float | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.began


class Progress(Protocol):
    """What the runner tells; every method may be called from several threads."""

    def start(self, label: str, expected_s: float | None) -> None: ...
    def cell(self, label: str, cell: int, of: int) -> None: ...
    def done(self, label: str, line: str) -> None: ...
    def note(self, line: str) -> None: ...
    def tick(self) -> None: ...
    def __enter__(self) -> Progress: ...
    def __exit__(self, *details: object) -> None: ...


class PlainProgress:
    """A line when a notebook starts and ends, and one every `every_s` seconds in between."""

    def __init__(self, every_s: float = 20.0) -> None:
        self.every_s = every_s
        self.tracks: dict[str, Track] = {}
        self.said: dict[str, float] = {}

    def start(self, label: str, expected_s: float | None) -> None:
        """Announce a notebook."""
        self.said[label] = time.monotonic()
        self.tracks[label] = Track(expected_s=expected_s)
        self.note(f"{label}: started" + (f", {expected_s:.0f} s the last time" if expected_s is not None else ""))

    def cell(self, label: str, cell: int, of: int) -> None:
        """Remember where it stands; `tick` says it."""
        track = self.tracks.get(label, Track())  # news of a cluster may come after the end
        track.cell, track.of = cell, of

    def tick(self) -> None:
        """Say where every notebook stands of which nothing was said for a while."""
        for label, track in list(self.tracks.items()):
            if time.monotonic() - self.said[label] >= self.every_s:
                self.said[label] = time.monotonic()
                self.note(f"{label}: cell {track.cell} of {track.of or '?'}, {track.elapsed_s:.0f} s")

    def done(self, label: str, line: str) -> None:
        """Say how it ended."""
        self.tracks.pop(label, None)
        self.note(f"{label}: {line}")

    def note(self, line: str) -> None:
        """Print one line."""
        click.echo(line)

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *details: object) -> None:
        return None


class LiveProgress:
    """A table of the running notebooks, redrawn four times a second; finished ones scroll up as lines."""

    def __init__(self) -> None:
        from rich.live import Live

        self.tracks: dict[str, Track] = {}
        self.guard = threading.Lock()
        self.live = Live(get_renderable=self.table, refresh_per_second=4, transient=True)

    def table(self) -> Table:
        """The rows at this moment."""
        from rich.table import Table

        table = Table("notebook", "cell", "elapsed", "expected", box=None)
        with self.guard:
            for label, track in self.tracks.items():
                expected = "first run" if track.expected_s is None else f"{track.expected_s:.0f} s"
                table.add_row(label, f"{track.cell} of {track.of or '?'}", f"{track.elapsed_s:.0f} s", expected)
        return table

    def start(self, label: str, expected_s: float | None) -> None:
        """Add a row."""
        with self.guard:
            self.tracks[label] = Track(expected_s=expected_s)

    def cell(self, label: str, cell: int, of: int) -> None:
        """Move a row on."""
        with self.guard:
            track = self.tracks.get(label, Track())
            track.cell, track.of = cell, of

    def done(self, label: str, line: str) -> None:
        """Turn the row into a line."""
        with self.guard:
            self.tracks.pop(label, None)
        self.note(f"{label}: {line}")

    def note(self, line: str) -> None:
        """Print one line above the table."""
        self.live.console.print(line, markup=False, highlight=False)

    def tick(self) -> None:
        """Nothing to do: the table redraws itself."""

    def __enter__(self) -> LiveProgress:
        self.live.start()
        return self

    def __exit__(self, *details: object) -> None:
        self.live.stop()


class Countdown:
    """Passes everything on, and says with each ending how many are left and for about how long.

    expected   seconds of every label the last time, None where it is not known
    at_once    how many run side by side
    """

    def __init__(self, inner: Progress, expected: Mapping[str, float | None], at_once: int) -> None:
        self.inner, self.left, self.at_once = inner, dict(expected), max(1, min(at_once, len(expected)))
        self.began: dict[str, float] = {}
        self.guard = threading.Lock()
        self.number, self.known_s, self.took_s, self.timed = len(expected), 0.0, 0.0, 0

    def left_s(self) -> float | None:
        """What is left: times of the last runs, scaled as those that ended were; the mean of these where unknown."""
        mean = self.took_s / self.timed if self.timed else None
        scale = self.took_s / self.known_s if self.known_s and self.timed else 1.0
        times = [mean if expected is None else expected * scale for expected in self.left.values()]
        known = [time for time in times if time is not None]
        return sum(known) / self.at_once if len(known) == len(times) else None

    def start(self, label: str, expected_s: float | None) -> None:
        """Pass on, and take the time."""
        self.began[label] = time.monotonic()
        self.inner.start(label, expected_s)

    def done(self, label: str, line: str) -> None:
        """Pass on, with what is left."""
        with self.guard:
            expected, began = self.left.pop(label, None), self.began.pop(label, None)
            if began is not None:
                took = time.monotonic() - began
                self.timed, self.took_s = self.timed + 1, self.took_s + took
                self.known_s += took if expected is None else expected
            left = self.left_s()
        about = f", about {duration(left)} left" if left and self.left else ""
        self.inner.done(label, f"{line} [{self.number - len(self.left)} of {self.number}{about}]")

    def cell(self, label: str, cell: int, of: int) -> None:
        """Pass on."""
        self.inner.cell(label, cell, of)

    def note(self, line: str) -> None:
        """Pass on."""
        self.inner.note(line)

    def tick(self) -> None:
        """Pass on."""
        self.inner.tick()

    def __enter__(self) -> Countdown:
        self.inner.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self.inner.__exit__(*details)


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever a person would say."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def for_output(is_terminal: bool) -> Progress:
    """The live table for a terminal, plain lines for a log."""
    return LiveProgress() if is_terminal else PlainProgress()
