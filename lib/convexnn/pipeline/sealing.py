"""The end of a run that went well: the key is known, the result is sealed with it, and the marker is written last."""

from __future__ import annotations

import json
import shutil
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
    origin = read_json(folder / "provenance.json") or {}
    for name in ("trace.json", "job.json", "processes.json", "provenance.json"):
        (folder / name).unlink(missing_ok=True)
    marker = {"format": 1, "label": slot.label, **about, "key": key, "parts": parts, "inventory": inventory(folder)}
    write_atomically(folder / "run.json", json.dumps({**marker, "provenance": origin}, indent=1) + "\n")
    slot.publish()


def adopt(slot: Slot, twin: Slot) -> bool:
    """Copy the finished result of `twin` into `slot`, marker last; False when another runner has `twin` in hand."""
    with twin.lock(give_up=lambda: True) as held:
        marker = twin.finished()
        if not held or marker is None:
            return False
        slot.begin()
        for name in marker["inventory"]:
            (slot.running / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(twin.folder / name, slot.running / name)
    write_atomically(slot.running / "run.json", json.dumps({**marker, "label": slot.label}, indent=1) + "\n")
    slot.publish()
    return True


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
