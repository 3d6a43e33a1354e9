"""What tools/bootstrap.py has to know before it decides: cheap questions first, the rest only when there is work to do.

Standard library and Python 3.8's syntax only, so that an old interpreter gets a sentence and not a traceback.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib import util
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = (3, 11)
LOCK = "requirements/constraints.txt"
CONDA_NAME = "convexnn"  # as environment.yml calls it; the Makefile looks for the same name


class Refused(Exception):
    """The environment cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Facts:
    """What `plan` may look at: nothing else decides.

    stamp, key : what the environment was made from, what it would be made from now, as "<hash> <backend>"
    venv       : "absent", "usable", "partial" (no complete pip in it), "foreign" (its interpreter is gone or too old)
    """

    python: str
    version: tuple[int, int]
    system: str  # "Linux", "Darwin", "Windows"
    key: str
    stamp: str = ""
    torch: str = ""  # the locked version
    has_gpu: bool = False
    has_local_wheels: bool = False  # pip is configured with a folder of wheels; it holds the CPU build
    has_cpu_torch: bool = False
    has_venv_module: bool = True
    venv: str = "absent"
    in_conda: bool = False
    conda_complaints: tuple[str, ...] = ()


def is_current(facts: Facts) -> bool:
    """Made from the same files, and no GPU has appeared since (a CUDA torch also serves a machine without one)."""
    made, _, made_for = facts.stamp.partition(" ")
    wanted, _, wanted_for = facts.key.partition(" ")
    return made == wanted and made_for in (wanted_for, "cuda")


def gather(root: Path = ROOT) -> Facts:
    in_conda = is_our_conda(os.environ.get("CONDA_PREFIX", ""), os.environ.get("CONDA_DEFAULT_ENV", ""))
    stamp = read(stamp_file(root, in_conda)).strip()
    has_gpu = not in_conda and (stamp.endswith(" cuda") or finds_gpu())
    facts = Facts(
        python=sys.executable,
        version=(sys.version_info[0], sys.version_info[1]),
        system=platform.system(),
        key=fingerprint(root, "conda" if in_conda else "cuda" if has_gpu else "cpu"),
        stamp=stamp,
        has_gpu=has_gpu,
        in_conda=in_conda,
    )
    return facts if is_current(facts) else look_closer(facts, root)


def look_closer(facts: Facts, root: Path) -> Facts:
    if facts.version < MINIMUM and facts.in_conda:
        return facts
    if facts.in_conda:
        from environment import complaints, declared, installed_version  # needs 3.11

        return replace(facts, conda_complaints=tuple(complaints(declared(root), installed_version)))
    return replace(
        facts,
        torch=locked(root, "torch"),
        has_local_wheels=finds_local_wheels(),
        has_cpu_torch=any(any(site.glob("torch-*+cpu.dist-info")) for site in site_packages(root / ".venv")),
        has_venv_module=all(util.find_spec(name) for name in ("venv", "ensurepip")),
        venv=venv_state(root, facts.system),
    )


def is_our_conda(prefix: str, name: str) -> bool:
    """The environment called `convexnn` is active and runs this file; `base` and other people's are left alone."""
    return Path(name).name == CONDA_NAME and bool(prefix) and Path(prefix).resolve() == Path(sys.prefix).resolve()


def finds_gpu() -> bool:
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        return subprocess.run([program, "-L"], capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def finds_local_wheels() -> bool:
    """Is pip configured, by a file or by its environment variable, to look into a folder of wheels?"""
    if os.environ.get("PIP_FIND_LINKS"):
        return True
    command = [sys.executable, "-m", "pip", "config", "list"]
    return names_local_wheels(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


def names_local_wheels(listing: str) -> bool:
    """Reads `pip config list`, whose lines are section.key='value'."""
    pairs = [line.partition("=") for line in listing.splitlines()]
    keys = [key.rpartition(".")[2].replace("-", "_") for key, _, value in pairs if value.strip(" '\"")]
    return "find_links" in keys


def venv_state(root: Path, system: str) -> str:
    """One of Facts.venv's words; any Python that is new enough will do, not only the one that runs this file."""
    venv = root / ".venv"
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", read(venv / "pyvenv.cfg"), re.MULTILINE)
    if found is None:
        return "foreign" if venv.exists() else "absent"
    if (int(found[1]), int(found[2])) < MINIMUM or not (root / venv_python(system)).exists():
        return "foreign"
    has_pip = any(is_complete(folder) for site in site_packages(venv) for folder in site.glob("pip-*.dist-info"))
    return "usable" if has_pip else "partial"


def site_packages(venv: Path) -> list[Path]:
    return [*venv.glob("lib/python3*/site-packages"), *venv.glob("Lib/site-packages")]


def is_complete(dist_info: Path) -> bool:
    """Installers write these two files last: without them the installation was cut short."""
    return all((dist_info / name).is_file() for name in ("RECORD", "INSTALLER"))


def stamp_file(root: Path, in_conda: bool) -> Path:
    return Path(sys.prefix) / ".convexnn.stamp" if in_conda else root / ".venv" / ".stamp"


def fingerprint(root: Path, backend: str) -> str:
    """What the environment is made from; the folder counts, because the library is installed by its path."""
    parts = [(root / name).read_bytes() for name in ("pyproject.toml", LOCK)]
    return hashlib.sha256(b"\0".join([*parts, str(root).encode()])).hexdigest() + " " + backend


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def locked(root: Path, name: str) -> str:
    """The version of `name` in the lock."""
    found = re.search(rf"^{re.escape(name)}==([^\s;]+)", read(root / LOCK), re.MULTILINE)
    if found is None:
        raise Refused(f"{LOCK} does not pin {name}. Try: make lock")
    return found[1]


def venv_python(system: str) -> str:
    return ".venv/Scripts/python.exe" if system == "Windows" else ".venv/bin/python"
