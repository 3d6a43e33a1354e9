"""Figures about the geometry of two-layer networks, drawn from result files; style and colours are `plotting`'s."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from scipy.spatial import ConvexHull

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, YELLOW, Draw, canvas, styled


def draw_ellipsoids(flat: dict[str, str], solid: dict[str, str]) -> Draw:
    """Rectified ellipsoids {(A u)_+ : |u| <= 1} in the plane and in space; the dictionaries map prefixes to titles.

    Reads for `flat` PREFIX_ellipse (T, 2), PREFIX_hull (H, 2), PREFIX_spikes (n, 2); for `solid` PREFIX_ellipse
    (p, q, 3), the image A u of a grid on the sphere, and PREFIX_spikes (n, 3), the neurons of a single sample.
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure = Figure(figsize=(9.2, 8.6), layout="constrained")
        for k, (prefix, title) in enumerate({**flat, **solid}.items()):
            axes: Any = figure.add_subplot(2, 2, k + 1, projection=None if prefix in flat else "3d")
            (_flat if prefix in flat else _solid)(axes, stored, prefix)
            axes.set_title(title, fontsize=11)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        wall = Patch(facecolor=YELLOW, edgecolor=ORANGE)
        figure.legend([*handles, wall], [*labels, "folded onto a wall"], loc="outside lower center", ncol=3)
        return figure

    return draw


def _flat(axes: Axes, stored: Any, prefix: str) -> None:
    ellipse, edge, spikes = (stored[f"{prefix}_{part}"] for part in ("ellipse", "hull", "spikes"))
    rectified = np.maximum(ellipse, 0)
    axes.plot(*ellipse.T, color="0.6", lw=1.2, label="ellipsoid {Au}")
    axes.fill(*np.vstack([rectified, [[0, 0]]]).T, color=SKY, alpha=0.35, lw=0, label="rectified ellipsoid Q")
    axes.plot(*rectified.T, color=BLUE, lw=2.4)
    axes.plot(*edge.T, color=GREEN, lw=1.6, ls="--", label="hull of Q and -Q: the unit ball of the fit")
    axes.plot(*spikes.T, "o", color=RED, ms=7, label="one-sample neurons")
    axes.set(xlabel="activation on sample 1 (dimensionless)", ylabel="activation on sample 2 (dimensionless)")
    axes.set_aspect("equal")


def _solid(axes: Any, stored: Any, prefix: str) -> None:
    """The cap where all samples are active, the three walls on which one is not, and the spikes along the edges."""
    ellipse, spikes = stored[f"{prefix}_ellipse"], stored[f"{prefix}_spikes"]
    axes.computed_zorder = False  # walls, then spikes, then the cap in front of both
    for k in range(3):
        points = np.maximum(ellipse[ellipse[..., k] <= 0], 0)
        points[:, k] = 0
        others = np.delete(np.vstack([points, np.zeros((1, 3))]), k, axis=1)
        corners = np.insert(others[ConvexHull(others).vertices], k, 0, axis=1)
        wall = Poly3DCollection([corners], facecolor=YELLOW, alpha=0.7, edgecolor=ORANGE, lw=1.2, zorder=1)
        axes.add_collection3d(wall)
    for point in spikes:
        axes.plot(*np.vstack([0 * point, point]).T, color=RED, lw=2.2, zorder=2)
    cap = np.maximum(np.where((ellipse >= -0.02).all(2)[..., None], ellipse, np.nan), 0)
    fine = {"linewidth": 0.1, "rcount": 100, "ccount": 100, "shade": False, "zorder": 3}
    axes.plot_surface(*np.moveaxis(cap, 2, 0), color=SKY, alpha=0.9, edgecolor=BLUE, **fine)
    axes.plot(*spikes.T, "o", color=RED, ms=7, zorder=4)
    top = 1.02 * spikes.max()
    axes.set(xlabel="sample 1", ylabel="sample 2", xlim=(0, top), ylim=(0, top), zlim=(0, top))
    axes.set_zlabel("sample 3")
    axes.set(xticks=(0, 0.5), yticks=(0.5, 1), zticks=(0, 0.5, 1))
    axes.view_init(24, 45)
    axes.set_box_aspect((1, 1, 1), zoom=0.95)


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
def draw_plane(stored: Any) -> Figure:
    """Decision regions of the certified network and of the tangent kernel, with the lines on which neurons break.

    Reads plane_X (n, 2), plane_labels (n,), plane_axis (T,), plane_network (T, T), plane_kernel (T, T) with rows along
    x_2, plane_neurons (m, 3) holding u and b, plane_touched (n,) 1 where a kink runs through the sample.
    """
    figure, panels = canvas(2, width=4.6, height=4.4)
    X, labels, axis = stored["plane_X"], stored["plane_labels"], stored["plane_axis"]
    for axes, name, title in zip(
        panels, ("network", "kernel"), ("certified network, hinge loss", "tangent kernel, ridge")
    ):
        values = stored[f"plane_{name}"]
        axes.contourf(axis, axis, values, levels=[-1e9, 0, 1e9], colors=[ORANGE, SKY], alpha=0.3)
        axes.contour(axis, axis, values, levels=[0], colors=[BLUE], linewidths=2)
        axes.plot(*X[labels > 0].T, "^", color=BLUE, ms=6, label="label +1")
        axes.plot(*X[labels < 0].T, "v", color=RED, ms=6, label="label -1")
        axes.set(title=title, xlabel="$x_1$ (dimensionless)", xlim=axis[[0, -1]], ylim=axis[[0, -1]], aspect="equal")
        axes.grid(False)
    for k, (one, two, b) in enumerate(stored["plane_neurons"]):
        foot, along = -b * np.array([one, two]) / (one**2 + two**2), np.array([-two, one])
        line = foot + np.array([[-99.0], [99.0]]) * along / np.linalg.norm(along)
        panels[0].plot(*line.T, color="0.45", lw=0.9, ls="--", label="a neuron breaks" if k == 0 else None)
    touched = stored["plane_touched"] > 0
    panels[0].plot(*X[touched].T, "o", mfc="none", mec=BLACK, ms=12, label="sample on a kink")
    panels[0].set_ylabel("$x_2$ (dimensionless)")
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncol=4)
    return figure


@styled
def draw_cuts(stored: Any) -> Figure:
    """Cutting planes with the exact and the relaxed oracle: bounds round by round, and what is left to the optimum.

    Reads exact_history (R, 2), relaxed_history (R', 2) with columns upper, lower; cuts_optimum.
    """
    figure, (left, right) = canvas(2, width=4.8, height=3.7)
    best = stored["cuts_optimum"]
    for name, colour, word in (("exact", BLUE, "exact oracle"), ("relaxed", ORANGE, "relaxed oracle (D = I)")):
        upper, lower = stored[f"{name}_history"].T
        rounds = np.arange(len(upper))
        left.plot(rounds, upper, "o-", color=colour, ms=3.5, label=f"{word}: network")
        left.plot(rounds, lower, "--", color=colour, lw=1.4, label=f"{word}: dual bound")
        right.plot(rounds, np.maximum(upper / best - 1, 1e-9), "o-", color=colour, ms=3.5, label=word)
    left.axhline(best, color=RED, lw=1.2, label="certified optimum")
    left.set(xlabel="round", ylabel="objective (dimensionless)", ylim=(0, None))
    right.set(xlabel="round", ylabel="excess over the optimum (relative)", yscale="log")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, words = left.get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncol=3, fontsize=9)
    return figure


#: Excess below this is drawn at this height: the certificates of real data end near it.
FLOOR = 1e-6


def draw_real(names: dict[str, str]) -> Draw:
    """How far training and the relaxation stay above the optimum on real data, one panel a problem (prefix to title).

    Reads NAME_steps (T,), NAME_curves (S, T), NAME_optimum, and NAME_relaxed where there is a relaxation.
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, panels = canvas(len(names), width=3.7, height=3.6)
        for axes, (name, title) in zip(panels, names.items()):
            best = stored[f"{name}_optimum"]
            excess = np.minimum.accumulate(stored[f"{name}_curves"], axis=1) / best - 1
            for row, curve in enumerate(excess):
                label = "Adam, one seed" if row == 0 else None
                axes.plot(stored[f"{name}_steps"] + 1, np.maximum(curve, FLOOR), color=SKY, lw=1.2, label=label)
            if f"{name}_relaxed" in stored.numbers:
                above = max(stored[f"{name}_relaxed"] / best - 1, FLOOR)
                axes.axhline(above, color=ORANGE, lw=2.2, label="relaxation (D = I)")
            axes.axhline(FLOOR, color=RED, lw=1.5, ls="--", label="certified optimum (excess 0, drawn at 1e-6)")
            axes.set(xscale="log", yscale="log", xlabel="full-batch step", title=title, ylim=(FLOOR / 2, 20))
        panels[0].set_ylabel("excess over the optimum (relative)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncol=len(labels))
        return figure

    return draw
