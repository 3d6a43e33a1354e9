"""Experiments on attention and its alternatives, and where one nuclear norm stops describing them."""

from __future__ import annotations

from convexnn.findings import Finding
from convexnn.theorems.attention.claim_list import ours, source

findings = (
    Finding(
        "attention.E1", "experiment",
        "Tokens of a frozen pre-trained backbone: convex heads of several architectures are trained to their optimum",
        source, claims=("attention.real_heads", "attention.real_twins"),
        here="CIFAR-10 as 16 tokens of a frozen EfficientNet-Lite0, 20 images a class, linear and gated heads, "
        "several draws; fifty classes of sketches",
        smaller=True,
    ),
    Finding(
        "attention.E1_order", "experiment",
        "On CIFAR-100 heads of attention type classify better than MLP and linear heads",
        source,
        why="the quick cut has 20 images a class of CIFAR-10: accuracies are in the notebook's table, an order is not "
        "claimed",
    ),
    Finding(
        "attention.E2", "experiment",
        "A second data set or backbone, and ablations",
        source, confirmed=False, why="nothing of the settings is known",
    ),
    Finding(
        "attention.E3", "experiment",
        "Masks of gates cluster tokens by similarity; not every gate does",
        ours, claims=("attention.clusters", "attention.patches"),
        here="two synthetic clusters of tokens, and patches of 60 CIFAR-10 images",
    ),
    Finding(
        "attention.softmax_heads", "erratum",
        "The theorem has no softmax: it is not homogeneous, and softmax heads leave the interval of the linear "
        "theorem",
        ours, claims=("attention.softmax",),
    ),
    Finding(
        "attention.separate_matrices", "erratum",
        "The theorem merges query with key and value with output; decay on the four of them costs the root of a "
        "product of nuclear norms, which is not convex",
        ours, claims=("attention.separate_decay", "attention.separate_not_convex"),
    ),
    Finding(
        "attention.one_head_less", "counterexample",
        "With one head less than the optimum needs, every start ends above it",
        source, claims=("attention.heads_short",),
    ),
    Finding(
        "attention.symmetries", "counterexample",
        "Mixers do not permute with their tokens and Fourier operators only shift: one norm, different symmetries",
        source, claims=("attention.no_equivariance",),
    ),
)  # fmt: skip
