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

from convexnn import Data, certify, report, solve, train
from convexnn.data import binary, load
from convexnn.gauges import GroupL2
from convexnn.numerics import limit_threads, relative_gap
from convexnn.plotting import three_layer as figures
from convexnn.theorems import three_layer as theorem
from convexnn.theorems import two_layer
from convexnn.theorems.shared.layered_columns import layered_columns
from convexnn.theorems.shared.layered_patterns import sample_groups, shared_patterns_only
from convexnn.theorems.shared.layered_program import layered_program
from convexnn.theorems.three_layer.landscape import bending, plane
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
#
# Left: end points of many starts. Right and below: the objective around the best end point, on lines and planes of random
# directions as long as the weights. On a convex function no line bends down.

# %%
counts, runs, planes, shares = (1, 2, 5, 20), [], [], []
at, fine = np.linspace(-1.0, 1.0, 25), np.linspace(-1.0, 1.0, 41)
starts = range(seed, seed + (10 if size == "quick" else 30))
for K in counts:
    run = train(theorem.network(K, data), data, "lbfgs", seeds=starts, steps=400)
    runs.append(run.final)
    result.measure(claims["no_training_below"], relative_gap(run.value, solution.lower), f"K = {K}", starts)
    result.save(rtol=None, **{f"trained_{K}": run.value})
    planes.append(plane(run.best, data, at, seed) - run.value)
    shares.append(bending(run.best, data, fine, seed=seed))
result.measure(claims["training_reaches"], relative_gap(min(runs[-1]), solution.value), f"K = {K}", starts)
result.measure(claims["landscape"], shares[0] - shares[-1], "share of negative second differences", [seed])
result.save(rtol=None, branch_runs=np.array(runs), planes=np.array(planes), shares=np.array(shares))
result.save(rtol=0.0, branch_counts=list(counts), plane_at=at)
result.figure("training", figures.draw_training, "Left: runs of K branches. Right: how often lines bend down.")
result.figure("landscape", figures.draw_landscape, "Random planes through the best end points, K growing.")

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
draws = (4, 6, 8, 20, 100, 1000)
sampled = [solve(theorem.program(data, groups=k, seed=seed), tol=1e-8).value for k in draws]
result.measure(claims["sampling"], float(-np.diff(sampled).max()), "4 to 1000 draws", [seed])
grown = layered_columns(
    data.X, sample_groups(data.X, 2, 20, seed), lambda g: theorem.program(data, groups=g), solve, seed=seed
)
result.measure(claims["columns"], relative_gap(grown.solution.value, solution.value), seeds=[seed])
result.save(rtol=1e-5, sampled=sampled)
result.save(rtol=0.0, draws=list(draws))
result.figure("sampling", figures.draw_sampling, "More sampled branches, lower values, down to that of all groups.")

# %% [markdown]
# ## 5 Real rows against trained networks
#
# Forty rows of a clinical data set in four principal coordinates and a column of ones, logistic loss. The program takes sampled
# groups and then those that the dual vector finds: its value is an upper bound, since its certificate is about the groups
# at hand, so a trained network may end below it.

# %%
X_real, y_real = binary(load("wdbc", subset="shipped"))
centred = (X_real - X_real.mean(0)) / X_real.std(0)
frame = np.linalg.svd(centred, full_matrices=False)[2][:4].T
rows = np.column_stack([centred @ frame / (centred @ frame).std(0), np.ones(len(centred))])
order = np.random.default_rng(seed).permutation(len(rows))
taken, rest = order[:40], order[40:]
clinic = Data(rows[taken], y_real[taken], beta)
clinical = layered_columns(
    clinic.X,
    sample_groups(clinic.X, 2, 100, seed),
    lambda g: theorem.program(clinic, groups=g, loss="logistic"),
    lambda p: solve(p, tol=1e-5),
    rounds=3,
    seed=seed,
)
result.measure(claims["real_data"], clinical.solution.gap, f"{len(clinical.groups)} groups", [seed])
few, real_counts, real_runs, right = starts[:3], (1, 2, 5, 20), [], []
for K in real_counts:
    run = train(theorem.network(K, clinic, loss="logistic"), clinic, "lbfgs", seeds=few, steps=150)
    real_runs.append(run.final)
    right.append(float(np.mean(run.best.predict(rows[rest])[:, 0] * y_real[rest] > 0)))
momentum = train(theorem.network(20, clinic, loss="logistic"), clinic, "sgd", seeds=few, steps=600)
result.measure(claims["real_training"], relative_gap(min(real_runs[-1]), clinical.solution.value), "K = 20", few)
program_right = float(np.mean(theorem.recover(clinic, clinical.solution).predict(rows[rest])[:, 0] * y_real[rest] > 0))
result.save(rtol=None, real_runs=np.array(real_runs), real_momentum=momentum.final, real_right=np.array(right))
result.save(rtol=None, real_program=clinical.history[:, 0], program_right=program_right)
result.figure("real", figures.draw_real, "Trained runs on real rows, and the value of the program as groups are added.")

# %% tags=["nbval-check-output"]
print("program on real rows:", clinical.solution.status, "at", clinical.solution.certificate.scope, "scope")

# %% [markdown]
# ## 6 Change this
#
# * `beta`: smaller, and more branches are active.
# * `neurons=3` in `theorem.program(data, groups=500, neurons=3)`: never above two neurons once the sample is large.
# * `loss="logistic"` with labels of -1 and +1.
