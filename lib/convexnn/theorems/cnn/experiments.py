"""Experiments of the paper on convolutional networks, and what its programs need to be exact."""

from __future__ import annotations

from convexnn.claims import Source
from convexnn.findings import Finding
from convexnn.theorems.cnn.claim_list import ours, source

later = Source("Sahiner et al., a follow-up on Burer-Monteiro factorisation of convex networks")

findings = (
    Finding(
        "cnn.E1", "experiment",
        "Training objective of several runs against the convex optimum, for two-layer and three-layer circular "
        "networks: with few filters runs get stuck above it, with many they come near, none ends below",
        source,
        claims=(
            "cnn.no_training_below", "cnn.few_filters", "cnn.many_filters", "cnn.circular_training",
            "cnn.circular_reached",
        ),
        here="small synthetic signals cut into patches, one and many filters, several seeds",
        smaller=True, confirmed=False,
    ),
    Finding(
        "cnn.E2", "experiment",
        "Two classes of images: the program with sampled patterns attains a lower objective than SGD",
        source, claims=("cnn.images_program", "cnn.images_polish"), against=("cnn.images_sampled",),
        here="images of the shipped cuts, sampled cells",
        smaller=True, confirmed=False,
        why="on Gaussian cells the certified optimum lies above training; only on the cells of a trained network does "
        "the program end no higher",
    ),
    Finding(
        "cnn.E3", "experiment",
        "Greedy layer-wise convex training of five stages on CIFAR-10 (a follow-up with public code)",
        later,
        why="hours of a GPU, and not part of this paper",
    ),
    Finding(
        "cnn.fourier_constant", "erratum",
        "The l1 norm in the Fourier basis has the weight beta / sqrt(d) with a unitary transform; with beta a "
        "network lies below the program",
        ours, claims=("cnn.circular", "cnn.circular_constant"),
    ),
    Finding(
        "cnn.deep_filters", "erratum",
        "Deeper circular networks keep the l1 norm when the product of the filters is normalised; normalised one by "
        "one, trained networks stay above it",
        source, claims=("cnn.deep_circular", "cnn.deep_each"),
    ),
    Finding(
        "cnn.filter_length", "counterexample",
        "Circular filters shorter than the signal: the l1 program is only a lower bound",
        source, claims=("cnn.short_filters",),
    ),
    Finding(
        "cnn.shared_filter", "counterexample",
        "Two ReLUs with one filter for all patches: trained networks stay above the program, which needs a filter "
        "for each",
        source, claims=("cnn.two_relu_shared",),
    ),
)  # fmt: skip
