"""Figures of the paper on the geometry of two-layer networks, and where its closed forms stop."""

from __future__ import annotations

from convexnn.findings import Finding
from convexnn.theorems.convex_geometry import ours, source

findings = (
    Finding(
        "convex_geometry.F1", "experiment",
        "Fits on a line are linear splines with kinks at the data; the rectified ellipsoid of data with and without "
        "spikes",
        source,
        claims=("convex_geometry.kinks_at_data", "convex_geometry.lasso", "convex_geometry.spike_free_test"),
        here="20 points on a line; nine small matrices of both kinds, drawn in two and three dimensions",
        smaller=True, confirmed=False,
    ),
    Finding(
        "convex_geometry.F2", "experiment",
        "Classification of synthetic sets: the convex solution against gradient descent, repeated over runs",
        source,
        claims=("convex_geometry.hinge", "convex_geometry.hard_margin", "convex_geometry.real_no_training_below"),
        here="labels on a line, hinge and logistic loss; MNIST 3 v 8 on two principal components with the hinge loss",
        smaller=True, confirmed=False,
        why="objectives are judged; a band of test accuracies over repeated sets is not claimed",
    ),
    Finding(
        "convex_geometry.F3", "experiment",
        "Whitened images: the closed form attains a lower training objective than independent runs of descent",
        source, claims=("convex_geometry.real_whitened", "convex_geometry.real_no_training_below"),
        here="MNIST 3 v 8 and ten digits, shipped cut, rows whitened, test images raw",
        smaller=True, confirmed=False,
        why="CIFAR-10 and deeper networks: see deep_relu.E6; test accuracy is in the notebook's table, not claimed",
    ),
    Finding(
        "convex_geometry.F4", "experiment",
        "A table of test errors of several methods on images and tabular data",
        source, confirmed=False,
        why="the values in circulation could not be confirmed, and the methods' settings are not known",
    ),
    Finding(
        "convex_geometry.F5", "experiment",
        "Cutting planes against gradient descent; the convex relaxation of the oracle is tight on whitened data",
        source,
        claims=(
            "convex_geometry.cutting_plane", "convex_geometry.cuts_judged", "convex_geometry.real_whitened",
            "convex_geometry.real_judged", "convex_geometry.real_no_training_below",
        ),
        here="synthetic sets with every loss and bias; MNIST 3 v 8 whitened, and on two components with spikes",
        smaller=True, confirmed=False,
    ),
    Finding(
        "convex_geometry.two_neuron_form", "erratum",
        "The closed form of two neurons is optimal for orthogonal rows; for spike-free data in general it is not",
        ours, claims=("convex_geometry.two_neurons",),
        tests=("tests/theorems/test_spike_free.py::test_two_neurons_are_not_optimal_on_all_spike_free_data",),
    ),
    Finding(
        "convex_geometry.relaxed_oracle", "erratum",
        "Cutting planes with the relaxed oracle bound the optimum from above, and can be far off when there are "
        "spikes",
        ours, claims=("convex_geometry.relaxed_above",),
        tests=(
            "tests/theorems/test_cutting_plane.py::"
            "test_the_relaxed_oracle_is_exact_on_spike_free_data_and_far_off_on_others",
        ),
    ),
    Finding(
        "convex_geometry.offset", "counterexample",
        "Without a free output offset the lasso over kinks has another, larger value",
        ours, claims=("convex_geometry.offset_matters",),
    ),
    Finding(
        "convex_geometry.penalised_bias", "counterexample",
        "With a regularised hidden bias kinks leave the data, so no dictionary at the data is enough",
        ours, claims=("convex_geometry.kinks_leave",),
    ),
    Finding(
        "convex_geometry.spikes", "counterexample",
        "On data with spikes the program with the one pattern D = I lies above the optimum",
        source, claims=("convex_geometry.spikes_matter",),
    ),
    Finding(
        "convex_geometry.sparsity", "counterexample",
        "Without an offset the unique network of smallest weights is not the sparsest",
        ours, claims=("convex_geometry.denser",),
    ),
)  # fmt: skip
