"""Print the claims that a package's theorems declare, as JSON; run as a process of its own.

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


def claims_of(package: str) -> list[dict[str, Any]]:
    """Every claim of the theorems and of the modules BEYOND them that the package has, as result files hold them."""
    if importlib.util.find_spec(f"{package}.theorems") is None:
        return []
    found = importlib.import_module(f"{package}.theorems").all_theorems()
    theorems = found.values() if isinstance(found, Mapping) else found
    claims = [claim for theorem in theorems for claim in theorem.claims]
    for name in BEYOND:
        if importlib.util.find_spec(f"{package}.{name.split('.')[0]}") is not None:
            claims += importlib.import_module(f"{package}.{name}").claims
    return [{**asdict(claim), "source_text": str(claim.source)} for claim in claims]


if __name__ == "__main__":
    claims = claims_of(sys.argv[1])
    print("\n" + json.dumps(claims))
