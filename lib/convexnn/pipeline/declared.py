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


def claims_of(package: str) -> list[dict[str, Any]]:
    """Every claim of the theorems and, where there is one, of `<package>.solver_claims`, as result files hold them."""
    if importlib.util.find_spec(f"{package}.theorems") is None:
        return []
    found = importlib.import_module(f"{package}.theorems").all_theorems()
    theorems = found.values() if isinstance(found, Mapping) else found
    beyond = f"{package}.solver_claims"
    more = importlib.import_module(beyond).claims if importlib.util.find_spec(beyond) else ()
    claims = [*(claim for theorem in theorems for claim in theorem.claims), *more]
    return [{**asdict(claim), "source_text": str(claim.source)} for claim in claims]


if __name__ == "__main__":
    claims = claims_of(sys.argv[1])
    print("\n" + json.dumps(claims))
