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
# # Deep ReLU networks that collapse, and where collapse stops being optimal
#
# **Claim** (Ergen and Pilanci, arXiv 2002.09773; parallel networks: Wang, Ergen and Pilanci, arXiv 2110.06482). On
# whitened rows, $XX^T=I$, and targets with non-negative orthogonal columns $y_k$ (one-hot labels, say), a deep ReLU
# network of parallel branches has its optimum in closed form: one branch for each class, all layers of rank one,
#
# $$\min_B\ L\Big(\sum_k \tfrac{y_k}{\|y_k\|}B_k^T,\,Y\Big)+\tfrac{\beta L}{2}\sum_k\|B_k\|,\qquad
# \text{squared loss:}\quad \|B_k\|=\big(\|y_k\|-\tfrac{\beta L}{2}\big)_+ .$$
#
# Rank-one data give rank-one layers, one-dimensional data a linear spline, and batch normalisation of the last hidden
# layer does to any data what whitening does: **neural collapse** is then the global optimum.
#
# **Why it is true.** A branch whose layers have norm one maps whitened rows onto *every* vector $z\ge0$ of length at
# most one. So depth disappears from the fit and stays in the price of a branch of scale $s$. Pulls of different
# classes do not add up, so the copositive dual constraint splits into one inequality a class.
#
# **Three problems are called weight decay,** and every claim below says which one it is about. For layers of norms
# $a_1,\dots,a_L$ of a branch with $s=a_1\cdots a_L$:
#
# | name | penalty, times $\beta$ | least price of scale $s$ | convex in $s$ |
# | --- | --- | --- | --- |
# | power | $\frac12\sum_l a_l^L$ | $\frac L2 s$ | yes: the theorem above |
# | squared | $\frac12\sum_l a_l^2$ | $\frac L2 s^{2/L}$ | no for $L\ge3$: same directions, other scales |
# | fixed | $\frac12(a_{L-1}^2+a_L^2)$, other layers of norm $t$ | $s/t^{L-2}$ | yes: the inner problem of the paper |
#
# *Assumptions:* $\beta>0$; branches that end in one neuron; whitened or rank-one rows, or batch normalisation.

# %% tags=["parameters"]
size: str = "quick"  # "quick": two cores, under a minute; "full": more classes, seeds and steps
seed: int = 0
beta: float = 0.05  # regularisation of the whitened problem
spline_beta: float = 0.03  # of the problem on a line
collapse_beta: float = 0.3  # of the batch-normalised problem
real_beta: float = 0.01  # of the problems on real images
device: str = "auto"

# %%
from dataclasses import replace
from itertools import product

import numpy as np

from convexnn import Data, certify, report, solve, train
from convexnn.data import load
from convexnn.numerics import limit_threads, relative_gap, tensor
from convexnn.plotting import deep_relu as figures
from convexnn.theorems import deep_relu
from convexnn.theorems.deep_relu.branch_scale import SquaredClass
from convexnn.theorems.deep_relu.edge_network import collapsed_cost, edge_cost, edge_network, trained_scale
from convexnn.theorems.deep_relu.forms import rank_defects, rank_one, standard_bound, standard_network, whitened
from convexnn.theorems.deep_relu.networks import aligned, seeded_standard
from convexnn.theorems.deep_relu.neural_collapse import collapse, largest_cosine
from convexnn.theorems.deep_relu.normalised_network import normalised_form, seeded_normalised
from convexnn.theorems.deep_relu.row_whitening import undersampled
from convexnn.theorems.deep_relu.spline import kink_prices, recover_spline, spline_program, tent_network
from convexnn.theorems.shared.kinks import dictionary
from convexnn.theorems.shared.schatten import shrink, threshold
from convexnn.theorems.shared.sparsest import smallest_weights
from convexnn.types import Point

limit_threads()
claims = {claim.id.split(".")[1]: claim for claim in deep_relu.claims}
stated = {"beta": beta, "spline_beta": spline_beta, "collapse_beta": collapse_beta, "real_beta": real_beta}
result = report.Result("05_deep_relu", {"size": size, "seed": seed, **stated, "device": device})
seeds = range(seed, seed + (9 if size == "quick" else 30))
rng = np.random.default_rng(seed)

# %% [markdown]
# ## 1 Formulate, solve, certify
#
# Whitened rows, one-hot labels of classes of different sizes. The program has one row a class, but its dual constraint
# is checked for *every* non-negative feature, so the certificate speaks about all networks. The closed form is handed
# to the same judge as any solver's answer. The reference knows no classes: it relaxes non-negative factors to doubly
# non-negative matrices, a semidefinite lower bound, and has to give the same number.

# %%
data = replace(deep_relu.sample(size, seed), beta=beta)
labels = np.where(data.y[:, 0] > 0, 1.0, -1.0)
problems = {"squared": data, "cross_entropy": data, "logistic": replace(data, y=labels)}
solutions, table = {}, []
for (loss, case), depth in product(problems.items(), (2, 3, 5)):
    program = deep_relu.program(case, loss=loss, depth=depth)
    solution, form = solve(program, tol=1e-8, device=device), whitened(case, loss, depth)
    judged = certify(program, Point(form.rows[:, None]))
    achieved = deep_relu.objective(deep_relu.recover(case, solution), case)
    result.measure(claims["strong_duality"], solution.gap, note=f"{loss}, L = {depth}", seeds=[seed])
    result.measure(claims["closed_form"], judged.gap, note=f"{loss}, L = {depth}, power", seeds=[seed])
    result.measure(claims["recovery"], relative_gap(achieved, solution.value), note=loss, seeds=[seed])
    solutions[loss, depth] = solution
    table.append((loss, depth, form.value, int((form.scales > 0).sum()), judged.gap))
fixed = whitened(data, depth=4, penalty="fixed", t=1.3)
fixed_program = deep_relu.program(data, depth=4, penalty="fixed", t=1.3)
result.measure(claims["closed_form"], certify(fixed_program, Point(fixed.rows[:, None])).gap, note="L = 4, fixed")
small = deep_relu.sample("tiny", seed)
for loss in ("squared", "cross_entropy"):
    paper = deep_relu.reference(small, loss=loss).solve(solver="CLARABEL")
    result.measure(claims["reference"], relative_gap(whitened(small, loss).value, paper), note=loss, seeds=[seed])
result.save(rtol=1e-6, value=solutions["squared", 3].value, softmax=solutions["cross_entropy", 3].value)
result.table(
    "whitened",
    ["loss", "layers", "optimum (power)", "classes alive", "gap of the closed form"],
    table,
    "Certified optima for whitened rows: the closed form is the point that was judged.",
)

# %% tags=["nbval-check-output"]
print("scope of the certificates:", solutions["squared", 3].certificate.scope)
print("closed forms certified:", all(row[4] <= 1e-9 for row in table), "- classes alive:", table[0][3])

# %% [markdown]
# ## 2 Recover a network and try to break it; the other weight decay beside it
#
# Under *power* decay no run may end below the certified bound. Under *squared* decay the price is concave, the scale of
# a class is the larger root of $s-\|y_k\|+\beta s^{2/L-1}=0$ and jumps from zero at a threshold $\tau_L$, not at $\beta$; for the
# squared loss and for one output that formula is proved optimal among branches (Schatten quasi-norms are subadditive,
# then von Neumann), for several logits it is measured here. The printed soft threshold solves the power and the fixed
# problem; scored under squared decay it is *not* optimal.

# %%
small, few = replace(small, beta=beta), list(seeds)[:6]
runs, form_of = {}, {}
for penalty, depth in (("power", 3), ("power", 4), ("squared", 3), ("squared", 4), ("squared", 5)):
    form_of[penalty, depth] = whitened(small, depth=depth, penalty=penalty)
    rival = deep_relu.network(16, small, depth=depth, penalty=penalty)
    runs[penalty, depth] = train(rival, small, optimiser="lbfgs", seeds=few, steps=300)
for (penalty, depth), run in runs.items():
    value, note = form_of[penalty, depth].value, f"L = {depth}"
    bound = solve(deep_relu.program(small, depth=depth), tol=1e-9).lower if penalty == "power" else value
    kind = ("no_training_below", "training_reaches") if penalty == "power" else ("squared_below", "squared_reaches")
    result.measure(claims[kind[0]], relative_gap(run.value, bound), note=note, seeds=run.seeds)
    result.measure(claims[kind[1]], relative_gap(run.value, value), note=note, seeds=run.seeds)
softmax = train(
    deep_relu.network(9, small, loss="cross_entropy", penalty="squared"), small, "lbfgs", seeds=few, steps=600
)
softmax_form = whitened(small, "cross_entropy", 3, "squared")
result.measure(claims["softmax_squared"], relative_gap(softmax.value, softmax_form.value), seeds=softmax.seeds)

# %%
rows = []
for depth in (2, 3, 4, 5):
    forms = {penalty: whitened(data, depth=depth, penalty=penalty) for penalty in ("power", "squared", "fixed")}
    live = forms["power"].scales > 0
    soft = forms["power"]
    directions = (data.X.T @ (data.y / np.linalg.norm(data.y, axis=0))).T[live], np.eye(len(live))[live]
    printed = aligned(*directions, soft.scales[live], depth, "squared", 1.0).objective(data)
    if depth > 2:
        result.measure(
            claims["wrong_threshold"], relative_gap(printed, forms["squared"].value), note=f"L = {depth}", seeds=[seed]
        )
    rows.append((depth, *(forms[p].value for p in ("power", "fixed", "squared")), printed))
result.table(
    "three_problems",
    ["layers", "power", "fixed, t = 1", "squared", "soft thresholds scored under squared decay"],
    rows,
    "The three problems called weight decay have three optima for L >= 3; squared loss, the data of section 1.",
)

# %%
tau = threshold(beta, 3)
miss = []
for sigma in (0.99 * tau, 1.01 * tau):
    one = Data(np.eye(1), np.array([sigma]), beta)
    run = train(deep_relu.network(4, one, penalty="squared"), one, "lbfgs", seeds=few, steps=500)
    miss.append(run.best.scales().max() - float(shrink(sigma, beta, 3)))
result.measure(claims["jump"], max(miss, key=abs), note="scale at 0.99 and 1.01 tau_3 minus formula", seeds=few)
for K in (3, 6):
    identity = Data(np.eye(K), np.eye(K), 0.02)
    run = train(seeded_standard([K, 2 * K, 2 * K, K]), identity, "lbfgs", seeds=few, steps=400)
    collapsed = whitened(identity, depth=3, penalty="squared").value
    result.measure(claims["standard_three"], relative_gap(run.value, collapsed), note=f"K = {K}", seeds=run.seeds)
    result.measure(
        claims["standard_bound"], relative_gap(run.value, standard_bound(identity, 3)), note=f"K = {K}", seeds=run.seeds
    )

# %%
sigma = np.linspace(0, 1.5, 601)
depths = np.array([3, 4, 5])
result.save(
    rtol=1e-6,
    sigma=sigma,
    price_depths=depths,
    scale_power=np.array([SquaredClass(s).best(1.5 * beta) for s in sigma]),
    scale_squared=np.array([shrink(sigma, beta, int(L)) for L in depths]),
)
result.save(
    rtol=None,  # where a run ends depends on the CPU
    excess=np.array([run.final - form_of[key].value for key, run in runs.items()]),
    excess_squared=np.array([int(penalty == "squared") for penalty, _ in runs]),
    excess_depth=np.array([depth for _, depth in runs]),
)
result.figure(
    "prices",
    figures.draw_prices,
    "Left: a class shrinks continuously under power decay and jumps under squared decay. Right: training from many "
    "seeds against the formulas.",
)

# %% tags=["nbval-check-output"]
lowest = min(float((run.final - form_of[key].value).min()) for key, run in runs.items())
print("any run of branches below its formula by more than 1e-9:", lowest < -1e-9)
print("every problem reached by some seed to 1e-5:", all(r.value - form_of[k].value < 1e-5 for k, r in runs.items()))

# %% [markdown]
# ## 3 Rank-one data: every layer has rank one
#
# $X=ca^T$ with $c\ge0$, five fully connected layers, *squared* decay. The optimum is a line through the origin, and every
# layer passes one direction on. With $c$ of *both* signs the network can use $(c)_+$ and $(-c)_+$ separately, and when
# the target needs them with opposite signs, the second layer has rank two: the first place where the statement stops.

# %%
wide = (20, 16, 12, 8) if size == "quick" else (50, 40, 30, 20)
c, a = np.abs(rng.standard_normal(15)), rng.standard_normal(10)
line = Data(np.outer(c, a), c + 0.5 * rng.standard_normal(15), 0.1)
run = train(seeded_standard([10, *wide, 1]), line, "lbfgs", few, steps=400, record=rank_defects)
formula = rank_one(line, 5, "squared")
winner = int(run.final.argmin())
result.measure(claims["rank_one_value"], relative_gap(run.value, formula.value), note="squared, L = 5", seeds=few)
result.measure(claims["rank_one_layers"], rank_defects(run.best).max(), note="squared, L = 5", seeds=few)
branch_run = train(deep_relu.network(4, line, depth=3), line, "lbfgs", few, steps=500)
result.measure(
    claims["rank_one_value"], relative_gap(branch_run.value, rank_one(line, 3).value), note="power, L = 3", seeds=few
)
mixed = np.array([1, 0.5, 2, -1, -0.7, -1.5])
both = Data(np.outer(mixed, [1, 2, 2]), np.maximum(mixed, 0) - 0.6 * np.maximum(-mixed, 0), 0.05)
signs_run = train(seeded_standard([3, 6, 6, 1]), both, "lbfgs", few, steps=400)
signs_power = train(deep_relu.network(6, both), both, "lbfgs", few, steps=500)
result.measure(claims["mixed_signs"], rank_defects(signs_run.best).max(), note="squared, L = 3", seeds=signs_run.seeds)
moved = int(np.flatnonzero(np.diff(run.curves[winner])).max()) + 2
result.save(
    rtol=None,
    rank_steps=run.iterations[:moved],
    rank_path=run.recorded[winner, :moved],
    rank_excess=run.curves[winner, :moved] - formula.value,
)
result.save(rtol=1e-6, rank_one_squared=formula.value, rank_one_power=rank_one(line, 5).value)
result.figure(
    "rank_one",
    figures.draw_rank_one,
    "Rank-one data with c >= 0: the layers of a trained five-layer network become rank one (squared decay, best seed).",
)

# %% tags=["nbval-check-output"]
print(f"five layers, squared decay {formula.value:.5f}; power decay is another problem: {rank_one(line, 5).value:.5f}")
print(
    f"both signs, three layers, squared decay {signs_run.value:.5f}; branches under power decay {signs_power.value:.5f}"
)
print("layers of rank one to 1e-6:", bool(rank_defects(run.best).max() < 1e-6))
print("with both signs a layer has rank two:", bool(rank_defects(signs_run.best).max() > 0.01))

# %% [markdown]
# ## 4 On a line: a spline, under conditions that cannot be dropped
#
# On $t\ge0$ with free biases in the *last hidden layer alone* and *power* decay, depth adds nothing: the network is the
# lasso over kinks at the data, with $\beta L/2$. Three borders, each with the cheaper network in hand. Data of *both
# signs*: the tent costs 4 as a spline and 2 with three layers. *Biases in every hidden layer*: training ends below the
# spline. *Squared* decay: the price is concave, and one kink *between* two data points beats two kinks at them.

# %%
t, y = np.array([0.2, 0.7, 1.1, 1.6, 2.0]), np.array([0.3, 1.2, 0.1, -0.5, 0.6])
on_line = Data(t[:, None], y, spline_beta)
spline = solve(spline_program(on_line), tol=1e-9)
deep_spline = recover_spline(on_line, spline)
last, free = (
    train(deep_relu.network(16, on_line, biases=biases), on_line, seeds=few, steps=1000) for biases in ("last", "all")
)
result.measure(claims["spline"], spline.gap, note="power, L = 3")
result.measure(claims["spline_recovery"], relative_gap(deep_spline.objective(on_line), spline.value))
result.measure(claims["spline_training"], relative_gap(last.value, spline.lower), seeds=few)
result.measure(claims["inner_biases"], relative_gap(spline.value, free.value), note="power, L = 3", seeds=few)
other_decay = train(deep_relu.network(16, on_line, biases="last", penalty="squared"), on_line, "lbfgs", few, steps=600)
tent_t = np.arange(-2.0, 3.0)
tent, tent_y = tent_network(), np.maximum(1 - np.abs(tent_t), 0)
shallow = smallest_weights(dictionary(tent_t)[0], tent_y).cost
exact = np.abs(tent.predict(tent_t[:, None])[:, 0] - tent_y).max() < 1e-12
result.measure(claims["tent"], (shallow - tent.scales()[0]) / shallow if exact else np.nan, note="cost of the tent")

# %%
points = np.arange(4.0)
between = np.linspace(1, 2, 41)
squared = [kink_prices(points, at, 3) for at in between]
linear = [1.5 * smallest_weights(dictionary(points)[0], np.maximum(points - at, 0)).cost for at in between]
middle = squared[len(between) // 2]
result.measure(claims["kink_between"], relative_gap(middle.at_data, middle.between), note="L = 3, kink at 1.5")
grid = np.linspace(0, 2.2, 441)
result.save(rtol=1e-6, spline_t=t, spline_y=y, spline_value=spline.value, tent_shallow=shallow)
result.save(rtol=1e-6, between=between, price_squared=np.array([p.at_data for p in squared]))
result.save(rtol=1e-6, price_linear=np.array(linear), price_ramp=middle.between, tent_deep=float(tent.scales()[0]))
result.save(
    rtol=None,
    spline_grid=grid,
    spline_fit=deep_spline.predict(grid[:, None])[:, 0],
    spline_free=free.best.predict(grid[:, None])[:, 0],
    spline_free_value=free.value,
)
result.figure(
    "splines",
    figures.draw_splines,
    "Left: the optimal spline with last-layer biases, and a cheaper network with biases everywhere (power decay, L = 3). "
    "Right: interpolating one ramp, L = 3.",
)

# %% tags=["nbval-check-output"]
print(f"the tent: {shallow:.3g} as a spline, {tent.scales()[0]:.3g} with three layers")
print(f"power decay {spline.value:.3f}; squared decay, which is another problem, at most {other_decay.value:.3f}")
print(f"spline program {spline.value:.5f}; biases everywhere end below: {bool(free.value < spline.value - 0.01)}")
print(f"kink at 1.5, squared decay: {middle.between:.4f} by one ramp, {middle.at_data:.4f} by kinks at the data")

# %% [markdown]
# ## 5 Batch normalisation and neural collapse
#
# Normalising the last hidden layer (length one over the batch, then gain and shift, both decayed) turns *any* features
# whose range holds the labels into the whitened case; depth below carries no penalty, so power and squared decay agree
# here. With balanced classes the optimum has NC1 to NC4 all zero: one feature vector a class, centred means a simplex,
# the classifier along them, nearest-mean decisions. Trained networks get there. The printed weights ($g^2+a^2=1$) belong
# to the rescaled penalty: under the squared one they cost more until they are balanced.

# %%
classes, each = (3, 8) if size == "quick" else (10, 20)
balanced = np.repeat(np.arange(classes), each)
images = Data(rng.standard_normal((len(balanced), len(balanced) + 6)), np.eye(classes)[balanced], collapse_beta)
normalised, optimum = normalised_form(images)


def metrics(network):
    return collapse(network.hidden(tensor(images.X)).detach().numpy(), network.A.detach().numpy(), balanced)


run = train(seeded_normalised(3 * classes, images), images, "lbfgs", few[:2], steps=1500, record=metrics)
winner = int(run.final.argmin())
result.measure(claims["batch_norm"], relative_gap(normalised.objective(images), optimum), seeds=[seed])
result.measure(claims["batch_norm_training"], relative_gap(run.value, optimum), seeds=run.seeds)
result.measure(claims["batch_norm_below"], relative_gap(run.value, optimum), seeds=run.seeds)
printed = normalised_form(images, balance=False)[0].objective(images)
result.measure(claims["unbalanced"], relative_gap(printed, optimum), seeds=[seed])
result.measure(claims["collapse"], max(metrics(normalised)), note="closed form", seeds=[seed])
result.measure(claims["collapse_trained"], max(metrics(run.best)), note="best run", seeds=run.seeds)
deep = train(seeded_normalised(2 * classes, images, hidden=(len(balanced) + 6,)), images, "lbfgs", few[:2], steps=400)
result.measure(
    claims["batch_norm_below"], relative_gap(deep.value, optimum), note="one hidden layer below", seeds=few[:2]
)

# %% [markdown]
# Classes of *different* sizes keep orthogonal features of unequal length: no simplex. As $\beta$ grows, small classes
# vanish first, class $k$ exactly at $\beta=\sqrt{n_k}$.

# %%
counts = np.array([8, 4, 1])
uneven = np.repeat(np.arange(3), counts)
unequal = Data(rng.standard_normal((13, 16)), np.eye(3)[uneven], collapse_beta)
skewed = normalised_form(unequal)[0]
H = skewed.hidden(tensor(unequal.X)).detach().numpy()
result.measure(claims["imbalanced"], collapse(H, skewed.A.detach().numpy(), uneven).nc2, note="NC2", seeds=[seed])
orthogonal = largest_cosine(H, uneven)
white = replace(unequal, X=np.eye(13))
crossing = 0.0
for k, root in enumerate(np.sqrt(counts)):
    above, below = (solve(deep_relu.program(replace(white, beta=root * f), depth=2), tol=1e-9) for f in (1.001, 0.999))
    crossing = max(crossing, np.abs(above.Z[k]).max(), 0.0 if below.Z[k].any() else 1.0)
result.measure(claims["minority"], crossing, note="size above the threshold, 1 if zero below")
uneven_run = train(
    seeded_normalised(9, unequal),
    unequal,
    "lbfgs",
    few,
    steps=4000,
    record=lambda net: collapse(net.hidden(tensor(unequal.X)).detach().numpy(), net.A.detach().numpy(), uneven),
)
lowest = int(uneven_run.final.argmin())
settled = uneven_run.best.hidden(tensor(unequal.X)).detach().numpy()
last = collapse(settled, uneven_run.best.A.detach().numpy(), uneven)
result.measure(claims["imbalanced_trained"], max(last.nc1, largest_cosine(settled, uneven)), seeds=uneven_run.seeds)
result.measure(claims["imbalanced"], last.nc2, note="NC2, trained", seeds=uneven_run.seeds)
betas = np.linspace(0.01, 3.2, 160)
scales = np.array([whitened(replace(white, beta=b), depth=2).scales for b in betas])
moved = int(np.flatnonzero(np.diff(run.curves[winner])).max()) + 2
still = int(np.flatnonzero(np.diff(uneven_run.curves[lowest])).max()) + 2
result.save(rtol=None, uneven_steps=uneven_run.iterations[:still], uneven_path=uneven_run.recorded[lowest, :still])
result.save(rtol=1e-6, class_betas=betas, class_scales=scales, class_counts=counts, normalised_optimum=optimum)
result.save(
    rtol=None,
    path_steps=run.iterations[:moved],
    path=run.recorded[winner, :moved],
    path_excess=run.curves[winner, :moved] - optimum,
)
result.figure(
    "collapse",
    figures.draw_collapse,
    "The four metrics along training, for balanced classes and for classes of 8, 4 and 1. Right: unequal classes vanish.",
)

# %% tags=["nbval-check-output"]
print("unequal classes, trained: orthogonal to 1e-5:", bool(largest_cosine(settled, uneven) < 1e-5))
print("NC1 to NC4 below 1e-6: closed form", max(metrics(normalised)) < 1e-6, "- trained", max(metrics(run.best)) < 1e-6)
print(
    "unequal classes: features orthogonal",
    bool(orthogonal < 1e-9),
    "- simplex",
    collapse(H, skewed.A.detach().numpy(), uneven).nc2 < 0.01,
)

# %% [markdown]
# ## 6 Where collapse is not optimal
#
# All of this was about branches that end in one neuron, or about the last layers only. A *fully connected* network under
# *squared* decay may share hidden neurons between classes. Let the classes be the edges of a complete graph and the hidden
# neurons its vertices: $(B(B^T-\frac12\mathbf 1\mathbf 1^T))_+=I$, with fewer neurons than classes. With five layers it
# is cheaper than the collapsed network from six classes (four vertices) on, so deep neural collapse is *not* globally
# optimal, and plain L-BFGS from random starts goes below collapse too. Up to four layers this graph gains nothing. (That
# deep collapse can lose to networks of lower rank is the subject of Sukenik et al., arXiv 2405.14468.)
# What remains for fully connected networks is the dual bound.

# %%
errors, ratios = [], np.empty((4, 6))
graph_sizes, graph_depths = np.array([4, 5, 6, 8]), np.arange(3, 9)
for (i, v), (j, depth) in product(enumerate(graph_sizes), enumerate(graph_depths)):
    built, K = edge_network(int(v), int(depth)), int(v * (v - 1) // 2)
    fit = np.abs(built.predict(np.eye(K)) - np.eye(K)).max()
    errors.append(max(fit, abs(relative_gap(built.penalty().item(), edge_cost(v, depth)))))
    ratios[i, j] = built.penalty().item() / collapsed_cost(K, int(depth))
ten = edge_network(5, 5)
flat_ten = standard_network(Data(np.eye(10), np.eye(10), 1e-9), 5)
costs = ten.penalty().item(), flat_ten.penalty().item()
result.measure(claims["edges_cost"], max(errors), note="fit and cost")
result.measure(claims["edges"], relative_gap(costs[1], costs[0]), note="ten classes, L = 5")

# %%
identity = Data(np.eye(10), np.eye(10), 0.02)
full = {"collapsed": [], "edges": [], "bound": [], "runs": []}
for depth in (3, 4, 5):
    run = train(seeded_standard([10, *[20] * (depth - 1), 10]), identity, "lbfgs", few[:3], steps=400)
    best_edges = edge_network(5, depth, trained_scale(5, depth, identity.beta)).objective(identity)
    full["collapsed"].append(standard_network(identity, depth).objective(identity))
    full["edges"].append(best_edges)
    full["bound"].append(standard_bound(identity, depth))
    full["runs"].append(run.final)
    result.measure(
        claims["standard_bound"],
        relative_gap(run.value, full["bound"][-1]),
        note=f"K = 10, L = {depth}",
        seeds=run.seeds,
    )
beaten = relative_gap(full["collapsed"][2], full["runs"][2].min())
result.measure(claims["collapse_beaten"], beaten, note="K = 10, L = 5", seeds=run.seeds)
result.save(rtol=1e-6, edge_depths=graph_depths, edge_vertices=graph_sizes, edge_ratio=ratios)
result.save(rtol=1e-6, full_depths=depths, full_collapsed=full["collapsed"], full_edges=full["edges"])
result.save(rtol=1e-6, full_bound=full["bound"])
result.save(rtol=None, full_runs=np.array(full["runs"]))
result.figure(
    "edges",
    figures.draw_edges,
    "Left: interpolation, edge network over collapsed network. Right: ten classes, beta = 0.02, squared decay.",
)

# %% tags=["nbval-check-output"]
print(f"ten classes, five layers: edge network {costs[0]:.3f}, collapsed network {costs[1]:.3f}")
print("ten classes, five layers, training ends below the collapsed network:", bool(beaten > 1e-3))
for depth, collapsed in zip((3, 4, 5), full["collapsed"]):
    branches = whitened(identity, depth=depth, penalty="power").value
    print(f"L = {depth}: collapsed, squared decay {collapsed:.4f}; the optimum of branches, power decay {branches:.4f}")

# %% [markdown]
# ## 7 Real images
#
# MNIST and CIFAR-10, shipped cuts, few images of each class drawn at random, 150 principal components, whitened rows,
# one-hot labels, *squared* loss and *squared* decay, fully connected networks of width 50: the closed form, built without
# training, against SGD with momentum. Whitening is a map $T$ of the features, so test images go through it too; the
# collapsed network classifies like minimum-norm least squares on the few images. Hence the modest accuracy, near chance
# on CIFAR-10, for the formula and for SGD alike. The closed form is optimal among branches; for fully connected networks
# only the dual bound is proved (section 6), and at $L=5$ ten classes are enough for cheaper networks to exist, so "the
# closed form is lowest" is a statement about what SGD finds.

# %%
per_class, steps, width = (6, 1200, 50) if size == "quick" else (9, 30000, 50)
outcome, finals = [], {}
for name in ("mnist", "cifar10"):
    train_set, test_set = (load(name, part, subset="shipped") for part in ("train", "test"))
    X, Y, X_test, y_test = undersampled(train_set, test_set, per_class, 150, seed)
    case = Data(X, Y, real_beta, name)
    theory, bound, sgd, right = [], [], [], []

    def accuracy(net, X=X_test, y=y_test):
        return [float(np.mean(net.predict(X).argmax(1) == y))]

    for depth in (3, 4, 5):
        built = standard_network(case, depth, width)
        start = seeded_standard([case.d, *[width] * (depth - 1), 10])
        run = train(start, case, "sgd", few[:3], steps=steps, learning_rate=3.0, record=accuracy)
        right.append((accuracy(built)[0], run.recorded[:, -1, 0].mean()))
        theory.append(built.objective(case))
        bound.append(standard_bound(case, depth))
        sgd.append(run.final)
        note = f"{name}, L = {depth}"
        result.measure(claims["real_lowest"], relative_gap(run.value, theory[-1]), note=note, seeds=run.seeds)
        result.measure(claims["standard_bound"], relative_gap(run.value, bound[-1]), note=note, seeds=run.seeds)
        power = whitened(case, depth=depth).value
        outcome.append((name, depth, theory[-1], run.value, bound[-1], power, *(100 * share for share in right[-1])))
    lead = float(np.mean([closed - trained for closed, trained in right]))
    result.measure(claims["real_accuracy"], lead, note=f"{name}, mean over depths and seeds", seeds=few[:3])
    finals[name] = (np.array(theory), np.array(sgd))
    result.save(rtol=1e-6, **{f"{name}_depths": depths, f"{name}_theory": theory, f"{name}_bound": bound})
    result.save(rtol=None, **{f"{name}_sgd": np.array(sgd)})
    branches = train(deep_relu.network(20, case, penalty="squared"), case, seeds=few[:2], steps=500)
    result.measure(
        claims["squared_below"], relative_gap(branches.value, theory[0]), note=f"{name}, branches", seeds=few[:2]
    )
result.table(
    "real_data",
    [
        "images",
        "layers",
        "closed form (squared)",
        "best SGD (squared)",
        "lower bound (squared)",
        "closed form (power, branches)",
        "test accuracy closed form, %",
        "test accuracy SGD (mean), %",
    ],
    outcome,
    caption=f"Ten classes, {per_class} images each, width 50; shipped cuts; best of three seeds.",
)
result.figure(
    "real_data",
    figures.draw_real({"mnist": "MNIST (shipped cut)", "cifar10": "CIFAR-10 (shipped cut)"}),
    "Squared decay: the closed form without training, SGD with momentum, and the dual bound for every width.",
)

# %% tags=["nbval-check-output"]
for name, (theory, sgd) in finals.items():
    print(f"{name}: any SGD run below the closed form: {bool((sgd.min(1) < theory * (1 - 1e-6)).any())}")

# %% [markdown]
# ## 8 Change this
#
# * `beta`: in the table of section 2 the three problems part as it grows; near $\|y_k\|$ classes die one by one.
# * `collapse_beta`: above $\sqrt{n_k}$ nothing is left to collapse, and the metrics are not defined.
# * The targets of section 1: give two columns of `Y` an overlap, and the closed form refuses them.
# * `deep_relu.network(...)` with fewer branches than classes: training stays above the certified value. One hidden neuron a
#   branch (`hidden=1`) is enough.
# * Section 6: more vertices, more layers; `real_beta=0.1` on real images.
# * `size="full"`: ten classes, more seeds, nine images of each class and long SGD runs.
