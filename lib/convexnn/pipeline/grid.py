"""A grid of notebook parameters, as it is typed: `seed=0:5 beta=0.1,1 size=quick,full`.

Axes are separated by spaces, values by commas; first:stop[:step] counts like Python's range, so 0:5 is 0 1 2 3 4.
Everything is checked against the notebook's `parameters` cell before anything runs.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from convexnn.pipeline.notebooks import Notebook
from convexnn.pipeline.project import SIZES, ProjectError, digest_of

MOST = 10_000
RANGE = re.compile(r"(-?\d+):(-?\d+)(?::(-?\d+))?")
EXAMPLE = 'for example --grid "seed=0:5 beta=0.1,1"'


@dataclass(frozen=True)
class Grid:
    """The text, the size of the points (where no axis names it), and the values of every axis in the order typed."""

    text: str
    size: str
    axes: Mapping[str, tuple[Any, ...]]

    def __len__(self) -> int:
        return math.prod(len(values) for values in self.axes.values())

    def points(self) -> Iterator[dict[str, Any]]:
        """One mapping for each point; the last axis moves fastest."""
        for values in itertools.product(*self.axes.values()):
            yield dict(zip(self.axes, values))

    @property
    def label(self) -> str:
        """A folder's name: size and grid, or their digest where that is no good name."""
        words = "_".join([self.size, *self.text.split()]).replace(":", "..")
        return words if re.fullmatch(r"[\w=.,+-]{1,80}", words) else digest_of([self.size, self.text])[:16]


def parse(notebook: Notebook, text: str, size: str = "quick") -> Grid:
    """The grid that `text` means for `notebook`; ProjectError for what it does not know, and for nothing to do."""
    axes: dict[str, tuple[Any, ...]] = {}
    for word in text.split():
        name, equals, listed = word.partition("=")
        if not equals or not name:
            raise ProjectError(f"axis {word!r} of the grid has no values; write name=value,value, {EXAMPLE}")
        if name in axes:
            raise ProjectError(f"axis {name} is in the grid twice; write its values in one list, {EXAMPLE}")
        axes[name] = _axis(notebook, name, listed, size)
    if not axes:
        raise ProjectError(f"the grid is empty; name at least one parameter of {notebook.name}, {EXAMPLE}")
    grid = Grid(" ".join(text.split()), size, axes)
    if len(grid) > MOST:
        raise ProjectError(f"the grid has {len(grid)} points, more than {MOST}; sweep a part of it at a time")
    return grid


def _axis(notebook: Notebook, name: str, listed: str, size: str) -> tuple[Any, ...]:
    """The values of one axis: known, of the right type, finite, and each once."""
    if name == "size":
        values = [_size(notebook, item) for item in listed.split(",")]
    else:
        if name not in notebook.parameters:
            notebook.values(size, {name: listed})  # raises, and says which names there are
        texts = [text for item in listed.split(",") for text in _expand(notebook, name, item)]
        values = [notebook.values(size, {name: text})[name] for text in texts]
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            raise ProjectError(f"parameter {name} is {value} in the grid; write finite numbers")
        if values.count(value) > 1:
            raise ProjectError(f"axis {name} of the grid has the value {value!r} more than once; leave one")
    return tuple(values)


def _size(notebook: Notebook, item: str) -> str:
    if "size" not in notebook.parameters:
        raise ProjectError(f"notebook {notebook.name} has no parameter 'size'; leave it out of the grid")
    if item not in SIZES:
        raise ProjectError(f"size is {item!r} in the grid; it is one of {', '.join(SIZES)}")
    return item


def _expand(notebook: Notebook, name: str, item: str) -> list[str]:
    """One item of the list as texts: a range as its numbers, anything else as itself."""
    takes_text = "str" in notebook.parameters[name].kinds
    found = RANGE.fullmatch(item)
    remedy = f"write first:stop in whole numbers, e.g. {name}=0:5 for 0, 1, 2, 3, 4"
    if not item:
        raise ProjectError(f"axis {name} of the grid has an empty value; write {name}=value,value, {EXAMPLE}")
    if takes_text or ":" not in item:
        return [item]
    if found is None or int(found[3] or 1) == 0:
        raise ProjectError(f"{item!r} is no range for {name}; {remedy}")
    first, stop, step = int(found[1]), int(found[2]), int(found[3] or 1)
    count = -((first - stop) // step)
    if count <= 0:
        raise ProjectError(f"range {item} of {name} is empty: the stop is left out; {remedy}")
    if count > MOST:
        raise ProjectError(f"range {item} of {name} has more than {MOST} values; sweep a part of it at a time")
    return [str(number) for number in range(first, stop, step)]
