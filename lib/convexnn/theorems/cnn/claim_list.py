"""What is claimed about convolutional networks, from which source, and what notebook 10 has to measure."""

from __future__ import annotations

from convexnn.claims import Claim, Kind, Scope, Source

source = Source("Ergen and Pilanci, Implicit Convex Regularizers of CNN Architectures", "2006.14798")
vector = Source("Sahiner, Ergen, Pauly and Pilanci, Vector-output ReLU Neural Network Problems", "2012.13329")
ours = Source("this project, derived and measured here")


def _claim(name: str, text: str, kind: Kind, tol: float, scope: Scope = "network", by: Source = source) -> Claim:
    return Claim(f"cnn.{name}", text, by, kind, tol, scope)


claims = (
    _claim("strong_duality", "sum, average, max pooling and flat linear: no gap", "certificate", 1e-6),
    _claim("reference", "the programs in the paper's letters (CVXPY) and the fast ones agree", "agreement", 1e-6),
    _claim("golden", "nine stored optima are reproduced", "agreement", 1e-6, by=ours),
    _claim("recovery", "the recovered network scores the program's value", "agreement", 1e-6),
    _claim("torch_layers", "ordinary torch layers give the program's predictions", "agreement", 1e-8),
    _claim("max_pool", "in every cell the max program predicts torch's max_pool", "agreement", 1e-8),
    _claim("no_training_below", "no training run ends below the certified bound", "one_sided", 1e-9),
    _claim("many_filters", "with many filters the best of several runs is near the bound", "certificate", 1e-2),
    _claim("few_filters", "with one filter every run ends above the optimum", "counterexample", 1e-3),
    _claim("one_patch", "K = 1 with h = d is the fully connected theorem", "agreement", 1e-6),
    _claim("average_is_sum", "average pooling at beta is sum pooling at K beta", "agreement", 1e-6),
    _claim("flat_relu", "flat ReLU, cone-constrained nuclear norm: no gap", "certificate", 1e-6, by=vector),
    _claim("vector_output", "several outputs and a pooling matrix: no gap", "certificate", 1e-6, by=vector),
    _claim("circular", "circular filters: l1 in the Fourier basis with beta / sqrt(d), no gap", "certificate", 1e-6),
    _claim("circular_recovery", "the recovered circular network scores the value", "agreement", 1e-6),
    _claim("circular_training", "no circular training run ends below", "one_sided", 1e-9),
    _claim("circular_reached", "the best circular training run is near the bound", "certificate", 1e-2),
    _claim("circular_constant", "beta instead of beta / sqrt(d) is above a network", "counterexample", 1e-3, by=ours),
    _claim("deep_circular", "depths 4 and 5, product of filters normalised: the same l1", "agreement", 1e-6),
    _claim("deep_each", "each filter normalised: trained networks stay above the l1 value", "counterexample", 1e-3),
    _claim("short_filters", "circular filters shorter than d: l1 is only a lower bound", "counterexample", 1e-4),
    _claim("two_relu", "three layers, two ReLUs, a filter for every patch: no gap", "certificate", 1e-6),
    _claim("two_relu_recovery", "the recovered three-layer network scores the value", "agreement", 1e-6),
    _claim("two_relu_training", "no three-layer training run ends below", "one_sided", 1e-9),
    _claim("two_relu_reached", "the best three-layer training run is near the bound", "certificate", 1e-2),
    _claim("two_relu_shared", "one filter for all patches: trained networks stay above", "counterexample", 1e-3),
    _claim("images_program", "images: the program on sampled cells has no gap", "certificate", 1e-4, "program"),
    _claim("images_layers", "images: Conv2d, pooling, Linear give its predictions", "agreement", 1e-8, "program"),
    _claim(
        "images_sampled", "images: on Gaussian cells it ends above training", "counterexample", 1e-3, "program", ours
    ),
    _claim(
        "images_polish", "images: on a trained network's cells it ends no higher", "one_sided", 1e-4, "program", ours
    ),
    _claim("images_flat", "images: the flat linear program has no gap", "certificate", 1e-4),
)
