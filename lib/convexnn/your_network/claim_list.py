"""What certificates of foreign networks claim: collected by the ledger, measured by notebook 14."""

from __future__ import annotations

from convexnn.claims import Claim, Kind, Scope, Source

ours = Source("this project, measured here")


def _claim(name: str, statement: str, kind: Kind, tolerance: float, scope: Scope = "network") -> Claim:
    return Claim(f"your_network.{name}", statement, ours, kind, tolerance, scope)


claims = (
    _claim("torch_objective", "torch's loss with weight_decay is the certified objective", "agreement", 1e-5),
    _claim("below_all", "no trained network lies below the bound of its certificate", "one_sided", 1e-9),
    _claim("never_worse", "improve returns nothing worse than what came in", "one_sided", 0.0),
    _claim("rebalanced", "rescaling the layers never raises the objective", "one_sided", 1e-12),
    _claim("improved", "a network from a plain training loop can be improved", "counterexample", 1e-6),
    _claim("few_features", "with two features the improved network is globally optimal", "certificate", 1e-4),
    _claim(
        "same_function", "the improved module scores its stated objective when torch evaluates it", "agreement", 1e-5
    ),
)
