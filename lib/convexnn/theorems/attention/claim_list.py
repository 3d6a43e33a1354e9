"""What is claimed about attention and its alternatives, and by whom: the rows of the ledger."""

from __future__ import annotations

from convexnn.claims import Claim, Kind, Scope, Source

source = Source(
    "Sahiner, Ergen, Ozturkler, Pauly, Mardani and Pilanci, Unraveling Attention via Convex Duality", "2205.08078"
)
ours = Source("this project, derived and measured here")


def _claim(name: str, text: str, kind: Kind, tolerance: float, scope: Scope = "program", by: Source = source) -> Claim:
    return Claim(f"attention.{name}", text, by, kind, tolerance, scope)


claims = (
    _claim("strong_duality", "every lifted program and its dual have the same value", "certificate", 1e-6),
    _claim("reference", "the block program in CVXPY and the fast program agree", "agreement", 1e-5),
    _claim("recovery", "the recovered heads score the program's value", "agreement", 1e-6),
    _claim("factored", "trained heads reach the lifted optimum", "agreement", 1e-6),
    _claim("no_training_below", "no training run ends below the certified bound", "one_sided", 1e-9, "network"),
    _claim("heads_suffice", "three heads reach the golden instance's optimum", "agreement", 1e-6, "network"),
    _claim("heads_short", "one head less ends above the optimum", "counterexample", 1e-4, "network"),
    _claim("heads_random", "min(d^2, dc) heads: every start reaches the optimum", "agreement", 1e-6, "network"),
    _claim("dual_norm", "the Kronecker dual norm is beta at the optimum", "agreement", 1e-4),
    _claim("gram_norm", "the dual norm from Gram matrices is that of the lifted pull", "agreement", 1e-9, by=ours),
    _claim("zero_threshold", "zero is optimal exactly from the targets' dual norm on", "agreement", 1e-6, by=ours),
    _claim("certified_large", "heads are certified where Z has no room in memory", "certificate", 1e-4, by=ours),
    _claim("relu_rows", "one output, rows apart: the ReLU program is exact", "certificate", 1e-6, "network"),
    _claim("relu_real", "real tokens, one output: ReLU is solved over all networks", "certificate", 1e-6, "network"),
    _claim("circulant", "the Fourier operator is circ(X) times a kernel", "agreement", 1e-10),
    _claim("equivariance", "attention permutes with its tokens, the Fourier operator shifts", "agreement", 1e-9),
    _claim("no_equivariance", "the mixer does neither, the Fourier operator does not permute", "counterexample", 1e-3),
    _claim("clusters", "some gate separates two clusters of tokens by its masks", "counterexample", 0.1),
    _claim("patches", "similar image patches have more similar masks", "counterexample", 0.02, by=ours),
    _claim("softmax", "softmax heads leave the interval of the linear theorem", "counterexample", 1e-3, by=ours),
    _claim(
        "softmax_below", "on targets of its own, softmax ends below the linear bound", "counterexample", 0.1, by=ours
    ),
    _claim("separate_decay", "decay on Q, K, V, O is a root of nuclear norms", "agreement", 1e-5, by=ours),
    _claim("separate_not_convex", "that decay exceeds the mean of its neighbours", "counterexample", 1e-2, by=ours),
    _claim("separate_price", "its trained heads cost what the formula says", "agreement", 1e-5, "network", ours),
    _claim("separate_value", "with that decay training ends above the merged optimum", "counterexample", 1e-2, by=ours),
    _claim("separate_zero", "with that decay zero is a local minimum that traps", "counterexample", 1e-2, by=ours),
    _claim("separate_starts", "with that decay starts end at different minima", "counterexample", 1e-3, by=ours),
    _claim("real_heads", "pretrained tokens, ten classes: every head's program is solved", "certificate", 1e-3),
    _claim("real_twins", "their trained twins stay above the bound", "one_sided", 1e-9),
    _claim("many_classes", "sketches, fifty classes: the heads' programs are solved", "certificate", 2e-3, by=ours),
)
