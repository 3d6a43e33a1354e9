"""Figures about convolutional networks, drawn from result files; style and colours are `plotting`'s."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PLAIN, canvas, styled

#: Differences below this are drawn here on logarithmic axes.
FLOOR = 1e-10


@styled
def draw_training(stored: Any) -> Figure:
    """Gradient descent with one and with fifty filters against the optimum, and where it ends for every pooling.

    Reads values (4,), iterations_few, iterations_many (T,), curves_few, curves_many (S, T), finals_few, finals_many
    (4, S).
    """
    figure, (left, right) = canvas(2, width=5.0)
    for kind, colour, word in (("few", ORANGE, "one filter"), ("many", BLUE, "50 filters")):
        for row, curve in enumerate(stored[f"curves_{kind}"]):
            label = word if row == 0 else None
            left.plot(stored[f"iterations_{kind}"], curve, color=colour, lw=1.1, alpha=0.8, label=label)
    left.axhline(stored["values"][0], color=BLACK, lw=1.4, ls="--", label="convex optimum")
    left.set(xlabel="step of gradient descent", ylabel="objective (dimensionless)", title="sum pooling")
    value, highest = stored["values"][0], stored["curves_few"][:, 0].max()
    left.set_ylim(0.9 * value, min(highest, 4 * value))
    left.set_xscale("symlog", linthresh=10)
    left.set_xlim(0, None)
    left.xaxis.set_major_formatter(PLAIN)
    left.legend(fontsize=8.5)
    for finals, colour, shift, word in (
        ("finals_few", ORANGE, -0.13, "one filter"),
        ("finals_many", BLUE, 0.13, "50 filters"),
    ):
        excess = np.maximum(stored[finals] - stored["values"][:, None], FLOOR)
        place = np.arange(4)[:, None] + shift + np.linspace(-0.07, 0.07, excess.shape[1])
        right.plot(place.ravel(), excess.ravel(), "o", color=colour, ms=4.5, ls="", label=word)
    right.set_xticks(range(4), ("sum", "average", "max", "flat linear"))
    right.set(yscale="log", ylabel="run minus optimum (dimensionless)", xlabel="pooling", title="one mark a seed")
    right.legend(fontsize=8.5, loc="lower left")
    return figure


@styled
def draw_spectra(stored: Any) -> Figure:
    """Shares of the frequencies in the effective filters, and formulas against what networks reach.

    Reads shares (2, S), lower_bounds (6,), reached (6,).
    """
    figure, (left, right) = canvas(2, width=5.0)
    places = np.arange(stored["shares"].shape[1])
    for shift, share, colour, word in zip(
        (-0.2, 0.2), stored["shares"], (BLUE, ORANGE), ("circular", "fully connected")
    ):
        left.bar(places + shift, share, 0.38, color=colour, label=word)
    left.set_xticks(places)
    left.set(xlabel="frequency", ylabel=r"share of $\|Fz\|_1$ (dimensionless)", ylim=(0, None))
    left.legend(fontsize=8.5)
    names = ("L = 3,\nproduct", "L = 4,\neach", "L = 5,\neach", "h = 2,\nlinear", "2 ReLUs,\nown", "2 ReLUs,\nshared")
    ratio = stored["reached"] / stored["lower_bounds"]
    exact = np.array([True, False, False, False, True, False])
    for kind, colour, word in ((exact, GREEN, "theorem applies"), (~exact, ORANGE, "only a lower bound")):
        right.bar(np.flatnonzero(kind), ratio[kind], 0.6, color=colour, label=word)
    right.axhline(1.0, color=BLACK, lw=1.2, ls="--")
    right.set_xticks(range(len(names)), names, fontsize=8)
    right.set(ylabel="best network / formula (dimensionless)", ylim=(0, max(1.6, 1.25 * ratio.max())))
    right.legend(fontsize=8.5, loc="upper left")
    return figure


@styled
def draw_images(stored: Any) -> Figure:
    """Objectives of the three methods; reads gaussian (4,), trained (4, 2)."""
    figure, (axes,) = canvas(1, width=6.0, height=3.4)
    marks = np.column_stack([stored["gaussian"], stored["trained"]])
    names = ("MNIST,\naverage", "MNIST,\nmax", "CIFAR-10,\naverage", "CIFAR-10,\nmax")
    words = (("program, 20 Gaussian cells", ORANGE), ("training, 20 filters", BLACK), ("program, trained cells", BLUE))
    for k, (word, colour) in enumerate(words):
        axes.plot(np.arange(len(names)) + 0.2 * (k - 1), marks[:, k], "oD^"[k], ms=8, color=colour, label=word)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="objective (dimensionless)", ylim=(0, 1.55 * marks.max()))
    axes.legend(fontsize=8.5, loc="upper right")
    return figure
