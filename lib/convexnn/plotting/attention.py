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
    """Test accuracy of convex heads and trained twins on pretrained tokens.

    Reads real_accuracy (H, 2), real_twin_accuracy (H, 2), real_values (H, 2), columns linear and gated.
    """
    names = [title.split("\n")[0] for title in TITLES.values()]
    figure, (axes,) = canvas(width=7.2, height=3.6)
    at = np.arange(len(names))
    for k, (word, colour, twin) in enumerate((("linear", BLUE, SKY), ("gated", RED, PINK))):
        axes.bar(at + 0.4 * k - 0.3, 100 * stored["real_accuracy"][:, k], 0.18, color=colour, label=f"{word}, convex")
        axes.bar(
            at + 0.4 * k - 0.1, 100 * stored["real_twin_accuracy"][:, k], 0.18, color=twin, label=f"{word}, trained"
        )
    axes.set_title(f"optimal values {stored['real_values'].min():.4g} to {stored['real_values'].max():.4g}", fontsize=9)
    axes.axhline(10, color="0.5", ls=":", lw=1, label="chance")
    axes.set_xticks(at, names, fontsize=9)
    axes.set(ylabel="test accuracy (%)", ylim=(0, 80))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncol=5, fontsize=9)
    return figure
