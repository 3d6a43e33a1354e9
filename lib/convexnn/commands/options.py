"""What the commands on tables share: their options, how an error ends, and how numbers are shown."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from convexnn.pipeline.project import ProjectError

SOLVED, INCONCLUSIVE = 0, 1
TASKS = ("auto", "regression", "classification")


def on_a_table(command: Callable[..., Any]) -> Callable[..., Any]:
    """TABLE --target, --drop, and the parameters of the estimator."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.argument("table", type=click.Path()),
    click.option("--target", "-t", "targets", multiple=True, required=True, help="Column to predict; may be repeated."),
    click.option("--drop", multiple=True, metavar="COLUMN", help="Leave a column out; may be repeated."),
    click.option("--task", type=click.Choice(TASKS), default="auto", show_default=True, help="What the target is."),
    click.option("--activation", type=click.Choice(("relu", "gated")), default="relu", show_default=True),
    click.option("--patterns", default="32", show_default=True, help='Gates to draw, or "all".'),
    click.option("--loss", default=None, help="squared; classes also logistic, hinge, squared_hinge, cross_entropy."),
    click.option("--no-intercept", is_flag=True, help="No bias, nothing centred."),
    click.option("--tol", type=float, default=1e-4, show_default=True, help="Relative gap to prove."),
    click.option("--budget", type=float, help="Seconds; when spent, the answer is inconclusive and both bounds hold."),
    click.option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="cpu", show_default=True),
    click.option("--seed", type=int, default=0, show_default=True, help="Of the gates."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout and nothing else."),
)


def estimator(table: Any, task: str, options: Mapping[str, Any], **more: Any) -> Any:
    """The unfitted estimator that suits the table. Raises ProjectError for a combination that does not exist."""
    from convexnn.estimators import ConvexReLUClassifier, ConvexReLURegressor

    task = table.task if task == "auto" else task
    if task == "regression" and table.y.dtype.kind not in "iuf":
        raise ProjectError(f"target {table.targets[0]!r} is no number; use --task classification, or another --target")
    if task == "classification" and table.y.ndim > 1:
        raise ProjectError("several targets are regression; name one --target to classify")
    make: Any = ConvexReLURegressor if task == "regression" else ConvexReLUClassifier
    patterns = options["patterns"]
    if patterns != "all" and not patterns.isdecimal():
        raise ProjectError(f'--patterns is {patterns!r}; pass a number of gates to draw, or "all"')
    return make(
        activation=options["activation"],
        patterns=patterns if patterns == "all" else int(patterns),
        loss=options["loss"] or "squared",
        fit_intercept=not options["no_intercept"],
        tol=options["tol"],
        budget=options["budget"],
        device=options["device"],
        random_state=options["seed"],
        **more,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Errors that a user can mend end in one line and exit code 2; a warning of no convergence is the exit code 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (ValueError, MemoryError) as error:
            raise ProjectError(str(error) or "out of memory; use fewer --patterns or a sample of the rows") from error


def show_json(found: Mapping[str, Any]) -> None:
    """`found` on stdout."""
    click.echo(json.dumps(found, indent=1))


def show_pairs(title: str, pairs: Mapping[str, str]) -> None:
    """A table of two columns on stdout."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title, show_header=False, title_justify="left")
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, text in pairs.items():
        shown.add_row(name, text)
    Console().print(shown)
