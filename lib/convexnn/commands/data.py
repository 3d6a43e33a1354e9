"""`python -m convexnn data`: fetch data sets, or list them."""

from __future__ import annotations

import click


@click.command()
@click.argument("names", nargs=-1, metavar="[NAMES]...")
def data(names: tuple[str, ...]) -> None:
    """Download the data sets NAMES and verify them; without NAMES, list them."""
    from convexnn import data as datasets
    from convexnn.pipeline.project import ProjectError

    for name in names or datasets.names():
        if not names:
            click.echo(name)
            continue
        try:
            click.echo(str(datasets.load(name, download=True)).splitlines()[0])
        except (ValueError, OSError) as error:
            raise ProjectError(str(error)) from error
