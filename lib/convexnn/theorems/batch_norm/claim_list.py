"""What is claimed about batch normalisation, from which source, and what notebook 09 has to measure."""

from __future__ import annotations

from convexnn.claims import Claim, Kind, Scope, Source

source = Source(
    "Ergen, Sahiner, Ozturkler, Pauly, Mardani and Pilanci, Demystifying Batch Normalization in ReLU Networks",
    "2103.01499",
)
ours = Source("this project, derived and measured here")


def _claim(name: str, text: str, kind: Kind, tol: float, scope: Scope = "network", by: Source = source) -> Claim:
    return Claim(f"batch_norm.{name}", text, by, kind, tol, scope)


claims = (
    _claim("whitening", "BN(Xw) = U's with |s| = 1 for random w", "agreement", 1e-12),
    _claim("scale_free", "with decay on w as well the infimum is the same value", "agreement", 1e-9),
    _claim("not_attained", "with decay on w no network attains it", "counterexample", 1e-3),
    _claim("strong_duality", "the finite program and its dual have the same value", "certificate", 1e-6),
    _claim("reference", "the printed program in CVXPY and the fast one agree", "agreement", 1e-6),
    _claim("golden", "five stored optima are reproduced", "agreement", 1e-6, by=ours),
    _claim("recovery", "the recovered network scores the program's value", "agreement", 1e-6),
    _claim("torch_layers", "ordinary torch layers reproduce the program's predictions", "agreement", 1e-8, by=ours),
    _claim("torch_decay", "decay sqrt(N) beta on torch's own parameters is this problem", "agreement", 1e-6, by=ours),
    _claim("torch_training", "no torch training with that decay ends below the bound", "one_sided", 1e-9, by=ours),
    _claim("torch_wrong_decay", "decay beta on torch's own is another problem", "counterexample", 1e-3, by=ours),
    _claim("no_training_below", "no training run ends below the certified bound", "one_sided", 1e-9),
    _claim("training_reaches", "the best of many runs is near the bound", "certificate", 1e-3),
    _claim("minimum_width", "n + 1 neurons suffice at the optimal objective", "one_sided", 0.0),
    _claim("closed_scalar", "the closed form for one output is certified", "certificate", 1e-9),
    _claim("closed_vector", "one-hot targets: the closed form meets the dual bound", "agreement", 1e-6),
    _claim("closed_deep", "depth 2, 3, 4: the same value", "agreement", 1e-8),
    _claim("closed_training", "depth 2, 3: no training run ends below the formula", "one_sided", 1e-9),
    _claim("closed_reached", "depth 2, 3: the best run is near the formula", "certificate", 1e-3),
    _claim("closed_rank", "rank below n - 1: the optimum is above the formula", "counterexample", 1e-3, by=ours),
    _claim("cnn", "convolution: program and dual have the same value", "certificate", 1e-6),
    _claim("after_relu", "normalising after the ReLU: program and dual agree", "certificate", 1e-6),
    _claim("after_training", "after the ReLU: no training run ends below", "one_sided", 1e-9),
    _claim("vector_real", "real targets: the vector program on U' is a training bound", "one_sided", 1e-6),
    _claim("first_step", "the first step of descent moves direction i by S_i^2 times more", "agreement", 1e-10),
    _claim("energy", "descent on rows ends with more energy on top than on U", "counterexample", 0.05, "program"),
    _claim("full_overfits", "falling spectrum: the uncut program fits no worse", "one_sided", 1e-3, "program"),
    _claim("cut_synthetic", "falling spectrum: the cut tests better than the uncut", "counterexample", 0.05, "program"),
    _claim("beats_synthetic", "falling spectrum: the cut tests no worse than descent", "one_sided", 0.0, "program"),
    _claim("cut_real", "real images: the validated cut tests better than the uncut", "counterexample", 0.01, "program"),
    _claim("descent_real", "real images: descent tests better than the uncut", "counterexample", 0.01, "program"),
    _claim("beats_real", "images: the cut is no worse than descent beyond 2 s.e.", "one_sided", 0.0, "program", ours),
    _claim(
        "cut_deep", "depth 3, images: cutting both layers tests better than none", "counterexample", 0.01, "program"
    ),
    _claim("cut_both", "depth 3, images: both beats the last alone", "counterexample", 0.01, "program", ours),
    _claim("cut_cnn", "convolution, images: the cut tests better than the uncut", "counterexample", 0.01, "program"),
)
