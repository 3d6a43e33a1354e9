"""What is committed of the results, and the comparison of a fresh run with it.

    notebooks/NN_name.ipynb        the notebook with its quick outputs: for readers, and for nbval
    tests/reference/NN_name.json   numbers, arrays (or a sample of them), claim statuses, each with its tolerance

Both are made from a current quick result, never by hand, and hold no time, no path and no machine.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convexnn.pipeline.keys import State
from convexnn.pipeline.notebooks import Notebook, find
from convexnn.pipeline.project import Project, ProjectError, digest, read_json
from convexnn.pipeline.slots import Slot
from convexnn.report import StoredResult, load, write_atomically

FULL_ENTRIES = 2000
WORDS = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


def paths(project: Project, name: str) -> tuple[Path, Path]:
    """(committed notebook, committed numbers) of notebook `name`."""
    return project.notebooks / f"{name}.ipynb", project.root / "tests" / "reference" / f"{name}.json"


def write(project: Project, names: Sequence[str] = ()) -> list[Path]:
    """Make the references of `names` (all when empty) from their quick results, which must be current."""
    state, written = State.now(project), []
    for notebook in find(project, names):
        slot = Slot(project.results("quick"), notebook.name)
        changes = state.changes(notebook, notebook.values("quick"), slot)
        if changes:
            raise ProjectError(f"notebook {notebook.name} has no current quick result ({changes[0]}); run it first")
        page, numbers = paths(project, notebook.name)
        node = normalise(read_json(slot.folder / "notebook.ipynb") or {}, project, digest(notebook.path))
        write_atomically(page, json.dumps(node, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
        write_atomically(numbers, json.dumps(summary(load(slot.folder), digest(notebook.path)), indent=1) + "\n")
        written += [page, numbers]
    return written


def normalise(node: dict[str, Any], project: Project, source_hash: str) -> dict[str, Any]:
    """An executed notebook without what differs between two runs or two machines."""
    count = 0
    node["cells"] = [c for c in node["cells"] if "injected-parameters" not in c["metadata"].get("tags", [])]
    for cell in node["cells"]:
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)
        if not cell["metadata"].get("tags", True):
            del cell["metadata"]["tags"]
        if cell["cell_type"] == "code":
            count += 1 if cell["execution_count"] is not None else 0
            cell["execution_count"] = count if cell["execution_count"] is not None else None
            cell["outputs"] = [_tidy(output, count, project) for output in cell["outputs"]]
    kept = {name: value for name, value in node["metadata"].items() if name in ("jupytext", "title")}
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    node["metadata"] = {**kept, **kernel, "language_info": {"name": "python"}}
    node["metadata"]["convexnn"] = {"source_sha256": source_hash}
    return node


def summary(stored: StoredResult, source_hash: str) -> dict[str, Any]:
    """What of a result is compared; values saved with rtol=None are left out."""
    compared = {name: bounds for name, bounds in stored.tolerances.items() if bounds is not None}
    numbers = {n: {"value": _word(stored.numbers[n]), **_bounds(compared[n])} for n in compared if n in stored.numbers}
    arrays = {n: {**sample(stored.arrays[n]), **_bounds(compared[n])} for n in compared if n in stored.arrays}
    head = {"notebook": stored.notebook, "source_sha256": source_hash, "parameters": dict(stored.parameters)}
    claims = {name: claim["status"] for name, claim in stored.claims.items()}
    figures = {name: figure["reads"] for name, figure in stored.figures.items()}
    return {**head, "numbers": numbers, "arrays": arrays, "claims": claims, "figures": figures}


def sample(array: np.ndarray) -> dict[str, Any]:
    """Shape, and every entry of a small array or every k-th and the norm of a large one."""
    flat = np.asarray(array).ravel()
    stride = -(-flat.size // FULL_ENTRIES) or 1
    values = [_word(value) for value in flat[::stride].tolist()]
    whole = {} if stride == 1 else {"norm": _word(float(np.linalg.norm(flat.astype(np.float64))))}
    return {"shape": list(array.shape), "stride": stride, "values": values, **whole}


def compare(stored: StoredResult, reference: Mapping[str, Any]) -> list[str]:
    """In words, every key on which a result differs from its reference by more than the tolerance kept there."""
    new = summary(stored, reference["source_sha256"])
    found = _unequal("parameters", reference["parameters"], new["parameters"])
    found += _unequal("claim", reference["claims"], new["claims"])
    found += _unequal("figure", reference["figures"], new["figures"])
    for section in ("numbers", "arrays"):
        for name in sorted({*reference[section], *new[section]}):
            old, now = reference[section].get(name), new[section].get(name)
            found += differs(name, old, now)
    return found


def stale(project: Project, names: Sequence[str] = ()) -> list[str]:
    """In words, every reference that is missing, older than its source, un-run, or holds an error."""
    found = []
    for notebook in find(project, names):
        page, numbers = paths(project, notebook.name)
        node, doc = read_json(page), read_json(numbers)
        for path, content in ((page, node), (numbers, doc)):
            if content is None:
                found.append(f"{project.relative(path)} is missing or unreadable")
        found += [f"{project.relative(page)}: {fault}" for fault in _faults(node, notebook)] if node else []
        if doc is not None and doc.get("source_sha256") != digest(notebook.path):
            found.append(f"{project.relative(numbers)} was made from another {notebook.name}.py")
    return [f"{line}; run `python -m convexnn reference`" for line in found]


def _faults(node: Mapping[str, Any], notebook: Notebook) -> list[str]:
    found = []
    if node["metadata"].get("convexnn", {}).get("source_sha256") != digest(notebook.path):
        found.append(f"was made from another {notebook.name}.py")
    code = [cell for cell in node["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
    found += [f"cell {cell['id']} was not run" for cell in code if cell["execution_count"] is None]
    broken = [cell for cell in code if any(output["output_type"] == "error" for output in cell["outputs"])]
    return found + [f"cell {cell['id']} holds an error" for cell in broken]


def differs(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[str]:
    """In words, how one number or array differs from its reference beyond the tolerance kept with that; at most one."""
    if old is None or new is None:
        return [f"{name} is not in the {'reference' if old is None else 'result'}"]
    if old.get("shape") != new.get("shape"):
        return [f"{name} has shape {new.get('shape')}, the reference {old.get('shape')}"]
    if not _is_number(old.get("value", 0.0)) or not _is_number(new.get("value", 0.0)):
        return [] if old["value"] == new["value"] else [f"{name} is {new['value']!r}, the reference {old['value']!r}"]
    found = []
    for part in ("value", "values", "norm"):
        if part in old:
            found += _apart(name, _floats(old[part]), _floats(new[part]), old["rtol"], old["atol"])
    return found[:1]


def _apart(name: str, old: np.ndarray, new: np.ndarray, rtol: float, atol: float) -> list[str]:
    """Every difference is at most atol + rtol * (largest reference entry); NaN and infinities sit in the same place."""
    odd = ~np.isfinite(old) | ~np.isfinite(new)
    if not np.array_equal(old[odd], new[odd], equal_nan=True):
        return [f"{name} has NaN or infinite entries where the reference has others"]
    difference = float(np.abs(new - old, where=~odd, out=np.zeros(old.shape)).max(initial=0.0)) if old.size else 0.0
    scale = float(np.abs(old[~odd]).max(initial=0.0))
    if difference <= atol + rtol * scale:
        return []
    return [f"{name} differs by {difference:.2e} (reference size {scale:.2e}, rtol {rtol:.0e}, atol {atol:.0e})"]


def _unequal(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    names = [name for name in sorted({*old, *new}) if old.get(name, "absent") != new.get(name, "absent")]
    return [f"{what} {n} is {new.get(n, 'absent')!r}, the reference {old.get(n, 'absent')!r}" for n in names]


def _tidy(output: dict[str, Any], count: int, project: Project) -> dict[str, Any]:
    if "execution_count" in output:
        output["execution_count"] = count
    if "text" in output:
        output["text"] = _anonymous(output["text"], project)
    data = output.get("data", {})
    for kind in [kind for kind in data if kind.startswith("text/")]:
        data[kind] = _anonymous(data[kind], project)
    return output


def _anonymous(text: str | list[str], project: Project) -> str | list[str]:
    """`text` without folders of this machine."""
    if isinstance(text, list):
        return [str(_anonymous(line, project)) for line in text]
    for path, word in ((sys.prefix, "ENVIRONMENT"), (str(project.root), "PROJECT"), (str(Path.home()), "~")):
        text = text.replace(path, word) if len(path) > 1 else text
    return re.sub(r"\S*ipykernel_\d+[/\\]\d+\.py", "ipykernel_PID", text)


def _word(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or value in WORDS


def _floats(value: Any) -> np.ndarray:
    entries = value if isinstance(value, list) else [value]
    return np.array([WORDS[v] if isinstance(v, str) else v for v in entries], dtype=np.float64)


def _bounds(pair: tuple[float, float]) -> dict[str, float]:
    return {"rtol": pair[0], "atol": pair[1]}
