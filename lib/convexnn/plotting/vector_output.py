"""Figures of the vector-output notebook, drawn from result files only; colours and style from `plotting`."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, PLAIN, RED, SKY, Draw, canvas, styled

CLASSES = (BLUE, ORANGE, GREEN)
MARKERS = ("o", "^", "s")


@styled
def draw_circle(stored: Any) -> Figure:
    """The dual constraint over the circle of directions, and what each optimal neuron says to the three outputs.

    Reads angles (T,), pulls (T,) = |v'(X u)_+|, beta, neuron_angles (m,), neuron_outputs (m, 3) with |u| = 1.
    """
    figure, (left, right) = canvas(2)
    degrees, beta = np.degrees(stored["angles"]), stored["beta"]
    at = np.degrees(stored["neuron_angles"]) % 360
    left.plot(degrees, stored["pulls"] / beta, color=BLACK, lw=1.3, label=r"$\|v^T(Xu)_+\|_2\,/\,\beta$")
    left.axhline(1, color=RED, lw=1, ls="--", label="bound")
    left.plot(at, np.ones(len(at)), "v", color=BLUE, ms=7, label="optimal neurons")
    left.set(xlabel="direction of u (degrees)", ylabel="pull of the dual vector (dimensionless)", xlim=(0, 360))
    left.set(ylim=(0, 1.28), xticks=range(0, 361, 90))
    left.legend(loc="upper center", ncol=3, fontsize=8.5, columnspacing=1.0, handlelength=1.4)
    for k, (colour, marker) in enumerate(zip(CLASSES, MARKERS)):
        right.vlines(at + 2 * (k - 1), 0, stored["neuron_outputs"][:, k], color=colour, lw=1.2)
        right.plot(at + 2 * (k - 1), stored["neuron_outputs"][:, k], marker, color=colour, ms=5, label=f"class {k + 1}")
    right.axhline(0, color="0.6", lw=0.8)
    right.set(xlabel="direction of u (degrees)", ylabel="output weight $a_k$ at $|u| = 1$ (dimensionless)")
    right.set(xlim=(0, 360), xticks=range(0, 361, 90))
    right.legend(fontsize=8.5)
    return figure


@styled
def draw_regions(stored: Any) -> Figure:
    """Decision regions of the certified optimum and of the best training run.

    Reads region_x (R,), region_y (R,), region_optimum (R, R), region_trained (R, R), spiral (n, 2), arms (n,).
    """
    figure, panels = canvas(2, width=3.9, height=3.7)
    titles = {"region_optimum": "certified optimum", "region_trained": "best training run"}
    for axes, (name, title) in zip(panels, titles.items()):
        x, y = stored["region_x"], stored["region_y"]
        axes.pcolormesh(x, y, stored[name], cmap=ListedColormap(CLASSES), alpha=0.28, vmin=0, vmax=2, rasterized=True)
        _scatter(axes, stored["spiral"], stored["arms"])
        axes.set(title=title, xlabel="$x_1$ (dimensionless)", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        axes.set_aspect("equal")
        axes.grid(False)
    panels[0].set_ylabel("$x_2$ (dimensionless)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=3)
    return figure


def _scatter(axes: Axes, points: np.ndarray, labels: np.ndarray) -> None:
    for k, (colour, marker) in enumerate(zip(CLASSES, MARKERS)):
        chosen = points[labels == k]
        axes.plot(chosen[:, 0], chosen[:, 1], marker, color=colour, ms=5, mec="white", mew=0.5, label=f"arm {k + 1}")


@styled
def draw_convergence(stored: Any) -> Figure:
    """Certified gap of column generation and excess and gap of Frank-Wolfe, round by round.

    Reads columns_history (R, 3) with columns value, lower, neurons; wolfe_history (S, 2) with columns loss, gap;
    wolfe_optimum, the optimal loss under the budget.
    """
    figure, (axes,) = canvas(width=6.2, height=3.7)
    columns, wolfe = stored["columns_history"], stored["wolfe_history"]
    gap = np.maximum(columns[:, 0] - columns[:, 1], 1e-12)
    steps = np.arange(1, len(wolfe) + 1)
    axes.plot(np.arange(1, len(gap) + 1), gap, "o-", color=BLUE, ms=4, label="column generation: certified gap")
    axes.plot(steps, wolfe[:, 1], color=ORANGE, lw=1.2, label="Frank-Wolfe: its own gap")
    axes.plot(
        steps, wolfe[:, 0] - stored["wolfe_optimum"], color=RED, lw=1.5, ls="--", label="Frank-Wolfe: true excess"
    )
    axes.set(xlabel="rounds, steps", ylabel="above the optimum (dimensionless)", xscale="log", yscale="log")
    axes.xaxis.set_major_formatter(PLAIN)
    axes.legend()
    return figure


@styled
def draw_horn(stored: Any) -> Figure:
    """The Horn instance over beta: optimum of all networks, doubly non-negative relaxation, relative difference.

    Reads horn_betas (T,), horn_optimum (T,), horn_relaxed (T,).
    """
    figure, (left, right) = canvas(2, height=3.3)
    betas, optimum, relaxed = stored["horn_betas"], stored["horn_optimum"], stored["horn_relaxed"]
    left.plot(betas, optimum, "o-", color=BLUE, ms=4, label="optimum over all networks")
    left.plot(betas, relaxed, "s--", color=ORANGE, ms=4, label="relaxation")
    left.set(xlabel=r"$\beta$ (dimensionless)", ylabel="objective (dimensionless)")
    left.legend()
    right.plot(betas, 100 * (optimum - relaxed) / optimum, "o-", color=RED, ms=4)
    right.axvline(1, color=GREEN, ls=":", lw=1.5, label="above: zero is optimal")
    right.set(xlabel=r"$\beta$ (dimensionless)", ylabel="relaxation below the optimum (%)")
    right.set_ylim(bottom=0)
    right.legend()
    return figure


@styled
def draw_threshold(stored: Any) -> Figure:
    """Soft-thresholded singular values against the exact optimum, in and out of the class with non-negative factors.

    Reads ratio_inside (T,), ratio_outside (T,): soft-threshold value over the certified optimum; ratio_betas (T,).
    """
    figure, (axes,) = canvas(width=6.0, height=3.5)
    betas = stored["ratio_betas"]
    axes.plot(betas, stored["ratio_inside"], "o-", color=BLUE, ms=4, label="one-hot targets (non-negative factors)")
    axes.plot(betas, stored["ratio_outside"], "s--", color=ORANGE, ms=4, label="Gaussian targets (mixed signs)")
    axes.axhline(1, color=RED, lw=1, zorder=1)
    axes.set(xlabel=r"$\beta$ (dimensionless)", ylabel="soft threshold / optimum (dimensionless)")
    axes.set_ylim(top=1.015)
    axes.legend(loc="lower right")
    return figure


@styled
def draw_real(stored: Any) -> Figure:
    """Gradient training against the certified optimum on real images: whitened rows, and two components with a bias.

    Reads NAME_steps (T,), NAME_curves (S, T), NAME_optimum for NAME in white, plane.
    """
    figure, panels = canvas(2, width=4.6, height=3.5)
    titles = {"white": "10 digits, whitened rows", "plane": "3 digits, two components and a bias"}
    for axes, (name, title) in zip(panels, titles.items()):
        optimum = stored[f"{name}_optimum"]
        curves = np.minimum.accumulate(stored[f"{name}_curves"], axis=1)
        for row, curve in enumerate(curves):
            label = "Adam, one seed" if row == 0 else None
            axes.plot(stored[f"{name}_steps"] + 1, curve, color=SKY, lw=1.1, label=label)
        axes.axhline(optimum, color=RED, lw=1.5, ls="--", label="optimum over all networks")
        axes.set(xscale="log", yscale="log", xlabel="full-batch step", title=title, ylim=(0.9 * optimum, 8 * optimum))
        axes.yaxis.set_major_formatter(PLAIN)
        axes.yaxis.set_minor_formatter(PLAIN)
    panels[0].set_ylabel("training objective (dimensionless)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=2)
    return figure


def draw_prototypes(count: int) -> Draw:
    """The first-layer weights of the closed form as pictures, one neuron a class.

    Reads prototypes (count, 28, 28).
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, panels = canvas(count // 2, 2, width=1.25, height=1.35)
        pictures = stored["prototypes"]
        for k, (axes, picture) in enumerate(zip(panels, pictures)):
            size = np.abs(picture).max()
            axes.imshow(picture, cmap="PuOr_r", vmin=-size, vmax=size)
            axes.set_title(f"digit {k}", fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(False)
        return figure

    return draw


@styled
def draw_values(stored: Any) -> Figure:
    """Random instances: distance of each method's value from the certified optimum, per instance.

    Reads instance_columns, instance_copositive, instance_decoded, instance_gated, instance_moments, all (T,).
    """
    figure, (axes,) = canvas(width=6.6, height=3.6)
    optimum = stored["instance_columns"]
    at = np.arange(1, len(optimum) + 1)
    series = (
        ("instance_decoded", "decoded network", "o", BLUE),
        ("instance_copositive", "copositive relaxation", "x", BLACK),
        ("instance_moments", "moments, no patterns", "s", GREEN),
        ("instance_gated", "nuclear norm, no cones", "v", PINK),
    )
    for name, word, marker, colour in series:
        axes.plot(
            at, stored[name] / optimum, marker, color=colour, ms=6, mfc="none" if marker == "o" else colour, label=word
        )
    axes.axhline(1, color=RED, lw=1, label="certified optimum")
    axes.set(xlabel="random instance (rank two)", ylabel="value / optimum (dimensionless)", xticks=at)
    axes.set_ylim(0, 1.1)
    axes.legend(loc="lower left", bbox_to_anchor=(1.0, 0.3))
    return figure
