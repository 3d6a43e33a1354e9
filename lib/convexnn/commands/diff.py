"""`python -m convexnn diff`: two sets of results, claim by claim."""

from __future__ import annotations

import json
import sys

import click


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--rtol", default=1e-3, show_default=True, help="How far measured distances may move, as a share.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def diff(before: str, after: str, rtol: float, as_json: bool) -> None:
    """Compare the results in B with those in A, claim by claim; exit code 1 when something is worse or has moved.

    A and B are folders: of one result, or of several, e.g. results/quick and an older copy of it.
    """
    from convexnn.pipeline import differences
    from convexnn.pipeline.project import Project

    found = differences.compare(Project.find(), before, after, rtol)
    click.echo(json.dumps(found.as_json(), indent=1) if as_json else "\n".join(found.lines()))
    if found.is_grave():
        sys.exit(1)
