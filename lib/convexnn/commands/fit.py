"""`python -m convexnn fit data.csv --target y`: train on a table and say how far from the best the network can be."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from convexnn.commands.options import INCONCLUSIVE, SOLVED, estimator, on_a_table, quiet, show_json, show_pairs
from convexnn.commands.tables import Table, read_table
from convexnn.pipeline.project import ProjectError


@click.command()
@on_a_table
@click.option("--beta", help='Regularisation: a number, or "cv" for five folds. Default: a hundredth of beta_max.')
@click.option("--scope", type=click.Choice(("program", "network")), default="program", show_default=True,
              help="network: bound what a network of any width can reach (ReLU, one output).")  # fmt: skip
@click.option("--test-share", type=float, default=0.0, help="Hold out this share of the rows and score them.")
@click.option("--save", type=click.Path(dir_okay=False), help="Write the weights as a torch state dict (.pt).")
def fit(
    table: str, targets: tuple[str, ...], drop: tuple[str, ...], task: str, as_json: bool, beta: str | None,
    scope: str, test_share: float, save: str | None, **options: Any,
) -> None:  # fmt: skip
    """Train a two-layer network on TABLE (.csv, .tsv, .parquet, .npz) to a certified gap.

    Exit code: 0 solved to --tol, 1 inconclusive (both bounds hold), 2 bad input.
    """
    read = read_table(table, targets, drop)
    with quiet():
        model = estimator(read, task, options, beta=_beta(beta), scope=scope)
        kept, held = _parts(read, test_share)
        started = time.perf_counter()
        model.fit(read.X[kept], read.y[kept])
        found = _facts(model, read, kept, held) | {"seconds": time.perf_counter() - started}
        if save is not None:
            _save(model, save)
    if as_json:
        show_json(found)
    else:
        show_pairs(f"{read.path.name}: {', '.join(read.targets)}", _words(found, model))
    sys.exit(SOLVED if model.status_ == "solved" else INCONCLUSIVE)


def _beta(text: str | None) -> Any:
    if text is None or text == "cv":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise ProjectError(f'--beta is {text!r}; pass a number > 0, or "cv"') from error


def _parts(table: Table, share: float) -> tuple[Any, Any]:
    """Positions of the rows to train on and to hold out."""
    import numpy as np

    from convexnn.data.prepare import split

    rows = np.arange(len(table.X))
    if share == 0:
        return rows, rows[:0]
    if not 0 < share < 1:
        raise ProjectError(f"--test-share is {share:g}; pass a share between 0 and 1")
    kept, _, held, _ = split(rows, table.y, test_share=share)
    return kept, held


def _save(model: Any, path: str) -> None:
    import torch

    if not Path(path).resolve().parent.is_dir():
        raise ProjectError(f"there is no folder for {path}; make it first")
    torch.save(model.to_torch().state_dict(), path)


def _facts(model: Any, table: Table, kept: Any, held: Any) -> dict[str, Any]:
    """What --json prints: plain numbers and words."""
    X, y = table.X, table.y
    regression = not hasattr(model, "classes_")
    found = {
        "task": "regression" if regression else "classification",
        "rows": len(kept),
        "distinct_rows": model.n_distinct_,
        "features": list(table.features),
        "targets": list(table.targets),
        "status": model.status_,
        "gap": model.gap_,
        "value": model.value_,
        "lower": model.lower_,
        "scope": model.certificate_.scope,
        "beta": model.beta_,
        "neurons": model.n_neurons_,
        "patterns": model.n_patterns_,
        "method": model.method_,
        "message": model.message_,
        "score": "R2" if regression else "accuracy",
        "training_score": float(model.score(X[kept], y[kept])),
    }
    if not regression:
        found["classes"] = [str(name) for name in model.classes_]
    if len(held) > 1:
        found["held_out_rows"], found["held_out_score"] = len(held), float(model.score(X[held], y[held]))
    return found


def _words(found: dict[str, Any], model: Any) -> dict[str, str]:
    """The same for a reader."""
    about = f"{found['rows']} rows ({found['distinct_rows']} distinct), {len(found['features'])} features"
    classes = f", {len(found['classes'])} classes" if "classes" in found else ""
    scope = "every two-layer network" if found["scope"] == "network" else "networks with the drawn patterns"
    words = {
        "task": f"{found['task']}{classes} (change it with --task)",
        "data": about,
        "status": found["status"],
        "certificate": f"no better value than {found['lower']:.6g} exists for {scope}; found {found['value']:.6g}",
        "gap": f"{found['gap']:.1e} (asked: {model.tol:.0e})",
        "network": f"{found['neurons']} neurons, beta {found['beta']:.4g}, {found['patterns']} patterns",
        "training": f"{found['score']} {found['training_score']:.4f}",
    }
    if "held_out_score" in found:
        words["held out"] = f"{found['score']} {found['held_out_score']:.4f} on {found['held_out_rows']} rows"
    if found["status"] != "solved":
        words["what to do"] = found["message"]
    return words
