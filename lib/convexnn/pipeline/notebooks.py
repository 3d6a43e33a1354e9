"""Notebooks as text: which there are, what they can be given, and their ipynb form.

The source is `notebooks/NN_name.py` in Jupytext's percent format. The key and the checks read the text directly;
only a run converts it (Jupytext is slow to import and needed by nothing else).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convexnn.pipeline.project import Project, ProjectError, digest_of, nearest

NAME = re.compile(r"\d\d_\w+")
MARKER = re.compile(r"# %%(?P<rest>.*)")
TAGGED = re.compile(r"tags\s*=\s*\[[^\]]*[\"']parameters[\"'][^\]]*\]")
TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "str": (str,), "bool": (bool,)}


@dataclass(frozen=True)
class Parameter:
    """One name of the `parameters` cell; `kinds` are the type names it takes, empty when it takes anything."""

    name: str
    default: Any
    kinds: tuple[str, ...]

    def parse(self, text: str) -> Any:
        """The value that `text` of the command line means; ProjectError when it is of another type."""
        if self.kinds and set(self.kinds) <= {"str"}:
            return text
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = {"true": True, "false": False, "none": None}.get(text.lower(), text)
        return self.check(value)

    def check(self, value: Any) -> Any:
        """`value`, as a float where a float is declared."""
        if not self.kinds or (value is None and "None" in self.kinds):
            return value
        for kind in self.kinds:
            allowed = TYPES.get(kind)
            if allowed is None or (isinstance(value, allowed) and (kind == "bool") == isinstance(value, bool)):
                return float(value) if kind == "float" else value
        wanted = " or ".join(self.kinds)
        raise ProjectError(f"parameter {self.name} is {value!r}; it takes {wanted}, e.g. {self.name}={self.default!r}")


@dataclass(frozen=True)
class Notebook:
    """A notebook's name, path, code cells (markdown left out) and parameters."""

    name: str
    path: Path
    code: tuple[str, ...]
    parameters: Mapping[str, Parameter]

    @property
    def code_hash(self) -> str:
        """Changes with the code cells only: prose is free."""
        return digest_of(self.code)

    def values(self, size: str, given: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Defaults, `size`, then `given`; ProjectError for a name or a type that the notebook does not know."""
        values = {name: parameter.default for name, parameter in self.parameters.items()}
        if "size" in values:
            values["size"] = size
        for name, text in (given or {}).items():
            if name == "size":
                raise ProjectError(f"parameter size is given as -p size={text}; use --size {text}")
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                hint = nearest(name, self.parameters)
                raise ProjectError(f"notebook {self.name} has no parameter {name!r}; it has {known}.{hint}")
            values[name] = self.parameters[name].parse(text)
        return values


def discover(project: Project) -> list[str]:
    """The names of all notebooks, in order."""
    return sorted(path.stem for path in project.notebooks.glob("*.py") if NAME.fullmatch(path.stem))


def find(project: Project, names: Sequence[str] = ()) -> list[Notebook]:
    """The notebooks called `names` (all without names; '01' means the one that starts so), read and validated."""
    known = discover(project)
    chosen = []
    for name in names or known:
        stem = Path(name).stem
        matches = [k for k in known if k == stem] or [k for k in known if k.startswith(f"{stem}_")]
        if len(matches) != 1:
            listing = ", ".join(known) or "none in notebooks/"
            raise ProjectError(f"notebook {name!r} is unknown; there are {listing}.{nearest(stem, known)}")
        chosen += [match for match in matches if match not in chosen]
    return [read(project.notebooks / f"{name}.py") for name in chosen]


def read(path: Path) -> Notebook:
    """Parse one percent file; ProjectError unless exactly one code cell is tagged `parameters`."""
    cells = split(path.read_text(encoding="utf-8"))
    tagged = [source for header, source in cells if TAGGED.search(header) and not _is_prose(header)]
    if len(tagged) != 1:
        fault = "no cell" if not tagged else f"{len(tagged)} cells"
        raise ProjectError(f'notebook {path.stem} has {fault} tagged parameters; write one `# %% tags=["parameters"]`')
    code = tuple(source for header, source in cells if not _is_prose(header) and source)
    return Notebook(path.stem, path, code, parameters_of(path.stem, tagged[0]))


def split(text: str) -> list[tuple[str, str]]:
    """(marker, source) of every cell; text before the first marker is the file header when it is all comments."""
    cells: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines():
        matched = MARKER.fullmatch(line)
        if matched:
            cells.append((matched["rest"], []))
        else:
            cells[-1][1].append(line.rstrip())
    if all(not line or line.startswith("#") for line in cells[0][1]):
        cells.pop(0)
    return [(header, "\n".join(lines).strip("\n")) for header, lines in cells]


def parameters_of(name: str, source: str) -> dict[str, Parameter]:
    """The assignments of a parameters cell: `n: int = 20` or `size, seed = "quick", 0`, literal values only."""
    found: dict[str, Parameter] = {}
    try:
        statements = ast.parse(source).body
        for statement in statements:
            for target, kinds, value in _assignments(statement):
                default = ast.literal_eval(value)
                inferred = (type(default).__name__,) if default is not None else ()
                found[target] = Parameter(target, default, kinds or tuple(k for k in inferred if k in TYPES))
    except (SyntaxError, ValueError) as error:
        raise ProjectError(f"notebook {name}: parameters cell: {error}; write only lines like `n: int = 20`") from error
    return found


def _assignments(node: ast.stmt) -> list[tuple[str, tuple[str, ...], ast.expr]]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return []
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return [(node.target.id, tuple(part.strip() for part in ast.unparse(node.annotation).split("|")), node.value)]
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            pairs = list(zip(target.elts, value.elts))
        if all(isinstance(left, ast.Name) for left, _ in pairs):
            return [(left.id, (), right) for left, right in pairs if isinstance(left, ast.Name)]
    raise ValueError(f"line {node.lineno} is not an assignment of a literal to a name")


def _is_prose(header: str) -> bool:
    return "[markdown]" in header or "[md]" in header or "[raw]" in header


def to_ipynb(path: Path) -> Any:
    """The notebook as an nbformat node with the stable cell ids `<stem>-<nn>`."""
    import jupytext

    node = jupytext.read(path)
    for number, cell in enumerate(node.cells):
        cell["id"] = f"{path.stem}-{number:02d}"[-64:]
    node.nbformat, node.nbformat_minor = 4, 5
    return node
