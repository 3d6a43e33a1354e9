"""What the two-layer theorem claims, from which source, and what notebook 01 has to measure."""

from __future__ import annotations

from convexnn.claims import Claim, Kind, Scope, Source

source = Source("Pilanci and Ergen, Neural Networks are Convex Regularizers", "2002.10553")
printed = Source(source.paper, source.arxiv, "equation (8)")
geometry = Source("Ergen and Pilanci, Convex Geometry and Duality of Over-parameterized Neural Networks", "2002.11219")
fast = Source("Mishkin, Sahiner and Pilanci, Fast Convex Optimization for Two-Layer ReLU Networks", "2202.01331")
optimal_sets = Source("Mishkin and Pilanci, Optimal Sets and Solution Paths of ReLU Networks", "2306.00119")
ours = Source("this project, derived and measured here")


def _claim(name: str, text: str, kind: Kind, tol: float, scope: Scope, by: Source) -> Claim:
    return Claim(f"two_layer.{name}", text, by, kind, tol, scope)


claims = (
    _claim("count", "general position has 2 sum_{k<r} C(n-1, k) patterns", "agreement", 0.0, "program", source),
    _claim(
        "strong_duality", "the finite program and its dual have the same value", "certificate", 1e-6, "network", printed
    ),
    _claim("reference", "the printed program in CVXPY and the fast one agree", "agreement", 1e-6, "program", printed),
    _claim("recovery", "the recovered network scores the program's value", "agreement", 1e-6, "network", source),
    _claim("no_training_below", "no training run ends below the certified bound", "one_sided", 1e-9, "network", source),
    _claim(
        "training_reaches", "the best of many wide networks is near the bound", "certificate", 1e-3, "network", source
    ),
    _claim("dual_norm", "M(residual) = beta at the optimum", "agreement", 1e-4, "network", source),
    _claim("minimum_width", "n + 1 neurons suffice at the optimal objective", "one_sided", 0.0, "network", source),
    _claim("pruning", "pruning leaves at most n neurons at no cost", "one_sided", 0.0, "network", optimal_sets),
    _claim(
        "too_few_neurons", "a network of one neuron ends above the optimum", "counterexample", 1e-4, "network", source
    ),
    _claim("zero_threshold", "Z = 0 is optimal exactly when beta >= M(y)", "agreement", 1e-6, "network", ours),
    _claim("gated_below", "over the same patterns gated is below ReLU", "one_sided", 1e-6, "program", fast),
    _claim("gated_recovery", "the recovered gated network scores its program", "agreement", 1e-6, "program", fast),
    _claim("gated_training", "no gated network trains below its program", "one_sided", 1e-9, "program", fast),
    _claim("sampled_above", "sampled patterns give monotone upper bounds", "one_sided", 1e-6, "network", source),
    _claim("sampling_falls_short", "training beats the sampled optimum", "counterexample", 1e-3, "network", ours),
    _claim("losses", "other losses: program and dual have the same value", "certificate", 1e-6, "network", source),
    _claim("losses_recovered", "other losses: the network scores the program", "agreement", 1e-6, "network", source),
    _claim("softmax", "cross entropy, one neuron an output, gated", "certificate", 1e-6, "program", ours),
    _claim("spline", "five points: 8 beta - 8 beta^2 for beta <= 0.3", "agreement", 1e-6, "network", ours),
    _claim("minimum_norm", "p*(beta) / beta rises to the gauge of y", "agreement", 1e-3, "network", ours),
    _claim("low_rank", "rank-k data cost at most (1 + sigma |y| / (2 beta))^2", "one_sided", 1e-6, "network", ours),
    _claim("real_data", "programs on real data are solved", "certificate", 1e-6, "program", ours),
)
