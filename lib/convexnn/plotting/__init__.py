"""Figures, drawn from result files only. Okabe-Ito colours, which survive colour blindness and grey printing.

Every `draw_*` takes a stored result (`stored["name"]` is a number or an array) and returns a matplotlib Figure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip

STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "pdf.fonttype": 42,
}

Draw = Callable[[Any], Figure]
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def styled(draw: Draw) -> Draw:
    """Run a drawing function under the project's style."""

    def wrapped(stored: Any) -> Figure:
        with rc_context(STYLE):
            return draw(stored)

    wrapped.__name__, wrapped.__doc__ = draw.__name__, draw.__doc__
    return wrapped


def canvas(columns: int = 1, rows: int = 1, width: float = 4.6, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """An empty figure and its axes in reading order."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, list(np.atleast_1d(np.array(figure.subplots(rows, columns))).reshape(-1))


@styled
def draw_dual_function(stored: Any) -> Figure:
    """The dual constraint over the circle of directions, and the neurons where it is active.

    Reads angles (T,), dual_function (T,) = v'(X u)_+, beta, neuron_angles (m,), neuron_signs (m,), X (n, 2),
    neurons (m, 2) with the length of their strength.
    """
    figure, (left, right) = canvas(2)
    degrees = np.degrees(stored["angles"])
    beta = stored["beta"]
    left.plot(degrees, stored["dual_function"] / beta, color=BLACK, lw=1.4)
    for level in (1, -1):
        left.axhline(level, color=RED, lw=1, ls="--")
    signs = stored["neuron_signs"]
    for sign, colour, marker, word in ((1, BLUE, "^", "output weight > 0"), (-1, ORANGE, "v", "output weight < 0")):
        chosen = signs == sign
        at = np.degrees(stored["neuron_angles"][chosen]) % 360
        left.plot(at, np.full(chosen.sum(), sign), marker, color=colour, ms=8, label=word)
    left.set(xlabel="direction of u (degrees)", ylabel=r"$v^T(Xu)_+\,/\,\beta$ (dimensionless)", xlim=(0, 360))
    left.set_xticks(range(0, 361, 90))
    left.legend(loc="upper center", bbox_to_anchor=(0.5, 1.17), ncol=2)
    _draw_neurons(right, stored)
    return figure


def _draw_neurons(axes: Axes, stored: Any) -> None:
    X, neurons, signs = stored["X"], stored["neurons"], stored["neuron_signs"]
    axes.scatter(X[:, 0], X[:, 1], s=18, color="0.55", label="data", zorder=2)
    longest = np.linalg.norm(neurons, axis=1).max()
    reach = 0.9 * np.linalg.norm(X, axis=1).max() / longest
    for u, sign in zip(neurons * reach, signs):
        colour = BLUE if sign > 0 else ORANGE
        axes.annotate("", u, (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.8}, zorder=3)
    limit = 1.1 * np.abs(np.vstack([X, neurons * reach])).max()
    axes.set(xlabel="$x_1$ (dimensionless)", ylabel="$x_2$ (dimensionless)", xlim=(-limit, limit), ylim=(-limit, limit))
    axes.set_aspect("equal")
    axes.set_title("learned directions, length = strength", fontsize=10)


@styled
def draw_widths(stored: Any) -> Figure:
    """Best, median and worst training run against the certified optimum as the width grows.

    Reads widths (W,), trained (W, S), value, lower, minimum_width, n.
    """
    figure, (axes,) = canvas(width=6.2, height=3.6)
    widths, runs, value = stored["widths"], stored["trained"], stored["value"]
    for row, (width, objective) in enumerate(zip(widths, runs)):
        axes.scatter(np.full(len(objective), width), objective, s=14, color=SKY, label="one seed" if row == 0 else None)
    axes.plot(widths, runs.min(1), "o-", color=BLUE, ms=5, label="best seed")
    axes.axhline(value, color=RED, lw=1.6, label="certified optimum")
    axes.axvline(stored["minimum_width"], color=GREEN, ls=":", lw=1.8, label="neurons after pruning")
    axes.set(xlabel="width m (neurons)", ylabel="training objective (dimensionless)", xscale="log")
    axes.set_xticks(widths, [str(int(w)) for w in widths])
    axes.minorticks_off()
    span = np.quantile(runs, 0.9) - value
    axes.set_ylim(value - 0.08 * span, value + 1.4 * span)
    axes.legend()
    return figure


@styled
def draw_spline(stored: Any) -> Figure:
    """One-dimensional fits with the two kinds of bias. Reads spline_x, spline_y, grid, fit_free, fit_penalised."""
    figure, (axes,) = canvas(width=5.6)
    axes.plot(stored["grid"], stored["fit_free"], color=BLUE, label="unregularised bias")
    axes.plot(stored["grid"], stored["fit_penalised"], color=ORANGE, ls="--", label="regularised bias")
    axes.plot(stored["spline_x"], stored["spline_y"], "o", color=BLACK, label="data")
    axes.set(xlabel="x (dimensionless)", ylabel="f(x) (dimensionless)")
    axes.set_ylim(top=axes.get_ylim()[1] + 0.9)
    axes.legend(loc="upper center", ncol=1)
    return figure


@styled
def draw_sampling(stored: Any) -> Figure:
    """Sampled programs between the gated bound and the optimum.

    Reads draws (K,), sampled (K, S), gated (K, S), value, pattern_count.
    """
    figure, (axes,) = canvas(width=5.8)
    draws, value = stored["draws"], stored["value"]
    for name, colour, word in (
        ("sampled", BLUE, "ReLU program, sampled patterns"),
        ("gated", ORANGE, "gated program, same patterns"),
    ):
        values = stored[name]
        axes.fill_between(draws, values.min(1), values.max(1), color=colour, alpha=0.2, lw=0)
        axes.plot(draws, np.median(values, axis=1), "o-", color=colour, ms=4, label=word)
    axes.axhline(value, color=RED, lw=1.6, label=f"all {int(stored['pattern_count'])} patterns: certified optimum")
    axes.set(xlabel="Gaussian gates drawn", ylabel="optimal value (dimensionless)", xscale="log", yscale="log")
    axes.set_xticks(draws, [str(int(count)) for count in draws])
    axes.yaxis.set_minor_formatter(PLAIN)
    axes.yaxis.set_major_formatter(PLAIN)
    axes.legend()
    return figure


def draw_training(names: list[str]) -> Draw:
    """Training curves on real data against the sampled program's certified optimum, one panel a data set.

    Reads for every NAME: NAME_iterations (T,), NAME_curves (S, T), NAME_program, NAME_network_lower.
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, panels = canvas(len(names), width=3.9, height=3.5)
        for axes, name in zip(panels, names):
            curves = np.minimum.accumulate(stored[f"{name}_curves"], axis=1)
            steps = stored[f"{name}_iterations"] + 1
            for row, curve in enumerate(curves):
                axes.plot(steps, curve, color=SKY, lw=1, label="Adam, one seed" if row == 0 else None)
            axes.axhline(stored[f"{name}_program"], color=RED, lw=1.6, label="sampled program, certified optimum")
            axes.axhline(
                stored[f"{name}_network_lower"], color=GREEN, lw=1.6, ls="--", label="lower bound, all patterns"
            )
            axes.set(xscale="log", yscale="log", xlabel="full-batch step", title=name.replace("_", " "))
            axes.yaxis.set_major_formatter(PLAIN)
            axes.yaxis.set_minor_formatter(NullFormatter())
        panels[0].set_ylabel("training objective (dimensionless)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncol=len(labels))
        return figure

    return draw


@styled
def draw_images(stored: Any) -> Figure:
    """The strongest neurons of a network on images. Reads neuron_images (K, h, w), neuron_weights (K,)."""
    images, weights = stored["neuron_images"], stored["neuron_weights"]
    figure, panels = canvas(len(images) // 2, 2, width=1.5, height=1.75)
    for axes, image, weight in zip(panels, images, weights):
        limit = np.abs(image).max()
        axes.imshow(image, cmap="PuOr", vmin=-limit, vmax=limit)
        axes.set_title(f"{weight:+.2f}", fontsize=9)
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        for side in axes.spines.values():
            side.set_visible(False)
    return figure


@styled
def draw_gap(stored: Any) -> Figure:
    """The certified gap of a solver against time. Reads gap_times_s (K,), gaps (K,)."""
    figure, (axes,) = canvas()
    axes.plot(stored["gap_times_s"], np.maximum(stored["gaps"], 1e-16), "o-", color=BLUE, ms=4)
    axes.set(xlabel="time (s)", ylabel="relative gap (dimensionless)", yscale="log")
    return figure
