"""Small instances with stored optima: squared loss, numpy's default_rng, standard normals in the order listed.

scalar     seed 101: X (8, 2), y      beta 0.15   1.8468583   57 patterns that are not zero
closed     seed 102: X (5, 6), y      beta 0.3    0.7545820
patches    seed 104: X_1, X_2 (5, 2), y   0.1     1.0499193   91
after      seed 105: X (7, 2), y      beta 0.15   1.0635159   13
vector     seed 106: X (6, 2), Y (6, 2)   0.2     1.5704846
"""

from __future__ import annotations

import numpy as np

from convexnn.numerics import check_choice
from convexnn.types import Data

OPTIMA = {"scalar": 1.8468583, "closed": 0.7545820, "patches": 1.0499193, "after": 1.0635159, "vector": 1.5704846}
_DRAWS = {"scalar": (101, 8, 2, 0.15), "closed": (102, 5, 6, 0.3), "patches": (104, 5, 2, 0.1)}
_DRAWS |= {"after": (105, 7, 2, 0.15), "vector": (106, 6, 2, 0.2)}


def golden(name: str) -> tuple[Data, float]:
    """The data of an instance and its optimum to seven decimals."""
    check_choice("name", name, OPTIMA)
    seed, n, d, beta = _DRAWS[name]
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    if name == "patches":
        X = np.stack([X, rng.standard_normal((n, d))], axis=1)
    y = rng.standard_normal((n, 2) if name == "vector" else n)
    return Data(X, y, beta, f"golden {name}"), OPTIMA[name]
