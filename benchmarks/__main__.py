"""One command a table:  python -m benchmarks gated | cone | first-order | network | certificates | uci | tables, goals.

Results go to benchmarks/results/ as JSON with a Markdown table; a run replaces the rows it measures and keeps the rest.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from benchmarks import uci
from benchmarks.comparing import compare
from benchmarks.first_order import first_order
from benchmarks.goals import NOTE, scoreboard, stored
from benchmarks.instances import SHARES, SIZES, Instance, Kind
from benchmarks.machine import facts, one_thread
from benchmarks.storing import RESULTS, keep, markdown
from benchmarks.training import against_training, certificates
from convexnn.numerics import resolve_device

results = click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Folder of the files.")
device = click.option("--device", default="cpu", show_default=True, help="cpu, cuda or auto; the judge is on the CPU.")
limit = click.option(
    "--limit", default=120.0, show_default=True, help="Seconds for all runs of one solver on one instance."
)
only = click.option("--only", multiple=True, help="Take part: interior, Clarabel, ...; default all.")
shares = click.option("--share", multiple=True, type=float, default=SHARES, show_default=True, help="Of beta_max.")


@click.group(help=__doc__)
def main() -> None:
    """Every table is measured with one thread, in this process and in the solvers' own."""
    one_thread()


def _sizes(default: tuple[str, ...]):  # type: ignore[no-untyped-def]
    choice = click.Choice(list(SIZES))
    return click.option("--size", multiple=True, type=choice, default=default, show_default=True)


@main.command(help="Gated ReLU programs against every peer that is installed.")
@_sizes(("S", "M", "L", "XL"))
@shares
@only
@limit
@device
@results
def gated(
    size: tuple[str, ...], share: tuple[float, ...], only: tuple[str, ...], limit: float, device: str, results: Path
) -> None:
    _programs("gated", size, share, only, limit, device, results)


@main.command(help="ReLU programs with cones against every peer that is installed.")
@_sizes(("S", "M"))
@shares
@only
@limit
@device
@results
def cone(
    size: tuple[str, ...], share: tuple[float, ...], only: tuple[str, ...], limit: float, device: str, results: Path
) -> None:
    _programs("cone", size, share, only, limit, device, results)


def _programs(
    kind: Kind, sizes: tuple[str, ...], shares: tuple[float, ...], only: tuple[str, ...], limit: float, device: str,
    folder: Path,
) -> None:  # fmt: skip
    there = resolve_device(device).type
    instances = [Instance(kind, size, share) for size in sizes for share in shares]
    for row in compare(instances, only, there, limit, click.echo):
        keep(kind, [row], facts(there), folder)


@main.command(help="globalize against Adam and L-BFGS on random instances, the same CPU seconds for each.")
@_sizes(("S",))
@click.option("--share", default=0.01, show_default=True)
@click.option("--instances", default=10, show_default=True)
@click.option("--seconds", default=5.0, show_default=True, help="CPU seconds for each.")
@device
@results
def network(size: tuple[str, ...], share: float, instances: int, seconds: float, device: str, results: Path) -> None:
    there = resolve_device(device).type
    for name in size:
        for row in against_training(name, share, instances, seconds, there):
            rivals = [f"{rival} {row.get(rival, float('nan')):.5g}" for rival in ("adam", "lbfgs", "adam_best")]
            click.echo(f"{row['instance']}: globalize {row['globalize']:.5g}, " + ", ".join(rivals))
            keep("network", [row], facts(there), results)


@main.command(name="certificates", help="How far a network is from the best of any width, within a budget.")
@click.option("--budget", default=60.0, show_default=True, help="Seconds for each instance.")
@click.option("--only", multiple=True, help='Parts of names, such as "(100, 5)" or "breast".')
@results
def prove(budget: float, only: tuple[str, ...], results: Path) -> None:
    for row in certificates(budget, only):
        click.echo(f"{row['instance']}: gap {row['gap']:.1e} in {row['cpu_s']:.3g} CPU s, {row['method']}")
        keep("certificates", [row], facts("cpu"), results)


@main.command(name="first-order", help="A float32 step of the accelerated gradient against its two matrix products.")
@_sizes(("M", "L", "XL"))
@click.option("--share", default=0.01, show_default=True)
@device
@results
def steps(size: tuple[str, ...], share: float, device: str, results: Path) -> None:
    there = resolve_device(device).type
    for row in first_order(size, share, there):
        click.echo(f"{row['instance']}: {row['step_s'] / row['floor_s']:.2f} times its two products, {row['status']}")
        keep("first_order", [row], facts(there), results)


@main.command(name="uci", help="Test accuracy and time on real tables against training, kernels, trees and pyscnn.")
@click.option("--set", "sets", multiple=True, default=uci.SETS, help="Names of convexnn.data; default all.")
@only
@click.option("--seeds", default=uci.SEEDS, show_default=True, help="Random cuts of each set.")
@results
def accuracy(sets: tuple[str, ...], only: tuple[str, ...], seeds: int, results: Path) -> None:
    for row in uci.race(sets, only, seeds, click.echo):
        keep("uci", [row], facts("cpu"), results)


@main.command(help="What was to be reached and what the stored measurements say; writes goals.md.")
@results
def goals(results: Path) -> None:
    table = scoreboard(stored(results))
    (results / "goals.md").write_text(f"# Goals\n\n{table}\n\n{NOTE}\n", encoding="utf-8")
    click.echo(table)


@main.command(help="Write the Markdown tables again from the JSON files.")
@results
def tables(results: Path) -> None:
    for path in sorted(results.glob("*.json")):
        path.with_suffix(".md").write_text(markdown(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")
        click.echo(f"written: {path.with_suffix('.md').name}")


if __name__ == "__main__":
    main()
