"""Every tolerance of the tests, by dtype for identities and by solver for optima. `close` is the only comparison.

All are relative to max(1, largest size compared). A tolerance typed in a test carries its reason there.
"""

import numpy as np
import torch

#: Identities that hold up to rounding in a few hundred operations.
ROUNDING = {torch.float64: 1e-10, torch.float32: 1e-4}

#: Central differences of a smooth function with step 1e-6.
DIFFERENCES = 1e-7

#: How far the *value* of an optimum may be off, by who computed it.
VALUE = {
    "CLARABEL": 1e-6,  # default 1e-8 on each residual, times the conditioning of these programs
    "linprog": 1e-8,
    "closed form": 1e-10,
    "solve": 1e-6,  # the default `tol` of convexnn.solve
}

#: How far a *minimiser* may be off where it is unique: the square root of the value's error for a quadratic.
MINIMISER = {"CLARABEL": 1e-4}

#: The acceptance of the conformance test: reference and fast program.
AGREEMENT = 1e-5


def close(found, expected, tolerance: float = ROUNDING[torch.float64]) -> None:
    """Raise AssertionError unless |found - expected| <= tolerance * max(1, |found|, |expected|) in every entry."""
    a, b = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert a.shape == b.shape, f"shapes {a.shape} and {b.shape}"
    scale = max(1.0, float(np.abs(a).max(initial=0.0)), float(np.abs(b).max(initial=0.0)))
    error = float(np.abs(a - b).max(initial=0.0))
    assert error <= tolerance * scale, f"differ by {error:.3e} > {tolerance:.0e} * {scale:.3g}:\n{a}\n{b}"
