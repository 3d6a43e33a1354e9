"""The contract of a theorem, and discovery: adding a theorem is adding a package (or one file) to this folder."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Protocol, runtime_checkable

import torch

from convexnn.claims import Claim, Source
from convexnn.networks import Network
from convexnn.program import Program
from convexnn.types import Data, Solution


@runtime_checkable
class Theorem(Protocol):
    """What a theorem module offers, read top to bottom: statement, reference, program, recovery, network."""

    source: Source
    claims: tuple[Claim, ...]
    sizes: tuple[str, ...]

    def assumptions(self, data: Data) -> tuple[str, ...]: ...
    def sample(self, size: str = "tiny", seed: int = 0) -> Data: ...
    def reference(self, data: Data, **options: Any) -> Any: ...
    def program(self, data: Data, **options: Any) -> Program: ...
    def recover(self, data: Data, solution: Solution) -> Network: ...
    def network(self, width: int, data: Data, **options: Any) -> Network: ...
    def objective(self, network: torch.nn.Module, data: Data) -> float: ...


#: Members every theorem module must define; the conformance test walks this list.
MEMBERS = (
    "source",
    "claims",
    "sizes",
    "assumptions",
    "sample",
    "reference",
    "program",
    "recover",
    "network",
    "objective",
)


def all_theorems() -> dict[str, Any]:
    """Every theorem of this package by name: all modules but this one and `shared`."""
    import convexnn.theorems as package

    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__))
    return {n: importlib.import_module(f"convexnn.theorems.{n}") for n in names if n not in ("contract", "shared")}
