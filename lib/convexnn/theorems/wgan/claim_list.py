"""The claims of `wgan`; tolerances were fixed before anything was measured."""

from __future__ import annotations

from convexnn.claims import Claim, Kind, Scope, Source

source = Source("Sahiner et al., Hidden Convexity of Wasserstein GANs: Interpretable Generative Models", "2107.05680")
ours = Source("this project, derived and measured here")


def _claim(name: str, text: str, kind: Kind, tol: float, scope: Scope = "program", by: Source = source) -> Claim:
    return Claim(f"wgan.{name}", text, by, kind, tol, scope)


claims = (
    _claim("strong_duality", "quadratic discriminator: the discriminator's program is certified", "certificate", 1e-6),
    _claim("closed_form", "linear generator: the closed form's two players meet", "certificate", 1e-9, "network"),
    _claim("semidefinite", "the closed form's value is that of the program in S (CVXPY)", "agreement", 1e-6),
    _claim("spectral_gap", "at the closed form the second moments differ by beta_d", "agreement", 1e-9, by=ours),
    _claim("deviations", "no random deviation of one player helps it at the saddle", "one_sided", 1e-9, by=ours),
    _claim("recovery", "the recovered discriminator scores the program's value", "agreement", 1e-6, by=ours),
    _claim("no_training_below", "no trained discriminator ends below the bound", "one_sided", 1e-9, by=ours),
    _claim("linear_form", "linear discriminator: the closed form is the cone program", "agreement", 1e-6),
    _claim("weight_penalty", "penalty on W: no descent ends below the rearrangement", "one_sided", 1e-6, by=ours),
    _claim("polynomial", "the S-lemma bound is the maximum on a dense grid", "agreement", 1e-6),
    _claim("line_formulas", "on a line the three expressions of the ReLU gap agree", "agreement", 1e-8, by=ours),
    _claim("line_program", "on a line the quadratic program beats random feasible rows", "one_sided", 1e-6, by=ours),
    _claim("cells", "the ReLU gap over cells is the maximum on a dense grid", "agreement", 1e-5),
    _claim("two_steps", "the min-norm ReLU generator makes the step-one output", "agreement", 1e-6),
    _claim("alignment", "step two costs more for random bases than the latents'", "counterexample", 0.05, by=ours),
    _claim("disconnected", "ReLU discriminator: feasible generators are disconnected", "counterexample", 0.05, by=ours),
    _claim("ccp_feasible", "convex-concave procedure: the exact ReLU gap ends at beta_d", "agreement", 2e-4),
    _claim("ccp_monotone", "its values rise by no more than the cuts leave open", "one_sided", 1e-4),
    _claim("ccp_bound", "no sample is cheaper than the bound from the means", "one_sided", 1e-9, by=ours),
    _claim("ccp_starts", "what the procedure ends with depends on its start", "counterexample", 0.02, by=ours),
    _claim("blind_spot", "ReLU without bias: X and -X differ, their gap is zero", "agreement", 1e-9, by=ours),
    _claim("primal_dual", "the primal-dual method closes the computable gap", "certificate", 1e-6, by=ours),
    _claim("descent_oscillates", "simultaneous and alternating steps keep a gap open", "counterexample", 1e-4, by=ours),
    _claim("width_rate", "the widest generator converges at the kernel's linear rate", "agreement", 0.1, by=ours),
    _claim("stages", "progressive training: every stage has its second moments", "agreement", 1e-6),
    _claim("rank_guard", "20, 30, 40 components from 48 latents break the moments", "counterexample", 1e-3, by=ours),
    _claim("faster", "equal quality: trained stages take longer than the closed form", "counterexample", 0.1, by=ours),
)  # fmt: skip
