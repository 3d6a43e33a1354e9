"""Figures about Wasserstein GANs, drawn from result files; style and colours are `plotting`'s."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, Draw, canvas, styled

METHOD_COLOURS = {"simultaneous": ORANGE, "alternating": PINK, "optimistic": SKY, "extragradient": GREEN}


@styled
def draw_game(stored: Any) -> Figure:
    """Left: judged gaps along the players' paths. Right: the last quarter's value against the step size.

    Reads pd_steps, pd_gaps, play_steps, step_sizes (T,), optimum, and for every method METHOD_gaps, METHOD_low (T,),
    METHOD_high (T,), inf where the run left every bound.
    """
    figure, (left, right) = canvas(2, width=5.0, height=3.9)
    left.plot(stored["pd_steps"], np.maximum(stored["pd_gaps"], 1e-12), color=BLUE, lw=2, label="primal-dual")
    sizes, optimum = stored["step_sizes"], stored["optimum"]
    for offset, (name, colour) in enumerate(METHOD_COLOURS.items()):
        gaps = stored[f"{name}_gaps"]
        left.plot(
            stored["play_steps"][: len(gaps)] + 1,
            np.where(np.isfinite(gaps), gaps, np.nan),
            color=colour,
            lw=1.2,
            label=name,
        )
        low, high = stored[f"{name}_low"] / optimum, stored[f"{name}_high"] / optimum
        kept = np.isfinite(high)
        at = sizes * 1.12 ** (offset - 1.5)
        right.vlines(at[kept], np.maximum(low[kept], 1e-3), high[kept], color=colour, lw=3, label=name)
        right.plot(at[kept], np.sqrt(low[kept] * high[kept]), "o", color=colour, ms=4)
        right.plot(at[~kept], np.full((~kept).sum(), 20.0), "x", color=colour, ms=6)
    right.plot([], [], "x", color=BLACK, label="diverged")
    left.set(xscale="log", yscale="log", xlabel="step", ylabel="judged gap of the players (dimensionless)")
    right.axhline(1, color=BLACK, lw=1)
    right.set(xscale="log", yscale="log", xlabel="relative step size (dimensionless)", ylim=(0.05, 40))
    right.set_ylabel(r"$\frac{\beta_g}{2}\|G\|_F^2\,/\,p^*$, range over the last quarter")
    left.legend(fontsize=8)
    right.legend(fontsize=8, loc="lower right")
    return figure


@styled
def draw_plane(stored: Any) -> Figure:
    """Left: real and generated samples. Middle: the ReLU gap between two feasible generators. Right: the line.

    Reads plane_X, plane_linear, plane_quadratic, plane_polynomial (n, 2), segment_at, segment_gap, line_x, line_w.
    """
    figure, (left, middle, right) = canvas(3, width=4.3, height=3.7)
    left.plot(*stored["plane_X"].T, "o", ms=4, color="0.6", label="real")
    for name, colour, mark in (("quadratic", BLUE, "^"), ("polynomial", GREEN, "s"), ("linear", RED, "X")):
        left.plot(*stored[f"plane_{name}"].T, mark, ms=5, color=colour, label=f"{name} discriminator")
    left.set(xlabel="$x_1$ (dimensionless)", ylabel="$x_2$ (dimensionless)")
    left.set_ylim(top=left.get_ylim()[1] + 2.2)
    left.legend(fontsize=8, loc="upper left", ncol=2, columnspacing=0.8, handletextpad=0.2)
    weights = 2 * stored["segment_at"] - 1
    middle.plot(weights, stored["segment_gap"], color=BLUE, lw=1.8, label="gap of $ZW$")
    middle.axhline(0.5, color=RED, ls="--", lw=1.2, label=r"$\beta_d$: feasible below")
    middle.set(xlabel="W (dimensionless)", ylabel="gap of ReLU discriminators", ylim=(-0.05, 1.35))
    middle.legend(loc="upper center", ncol=2, fontsize=8)
    order = np.arange(1, len(stored["line_x"]) + 1)
    right.plot(order, np.sort(stored["line_x"]), "o", color="0.5", label="real")
    right.plot(order, np.sort(stored["line_w"]), "s", color=BLUE, ms=4, label="generated")
    right.set(xlabel="rank in the sorted sample", ylabel="sample on the line (dimensionless)")
    right.legend(fontsize=8)
    return figure


@styled
def draw_width(stored: Any) -> Figure:
    """Left: rates against width, one mark a seed, and the kernel's. Right: distances of one seed for some widths.

    Reads widths (K,), rates (K, S), predicted (K, S), converged (K,), walks (J, T), walk_widths (J,).
    """
    figure, (left, right) = canvas(2, width=4.9, height=3.6)
    widths, rates, converged = stored["widths"], stored["rates"], stored["converged"]
    for row, width in enumerate(widths):
        left.plot(
            np.full(rates.shape[1], width),
            rates[row],
            "o",
            mfc="none",
            mec=ORANGE,
            ms=6,
            label=None if row else "measured, one seed",
        )
    left.plot(
        widths, np.median(stored["predicted"], axis=1), "-", color=BLUE, lw=1.6, label="kernel at the start, median"
    )
    for width, share in zip(widths, converged):
        left.annotate(f"{100 * share:.0f} %", (width, 1.012), ha="center", fontsize=8)
    left.set(xscale="log", xlabel="width m (neurons), with runs that converge (%)", ylim=(None, 1.03))
    left.set_ylabel("rate: factor a step (dimensionless)")
    left.legend(loc="lower left", fontsize=8)
    for walk, width, colour in zip(stored["walks"], stored["walk_widths"], (RED, ORANGE, SKY, BLUE)):
        right.plot(np.maximum(walk, 1e-15), color=colour, lw=1.5, label=f"m = {int(width)}")
    right.set(yscale="log", xlabel="step", ylabel="|mean X - mean G| (dimensionless)")
    right.legend(fontsize=8)
    return figure


def draw_samples(prefix: str, rows: dict[str, str]) -> Draw:
    """A grid of images, one row for each of `rows` (suffix to title). Reads PREFIX_SUFFIX (k, h, w, channels)."""

    @styled
    def draw(stored: Any) -> Figure:
        count = len(stored[f"{prefix}_{next(iter(rows))}"])
        figure, panels = canvas(count, len(rows), width=0.85, height=0.92)
        for r, (suffix, title) in enumerate(rows.items()):
            for c, image in enumerate(stored[f"{prefix}_{suffix}"]):
                axes = panels[r * count + c]
                _show_image(axes, image)
                if c == 0:
                    axes.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
        return figure

    return draw


def _show_image(axes: Axes, image: np.ndarray) -> None:
    picture = np.clip(image, 0, 1)
    axes.imshow(picture[..., 0] if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)


def draw_stages(names: dict[str, str]) -> Draw:
    """One panel a data set: distance to held-out images against training time.

    Reads NAME_times, NAME_distances (T,), NAME_closed_s, NAME_closed, NAME_real, NAME_mean.
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, panels = canvas(len(names), width=4.9, height=3.7)
        for axes, (name, title) in zip(panels, names.items()):
            axes.plot(
                stored[f"{name}_times"], stored[f"{name}_distances"], "o-", color=ORANGE, ms=4, label="descent-ascent"
            )
            axes.plot(stored[f"{name}_closed_s"], stored[f"{name}_closed"], "*", color=BLUE, ms=13, label="closed form")
            axes.axhline(stored[f"{name}_closed"], color=BLUE, lw=0.8, ls=":")
            axes.axhline(stored[f"{name}_mean"], color=RED, ls="--", lw=1.2, label="the mean image, repeated")
            axes.axhline(stored[f"{name}_real"], color=GREEN, ls="--", lw=1.2, label="the real training images")
            axes.xaxis.set_minor_formatter(NullFormatter())
            top = max(stored[f"{name}_mean"], float(np.max(stored[f"{name}_distances"])))
            axes.set(xscale="log", xlabel="training time (s)", title=title, ylim=(0, 1.1 * top))
        panels[0].set_ylabel("distance to held-out images (intensity)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncol=4, fontsize=9)
        return figure

    return draw
