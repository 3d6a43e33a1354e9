"""Figures about one data set and the networks trained on it, drawn from result files only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, Draw, canvas, styled

#: Per cent; smaller excesses are drawn here.
SMALLEST = 1e-4


def draw_certificate(names: Sequence[str], titles: Sequence[str] = ()) -> Draw:
    """The objective of each network between its bounds, one row a network; on the right the networks alone.

    Reads for every NAME: NAME_objective, NAME_rebalanced, NAME_best, NAME_lower, NAME_program (may be NaN).
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, panels = canvas(2, width=4.9, height=1.7 + 0.5 * len(names))
        for axes in panels:
            for row, name in enumerate(names):
                _interval(axes, stored, name, len(names) - 1 - row)
            axes.set(xlabel="training objective (dimensionless)", ylim=(-0.6, len(names) - 0.4))
            axes.grid(axis="y", visible=False)
            axes.locator_params(axis="x", nbins=4)
        panels[0].set_yticks(range(len(names)), list(reversed(titles or [name.replace("_", " ") for name in names])))
        panels[1].set_yticks(range(len(names)), [""] * len(names))
        shown = [float(stored[f"{name}_{part}"]) for name in names for part in ("objective", "rebalanced", "best")]
        span = max(max(shown) - min(shown), 1e-6 * abs(max(shown)))
        panels[1].set_xlim(min(shown) - 0.25 * span, max(shown) + 0.15 * span)
        panels[0].set_title("all of it", fontsize=10)
        panels[1].set_title("the networks alone", fontsize=10)
        handles, labels = panels[0].get_legend_handles_labels()
        once = dict(zip(labels, handles))
        figure.legend(list(once.values()), list(once), loc="outside lower center", ncol=3, fontsize=9)
        return figure

    return draw


def _interval(axes: Axes, stored: Any, name: str, y: int) -> None:
    """The global optimum lies on the green line; the dots are networks."""
    lower, best, program = (float(stored[f"{name}_{part}"]) for part in ("lower", "best", "program"))
    axes.plot(
        [lower, best], [y, y], color=GREEN, lw=7, alpha=0.45, solid_capstyle="butt", label="global optimum lies here"
    )
    axes.plot(lower, y, "|", color=GREEN, ms=18, mew=2.5, label="no network below")
    if np.isfinite(program):
        axes.plot(program, y, "x", color=PINK, ms=7, mew=2, label="none below with its own patterns")
    axes.plot(best, y, "D", color=BLUE, ms=7, label="best network found")
    axes.plot(
        float(stored[f"{name}_rebalanced"]), y, "s", color=SKY, ms=7, mfc="none", mew=1.8, label="after rebalancing"
    )
    axes.plot(float(stored[f"{name}_objective"]), y, "o", color=RED, ms=8, label="the network as it is")


def draw_scores(losers: Sequence[str], winner: str, score: str) -> Draw:
    """Test score of every method on every split, and the mean. Reads scores_NAME (splits,) and mean_NAME."""

    @styled
    def draw(stored: Any) -> Figure:
        names = [winner, *losers]
        figure, (axes,) = canvas(width=6.8, height=1.3 + 0.42 * len(names))
        for row, name in enumerate(reversed(names)):
            values = np.asarray(stored[f"scores_{name}"])
            colour = BLUE if name == winner else ORANGE
            axes.plot(values, np.full(len(values), row), "o", color=colour, alpha=0.55, ms=5)
            axes.plot(float(stored[f"mean_{name}"]), row, "|", color=BLACK, ms=16, mew=2.5)
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in reversed(names)])
        axes.set(xlabel=f"{score} on held-out rows; a dot a split, the bar their mean (dimensionless)")
        axes.grid(axis="y", visible=False)
        return figure

    return draw


@styled
def draw_descent(stored: Any) -> Figure:
    """How far Adam and the plain loop stay above the best network, and how far that may be above the optimum.

    Reads adam_iterations (T,), adam_curves (S, T), loop_objective, loop_best, loop_lower.
    """
    figure, (axes,) = canvas(width=6.2, height=3.6)
    best, lower = float(stored["loop_best"]), float(stored["loop_lower"])
    curves = 100 * (np.minimum.accumulate(stored["adam_curves"], axis=1) / best - 1)
    for row, curve in enumerate(curves):
        label = "Adam, one seed" if row == 0 else None
        axes.plot(stored["adam_iterations"] + 1, np.maximum(curve, SMALLEST), color=SKY, lw=1, label=label)
    loop = max(SMALLEST, 100 * (float(stored["loop_objective"]) / best - 1))
    axes.axhline(loop, color=RED, lw=1.4, ls="--", label="the plain loop's network")
    axes.set(xscale="log", yscale="log", xlabel="full-batch step", ylabel="above the best network found (%)")
    most = 100 * (best / lower - 1) if lower > 0 else np.inf
    axes.set_title(f"the best network found is at most {most:.3g} % above the global optimum", fontsize=10)
    axes.legend(fontsize=9)
    return figure
