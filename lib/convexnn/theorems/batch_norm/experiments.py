"""Experiments on batch normalisation, and what has to be normalised, and decayed, for the theorem to hold."""

from __future__ import annotations

from convexnn.findings import Finding
from convexnn.theorems.batch_norm.claim_list import ours, source

findings = (
    Finding(
        "batch_norm.E1", "experiment",
        "Training of batch-normalised networks of several depths reaches the closed form and does not end below it",
        source,
        claims=("batch_norm.closed_deep", "batch_norm.closed_training", "batch_norm.closed_reached"),
        here="synthetic one-hot targets, two and three layers, several seeds",
        smaller=True, confirmed=False,
    ),
    Finding(
        "batch_norm.E2", "experiment",
        "Gradient descent keeps the first layer's energy on the top singular directions; on whitened parameters it "
        "does not",
        source, claims=("batch_norm.first_step", "batch_norm.energy"),
        here="synthetic rows with a falling spectrum",
        smaller=True, confirmed=False,
        why="measured on synthetic rows, not on CIFAR images",
    ),
    Finding(
        "batch_norm.E3", "experiment",
        "The singular values of centred images fall fast",
        source, confirmed=False,
        why="notebook 09 draws the spectra of CIFAR-10 and Fashion-MNIST cuts; no number of decay is claimed",
    ),
    Finding(
        "batch_norm.E4", "experiment",
        "Test accuracy on images: the uncut convex program is worse than descent, the program cut to the leading "
        "directions matches or improves on it",
        source, claims=("batch_norm.cut_real", "batch_norm.descent_real", "batch_norm.beats_real"),
        here="240 images of CIFAR-10 and 300 of Fashion-MNIST, gated, the cut chosen on a third of the training rows",
        smaller=True,
        why="Fashion-MNIST stands where the paper has CIFAR-100; the absolute accuracies are low at this size",
    ),
    Finding(
        "batch_norm.E5", "experiment",
        "The same comparison for deeper and for convolutional networks",
        source, claims=("batch_norm.cut_deep", "batch_norm.cut_both", "batch_norm.cut_cnn"),
        here="Fashion-MNIST cut, 200 training images, five draws: three layers trained greedily, and patches",
        smaller=True, confirmed=False,
        why="cutting helps in both; against training of the same depth the differences are within two standard errors",
    ),
    Finding(
        "batch_norm.library_decay", "erratum",
        "A library's layer divides by a standard deviation and shifts by one: its decay has to be sqrt(n) beta; "
        "with beta it solves another problem",
        ours, claims=("batch_norm.torch_decay", "batch_norm.torch_wrong_decay"),
    ),
    Finding(
        "batch_norm.decay_before", "counterexample",
        "Decay on weights in front of a normalisation leaves an infimum that no network attains",
        ours, claims=("batch_norm.scale_free", "batch_norm.not_attained"),
    ),
    Finding(
        "batch_norm.rank", "counterexample",
        "Below rank n - 1 of the centred rows the closed form is a bound that is not reached; width does not help",
        ours, claims=("batch_norm.closed_rank",),
    ),
    Finding(
        "batch_norm.no_gradient", "counterexample",
        "Normalising after the ReLU, a neuron of one active sample has no gradient, so descent is no judge of the "
        "optimum",
        ours, claims=("batch_norm.after_training",),
        tests=("tests/theorems/test_batch_norm.py::test_after_the_relu_a_neuron_of_one_active_sample_has_no_gradient",),
    ),
)  # fmt: skip
