"""The end of a run that went well: the key is known, the result is sealed with it, and the marker is written last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convexnn.pipeline.keys import inventory, key_of
from convexnn.pipeline.project import read_json
from convexnn.pipeline.slots import Slot
from convexnn.report import write_atomically


def finish(slot: Slot, parts: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Seal the work in `slot.running`, write its marker, swap it in."""
    folder, key = slot.running, key_of(parts)
    seal(folder, key)
    for name in ("trace.json", "job.json", "processes.json"):
        (folder / name).unlink(missing_ok=True)
    marker = {"format": 1, "label": slot.label, **about, "key": key, "parts": parts, "inventory": inventory(folder)}
    write_atomically(folder / "run.json", json.dumps(marker, indent=1) + "\n")
    slot.publish()


def seal(folder: Path, key: str) -> None:
    """Put the final key into result.json, and turn each measurement's execution count into the id of its cell."""
    doc = read_json(folder / "result.json")
    if doc is None:
        return
    cells = (read_json(folder / "notebook.ipynb") or {}).get("cells", [])
    ids = {cell["execution_count"]: cell["id"] for cell in cells if cell["cell_type"] == "code"}
    doc["key"] = key
    for figure in doc["figures"].values():
        figure["key"] = key
    for claim in doc["claims"].values():
        for measurement in claim["measurements"]:
            measurement["cell"] = ids.get(measurement["cell"], "")
    write_atomically(folder / "result.json", json.dumps(doc, indent=1, allow_nan=False) + "\n")
