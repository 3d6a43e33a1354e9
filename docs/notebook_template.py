# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The claim in a few words
#
# Copy this file to `notebooks/NN_name.py`, keep the seven beats and their order, then `python -m convexnn run NN`.
#
# **Claim** (authors, arXiv number, theorem number only where it was checked in print). The statement.
#
# **Why it is true.** Three sentences at most.
#
# *Assumptions:* what the statement needs, and nothing more.

# %% tags=["parameters"]
size: str = "quick"  # "quick": under a minute on two cores; "full": the paper's scale
seed: int = 0
device: str = "auto"

# %%
# ruff: noqa: E402
# The line above is for this template alone; delete both in a notebook.
from convexnn import certify, report, solve, study
from convexnn.numerics import limit_threads
from convexnn.theorems import two_layer as theorem

limit_threads()
claims = {claim.id.split(".")[1]: claim for claim in theorem.claims}
result = report.Result("NN_name", {"size": size, "seed": seed, "device": device})
seeds = range(seed, seed + 5)

# %% [markdown]
# ## Formulate
#
# Which data, and what the convex program looks like for them.

# %% formulate: the theorem in the paper's letters
data = theorem.sample(size, seed)
program = theorem.program(data)

# %% [markdown]
# ## Solve and certify
#
# The solver carries no verdict; the certificate does, and a stranger can check it.

# %% solve
solution = solve(program, device=device)

# %% certify: what is guaranteed, and about what
certificate = certify(program, solution)
result.save(rtol=1e-6, value=solution.value)
result.measure(claims["strong_duality"], certificate.gap, note=certificate.scope)

# %% [markdown]
# ## Recover a network, and try to break the claim by training others

# %% recover and attack
verdict = study.verify(theorem, data, solution, seeds=seeds)
result.save(rtol=1e-3, best_training=verdict.numbers["best_training"])  # training: the sixth digit depends on the CPU
result.measure(claims["recovery"], verdict.numbers["recovery_defect"])
result.measure(claims["no_training_below"], verdict.numbers["above_bound"], seeds=seeds)
result.table(
    "objectives",
    ["quantity", "value"],
    [["certified lower bound", solution.lower], ["best training", verdict.numbers["best_training"]]],
    caption="No training run ends below the certified bound.",
)

# %% tags=["nbval-check-output"]
print(verdict.sentence())
