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
# # The geometry behind the convex program: splines, spikes and closed forms
#
# **Claim** (Ergen and Pilanci, arXiv 2002.11219). On data on a line, training a two-layer ReLU network whose biases are
# not regularised is a lasso over kinks at the data points $t_j$,
#
# $$\min_{m,u_j,b_j,a_j,c_0}\ L\Big(\sum_{j=1}^m (Xu_j+b_j\mathbf 1)_+a_j+c_0\mathbf 1\Big)+\tfrac\beta2\sum_{j=1}^m\big(\|u_j\|^2+a_j^2\big)
# =\min_{w,c_0}\ L(Kw+c_0\mathbf 1)+\beta\|w\|_1,$$
#
# where the columns of $K$ are the ramps $(t-t_j)_+$ and $(t_j-t)_+$. On *spike-free* data a single activation pattern is
# enough, and for whitened rows the optimal network is a formula.
#
# **Why it is true.** Weight decay is $\beta\sum|a_j|$ over neurons with $\|u_j\|=1$, so training measures the fit by the
# gauge of the *rectified ellipsoid* $\{(Xu+b\mathbf 1)_+:\|u\|\le1\}$, and a gauge needs extreme points only. On a line
# $v^T(Xu+b\mathbf 1)_+$ is piecewise linear in $b$ and breaks at the samples: the extreme points are ramps with kinks at
# the data. When the rectified ellipsoid is convex (no spikes), its extreme points are active on every sample.
#
# *Assumptions:* $\beta>0$; for the lasso, data on a line, hidden biases and an output offset that are not regularised.

# %% tags=["parameters"]
size: str = "quick"  # "quick": two cores, under a minute; "full": larger data, more seeds
seed: int = 0
beta: float = 0.05  # regularisation of the spline problem
real_beta: float = 0.5  # regularisation of the problems on real data
device: str = "auto"

# %%
from dataclasses import replace

import numpy as np
from sklearn.linear_model import Lasso

from convexnn import Data, certify, report, solve, train
from convexnn.data import binary, load, matrix, split, whiten_rows
from convexnn.data import one_hot as one_hot_targets
from convexnn.numerics import limit_threads, relative_gap
from convexnn.plotting import convex_geometry as figures
from convexnn.theorems import convex_geometry, two_layer
from convexnn.theorems.convex_geometry.cutting_plane import cutting_plane
from convexnn.theorems.convex_geometry.margins import hard_margin
from convexnn.theorems.convex_geometry.output_norms import vector_cutting_plane, vector_network
from convexnn.theorems.convex_geometry.tangent_kernel import kernel_fit
from convexnn.theorems.shared.closed_forms import one_hot, orthogonal, rank_one, two_neurons, whitened
from convexnn.theorems.shared.extreme_points import directions, hull, isolate, one_sample_neurons, pulls_of
from convexnn.theorems.shared.kinks import (
    bend,
    dictionary,
    interpolation_cost,
    kinks_of,
    line,
    pull_of_ramps,
    sign_changes,
)
from convexnn.theorems.shared.sparsest import fewest, smallest_weights
from convexnn.theorems.shared.spike_free import is_spike_free, largest_spike, one_pattern_program
from convexnn.theorems.two_layer.consequences import minimum_norm
from convexnn.theorems.two_layer.encoding import encode

limit_threads()
claims = {claim.id.split(".")[1]: claim for claim in convex_geometry.claims}
result = report.Result(
    "02_convex_geometry", {"size": size, "seed": seed, "beta": beta, "real_beta": real_beta, "device": device}
)
seeds = range(seed, seed + (5 if size == "quick" else 20))
rng = np.random.default_rng(seed)

# %% [markdown]
# ## 1 The set that training measures with
#
# One neuron turns the data into the vector of its activations $(Au)_+$. All neurons of unit length make the rectified
# ellipsoid $Q$: the part of the ellipsoid $\{Au\}$ in the positive orthant, and the rest of it *folded* onto the walls and
# axes. Where the folded part sticks out, it makes a spike. Training sees only the convex hull of $Q$ and $-Q$, and the
# spikes are its corners.
#
# The red points are the neurons that fire on one sample alone. Such a neuron stores what the other samples cannot
# reconstruct: without bias its activation is the distance of the sample to the *cone* of the others, with a free bias to
# their *hull*. So the network is an autoencoder without being asked.

# %%
inverse_gram = np.array([[1.0, -0.4, -0.4], [-0.4, 1.0, 0.0], [-0.4, 0.0, 1.0]])
stieltjes = np.linalg.cholesky(np.linalg.inv(inverse_gram))
shapes = {
    "flat_free": np.array([[1.0, 0.3], [0.2, 0.9]]),
    "flat_spiked": np.array([[1.0, 0.0], [-0.7, 0.7]]),
    "solid_free": stieltjes,
    "solid_spiked": np.array([[1.0, 0.0, 0.0], [-0.6, 1.0, 0.0], [-0.5, -0.4, 0.9]]),
}
for name, A in shapes.items():
    ellipse = directions(A.shape[1], 240) @ A.T
    result.save(rtol=1e-6, **{f"{name}_ellipse": ellipse, f"{name}_spikes": one_sample_neurons(A)})
    if name.startswith("flat"):
        result.save(rtol=1e-6, **{f"{name}_hull": hull(np.maximum(ellipse, 0))})
result.figure(
    "ellipsoids",
    figures.draw_ellipsoids(
        {"flat_free": "2 samples, spike-free", "flat_spiked": "2 samples, spikes"},
        {"solid_free": "3 samples, spike-free", "solid_spiked": "3 samples, spikes"},
    ),
    "Rectified ellipsoids without and with spikes (orange: folded onto a wall), and the neurons of a single sample.",
)

# %%
cloud = rng.standard_normal((6, 3))
alone = [(isolate(cloud, k, bias), cloud[k]) for k in range(len(cloud)) for bias in (False, True)]
distances = [abs(neuron.value - np.linalg.norm(sample - neuron.weights @ cloud)) for neuron, sample in alone]
others = [np.sort(np.maximum(cloud @ neuron.u + neuron.b, 0))[-2] for neuron, _ in alone]
result.measure(claims["autoencoder"], max(distances), note="what the neuron attains minus the distance", seeds=[seed])
result.measure(claims["autoencoder"], max(others), note="what the neuron does on the other samples", seeds=[seed])

# %% [markdown]
# A sign test tells whether there are spikes: rows of full rank are spike-free exactly when $(AA^T)^{-1}$ has no positive
# entry off the diagonal. Random maximisation of $\|A^+(Au)_+\|/\|A^+Au\|$ must agree on every matrix.

# %%
zoo = {
    **shapes,
    "whitened rows": whiten_rows(rng.standard_normal((4, 6))),
    "positive rank one": np.outer([1.0, 2.0, 0.5], [1.0, -1.0]),
    "mixed rank one": np.outer([1.0, -2.0], [1.0, -1.0]),
    "more samples than features": rng.standard_normal((6, 3)),
    "non-negative products": np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0.5]]),
}
verdicts = {name: (bool(is_spike_free(A)), largest_spike(A, 20_000, seed) < 1e-9) for name, A in zoo.items()}
result.measure(claims["spike_free_test"], sum(told != seen for told, seen in verdicts.values()), seeds=[seed])

# %% tags=["nbval-check-output"]
for name, (told, seen) in verdicts.items():
    print(f"{name}: {'spike-free' if told else 'spikes'}, random search {'agrees' if told == seen else 'disagrees'}")

# %% [markdown]
# A free bias changes the answer, and the answer is a picture: the data are spike-free exactly when the samples are the
# corners of a simplex (a segment, a triangle, ...) without an obtuse angle between two of its walls.

# %%
triangles = {
    "acute triangle": np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.9]]),
    "right triangle": np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
    "obtuse triangle": np.array([[0.0, 0.0], [1.0, 0.0], [-0.3, 1.0]]),
    "square": np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
    "random triangle": rng.standard_normal((3, 2)),
}
free_verdicts = {
    name: (bool(is_spike_free(A, "unregularised")), largest_spike(A, 20_000, seed, "unregularised") < 1e-9)
    for name, A in triangles.items()
}
result.measure(claims["free_bias_spikes"], sum(told != seen for told, seen in free_verdicts.values()), seeds=[seed])

# %% tags=["nbval-check-output"]
for name, (told, seen) in list(free_verdicts.items())[:4]:
    print(f"{name}: {'spike-free' if told else 'spikes'}, random search {'agrees' if told == seen else 'disagrees'}")

# %% [markdown]
# ## 2 On a line: the lasso over kinks
#
# The dual vector of a certificate must satisfy $|K^Tv|\le\beta$ and, because the offset is free, $\mathbf 1^Tv=0$. The
# paper's program in a conic solver and scikit-learn's lasso with a free intercept know nothing of our solver.

# %%
data = replace(convex_geometry.sample(size, seed), beta=beta)
program = convex_geometry.program(data)
solution = solve(program, tol=1e-9, device=device)
certificate = certify(program, solution)
direction, t = line(data.X)
K = dictionary(t)[0]
lasso = Lasso(alpha=beta / data.n, tol=1e-13, max_iter=2_000_000).fit(K, data.y)
lasso_value = 0.5 * np.sum((lasso.predict(K) - data.y) ** 2) + beta * np.abs(lasso.coef_).sum()
paper = convex_geometry.reference(data).solve(solver="CLARABEL")
result.measure(claims["strong_duality"], certificate.gap, note=certificate.scope, seeds=[seed])
result.measure(claims["lasso"], relative_gap(solution.value, lasso_value), seeds=[seed])
result.measure(claims["reference"], relative_gap(solution.value, paper), seeds=[seed])
result.save(rtol=1e-6, value=solution.value, lasso_value=lasso_value)
result.save(rtol=1e-4, paper=paper)

# %% recover the network: its function is a linear spline
network = convex_geometry.recover(data, solution)
kinks = kinks_of(network, direction)
v = certificate.v[:, 0]
result.measure(claims["recovery"], relative_gap(convex_geometry.objective(network, data), solution.value), seeds=[seed])
result.measure(claims["kinks_at_data"], np.abs(kinks[:, None] - t).min(1).max(), seeds=[seed])
result.measure(claims["extreme_points"], np.abs(pulls_of(network, data.X, v) / beta - 1).max(), seeds=[seed])

# %% tags=["nbval-check-output"]
print(solution.status, "at", certificate.scope, "scope; rounded to five digits:", f"{solution.value:.5g}")
print("every kink is a data point:", bool(np.abs(kinks[:, None] - t).min(1).max() < 1e-9))

# %% [markdown]
# ## 3 Try to break it, and compare with the neural tangent kernel
#
# Gradient training from several seeds may not end below the certified bound. Optima are not unique, so it may put its
# kinks elsewhere: objectives are compared, never kinks. An infinitely wide network in the lazy regime is a different
# machine: a fixed kernel, whose interpolant bends everywhere.

# %%
rival = train(convex_geometry.network(2 * (data.n + 1), data), data, seeds=seeds, steps=2000)
kernel = kernel_fit(data.X, data.y)
result.measure(claims["no_training_below"], relative_gap(rival.value, solution.lower), seeds=list(seeds))
result.measure(claims["training_reaches"], relative_gap(rival.value, solution.value), seeds=list(seeds))
bends = {"spline": bend(lambda X: network.predict(X)[:, 0], data.X), "kernel": bend(kernel.predict, data.X)}
result.measure(claims["tangent_kernel"], bends["kernel"] - bends["spline"], note="bend between data points")
grid = np.linspace(t.min() - 0.3, t.max() + 0.3, 801)
result.save(rtol=1e-6, t=t, y=data.y, grid=grid, beta=beta)
result.save(rtol=1e-2, best_training=rival.value)
result.save(
    rtol=None,  # optima differ between the data points, and training depends on the CPU
    fit=network.predict(grid[:, None] * direction)[:, 0],
    fit_trained=rival.best.predict(grid[:, None] * direction)[:, 0],
    fit_kernel=kernel.predict(grid[:, None] * direction),
    kinks=kinks,
    pulls=pull_of_ramps(v, t, grid),
)
result.figure(
    "spline_lasso",
    figures.draw_lasso_spline,
    "Left: the spline, the best training run and the kernel. Right: the dual constraint touches beta at the kinks used.",
)

# %% tags=["nbval-check-output"]
print("any run below the bound:", bool(rival.curves.min() < solution.lower - 1e-9))
print(
    "the kernel's interpolant bends between the data:",
    bool(bends["kernel"] > 0.001),
    "- the spline:",
    bool(bends["spline"] > 0.001),
)

# %% [markdown]
# ## 4 Where the statement stops: the offset and the bias
#
# On five points the optimal value is $8\beta-8\beta^2$ up to $\beta=0.3$. Shift the targets by ten: with the free output
# offset nothing changes, without it the value is larger. And regularise the hidden biases: the value changes, and kinks
# leave the data, so no finite dictionary at the data is enough.

# %%
points = Data(np.arange(-2.0, 3.0)[:, None], np.array([1.0, -1.0, 1.0, 1.0, -1.0]), 0.1)
five = {b: solve(convex_geometry.program(replace(points, beta=b)), tol=1e-9).value for b in (0.05, 0.1, 0.3)}
result.measure(claims["five_points"], max(abs(value - 8 * b + 8 * b**2) for b, value in five.items()))
shifted = replace(points, y=points.y + 10)
with_offset = solve(convex_geometry.program(shifted), tol=1e-8).value
without_offset = convex_geometry.reference(shifted, offset=False).solve(solver="CLARABEL")
result.measure(claims["offset_matters"], relative_gap(without_offset, with_offset))
result.save(rtol=1e-5, with_offset=with_offset, without_offset=without_offset)
regularised = cutting_plane(points, bias="regularised").network
away = np.abs(kinks_of(regularised, np.ones(1))[:, None] - points.X[:, 0]).min(1).max()
result.measure(claims["kinks_leave"], away, note="the kink farthest from a data point")

# %% tags=["nbval-check-output"]
print(f"targets shifted by ten: {with_offset:.4f} with a free offset, {without_offset:.4f} without")
print(f"regularised bias: a kink lies {away:.2f} away from the nearest data point")

# %% [markdown]
# ## 5 Classification on a line
#
# Any convex loss may stand where the squared loss stood: the classifier is $\operatorname{sign}(Kw+c_0)$, a kernel matrix
# $K$ with weights of smallest $\ell_1$ norm. With the hinge loss that is a linear program, solved as one here; the judge
# certifies the point. The decision function is a linear spline, so the ends of its regions are known exactly.

# %%
label_t = np.sort(rng.uniform(-2, 2, 14))
labels = Data(label_t[:, None], np.where(np.sin(2.2 * label_t) + 0.4 * rng.standard_normal(14) > 0, 1.0, -1.0), 0.1)
label_grid = np.linspace(-2.2, 2.2, 801)
result.save(rtol=1e-12, label_t=label_t, labels=labels.y, label_grid=label_grid)
Z, v = convex_geometry.by_master(labels, "logistic")
logistic = convex_geometry.program(labels, "logistic")
result.measure(claims["hinge"], certify(logistic, Z, witnesses=[v]).gap, note="logistic", seeds=[seed])
decisions = {"logistic": convex_geometry.spline(labels, logistic, Z)}

# %% [markdown]
# Without slack, the program is $\min\|w\|_1$ subject to $y_i(Kw+c_0)_i\ge1$. The hinge loss is an *exact* penalty for it:
# up to a threshold in $\beta$, read off the dual vector, hinge training finds the same classifier. Beyond it, margins are
# given up.

# %%
hard = hard_margin(dictionary(label_t)[0], labels.y)
for name, share in (("soft", 3.0), ("hard", 0.5)):
    case = replace(labels, beta=share * hard.threshold)
    hinge = convex_geometry.program(case, "hinge")
    Z, v = convex_geometry.by_master(case, "hinge")
    judged = certify(hinge, Z, witnesses=[v])
    decisions[name] = convex_geometry.spline(case, hinge, Z)
    result.measure(claims["hinge"], judged.gap, note=f"hinge, {share:g} of the threshold", seeds=[seed])
result.measure(claims["hard_margin"], judged.upper / case.beta / hard.cost - 1, note="upper bound", seeds=[seed])
result.measure(claims["hard_margin"], judged.lower / case.beta / hard.cost - 1, note="lower bound", seeds=[seed])
result.save(rtol=1e-5, hard_margin_cost=hard.cost, hard_margin_threshold=hard.threshold)

# %%
for name, network_1d in decisions.items():
    result.save(rtol=None, **{f"{name}_decision": network_1d.predict(label_grid[:, None])[:, 0]})
    result.save(rtol=None, **{f"{name}_ends": sign_changes(network_1d, np.ones(1), -2.2, 2.2)})
result.figure(
    "regions",
    figures.draw_regions(
        {"hard": "hinge, half the threshold", "soft": "hinge, three times the threshold", "logistic": "logistic loss"}
    ),
    "Decision functions are linear splines, so the ends of the decision regions are known exactly.",
)

# %% tags=["nbval-check-output"]
right = {name: bool((np.sign(net.predict(labels.X)[:, 0]) == labels.y).all()) for name, net in decisions.items()}
print("half the threshold: every label is on its side:", right["hard"])

# %% [markdown]
# ## 6 Interpolation, and when small weights mean few neurons
#
# As $\beta\to0$ the lasso becomes minimum-norm interpolation. With the slopes $s_i$ of the chords and
# $V=\sum|s_{i+1}-s_i|$ it costs $\max\big(V,\tfrac12(V+|s_1+s_{n-1}|)\big)$: connecting the dots is optimal. A dual vector
# that is *strictly* below one off the support proves that the network is the only one, and on a line with a free offset
# the sparsest. Without the certificate an l1 vertex may have more neurons than needed; without the offset, even with it.

# %%
x = np.arange(5.0)
targets = {"convex": (0, 1, 3, 6, 10), "zigzag": (0, 1, 0, 1, 0), "two bends": (0, 0, 0, 1, 3), "line": (0, 1, 2, 3, 4)}
rows, formula = [], []
for name, values in targets.items():
    y = np.array(values, dtype=float)
    found = smallest_weights(dictionary(x)[0], y)
    formula.append(found.cost - interpolation_cost(x, y))
    rows.append((name, found.cost, fewest(dictionary(x)[0], y), found.count, found.unique))
result.table(
    "sparsest",
    ["targets", "cost", "fewest neurons", "neurons of an l1 vertex", "certified unique"],
    [(*row[:3], row[3] if row[4] else "not unique", row[4]) for row in rows],
    caption="Minimum-norm interpolation of five points with a free offset.",
)

# %% [markdown]
# Five points by hand prove little. Random targets test the formula; targets planted with upward ramps to the right and
# downward ramps to the left are the ones that have a certificate, so they test what it promises.

# %%
ramps, at, sides = dictionary(x)
draw = np.random.default_rng([seed, 1])
inner = (at > x[0]) & (at < x[-1])
planted = (sides * inner * draw.integers(0, 3, (20, len(sides))) * draw.integers(0, 2, (20, len(sides)))) @ ramps.T
drawn = [(smallest_weights(ramps, y), y) for y in (*planted, *draw.integers(-3, 4, (20, 5)).astype(float))]
formula += [found.cost - interpolation_cost(x, y) for found, y in drawn]
excess = [count - least for _, _, least, count, unique in rows if unique]
excess += [found.count - fewest(ramps, y) for found, y in drawn if found.unique]
result.measure(claims["interpolation"], max(formula, key=abs), note="linear program minus formula", seeds=[seed])
result.measure(claims["sparsest"], max(excess), note=f"{len(excess)} targets with a certificate", seeds=[seed])

# %%
four, y = dictionary(np.arange(4.0))[0], np.array([-3.0, -3.0, -3.0, 0.0])
dense = smallest_weights(four, y, offset=False)
result.measure(claims["denser"], dense.count - fewest(four, y, offset=False), note="neurons too many")

# %% tags=["nbval-check-output"]
for name, cost, least, _, unique in rows:
    print(f"{name}: cost {cost:.4g}, {least} neurons are enough, certificate {'strict' if unique else 'not strict'}")
print(f"without an offset: unique l1 network with {dense.count} neurons, {fewest(four, y, offset=False)} would do")

# %% [markdown]
# ## 7 Spike-free data: one pattern, and formulas
#
# Without spikes the pattern $D=I$ carries the whole problem. For whitened, orthogonal, one-hot and rank-one data there is
# nothing left to solve. Each formula is compared with a solver, and handed to the judge as a network: the bound over *all*
# activation patterns is recomputed from it.

# %%
W, y = whiten_rows(rng.standard_normal((6, 9))), rng.standard_normal(6)
forms = {
    "whitened": (whitened, Data(W, y, 0.3)),
    "orthogonal": (orthogonal, Data(W * np.array([1, 2, 0.5, 3, 1, 1.5])[:, None], y, 0.3)),
    "one-hot": (one_hot, Data(W, np.eye(3)[[0, 0, 0, 1, 1, 2]], 0.3)),
}
for name, (form, case) in forms.items():
    exact = solve(one_pattern_program(case), tol=1e-8).value
    result.measure(claims["closed_forms"], relative_gap(form(case).value, exact), note=name, seeds=[seed])
ray = Data(np.outer(rng.standard_normal(6), [1.0, -2.0, 0.5]), y, 0.3)
result.measure(claims["rank_one"], relative_gap(rank_one(ray).value, solve(two_layer.program(ray), tol=1e-8).value))
for name, (form, case) in {**forms, "rank one": (rank_one, ray)}.items():
    patterns = two_layer.program(case)
    judged = certify(patterns, encode(case, form(case).network, patterns))
    result.measure(claims["forms_judged"], judged.gap, note=name, seeds=[seed])

# %% [markdown]
# Two counterexamples mark the border. *With* spikes the program with $D=I$ is only an upper bound. And the two-neuron
# interpolant $A^+y_+$, $A^+(-y)_+$ is **not** optimal on every spike-free matrix, only on orthogonal rows.

# %%
free = Data(stieltjes, y[:3], 0.1)
spiked = Data(np.hstack([rng.standard_normal((8, 2)), np.ones((8, 1))]), rng.standard_normal(8), 0.1)
one, every = (
    [solve(make(d), tol=1e-8).value for d in (free, spiked)] for make in (one_pattern_program, two_layer.program)
)
result.measure(claims["spike_free"], relative_gap(one[0], every[0]), seeds=[seed])
result.measure(claims["spikes_matter"], relative_gap(one[1], every[1]), seeds=[seed])

# %%
table = []
for y3 in ((1.0, 2.0, -1.0), (0.05, 1.0, -1.0)):
    best, formula_value = minimum_norm(stieltjes, np.array(y3)), two_neurons(stieltjes, np.array(y3)).value
    result.measure(claims["two_neurons"], relative_gap(formula_value, best), note=str(y3))
    table.append((str(y3), best, formula_value))
result.table("two_neurons", ["targets", "optimum", "two neurons"], table, "Minimum norm on a spike-free matrix.")

# %% tags=["nbval-check-output"]
print(f"spiked data: one pattern costs more than all patterns: {one[1] > 1.001 * every[1]}")
for name, best, formula_value in table:
    print(f"targets {name}: optimum {best:.4f}, two neurons {formula_value:.4f}")

# %% [markdown]
# ## 8 Cutting planes
#
# The dual has one constraint for each of infinitely many neurons. Add them a few at a time: re-weigh the neurons found so
# far, ask an oracle for those whose constraints the dual vector violates most. The exact oracle looks into every cell; the
# convex relaxation into the cell $Au\ge0$ alone. It sees less, so its network is too expensive: exact on spike-free data,
# an upper bound elsewhere.

# %%
exact_run, relaxed_run = cutting_plane(spiked, "exact"), cutting_plane(spiked, "relaxed")
result.measure(claims["cutting_plane"], relative_gap(exact_run.value, every[1]), note="exact oracle", seeds=[seed])
result.measure(claims["cutting_plane"], relative_gap(cutting_plane(free, "relaxed").value, every[0]), note="spike-free")
result.measure(claims["relaxed_above"], relative_gap(relaxed_run.value, exact_run.lower), seeds=[seed])
result.save(rtol=1e-5, cuts_optimum=every[1], relaxed_value=relaxed_run.value)
result.save(rtol=None, exact_history=exact_run.history, relaxed_history=relaxed_run.history)
result.figure(
    "cuts",
    figures.draw_cuts,
    "Cutting planes: the exact oracle closes on the certified optimum, the relaxed one on a network that costs more.",
)

# %% tags=["nbval-check-output"]
print("exact oracle converged:", exact_run.converged, "- covers every network:", exact_run.exact)
print("relaxed oracle converged:", relaxed_run.converged, "- covers every network:", relaxed_run.exact)

# %% [markdown]
# Every loss and every bias goes through the same two steps. The judge does not trust the run: it takes the network and the
# last dual vector, and computes its own bound over all cells.

# %%
plain, signed = rng.standard_normal((8, 2)), np.sign(rng.standard_normal(8))
for loss in ("squared", "squared_hinge", "hinge", "logistic"):
    for bias in ("none", "regularised", "unregularised"):
        case = Data(plain, signed, 0.1)
        cuts, cells = cutting_plane(case, loss=loss, bias=bias), two_layer.program(case, loss=loss, bias=bias)
        judged = certify(cells, encode(case, cuts.network, cells), witnesses=[cuts.v])
        result.measure(claims["cuts_judged"], judged.gap, note=f"{loss}, bias {bias}", seeds=[seed])

# %% [markdown]
# In the plane the result is a classifier one can look at. With a free bias an optimal neuron breaks along a line *through a
# sample*: the dual function is piecewise linear in the bias, so its maximum lies at a sample. The tangent kernel, fitted to
# the same labels, has no such lines.

# %%
disc = rng.standard_normal((24, 2))
ring = Data(disc, np.where(np.linalg.norm(disc, axis=1) > 1, 1.0, -1.0), 0.1)
separated = cutting_plane(ring, loss="hinge", bias="unregularised", tol=1e-7)
neurons = np.column_stack([p.detach().numpy() for p in (separated.network.U, separated.network.b)])
misses = np.abs(ring.X @ neurons[:, :2].T + neurons[:, 2]) / np.linalg.norm(neurons[:, :2], axis=1)
result.measure(claims["kinks_meet_samples"], misses.min(0).max(), note="distance from line to sample", seeds=[seed])
axis = np.linspace(-2.7, 2.7, 201)
plane = np.stack(np.meshgrid(axis, axis), axis=2).reshape(-1, 2)
kernel_plane = kernel_fit(ring.X, ring.y, ring.beta).predict(plane).reshape(201, 201)
result.save(rtol=1e-12, plane_X=ring.X, plane_labels=ring.y, plane_axis=axis)
result.save(rtol=None, plane_network=separated.network.predict(plane).reshape(201, 201), plane_kernel=kernel_plane)
result.save(rtol=None, plane_neurons=neurons, plane_touched=(misses.min(1) < 1e-6).astype(float))
result.figure(
    "plane",
    figures.draw_plane,
    "Left: every neuron of the certified network breaks along a line through a sample. Right: the tangent kernel.",
)

# %% tags=["nbval-check-output"]
print(
    "cutting planes converged:", separated.converged, "- every kink runs through a sample:", misses.min(0).max() < 1e-6
)

# %% [markdown]
# ## 9 Several outputs
#
# The norm of a neuron's output weights decides which dual norm its activations must obey: $\ell_2$ (weight decay) couples
# the outputs through $\|V^T(Au)_+\|_2\le\beta$; $\ell_1$ asks $|v_k^T(Au)_+|\le\beta$ of each output alone, so the
# problem falls apart into one for each output. They are different problems with different values.

# %%
many = Data(rng.standard_normal((7, 2)), rng.standard_normal((7, 3)), 0.1)
by_norm = {norm: vector_cutting_plane(many, norm) for norm in ("linf", "l2", "l1")}
apart = sum(solve(two_layer.program(Data(many.X, column, many.beta)), tol=1e-8).value for column in many.y.T)
result.measure(claims["separable"], relative_gap(by_norm["l1"].value, apart), note="l1 and the sum", seeds=[seed])
result.measure(
    claims["coupled"], relative_gap(by_norm["l1"].lower, by_norm["l2"].value), note="l1 over l2", seeds=[seed]
)
start = vector_network(rng.standard_normal((24, 2)), rng.standard_normal((24, 3)), "l2")
rivals = train(start, many, seeds=list(seeds)[:3], steps=1500)
result.measure(claims["outputs_no_training_below"], relative_gap(rivals.value, by_norm["l2"].lower), seeds=rivals.seeds)
result.save(rtol=1e-5, **{f"outputs_{norm}": run.value for norm, run in by_norm.items()})
result.table(
    "outputs",
    ["norm of output weights", "training objective", "lower bound"],
    [(norm, run.value, run.lower) for norm, run in by_norm.items()],
    caption="Three outputs: the same data under three norms, by cutting planes with the exact oracle of each.",
)

# %% tags=["nbval-check-output"]
print("all three converged:", all(run.converged for run in by_norm.values()))
print("one norm after the other costs more:", by_norm["linf"].value < by_norm["l2"].lower < by_norm["l1"].lower)

# %% [markdown]
# ## 10 Real data
#
# MNIST from the shipped cut, three times. *Whitened*: threes against eights with $AA^T=I$ (more pixels than images),
# squared loss, no bias; the optimum is a formula. *Components*: the same images on two principal components, hinge loss,
# free bias; there are spikes and the exact oracle enumerates every cell. *Ten digits*: whitened, one-hot targets, weight
# decay on ten outputs; again a formula. Test images enter raw where rows are whitened (whitening mixes training rows and is
# not applied to them) and through the training components otherwise.

# %%
digits = load("mnist", subset="shipped")
X, y = binary(digits, "3", "8")
X_train, y_train, X_test, y_test = split(X, y, seed=0)
n_white, n_two = (200, 60) if size == "quick" else (len(X_train), 100)
centre = X_train[:n_two].mean(0)
axes = np.linalg.svd(X_train[:n_two] - centre, full_matrices=False)[2][:2]
scale = ((X_train[:n_two] - centre) @ axes.T).std(0)
two, two_test = ((Z - centre) @ axes.T / scale for Z in (X_train[:n_two], X_test))
white = Data(whiten_rows(X_train[:n_white]), y_train[:n_white], real_beta)
problems = {
    "whitened": (white, X_test, "relaxed", "squared", "none"),
    "components": (Data(two, y_train[:n_two], real_beta), two_test, "exact", "hinge", "unregularised"),
}

# %% the cutting plane, the relaxation and Adam on each problem; the judge on the first
comparison, outcome = [], {}
for name, (case, held_out, oracle, loss, bias) in problems.items():
    optimum, relaxation = cutting_plane(case, oracle, 1e-5, loss=loss, bias=bias), one_pattern_program(case, loss, bias)
    cells = relaxation if oracle == "relaxed" else two_layer.program(case, loss=loss, bias=bias)
    judged = certify(cells, encode(case, optimum.network, cells), witnesses=[optimum.v])
    relaxed = solve(relaxation)
    runs = train(two_layer.network(50, case, loss=loss, bias=bias), case, seeds=list(seeds)[:3], steps=2000)
    methods = {
        "cutting plane": (optimum.value, optimum.network),
        "relaxation": (relaxed.value, two_layer.recover(case, relaxed)),
        "Adam": (runs.value, runs.best),
    }
    for method, (value, net) in methods.items():
        right = float(np.mean(np.sign(net.predict(held_out)[:, 0]) == y_test))
        comparison.append((name, case.n, case.d, method, value, 100 * right))
    kernel_right = np.mean(np.sign(kernel_fit(case.X, case.y, real_beta).predict(held_out)) == y_test)
    comparison.append((name, case.n, case.d, "tangent kernel", "another objective", 100 * float(kernel_right)))
    outcome[name] = (optimum, relaxed, runs, judged)

# %%
for name, (optimum, relaxed, runs, judged) in outcome.items():
    result.measure(claims["real_judged"], judged.gap, note=f"{name}, {judged.scope} scope")
    result.measure(claims["relaxed_above"], relative_gap(relaxed.value, judged.lower), note=f"MNIST, {name}")
    above = relative_gap(runs.value, judged.lower)
    result.measure(claims["real_no_training_below"], above, note=name, seeds=runs.seeds)
    result.save(rtol=1e-4, **{f"{name}_optimum": optimum.value, f"{name}_relaxed": relaxed.value})
    result.save(rtol=None, **{f"{name}_trained": runs.value})
    result.save(rtol=None, **{f"{name}_steps": runs.iterations, f"{name}_curves": runs.curves})
for note, value in (("cuts", outcome["whitened"][0].value), ("D = I", outcome["whitened"][1].value)):
    result.measure(claims["real_whitened"], relative_gap(value, whitened(white).value), note=note)

# %% ten digits: one formula against training with weight decay
images, classes = matrix(digits), digits.y
A_train, c_train, A_test, c_test = split(images, classes, seed=0)
n_ten = 200 if size == "quick" else 400
ten = Data(whiten_rows(A_train[:n_ten]), one_hot_targets(c_train[:n_ten], 10), real_beta)
formula_net = one_hot(ten)
wide = vector_network(rng.standard_normal((20, ten.d)), rng.standard_normal((20, 10)), "l2")
ten_runs = train(wide, ten, seeds=list(seeds)[:5], steps=600)
above = relative_gap(ten_runs.value, formula_net.value)
result.measure(claims["real_no_training_below"], above, note="ten digits", seeds=ten_runs.seeds)
result.save(rtol=1e-6, ten_optimum=formula_net.value)
result.save(rtol=None, ten_steps=ten_runs.iterations, ten_curves=ten_runs.curves)
for method, value, net in (
    ("closed form", formula_net.value, formula_net.network),
    ("Adam", ten_runs.value, ten_runs.best),
):
    right = float(np.mean(net.predict(A_test).argmax(1) == c_test))
    comparison.append(("ten digits", ten.n, ten.d, method, value, 100 * right))

# %%
result.table(
    "real_data",
    ["rows", "n", "d", "method", "training objective", "test accuracy, %"],
    comparison,
    caption="MNIST: certified optima, relaxation and gradient training (best seed), and the tangent kernel.",
)
result.figure(
    "real_data",
    figures.draw_real(
        {"whitened": "whitened rows", "components": "two components, hinge", "ten": "ten digits, whitened"}
    ),
    "Adam approaches the optimum from above; the relaxation is exact on whitened rows and too expensive on components.",
)

# %% tags=["nbval-check-output"]
for name, (optimum, relaxed, runs, judged) in outcome.items():
    verdict = "exact" if relaxed.value < optimum.value * 1.001 else "above the optimum"
    print(f"{name}: cutting plane covers every network: {optimum.exact}, relaxation {verdict}")
    print(f"{name}: any run below the bound: {bool(runs.curves.min() < judged.lower - 1e-9)}")
print("ten digits: any run below the formula:", bool(ten_runs.curves.min() < formula_net.value - 1e-9))

# %% [markdown]
# ## 11 Change this
#
# Each line below can be changed and run alone; the next cell does the first.
#
# * `beta`: at 0.001 the spline follows the noise, near `program.beta_max()` one or two neurons are left.
# * `seed`: other data; every sentence above must stay true.
# * The entries of `shapes`: give a row a positive multiple of another, or an obtuse angle, and watch the spikes.
# * `size="full"`: rank-one data in three dimensions, more seeds, more images.

# %% change this: the regularisation of the spline, as a share of the beta at which only the offset is left
share = 0.3
changed = replace(data, beta=share * program.beta_max())
changed_solution = solve(convex_geometry.program(changed))
changed_network = convex_geometry.recover(changed, changed_solution)

# %% tags=["nbval-check-output"]
print(changed_solution.status, "- neurons:", changed_network.width, "of", 2 * (data.n - 1), "ramps")
