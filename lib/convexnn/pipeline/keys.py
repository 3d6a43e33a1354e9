"""What a result depends on, and in words why it would be made again.

    key = hash of  code cells, parameters, files of lib/ that were imported, data sets that were loaded,
                   the installed dependencies, the kind of device

Markdown is free. The imported files are known only after a run (the runner's last cell records them), and are hashed
as they were before it: a file that changes meanwhile makes the result out of date, never falsely current.
A data set's hash is pinned in the library's manifest, so a changed data set shows as a changed library file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from convexnn.pipeline.notebooks import Notebook, find
from convexnn.pipeline.project import Project, digest_of
from convexnn.pipeline.provenance import device_kind, environment
from convexnn.pipeline.slots import Slot

#: Runs in the kernel after the notebook's last cell and is cut out of the stored notebook.
EPILOGUE = """\
import json as _json, os as _os, sys as _sys
_lib = _os.path.realpath(_os.environ["CONVEXNN_LIB"]) + _os.sep
_modules = [vars(_m).get("__file__") for _m in list(_sys.modules.values()) if hasattr(_m, "__dict__")]
_files = sorted({_os.path.realpath(_f) for _f in _modules if isinstance(_f, str)})
_data = _sys.modules.get("convexnn.data")
_used = dict(_data.used()) if _data is not None else {}
with open(_os.environ["CONVEXNN_TRACE"], "w", encoding="utf-8") as _handle:
    _json.dump({"files": [_f for _f in _files if _f.startswith(_lib)], "data": _used}, _handle, default=str)
"""


@dataclass(frozen=True)
class State:
    """The library's files and the environment at one moment; taken once for all notebooks."""

    project: Project
    library: Mapping[str, str]
    environment: Mapping[str, str]

    @classmethod
    def now(cls, project: Project) -> State:
        return cls(project, project.library_hashes(), environment(project.root))

    def parts(self, notebook: Notebook, values: Mapping[str, Any], trace: Mapping[str, Any]) -> dict[str, Any]:
        """Everything the key is made of; `trace` is what the epilogue wrote, or {} before a run."""
        names = self._used(trace.get("files", ()))
        return {
            "code": notebook.code_hash,
            "parameters": dict(values),
            "files": {name: self.library.get(name, "absent") for name in names},
            "data": dict(trace.get("data", {})),
            "environment": dict(self.environment),
            "device": device_kind(values),
        }

    def _used(self, files: Iterable[str]) -> list[str]:
        """Paths relative to the project of the imported files, and of the JSON files beside them (manifests)."""
        lib = self.project.lib.resolve()
        names = [f"lib/{Path(file).relative_to(lib).as_posix()}" for file in files]
        folders = {PurePosixPath(name).parent for name in names}
        beside = [n for n in self.library if n.endswith(".json") and PurePosixPath(n).parent in folders]
        return sorted({*names, *beside})

    def changes(self, notebook: Notebook, values: Mapping[str, Any], slot: Slot) -> list[str]:
        """In words, why the result in `slot` is not what these inputs give; empty when it is current."""
        run, failure = slot.finished(), slot.failure()
        if run is None or failure is not None:
            return [f"failed in {failure['where']} the last time" if failure else "never run"]
        old, new = run["parts"], self.parts(notebook, values, {})
        new["files"] = {name: self.library.get(name, "absent") for name in old["files"]}
        found = [f"{self.project.relative(notebook.path)}: code cells changed"] if old["code"] != new["code"] else []
        found += _differences("parameter", old["parameters"], new["parameters"])
        moved = [name for name in old["files"] if new["files"][name] != old["files"][name]]
        fate = {
            name: "was removed" if new["files"][name] == "absent" else "changed since the last run" for name in moved
        }
        found += [f"{name} {what}" for name, what in fate.items()]
        found += _differences("environment:", old["environment"], new["environment"])
        found += [f"device changed from {old['device']} to {new['device']}"] if old["device"] != new["device"] else []
        return found + damaged(slot, run)


def key_of(parts: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits."""
    return digest_of(parts)[:16]


def inventory(folder: Path) -> dict[str, int]:
    """Size in bytes of every file of a result, the marker aside."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "run.json")
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def damaged(slot: Slot, run: Mapping[str, Any]) -> list[str]:
    """Files of a finished result that are missing or have another size than when it was finished."""
    there = inventory(slot.folder)
    bad = [name for name, size in run["inventory"].items() if there.get(name) != size]
    return [f"result file {name} is missing or was changed" for name in bad]


def why(project: Project, name: str, size: str = "quick", given: Mapping[str, str] | None = None) -> list[str]:
    """The reasons for which notebook `name` would run again, or ["nothing changed"]."""
    notebook = find(project, [name])[0]
    values = notebook.values(size, given)
    changes = State.now(project).changes(notebook, values, Slot.of(project, notebook, size, values))
    return changes or ["nothing changed"]


def _differences(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    names = [name for name in sorted({*old, *new}) if old.get(name, "absent") != new.get(name, "absent")]
    return [f"{what} {n} changed from {old.get(n, 'absent')!r} to {new.get(n, 'absent')!r}" for n in names]
