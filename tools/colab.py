"""Write docs/colab.ipynb, which opens the project in Google Colab at quick size: clone, install, run one notebook.

    python tools/colab.py [--check]

The address of the repository is the `repository-code` of CITATION.cff, and stands nowhere else. Until it is known the
notebook asks for it.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "colab.ipynb"
FIELD = re.compile(r"^repository-code:\s*[\"']?(https://\S+?)/?[\"']?\s*$", re.MULTILINE)

SETUP = """\
repository = {repository!r}  # https://github.com/OWNER/NAME; notebook is any name or number in notebooks/
notebook = "01"
assert repository, "set `repository` to the address of the project"
!git clone -q --depth 1 {{repository}} convexnn
!pip install -q --no-deps -e convexnn
!pip install -q "cvxpy>=1.6,<2" clarabel platformdirs jupytext papermill
"""
RUN = """\
%cd -q convexnn
!PYTHONPATH=lib python -m convexnn run {notebook} --size quick
"""
SHOW = """\
from pathlib import Path
from IPython.display import HTML, display

(page,) = Path("results/quick").glob(f"{notebook}*/notebook.html")
display(HTML(page.read_text()))
"""
EXAMPLE = """\
import sys
sys.path.insert(0, "lib")
import numpy as np
from convexnn import Data, certify, solve
from convexnn.theorems import two_layer

rng = np.random.default_rng(0)
data = Data(X=rng.standard_normal((30, 3)), y=rng.standard_normal(30), beta=0.5)  # change this
program = two_layer.program(data, patterns="all")
solution = solve(program, tol=1e-6)
print(certify(program, solution).sentence())
"""
WORDS = """\
# convexnn in Colab

The cells install the project, run one notebook at quick size (minutes on two cores) and show it with its certificates;
the last one is the library in a few lines, to be changed. torch, NumPy and matplotlib are those of Colab; the locked
versions are what `make reproduce` uses.
"""


def repository(text: str) -> str:
    """The address in a CITATION.cff, or nothing."""
    found = FIELD.search(text)
    return found[1] if found else ""


def render(citation: str) -> str:
    """The notebook for the repository that the text of a CITATION.cff names."""
    cells = [_cell("markdown", "words", WORDS), _cell("code", "setup", SETUP.format(repository=repository(citation)))]
    cells += [_cell("code", name, source) for name, source in (("run", RUN), ("show", SHOW), ("example", EXAMPLE))]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    node = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(node, indent=1, sort_keys=True) + "\n"


def _cell(kind: str, name: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": {}, "source": source.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def main(arguments: list[str]) -> int:
    text = render((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    if "--check" in arguments:
        stale = not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != text
        if stale:
            print("docs/colab.ipynb is stale: python tools/colab.py", file=sys.stderr)
        return int(stale)
    TARGET.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
