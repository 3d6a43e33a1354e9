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
# # Parallel three-layer ReLU networks are convex programs
#
# **Claim** (Ergen and Pilanci, arXiv 2110.05518). Training $K\ge n$ branches $((XW_k)_+w_k)_+a_k$ with the third power of
# each layer's norm (or decay of the last two layers with $\|W_k\|_F\le1$) has the value of
#
# $$\min\ \ell\Big(\sum_{g,e}e\,D_g\sum_jD_{g,j}Xv_{g,e,j}\Big)+\beta\sum_{g,e,j}\|v_{g,e,j}\|_2,\quad
# s_{g,j}(2D_{g,j}-I)Xv_{g,e,j}\ge0,\quad(2D_g-I)\sum_jD_{g,j}Xv_{g,e,j}\ge0.$$
#
# **Why it is true.** A branch of scale $s=\|W\|_F\|w\|\,|a|$ costs $\beta s$ after the best rescaling. With both layers'
# patterns and the signs of $w$ fixed its output is linear in $v_j=a\,w_jW_j$, and the patterns are linear constraints.
# Branches of one group add up, so finitely many groups are enough.
#
# *Assumptions:* $\beta>0$, enough branches. **Each neuron needs a pattern of its own**, and squared decay of all three
# layers is another problem.

# %% tags=["parameters"]
size: str = "quick"  # "quick": under a minute on one core; "full": more runs and a larger sample
seed: int = 0
beta: float = 0.1
device: str = "auto"

# %%
import numpy as np
import torch

from convexnn import Data, certify, report, solve, train
from convexnn.gauges import GroupL2
from convexnn.numerics import limit_threads, relative_gap
from convexnn.plotting import three_layer as figures
from convexnn.theorems import three_layer as theorem
from convexnn.theorems import two_layer
from convexnn.theorems.shared.layered_columns import layered_columns
from convexnn.theorems.shared.layered_patterns import sample_groups, shared_patterns_only
from convexnn.theorems.shared.layered_program import layered_program
from convexnn.theorems.three_layer.special_cases import residual_block, wide_groups

limit_threads()
claims = {claim.id.split(".")[1]: claim for claim in theorem.claims}
result = report.Result("07_three_layer", {"size": size, "seed": seed, "beta": beta, "device": device})
tiny = theorem.sample("tiny", seed)
data = Data(tiny.X, tiny.y, beta)

# %% [markdown]
# ## 1 Solve, certify, compare with the printed program and its finite dual

# %%
solution = solve(theorem.program(data), tol=1e-8, device=device)
result.measure(claims["strong_duality"], certify(solution.program, solution).gap, "all groups", [seed])
printed = theorem.reference(data).solve(solver="CLARABEL")
dual = theorem.reference(data, dual=True).solve(solver="CLARABEL")
result.measure(claims["reference"], relative_gap(solution.value, printed), seeds=[seed])
result.measure(claims["printed_dual"], relative_gap(solution.value, dual), seeds=[seed])
network = theorem.recover(data, solution)
pruned = theorem.prune(network, data.X)
result.measure(claims["recovery"], relative_gap(theorem.objective(network, data), solution.value), seeds=[seed])
result.measure(claims["pruning"], relative_gap(theorem.objective(pruned, data), solution.value), seeds=[seed])
result.measure(claims["count"], data.n - pruned.width, "n - K", [seed])
result.save(rtol=1e-6, optimum=solution.value)

# %% tags=["nbval-check-output"]
print(solution.status, "at", solution.certificate.scope, "scope; pruned to at most n:", pruned.width <= data.n)

# %% [markdown]
# ## 2 Gradient training: few branches get stuck, many come close

# %%
counts, runs, slices = (1, 4, 12), [], []
at = np.linspace(-1.0, 1.0, 41)
starts = range(seed, seed + (8 if size == "quick" else 30))
for K in counts:
    run = train(theorem.network(K, data), data, "lbfgs", seeds=starts, steps=400)
    runs.append(run.final)
    result.measure(claims["no_training_below"], relative_gap(run.value, solution.lower), f"K = {K}", starts)
    result.save(rtol=None, **{f"trained_{K}": run.value})
    rng, end = np.random.default_rng(seed), [p.detach().clone() for p in run.best.parameters()]
    steps = [torch.as_tensor(rng.standard_normal(tuple(p.shape))) for p in end]
    size_of = float(sum(s.square().sum() for s in steps)) ** 0.5
    row = []
    for t in at:
        with torch.no_grad():
            for p, start, step in zip(run.best.parameters(), end, steps):
                p.copy_(start + float(t) * step / size_of)
        row.append(theorem.objective(run.best, data) - run.value)
    slices.append(row)
result.measure(claims["training_reaches"], relative_gap(min(runs[-1]), solution.value), "K = 12", starts)
result.save(rtol=None, branch_runs=np.array(runs), slices=np.array(slices))
result.save(rtol=0.0, branch_counts=list(counts), slice_at=at)
result.figure("training", figures.draw_training, "Left: runs of K branches. Right: slices through the best end points.")

# %% [markdown]
# ## 3 Special cases, and where the theorem stops
#
# One neuron a branch is the two-layer program. Wide branches have a limit with one group for each second-layer pattern.
# One shared pattern for all neurons of a branch gives a strictly worse value, and so does not describe the network.

# %%
one = solve(theorem.program(data, neurons=1), tol=1e-8).value
result.measure(claims["one_neuron"], relative_gap(one, solve(two_layer.program(data), tol=1e-8).value), seeds=[seed])
wide = solve(layered_program(data, wide_groups(data.X), GroupL2()), tol=1e-7)
result.measure(claims["wide"], relative_gap(solution.value, wide.lower), "two neurons", [seed])
catalogue = np.random.default_rng(5)
X4 = catalogue.standard_normal((4, 2))
known = Data(X4, 1.5 * catalogue.standard_normal(4), 0.05)
right = solve(theorem.program(known), tol=1e-8)
wrong = solve(theorem.program(known, groups=shared_patterns_only(right.program.model.groups)), tol=1e-8)
result.measure(claims["shared_index"], relative_gap(wrong.lower, right.value), "shared index, four samples")
squared = train(theorem.network(12, known, power=2), known, "lbfgs", seeds=starts, steps=400).value
result.measure(claims["squared_decay"], abs(relative_gap(squared, right.value)), "four samples", starts)
rng = np.random.default_rng(seed)
P, W, U, a, b = np.abs(rng.standard_normal((5, 3))), *rng.standard_normal((2, 3, 3)), *rng.standard_normal((2, 3))
block = np.maximum(np.maximum(P @ W, 0) @ U, 0) @ a + P @ b
result.measure(claims["residual"], float(np.abs(residual_block(P, W, U, a, b).predict(P)[:, 0] - block).max()))

# %% tags=["nbval-check-output"]
print("own patterns:", round(right.value, 5), " one shared pattern:", round(wrong.value, 5))

# %% [markdown]
# ## 4 Sampled groups and column generation

# %%
draws = (2, 4, 8, 20, 100, 1000)
sampled = [solve(theorem.program(data, groups=k, seed=seed), tol=1e-8).value for k in draws]
result.measure(claims["sampling"], float(-np.diff(sampled).max()), "2 to 1000 draws", [seed])
grown = layered_columns(
    data.X, sample_groups(data.X, 2, 20, seed), lambda g: theorem.program(data, groups=g), solve, seed=seed
)
result.measure(claims["columns"], relative_gap(grown.solution.value, solution.value), seeds=[seed])
result.save(rtol=1e-5, sampled=sampled)
result.save(rtol=0.0, draws=list(draws))
result.figure("sampling", figures.draw_sampling, "More sampled branches, lower values, down to that of all groups.")

# %% [markdown]
# ## 5 Change this
#
# * `beta`: smaller, and more branches are active.
# * `neurons=3` in `theorem.program(data, groups=500, neurons=3)`: never above two neurons once the sample is large.
# * `loss="logistic"` with labels of -1 and +1.
