"""Figures about path regularisation, drawn from result files; style and colours are `plotting`'s."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, Draw, canvas, styled


def draw_regions(names: dict[str, str], points_name: str = "spiral") -> Draw:
    """Decision regions side by side; `names` maps the stored (R, R) signs to titles.

    Reads grid_x (R,), grid_y (R,), arms (n,), the points (n, 2) under `points_name`, and the names.
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, panels = canvas(len(names), width=2.9, height=3.3)
        x, y, arms = stored["grid_x"], stored["grid_y"], stored["arms"]
        for axes, (name, title) in zip(panels, names.items()):
            axes.pcolormesh(
                x, y, stored[name], cmap=ListedColormap([ORANGE, BLUE]), alpha=0.3, vmin=-1, vmax=1, rasterized=True
            )
            for label, colour, mark in ((1, BLUE, "o"), (-1, ORANGE, "s")):
                points = stored[points_name][arms == label]
                axes.plot(*points.T, mark, color=colour, ms=4, mec="white", mew=0.4, label=f"arm y = {label:+d}")
            axes.set(title=title, xlabel="$x_1$ (dimensionless)", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
            axes.set_aspect("equal")
            axes.grid(False)
        panels[0].set_ylabel("$x_2$ (dimensionless)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncol=2)
        return figure

    return draw


@styled
def draw_bounds(stored: Any) -> Figure:
    """Left: sampled groups against the optimum. Right: low-rank values between P* and the proved bound.

    Reads counts (T,), sampled (T,), all_groups; sigmas (S,), exact (S,), low (S,), bound (S,).
    """
    figure, (left, right) = canvas(2, width=4.4, height=3.4)
    left.semilogx(stored["counts"], stored["sampled"], "o-", color=BLUE, label="sampled branches")
    left.axhline(stored["all_groups"], color=BLACK, ls="--", lw=1.3, label="all groups")
    left.set(xlabel="branches drawn", ylabel="optimal value (dimensionless)")
    left.legend(loc="upper right")
    order = np.argsort(stored["sigmas"])
    for name, colour, mark, label in (
        ("bound", ORANGE, "^-", "proved bound"),
        ("low", BLUE, "o-", "low-rank program"),
        ("exact", GREEN, "s--", "exact program"),
    ):
        right.plot(stored["sigmas"][order], stored[name][order], mark, color=colour, label=label)
    right.set(xlabel=r"left-out singular value $\sigma$", ylabel="optimal value (dimensionless)")
    right.legend(loc="upper left")
    return figure
