r"""What the macros of the paper stand for: each is looked up in a result file, and an absent one is an error.

    \val[form]{notebook}{number}               a saved number;              form: a Python format, .4g unless given
    \cell[form]{notebook}{table}{row}{column}  an entry of a saved table;   rows from 0, columns by name
    \resulttable[columns]{notebook}{table}     the table itself;            columns: names, separated by ;
    \resultfigure{notebook}{figure}            the figure with its caption and origin
    \claim{id}, \status{id}, \ledger{group}    measured number, status, all rows with their requirement
    \sources{group}, \howmany{status}          the papers of a group; rows of that status, of "claims" or of "notebooks"
    \bench[form]{table}{instance}{solver}{field}, \ratio{table}{instance}{solver}{solver}{field}
    \benchtable{table}{share}, \goals, \goalcount{reached}, \runs, \shapes

A notebook that was not run is no error: the paper says so in that place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from convexnn.claims import STATUSES
from convexnn.pipeline import ledger as ledgers
from convexnn.pipeline import paper_tables as tables
from convexnn.pipeline.latex import number, rounded, tabular, uncommented
from convexnn.pipeline.notebooks import discover
from convexnn.pipeline.project import Project, ProjectError, nearest, read_json
from convexnn.pipeline.slots import Slot

#: Macros and how many arguments each has.
MACROS = {
    "val": 2, "cell": 4, "resulttable": 2, "resultfigure": 2, "claim": 1, "status": 1, "ledger": 1, "sources": 1,
    "howmany": 1, "bench": 4, "ratio": 5, "benchtable": 2, "goals": 0, "goalcount": 1, "runs": 0, "shapes": 0,
}  # fmt: skip
CALL = re.compile(rf"(?<!Command\{{)\\({'|'.join(MACROS)})(?![A-Za-z])(?:\[([^\]]*)\])?((?:\{{[^{{}}]*\}})*)")


@dataclass(frozen=True)
class Request:
    """One use of a macro: its name, its option or "", its arguments, and where it stands."""

    macro: str
    option: str
    arguments: tuple[str, ...]
    place: str = field(compare=False)

    @property
    def key(self) -> str:
        """The name of its definition in values.tex; `preamble.tex` builds the same."""
        return "|".join([self.macro, self.option, *self.arguments])


def requests(text: str, name: str) -> list[Request]:
    """Every use of a macro in a source file, in order; comments do not count."""
    clean, found = uncommented(text), []
    for match in CALL.finditer(clean):
        given = tuple(re.findall(r"\{([^{}]*)\}", match[3]))[: MACROS[match[1]]]
        place = f"{name}:{clean.count(chr(10), 0, match.start()) + 1}"
        if len(given) < MACROS[match[1]]:
            raise ProjectError(f"{place}: \\{match[1]} takes {MACROS[match[1]]} arguments, found {len(given)}")
        found.append(Request(match[1], match[2] or "", given, place))
    return found


class NotRun(Exception):
    """The notebook has no finished result, which the paper says in that place."""


@dataclass(frozen=True)
class Values:
    """The results of one size, asked by the macros; `citations` gives the BibTeX key of an arXiv number."""

    project: Project
    size: str
    citations: Mapping[str, str]
    shapes: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def ledger(self) -> ledgers.Ledger:
        made = ledgers.build(self.project, self.size)
        made.check()
        return made

    @cached_property
    def rows(self) -> dict[str, ledgers.Row]:
        return {row.id: row for row in self.ledger.rows}

    @cached_property
    def groups(self) -> dict[str, list[ledgers.Row]]:
        """The rows of each theorem, and of the solvers: what stands before the dot of an id."""
        found: dict[str, list[ledgers.Row]] = {}
        for row in self.ledger.rows:
            found.setdefault(row.id.split(".")[0], []).append(row)
        return found

    @cached_property
    def results(self) -> dict[str, dict[str, Any]]:
        """The result file of every finished notebook, by its name."""
        found = {}
        for name in discover(self.project):
            slot = Slot(self.project.results(self.size), name)
            doc = read_json(slot.folder / "result.json") if slot.finished() and not slot.failure() else None
            if doc is not None:
                found[name] = doc
        return found

    @cached_property
    def benchmarks(self) -> dict[str, list[dict[str, Any]]]:
        folder = self.project.root / "benchmarks" / "results"
        return {path.stem.rsplit("_", 1)[0]: (read_json(path) or {})["rows"] for path in sorted(folder.glob("*.json"))}

    @cached_property
    def goal_rows(self) -> list[list[str]]:
        path = self.project.root / "benchmarks" / "results" / "goals.md"
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]

    def definition(self, request: Request) -> str:
        """The LaTeX that the macro stands for; ProjectError names the place and what there is instead."""
        try:
            return str(getattr(self, f"_{request.macro}")(request.option, *request.arguments))
        except NotRun as error:
            label = rf"\phantomsection\label{{fig:{':'.join(request.arguments)}}}"  # the text may refer to the figure
            return rf"\notrun{{{tables.code(str(error))}}}" + label * (request.macro == "resultfigure")
        except ProjectError as error:
            raise ProjectError(f"{request.place}: \\{request.macro}: {error}") from error

    def figure_file(self, notebook: str, name: str) -> Path | None:
        """The vector file of a figure, or None when the notebook was not run."""
        if notebook not in self.results:
            return None
        stored = _of(self.results[notebook]["figures"], name, f"figures of {notebook}")
        return Slot(self.project.results(self.size), notebook).folder / stored["files"]["pdf"]

    def _result(self, notebook: str) -> dict[str, Any]:
        _of(dict.fromkeys(discover(self.project)), notebook, "notebooks")
        if notebook not in self.results:
            raise NotRun(notebook)
        return self.results[notebook]

    def _row(self, claim: str) -> ledgers.Row:
        row: ledgers.Row = _of(self.rows, claim, "claims")
        if row.measurements == 0:
            raise NotRun(claim)
        return row

    def _val(self, form: str, notebook: str, name: str) -> str:
        return number(_of(self._result(notebook)["numbers"], name, f"numbers of {notebook}")["value"], form or ".4g")

    def _table(self, notebook: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = _of(self._result(notebook)["tables"], name, f"tables of {notebook}")
        return found

    def _cell(self, form: str, notebook: str, name: str, row: str, column: str) -> str:
        table = self._table(notebook, name)
        if not (row.isdecimal() and int(row) < len(table["rows"])):
            raise ProjectError(f"table {name} of {notebook} has rows 0 to {len(table['rows']) - 1}, not {row!r}")
        _of(dict.fromkeys(table["columns"]), column, f"columns of {name}")
        return number(table["rows"][int(row)][table["columns"].index(column)], form or ".4g")

    def _resulttable(self, columns: str, notebook: str, name: str) -> str:
        table = self._table(notebook, name)
        wanted = [column.strip() for column in columns.split(";")] if columns else table["columns"]
        for column in wanted:
            _of(dict.fromkeys(table["columns"]), column, f"columns of {name}")
        return tables.stored_table(table, wanted, tables.origin(notebook, self._result(notebook)))

    def _resultfigure(self, _: str, notebook: str, name: str) -> str:
        stored = _of(self._result(notebook)["figures"], name, f"figures of {notebook}")
        return tables.figure(notebook, name, stored["caption"], tables.origin(notebook, self._result(notebook)))

    def _claim(self, _: str, claim: str) -> str:
        return rounded(self._row(claim).measured)

    def _status(self, _: str, claim: str) -> str:
        return str(self._row(claim).status).replace("_", " ")

    def _ledger(self, _: str, group: str) -> str:
        rows = _of(self.groups, group, "groups of claims")
        names = sorted({name for row in rows for name in row.notebooks})
        if not names:
            raise NotRun(group)
        return tables.ledger(group, rows, [tables.origin(name, self._result(name)) for name in names])

    def _sources(self, _: str, group: str) -> str:
        sources = dict.fromkeys(row.source for row in _of(self.groups, group, "groups of claims"))
        keys = [self.citations[found[1]] for text in sources if (found := re.search(r"arXiv ([\d.]+\d)", text))]
        own = any("arXiv" not in text for text in sources)
        cited = [rf"\citet{{{key}}}" for key in dict.fromkeys(keys)] + ["this project"] * own
        return cited[0] if len(cited) == 1 else ", ".join(cited[:-1]) + " and " + cited[-1]

    def _howmany(self, _: str, status: str) -> str:
        counts = {str(word): 0 for word in (*STATUSES, "not measured")}
        counts |= {"claims": len(self.rows), "notebooks": len(self.results), **self.ledger.counts()}
        return str(_of(counts, status, "statuses"))

    def _benched(self, table: str, instance: str, solver: str, name: str) -> float:
        rows = [row for row in _of(self.benchmarks, table, "benchmark tables") if row["instance"] == instance]
        rows = [row for row in rows if row.get("contender", solver) == solver]
        if not rows or name not in rows[0]:
            raise ProjectError(f"the benchmark {table!r} has no {name!r} of {solver!r} on {instance!r}")
        return float(rows[0][name])

    def _bench(self, form: str, table: str, instance: str, solver: str, name: str) -> str:
        return number(self._benched(table, instance, solver, name), form or ".3g")

    def _ratio(self, form: str, table: str, instance: str, slow: str, fast: str, name: str) -> str:
        pair = self._benched(table, instance, slow, name) / self._benched(table, instance, fast, name)
        return number(pair, form or ".3g")

    def _benchtable(self, _: str, table: str, share: str) -> str:
        return tables.solver_times(_of(self.benchmarks, table, "benchmark tables"), float(share))

    def _goals(self, _: str) -> str:
        return tables.goals(self.goal_rows)

    def _goalcount(self, _: str, word: str) -> str:
        return str(sum(row[-1] == word for row in self.goal_rows))

    def _runs(self, _: str) -> str:
        base = self.project.results(self.size)
        return tables.runs({name: (doc, Slot(base, name).finished() or {}) for name, doc in self.results.items()})

    def _shapes(self, _: str) -> str:
        return tabular(["network", "operator $A$", "gauge", "cone"], self.shapes, "llll")


def _of(found: Mapping[str, Any], name: str, what: str) -> Any:
    """`found[name]`, or an error that says which names there are."""
    if name not in found:
        hint = nearest(name, found) or f" There are: {', '.join(list(found)[:12])}."
        raise ProjectError(f"{what} hold no {name!r}.{hint}")
    return found[name]
