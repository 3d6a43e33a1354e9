"""Figures of the two-layer paper and of its released scripts, and the places where the recipe stops."""

from __future__ import annotations

from convexnn.findings import Finding
from convexnn.theorems.two_layer.claim_list import fast, ours, source

findings = (
    Finding(
        "two_layer.E1", "experiment",
        "Rows that are multiples of each other share their line, so a small set has fewer patterns than the formula "
        "for general position allows",
        source, claims=("two_layer.count",),
        tests=("tests/laws/test_patterns.py::test_the_printed_example_with_two_parallel_rows",),
        here="three points in the plane, two of them parallel: 4 patterns; 24 points in general position: 48",
        smaller=True, confirmed=False,
    ),
    Finding(
        "two_layer.E2", "experiment",
        "Gradient training on a line: narrow networks get stuck above the convex optimum, wide ones come near it",
        source, claims=("two_layer.spline", "two_layer.too_few_neurons", "two_layer.training_reaches"),
        tests=("tests/theorems/test_two_layer.py::test_five_points_with_small_regularised_bias",),
        here="the optimum on the five points with either bias; widths are compared on 24 Gaussian samples in the plane",
        smaller=True, confirmed=False,
        why="step sizes and beta of the figure are not known; narrow against wide is measured on another sample",
    ),
    Finding(
        "two_layer.E3", "experiment",
        "Binary classification in the plane with the hinge loss: the exact program bounds training from below, a "
        "program with sampled patterns lies above the exact one",
        source, claims=("two_layer.losses", "two_layer.losses_recovered", "two_layer.sampled_above"),
        here="hinge, squared hinge and logistic loss on small samples; nested samples with the squared loss",
        smaller=True, confirmed=False,
        why="decision regions and mini-batches of 25 are not repeated",
    ),
    Finding(
        "two_layer.E4", "experiment",
        "A harder set in the plane, one negative point close to positive ones, on which descent gets stuck in every "
        "run",
        source, confirmed=False,
        why="the points are not known, so the set cannot be rebuilt",
    ),
    Finding(
        "two_layer.E5", "experiment",
        "Two classes of CIFAR-10: a program with sampled patterns against stochastic descent",
        source, confirmed=False,
        why="sizes, widths and beta are not known; on MNIST 3 v 8, ionosphere and sonar with the squared loss the "
        "order is the other way round, see two_layer.sampled_patterns",
    ),
    Finding(
        "two_layer.E6", "experiment",
        "CIFAR-10, ten classes, 50 000 images, 4096 sampled patterns: test accuracy of penalised convex training "
        "against SGD (released script)",
        source,
        why="hours of a GPU; and the script's two objectives are different functions (cones enter as a penalty on "
        "weights summed over classes, the decay is applied in full to every mini-batch), so only accuracies could "
        "be compared. A gated program with ten classes is solved in vector_output.real_gated",
    ),
    Finding(
        "two_layer.E7", "experiment",
        "A script of ten samples that prints the value of one convex program (released script)",
        source,
        why="it compares the value with nothing; programs of that size are certified by two_layer.losses",
    ),
    Finding(
        "two_layer.sampled_patterns", "counterexample",
        "A certified program over sampled patterns is not the training problem: training ends below its optimum",
        ours, claims=("two_layer.sampling_falls_short",),
        here="MNIST 3 v 8, ionosphere, sonar; 100 patterns, squared loss, Adam with width 100",
    ),
    Finding(
        "two_layer.narrow", "counterexample",
        "The theorem needs enough neurons: a network of one neuron ends above the optimum",
        source, claims=("two_layer.too_few_neurons",),
    ),
    Finding(
        "two_layer.gated", "erratum",
        "The gated value is often called an approximation of the ReLU value; it is the optimum of another problem, "
        "and over the same patterns it lies below",
        fast, claims=("two_layer.gated_below", "two_layer.gated_recovery"),
        tests=("tests/theorems/test_two_layer.py::test_gated_below_relu_below_its_cone_decomposition",),
    ),
)  # fmt: skip
