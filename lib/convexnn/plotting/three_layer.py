"""Figures about three-layer branches, drawn from result files; style and colours are `plotting`'s."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from convexnn.plotting import BLUE, GREEN, ORANGE, RED, canvas, styled


@styled
def draw_training(stored: Any) -> Figure:
    """Runs above the certified optimum, and landscape slices, for growing numbers of branches.

    Reads branch_counts (K,), branch_runs (K, S), optimum, slice_at (T,), slices (K, T).
    """
    figure, (left, right) = canvas(2, width=4.6, height=3.5)
    counts, runs, optimum = stored["branch_counts"], stored["branch_runs"], stored["optimum"]
    for k, values in enumerate(runs):
        label = "one seed" if k == 0 else None
        left.plot(np.full(len(values), k), values, "o", mfc="none", mec=ORANGE, ms=8, label=label)
    left.axhline(optimum, color=RED, lw=1.4, ls="--", label="certified optimum")
    left.set_xticks(range(len(counts)), [str(int(k)) for k in counts])
    left.set(xlabel="branches K", ylabel="training objective (dimensionless)")
    left.legend(loc="upper right")
    for row, k, colour in zip(stored["slices"], counts, (BLUE, GREEN, ORANGE)):
        right.plot(stored["slice_at"], row, color=colour, lw=1.6, label=f"K = {int(k)}")
    right.set(xlabel="step along a random direction", ylabel="objective above its end point")
    right.xaxis.set_major_locator(MaxNLocator(5))
    right.legend(loc="upper center")
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
