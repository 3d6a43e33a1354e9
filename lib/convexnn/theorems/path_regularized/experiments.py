"""Figures and tables of the paper on path regularisation, and where its norms may be compared."""

from __future__ import annotations

from convexnn.findings import Finding
from convexnn.theorems.path_regularized.claim_list import ours, source

findings = (
    Finding(
        "path_regularized.R1", "experiment",
        "Figure 1, a spiral of two classes: only the three-layer network with the path norm follows the arms, two "
        "layers and three layers with weight decay fail",
        source, claims=("path_regularized.spiral", "path_regularized.spiral_apart"),
        here="30 points with a column of ones, logistic loss, one beta for all, sampled groups",
        smaller=True,
        why="at small beta all networks fit every point; two turns and beta = 0.1, chosen after a look, separate them. "
        "The paper's sizes and beta are not known, and at equal beta the path norm is the weaker penalty",
    ),
    Finding(
        "path_regularized.R2", "experiment",
        "Figure 2: a drawing of the parallel architecture and of its paths",
        source, why="a drawing; there is nothing to measure",
    ),
    Finding(
        "path_regularized.R3", "experiment",
        "Comparison of complexities: with a low-rank approximation training is polynomial in all dimensions, at a "
        "proved factor",
        source, claims=("path_regularized.low_rank_below", "path_regularized.low_rank_bound"),
        here="the factor is measured on small data; the table's entries are exponents and are not measured",
        smaller=True,
    ),
    Finding(
        "path_regularized.R4", "experiment",
        "Synthetic and tabular data: the convex path-regularised program against descent on the non-convex problem",
        source,
        claims=("path_regularized.no_training_below", "path_regularized.training_close", "path_regularized.real_data"),
        here="four points with all groups against L-BFGS; 60 rows of clinical data with 60 sampled branches",
        smaller=True, confirmed=False,
        why="test accuracies are in the notebook's result file, not claimed",
    ),
    Finding(
        "path_regularized.width", "erratum",
        "Values at one beta may be compared only at one width: copies of a neuron divide the path norm by the root "
        "of their number",
        ours, claims=("path_regularized.wider_is_cheaper", "path_regularized.sandwich"),
    ),
    Finding(
        "path_regularized.pattern_index", "erratum",
        "Every neuron of a branch needs a pattern of its own; one for all is a strictly worse program",
        ours, claims=("path_regularized.shared_pattern",),
    ),
    Finding(
        "path_regularized.decay", "counterexample",
        "Rescaling a neuron changes squared weight decay and not the path norm: they are different problems",
        source, claims=("path_regularized.decay_changes", "path_regularized.rescaling"),
    ),
)  # fmt: skip
