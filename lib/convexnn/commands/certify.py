"""`python -m convexnn certify model.pt data.npz --beta 0.1`: how far a trained network is from globally optimal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from convexnn.commands.options import INCONCLUSIVE, SOLVED, quiet, show_json, show_pairs
from convexnn.commands.tables import read_table
from convexnn.pipeline.project import ProjectError

LOSSES = ("squared", "logistic", "hinge", "squared_hinge", "cross_entropy")


@click.command()
@click.argument("weights", type=click.Path())
@click.argument("data", type=click.Path())
@click.option("--beta", type=float, required=True, help="Regularisation: sum of losses + beta/2 * squared weights.")
@click.option("--target", "-t", "target", default="y", show_default=True, help="Column (or .npz array) to predict.")
@click.option("--drop", multiple=True, metavar="COLUMN", help="Leave a column out; may be repeated.")
@click.option("--loss", type=click.Choice(LOSSES), default="squared", show_default=True)
@click.option("--biases", type=click.Choice(("penalised", "free")), default="penalised", show_default=True)
@click.option("--architecture", type=click.Choice(("auto", "relu", "linear")), default="auto", show_default=True,
              help="What stands between the Linear layers.")  # fmt: skip
@click.option("--stride", type=int, default=1, show_default=True, help="Of a convolution.")
@click.option("--padding", type=int, default=0, show_default=True, help="Of a convolution.")
@click.option("--budget", type=float, default=20.0, show_default=True, help="Seconds.")
@click.option("--tol", type=float, default=1e-2, show_default=True, help="Relative gap that counts as certified.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--improve", "better", type=click.Path(dir_okay=False), help="Also write a better network here (.pt).")
@click.option("--max-width", type=int, help="Most hidden neurons of the better network.")
@click.option("--figure", type=click.Path(dir_okay=False), help="Draw the certificate (.png or .pdf).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout and nothing else.")
def certify(
    weights: str, data: str, beta: float, target: str, drop: tuple[str, ...], loss: str, biases: Any,
    architecture: Any, stride: int, padding: int, budget: float, tol: float, seed: int, better: str | None,
    max_width: int | None, figure: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Bound how far the network in WEIGHTS (a torch state dict, .pt) is from the best on DATA (.npz, .csv, .parquet).

    WEIGHTS is read without running anything in it. An .npz file holds X and the target as arrays.
    Exit code: 0 certified to --tol, 1 inconclusive (both bounds hold), 2 bad input.
    """
    with quiet():
        from convexnn.numerics import limit_threads
        from convexnn.your_network import certify_network
        from convexnn.your_network.checkpoints import module_of, read_state

        limit_threads()
        _check_folders(better, figure)
        model = module_of(_state(read_state, weights), architecture, stride, padding)
        X, y, said = training_data(Path(data), target, drop, loss)
        options = {"loss": loss, "biases": biases, "budget": budget, "seed": seed}
        found = certify_network(model, X, y, beta, tol=tol, **options)
        facts = {"weights": Path(weights).name, "data": Path(data).name, **found.summary(), **said}
        if better is not None:
            facts |= _improve(model, X, y, beta, better, max_width, options)
        if figure is not None:
            _draw(found, figure)
    if as_json:
        show_json(facts)
    else:
        show_pairs(f"{facts['weights']} on {facts['data']}", words(facts))
    sys.exit(SOLVED if found.status == "certified" else INCONCLUSIVE)


def training_data(path: Path, target: str, drop: tuple[str, ...], loss: str) -> tuple[Any, Any, dict[str, Any]]:
    """X, y as the loss wants it, and what was said about the classes. Raises ProjectError."""
    import numpy as np

    if path.suffix.lower() == ".npz" and path.is_file() and not drop:
        X, y = _arrays(path, target)
    else:
        table = read_table(path, target, drop)
        X, y = table.X, table.y
    if loss == "squared":
        return X, y, {}
    if np.ndim(y) > 1:
        return X, y, {}
    classes = np.unique(y)
    if loss == "cross_entropy":
        return X, np.searchsorted(classes, y), {"classes": [str(name) for name in classes]}
    if len(classes) > 2:
        raise ProjectError(f"target {target!r} has {len(classes)} classes; the {loss} loss takes two, or cross_entropy")
    if len(classes) == 1:
        raise ProjectError(f"target {target!r} has one class only, {classes[0]}; there is nothing to tell apart")
    return X, np.where(y == classes[1], 1.0, -1.0), {"classes": [f"-1: {classes[0]}", f"+1: {classes[1]}"]}


def _arrays(path: Path, target: str) -> tuple[Any, Any]:
    """X and the target of an .npz file as they are, images included; never a pickle."""
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            missing = [name for name in ("X", target) if name not in stored.files]
            if missing:
                raise ProjectError(
                    f"{path.name} has no array {missing[0]!r}; it has {', '.join(stored.files) or 'none'}"
                )
            X, y = stored["X"], stored[target]
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ProjectError(
            f"{path.name} cannot be read as NPZ: {error}; save it by np.savez(path, X=X, y=y)"
        ) from error
    if X.dtype.kind not in "biuf":
        raise ProjectError(f"array 'X' of {path.name} has dtype {X.dtype}; encode text and categories as numbers")
    if len(X) != len(y):
        raise ProjectError(f"{path.name}: X has {len(X)} rows, {target} has {len(y)}; pass one target a row")
    return X, y


def _state(read_state: Any, path: str) -> Any:
    try:
        return read_state(path)
    except FileNotFoundError as error:
        raise ProjectError(str(error)) from error


def _check_folders(*paths: str | None) -> None:
    for path in paths:
        if path is not None and not Path(path).resolve().parent.is_dir():
            raise ProjectError(f"there is no folder for {path}; make it first")


def _improve(
    model: Any, X: Any, y: Any, beta: float, path: str, max_width: int | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Write the better network, or the same one, and say which."""
    from convexnn.your_network import improve
    from convexnn.your_network.checkpoints import save_state

    found = improve(model, X, y, beta, max_width=max_width, **options)
    save_state(found.network, path)
    return {"improved": found.improved, "improved_objective": found.after, "improvement": found.message}


def _draw(found: Any, path: str) -> None:
    from convexnn.plotting.your_data import draw_certificate

    names = {"objective": found.objective, "rebalanced": found.rebalanced, "best": found.best, "lower": found.lower}
    stored = {f"network_{name}": value for name, value in names.items()} | {"network_program": found.program_lower}
    figure = draw_certificate(["network"])(stored)
    figure.savefig(path, dpi=150)


def words(facts: dict[str, Any]) -> dict[str, str]:
    """The certificate for a reader."""
    number = "{:.6g}".format
    shown = {
        "verdict": facts["sentence"],
        "network": f"{facts['form']}, {facts['width']} hidden neurons, {facts['dead']} of them dead",
        "objective": f"{number(facts['objective'])} = {facts['loss']} loss {number(facts['loss_value'])} over "
        f"{facts['samples']} samples + {number(facts['decay_cost'])} for beta/2 * squares of {facts['decay']}",
        "after rebalancing": number(facts["rebalanced"]),
        "best found": f"{number(facts['best'])} with {facts['best_width']} neurons",
        "lower bound": f"{number(facts['lower'])} for every such network ({facts['scope']} scope; {facts['method']})",
    }
    if facts["program_lower"] is not None:
        shown["with its own patterns"] = f"no network goes below {number(facts['program_lower'])}"
    if facts.get("classes"):
        shown["classes"] = ", ".join(facts["classes"])
    for k, note in enumerate(facts["notes"]):
        shown["note" if k == 0 else f"note {k + 1}"] = note
    if "improvement" in facts:
        shown["improved"] = facts["improvement"]
    if facts["status"] != "certified":
        shown["what to do"] = (
            f"gap {facts['gap']:.1e} > tol {facts['tol']:.0e}: train on, use --improve, or raise --budget"
        )
    return shown
