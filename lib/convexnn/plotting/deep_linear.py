"""Figures about deep linear networks, drawn from result files; style and colours are `plotting`'s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from convexnn.numerics import Array
from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, PLAIN, RED, Draw, canvas, styled

#: One colour and dash for each depth.
DEPTH_STYLE = {2: (BLACK, "-"), 3: (BLUE, "-"), 4: (ORANGE, "--"), 5: (GREEN, "-."), 6: (PINK, ":")}


def _plain_decades(axes: Axes) -> None:
    """Ticks 1, 2, 5 of a logarithmic axis, written as plain numbers."""
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(PLAIN)
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_shrinkage(depths: Sequence[int]) -> Draw:
    """What depth does to one singular value: the minimiser against sigma, and the objective at its threshold.

    Reads sigma_grid (T,), s_grid (S,), and for every depth L shrink_L (T,), tau_L, at_threshold_L (S,).
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, (left, right) = canvas(2, width=4.9, height=3.5)
        for L in depths:
            colour, dash = DEPTH_STYLE[L]
            left.plot(stored["sigma_grid"], stored[f"shrink_{L}"], color=colour, ls=dash, lw=1.7, label=f"L = {L}")
            left.plot(stored[f"tau_{L}"], 0, "v", color=colour, ms=7, clip_on=False, zorder=5)
            h = stored[f"at_threshold_{L}"]
            right.plot(stored["s_grid"], h - h[0], color=colour, ls=dash, lw=1.7, label=f"L = {L}")
        left.plot(stored["sigma_grid"], stored["sigma_grid"], color="0.7", lw=1, zorder=0)
        left.set(xlabel=r"$\sigma$, singular value of $X^TY$ (dimensionless)", ylabel="$s$, kept (dimensionless)")
        left.set_title(r"minimiser; triangles: $\tau_L(\beta)$", fontsize=10)
        left.legend()
        right.axhline(0, color="0.7", lw=1, zorder=0)
        low = min(float((stored[f"at_threshold_{L}"] - stored[f"at_threshold_{L}"][0]).min()) for L in depths)
        high = max(float(np.ptp(stored[f"at_threshold_{L}"][: len(stored["s_grid"]) // 2])) for L in depths if L > 2)
        right.set_ylim(low - 0.1 * high, 1.6 * high)
        right.set(xlabel="$s$ (dimensionless)", ylabel="$h(s)-h(0)$ (dimensionless)")
        right.set_title(r"objective at $\sigma=\tau_L(\beta)$: a tie", fontsize=10)
        return figure

    return draw


def draw_staircases(names: dict[str, str]) -> Draw:
    """Rank of the layers against beta, one panel a network (prefix to title).

    Reads NAME_betas (B,), NAME_rank (B,) closed form on a fine grid, NAME_critical (k,), NAME_naive (B,) the count of
    singular values above beta, NAME_tried (T,), NAME_trained (T, L) ranks of the trained layers.
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, panels = canvas(len(names), width=4.9, height=3.7)
        for axes, (name, title) in zip(panels, names.items()):
            for k, at in enumerate(stored[f"{name}_critical"]):
                axes.axvline(at, color=RED, lw=1, ls="--", label="critical values" if k == 0 else None)
            betas = stored[f"{name}_betas"]
            axes.step(betas, stored[f"{name}_rank"], where="post", color=BLUE, lw=2, label="closed form")
            if np.any(stored[f"{name}_naive"] != stored[f"{name}_rank"]):
                axes.step(betas, stored[f"{name}_naive"], where="post", color="0.55", lw=1.3, ls=":", label="σ > β")
            _rings(axes, stored[f"{name}_tried"], stored[f"{name}_trained"])
            axes.set(xscale="log", xlabel=r"$\beta$ (dimensionless)", title=title, xlim=(betas[0], betas[-1]))
            axes.set_ylim(-0.5, stored[f"{name}_rank"].max() + 0.6)
            _plain_decades(axes)
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        panels[0].set_ylabel("rank of a layer")
        handles, labels = panels[-1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncol=len(labels))
        return figure

    return draw


def _rings(axes: Axes, at: Array, trained: Array) -> None:
    """One ring for each layer (column of `trained`), the first layer's the widest."""
    for layer, row in enumerate(trained.T):
        label = "trained, each layer" if layer == 0 else None
        size = 5 + 4 * (trained.shape[1] - 1 - layer)
        axes.plot(at, row, "o", mfc="none", mec=ORANGE, mew=1.4, ms=size, label=label)


@styled
def draw_norms(stored: Any) -> Figure:
    """Norms of all layers along gradient descent. Reads norm_steps (T,), frobenius (T, L), operator (T, L), norm_*."""
    figure, (axes,) = canvas(width=6.2, height=3.8)
    for name, colour, word in (("frobenius", BLUE, "Frobenius norm"), ("operator", ORANGE, "operator norm")):
        for layer, row in enumerate(stored[name].T):
            label = f"{word}, each layer" if layer == 0 else None
            axes.plot(stored["norm_steps"] + 1, row, color=colour, lw=1.3, alpha=0.85, label=label)
        axes.axhline(stored[f"norm_{name}"], color=colour, lw=1.2, ls=":", label=f"{word}, closed form")
    axes.set(xscale="log", xlabel="Adam step + 1", ylabel="norm of a layer (dimensionless)")
    axes.legend(loc="upper right")
    return figure


def draw_gap(depths: Sequence[int]) -> Draw:
    """Duality gap of interpolation against the spectrum, and of the regularised problem against beta.

    Reads ratios (T,), gap_L (T,) for every depth; gap_betas (B,), primal (B,), dual (B,), gap_tried (K,),
    gap_trained (K,), null.
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, (left, right) = canvas(2, width=4.9, height=3.6)
        for L in depths:
            colour, dash = DEPTH_STYLE[L]
            left.plot(stored["ratios"], 100 * stored[f"gap_{L}"], color=colour, ls=dash, lw=1.7, label=f"L = {L}")
        left.set(xlabel=r"$\sigma_2/\sigma_1$ of $X^+Y$ (dimensionless)", ylabel="gap $(P-D)/P$ (per cent)")
        left.set_title("interpolation, two singular values", fontsize=10)
        left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=len(depths))
        right.plot(stored["gap_betas"], stored["primal"], color=BLUE, lw=1.8, label="P, closed form")
        right.plot(stored["gap_betas"], stored["dual"], color=RED, lw=1.8, ls="--", label="D, dual value")
        right.plot(stored["gap_tried"], stored["gap_trained"], "o", color=ORANGE, ms=5, label="best training run")
        right.axhline(stored["null"], color="0.6", lw=1, ls=":", label="zero network")
        right.set(xscale="log", xlabel=r"$\beta$ (dimensionless)", ylabel="objective (dimensionless)")
        right.set_title("regularised, three layers", fontsize=10)
        _plain_decades(right)
        right.legend(loc="center left", bbox_to_anchor=(0.0, 0.72))
        return figure

    return draw


def draw_real(depths: Sequence[int]) -> Draw:
    """MNIST: rank and test accuracy along the threshold, and the training runs at one threshold.

    Reads shares (T,), and for every depth real_rank_L (T,), real_accuracy_L (T,), real_excess_L (S,) relative excess of
    each seed over the closed form.
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, (left, middle, right) = canvas(3, width=3.9, height=3.5)
        for L in depths:
            colour, dash = DEPTH_STYLE[L]
            rank = stored[f"real_rank_{L}"]
            left.step(stored["shares"], rank, where="post", color=colour, ls=dash, lw=8.5 - 1.8 * L, label=f"L = {L}")
            middle.plot(stored["shares"], 100 * stored[f"real_accuracy_{L}"], color=colour, ls=dash, lw=1.7)
            excess = np.maximum(np.sort(stored[f"real_excess_{L}"]), 1e-16)
            right.plot(np.arange(1, len(excess) + 1), excess, marker="o", color=colour, ls=dash, ms=5, lw=1.2)
        left.set(xlabel=r"threshold over $\sigma_1$ (dimensionless)", ylabel="rank of every layer")
        left.yaxis.set_major_locator(MaxNLocator(integer=True))
        left.legend()
        middle.set(xlabel=r"threshold over $\sigma_1$ (dimensionless)", ylabel="test accuracy (per cent)")
        right.axhline(1e-4, color=RED, lw=1, ls=":", label="tolerance of the claim")
        right.set(xlabel="seed, best first", ylabel="relative excess over the closed form", yscale="log")
        right.xaxis.set_major_locator(MaxNLocator(integer=True))
        right.legend()
        return figure

    return draw
