"""Figures of an estimator's regularisation path, drawn from `RegularisationPath.arrays()` or a result file."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, RED, canvas, styled

#: Gaps below this are drawn at it.
SMALLEST = 1e-8


@styled
def draw_regularisation_path(stored: Any) -> Figure:
    """Optimum and neurons along beta, the judged gap of every point, and the held-out errors where there are any.

    Reads reg_betas, reg_values, reg_gaps, reg_neurons (K,), and with cross-validation reg_errors (K, folds),
    reg_error_name, reg_best, reg_simplest.
    """
    held_out = _has(stored, "reg_errors")
    figure, panels = canvas(3 if held_out else 2, width=4.4)
    betas = np.asarray(stored["reg_betas"])
    panels[0].plot(betas, stored["reg_values"], "o-", color=BLUE, ms=4)
    panels[0].set_ylabel("optimal value (dimensionless)", color=BLUE)
    neurons = panels[0].twinx()
    neurons.plot(betas, stored["reg_neurons"], "s--", color=ORANGE, ms=4)
    neurons.set_ylabel("neurons", color=ORANGE)
    neurons.yaxis.set_major_locator(MaxNLocator(integer=True))
    neurons.grid(False)
    panels[1].plot(betas, np.maximum(stored["reg_gaps"], SMALLEST), "o-", color=GREEN, ms=4)
    panels[1].set(ylabel="relative gap, judged (dimensionless)", yscale="log")
    if held_out:
        _draw_errors(panels[2], stored, betas)
    for axes in panels:
        axes.set(xlabel=r"$\beta$ (dimensionless)", xscale="log" if len(betas) > 1 else "linear")
    return figure


def _draw_errors(axes: Axes, stored: Any, betas: Any) -> None:
    errors = np.asarray(stored["reg_errors"])
    axes.plot(betas, errors, color="0.75", lw=0.8)
    axes.plot(betas, errors.mean(axis=1), "o-", color=BLACK, ms=4, label="mean of the folds")
    best, simplest = int(stored["reg_best"]), int(stored["reg_simplest"])
    axes.axvline(betas[best], color=RED, lw=1.4, label="smallest error")
    axes.axvline(betas[simplest], color=BLUE, lw=1.4, ls="--", label="largest within a standard error")
    axes.set_ylabel(str(stored["reg_error_name"]))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8)


def _has(stored: Any, name: str) -> bool:
    return name in getattr(stored, "arrays", stored)
