"""`python -m convexnn path data.csv --target y`: the regularisation path with a gap at every point."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from convexnn.commands.options import INCONCLUSIVE, SOLVED, estimator, on_a_table, quiet, show_json
from convexnn.commands.tables import read_table
from convexnn.pipeline.project import ProjectError


@click.command()
@on_a_table
@click.option("--count", type=click.IntRange(2, 200), default=20, show_default=True, help="Values of beta.")
@click.option("--ratio", type=float, default=1e-3, show_default=True, help="Smallest beta over beta_max.")
@click.option("--folds", type=click.IntRange(2, 50), default=5, show_default=True, help="Of cross-validation.")
@click.option("--figure", type=click.Path(dir_okay=False), help="Draw the path to this .png or .pdf.")
def path(
    table: str, targets: tuple[str, ...], drop: tuple[str, ...], task: str, as_json: bool, count: int, ratio: float,
    folds: int, figure: str | None, **options: Any,
) -> None:  # fmt: skip
    """Follow the optimum of TABLE from the zero network down, with held-out errors, and say which beta to take.

    Exit code: 0 every point solved to --tol, 1 some are inconclusive, 2 bad input.
    """
    import numpy as np

    if not 0 < ratio < 1:
        raise ProjectError(f"--ratio is {ratio:g}; pass a share between 0 and 1")
    read = read_table(table, targets, drop)
    with quiet():
        model = estimator(read, task, options, cv=folds)
        top = model.program(read.X, read.y).beta_max()
        model.set_params(beta=top * np.geomspace(1.0, ratio, count)).fit(read.X, read.y)
        if figure is not None:
            _draw(model.path_, figure)
    found = model.path_
    if as_json:
        show_json(_facts(found))
    else:
        _show(f"{read.path.name}: {', '.join(read.targets)}", found)
    sys.exit(SOLVED if bool(found.solved.all()) else INCONCLUSIVE)


def _facts(found: Any) -> dict[str, Any]:
    """What --json prints."""
    arrays = {name.removeprefix("reg_"): value for name, value in found.arrays().items()}
    plain = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in arrays.items()}
    best, simplest = found.best, found.simplest
    return plain | {"best": best, "simplest": simplest, "best_beta": float(found.betas[best])}


def _show(title: str, found: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title, title_justify="left", caption=f"error: {found.error_name}", caption_justify="left")
    for name in ("beta", "value", "gap", "neurons", "error", "time (s)", ""):
        shown.add_column(name, justify="right" if name else "left")
    for k in range(len(found)):
        marks = [word for word, at in (("smallest error", found.best), ("simplest", found.simplest)) if at == k]
        marks += [] if found.solved[k] else ["inconclusive"]
        numbers = (f"{found.betas[k]:.3g}", f"{found.values[k]:.5g}", f"{max(found.gaps[k], 0):.0e}")
        error = f"{found.mean_errors[k]:.4g}"
        shown.add_row(*numbers, f"{found.neurons[k]:.0f}", error, f"{found.times_s[k]:.2f}", ", ".join(marks))
    Console().print(shown)


def _draw(found: Any, name: str) -> None:
    from convexnn.plotting import estimators as figures

    place = Path(name)
    if place.suffix.lower() not in (".png", ".pdf") or not place.resolve().parent.is_dir():
        raise ProjectError(f"--figure is {name!r}; pass a .png or .pdf in a folder that is there")
    figures.draw_regularisation_path(found.arrays()).savefig(place, dpi=150)
