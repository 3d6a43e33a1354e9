"""Side-by-side measurements against other solvers. `python -m benchmarks --help` lists the tables.

The library never imports this package; the peers are optional (`pip install -e .[bench]`).
"""
