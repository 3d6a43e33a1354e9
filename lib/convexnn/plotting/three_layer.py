"""Figures about three-layer branches, drawn from result files; style and colours are `plotting`'s."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from convexnn.plotting import BLUE, GREEN, ORANGE, RED, canvas, styled


@styled
def draw_training(stored: Any) -> Figure:
    """Runs above the certified optimum, and the share of negative second differences, for growing numbers of branches.

    Reads branch_counts (K,), branch_runs (K, S), optimum, shares (K,).
    """
    figure, (left, right) = canvas(2, width=4.6, height=3.5)
    counts = stored["branch_counts"]
    _draw_runs(left, counts, stored["branch_runs"])
    left.axhline(stored["optimum"], color=RED, lw=1.4, ls="--", label="certified optimum")
    left.set(ylabel="training objective (dimensionless)")
    left.legend(loc="center right")
    right.plot(range(len(counts)), stored["shares"], "s-", color=BLUE)
    right.set_xticks(range(len(counts)), [str(int(k)) for k in counts])
    right.set(xlabel="branches K", ylabel="share of negative second differences", ylim=(0, None))
    return figure


def _draw_runs(axes: Axes, counts: Any, runs: Any) -> None:
    for k, values in enumerate(runs):
        label = "one seed" if k == 0 else None
        axes.plot(np.full(len(values), k), values, "o", mfc="none", mec=ORANGE, ms=8, label=label)
    axes.set_xticks(range(len(counts)), [str(int(k)) for k in counts])
    axes.set_xlabel("branches K")


@styled
def draw_landscape(stored: Any) -> Figure:
    """Objectives above their end points on random planes. Reads branch_counts (K,), plane_at (T,), planes (K, T, T)."""
    counts, at, planes = stored["branch_counts"], stored["plane_at"], stored["planes"]
    figure, panels = canvas(len(counts), width=2.7, height=3.2)
    for axes, count, values in zip(panels, counts, planes):
        height, levels = np.clip(values / values.max(), 0, 1), np.linspace(0, 1, 15)
        shown = axes.contourf(at, at, height, levels=levels)
        axes.contour(at, at, height, levels=levels, colors="white", linewidths=0.4)
        axes.plot(0, 0, "o", color=ORANGE, ms=6, mec="white")
        axes.set(title=f"K = {int(count)}", xlabel="first direction", xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        axes.set_aspect("equal")
        axes.grid(False)
    panels[0].set_ylabel("second direction")
    figure.colorbar(shown, ax=panels, label="rise, share of the largest", ticks=(0, 0.5, 1), shrink=0.8)
    return figure


@styled
def draw_real(stored: Any) -> Figure:
    """Left: runs on real rows against the program. Right: the program over the rounds that add groups.

    Reads branch_counts (K,), real_runs (K, S), real_momentum (S,), real_program (R,).
    """
    figure, (left, right) = canvas(2, width=4.6, height=3.5)
    _draw_runs(left, stored["branch_counts"], stored["real_runs"])
    last = np.full(len(stored["real_momentum"]), len(stored["branch_counts"]) - 1)
    left.plot(last + 0.15, stored["real_momentum"], "^", mfc="none", mec=GREEN, ms=7, label="one seed, momentum")
    for axes in (left, right):
        axes.set_ylabel("regularised logistic loss")
    left.axhline(stored["real_program"][-1], color=RED, ls="--", lw=1.4, label="program, last round")
    left.legend(loc="upper right")
    right.plot(range(1, len(stored["real_program"]) + 1), stored["real_program"], "o-", color=BLUE)
    right.set_xlabel("rounds of added groups")
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.yaxis.set_major_locator(MaxNLocator(5))
    return figure


@styled
def draw_sampling(stored: Any) -> Figure:
    """The value over the number of sampled branches. Reads draws (S,), sampled (S,), optimum."""
    figure, (axes,) = canvas(width=5.2, height=3.3)
    axes.semilogx(stored["draws"], stored["sampled"], "o-", color=BLUE, label="sampled groups")
    axes.axhline(stored["optimum"], color=RED, ls="--", lw=1.4, label="all groups")
    axes.set(xlabel="sampled branches", ylabel="value of the program (dimensionless)")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.legend(loc="upper right")
    return figure
