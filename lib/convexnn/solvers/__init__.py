"""Solvers: each takes a Program and returns a Point. None of them judges itself; `solving.solve` and `certify` do."""
