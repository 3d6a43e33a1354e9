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
# # Path regularisation: one norm for a whole branch
#
# **Claim** (Ergen and Pilanci, arXiv 2110.09548). Training parallel three-layer ReLU branches with the path norm
# $R_k=|a_k|\big(\sum_j w_{kj}^2\|W_{kj}\|^2\big)^{1/2}$ equals a finite convex program,
#
# $$\min_{V_g^\pm\in K_g}\ \ell\Big(\sum_g D_{2,g}\sum_jD_{1,gj}X(v^+_{gj}-v^-_{gj})\Big)+\beta\sum_g\|V_g^+\|_F+\|V_g^-\|_F .$$
#
# **Why it is true.** Once the signs of all pre-activations are fixed a branch is linear in the products $v_j=a\,w_jW_j$.
# The signs are cones in $v$, and the path norm is the Frobenius norm of $V$. Branches of one group and one output sign add up.
#
# *Assumptions:* $\beta>0$, one output, three layers, every neuron with its own pattern and sign, at least $n+1$ branches.

# %% tags=["parameters"]
size: str = "quick"  # "quick": under a minute on one core; "full": a denser spiral, more groups
seed: int = 0
beta: float = 0.1  # regularisation of the small instances
spiral_beta: float = 0.001  # regularisation of the spiral
samples: int = 400  # random branches whose groups the spiral's program takes
device: str = "auto"

# %%
import numpy as np
import torch

from convexnn import Data, certify, report, solve, train
from convexnn.data import binary, load
from convexnn.losses import get_loss
from convexnn.numerics import limit_threads, relative_gap
from convexnn.plotting import path_regularized as figures
from convexnn.theorems import path_regularized as theorem
from convexnn.theorems import two_layer
from convexnn.theorems.path_regularized.columns import grow, lifted, low_rank_data, low_rank_factor, prune
from convexnn.theorems.path_regularized.groups import all_groups, sample_groups, select
from convexnn.theorems.path_regularized.path_network import deep_network, rescaled, unrolled

limit_threads()
claims = {claim.id.split(".")[1]: claim for claim in theorem.claims}
settings = {"size": size, "seed": seed, "beta": beta, "spiral_beta": spiral_beta, "samples": samples, "device": device}
result = report.Result("08_path_regularization", settings)
seeds = range(seed, seed + (10 if size == "quick" else 30))

# %% [markdown]
# ## 1 Solve, certify, and ask two other programs
#
# All groups of four points in the plane. A conic solver gets the program in the paper's letters, and its finite dual separately.

# %% formulate, solve, certify
small = theorem.sample("tiny", seed)
data = Data(small.X, small.y, beta)
solution = solve(theorem.program(data), tol=1e-7, device=device)
certificate = certify(solution.program, solution)
result.measure(claims["strong_duality"], certificate.gap, "n = 4, d = 2, m = 2", [seed])
paper = theorem.reference(data).solve(solver="CLARABEL")
dual = theorem.reference(data, dual=True).solve(solver="CLARABEL")
result.measure(claims["reference"], relative_gap(solution.value, paper), "n = 4", [seed])
result.measure(claims["finite_dual"], relative_gap(paper, dual), "n = 4", [seed])

# %% recover, prune, attack by training
network = theorem.recover(data, solution)
few = prune(network, data.X)
block_norms = float(solution.program.gauge.value(torch.as_tensor(solution.Z)))
result.measure(claims["recovery"], relative_gap(theorem.objective(network, data), solution.value), "objective", [seed])
result.measure(claims["recovery"], relative_gap(network.path_norms().sum(), block_norms), "path norms", [seed])
result.measure(claims["pruning"], relative_gap(theorem.objective(few, data), solution.value), "objective", [seed])
run = train(theorem.network(8, data), data, "lbfgs", seeds=seeds, steps=600)
result.measure(claims["no_training_below"], relative_gap(run.value, solution.lower), "8 branches", seeds)
result.measure(claims["training_close"], relative_gap(run.value, solution.value), "8 branches", seeds)
result.save(rtol=1e-6, optimum=solution.value)

# %% tags=["nbval-check-output"]
print(f"{solution.status} at {certificate.scope} scope; branches after pruning at most n: {few.width <= data.n}")

# %% [markdown]
# ## 2 What the path norm sees
#
# Rescaling a neuron (weights in times $c$, weights out over $c$) changes neither function nor paths, but weight decay. In
# four layers the collapsed products are free only in a *tree*, where second-layer neurons share nothing: a shared network
# unrolls to a tree of equal path norm, so the best tree costs no more than the best shared network. Whether it costs less is
# not decided here: below, trees are trained from random starts like the shared networks, and may end above them.

# %%
deep = deep_network(4, 2, (2, 2), get_loss("squared"), seed, tree=False)
other, tree = rescaled(deep, seed), unrolled(deep)
result.measure(claims["rescaling"], np.abs(other.path_norms() / deep.path_norms() - 1).max(), "four layers", [seed])
result.measure(claims["decay_changes"], abs(relative_gap(other.weight_decay(), deep.weight_decay())), "four layers")
result.measure(claims["unrolling"], np.abs(tree.path_norms() / deep.path_norms() - 1).max(), "path norms", [seed])
result.measure(claims["unrolling"], np.abs(tree.predict(data.X) - deep.predict(data.X)).max(), "predictions", [seed])
rng = np.random.default_rng(11)
pair = Data(rng.standard_normal((4, 2)), rng.standard_normal(4), 0.2)
best = {
    kind: train(
        deep_network(4, 2, (2, 2), get_loss("squared"), 0, kind == "tree"), pair, "lbfgs", seeds=seeds, steps=500
    ).value
    for kind in ("shared", "tree")
}
result.save(rtol=None, best_shared=best["shared"], best_tree=best["tree"])

# %% tags=["nbval-check-output"]
print("trained trees end below trained shared layers:", best["tree"] < best["shared"] * (1 - 1e-3))

# %% [markdown]
# ## 3 Cones are the same, norms are not
#
# With $\sum_j\|v_j\|$ (first layers in a Frobenius ball) the cones stay. $P_{2,1}(\beta/\sqrt m)\le P_F(\beta)\le P_{2,1}(\beta)$. **Where it
# stops:** one pattern for all neurons of a branch is a worse program; and wider branches are cheaper at the same
# $\beta$, since $m$ equal copies divide the path norm by $\sqrt m$, so only equal widths may be compared.

# %%
neurons = solve(theorem.program(data, norm="neurons"), tol=1e-7).value
weaker = Data(data.X, data.y, beta / 2**0.5)
below = solve(theorem.program(weaker, norm="neurons"), tol=1e-7).value
result.measure(claims["sandwich"], relative_gap(solution.value, below), "lower side", [seed])
result.measure(claims["sandwich"], relative_gap(neurons, solution.value), "upper side", [seed])
narrow = solve(theorem.program(data, width=1), tol=1e-7).value
result.measure(claims["wider_is_cheaper"], relative_gap(narrow, solution.value), "m = 1 against m = 2", [seed])
rng = np.random.default_rng(5)
hard = Data(rng.standard_normal((4, 2)), 1.5 * rng.standard_normal(4), 0.05)
every = all_groups(hard.X, 2)
same = select(every, (every.D1[:, 0] == every.D1[:, 1]).all(1).numpy())
full, shared = (solve(theorem.program(hard, groups=g), tol=1e-7) for g in ("all", same))
result.measure(claims["shared_pattern"], relative_gap(shared.value, full.lower), "fixed instance")

# %% [markdown]
# ## 4 Fewer groups, fewer dimensions
#
# Groups seen in random forward passes give an upper bound that falls with the sample; groups that the dual vector violates can be
# added one after the other. Low rank: with $X_\kappa$ in place of $X$ the value is at most $1+\sqrt m\,R\,\sigma_{\kappa+1}/\beta$ times the
# optimum, for a loss $R$-Lipschitz in $f$ (here $\|f-y\|_2$, $R=1$; squared loss is not Lipschitz).

# %%
counts = [10, 30, 100, 300, 1000]
sampled = [solve(theorem.program(hard, groups=k, seed=seed), tol=1e-7).value for k in counts]
for a, b in zip(sampled, [*sampled[1:], full.value]):
    result.measure(claims["sampled_above"], relative_gap(a, b), "fixed instance", [seed])
grown = grow(hard, lambda p: solve(p, tol=1e-7), sample_groups(hard.X, 10, 2, seed), batch=100, seed=seed)
result.measure(claims["columns"], relative_gap(grown[-1].value, full.value), f"{len(grown)} solves", [seed])
U, V = (np.linalg.qr(np.random.default_rng(seed).standard_normal(shape))[0] for shape in ((4, 3), (3, 3)))
sigmas, exact, low, bound = np.array([0.05, 0.15, 0.4]), [], [], []
for sigma in sigmas:
    case = Data(U * np.array([2.0, 1.0, sigma]) @ V.T, data.y, 0.3)
    reduced, _, left_out = low_rank_data(case, 2)
    exact.append(theorem.reference(case, width=1, loss="distance").solve(solver="CLARABEL"))
    low.append(theorem.reference(reduced, width=1, loss="distance").solve(solver="CLARABEL"))
    bound.append(exact[-1] * low_rank_factor(1, 1.0, left_out, case.beta))
    result.measure(claims["low_rank_below"], relative_gap(low[-1], exact[-1]), f"sigma = {sigma}", [seed])
    result.measure(claims["low_rank_bound"], relative_gap(bound[-1], low[-1]), f"sigma = {sigma}", [seed])
result.save(rtol=1e-5, all_groups=full.value, sampled=sampled, exact=exact, low=low, bound=bound)
result.save(rtol=0.0, counts=counts, sigmas=sigmas)
result.figure(
    "bounds",
    figures.draw_bounds,
    "Left: sampled groups reach the value of all groups. Right: the low-rank value stays below its proved bound.",
)

# %% [markdown]
# ## 5 The spiral
#
# Two arms, a column of ones, logistic loss, one $\beta$. Two layers with weight decay, three layers with the $(2,1)$ norm, three
# layers with the path norm, and gradient training of the path-regularised network. The path norm is the weaker penalty at
# equal $\beta$ (section 3), by up to $\sqrt m$.

# %%
drawn = theorem.sample("quick" if size == "quick" else "full", seed)
spiral = Data(drawn.X, drawn.y, spiral_beta)
taken = sample_groups(spiral.X, samples, 4, seed)
solved = {
    norm: solve(theorem.program(spiral, groups=taken, loss="logistic", norm=norm), tol=1e-4, device=device)
    for norm in ("path", "neurons")
}
for norm, answer in solved.items():
    result.measure(claims["spiral"], answer.gap, norm, [seed])
by_neurons, by_path = solved["neurons"].value, solved["path"].lower
result.measure(claims["sandwich"], relative_gap(by_neurons, by_path), "upper side, spiral", [seed])
flat = solve(two_layer.program(spiral, patterns=samples, loss="logistic", seed=seed), tol=1e-4, device=device)
gradient = train(theorem.network(20, spiral, hidden=4, loss="logistic"), spiral, "lbfgs", seeds=seeds[:2], steps=300)
nets = {
    "two_layer": two_layer.recover(spiral, flat),
    "neurons": theorem.recover(spiral, solved["neurons"]),
    "path": theorem.recover(spiral, solved["path"]),
    "trained": gradient.best,
}
axis = np.linspace(-1.15, 1.15, 90)
grid = np.column_stack([*(part.ravel() for part in np.meshgrid(axis, axis)), np.ones(axis.size**2)])
regions = {name: np.where(net.predict(grid)[:, 0] > 0, 1.0, -1.0).reshape(90, 90) for name, net in nets.items()}
fitted = {name: float(np.mean(net.predict(spiral.X)[:, 0] * spiral.y > 0)) for name, net in nets.items()}
result.save(rtol=1e-9, grid_x=axis, grid_y=axis, spiral=spiral.X[:, :2], arms=spiral.y)
result.save(rtol=None, **regions)
convex_fits = [fitted[name] for name in ("two_layer", "neurons", "path")]
result.measure(claims["spiral_fitted"], 1 - min(convex_fits), "largest share of points on the wrong side", [seed])
result.save(rtol=None, **{f"fit_{name}": value for name, value in fitted.items()})
titles = {
    "two_layer": "two layers",
    "neurons": "three layers, (2,1)",
    "path": "path norm, convex",
    "trained": "path norm, trained",
}
result.figure("regions", figures.draw_regions(titles), "Decision regions on the spiral at one regularisation strength.")

# %% tags=["nbval-check-output"]
for name, title in titles.items():
    print(f"{title}: fits all points of the spiral: {fitted[name] == 1.0}")

# %% [markdown]
# ## 6 Real data
#
# Rows of a clinical data set with thirty features, sampled groups; the certificate is about the sampled program.

# %%
X_real, y_real = binary(load("wdbc", subset="shipped"))
X_real = (X_real - X_real.mean(0)) / X_real.std(0)
order = np.random.default_rng(seed).permutation(len(X_real))
first, rest = order[:60], order[60:160]
clinic = Data(X_real[first], y_real[first], 0.1)
real = solve(theorem.program(clinic, groups=60, loss="logistic", seed=seed), tol=1e-4, device=device)
result.measure(claims["real_data"], real.gap, "60 rows, 60 random branches", [seed])
right = float(np.mean(theorem.recover(clinic, real).predict(X_real[rest])[:, 0] * y_real[rest] > 0))
reduced, frame, _ = low_rank_data(clinic, 5)
cheap = solve(theorem.program(reduced, groups=60, loss="logistic", seed=seed), tol=1e-4, device=device)
small_right = float(
    np.mean(theorem.recover(clinic, lifted(cheap, frame)).predict(X_real[rest])[:, 0] * y_real[rest] > 0)
)
result.save(rtol=None, accuracy=right, accuracy_rank_5=small_right)

# %% tags=["nbval-check-output"]
print("sampled program on real rows:", real.status)

# %% [markdown]
# ## 7 Change this
#
# * `spiral_beta`: raise it and see in section 5 which networks still fit all points.
# * `samples`: fewer random branches, fewer groups; the certificate is then about that smaller program.
# * `width=3` in section 3: all groups of four points soon pass the limit; `groups=1000` samples them instead.
