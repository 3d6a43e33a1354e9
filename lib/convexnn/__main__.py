"""`python -m convexnn`: run the notebooks, see what changed, get the data, and train on tables."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from convexnn.commands import NAMES as OTHERS
from convexnn.pipeline import browsing, index, keys, ledger, links, notebooks, progress, runner
from convexnn.pipeline import clean as cleaning
from convexnn.pipeline import paper as papers
from convexnn.pipeline import site as sites
from convexnn.pipeline.project import SIZES, Project, ProjectError
from convexnn.pipeline.slots import Slot

SIZE = click.option("--size", type=click.Choice(SIZES), default="quick", show_default=True, help="Sizes of the data.")
NAMES = click.argument("names", nargs=-1, metavar="[NAMES]...")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def commands() -> None:
    """Reproduce the results: run notebooks, judge their claims, compare with what is committed.

    A notebook is named by its file (01_two_layer) or its number (01). Results lie in results/<size>/<notebook>/.
    """


@commands.command()
@NAMES
@SIZE
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Notebooks at a time; default: one for each core.")
@click.option("-p", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the notebooks named.")
@click.option("--force", is_flag=True, help="Run even where nothing changed.")
def run(names: tuple[str, ...], size: str, jobs: int | None, given: tuple[str, ...], force: bool) -> None:
    """Bring results up to date, all or those NAMES, then make the ledger and the index page.

    Only what changed is run. Other parameters (-p) give a result of their own, beside the one with the defaults.
    """
    project = Project.find()
    outcomes = _run(project, names, size, jobs or 0, _pairs(given), force)
    problems = _publish(project, size)
    failed = [outcome for outcome in outcomes if outcome.ending == "failed"]
    if any(outcome.ending == "interrupted" for outcome in outcomes):
        sys.exit(130)
    if failed or problems:
        sys.exit(1)


@commands.command()
@click.argument("name", metavar="NOTEBOOK")
@click.option("--grid", required=True, metavar="AXES", help='The points: "seed=0:5 beta=0.1,1 size=quick,full".')
@SIZE
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Points at a time; default: one for each core.")
@click.option("--scheduler", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler, e.g. tcp://host:8786.")
def sweep(name: str, grid: str, size: str, jobs: int | None, scheduler: str | None) -> None:
    """Run NOTEBOOK at every point of a grid of its parameters, then make a table and a figure of the claims.

    Results lie in results/sweeps/<notebook>/, apart from those of `run`. What is there is not run again, a failed
    point is kept and the rest goes on, and Ctrl-C keeps every finished point.
    """
    from convexnn.pipeline import summary
    from convexnn.pipeline import sweep as sweeps

    project = Project.find()
    planned = sweeps.plan(project, name, grid, size)
    shown: Any = progress.for_output(sys.stdout.isatty())
    with contextlib.ExitStack() as stack:
        place = None if scheduler is None else stack.enter_context(_cluster(scheduler))
        outcomes = sweeps.run(project, planned, jobs or 0, shown, place)
    _tell(project, "points", outcomes, planned.requests[0].slot.base)
    for path in summary.write(project, planned, outcomes):
        click.echo(project.relative(path))
    endings = {outcome.ending for outcome in outcomes}
    if endings & {"interrupted", "failed"}:
        sys.exit(130 if "interrupted" in endings else 1)


@commands.command("list")
@SIZE
def list_notebooks(size: str) -> None:
    """Every notebook with the state of its result, its time and the claims it measured."""
    project = Project.find()
    state = keys.State.now(project)
    measured: dict[str, list[str]] = {}
    for name, claim, _ in ledger.measured(project, size):
        measured.setdefault(name, []).append(f"{claim['id']} ({claim['status']})")
    for notebook in notebooks.find(project):
        slot = Slot(project.results(size), notebook.name)
        changes = state.changes(notebook, notebook.values(size), slot)
        word = changes[0] if changes and not slot.finished() else "out of date" if changes else "current"
        word = changes[0] if slot.failure() else word
        took = runner.expected_s(slot)
        click.echo(f"{notebook.name:<28} {word:<14} {'' if took is None else f'{took:.1f} s':>9}")
        for claim_text in measured.get(notebook.name, []):
            click.echo(f"    {claim_text}")


@commands.command()
@click.argument("name")
@SIZE
@click.option("-p", "given", multiple=True, metavar="NAME=VALUE", help="Ask about a result with other parameters.")
def why(name: str, size: str, given: tuple[str, ...]) -> None:
    """Say what changed since the last result of notebook NAME."""
    for line in keys.why(Project.find(), name, size, _pairs(given)):
        click.echo(line)


@commands.command()
@SIZE
def report(size: str) -> None:
    """Make the ledger and the index page anew from the results there are; runs nothing."""
    if _publish(Project.find(), size):
        sys.exit(1)


@commands.command()
@SIZE
@click.option("--if-possible", is_flag=True, help="Say in a line what is missing, and end well.")
@click.option("--check", is_flag=True, help="Then follow every link, and look at every page in a headless browser.")
def site(size: str, if_possible: bool, check: bool) -> None:
    """Make the site (notebooks, ledger, benchmarks, library) from the results there are; it opens from disk."""
    project = Project.find()
    if if_possible and sites.missing():
        click.echo(f"no site: it needs {', '.join(sites.missing())}; pip install -e '.[site]'")
        return
    front = sites.build(project, size)
    click.echo(project.relative(front))
    if check:
        lacking = browsing.missing()
        said = links.broken(front.parent) + ([] if lacking else browsing.faults(front.parent))
        seen = f"not looked at: {lacking}" if lacking else "seen light and dark, wide and narrow"
        click.echo("\n".join([*said, f"{len(links.pages_of(front.parent))} pages, {len(said)} faults; {seen}"]))
        if said:
            sys.exit(1)


@commands.command()
@SIZE
@click.option("--if-possible", is_flag=True, help="Say in a line what is missing, and end well.")
def paper(size: str, if_possible: bool) -> None:
    """Make the paper (theorems, figures, ledger, benchmarks) from the results there are, with LaTeX."""
    project = Project.find()
    if if_possible and papers.missing():
        click.echo(f"no paper: it needs {', '.join(papers.missing())}; {papers.INSTALL}")
        return
    click.echo(project.relative(papers.build(project, size)))


@commands.command()
@NAMES
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Notebooks at a time; default: one for each core.")
def reference(names: tuple[str, ...], jobs: int | None) -> None:
    """Write the committed notebooks (with outputs) and numbers from quick results, running what is out of date."""
    from convexnn.pipeline import references

    project = Project.find()
    outcomes = _run(project, names, "quick", jobs or 0, {}, False)
    if any(outcome.ending not in ("finished", "unchanged") for outcome in outcomes):
        sys.exit(1)
    for path in references.write(project, names):
        click.echo(project.relative(path))


@commands.command()
@click.option("--all", "everything", is_flag=True, help="All results of every size.")
def clean(everything: bool) -> None:
    """Remove failed and interactive results, those with other parameters (-p) and those of notebooks that are gone."""
    project = Project.find()
    for path in cleaning.clean(project, everything):
        click.echo(f"removed {project.relative(path)}")


for other in OTHERS:
    commands.add_command(getattr(import_module(f"convexnn.commands.{other}"), other))


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point; an expected error is one line and exit code 2."""
    try:
        commands.main(args=arguments, prog_name="convexnn", standalone_mode=True)
    except ProjectError as error:
        click.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(2)


def _run(
    project: Project, names: Sequence[str], size: str, jobs: int, given: dict[str, str], force: bool
) -> list[runner.Outcome]:
    """Run with progress, then say how it went."""
    shown: Any = progress.for_output(sys.stdout.isatty())
    outcomes = runner.run(project, names, size, jobs, given, force, shown)
    _tell(project, "notebooks", outcomes, project.results(size))
    return outcomes


def _tell(project: Project, what: str, outcomes: Sequence[runner.Outcome], base: Path) -> None:
    """How it went, and what to look at."""
    endings = [outcome.ending for outcome in outcomes]
    counts = ", ".join(f"{endings.count(ending)} {ending}" for ending in sorted(set(endings)))
    click.echo(f"{what}: {counts or 'there are none'}")
    for outcome in outcomes:
        if outcome.failure is not None:
            kept = base / outcome.label / "failed.ipynb"
            kept = kept if kept.exists() else kept.with_name("failed.json")
            click.echo(f"  {outcome.label} {outcome.sentence()}\n    see {project.relative(kept)}", err=True)


def _cluster(address: str) -> Any:
    from convexnn.pipeline.cluster import Cluster

    return Cluster(address)


def _publish(project: Project, size: str) -> bool:
    """Ledger and page; True when the ledger has problems, which are printed."""
    made = ledger.write(project, size)
    page = index.write(project, size, made)
    counts = ", ".join(f"{number} {status}" for status, number in made.counts().items())
    click.echo(f"claims: {counts or 'none declared'}")
    click.echo(f"{project.relative(project.results(size) / 'ledger.md')}\n{project.relative(page)}")
    for problem in made.problems:
        click.echo(f"error: {problem}", err=True)
    return bool(made.problems)


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ProjectError(f"parameter {text!r} has no value; write -p name=value, e.g. -p seed=1")
        pairs[name.strip()] = value.strip()
    return pairs


if __name__ == "__main__":
    main()
