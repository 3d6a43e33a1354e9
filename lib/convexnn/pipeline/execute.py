"""Inside one process: run one notebook with papermill on a kernel of this very interpreter.

    python -m convexnn.pipeline.execute JOB.json

Events go to standard output, one JSON object a line. Standard input is the leash: when it closes, the runner is gone,
and this process ends its kernel and itself.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from convexnn.pipeline.keys import EPILOGUE
from convexnn.pipeline.notebooks import to_ipynb
from convexnn.pipeline.project import read_json
from convexnn.pipeline.slots import write_processes

KERNEL = "convexnn"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def main(job_file: str) -> int:
    """Run the job; 0 and a complete folder, or 1 and failure.json in it."""
    job = read_json(Path(job_file)) or {}
    folder = Path(job["folder"])
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    threading.Thread(target=_leash, daemon=True).start()
    pin_kernel(folder / ".kernel")
    node = prepare(Path(job["source"]))
    position = Position(node, folder, events)
    try:
        execute(node, folder, job, position)
    except Exception as error:  # whatever a notebook raises is its result, told by failure.json
        failure = describe(error, position)
        (folder / "failure.json").write_text(json.dumps(failure, indent=1), encoding="utf-8")
        return 1
    finally:
        clean_notebook(folder / "notebook.ipynb")
        shutil.rmtree(folder / ".kernel", ignore_errors=True)
    render(folder)
    return 0


def pin_kernel(home: Path) -> None:
    """A kernelspec for this interpreter, and a private place for what kernels leave behind."""
    spec = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}
    (home / "kernels" / KERNEL).mkdir(parents=True)
    text = json.dumps({**spec, "display_name": "Python 3"})
    (home / "kernels" / KERNEL / "kernel.json").write_text(text, encoding="utf-8")
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(home), os.environ.get("JUPYTER_PATH")]))
    os.environ["JUPYTER_RUNTIME_DIR"] = str(home / "runtime")
    os.environ["IPYTHONDIR"] = str(home / "ipython")


def prepare(source: Path) -> Any:
    """The notebook with the epilogue cell that records what was imported."""
    import nbformat

    node = to_ipynb(source)
    node.metadata["kernelspec"] = {"name": KERNEL, "display_name": "Python 3", "language": "python"}
    node.metadata["language_info"] = {"name": "python"}
    cell = nbformat.v4.new_code_cell(EPILOGUE, id=f"{source.stem}-epilogue"[-64:])
    cell.metadata["tags"] = ["convexnn-epilogue"]
    node.cells.append(cell)
    return node


class Position:
    """Where the execution stands; tells the runner at the start of every code cell."""

    def __init__(self, node: Any, folder: Path, events: IO[str]) -> None:
        code = [cell for cell in node.cells if cell.cell_type == "code"]
        self.number, self.of = 0, len(code) - 1
        self.cell: Any = None
        self.folder, self.events = folder, events

    def starts(self, cell: Any) -> None:
        """Called by papermill before each cell."""
        if cell.cell_type != "code" or "convexnn-epilogue" in cell.metadata.get("tags", []):
            return
        if self.cell is None:
            write_processes(self.folder / "processes.json")
        self.cell = cell
        if "injected-parameters" not in cell.metadata.get("tags", []):
            self.number += 1
        self.events.write(json.dumps({"cell": self.number, "of": self.of}) + "\n")


def execute(node: Any, folder: Path, job: Mapping[str, Any], position: Position) -> None:
    """papermill, with `position` told about every cell."""
    import papermill
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
            inner = nb_man.cell_start

            def cell_start(cell: Any, *args: Any, **kwargs: Any) -> Any:
                position.starts(cell)
                return inner(cell, *args, **kwargs)

            nb_man.cell_start = cell_start
            return super().execute_managed_notebook(nb_man, kernel_name, **options)

    papermill_engines.register(KERNEL, Engine)
    pinned = {"engine_name": KERNEL, "kernel_name": KERNEL, "start_timeout": 300, "progress_bar": False}
    out = str(folder / "notebook.ipynb")
    papermill.execute_notebook(node, out, parameters=job["inject"], cwd=str(Path(job["source"]).parent), **pinned)


def describe(error: BaseException, position: Position) -> dict[str, Any]:
    """What failed, where, and the traceback without terminal colours."""
    import traceback

    name = getattr(error, "ename", type(error).__name__)
    text = getattr(error, "evalue", str(error))
    if name == "DeadKernelError":
        text = "the kernel died: killed from outside, out of memory, or a crash in compiled code; see failed/log.txt"
    lines = getattr(error, "traceback", None) or traceback.format_exception(error)
    cell = position.cell
    title = cell.metadata.get("title", "") if cell is not None else ""
    where = f"cell {position.number} of {position.of}" if cell is not None else "the start of the kernel"
    return {
        "where": where + (f" ({title})" if title else ""),
        "cell_id": cell["id"] if cell is not None else "",
        "error": COLOURS.sub("", f"{name}: {text}"),
        "traceback": COLOURS.sub("", "\n".join(lines)),
    }


def clean_notebook(path: Path) -> None:
    """Cut the epilogue out of the stored notebook and give every cell a stable id."""
    node = read_json(path)
    if node is None:
        return
    node["cells"] = [c for c in node["cells"] if "convexnn-epilogue" not in c["metadata"].get("tags", [])]
    for cell in node["cells"]:
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["id"] = "injected-parameters"
    node["metadata"]["kernelspec"]["name"] = "python3"
    for key in ("input_path", "output_path"):  # papermill's copy of the input, and a folder that moves
        node["metadata"].get("papermill", {}).pop(key, None)
    path.write_text(json.dumps(node, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def render(folder: Path) -> None:
    """notebook.html beside notebook.ipynb where nbconvert is installed; only formulas gain from a network."""
    try:
        from nbconvert import HTMLExporter
    except ImportError:
        return
    exporter = HTMLExporter(require_js_url="", jquery_url="", widget_renderer_url="", mermaid_js_url="")
    body, _ = exporter.from_filename(str(folder / "notebook.ipynb"))
    (folder / "notebook.html").write_text(body, encoding="utf-8", newline="\n")


def _leash() -> None:
    """Block until the runner lets go of standard input, then end the kernel and this process at once."""
    os.read(0, 1)
    psutil: Any = importlib.import_module("psutil")
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
