"""One slider over one figure, for a reader at a live notebook; everywhere else the figure at one value of it.

A run of the pipeline, a page on disk and a machine without ipywidgets show the static picture, so stored outputs hold
no widget and need none.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure


def slider(draw: Callable[[float], Figure], name: str, values: Sequence[float], start: float) -> None:
    """Show `draw(start)`, and at a live notebook a slider called `name` over `values` that draws anew.

    Raises ValueError unless `start` is one of `values`.
    """
    if start not in values:
        raise ValueError(f"start is {start}; it must be one of the values {', '.join(f'{v:g}' for v in values)}")
    if not is_live():
        _show(draw(start))
        return
    widgets: Any = importlib.import_module("ipywidgets")
    options = [(f"{value:g}", value) for value in values]
    control = widgets.SelectionSlider(options=options, value=start, description=name, continuous_update=False)
    widgets.interact(lambda value: _show(draw(value)), value=control)


def is_live() -> bool:
    """A kernel with ipywidgets that no run of the pipeline has started."""
    if "CONVEXNN_RESULT_DIR" in os.environ or importlib.util.find_spec("ipywidgets") is None:
        return False
    shell: Any = importlib.import_module("IPython").get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _show(figure: Figure) -> None:
    from IPython.display import Image, display

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight")
    display(Image(buffer.getvalue(), width=int(96 * figure.get_figwidth())))
