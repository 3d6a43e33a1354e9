"""Commit, machine and versions: what a reader needs to judge whether a number should come out the same."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from convexnn.pipeline.project import digest

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LOCK = Path("requirements") / "constraints.txt"


def provenance(root: Path, parameters: Mapping[str, Any], variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """{"commit", "dirty", "machine", "threads", "lock", "packages"}; keys depend on none of it.

    commit    "unknown" without git
    machine   cpu, cores, memory, system, device, and the versions that people ask for first
    threads   what `variables` (the environment of the run) allow every numerical library
    lock      SHA-256 of requirements/constraints.txt, "absent" without one
    packages  every installed distribution with its version, whether or not it is locked
    """
    variables = os.environ if variables is None else variables
    threads = {name: variables.get(name, "not set") for name in THREADS}
    beyond = {"threads": threads, "lock": digest(root / LOCK), "packages": packages()}
    return {**_commit(root), "machine": machine(parameters), **beyond}


def machine(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What the run ran on, in the words of the machine."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else []
    found = {"cpu": names[0] if names else platform.processor() or platform.machine(), "cores": os.cpu_count()}
    found |= {"memory_gib": _memory_gib(), "system": platform.platform(), "device": device_kind(parameters)}
    found |= {"gpu": _gpu()} if found["device"] == "cuda" else {}
    versions = {name: version(name) for name in ("convexnn", "numpy", "torch")}
    return {**found, "python": platform.python_version(), **versions}


@lru_cache
def packages() -> dict[str, str]:
    """Name and version of every installed distribution."""
    found = {str(d.metadata["Name"]): d.version for d in importlib.metadata.distributions() if d.metadata["Name"]}
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


def _commit(root: Path) -> dict[str, Any]:
    try:
        call = [["git", "-C", str(root), *rest] for rest in (["rev-parse", "HEAD"], ["status", "--porcelain"])]
        head, status = (subprocess.run(c, capture_output=True, text=True, check=True).stdout.strip() for c in call)
    except (OSError, subprocess.CalledProcessError):
        head, status = "unknown", ""
    return {"commit": head, "dirty": bool(status)}


def _memory_gib() -> float | None:
    try:
        psutil: Any = importlib.import_module("psutil")
    except ImportError:
        return None
    return round(psutil.virtual_memory().total / 2**30, 1)


@lru_cache
def _gpu() -> str:
    """The cards and their driver, as nvidia-smi names them."""
    call = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return "; ".join(done.stdout.strip().splitlines())


def device_kind(parameters: Mapping[str, Any]) -> str:
    """'cpu' or 'cuda': what `device` will mean here, found without importing torch."""
    wanted = str(parameters.get("device", "auto"))
    if wanted != "auto":
        return wanted.split(":")[0]
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or version("torch").endswith("+cpu"):
        return "cpu"
    return "cuda" if Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") else "cpu"


def version(package: str) -> str:
    """The installed version of `package`, or 'absent'."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


@lru_cache
def environment(root: Path) -> dict[str, str]:
    """The part of the lock that a result can depend on: what is installed of the dependencies, and of theirs.

    Linters and test tools are no part of it, so upgrading them reruns nothing.
    """
    table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    found = {"python": platform.python_version()}
    todo = [_name(requirement) for requirement in table.get("dependencies", [])]
    while todo:
        package = todo.pop()
        if package in found:
            continue
        found[package] = version(package)
        if found[package] != "absent":
            requires = importlib.metadata.requires(package) or []
            todo += [_name(line) for line in requires if "extra ==" not in line]
    return {name: value for name, value in sorted(found.items()) if value != "absent"}


def _name(requirement: str) -> str:
    matched = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
    return re.sub(r"[-_.]+", "-", matched.group(0)).lower() if matched else requirement
