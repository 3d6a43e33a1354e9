"""The ledger as Markdown tables, for results/<size>/ledger.md and for the page of the site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from convexnn.pipeline.experiments import TITLES, FindingRow
from convexnn.pipeline.ledger import Ledger, Row

#: (text, notebook, link of a result folder) -> Markdown that leads to the cell
Linker = Callable[[str, str, str], str]

KEY = {
    "certified": "a certified gap is below the tolerance",
    "holds on tested": "the measured number is on the right side of the tolerance, on the data and seeds tried",
    "inconclusive": "neither shown nor refuted; the section *Open* says why",
    "contradicted": "the measured number refutes the claim",
    "program, network": "scope: the finite program with its patterns, or the training problem over all networks",
}


def markdown(ledger: Ledger, size: str) -> str:
    """All of the ledger, with links into the results folder."""
    return page(ledger, size, lambda text, _, link: f"[{text}]({link})" if link else text)


def page(ledger: Ledger, size: str, link: Linker) -> str:
    """Findings first, then goals, then the claims theorem by theorem."""
    lines = [
        "# Ledger",
        "",
        f"What held and what did not, at {size} size. A claim is measured by a notebook and judged by one",
    ]
    lines += ["rule; a figure, an erratum or a counterexample is as good as the claims and tests that bear it out.", ""]
    lines += [f"**Problem:** {problem}\n" for problem in ledger.problems]
    lines += [f"* {len(ledger.rows)} claims: {counted(ledger.counts())}"] if ledger.rows else ["no claim is declared"]
    for kind, title in TITLES.items():
        if ledger.outcomes(kind):
            lines.append(f"* {title.split(':')[0]}: {counted(ledger.outcomes(kind))}")
    lines.append("")
    for kind, title in TITLES.items():
        rows = [row for row in ledger.findings if row.finding.kind == kind]
        lines += [f"## {title}", "", *table(FINDING, [_finding(row, link) for row in rows]), ""] if rows else []
    if ledger.goals:
        cells = [(goal.problem, goal.to_reach, goal.measured, goal.outcome) for goal in ledger.goals]
        lines += ["## Benchmark goals", "", *table(("problem", "to reach", "measured", "outcome"), cells), ""]
    lines += ["## Claims", "", *[f"* *{word}*: {meaning}" for word, meaning in KEY.items()], ""]
    for theorem, group in groupby(ledger.rows, key=lambda row: row.id.split(".")[0]):
        rows_of = list(group)
        sources = "; ".join(dict.fromkeys(row.source for row in rows_of))
        lines += [f"### {theorem}", "", f"Source: {sources}.", ""]
        lines += [*table(CLAIM, [_claim(row, link) for row in rows_of]), ""]
    return "\n".join(lines).rstrip() + "\n"


CLAIM = ("claim", "status", "measured", "tolerance", "scope", "seeds", "cell")
FINDING = ("what", "outcome", "shown by")


def _claim(row: Row, link: Linker) -> tuple[str, ...]:
    words = f"`{row.id.partition('.')[2]}`: {row.statement}" + (f" ({row.note})" if row.note else "")
    cell = ", ".join(link(name.split("_")[0], name, row.link) for name in row.notebooks)
    status = row.status.replace("_", " ")
    return (words, status, number(row.measured), f"{row.tolerance:.0e}", row.scope, seeds_text(row.seeds), cell)


def _finding(row: FindingRow, link: Linker) -> tuple[str, ...]:
    words = f"`{row.finding.id}`: {row.finding.statement}. {row.remark()}".strip()
    words += f" *{row.finding.source}.*"
    shown = [_evidence(claim, link) for claim in row.claims]
    shown += [f"test `{test.partition('::')[2]}`" for test in row.finding.tests]
    shown += [f"seeds {seeds_text(row.seeds)}"] if len(row.seeds) > 1 else []
    return (words, row.outcome, "; ".join(shown))


def _evidence(row: Row, link: Linker) -> str:
    """A claim by name, with a link to the cell and the measured number."""
    named = link(f"`{row.id}`", row.notebooks[0], row.link) if row.notebooks else f"`{row.id}`"
    return f"{named} ({number(row.measured)})" if row.measured is not None else f"{named} ({row.status})"


def counted(counts: dict[str, int]) -> str:
    """'3 certified, 1 contradicted'."""
    return ", ".join(f"{many} {word.replace('_', ' ')}" for word, many in counts.items())


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, line by line; bars and line ends in cells are made harmless."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |")
    return lines


def number(value: float | str | None) -> str:
    """Three significant digits, words as they are."""
    return "" if value is None else value if isinstance(value, str) else f"{value:.2e}"


def seeds_text(seeds: Iterable[int]) -> str:
    """The seeds, shortened to a range where they are one."""
    listed = sorted(seeds)
    if len(listed) > 2 and listed == list(range(listed[0], listed[-1] + 1)):
        return f"{listed[0]}-{listed[-1]}"
    return ", ".join(map(str, listed))
