"""The claims of `path_regularized`: three-layer parallel branches of m neurons, penalty beta times the path norms."""

from __future__ import annotations

from convexnn.claims import Claim, Kind, Scope, Source

source = Source("Ergen and Pilanci, Path Regularization for Parallel ReLU Networks", "2110.09548")
ours = Source("this project, derived and measured here")


def _claim(
    name: str, statement: str, kind: Kind, tolerance: float, scope: Scope = "network", by: Source = source
) -> Claim:
    return Claim(f"path_regularized.{name}", statement, by, kind, tolerance, scope)


claims = (
    _claim("strong_duality", "the finite program and its dual have the same value", "certificate", 1e-6),
    _claim("reference", "CVXPY in the paper's letters and the fast program agree", "agreement", 1e-6),
    _claim("finite_dual", "the printed finite dual, solved alone, has the primal's value", "agreement", 1e-6),
    _claim("recovery", "rebuilt branches have path norms equal to their block norms", "agreement", 1e-6),
    _claim("pruning", "at most n branches predict the same at no larger penalty", "agreement", 1e-6),
    _claim("no_training_below", "no training run ends below the certified bound", "one_sided", 1e-6),
    _claim("training_close", "the best of many runs is within one per cent", "agreement", 1e-2, by=ours),
    _claim("rescaling", "the path norm does not change under rescaling of neurons", "agreement", 1e-12),
    _claim("decay_changes", "squared weight decay does change under rescaling", "counterexample", 1e-3, by=ours),
    _claim("sandwich", "the (2,1) program at beta / sqrt m, then F, then (2,1): ascending", "one_sided", 1e-6, by=ours),
    _claim("shared_pattern", "one pattern for all neurons of a branch is worse", "counterexample", 1e-3, by=ours),
    _claim("wider_is_cheaper", "wider branches at the same beta cost less", "counterexample", 1e-3, by=ours),
    _claim(
        "sampled_above", "nested samples of groups give falling upper bounds", "one_sided", 1e-6, "program", by=ours
    ),
    _claim("columns", "adding violated groups reaches the value of all groups", "agreement", 1e-4, by=ours),
    _claim("low_rank_below", "the low-rank program is no cheaper than the exact one", "one_sided", 1e-6),
    _claim("low_rank_bound", "the low-rank program keeps its proved factor", "one_sided", 1e-6, by=ours),
    _claim("unrolling", "unrolled trees have the path norm and output of shared layers", "agreement", 1e-12, by=ours),
    _claim("spiral", "the spiral with sampled groups is solved", "certificate", 1e-4, "program", by=ours),
    _claim("spiral_fitted", "spiral: two layers and both norms fit every point", "agreement", 0.0, "program", by=ours),
    _claim("real_data", "breast cancer rows with sampled groups are solved", "certificate", 1e-4, "program", by=ours),
)
