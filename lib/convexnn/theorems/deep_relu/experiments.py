"""Figures on deep ReLU networks, corrected statements about splines, thresholds and neural collapse."""

from __future__ import annotations

from convexnn.findings import Finding
from convexnn.theorems.deep_relu import ours, source

findings = (
    Finding(
        "deep_relu.E1", "experiment",
        "Figure 1, one-dimensional data: deep ReLU networks are linear splines with kinks at the data, whatever the "
        "depth",
        source, claims=("deep_relu.spline", "deep_relu.spline_recovery", "deep_relu.spline_training"),
        here="five and more points on t >= 0, biases in the last hidden layer alone, powers of the norms",
        smaller=True, confirmed=False,
        why="it holds under these conditions and not without them: see deep_relu.two_signs and deep_relu.all_biases",
    ),
    Finding(
        "deep_relu.E5", "experiment",
        "Figure 3b, five-layer ReLU network on rank-one data with c >= 0: every layer becomes rank one",
        source, claims=("deep_relu.rank_one_layers", "deep_relu.rank_one_value"),
        here="15 rows; widths 10-20-16-12-8-1 at quick size, the paper's 10-50-40-30-20-1 at full size",
        smaller=True,
    ),
    Finding(
        "deep_relu.E6", "experiment",
        "Figures 4 and 5, whitened MNIST and CIFAR-10: the closed form, built without training, has the lowest "
        "training objective and no lower test accuracy than SGD",
        source, claims=("deep_relu.real_lowest", "deep_relu.real_accuracy"),
        here="ten classes, a few images each from the shipped cuts, 3 to 5 layers of width 50, three seeds of SGD",
        smaller=True,
        why="accuracy is compared as a mean over depths and seeds, with the tolerance of the claim",
    ),
    Finding(
        "deep_relu.E7", "experiment",
        "Networks with batch normalisation train to the closed form, and their features collapse",
        source,
        claims=("deep_relu.batch_norm_training", "deep_relu.batch_norm_below", "deep_relu.collapse_trained"),
        here="generic features, balanced classes; not images",
        smaller=True, confirmed=False,
    ),
    Finding(
        "deep_relu.collapse_not_optimal", "erratum",
        "One branch a class is optimal among branches; for fully connected networks under squared decay with five "
        "layers and ten classes it is not: hidden neurons shared between classes are cheaper, so neural collapse is "
        "not optimal",
        ours, claims=("deep_relu.edges", "deep_relu.edges_cost", "deep_relu.collapse_beaten"),
        why="ten classes, five layers: 22.757 against 25",
    ),
    Finding(
        "deep_relu.soft_threshold", "erratum",
        "Weights (|y_k| - beta)_+ are optimal for normalised layers, not under squared decay of three layers or more",
        ours, claims=("deep_relu.wrong_threshold", "deep_relu.jump"),
    ),
    Finding(
        "deep_relu.balanced_gains", "erratum",
        "The printed weights of the batch-normalised closed form, g^2 + a^2 = 1, solve the rescaled problem; under "
        "squared decay they have to be balanced",
        ours, claims=("deep_relu.unbalanced", "deep_relu.batch_norm"),
        tests=("tests/theorems/test_deep_relu_collapse.py::test_the_printed_weights_cost_more_under_the_squared_penalty",),
    ),
    Finding(
        "deep_relu.two_signs", "erratum",
        "The spline with kinks at the data needs data of one sign: the tent costs 4 as a spline and 2 with three "
        "layers",
        ours, claims=("deep_relu.tent",),
    ),
    Finding(
        "deep_relu.all_biases", "erratum",
        "The spline needs biases in the last hidden layer alone: with biases in every hidden layer training ends "
        "below it",
        ours, claims=("deep_relu.inner_biases",),
    ),
    Finding(
        "deep_relu.signs_of_c", "counterexample",
        "Rank-one data with c of both signs: a layer of rank two is optimal",
        ours, claims=("deep_relu.mixed_signs",),
    ),
    Finding(
        "deep_relu.cheaper_kink", "counterexample",
        "Under squared decay a kink between the data can be cheaper than kinks at the data",
        ours, claims=("deep_relu.kink_between",),
    ),
    Finding(
        "deep_relu.unequal_classes", "counterexample",
        "With classes of unequal size the class means are orthogonal and no simplex",
        ours, claims=("deep_relu.imbalanced",),
    ),
)  # fmt: skip
