"""Figures about deep ReLU networks and neural collapse, drawn from result files; style and colours are `plotting`'s."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, PLAIN, RED, SKY, Draw, canvas, styled

#: Values below this are drawn here on logarithmic axes.
FLOOR = 1e-16


@styled
def draw_prices(stored: Any) -> Figure:
    """Branch scale against class size under both prices, and how far training runs end above each formula.

    Reads sigma (T,), scale_power (T,), scale_squared (D, T), price_depths (D,), excess (R, S), excess_squared (R,) 0/1,
    excess_depth (R,).
    """
    figure, (left, right) = canvas(2, width=5.0)
    sigma = stored["sigma"]
    depths = stored["price_depths"]
    left.plot(sigma, stored["scale_power"], color=BLACK, lw=1.8, label="power, L = 3 (convex)")
    for depth, row, colour in zip(depths, stored["scale_squared"], (BLUE, ORANGE, GREEN)):
        left.plot(sigma, row, color=colour, lw=1.5, label=f"squared, L = {int(depth)}")
    left.plot(sigma, sigma, ":", color="0.6", lw=1, label="no regularisation")
    left.set(xlabel=r"size of the class $|y_k|$ (dimensionless)", ylabel="branch scale $s_k$ (dimensionless)")
    left.legend(fontsize=8.5)
    groups = zip(stored["excess"], stored["excess_squared"], stored["excess_depth"])
    ticks = []
    for place, (runs, squared, depth) in enumerate(groups):
        colour, marker = (BLUE, "o") if squared else (BLACK, "s")
        jitter = np.linspace(-0.2, 0.2, len(runs))
        right.plot(place + jitter, np.maximum(runs, FLOOR), marker, color=colour, ms=4.5, ls="")
        ticks.append(f"L={int(depth)}\n{'squared' if squared else 'power'}")
    right.set_xticks(range(len(ticks)), ticks)
    right.set(yscale="log", ylabel="run minus formula (dimensionless)", ylim=(FLOOR / 3, 30))
    right.set_title("one mark a seed; 1e-16 stands for 0", fontsize=10)
    return figure


@styled
def draw_rank_one(stored: Any) -> Figure:
    """The second singular value of every layer during training, and the excess of the objective.

    Reads rank_steps (T,), rank_path (T, L - 1), rank_excess (T,) and the closed form's value rank_one_squared.
    """
    figure, (axes,) = canvas(width=6.2, height=3.6)
    steps = stored["rank_steps"]
    for layer, (row, colour) in enumerate(zip(stored["rank_path"].T, (BLUE, SKY, GREEN, PINK))):
        axes.plot(
            steps, np.maximum(row, FLOOR), color=colour, lw=1.6, label=rf"$\sigma_2/\sigma_1$ of layer {layer + 1}"
        )
    above = f"objective above {float(stored['rank_one_squared']):.4f}, the closed form"
    axes.plot(steps, np.maximum(stored["rank_excess"], FLOOR), "--", color=RED, lw=1.4, label=above)
    axes.axhline(1e-6, color="0.5", lw=0.8, ls=":")
    axes.set(xlabel="L-BFGS iteration", ylabel="dimensionless", yscale="log", ylim=(FLOOR, 30))
    axes.legend(loc="lower left", fontsize=8.5)
    return figure


@styled
def draw_splines(stored: Any) -> Figure:
    """The deep spline and a network with biases everywhere; and what a kink between two data points costs.

    Reads spline_t (n,), spline_y (n,), spline_grid (T,), spline_fit (T,), spline_free (T,), between (M,), price_linear
    (M,), price_squared (M,), price_ramp.
    """
    figure, (left, right) = canvas(2, width=5.0)
    left.plot(stored["spline_grid"], stored["spline_free"], "--", color=ORANGE, lw=1.5, label="trained, all biases")
    left.plot(stored["spline_grid"], stored["spline_fit"], color=BLUE, lw=1.8, label="spline program")
    left.plot(stored["spline_t"], stored["spline_y"], "o", color=BLACK, ms=5, label="data")
    left.set(xlabel="t (dimensionless)", ylabel="f(t) (dimensionless)")
    left.legend(fontsize=8.5)
    at = stored["between"]
    right.plot(at, stored["price_squared"], color=BLUE, lw=1.8, label="squared: best kinks at the data")
    right.plot(at, stored["price_linear"], color=BLACK, lw=1.8, ls="--", label="power: best kinks at the data")
    right.axhline(stored["price_ramp"], color=RED, lw=1.2, label="one ramp with its kink there")
    right.set(xlabel="kink between the data points 1 and 2 (dimensionless)", ylabel="cost (dimensionless)")
    right.set_ylim(stored["price_ramp"] - 0.1, stored["price_squared"].max() + 0.25)
    right.legend(loc="upper center", fontsize=8.5)
    return figure


@styled
def draw_collapse(stored: Any) -> Figure:
    """The four metrics along training, and the classes that vanish as beta grows.

    Reads path_steps (T,), path (T, 4), path_excess (T,), uneven_steps (S,), uneven_path (S, 4), class_betas (B,),
    class_scales (B, K), class_counts (K,).
    """
    figure, (left, middle, right) = canvas(3, width=4.6, height=3.7)
    words = (
        "NC1 within-class spread",
        "NC2 distance from a simplex",
        "NC3 classifier against means",
        "NC4 disagreement",
    )
    for row, colour, word in zip(stored["path"].T, (BLUE, ORANGE, GREEN, PINK), words):
        left.plot(stored["path_steps"], np.maximum(row, FLOOR), color=colour, lw=1.6, label=word)
    for row, colour in zip(stored["uneven_path"].T, (BLUE, ORANGE, GREEN, PINK)):
        middle.plot(stored["uneven_steps"], np.maximum(row, FLOOR), color=colour, lw=1.6)
    left.plot(
        stored["path_steps"],
        np.maximum(stored["path_excess"], FLOOR),
        "--",
        color=RED,
        lw=1.3,
        label="objective above optimum",
    )
    left.axhline(1e-6, color="0.5", lw=0.8, ls=":")
    middle.axhline(1e-6, color="0.5", lw=0.8, ls=":")
    for axes, title in ((left, "balanced classes"), (middle, "classes of different sizes")):
        axes.set(xlabel="L-BFGS iteration", ylabel="dimensionless", yscale="log", ylim=(FLOOR / 3, 1e7), title=title)
    left.legend(loc="upper right", fontsize=8)
    for count, row, colour in zip(stored["class_counts"], stored["class_scales"].T, (BLUE, ORANGE, GREEN)):
        samples = f"{int(count)} sample{'s' if count > 1 else ''}"
        right.plot(stored["class_betas"], row, color=colour, lw=1.8, label=samples)
        right.plot(np.sqrt(count), 0, "|", color=colour, ms=16, mew=2)
    right.set(xlabel=r"$\beta$ (dimensionless)", ylabel="scale of the class (dimensionless)")
    right.set_title(r"ticks: $\sqrt{n_k}$", fontsize=10)
    right.legend(fontsize=8.5)
    return figure


@styled
def draw_edges(stored: Any) -> Figure:
    """Cost of the edge networks over the collapsed one by depth; objectives of trained fully connected networks.

    Reads edge_depths (D,), edge_vertices (V,), edge_ratio (V, D), full_depths (E,), full_collapsed (E,), full_edges
    (E,), full_bound (E,), full_runs (E, S).
    """
    figure, (left, right) = canvas(2, width=5.0)
    for v, row, colour in zip(stored["edge_vertices"], stored["edge_ratio"], (BLUE, ORANGE, GREEN, PINK)):
        K = int(v * (v - 1) // 2)
        left.plot(stored["edge_depths"], row, "o-", color=colour, ms=4, label=f"{K} classes, {int(v)} vertices")
    left.axhline(1, color=RED, lw=1.2, ls="--", label="collapsed network")
    left.set(xlabel="layers L", ylabel="weight decay over collapsed (dimensionless)")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.legend(fontsize=8.5)
    depths, reference = stored["full_depths"], stored["full_collapsed"]
    for k, depth in enumerate(depths):
        runs = stored["full_runs"][k] / reference[k]
        right.plot(
            depth + np.linspace(-0.18, 0.18, len(runs)),
            runs,
            "o",
            color=SKY,
            ms=5,
            label=None if k else "trained, one seed",
        )
    right.axhline(1, color=RED, lw=1.2, ls="--", label="collapsed network")
    right.plot(
        depths, stored["full_edges"] / reference, "D", color=BLUE, ms=5, mfc="none", label="edge network, best scale"
    )
    right.plot(depths, stored["full_bound"] / reference, "v", color=GREEN, ms=6, label="lower bound, any width")
    right.set(xlabel="layers L", ylabel="objective over collapsed (dimensionless)")
    right.set_xticks(depths, [str(int(d)) for d in depths])
    right.set_xlim(depths.min() - 0.4, depths.max() + 0.4)
    right.legend(fontsize=8.5)
    return figure


def draw_real(names: dict[str, str]) -> Draw:
    """SGD on real data against the closed form, one panel a data set (prefix to title).

    Reads NAME_depths (D,), NAME_theory (D,), NAME_bound (D,), NAME_sgd (D, S).
    """

    @styled
    def draw(stored: Any) -> Figure:
        figure, panels = canvas(len(names), width=4.6, height=3.6)
        for axes, (name, title) in zip(panels, names.items()):
            depths, runs = stored[f"{name}_depths"], stored[f"{name}_sgd"]
            for k, depth in enumerate(depths):
                label = None if k else "SGD, one seed"
                axes.plot(np.full(len(runs[k]), depth), runs[k], "o", color=SKY, ms=6, label=label)
            axes.plot(depths, stored[f"{name}_theory"], "_", color=RED, ms=26, mew=2, label="closed form")
            axes.plot(depths, stored[f"{name}_bound"], "v", color=GREEN, ms=6, label="lower bound, any width")
            axes.set(xlabel="layers L", title=title, yscale="log")
            axes.set_xticks(depths, [str(int(d)) for d in depths])
            axes.set_xlim(depths.min() - 0.5, depths.max() + 0.5)
            axes.yaxis.set_major_formatter(PLAIN)
            axes.yaxis.set_minor_formatter(PLAIN)
        panels[0].set_ylabel("training objective (dimensionless)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncol=len(labels))
        return figure

    return draw
