"""One package a theorem. `all_theorems()` finds them; nothing else lists them."""

from convexnn.theorems.contract import all_theorems

__all__ = ["all_theorems"]
