"""Figures of the paper on Wasserstein GANs, and what its games do not do."""

from __future__ import annotations

from convexnn.findings import Finding
from convexnn.theorems.wgan.claim_list import ours, source

findings = (
    Finding(
        "wgan.E1", "experiment",
        "Descent-ascent oscillates or fails with the step size, the convex solution is the saddle",
        source, claims=("wgan.closed_form", "wgan.primal_dual", "wgan.descent_oscillates"),
        here="60 points in eight dimensions, linear generator, quadratic discriminator, a range of step sizes",
        smaller=True, confirmed=False,
    ),
    Finding(
        "wgan.E2", "experiment",
        "Figure 2: a drawing of progressive training in closed form",
        source, why="a drawing; there is nothing to measure",
    ),
    Finding(
        "wgan.E3", "experiment",
        "Figure 3, faces: progressive training in closed form is faster than progressive descent-ascent",
        source, claims=("wgan.stages", "wgan.faster"),
        here="ORL faces up to 16 pixels and CIFAR-10 up to 32 (shipped cuts), 48 latents, an Adam rival on 3 stages",
        smaller=True,
        why="CelebA is not shipped; quality is a sliced distance to held-out images, not the Frechet distance. It says "
        "little of sharpness",
    ),
    Finding(
        "wgan.schedule", "erratum",
        "The growing schedule of 20, 30, 40 components asks for more than the rank of a linear chain from 48 "
        "latents with nearest upsampling: rounding errors are amplified, and precision decides the image",
        source, claims=("wgan.rank_guard",),
    ),
    Finding(
        "wgan.regulariser", "erratum",
        "The closed form belongs to the penalty on the output ZW; with the penalty on W the largest data direction "
        "goes to the largest latent direction, at another value",
        ours, claims=("wgan.weight_penalty",),
    ),
    Finding(
        "wgan.relu_generators", "counterexample",
        "With a ReLU discriminator the feasible generators are disconnected: the generator's problem is not convex",
        ours, claims=("wgan.disconnected",),
    ),
    Finding(
        "wgan.no_bias", "counterexample",
        "A ReLU discriminator without bias cannot tell X from -X",
        ours, claims=("wgan.blind_spot",),
    ),
    Finding(
        "wgan.step_two", "counterexample",
        "In the two-step procedure the basis matters: random bases cost more in step two than that of the latents",
        ours, claims=("wgan.alignment", "wgan.two_steps"),
    ),
)  # fmt: skip
