"""Remove results: what is left over by default, everything on request. Nothing is removed under a live run."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from convexnn.pipeline.notebooks import discover
from convexnn.pipeline.project import SIZES, Project, ProjectError
from convexnn.pipeline.slots import Slot, recover_in


def clean(project: Project, everything: bool = False) -> list[Path]:
    """Remove and return: leftovers of killed and failed runs, results with other parameters, interactive results and
    those of notebooks that are gone; with `everything` all of results/. ProjectError while a run is at work.

    The finished points of sweeps stay as long as their notebook does: they were asked for by name.
    """
    known = discover(project)
    removed = [path for size in SIZES for path in _clean(project.results(size), known, everything)]
    for folder in sorted(path for path in (project.root / "results" / "sweeps").glob("*") if path.is_dir()):
        is_gone = folder.name not in known
        removed += _clean(folder / "points", () if is_gone else None, everything)
        if is_gone:
            shutil.rmtree(folder)
            removed.append(folder)
    extra = [project.root / "results"] if everything else [project.root / "results" / "interactive"]
    for path in extra:
        if path.exists():
            shutil.rmtree(path)
            removed.append(path)
    return removed


def _clean(base: Path, known: Collection[str] | None, everything: bool) -> list[Path]:
    """The slots below `base`, recovered; those that failed and those not `known` (None: all are) are removed."""
    recover_in(base)
    removed = []
    folders = [path for path in base.glob("[!.]*") if path.is_dir()]
    for label in sorted({path.name for path in [*folders, *base.glob(".locks/*")]}):
        slot = Slot(base, label)
        with slot.lock(give_up=lambda: True) as held:
            if not held:
                raise ProjectError(f"results of {label} are being made by another run; wait for it or stop it")
            if slot.folder.exists() and (everything or (known is not None and label not in known)):
                shutil.rmtree(slot.folder)
                removed.append(slot.folder)
            elif slot.failure() is not None:
                removed += _forget_failure(slot)
    return removed


def _forget_failure(slot: Slot) -> list[Path]:
    """Remove what a failed attempt left, and the folder when no finished result is in it."""
    if slot.finished() is None:
        shutil.rmtree(slot.folder)
        return [slot.folder]
    shutil.rmtree(slot.folder / "failed", ignore_errors=True)
    for name in ("failed.json", "failed.ipynb"):
        (slot.folder / name).unlink(missing_ok=True)
    return [slot.folder / "failed"]
