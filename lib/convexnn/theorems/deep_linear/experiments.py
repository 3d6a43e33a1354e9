"""Figures 2 and 3a of the paper on deep networks, and what is commonly said of depth and does not hold."""

from __future__ import annotations

from convexnn.findings import Finding
from convexnn.theorems.deep_linear import gaps, ours, source

findings = (
    Finding(
        "deep_linear.E2", "experiment",
        "Figure 2a, two-layer linear network 20-50-5: the rank of the first layer against beta is a staircase with "
        "steps at the singular values of Y'X",
        source, claims=("deep_linear.staircase",),
        here="widths 20-50-5, 60 whitened rows (the steps are exact only there), one beta on every step",
    ),
    Finding(
        "deep_linear.E3", "experiment",
        "Figure 2b, four-layer linear network 5-50-30-40-5: all layers have one rank, which beta chooses",
        source, claims=("deep_linear.staircase",),
        here="widths 5-50-30-40-5, 30 whitened rows, a beta on every step",
        why="the steps are at tau_4(beta) = sigma_i, not at beta = sigma_i: see deep_linear.deep_threshold",
    ),
    Finding(
        "deep_linear.E4", "experiment",
        "Figure 3a, four-layer linear network at rank two: operator and Frobenius norms of all layers become one in "
        "training",
        source, claims=("deep_linear.equal_norms",),
        here="widths 5-50-30-40-5, Adam from ten starts",
    ),
    Finding(
        "deep_linear.equal_singular_values", "erratum",
        "It is repeated that a standard linear network has no gap when all singular values are equal; for three "
        "layers or more there is a gap as soon as two of them are not zero",
        gaps, claims=("deep_linear.gap_positive", "deep_linear.gap_zero"),
        tests=("tests/theorems/test_deep_linear_forms.py::test_equal_singular_values_do_not_close_the_gap",),
        why="two values of one: P = 3, D = 2.3811 at three layers",
    ),
    Finding(
        "deep_linear.deep_threshold", "erratum",
        "Soft-thresholding at beta is right for two layers and for normalised ones; under squared decay with three "
        "layers or more the solution jumps at tau_L(beta)",
        ours, claims=("deep_linear.beta_staircase", "deep_linear.squared_form"),
    ),
    Finding(
        "deep_linear.few_branches", "counterexample",
        "With powers of the norms a network of fewer branches than the solution's rank ends above the optimum",
        gaps, claims=("deep_linear.branches_needed",),
    ),
    Finding(
        "deep_linear.local_minima", "counterexample",
        "Descent need not find the optimum: runs end at networks that miss or keep whole singular triples",
        ours, claims=("deep_linear.traps",),
    ),
)  # fmt: skip
