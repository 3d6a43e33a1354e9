"""One page for eyes: results/<size>/index.html with every notebook, figure, table and claim; it needs no network.

Made from result files alone. Figures are inside the page; the executed notebooks are linked.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from convexnn.pipeline.experiments import TITLES, FindingRow
from convexnn.pipeline.ledger import Ledger
from convexnn.pipeline.notebooks import discover
from convexnn.pipeline.project import Project, read_json
from convexnn.pipeline.slots import Slot
from convexnn.pipeline.tables import number, seeds_text
from convexnn.report import table_html, write_atomically

COLUMNS = ("claim", "status", "measured", "tolerance", "scope", "seeds", "statement", "source", "notebook")
STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d5d9de; --soft: #5c6670; --tint: #f4f6f8;
  --good: #1a7f4b; --bad: #b3261e; --unsure: #946200; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --paper: #14171a; --line: #3a4149; --soft: #9aa4ae;
  --tint: #1d2226; --good: #57c28c; --bad: #ff8a80; --unsure: #e0b050; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 68rem;
  margin: 2rem auto; padding: 0 1rem; }
h2 { border-top: 1px solid var(--line); padding-top: 1.5rem; margin-top: 2.5rem; }
a { color: inherit; } .soft { color: var(--soft); font-size: .87rem; } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; } th, td { border-bottom: 1px solid var(--line);
  padding: .3rem .7rem .3rem 0; text-align: left; vertical-align: top; }
figure { margin: 1.5rem 0; } figure img { max-width: 100%; background: #fff; border-radius: 4px; }
code, pre { background: var(--tint); border-radius: 3px; padding: 0 .2em; } pre { padding: .8rem; overflow-x: auto; }
.good { color: var(--good); } .bad { color: var(--bad); } .unsure { color: var(--unsure); } b { font-weight: 600; }
"""
TONE = {"certified": "good", "holds_on_tested": "good", "finished": "good"}
TONE |= {"contradicted": "bad", "bad_input": "bad", "failed": "bad"}
TONE |= {"reproduced": "good", "reproduced at smaller size": "good", "shown": "good", "settled": "good"}


def write(project: Project, size: str, ledger: Ledger) -> Path:
    """Make the page anew and return its path."""
    base = project.results(size)
    known = discover(project)
    others = (path.name for path in base.glob("*@*") if path.is_dir() and path.name.split("@")[0] in known)
    slots = [Slot(base, label) for label in sorted([*known, *others])]
    parts = [f"<h1>{escape(project.package)}: results, {size} size</h1>", _contents(slots)]
    parts += [_notebook(slot) for slot in slots]
    parts += ["<h2 id='ledger'>Ledger</h2>", *_ledger(ledger)]
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>"
    title = f"<title>{escape(project.package)}: results</title><style>{STYLE}</style>"
    page = f"<!doctype html><html lang='en'><head>{head}{title}</head><body>" + "\n".join(parts) + "</body></html>\n"
    write_atomically(base / "index.html", page)
    return base / "index.html"


def _contents(slots: Iterable[Slot]) -> str:
    rows = []
    for slot in slots:
        run = slot.finished()
        took = f"{run['elapsed_s']:.1f} s" if run else ""
        link = f"<a href='#{escape(slot.label)}'>{escape(slot.label)}</a>"
        rows.append(f"<tr><td>{link}</td><td>{_toned(_state(slot))}</td><td>{took}</td></tr>")
    head = "<tr><th>notebook</th><th>state</th><th>time</th></tr>"
    return f"<table>{head}{''.join(rows)}</table><p><a href='#ledger'>Ledger of claims</a></p>"


def _state(slot: Slot) -> str:
    return "failed" if slot.failure() else "finished" if slot.finished() else "never run"


def _notebook(slot: Slot) -> str:
    parts = [f"<h2 id='{escape(slot.label)}'>{escape(slot.label)} {_toned(_state(slot))}</h2>"]
    failure, run = slot.failure(), slot.finished()
    if failure is not None:
        older = " What follows is an earlier result." if run else ""
        parts.append(f"<p class='bad'>Failed in {escape(failure['where'])}: {escape(failure['error'])}.{older}</p>")
        parts.append(f"<details><summary>Traceback</summary><pre>{escape(failure['traceback'])}</pre></details>")
    if run is None:
        return "\n".join(parts)
    doc = read_json(slot.folder / "result.json")
    parts.append(_origin(slot, run, doc or {}))
    if doc is None:
        return "\n".join([*parts, "<p>This notebook saved no result.</p>"])
    parts += [_figure(slot, figure, run) for figure in doc["figures"].values()]
    for table in doc["tables"].values():
        inner = table_html(table["columns"], table["rows"])
        parts.append(f"<figure class='wide'>{inner}<figcaption>{escape(table['caption'])}</figcaption></figure>")
    rows = [(name, entry["value"]) for name, entry in doc["numbers"].items()]
    if rows:
        parts.append(f"<details><summary>Numbers</summary>{table_html(('name', 'value'), rows)}</details>")
    return "\n".join(parts)


def _origin(slot: Slot, run: Mapping[str, Any], doc: Mapping[str, Any]) -> str:
    """Links, parameters, key, commit and machine: where everything below comes from."""
    pages = [name for name in ("notebook.html", "notebook.ipynb") if (slot.folder / name).exists()]
    links = ", ".join(f"<a href='{escape(slot.label)}/{name}'>{name}</a>" for name in pages)
    values = ", ".join(f"{name} = {value!r}" for name, value in run["parts"]["parameters"].items()) or "none"
    origin = doc.get("provenance", {})
    machine = ", ".join(f"{name} {value}" for name, value in origin.get("machine", {}).items())
    commit = f"{origin.get('commit', 'unknown')}{' with uncommitted changes' if origin.get('dirty') else ''}"
    took = f"{run['elapsed_s']:.1f} s, started {run['started']}"
    facts = [("parameters", values), ("key", run["key"]), ("commit", commit), ("time", took), ("machine", machine)]
    lines = "<br>".join(f"<b>{name}</b> {escape(text)}" for name, text in facts)
    return f"<p>{links}</p><p class='soft'>{lines}</p>"


def _figure(slot: Slot, figure: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    files = figure["files"]
    data = base64.b64encode((slot.folder / files["png"]).read_bytes()).decode()
    image = f"<img alt='{escape(figure['caption'])}' src='data:image/png;base64,{data}'>"
    values = ", ".join(f"{name}={value}" for name, value in figure["parameters"].items())
    commit = (read_json(slot.folder / "result.json") or {})["provenance"].get("commit", "unknown")[:10]
    source = f"{figure['notebook']} ({values}), key {figure['key']}, commit {commit}"
    pdf = f"<a href='{escape(slot.label)}/{files['pdf']}'>PDF</a>"
    caption = f"{escape(figure['caption'])}<br><span class='soft'>{escape(source)}, {pdf}</span>"
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _ledger(ledger: Ledger) -> list[str]:
    parts = [f"<p class='bad'>Problem: {escape(problem)}</p>" for problem in ledger.problems]
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    rows = []
    for row in ledger.rows:
        where = f"<a href='{escape(row.link)}'>{escape(', '.join(row.notebooks))}</a>" if row.link else ""
        words = [f"<code>{escape(row.id)}</code>", _toned(row.status), escape(number(row.measured))]
        words += [f"{row.tolerance:.1e}", row.scope, escape(seeds_text(row.seeds))]
        words += [escape(row.statement + (f" ({row.note})" if row.note else "")), escape(row.source), where]
        rows.append("<tr>" + "".join(f"<td>{word}</td>" for word in words) + "</tr>")
    parts.append(f"<div class='wide'><table><tr>{head}</tr>{''.join(rows)}</table></div>")
    for kind, title in TITLES.items():
        found = [_finding(row) for row in ledger.findings if row.finding.kind == kind]
        parts += [f"<h2>{title}</h2><div class='wide'><table>{''.join(found)}</table></div>"] if found else []
    return parts


def _finding(row: FindingRow) -> str:
    told = row.finding
    words = f"<code>{escape(told.id)}</code> {escape(told.statement)}. <span class='soft'>{escape(row.remark())}</span>"
    shown = [f"<a href='{escape(c.link)}'>{escape(c.id)}</a>" if c.link else escape(c.id) for c in row.claims]
    shown += [escape(test.partition("::")[2]) for test in told.tests]
    cells = (words, _toned(row.outcome), ", ".join(shown), escape(str(told.source)))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _toned(status: str) -> str:
    return f"<span class='{TONE.get(status, 'unsure')}'>{escape(status)}</span>"
