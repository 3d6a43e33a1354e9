"""Figures about batch normalisation, drawn from result files; style and colours are `plotting`'s."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, PLAIN, RED, SKY, canvas, styled

#: Values below this are drawn here on logarithmic axes.
FLOOR = 1e-12
#: The names of the three kinds of descent, their colours and line styles.
RUNS = (("on rows", BLUE, "-"), ("on U, same start", ORANGE, "--"), ("on U, Gaussian start", PINK, ":"))


@styled
def draw_training(stored: Any) -> Figure:
    """How far training ends above the certified optima, and the spectra that make truncation worth a try.

    Reads excess (R, S), spectrum_synthetic, spectrum_cifar10, spectrum_fashion.
    """
    figure, (left, right) = canvas(2, width=5.0)
    names = ("BN, ReLU", "torch\nlayers", "ReLU, BN", "closed\nL = 2", "closed\nL = 3")
    for place, runs in enumerate(stored["excess"]):
        spread = np.linspace(-0.2, 0.2, len(runs))
        left.plot(place + spread, np.maximum(runs, FLOOR), "o", color=BLUE, ms=4.5, ls="")
    left.set_xticks(range(len(names)), names)
    left.set(yscale="log", ylabel="run minus optimum (dimensionless)", ylim=(FLOOR / 3, 30))
    left.set_title("one mark a seed", fontsize=10)
    words = (("synthetic", "synthetic", GREEN), ("cifar10", "CIFAR-10", BLACK), ("fashion", "Fashion-MNIST", RED))
    for name, word, colour in words:
        values = stored[f"spectrum_{name}"]
        right.plot(np.arange(1, len(values) + 1), values, color=colour, lw=1.6, label=word)
    right.set(xscale="log", yscale="log", xlabel="singular direction i", ylabel=r"$\sigma_i/\sigma_1$ (dimensionless)")
    right.xaxis.set_major_formatter(PLAIN)
    right.legend(fontsize=8.5)
    return figure


@styled
def draw_descent(stored: Any) -> Figure:
    """Energy on the informative directions and test error along descent, with the two programs as levels.

    Reads steps (T,), energy (3, T), error (3, T), error_cut, error_full (means over seeds).
    """
    figure, (left, right) = canvas(2, width=5.0)
    at = stored["steps"]
    for (word, colour, style), energy, error in zip(RUNS, stored["energy"], stored["error"]):
        left.plot(at, energy, style, color=colour, lw=1.8, label=f"descent {word}")
        right.plot(at, error, style, color=colour, lw=1.8, label=f"descent {word}")
    right.axhline(stored["error_cut"], color=GREEN, lw=1.4, label="program, k = 3")
    right.axhline(stored["error_full"], color=RED, lw=1.4, label="program, all directions")
    left.set(ylabel="energy on the first 3 directions", ylim=(0, 1))
    right.set(ylabel="test error (mean square)", ylim=(0, None))
    for axes in (left, right):
        axes.set_xscale("symlog", linthresh=1)
        axes.set(xlabel="step of descent", xlim=(0, None))
        axes.xaxis.set_major_formatter(PLAIN)
    left.legend(fontsize=8.5, loc="lower left", bbox_to_anchor=(0, 0.3))
    right.set_ylim(0, 1.15)
    right.legend(fontsize=8.5, loc="upper right")
    return figure


@styled
def draw_truncation(stored: Any) -> Figure:
    """Test error or accuracy against the number of directions kept, with descent as a level.

    Reads cut_synthetic (k,), error_by_cut (S, k), error_descent (S,), and for cifar10 and fashion cuts_*, accuracy_*
    (S, k), descent_* (S,), closed_* (S,).
    """
    figure, axes = canvas(3, width=4.0)
    _by_cut(axes[0], stored["cut_synthetic"], stored["error_by_cut"], stored["error_descent"], None)
    axes[0].set(title="falling spectrum", ylabel="test error (mean square)", ylim=(0, None))
    for place, name, word in (
        (axes[1], "cifar10", "CIFAR-10 (240 images)"),
        (axes[2], "fashion", "Fashion-MNIST (300)"),
    ):
        closed = stored[f"closed_{name}"]
        _by_cut(place, stored[f"cuts_{name}"], stored[f"accuracy_{name}"], stored[f"descent_{name}"], closed)
        place.set(title=word, ylabel="test accuracy (share)", ylim=(0, None))
    for place in axes:
        place.set(xlabel="directions kept, k")
        place.legend(fontsize=8, loc="lower center")
    return figure


@styled
def draw_deeper(stored: Any) -> Figure:
    """Test accuracy against the cut, for three layers and for convolution, with the uncut and the trained as levels.

    Reads cuts_deeper, deeper_by_cut, deeper_cnn_by_cut (S, k), deeper_last, _none, _train, _cnn_full,
    _cnn_train (S,).
    """
    figure, panels = canvas(2, width=4.6)
    shown = (
        ("three layers, k in both", "by_cut",
         (("last", "last layer cut, k validated", GREEN, "-."), ("none", "nothing cut", RED, "-"),
          ("train", "trained", ORANGE, "--"))),
        ("convolution, k of 49", "cnn_by_cut",
         (("cnn_full", "not cut", RED, "-"), ("cnn_train", "trained", ORANGE, "--"))),
    )  # fmt: skip
    for axes, (title, by_cut, levels) in zip(panels, shown):
        values = stored[f"deeper_{by_cut}"]
        bars = values.std(0, ddof=1) / np.sqrt(len(values))
        axes.errorbar(
            stored["cuts_deeper"], values.mean(0), bars, color=BLUE, marker="o", ms=4, capsize=3, label="program"
        )
        for key, word, colour, style in levels:
            runs = stored[f"deeper_{key}"]
            error = runs.std(ddof=1) / np.sqrt(len(runs))
            axes.axhline(runs.mean(), color=colour, ls=style, lw=1.6, label=word)
            axes.axhspan(runs.mean() - error, runs.mean() + error, color=colour, alpha=0.15, lw=0)
        axes.set_xscale("log")
        axes.set_xticks(stored["cuts_deeper"], [f"{int(k)}" for k in stored["cuts_deeper"]])
        axes.minorticks_off()
        axes.set(title=title, xlabel="directions kept, k", ylabel="test accuracy (share)", ylim=(0, 1))
        axes.legend(fontsize=8, loc="lower right")
    return figure


def _by_cut(axes: Any, cuts: Any, values: Any, descent: Any, closed: Any) -> None:
    """Means with standard errors of the mean over seeds."""
    root = np.sqrt(len(values))
    axes.errorbar(
        cuts, values.mean(0), values.std(0) / root, color=BLUE, marker="o", ms=4, lw=1.6, capsize=3, label="program"
    )
    level, width = descent.mean(), descent.std() / root
    axes.axhline(level, color=ORANGE, lw=1.6, ls="--", label="descent")
    axes.axhspan(level - width, level + width, color=ORANGE, alpha=0.2, lw=0)
    if closed is not None:
        axes.axhline(closed.mean(), color=SKY, lw=1.6, ls=":", label="closed form, all directions")
    axes.set_xscale("log")
    axes.set_xticks(cuts, [f"{int(k)}" for k in cuts])
    axes.minorticks_off()
