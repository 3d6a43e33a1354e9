"""The claims of `three_layer`; tolerances were chosen before the first measurement."""

from __future__ import annotations

from convexnn.claims import Claim, Kind, Scope, Source

source = Source("Ergen and Pilanci, Global Optimality Beyond Two Layers", "2110.05518")
ours = Source("this project, derived and measured here")


def _claim(
    name: str, statement: str, kind: Kind, tolerance: float, scope: Scope = "network", by: Source = source
) -> Claim:
    return Claim(f"three_layer.{name}", statement, by, kind, tolerance, scope)


claims = (
    _claim("strong_duality", "the finite program and a checked dual point agree", "certificate", 1e-6),
    _claim("reference", "CVXPY and the fast program agree", "agreement", 1e-6),
    _claim("printed_dual", "the finite dual has the value of the primal", "agreement", 1e-6),
    _claim("recovery", "the rebuilt branches score the program's value", "agreement", 1e-6),
    _claim("pruning", "pruned branches score the program's value", "agreement", 1e-6),
    _claim("count", "at most n branches are enough", "one_sided", 0.0, by=ours),
    _claim("no_training_below", "no training run ends below the program", "one_sided", 1e-6),
    _claim("training_reaches", "the best of many runs with many branches is close", "agreement", 1e-2),
    _claim("one_neuron", "one neuron a branch gives the two-layer program", "agreement", 1e-6),
    _claim("wide", "two neurons are never below the limit of wide branches", "one_sided", 1e-6, by=ours),
    _claim("shared_index", "one pattern for all neurons of a branch is too small", "counterexample", 1e-3, by=ours),
    _claim("squared_decay", "squared decay of all layers has another value", "counterexample", 1e-3, by=ours),
    _claim("sampling", "more sampled groups never raise the value", "one_sided", 1e-6),
    _claim("columns", "column generation reaches the value of all groups", "agreement", 1e-6, by=ours),
    _claim("landscape", "around 20 trained branches lines bend down less than around one", "one_sided", 0.0, by=ours),
    _claim("real_data", "breast cancer rows with sampled groups are solved", "certificate", 1e-4, "program", by=ours),
    _claim("real_training", "breast cancer rows: best run and grown program agree", "agreement", 1e-2, by=ours),
    _claim("residual", "two branches with identity layers are a residual block", "agreement", 1e-12),
)
