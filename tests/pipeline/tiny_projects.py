"""Throw-away projects of a few two-cell notebooks, run by the real runner."""

import textwrap
from pathlib import Path

from convexnn.pipeline.progress import PlainProgress
from convexnn.pipeline.project import Project

PYPROJECT = '[project]\nname = "tiny"\ndependencies = ["numpy"]\n'

THEOREMS = """
from convexnn.claims import Claim, Source
from convexnn.findings import Finding

paper = Source("Tiny", "0000.00000", "Theorem 1")


class One:
    claims = (
        Claim("one.gap", "the gap closes", paper, "certificate", 1e-6),
        Claim("one.same", "two values | agree", paper, "agreement", 1e-6),
        Claim("one.idle", "nobody looks at this", paper, "agreement", 1e-6),
    )
    findings = (
        Finding("one.E1", "experiment", "a line", paper, claims=("one.same",), here="two numbers", smaller=True),
        Finding("one.E2", "experiment", "a drawing", paper, why="there is nothing to measure"),
        Finding("one.diverged", "open", "whether the gap closes", paper, claims=("one.gap",), why="one run diverged"),
    )


def all_theorems():
    return {"one": One}
"""

GAUGE = """
# %% [markdown]
# # A gauge

# %% tags=["parameters"]
size, seed, beta = "quick", 0, 0.1

# %% save: numbers and a figure
import numpy as np
from convexnn import report
from tiny import gauges, theorems

gap, same, _ = theorems.One.claims
result = report.Result("01_gauge", parameters={"size": size, "seed": seed, "beta": beta})
result.save(rtol=1e-6, value=gauges.norm(3.0, 4.0) * beta, curve=np.linspace(0, 1, 5), bad=float("nan"))
result.save(rtol=None, took_s=0.1)
result.measure(gap, 1e-9, seeds=(0, 1, 2))
result.measure(gap, float("nan"), note="one run diverged")


# %% draw
def draw(stored):
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot(stored["curve"])
    axes.set(xlabel="k (dimensionless)", ylabel="value (dimensionless)")
    return figure


result.figure("curve", draw, caption="A straight line.")
result.table("both", ["name", "value"], [["a", 1.0], ["b", 2.0]], caption="Two rows.")
"""

LOSS = """
# %% tags=["parameters"]
size: str = "quick"
seed: int = 0

# %%
from convexnn import report
from tiny import losses, theorems

result = report.Result("02_loss", parameters={"size": size, "seed": seed})
result.save(rtol=1e-6, loss=losses.squared(2.0))
result.measure(theorems.One.claims[1], 0.0)
"""

# Waits while the file `wait` is there, and says in the file `waiting` who waits; seed 2 fails.
SWEPT = """
# %% tags=["parameters"]
size: str = "quick"
seed: int = 0
beta: float = 0.1
word: str = "a"

# %% measure
import os, time
from pathlib import Path
from convexnn import report
from tiny import theorems

gap, same, _ = theorems.One.claims
result = report.Result(os.environ["CONVEXNN_NOTEBOOK"], parameters={"size": size, "seed": seed, "beta": beta})
result.save(rtol=1e-6, value=beta * (1 + seed))
result.measure(gap, 1e-9 * (1 + seed))
result.measure(same, beta * 1e-6 * (1 if seed else float("nan")), seeds=[seed])

# %% wait
if seed and Path("../wait").exists():
    Path("../waiting").write_text(str(os.getpid()))
    while Path("../wait").exists():
        time.sleep(0.05)

# %% fail
if seed == 2:
    raise RuntimeError("seed 2 is broken")
"""


class Recorder(PlainProgress):
    """Remembers which notebooks were started: each start is one kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[str] = []
        self.lines: list[str] = []

    def start(self, label, expected_s):
        self.started.append(label)
        super().start(label, expected_s)

    def note(self, line):
        self.lines.append(line)


def write(root: Path, files: dict[str, str]) -> Project:
    """A project at `root` with these files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return Project.find(root)


def tiny(root: Path, **notebooks: str) -> Project:
    """The tiny library with notebooks given as name=source; names lose their leading underscore."""
    files = {
        "pyproject.toml": PYPROJECT,
        "lib/tiny/__init__.py": "",
        "lib/tiny/gauges.py": "def norm(a, b):\n    return (a * a + b * b) ** 0.5\n",
        "lib/tiny/constants.json": "{}",
        "lib/tiny/losses.py": "def squared(r):\n    return 0.5 * r * r\n",
        "lib/tiny/theorems.py": THEOREMS,
    }
    return write(root, files | {f"notebooks/{name.lstrip('_')}.py": text for name, text in notebooks.items()})
