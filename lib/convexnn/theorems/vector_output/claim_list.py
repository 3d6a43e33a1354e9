"""What is claimed about vector outputs, and by whom: the rows of the ledger."""

from __future__ import annotations

from convexnn.claims import Claim, Kind, Scope, Source

source = Source("Sahiner, Ergen, Pauly and Pilanci, Vector-output ReLU Neural Network Problems", "2012.13329")
ours = Source("this project, derived and measured here")


def _claim(name: str, text: str, kind: Kind, tolerance: float, scope: Scope = "network", by: Source = source) -> Claim:
    return Claim(f"vector_output.{name}", text, by, kind, tolerance, scope)


claims = (
    _claim("strong_duality", "the finite program and its dual have the same value", "certificate", 1e-6),
    _claim("reference", "the copositive program and the finite program agree", "agreement", 1e-5),
    _claim("column_generation", "column generation closes the gap over all networks", "certificate", 1e-6, by=ours),
    _claim("three_ways", "copositive program, decoded network and columns agree at rank two", "agreement", 1e-5),
    _claim("recovery", "the recovered network scores the program's value", "agreement", 1e-6),
    _claim("no_training_below", "no training run ends below the certified bound", "one_sided", 1e-9),
    _claim("training_reaches", "the best of many wide networks is near the bound", "certificate", 1e-3),
    _claim("narrow_above", "narrow networks end above the optimum", "counterexample", 1e-4),
    _claim("dual_norm", "M(residual) = beta at the optimum, attained by every neuron", "agreement", 1e-4),
    _claim("zero_threshold", "zero is optimal exactly when beta >= M(Y)", "agreement", 1e-6, by=ours),
    _claim("minimum_width", "n c neurons suffice at the optimal objective", "one_sided", 0.0),
    _claim("one_output", "with one output the value is that of the scalar program", "agreement", 1e-6),
    _claim("coupled", "the penalty |a|_1^2, which separates, costs more than |a|_2^2", "counterexample", 1e-3, by=ours),
    _claim("losses", "cross entropy: program and dual have the same value", "certificate", 1e-6),
    _claim("gated_below", "the nuclear norm without cones lies below", "one_sided", 1e-6),
    _claim("gated_recovery", "the recovered gated network scores its program", "agreement", 1e-6, "program"),
    _claim("cones_matter", "the plain nuclear norm is not the ReLU value", "counterexample", 1e-3),
    _claim("relaxation_exact", "rank two or four samples: the relaxation is exact", "agreement", 1e-5, by=ours),
    _claim("relaxation_below", "the relaxation never exceeds the optimum", "one_sided", 1e-5),
    _claim("horn", "the relaxation of the Horn instance lies below the optimum", "counterexample", 1e-4, by=ours),
    _claim("soft_threshold", "whitened rows: the soft-thresholded SVD is optimal", "agreement", 1e-6),
    _claim(
        "sign_condition", "with mixed signs the soft threshold is below the optimum", "counterexample", 1e-3, by=ours
    ),
    _claim("semi_nmf", "on whitened rows training is a semi-non-negative factorisation", "agreement", 1e-6),
    _claim("frank_wolfe", "Frank-Wolfe keeps its gap and its promised rate", "one_sided", 1e-9),
    _claim("frank_wolfe_slow", "plain Frank-Wolfe is far off after 400 steps", "counterexample", 1e-2, by=ours),
    _claim("pooling", "convolution with pooling is solved over all networks", "certificate", 1e-6),
    _claim("pooling_recovery", "the recovered convolution scores its program", "agreement", 1e-6),
    _claim(
        "real_columns",
        "three classes of real images: the gap is closed over all networks",
        "certificate",
        1e-6,
        by=ours,
    ),
    _claim("real_whitened", "whitened real images: the closed form is certified", "agreement", 1e-6),
    _claim("real_no_training_below", "real data: no training run ends below the optimum", "one_sided", 1e-9),
    _claim("real_gated", "ten classes, gated: the program is solved", "certificate", 1e-4, "program", ours),
)
