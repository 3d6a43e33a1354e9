"""Figures about standard and parallel deep networks, drawn from result files; style and colours are `plotting`'s."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, Draw, canvas, styled

COLOURS = (BLUE, ORANGE, GREEN, PINK)
MARKS = ("o", "s", "^", "D")


def draw_gaps(names: dict[str, str]) -> Draw:
    """Left: the gap of standard linear networks over the depth. Right: the staircase of partial duals.

    Reads depths (T,) and for every prefix of `names` PREFIX_gap (T,); tried (K,) with PREFIX_found (K,), what descent
    found minus the dual, over the primal; steps (L-1,), step_found (L-1,).
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, (left, right) = canvas(2, width=4.9, height=3.6)
        for (prefix, word), colour, mark in zip(names.items(), COLOURS, MARKS):
            left.plot(stored["depths"], stored[f"{prefix}_gap"], color=colour, lw=1.6, label=word)
            left.plot(stored["tried"], stored[f"{prefix}_found"], mark, color=colour, ms=5)
        left.set(xlabel="layers L", ylabel="gap (P - D) / P (dimensionless)", ylim=(-0.04, 1.0))
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        left.legend(title=r"singular values of $X^+Y$", loc="upper left")
        steps = stored["steps"]
        at = np.arange(len(steps))
        right.bar(at, steps, color=SKY, width=0.65, label=r"formula $|\sigma|_{2/(l+2)}$")
        right.plot(at, stored["step_found"], "D", color=RED, ms=6, label="descent over factors")
        right.set(xlabel="shared layers l", ylabel=r"partial dual $D^{(l)}(1)$ (dimensionless)")
        right.set_xticks(at)
        right.set_ylim(top=1.25 * steps.max())
        right.annotate("parallel net", (0, steps[0]), (0, 5), textcoords="offset points", ha="center", va="bottom")
        high: Any = {"textcoords": "offset points", "ha": "center", "va": "bottom"}
        right.annotate("standard net", (at[-1], steps[-1]), (-8, 6), **high)
        right.legend(loc="upper left")
        return figure

    return draw


@styled
def draw_branches(stored: Any) -> Figure:
    """Training of m branches against the formula. Reads branch_counts (M,), branch_formula (M,), branch_runs (M, S),
    branch_optimum, branch_rank.
    """
    figure, (axes,) = canvas(width=5.6, height=3.5)
    counts, runs = stored["branch_counts"], stored["branch_runs"]
    for row, (m, values) in enumerate(zip(counts, runs)):
        axes.plot(
            np.full(len(values), m), values, "o", mfc="none", mec=ORANGE, ms=9, label="one seed" if row == 0 else None
        )
    axes.step(counts, stored["branch_formula"], "o-", where="post", color=BLUE, ms=3, lw=1.4, label="formula")
    axes.axhline(stored["branch_optimum"], color=RED, lw=1.4, ls="--", label="certified optimum")
    axes.axvline(stored["branch_rank"], color=GREEN, ls=":", lw=1.8, label="rank of the solution")
    low, high = stored["branch_optimum"], stored["branch_formula"].max()
    axes.set(xlabel="branches m", ylabel="training objective (dimensionless)")
    axes.set_ylim(low - 0.08 * (high - low), high + 0.3 * (high - low))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper right", frameon=True, facecolor="white", framealpha=1, edgecolor="none")
    return figure


@styled
def draw_ray(stored: Any) -> Figure:
    """Standard and parallel networks on a line through the origin, as the second target coefficient changes sign.

    Reads ray_q (T,), ray_standard (T,), ray_dual (T,), ray_parallel (T,), ray_tried (K,), ray_trained (K,),
    ray_parallel_trained (K,).
    """
    figure, (axes,) = canvas(width=6.0, height=3.8)
    q = stored["ray_q"]
    axes.fill_between(q, stored["ray_dual"], stored["ray_standard"], color=ORANGE, alpha=0.2, lw=0, label="gap")
    axes.plot(q, stored["ray_standard"], color=ORANGE, lw=1.8, label="standard, power 2: optimum P")
    axes.plot(q, stored["ray_dual"], color=BLACK, lw=1.4, ls="--", label="standard, power 2: dual D")
    axes.plot(q, stored["ray_parallel"], color=BLUE, lw=1.8, label="parallel, power 3: P = D")
    axes.plot(stored["ray_tried"], stored["ray_trained"], "o", color=ORANGE, ms=6, label="best standard run")
    axes.plot(stored["ray_tried"], stored["ray_parallel_trained"], "s", color=BLUE, ms=5, label="best parallel run")
    axes.set(xlabel=r"q in $y=(c)_+ + q\,(-c)_+$ (dimensionless)", ylabel="training objective (dimensionless)")
    low, high = stored["ray_dual"].min(), stored["ray_standard"].max()
    axes.set_ylim(low - 0.1 * (high - low), high + 0.75 * (high - low))
    axes.legend(loc="upper center", ncol=2, fontsize=8.5)
    return figure


def draw_real(names: dict[str, str]) -> Draw:
    """All runs on real data, sorted, against the values they cannot pass; one panel a preparation (prefix to title).

    Reads NAME_standard (S,), NAME_parallel (S,) final objectives, NAME_program, NAME_dual.
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, panels = canvas(len(names), width=4.8, height=3.6)
        for axes, (name, title) in zip(panels, names.items()):
            for kind, colour, mark in (("standard", ORANGE, "o"), ("parallel", BLUE, "s")):
                runs = np.sort(stored[f"{name}_{kind}"])
                power = "power 2" if kind == "standard" else "power L"
                axes.plot(np.arange(1, len(runs) + 1), runs, mark, color=colour, ms=5, label=f"{kind}, {power}: run")
            axes.axhline(stored[f"{name}_program"], color=BLUE, lw=1.5, label="parallel: certified optimum")
            axes.axhline(stored[f"{name}_dual"], color=BLACK, lw=1.4, ls="--", label="standard: dual D")
            axes.set(xlabel="seed, sorted by objective", title=title)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        panels[0].set_ylabel("training objective (dimensionless)")
        handles, words = panels[0].get_legend_handles_labels()
        figure.legend(handles, words, loc="outside lower center", ncol=2)
        return figure

    return draw
