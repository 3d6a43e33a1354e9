"""Experiments on several outputs, as a later re-run with the authors' solvers describes them, and where they stop."""

from __future__ import annotations

from convexnn.findings import Finding
from convexnn.theorems.vector_output.claim_list import ours, source

findings = (
    Finding(
        "vector_output.G1", "experiment",
        "A spiral of three classes in the plane: the convex optimum against gradient training of several widths",
        source,
        claims=("vector_output.column_generation", "vector_output.no_training_below", "vector_output.narrow_above"),
        tests=("tests/theorems/test_vector_output.py::test_the_spiral_has_its_golden_values_and_training_stays_above",),
        here="60 points, no bias, one-hot targets, beta 0.1, all patterns; widths 3 to 40, five seeds",
        why="the sizes are those of a later re-run with the authors' solvers; the first point of every arm is the "
        "origin, which no network without bias can fit",
    ),
    Finding(
        "vector_output.G2", "experiment",
        "Targets of a random teacher with five outputs: the convex optimum is found",
        source, tests=("tests/theorems/test_vector_output.py::test_a_random_teacher_with_five_outputs_is_solved",),
        here="25 Gaussian points in the plane, five outputs; one data set instead of 100",
        smaller=True,
    ),
    Finding(
        "vector_output.G3", "experiment",
        "Methods side by side: copositive relaxation, Frank-Wolfe, gradient training of many widths",
        source,
        claims=("vector_output.relaxation_exact", "vector_output.frank_wolfe", "vector_output.narrow_above"),
        here="spiral of 60 points; 400 steps of Frank-Wolfe instead of 15 000; patterns enumerated, not drawn",
        smaller=True,
    ),
    Finding(
        "vector_output.G4", "experiment",
        "The relaxation reaches the value that the widest networks reach by training; narrow networks stay above",
        source,
        claims=("vector_output.three_ways", "vector_output.training_reaches", "vector_output.narrow_above"),
        here="instances in the plane, where the relaxation is exact, and the spiral",
        smaller=True,
        why="Frank-Wolfe is said to reach it too; with 400 steps it does not, see vector_output.slow_frank_wolfe",
    ),
    Finding(
        "vector_output.G5", "experiment",
        "Whitened images: the soft-thresholded singular value decomposition is not beaten by training",
        source, claims=("vector_output.real_whitened", "vector_output.real_no_training_below"),
        here="ten digits of MNIST, shipped cut, 100 images at quick size, rows whitened",
        smaller=True, confirmed=False,
    ),
    Finding(
        "vector_output.G6", "experiment",
        "Convolution with pooling and several outputs is solved over all networks",
        source, claims=("vector_output.pooling", "vector_output.pooling_recovery"),
        here="small signals cut into patches, three kinds of pooling",
        smaller=True, confirmed=False,
    ),
    Finding(
        "vector_output.horn_matrix", "counterexample",
        "The doubly non-negative relaxation of the copositive program is not exact: an instance from the Horn matrix",
        ours, claims=("vector_output.horn",),
        tests=("tests/theorems/test_vector_output.py::test_the_relaxation_stops_at_the_horn_instance",),
    ),
    Finding(
        "vector_output.mixed_signs", "counterexample",
        "With singular vectors of mixed signs the soft-thresholded decomposition is only a lower bound",
        ours, claims=("vector_output.sign_condition",),
    ),
    Finding(
        "vector_output.no_cones", "erratum",
        "The plain nuclear norm belongs to the gated network; the ReLU network needs the cones, and costs more",
        source, claims=("vector_output.cones_matter", "vector_output.gated_below"),
    ),
    Finding(
        "vector_output.separate_outputs", "erratum",
        "The penalty |a|_1^2 of the released ten-class script separates the outputs; it is not weight decay, and "
        "costs more",
        ours, claims=("vector_output.coupled",),
    ),
    Finding(
        "vector_output.slow_frank_wolfe", "counterexample",
        "Plain Frank-Wolfe keeps its promised rate, which leaves it far from the optimum after hundreds of steps",
        ours, claims=("vector_output.frank_wolfe", "vector_output.frank_wolfe_slow"),
    ),
)  # fmt: skip
