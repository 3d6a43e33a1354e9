"""The one door through which numbers leave a notebook, and the one that reads them back.

    result = report.Result("01_two_layer", parameters={"size": size, "seed": seed})
    result.save(rtol=1e-6, value=0.565, curve=array)        scalars -> result.json, arrays -> arrays.npz
    result.measure(claim, gap)                              claims.judge decides the status
    result.figure("values", draw, caption="...")            draw(stored) sees the re-read file, nothing else
    stored = report.load("results/quick/01_two_layer")

Every call writes before it returns, each file in one step: a crash loses nothing that was computed.
NaN and infinities are stored as the strings "NaN", "Infinity", "-Infinity" and flagged `nonfinite`.
"""

from __future__ import annotations

import base64
import html
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convexnn.claims import Claim, Status, judge, worst

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Scalar = bool | int | float | str


@dataclass(frozen=True)
class StoredResult:
    """A result file as it lies on disk. `stored["name"]` is a number or an array; `reads` remembers what was asked."""

    notebook: str
    key: str
    parameters: Mapping[str, Any]
    provenance: Mapping[str, Any]
    numbers: Mapping[str, Scalar]
    arrays: Mapping[str, np.ndarray]
    tolerances: Mapping[str, tuple[float, float] | None]
    claims: Mapping[str, Mapping[str, Any]]
    figures: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, Mapping[str, Any]]
    reads: set[str] = field(default_factory=set, compare=False)

    def __getitem__(self, name: str) -> Any:
        """The number or array called `name`; KeyError lists what the file holds."""
        both: dict[str, Any] = {**self.numbers, **self.arrays}
        if name not in both:
            raise KeyError(f"{name!r} is not in the result file; it holds {', '.join(both)}")
        self.reads.add(name)
        return both[name]


class Result:
    """What one notebook found. The folder comes from CONVEXNN_RESULT_DIR, else results/interactive/<notebook>/.

    Raises ValueError when a run of the pipeline saves a name twice, or when `notebook` is not the notebook's name.
    """

    def __init__(self, notebook: str, parameters: Mapping[str, Any]) -> None:
        self.key = os.environ.get("CONVEXNN_KEY", "interactive")
        if os.environ.get("CONVEXNN_NOTEBOOK", notebook) != notebook:
            raise ValueError(f"notebook is {notebook!r}; this is {os.environ['CONVEXNN_NOTEBOOK']!r}: use that name")
        interactive = project_root() / "results" / "interactive" / notebook
        self.folder = Path(os.environ.get("CONVEXNN_RESULT_DIR") or interactive)
        shutil.rmtree(self.folder / "figures", ignore_errors=True)
        self._arrays: dict[str, np.ndarray] = {}
        stated = {name: _scalar(name, value)["value"] for name, value in parameters.items()}
        self._doc: dict[str, Any] = {"format": 1, "notebook": notebook, "key": self.key, "parameters": stated}
        self._doc["provenance"] = json.loads(os.environ.get("CONVEXNN_PROVENANCE", '{"origin": "interactive"}'))
        self._doc.update(numbers={}, arrays={}, claims={}, figures={}, tables={})
        self._write(arrays=True)

    def save(self, rtol: float | None, atol: float = 0.0, **values: Any) -> None:
        """Store numbers, texts and arrays; CI accepts |new - reference| <= atol + rtol * |reference|.

        rtol=None: kept and shown, never compared (times, memory). For an array |reference| is its largest entry.
        """
        if rtol is not None and not (rtol >= 0 and atol >= 0):
            raise ValueError(f"rtol is {rtol}, atol is {atol}; pass numbers >= 0, or rtol=None for 'not compared'")
        for name, given in values.items():
            self._claim_name(name, "numbers", "arrays")
            value = _plain(given)
            is_array = isinstance(value, np.ndarray | list | tuple)
            if is_array:
                self._arrays[name] = value = _array(name, value)
            entry = _describe(value) if is_array else _scalar(name, value)
            self._doc["arrays" if is_array else "numbers"][name] = {**entry, "rtol": rtol, "atol": atol}
        self._write(arrays=True)

    def measure(self, claim: Claim, measured: float, note: str = "", seeds: Sequence[int] = ()) -> Status:
        """Judge `claim` by one number and store both; the claim's status is that of its worst measurement."""
        declared = {**asdict(claim), "source_text": str(claim.source)}
        row = self._doc["claims"].setdefault(claim.id, {**declared, "measurements": []})
        if any(row[name] != value for name, value in declared.items()):
            raise ValueError(f"claim {claim.id} was measured above with another declaration; use one Claim object")
        status = judge(claim, float(measured))
        entry = {"measured": _scalar("measured", float(measured))["value"], "status": status, "note": note}
        row["measurements"].append({**entry, "seeds": [int(seed) for seed in seeds], "cell": _cell()})
        row["status"] = worst([m["status"] for m in row["measurements"]])
        self._write()
        return status

    def figure(self, name: str, draw: Callable[[StoredResult], Figure], caption: str) -> None:
        """Draw from the values re-read from the file, keep PNG (150 dpi) and PDF, show the PNG, print nothing."""
        self._claim_name(name, "figures")
        stored = load(self.folder)
        figure = draw(stored)
        if not stored.reads:
            raise ValueError(f"figure {name!r} drew nothing from the result file; use stored['name'] inside draw")
        (self.folder / "figures").mkdir(exist_ok=True)
        extras: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"metadata": {"CreationDate": None}}}
        for suffix, extra in extras.items():
            target = self.folder / "figures" / f"{name}.{suffix}"
            figure.savefig(f"{target}.tmp", format=suffix, dpi=150, bbox_inches="tight", **extra)
            os.replace(f"{target}.tmp", target)
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close(figure)
        origin = {field: self._doc[field] for field in ("notebook", "key", "parameters")}
        files = {suffix: f"figures/{name}.{suffix}" for suffix in extras}
        self._doc["figures"][name] = {"caption": caption, "files": files, "reads": sorted(stored.reads), **origin}
        self._write()
        image = base64.b64encode((self.folder / files["png"]).read_bytes()).decode()
        _show({"image/png": image, "text/plain": caption}, {"image/png": {"width": int(96 * figure.get_figwidth())}})

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str) -> None:
        """Keep a small table of numbers and words, and show it with four significant digits."""
        self._claim_name(name, "tables")
        cells = [[_scalar(f"table {name}", value)["value"] for value in row] for row in rows]
        if any(len(row) != len(columns) for row in cells):
            raise ValueError(f"table {name!r} has {len(columns)} columns, but a row of another length; fill the row")
        self._doc["tables"][name] = {"caption": caption, "columns": list(columns), "rows": cells}
        self._write()
        _show({"text/html": table_html(columns, cells), "text/plain": caption}, {})

    def _claim_name(self, name: str, *sections: str) -> None:
        if not re.fullmatch(r"\w[\w-]*", name):
            raise ValueError(f"name is {name!r}; use letters, digits, '_' and '-'")
        if self.key != "interactive" and any(name in self._doc[section] for section in sections):
            raise ValueError(f"{sections[0]} hold {name!r} already; a second one would hide the first, rename one")
        for section in sections:
            self._doc[section].pop(name, None)

    def _write(self, arrays: bool = False) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if arrays:
            current = {name: self._arrays[name] for name in self._doc["arrays"]}
            np.savez_compressed(self.folder / "arrays.tmp.npz", **current)  # type: ignore[arg-type]
            os.replace(self.folder / "arrays.tmp.npz", self.folder / "arrays.npz")
        write_atomically(self.folder / "result.json", json.dumps(self._doc, indent=1, allow_nan=False) + "\n")


def load(path: str | Path) -> StoredResult:
    """Read a result folder (or its result.json); ValueError when it is missing, cut short or of another format."""
    file = Path(path) if Path(path).suffix == ".json" else Path(path) / "result.json"
    try:
        doc = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"path {file} is no result file ({error}); run the notebook again") from error
    if doc.get("format") != 1:
        raise ValueError(f"path {file} has format {doc.get('format')}; this library reads 1: run the notebook again")
    with np.load(file.parent / "arrays.npz") as archive:
        arrays = {name: archive[name] for name in doc["arrays"]}
    both = {**doc["numbers"], **doc["arrays"]}
    tolerances = {name: None if e["rtol"] is None else (e["rtol"], e["atol"]) for name, e in both.items()}
    numbers = {name: decode(entry) for name, entry in doc["numbers"].items()}
    head = (doc["notebook"], doc["key"], doc["parameters"], doc["provenance"])
    return StoredResult(*head, numbers, arrays, tolerances, doc["claims"], doc["figures"], doc["tables"])


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step; a reader sees the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)


def decode(entry: Mapping[str, Any]) -> Scalar:
    """The scalar of a stored entry; the flagged strings become floats again."""
    return float(entry["value"]) if entry.get("nonfinite") else entry["value"]


def table_html(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A plain HTML table; floats with four significant digits."""
    texts = [[f"{value:.4g}" if isinstance(value, float) else str(value) for value in row] for row in rows]
    body = ["".join(f"<td>{html.escape(text)}</td>" for text in row) for row in texts]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in [head, *body]) + "</table>"


def project_root() -> Path:
    """CONVEXNN_ROOT, else the nearest folder upwards with pyproject.toml, else the library's own checkout."""
    if os.environ.get("CONVEXNN_ROOT"):
        return Path(os.environ["CONVEXNN_ROOT"]).resolve()
    here = Path.cwd().resolve()
    marked = (folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file())
    return next(marked, Path(__file__).resolve().parents[2])


def _plain(value: Any) -> Any:
    """Tensors become arrays, arrays of no dimension and numpy scalars become Python scalars."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value


def _scalar(name: str, value: Any) -> dict[str, Any]:
    plain = _plain(value)
    if isinstance(plain, float) and not math.isfinite(plain):
        text = "NaN" if math.isnan(plain) else "Infinity" if plain > 0 else "-Infinity"
        return {"value": text, "nonfinite": True}
    if plain is None or isinstance(plain, bool | int | float | str):
        return {"value": plain}
    raise ValueError(f"{name} is a {type(value).__name__}; save a number, a text or an array of numbers")


def _array(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {array.dtype}; save arrays of real numbers (split complex ones in two)")
    return array


def _describe(array: np.ndarray) -> dict[str, Any]:
    bad = int((~np.isfinite(array)).sum())
    return {"shape": list(array.shape), "dtype": str(array.dtype)} | ({"nonfinite": bad} if bad else {})


def _cell() -> int | None:
    """The running cell's number, which the runner turns into a link; None outside a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return None if shell is None else len(shell.user_ns["In"]) - 1


def _show(bundle: dict[str, Any], metadata: dict[str, Any]) -> None:
    if _cell() is not None:
        from IPython.display import display

        display(bundle, metadata=metadata, raw=True)
