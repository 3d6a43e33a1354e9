"""Cut the small real subsets that the checkout ships: `python tools/make_subsets.py [NAME ...]`.

Writes `data/*.npz`, the rows of `lib/convexnn/data/subsets.json` and the table in `data/README.md`. Needs the complete
sets (downloads are on); the cut is by rule, without chance, so the same sources give the same arrays everywhere. Only
`cifar10_tokens` is computed in floating point and may differ in last digits on another machine.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from convexnn import data
from convexnn.data import tokens
from convexnn.data.dataset import AnyArray, array_sha256
from convexnn.data.manifest import entry

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "lib" / "convexnn" / "data" / "subsets.json"
TABLES = ("ionosphere", "sonar", "pima", "heart", "wdbc", "banana", "bupa", "wisconsin", "mammographic")

Cut = dict[str, AnyArray]


def first_of_each(y: AnyArray, count: int) -> AnyArray:
    """Positions, ascending, of the first `count` samples of each class."""
    return np.sort(np.concatenate([np.flatnonzero(y == c)[:count] for c in np.unique(y)]))


def images(name: str, train: int, test: int) -> tuple[Cut, str]:
    """The first `train` and `test` samples of each class of an image set."""
    arrays: Cut = {}
    for part, count in (("train", train), ("test", test)):
        whole = data.load(name, split=part, download=True)
        rows = first_of_each(whole.y, count)
        arrays |= {f"X_{part}": whole.X[rows], f"y_{part}": whole.y[rows]}
    return arrays, f"first {train} of each class of train and first {test} of each class of test, order kept"


def whole_table(name: str) -> tuple[Cut, str]:
    """A small table, all of it."""
    whole = data.load(name, download=True)
    return {"X": whole.X, "y": whole.y}, "complete"


def faces() -> tuple[Cut, str]:
    """Ten people of ORL, 112 x 92 averaged down to 28 x 23 pixels in blocks of 4 x 4."""
    whole = data.load("orl", download=True)
    rows = np.flatnonzero(whole.y < 10)
    blocks = whole.X[rows].reshape(-1, 28, 4, 23, 4).mean(axis=(2, 4))
    how = "people s1 to s10, all 10 pictures each, mean of 4 x 4 pixels rounded to uint8: 28 x 23"
    return {"X": np.rint(blocks).astype(np.uint8), "y": whole.y[rows]}, how


def sketches() -> tuple[Cut, str]:
    """Many classes, few drawings: every seventh class of Quick, Draw!, four grey levels (they compress)."""
    whole = data.load("quickdraw", download=True)
    rows = first_of_each(whole.y, 40)
    rows = rows[whole.y[rows] % 7 == 0]
    how = "every seventh class (50 of 345), first 40 drawings of each, rounded to the grey levels 0, 85, 170, 255"
    return {"X": (85 * np.rint(3 * whole.X[rows])).astype(np.uint8), "y": whole.y[rows]}, how


def heartbeats() -> tuple[Cut, str]:
    """The first minute of record 100, both leads."""
    whole = data.load("mitbih_100", download=True)
    return {"X": whole.X[:21600], "y": whole.y[:21600]}, "first 21600 samples (one minute), both leads"


def pretrained_tokens() -> tuple[Cut, str]:
    """Tokens of the first images of each class, and the basis that they and the complete set are written in."""
    model = tokens.network(next(s for s in entry("cifar10_tokens").sources if s.kind == "computed"))
    raw: Cut = {}
    arrays: Cut = {}
    for part, extracted, kept in (("train", 200, 40), ("test", 20, 20)):
        images_of = data.load("cifar10", split=part, download=True)
        wide, rows = first_of_each(images_of.y, extracted), first_of_each(images_of.y, kept)
        raw[part] = tokens.extract(model, images_of.X[wide])
        arrays |= {f"X_{part}": raw[part][np.isin(wide, rows)], f"y_{part}": images_of.y[rows]}
    mean, basis = tokens.fit_basis(raw["train"])
    arrays |= {key: tokens.project(a, mean, basis) for key, a in arrays.items() if key[0] == "X"}
    how = (
        "first 40 of each class of train, first 20 of test; mean and basis (32 principal directions) fitted on the "
        "tokens of the first 200 training images of each class, and used for the complete set too"
    )
    return {**arrays, "mean": mean, "basis": basis}, how


CUTS: dict[str, Callable[[], tuple[Cut, str]]] = {
    "mnist": lambda: images("mnist", 200, 100),
    "fashion_mnist": lambda: images("fashion_mnist", 80, 40),
    "cifar10": lambda: images("cifar10", 24, 8),
    **{name: (lambda name=name: whole_table(name)) for name in TABLES},  # type: ignore[misc]
    "orl": faces,
    "quickdraw": sketches,
    "mitbih_100": heartbeats,
    "cifar10_tokens": pretrained_tokens,
}


def write(name: str, arrays: Cut, how: str) -> dict[str, object]:
    """One compressed file and its manifest row."""
    (ROOT / "data").mkdir(exist_ok=True)
    np.savez_compressed(ROOT / "data" / f"{name}.npz", allow_pickle=False, **arrays)
    facts = {key: [str(a.dtype), list(a.shape), array_sha256(a)] for key, a in arrays.items()}
    return {"file": f"{name}.npz", "how": how, "whole": how == "complete", "arrays": facts}


def readme(rows: dict[str, dict[str, object]]) -> str:
    """The table of `data/README.md`."""
    lines = [
        "# Shipped data",
        "",
        "Small parts of published data sets, so that tests and quick notebooks run without a network. Every array is "
        "checked against `lib/convexnn/data/subsets.json` when it is loaded; `python tools/make_subsets.py` makes the "
        "files again from the complete sets. Licences are those of the originals and not the project's; the notes say "
        "what the sources state, not legal advice.",
        "",
        "| file | KiB | set | how it was cut | first array | cite | licence note |",
        "| --- | ---: | --- | --- | --- | --- | --- |",
    ]
    for name, row in rows.items():
        about, path = entry(name), ROOT / "data" / str(row["file"])
        dtype, shape, _ = next(iter(row["arrays"].values()))  # type: ignore[attr-defined]
        lines.append(
            f"| `{path.name}` | {path.stat().st_size / 1024:.0f} | {about.title} | {row['how']} | "
            f"{dtype} {'x'.join(map(str, shape))} | {about.citation} | {about.licence} |"
        )
    total = sum((ROOT / "data" / str(row["file"])).stat().st_size for row in rows.values())
    return "\n".join([*lines, "", f"In all {total / 2**20:.1f} MiB.", ""])


def main(wanted: list[str]) -> None:
    """Cut the wanted sets (default: all) and leave the rows of the others as they are."""
    os.environ["CONVEXNN_SHIPPED"] = str(ROOT / "no such folder")  # cut from the sources, never from an earlier cut
    rows: dict[str, dict[str, object]] = json.loads(ROWS.read_text(encoding="utf-8"))["subsets"]
    for name in wanted or CUTS:
        arrays, how = CUTS[name]()
        rows[name] = write(name, arrays, how)
        save(rows)
        print(f"{name}: {(ROOT / 'data' / f'{name}.npz').stat().st_size / 1024:.0f} KiB")


def save(rows: dict[str, dict[str, object]]) -> None:
    """Manifest rows and table, after every set, so that a crash loses one set at most."""
    rows = {name: rows[name] for name in CUTS if name in rows}
    body = ",\n".join(f"    {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    ROWS.write_text('{\n  "subsets": {\n' + body + "\n  }\n}\n", encoding="utf-8")
    (ROOT / "data" / "README.md").write_text(readme(rows), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
