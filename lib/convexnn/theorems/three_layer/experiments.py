"""Figures of the paper on parallel three-layer networks, and what its indices and its decay mean."""

from __future__ import annotations

from convexnn.findings import Finding
from convexnn.theorems.three_layer.claim_list import ours, source

findings = (
    Finding(
        "three_layer.G1", "experiment",
        "Figures 1 and 3: drawings of the architecture and of the equivalent model with fixed gates",
        source, why="drawings; there is nothing to measure",
    ),
    Finding(
        "three_layer.G2", "experiment",
        "Figure 2: slices of the training loss look more convex with more sub-networks",
        source, claims=("three_layer.landscape",),
        here="lines through trained networks of 1, 2, 5 and 20 branches: the share of negative second differences",
        smaller=True,
    ),
    Finding(
        "three_layer.G3", "experiment",
        "Gradient training with few and with many sub-networks against the convex program: none ends below, many "
        "branches come near",
        source, claims=("three_layer.no_training_below", "three_layer.training_reaches"),
        here="five Gaussian points in the plane, two neurons a branch; few and many branches, several starts each",
        smaller=True,
        why="the paper's sizes are not known; the data here are a draw of our own",
    ),
    Finding(
        "three_layer.G4", "experiment",
        "Real data: programs with sampled patterns against SGD and other first-order methods",
        source, claims=("three_layer.real_data",),
        here="40 rows of breast cancer data, sampled groups, L-BFGS and momentum SGD",
        smaller=True, confirmed=False, why="the paper's data sets and settings are not known",
    ),
    Finding(
        "three_layer.pattern_index", "erratum",
        "Every neuron of a branch needs a first-layer pattern of its own; one index for the whole branch describes "
        "another, strictly worse problem",
        ours, claims=("three_layer.shared_index",),
        tests=("tests/theorems/test_three_layer.py::test_the_catalogued_values",),
    ),
    Finding(
        "three_layer.weight_decay", "erratum",
        "What is called weight decay here is decay of the last two layers over normed first layers, or cubic "
        "powers; squared decay of all layers has another value",
        ours, claims=("three_layer.squared_decay",),
    ),
)  # fmt: skip
