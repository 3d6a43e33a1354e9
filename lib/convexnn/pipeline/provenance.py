"""Commit, machine and versions: what a reader needs to judge whether a number should come out the same."""

from __future__ import annotations

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


def provenance(root: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """{"commit", "dirty", "machine": {cpu, cores, device, python, versions}}; commit is "unknown" without git."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else []
    machine = {"cpu": names[0] if names else platform.processor() or platform.machine(), "cores": os.cpu_count()}
    versions = {name: version(name) for name in ("convexnn", "numpy", "torch")}
    machine |= {"device": device_kind(parameters), "python": platform.python_version(), **versions}
    try:
        call = [["git", "-C", str(root), *rest] for rest in (["rev-parse", "HEAD"], ["status", "--porcelain"])]
        head, status = (subprocess.run(c, capture_output=True, text=True, check=True).stdout.strip() for c in call)
    except (OSError, subprocess.CalledProcessError):
        head, status = "unknown", ""
    return {"commit": head, "dirty": bool(status), "machine": machine}


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
