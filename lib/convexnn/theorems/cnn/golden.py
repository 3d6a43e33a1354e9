"""Small instances with stored optima: squared loss, numpy's default_rng, standard normals in the order listed.

sum, max, flat     seed 201: X_1 .. X_3 (6, 2), y      beta 0.2    1.4271993, 2.0528149, 1.4608148
sum_four           seed 0: X (4, 3, 2), sample by sample, y    0.3    0.49201157
flat_four          seed 7: X_1 .. X_4 (6, 3), y        beta 0.5    0.35876401
circular           seed 204: X (6, 4), y               beta 0.2    0.6642136, and 1.0652811 with rho = 1
linear_4, linear_5 seed d: X (6, d), y                 beta 0.3    0.97341409, 0.57939192
linear_vector      seed 3: X (5, 4), Y (5, 2)          beta 0.3    1.05590545
"""

from __future__ import annotations

import numpy as np

from convexnn.numerics import check_choice
from convexnn.types import Data

OPTIMA = {
    "sum": 1.4271993,
    "max": 2.0528149,
    "flat": 1.4608148,
    "sum_four": 0.49201157,
    "flat_four": 0.35876401,
    "circular": 0.6642136,
    "linear_4": 0.97341409,
    "linear_5": 0.57939192,
    "linear_vector": 1.05590545,
}
#: seed, patches K or 0, n, h or d, outputs, beta
_DRAWS = {
    "sum_four": (0, 3, 4, 2, 1, 0.3),
    "flat_four": (7, 4, 6, 3, 1, 0.5),
    "circular": (204, 0, 6, 4, 1, 0.2),
    "linear_4": (4, 0, 6, 4, 1, 0.3),
    "linear_5": (5, 0, 6, 5, 1, 0.3),
    "linear_vector": (3, 0, 5, 4, 2, 0.3),
}


def golden(name: str) -> tuple[Data, float]:
    """The data of an instance and its optimum."""
    check_choice("name", name, OPTIMA)
    seed, K, n, d, c, beta = _DRAWS.get(name, (201, 3, 6, 2, 1, 0.2))
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, K, d) if name == "sum_four" else (K, n, d) if K else (n, d))
    y = rng.standard_normal(n if c == 1 else (n, c))
    if K and name != "sum_four":
        X = np.ascontiguousarray(X.transpose(1, 0, 2))
    return Data(X, y, beta, f"golden {name}"), OPTIMA[name]
