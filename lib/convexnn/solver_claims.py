"""What the solvers claim, as a theorem would: a tuple that the ledger collects and notebook 12 measures."""

from __future__ import annotations

from convexnn.claims import Claim, Kind, Scope, Source

ours = Source("this project, measured here")


def _claim(name: str, statement: str, kind: Kind, tolerance: float, scope: Scope = "program") -> Claim:
    return Claim(f"solvers.{name}", statement, ours, kind, tolerance, scope)


claims = (
    _claim("methods", "every method of `solve` reaches a certified gap of 1e-6", "certificate", 1e-6),
    _claim("reference", "a general conic solver finds the same optimum", "agreement", 1e-5),
    _claim("path", "every point of a path of beta is certified", "certificate", 1e-6),
    _claim("path_monotone", "the optimum never falls as beta grows", "one_sided", 1e-6),
    _claim(
        "few_steps", "the interior point takes at most 15 steps on gated programs, whatever n, d, P and beta",
        "one_sided", 0.0,
    ),
    _claim(
        "below_training", "column generation ends at most 0.5 % above the best of several Adam runs of the same time",
        "one_sided", 5e-3, "network",
    ),
    _claim("bounds_meet", "both bounds of the training problem meet", "certificate", 1e-6, "network"),
)  # fmt: skip
