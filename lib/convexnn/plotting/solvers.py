"""Figures about solvers, drawn from result files only; style and colours are those of `plotting`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, Draw, canvas, styled

#: One colour and one marker for each solver in every figure.
LOOKS = {
    "interior": (BLUE, "o"),
    "fista": (ORANGE, "s"),
    "admm": (GREEN, "^"),
    "Clarabel": (BLACK, "D"),
    "adam": (SKY, "v"),
}
SMALLEST = 1e-10


def draw_race(panels: dict[str, str], solvers: Sequence[str]) -> Draw:
    """The judged gap against time, one panel a program; a point is one run with one tolerance.

    panels maps the prefix of the stored names to a title. Reads PREFIX_SOLVER_times_s (K,) and PREFIX_SOLVER_gaps (K,)
    for the solvers that are there, and target.
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, axes = canvas(len(panels))
        for panel, (prefix, title) in zip(axes, panels.items()):
            _race(panel, stored, prefix, solvers)
            panel.set(title=title, xlabel="time (s)", xscale="log", yscale="log")
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.axhline(stored["target"], color=RED, lw=1, ls="--")
        axes[0].set_ylabel("relative gap, judged (dimensionless)")
        handles = {str(h.get_label()): h for panel in axes for h in panel.get_legend_handles_labels()[0]}
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncol=len(handles))
        return figure

    return draw


def _race(axes: Axes, stored: Any, prefix: str, solvers: Sequence[str]) -> None:
    for solver in solvers:
        name = f"{prefix}_{solver}"
        if f"{name}_gaps" not in stored.arrays:
            continue
        colour, marker = LOOKS[solver]
        gaps = np.maximum(stored[f"{name}_gaps"], SMALLEST)
        axes.plot(stored[f"{name}_times_s"], gaps, marker + "-", color=colour, ms=5, lw=1.2, label=solver)


@styled
def draw_path(stored: Any) -> Figure:
    """Along a path of beta: the optimum with the groups in use, and the time of each solve.

    Reads path_shares (K,), path_values (K,), path_active (K,), path_times_s (K,).
    """
    figure, (left, right) = canvas(2)
    shares = stored["path_shares"]
    left.plot(shares, stored["path_values"], "o-", color=BLUE, ms=4)
    left.set(ylabel="optimal value (dimensionless)", xlabel=r"$\beta/\beta_{\max}$ (dimensionless)", xscale="log")
    groups = left.twinx()
    groups.plot(shares, stored["path_active"], "s--", color=ORANGE, ms=4)
    groups.set_ylabel("groups in use", color=ORANGE)
    groups.grid(False)
    right.plot(shares, 1e3 * stored["path_times_s"], "o-", color=BLUE, ms=4)
    right.set(xlabel=r"$\beta/\beta_{\max}$ (dimensionless)", ylabel="time of one solve (ms)", xscale="log")
    right.set_ylim(bottom=0)
    return figure


@styled
def draw_scaling(stored: Any) -> Figure:
    """CPU time of the interior point against n, d and P, each with its fitted power.

    Reads for every letter L of n, d, P: scaling_L (K,), scaling_L_cpu_s (K,), slope_L.
    """
    figure, panels = canvas(3, width=3.6, height=3.3)
    for axes, letter, colour, word in zip(panels, "ndP", (BLUE, ORANGE, GREEN), ("samples", "features", "patterns")):
        sizes, times, slope = (
            stored[name] for name in (f"scaling_{letter}", f"scaling_{letter}_cpu_s", f"slope_{letter}")
        )
        centre = np.exp(np.mean(np.log(times)) - slope * np.mean(np.log(sizes)))
        axes.plot(sizes, times, "o", color=colour, ms=6)
        axes.plot(sizes, centre * sizes**slope, "-", color=colour, lw=1, label=f"power {slope:.2f}")
        axes.set(xlabel=f"{letter} ({word})", xscale="log", yscale="log")
        axes.set_xticks(sizes, [str(int(size)) for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.legend()
    panels[0].set_ylabel("CPU time to gap 1e-6 (s)")
    return figure


@styled
def draw_bounds(stored: Any) -> Figure:
    """Column generation and Adam against time, with the bound that no network can pass.

    Reads network_value, network_lower, globalize_{times_s, values, lowers} (K,), adam_times_s (T,), adam_curves (S, T).
    """
    figure, (left, right) = canvas(2, width=4.8)
    times, values, lowers = (stored[f"globalize_{name}"] for name in ("times_s", "values", "lowers"))
    best, proof = stored["network_value"], stored["network_lower"]
    curves = np.minimum.accumulate(stored["adam_curves"], axis=1)
    for row, curve in enumerate(curves):
        left.plot(stored["adam_times_s"], curve, color=SKY, lw=1, label="Adam, one seed" if row == 0 else None)
        right.plot(stored["adam_times_s"], 100 * (curve / best - 1), color=SKY, lw=1)
    left.plot(times, values, "o-", color=BLUE, ms=3, label="column generation", drawstyle="steps-post")
    right.plot(times, 100 * (values / best - 1), "o-", color=BLUE, ms=3, drawstyle="steps-post")
    proved = np.isfinite(lowers) & (lowers > 0)
    left.plot(times[proved], lowers[proved], "^-", color=PINK, ms=5, label="lower bound, all networks")
    left.axhline(proof, color=PINK, lw=0.8, ls="--")
    left.set(xlabel="time (s)", ylabel="training objective (dimensionless)", ylim=(0.9 * proof, 1.3 * best))
    right.set(xlabel="time (s)", ylabel="above the best network (%)", xscale="log", ylim=(-1, 20))
    right.set_xlim(left=0.5 * times[0])
    left.legend()
    return figure
