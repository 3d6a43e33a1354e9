"""Pictures that are not what they say: a figure of another run, or one that was changed since its notebook drew it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from convexnn.pipeline.project import Project, read_json
from convexnn.pipeline.slots import Slot


def stale(slot: Slot) -> list[str]:
    """In words, the figures of a finished result that are not made from its result file; empty when there is none."""
    doc = read_json(slot.folder / "result.json") if slot.finished() else None
    if doc is None:
        return []
    drawn = set(_images(read_json(slot.folder / "notebook.ipynb") or {}))
    said = []
    for name, figure in doc["figures"].items():
        path = slot.folder / figure["files"]["png"]
        lost = [read for read in figure["reads"] if read not in doc["numbers"] and read not in doc["arrays"]]
        if figure["key"] != doc["key"]:
            said.append(f"{name} was drawn from key {figure['key']}, the result has {doc['key']}")
        elif lost:
            said.append(f"{name} shows {', '.join(lost)}, which the result does not hold")
        elif not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() not in drawn:
            said.append(f"{name} is not the picture that the notebook drew from its result file")
    return [f"figure {slot.label}/{text}; run {slot.label}" for text in said]


def undrawn(project: Project) -> list[str]:
    """Pictures in docs/figures that no committed notebook has drawn."""
    drawn = {digest for path in project.notebooks.glob("*.ipynb") for digest in _images(read_json(path) or {})}
    paths = sorted((project.root / "docs" / "figures").glob("*.png"))
    old = [path for path in paths if hashlib.sha256(path.read_bytes()).hexdigest() not in drawn]
    return [f"{project.relative(path)} is drawn by no committed notebook; run `make notebooks`" for path in old]


def _images(node: Mapping[str, Any]) -> Iterator[str]:
    """SHA-256 of every PNG among the outputs of a notebook."""
    for cell in node.get("cells", []):
        for output in cell.get("outputs", []):
            image = output.get("data", {}).get("image/png")
            if image:
                text = image if isinstance(image, str) else "".join(image)
                yield hashlib.sha256(base64.b64decode(text)).hexdigest()
