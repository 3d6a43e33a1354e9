"""What a person sees while notebooks run: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
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
        self.tracks[label].cell, self.tracks[label].of = cell, of

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
            self.tracks[label].cell, self.tracks[label].of = cell, of

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


def for_output(is_terminal: bool) -> Progress:
    """The live table for a terminal, plain lines for a log."""
    return LiveProgress() if is_terminal else PlainProgress()
