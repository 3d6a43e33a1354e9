"""Print what a package's theorems declare, claims and findings, as JSON; run as a process of its own.

    python -m convexnn.pipeline.declared PACKAGE

The theorems import torch and the whole library. Asking for their claims in another process keeps the runner light, and
shows the files as they are now rather than as they were first imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

#: Modules with a tuple `claims`, beside the theorems.
BEYOND = ("solver_claims", "your_network.claim_list")


def declared_by(package: str) -> dict[str, list[dict[str, Any]]]:
    """{"claims", "findings"} of the theorems and of the modules BEYOND them that the package has."""
    if importlib.util.find_spec(f"{package}.theorems") is None:
        return {"claims": [], "findings": []}
    found = importlib.import_module(f"{package}.theorems").all_theorems()
    declaring = list(found.values() if isinstance(found, Mapping) else found)
    for name in BEYOND:
        if importlib.util.find_spec(f"{package}.{name.split('.')[0]}") is not None:
            declaring.append(importlib.import_module(f"{package}.{name}"))
    claims = [claim for one in declaring for claim in one.claims]
    findings = [finding for one in declaring for finding in findings_of(one)]
    return {"claims": [_stored(claim) for claim in claims], "findings": [_stored(finding) for finding in findings]}


def findings_of(theorem: Any) -> tuple[Any, ...]:
    """The `findings` of a theorem: in its part `experiments` when it is a package, else its own."""
    part = f"{theorem.__name__}.experiments"
    if hasattr(theorem, "__path__") and importlib.util.find_spec(part) is not None:
        return tuple(importlib.import_module(part).findings)
    return tuple(getattr(theorem, "findings", ()))


def _stored(one: Any) -> dict[str, Any]:
    return {**asdict(one), "source_text": str(one.source)}


if __name__ == "__main__":
    declared = declared_by(sys.argv[1])
    print("\n" + json.dumps(declared))
