"""convexnn: convex formulations of neural-network training. Solve, certify, recover.

    from convexnn import Data, solve, certify
    from convexnn.theorems import two_layer

    data = Data(X, y, beta=0.1)
    solution = solve(two_layer.program(data))
    network = two_layer.recover(data, solution)

Names are imported on first use, so that light commands do not pay for torch and a notebook depends only on what it
really uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convexnn.certifying import certify
    from convexnn.estimators import ConvexReLUClassifier, ConvexReLURegressor
    from convexnn.exact import certify_exactly
    from convexnn.solving import solve, solve_path
    from convexnn.training import train
    from convexnn.types import Certificate, Data, Point, Solution, Verdict

_HOME = {
    "Certificate": "types",
    "ConvexReLUClassifier": "estimators",
    "ConvexReLURegressor": "estimators",
    "Data": "types",
    "Point": "types",
    "Solution": "types",
    "Verdict": "types",
    "certify": "certifying",
    "certify_exactly": "exact",
    "solve": "solving",
    "solve_path": "solving",
    "train": "training",
}

__all__ = [
    "Certificate",
    "ConvexReLUClassifier",
    "ConvexReLURegressor",
    "Data",
    "Point",
    "Solution",
    "Verdict",
    "certify",
    "certify_exactly",
    "solve",
    "solve_path",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'convexnn' has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = getattr(import_module(f"convexnn.{_HOME[name]}"), name)
    globals()[name] = value
    return value
