"""What a time was measured on. No host names and no paths: the facts go into committed files."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers import PACKAGES

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def facts(device: str) -> dict[str, Any]:
    """CPU, device, threads, and the versions of what took part."""
    names = ("numpy", "scipy", "torch", "cvxpy", "scikit-learn", *PACKAGES)
    gpu = torch.cuda.get_device_name() if device == "cuda" else ""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "device": gpu or "cpu",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: found for name in dict.fromkeys(names) if (found := installed(name))},
    }


def one_thread() -> None:
    """One thread for every library that is loaded after this call, here and in child processes."""
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
    torch.set_num_threads(1)


def installed(package: str) -> str:
    """Its version, or nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _cpu() -> str:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
