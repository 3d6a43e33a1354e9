"""Figures about the geometry of two-layer networks, drawn from result files; style and colours are `plotting`'s."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, PLAIN, RED, SKY, Draw, canvas, styled


def draw_ellipsoids(flat: dict[str, str], solid: dict[str, str]) -> Draw:
    """Rectified ellipsoids {(A u)_+ : |u| <= 1} in the plane and in space; the dictionaries map prefixes to titles.

    Reads for `flat` PREFIX_ellipse (T, 2), PREFIX_rectified (T, 2), PREFIX_spikes (n, 2); for `solid` PREFIX_rectified
    (p, q, 3), the image of a grid on the sphere, and PREFIX_spikes (n, 3). Spikes are the neurons of a single sample.
    """

    @styled
    def draw(stored: Any) -> Figure:
        count = len(flat) + len(solid)
        figure = Figure(figsize=(3.7 * count, 3.9), layout="constrained")
        for k, (prefix, title) in enumerate({**flat, **solid}.items()):
            axes: Any = figure.add_subplot(1, count, k + 1, projection=None if prefix in flat else "3d")
            (_flat if prefix in flat else _solid)(axes, stored, prefix)
            axes.set_title(title, fontsize=10)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncol=len(handles))
        return figure

    return draw


def _flat(axes: Axes, stored: Any, prefix: str) -> None:
    ellipse, rectified, spikes = (stored[f"{prefix}_{part}"] for part in ("ellipse", "rectified", "spikes"))
    axes.plot(*ellipse.T, color="0.6", lw=1.2, label="ellipsoid {Au}")
    axes.fill(*np.vstack([rectified, [[0, 0]]]).T, color=SKY, alpha=0.35, lw=0, label="rectified ellipsoid")
    axes.plot(*rectified.T, color=BLUE, lw=2.4)
    axes.plot(*spikes.T, "o", color=RED, ms=7, label="one-sample neurons")
    axes.set(xlabel="activation on sample 1 (dimensionless)", ylabel="activation on sample 2 (dimensionless)")
    axes.set_aspect("equal")


def _solid(axes: Any, stored: Any, prefix: str) -> None:
    surface, spikes = stored[f"{prefix}_rectified"], stored[f"{prefix}_spikes"]
    x, y, z = np.moveaxis(surface, 2, 0)
    axes.plot_surface(x, y, z, color=SKY, alpha=0.55, edgecolor=BLUE, linewidth=0.15, rcount=60, ccount=60)
    axes.plot(*spikes.T, "o", color=RED, ms=6)
    for point in spikes:
        axes.plot(*np.vstack([0 * point, point]).T, color=RED, lw=1.4)
    axes.set(xlabel="sample 1", ylabel="sample 2")
    axes.set_zlabel("sample 3")
    axes.view_init(24, 40)
    axes.set_box_aspect((1, 1, 1), zoom=0.86)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_major_locator(MaxNLocator(3))


@styled
def draw_lasso_spline(stored: Any) -> Figure:
    """The spline, its rivals, and the dual constraint over all kinks.

    Reads t (n,), y (n,), grid (T,), fit (T,), fit_trained (T,), fit_kernel (T,), kinks (m,), pulls (2, T), beta.
    """
    figure, (left, right) = canvas(2, width=5.2)
    left.plot(stored["grid"], stored["fit_kernel"], color=PINK, lw=1.2, label="tangent kernel interpolant")
    left.plot(stored["grid"], stored["fit_trained"], color=ORANGE, lw=1.4, ls="--", label="best Adam run")
    left.plot(stored["grid"], stored["fit"], color=BLUE, lw=1.8, label="lasso over kinks")
    left.plot(stored["t"], stored["y"], "o", color=BLACK, ms=4, label="data")
    reach = np.abs(stored["y"]).max()
    left.set(xlabel="t (dimensionless)", ylabel="f(t) (dimensionless)", ylim=(-1.9 * reach, 1.9 * reach))
    left.legend(loc="upper center", ncol=2, fontsize=8.5)
    words = (r"$v^T(t-k)_+$", r"$v^T(k-t)_+$")
    for row, colour, word, dashes in zip(stored["pulls"], (BLUE, ORANGE), words, ("-", (0, (4, 4)))):
        right.plot(stored["grid"], row / stored["beta"], color=colour, lw=1.8, ls=dashes, label=word)
    for level in (1, -1):
        right.axhline(level, color=RED, lw=1, ls="--")
    right.plot(stored["kinks"], np.zeros(len(stored["kinks"])), "|", color=GREEN, ms=14, mew=2, label="kinks used")
    right.plot(stored["t"], np.full(len(stored["t"]), -1.35), "o", color=BLACK, ms=3)
    right.set(xlabel="kink k (dimensionless)", ylabel=r"pull over $\beta$ (dimensionless)", ylim=(-1.5, 1.9))
    right.legend(loc="upper center", ncol=3)
    return figure


def draw_regions(names: dict[str, str]) -> Draw:
    """Decision functions on a line with their exact regions, one panel a loss (prefix to title).

    Reads label_t (n,), labels (n,), label_grid (T,), PREFIX_decision (T,), PREFIX_ends (k,).
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, panels = canvas(len(names), width=4.8, height=3.1)
        t, labels, grid = stored["label_t"], stored["labels"], stored["label_grid"]
        for axes, (prefix, title) in zip(panels, names.items()):
            f, ends = stored[f"{prefix}_decision"], stored[f"{prefix}_ends"]
            edges = np.concatenate([[grid[0]], ends, [grid[-1]]])
            for low, high in pairwise(edges):
                positive = np.interp(0.5 * (low + high), grid, f) > 0
                axes.axvspan(low, high, color=SKY if positive else ORANGE, alpha=0.25, lw=0)
            axes.axhline(0, color="0.5", lw=0.8)
            axes.plot(grid, f, color=BLUE, lw=1.6)
            axes.plot(t[labels > 0], labels[labels > 0], "^", color=BLUE, ms=6, label="label +1")
            axes.plot(t[labels < 0], labels[labels < 0], "v", color=RED, ms=6, label="label -1")
            axes.set(title=title, xlabel="t (dimensionless)", xlim=(grid[0], grid[-1]))
        panels[0].set_ylabel("decision function (dimensionless)")
        handles, words = panels[0].get_legend_handles_labels()
        figure.legend(handles, words, loc="outside lower center", ncol=2)
        return figure

    return draw


@styled
def draw_cuts(stored: Any) -> Figure:
    """Cutting planes with the exact and the relaxed oracle: bounds of each, round by round.

    Reads exact_history (R, 2), relaxed_history (R', 2) with columns upper, lower; cuts_optimum.
    """
    figure, (axes,) = canvas(width=6.0, height=3.7)
    for name, colour, word in (("exact", BLUE, "exact oracle"), ("relaxed", ORANGE, "relaxed oracle (D = I)")):
        history = stored[f"{name}_history"]
        rounds = np.arange(len(history))
        axes.plot(rounds, history[:, 0], "o-", color=colour, ms=3.5, label=f"{word}: network")
        axes.plot(rounds, history[:, 1], "--", color=colour, lw=1.2, label=f"{word}: dual bound")
    axes.axhline(stored["cuts_optimum"], color=RED, lw=1.2, label="certified optimum")
    axes.set(xlabel="round (one neuron of each sign)", ylabel="objective (dimensionless)", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PLAIN)
    axes.yaxis.set_minor_formatter(PLAIN)
    axes.legend(ncol=1, fontsize=8.5)
    return figure


def draw_real(names: dict[str, str]) -> Draw:
    """Training on real data against the optimum and the relaxation, one panel a preparation (prefix to title).

    Reads NAME_steps (T,), NAME_curves (S, T), NAME_optimum, NAME_relaxed.
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, panels = canvas(len(names), width=4.7, height=3.5)
        for axes, (name, title) in zip(panels, names.items()):
            curves = np.minimum.accumulate(stored[f"{name}_curves"], axis=1)
            for row, curve in enumerate(curves):
                label = "Adam, one seed" if row == 0 else None
                axes.plot(stored[f"{name}_steps"] + 1, curve, color=SKY, lw=1, label=label)
            axes.axhline(stored[f"{name}_relaxed"], color=ORANGE, lw=2.6, label="relaxation (D = I)")
            axes.axhline(stored[f"{name}_optimum"], color=RED, lw=1.5, ls="--", label="optimum over all networks")
            low = stored[f"{name}_optimum"]
            axes.set(xscale="log", yscale="log", xlabel="full-batch step", title=title, ylim=(0.9 * low, 8 * low))
            axes.yaxis.set_major_formatter(PLAIN)
            axes.yaxis.set_minor_formatter(PLAIN)
        panels[0].set_ylabel("training objective (dimensionless)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncol=len(labels))
        return figure

    return draw
