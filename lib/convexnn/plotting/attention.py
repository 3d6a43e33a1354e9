"""Figures of the attention notebook, drawn from result files only; colours and style from `plotting`."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from convexnn.plotting import BLUE, GREEN, ORANGE, PINK, PLAIN, RED, SKY, canvas, styled

TITLES = {
    "self_attention": "self-attention\n$d^2\\times dc$",
    "mixer": "mixer\n$s^2\\times dc$",
    "fno": "Fourier operator\n$sd\\times c$",
    "block_fno": "block Fourier\n2 of $sd/2\\times c/2$",
    "mlp": "MLP\n$d\\times c$",
}


@styled
def draw_blocks(stored: Any) -> Figure:
    """The lifted optimum of every linear head, entries by size and sign. Reads lifted_NAME (p, q) for each head."""
    figure, panels = canvas(len(TITLES), width=1.9, height=3.3)
    for axes, (name, title) in zip(panels, TITLES.items()):
        Z = stored[f"lifted_{name}"]
        size = np.abs(Z).max()
        axes.imshow(Z, cmap="PuOr", vmin=-size, vmax=size, aspect="auto" if Z.shape[0] > 4 * Z.shape[1] else "equal")
        axes.set_title(title, fontsize=9)
        axes.set(xticks=[], yticks=[], xlabel="right factor")
        axes.grid(False)
    panels[0].set_ylabel("left factor")
    return figure


@styled
def draw_heads(stored: Any) -> Figure:
    """Training with m heads against the certified optimum, and rank of the factored optimum over beta.

    Reads head_counts (M,), head_runs (M, S), golden_value, rank_shares (B,), ranks (B,).
    """
    figure, (left, right) = canvas(2, height=3.4)
    counts, runs = stored["head_counts"], stored["head_runs"]
    for k in range(runs.shape[1]):
        left.plot(
            counts,
            runs[:, k] - stored["golden_value"] + 1e-12,
            "o",
            color=SKY,
            ms=5,
            label="one start" if k == 0 else None,
        )
    left.plot(counts, runs.min(1) - stored["golden_value"] + 1e-12, "-", color=BLUE, label="best start")
    left.set(xlabel="heads m", ylabel="above the optimum (dimensionless)", yscale="log", xticks=counts)
    left.legend()
    right.step(stored["rank_shares"], stored["ranks"], "o-", where="mid", color=ORANGE)
    right.set(xlabel=r"$\beta\,/\,\beta_{\max}$ (dimensionless)", ylabel="heads of the certified network", xscale="log")
    right.xaxis.set_major_formatter(PLAIN)
    right.set_yticks(range(int(stored["ranks"].max()) + 1))
    return figure


@styled
def draw_clusters(stored: Any) -> Figure:
    """Agreement of mask rows between tokens of two clusters, and against the similarity of image patches.

    Reads agreement (gates, s, s), similarity (B,), patch_agreement (B,).
    """
    masks = stored["agreement"]
    figure, panels = canvas(3, width=3.3, height=3.2)
    apart = masks[:, : masks.shape[1] // 2, masks.shape[1] // 2 :].mean((1, 2))
    for axes, g, word in ((panels[0], int(apart.argmin()), "most"), (panels[1], int(apart.argmax()), "least")):
        shown = axes.imshow(masks[g], cmap="cividis", vmin=0, vmax=1)
        axes.set(title=f"the {word} informative gate", xlabel="token", ylabel="token")
        axes.grid(False)
    figure.colorbar(shown, ax=panels[1], label="share of equal mask entries")
    panels[2].plot(stored["similarity"], stored["patch_agreement"], "o-", color=GREEN)
    panels[2].set(xlabel="cosine of two image patches", ylabel="share of equal mask entries")
    return figure


@styled
def draw_real(stored: Any) -> Figure:
    """Test accuracy of convex heads and of trained heads on pretrained tokens, mean and deviation over draws.

    Reads real_scores (S, 3 H + 1, 2): linear, gated, ReLU for each head, then softmax attention; convex and trained.
    real_convex (H, 2): the mean of the convex ones, per cent.
    """
    scores = 100 * stored["real_scores"]
    mean, spread = scores.mean(0), scores.std(0, ddof=1)
    names = [title.split("\n")[0] for title in TITLES.values()]
    figure, (axes,) = canvas(width=8.2, height=3.8)
    looks = (
        ("linear, convex", 0, 0, BLUE), ("linear, trained", 0, 1, SKY), ("gated, convex", 1, 0, RED),
        ("gated, trained", 1, 1, PINK), ("ReLU, trained", 2, 1, GREEN),
    )  # fmt: skip
    for k, (word, kind, column, colour) in enumerate(looks):
        at = np.arange(len(names)) + 0.15 * (k - 2)
        rows = 3 * np.arange(len(names)) + kind
        height = mean[rows, 1] if column else stored["real_convex"][:, kind]
        axes.bar(at, height, 0.13, yerr=spread[rows, column], capsize=2, color=colour, label=word)
    axes.bar(0.45, mean[-1, 1], 0.13, yerr=spread[-1, 1], capsize=2, color=ORANGE, label="softmax, trained")
    axes.axhline(10, color="0.5", ls=":", lw=1, label="chance")
    axes.set_xticks(range(len(names)), names, fontsize=9)
    axes.set(ylabel="test accuracy (%)", ylim=(0, 80))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncol=4, fontsize=9)
    return figure
