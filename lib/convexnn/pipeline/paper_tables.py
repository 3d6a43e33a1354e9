"""The tables, figures and captions of the paper, each with the run that it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from convexnn.pipeline.latex import alignment, column, escape, number, prose, rounded, tabular
from convexnn.pipeline.ledger import Row

#: Methods of this project among the contenders of a benchmark.
OWN = ("interior", "admm", "fista")
#: What a measured number has to be, by the kind of its claim.
REQUIRED = {
    "certificate": r"gap $\le$ {}", "agreement": r"diff.\ $\le$ {}", "one_sided": r"above $\ge$ {}",
    "counterexample": r"apart $>$ {}",
}  # fmt: skip
SHORT = {"certified": "certified", "holds_on_tested": "holds"}


def code(text: str) -> str:
    """A name as typed; long ones may break at underscores and slashes."""
    return rf"\texttt{{{escape(text).replace(chr(92) + '_', chr(92) + '_' + chr(92) + 'allowbreak{}')}}}"


def origin(notebook: str, doc: Mapping[str, Any]) -> str:
    """Notebook, parameters that matter, key and commit of a result file."""
    commit = str(doc["provenance"].get("commit", "unknown"))[:10]
    changed = " and changes" if doc["provenance"].get("dirty") else ""
    values = ", ".join(f"{name} {doc['parameters'][name]}" for name in ("size", "seed") if name in doc["parameters"])
    return rf"notebook {code(notebook)} ({escape(values)}), key {code(doc['key'])}, commit {code(commit)}{changed}"


def figure(notebook: str, name: str, caption: str, made: str) -> str:
    """A floating figure; its file lies under figures/ in the build folder."""
    return "\n".join(
        [
            r"\begin{figure}[!htb]\centering",
            rf"\fitted{{figures/{notebook}-{name}.pdf}}",
            rf"\caption{{{prose(caption)} \origin{{From {made}.}}}}\label{{fig:{notebook}:{name}}}",
            r"\end{figure}",
        ]
    )


def stored_table(table: Mapping[str, Any], columns: Sequence[str], made: str) -> str:
    """A table that a notebook saved, or some of its columns."""
    places = [table["columns"].index(name) for name in columns]
    picked = [[row[place] for place in places] for row in table["rows"]]
    cells = zip(*[column(values) for values in zip(*picked, strict=True)], strict=True)
    body = tabular([prose(name) for name in columns], cells, alignment(picked))
    caption = rf"\caption{{{prose(table['caption'])} \origin{{From {made}.}}}}"
    return "\n".join([r"\begin{table}[!htb]\centering\small", caption, rf"\narrowed{{{body}}}", r"\end{table}"])


def ledger(group: str, rows: Sequence[Row], made: Sequence[str]) -> str:
    """All rows of a theorem: the claim, its scope, what was required, what was measured, and the status."""
    widths = r">{\raggedright\arraybackslash}p{0.5\linewidth}llll"
    head = r"claim & scope & required & measured & status \\"
    caption = rf"\caption{{Ledger of {code(group)}. \origin{{From {'; '.join(made)}.}}}}\label{{tab:{group}}}\\"
    body = []
    for row in rows:
        required = REQUIRED[row.kind].format(
            number(-row.tolerance if row.kind == "one_sided" and row.tolerance else row.tolerance, ".2g")
        )
        mark = "" if "arXiv" in row.source else r"\ownclaim"
        status = SHORT.get(row.status, rf"\textbf{{{escape(row.status.replace('_', ' '))}}}")
        cells = [prose(row.statement) + mark, row.scope, required, rounded(row.measured), status]
        body.append(" & ".join(cells))
    ends = [r" \\*" if at < 2 or at >= len(body) - 4 else r" \\" for at in range(len(body) - 1)] + [r" \\"]
    return "\n".join(
        [
            r"\ledgerstart{\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\begin{{longtable}}{{@{{}}{widths}@{{}}}}", caption,
            rf"\toprule {head} \midrule\endfirsthead \toprule {head} \midrule\endhead \bottomrule\endlastfoot",
            *map("".join, zip(body, ends, strict=True)), r"\end{longtable}}",
        ]
    )  # fmt: skip


def solver_times(rows: Sequence[Mapping[str, Any]], share: float) -> str:
    """CPU seconds to a point that proves 1e-6, solvers by instances at one share of beta_max."""
    here = [row for row in rows if row["share"] == share]
    columns = list(dict.fromkeys(row["instance"] for row in sorted(here, key=lambda row: row["n"])))
    solvers = sorted({row["contender"] for row in here}, key=lambda name: (name not in OWN, name.lower()))
    found = {(row["contender"], row["instance"]): _time(row) for row in here}
    lines = [[code(name) if name in OWN else escape(name)] for name in solvers]
    for line, name in zip(lines, solvers, strict=True):
        line += [found.get((name, column), "---") for column in columns]
    return tabular(["solver", *(column.split(",")[0] for column in columns)], lines, "l" + "r" * len(columns))


def _time(row: Mapping[str, Any]) -> str:
    """Proved: seconds. Right but not proved: in parentheses. Stopped first: after >."""
    if row["status"] == "skipped":
        return "---"
    if "certified_cpu_s" in row:
        return number(float(row["certified_cpu_s"]), ".3g")
    if row["status"] == "reached":
        return f"({number(float(row['cpu_s']), '.3g')})"
    return rf"$>${number(float(row['limit_s']), '.3g')}" if "limit_s" in row else "---"


def goals(rows: Sequence[Sequence[str]]) -> str:
    """Goals against stored measurements, as benchmarks/results/goals.md has them; methods in brackets are left out."""
    cells = [[prose(re.sub(r" \(\+v:.*\)", "", cell), letters=False) for cell in row] for row in rows]
    widths = r"p{0.27\linewidth}p{0.2\linewidth}>{\raggedright\arraybackslash}p{0.33\linewidth}l"
    return tabular(["problem", "to reach", "measured", "outcome"], cells, widths)


def runs(found: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]) -> str:
    """Every run: key, commit, seconds, machine."""
    lines = []
    for name, (doc, run) in found.items():
        made, took = doc["provenance"], run.get("elapsed_s")
        commit = str(made.get("commit", "unknown"))[:10] + (" +" if made.get("dirty") else "")
        cells = [code(name), code(doc["key"]), code(commit), number(took, ".1f")]
        lines.append([*cells, escape(str(made.get("machine", {}).get("cpu", "unknown")))])
    return tabular(["notebook", "key", "commit", "s", "machine"], lines, "lllrl")
