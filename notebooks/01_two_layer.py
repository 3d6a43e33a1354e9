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
# # Two-layer ReLU networks are convex regularisers
#
# **Claim** (Pilanci and Ergen, arXiv 2002.10553). Training a two-layer ReLU network with weight decay,
#
# $$p^\star=\min_{m,\,u_j,\,a_j}\ \tfrac12\Big\|\sum_{j=1}^m (Xu_j)_+a_j-y\Big\|^2+\tfrac\beta2\sum_{j=1}^m\big(\|u_j\|^2+a_j^2\big),$$
#
# is, for every width $m\ge m^\star$ with $m^\star\le n+1$, the convex program
#
# $$\min_{v_i,w_i}\ \tfrac12\Big\|\sum_{i=1}^P D_iX(v_i-w_i)-y\Big\|^2+\beta\sum_{i=1}^P\big(\|v_i\|+\|w_i\|\big)
# \quad\text{s.t.}\quad (2D_i-I)Xv_i\ge0,\ (2D_i-I)Xw_i\ge0,$$
#
# where $D_1,\dots,D_P$ are all activation patterns $\mathrm{diag}(1[Xh\ge0])$ of the data.
#
# **Why it is true.** Rescaling a neuron, $(u,a)\to(tu,a/t)$, leaves the network alone, and the best $t$ turns weight
# decay into $\beta\|u\||a|$. Inside the cell of one pattern $(Xu)_+=D_iXu$ is linear, and neurons of one cell and one
# sign can be added up without raising the penalty. So a network *is* a choice of one vector $v_i$ and one $w_i$ per
# cell, and the converse map splits them again.
#
# *Assumptions:* $\beta>0$, weight decay on both layers, enough neurons. Nothing is assumed about $X$ and $y$.

# %% tags=["parameters"]
size: str = "quick"  # "quick": two cores, about a minute; "full": larger data, more seeds
seed: int = 0
beta: float = 0.1  # regularisation of the synthetic problem
beta_share: float = 0.05  # real data: beta as a share of the program's beta_max
device: str = "auto"

# %%
from dataclasses import replace

import numpy as np

from convexnn import Data, certify, plotting, report, solve, study, train
from convexnn.data import binary, load
from convexnn.neurons import simplify
from convexnn.numerics import limit_threads, relative_gap, tensor
from convexnn.patterns import count_patterns, enumerate_patterns, sample_patterns
from convexnn.plotting.sliders import slider
from convexnn.theorems import two_layer

limit_threads()
claims = {claim.id.split(".")[1]: claim for claim in two_layer.claims}
result = report.Result(
    "01_two_layer", {"size": size, "seed": seed, "beta": beta, "beta_share": beta_share, "device": device}
)
seeds = range(seed, seed + (10 if size == "quick" else 50))

# %% [markdown]
# ## 1 The program
#
# Two-dimensional data, so that everything can be drawn. The lines $x_k^Tu=0$ cut the circle of directions into arcs;
# each arc is a pattern. The enumeration must find exactly as many as the counting formula
# $2\sum_{k<r}\binom{n-1}{k}$ says.

# %%
data = replace(two_layer.sample(size, seed), beta=beta)
D = enumerate_patterns(data.X)
program = two_layer.program(data, patterns="all")
result.measure(claims["count"], D.shape[1] - count_patterns(data.n, data.d), seeds=[seed])
result.save(rtol=0, n=data.n, d=data.d, pattern_count=D.shape[1])

# %% tags=["nbval-check-output"]
print(f"{data.n} samples in dimension {data.d}: {D.shape[1]} patterns, formula {count_patterns(data.n, data.d)}")

# %% [markdown]
# ## 2 The solution and its certificate
#
# The judge takes the returned point, computes a dual vector $v$ from its residual, bounds
# $\max_{\|u\|\le1}|v^T(Xu)_+|\le\beta$ over every cell (a projection on the cone where a cheaper bound does not settle
# it), scales $v$ until it fits, and reports both bounds in float64 with room for rounding.
# All patterns are in the program, so the lower bound holds for **every** network of **every** width. The same program
# in the paper's letters, handed to a general conic solver, must agree.

# %%
solution = solve(program, tol=1e-7, device=device)
certificate = certify(program, solution)
few_patterns = D if D.shape[1] <= 500 else sample_patterns(data.X, 60, seed=seed)  # a general solver is slow on more
paper = two_layer.reference(data, few_patterns).solve(solver="CLARABEL")
ours = solution if few_patterns is D else solve(two_layer.program(data, few_patterns), tol=1e-7)
result.measure(claims["strong_duality"], certificate.gap, seeds=[seed])
result.measure(claims["reference"], relative_gap(ours.value, paper), seeds=[seed])
result.save(rtol=1e-5, value=solution.value, lower=solution.lower, paper=paper)
result.save(rtol=None, solve_s=solution.elapsed_s)

# %% tags=["nbval-check-output"]
print(solution.status, "at", certificate.scope, "scope; rounded to five digits:", f"{solution.value:.5g}")

# %% [markdown]
# ## 3 The network
#
# Each non-zero $v_i$ becomes a neuron $u=v_i/\sqrt{\|v_i\|}$, $a=\sqrt{\|v_i\|}$, each $w_i$ one with $a<0$. A neuron on
# the border of two cells may arrive in pieces, so parallel pieces are merged and linearly dependent features pruned,
# which costs nothing at an optimum and leaves at most $n$ neurons.

# %%
network = two_layer.recover(data, solution)
small = simplify(network, data.X)
achieved = two_layer.objective(small, data)
result.measure(claims["recovery"], relative_gap(two_layer.objective(network, data), solution.value), seeds=[seed])
spare = data.n - small.width if achieved <= solution.value * (1 + 1e-6) else -np.inf
result.measure(claims["pruning"], spare, note="n minus the neurons left, if the objective is kept", seeds=[seed])
result.measure(claims["minimum_width"], spare + 1, note="n + 1 minus the neurons left", seeds=[seed])
result.save(rtol=1e-5, recovered=achieved)
result.save(rtol=0, atol=2, minimum_width=small.width)

# %% tags=["nbval-check-output"]
print(f"the pruned network reaches the program's value: {abs(achieved - solution.value) < 1e-6 * abs(achieved)}")
print(f"at most n + 1 neurons: {small.width <= data.n + 1}")

# %% [markdown]
# The dual constraint, drawn over the circle, is the whole theorem in one picture: $v^T(Xu)_+$ stays between $-\beta$
# and $\beta$, and the neurons sit where it touches.

# %%
if data.d == 2:
    angles = np.linspace(0, 2 * np.pi, 1441)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    U, A = small.U.detach().numpy(), small.A.detach().numpy()[:, 0]
    result.save(
        rtol=1e-3,
        X=data.X,
        angles=angles,
        dual_function=certificate.v[:, 0] @ np.maximum(data.X @ circle.T, 0),
    )
    touch = np.abs(certificate.v[:, 0] @ np.maximum(data.X @ (U / np.linalg.norm(U, axis=1)[:, None]).T, 0)) / beta
    result.save(rtol=None, smallest_touch=touch.min())
    result.save(
        rtol=None, neuron_angles=np.arctan2(U[:, 1], U[:, 0]), neuron_signs=np.sign(A), neurons=U * np.abs(A)[:, None]
    )
    result.save(rtol=0, beta=data.beta)
    result.figure(
        "dual_function",
        plotting.draw_dual_function,
        f"Left: the dual function touches its bounds at the neurons (to {1 - touch.min():.0e}). Right: the neurons.",
    )

# %%
residual = program.residual(tensor(solve(program, tol=1e-9).Z))  # the residual is as exact as the gap's square root
dual_norm = float(program.polars(residual)[0].max())
result.measure(claims["dual_norm"], dual_norm / data.beta - 1, seeds=[seed])
top = program.beta_max()
edge = {share: solve(program.with_beta(share * top), tol=1e-9) for share in (1.001, 0.999)}
crossing = max(np.abs(edge[1.001].Z).max(), 0.0 if edge[0.999].Z.any() else 1.0)
result.measure(claims["zero_threshold"], crossing, note="size of Z just above beta_max, 1 if zero just below")
result.save(rtol=1e-6, beta_max=top)

# %% [markdown]
# ## 4 Try to break it: gradient training from many seeds
#
# No network may end below the certified bound. Wide ones should reach it; narrow ones cannot, and the theorem does not
# say they can: **too few neurons** is the first place where it stops.

# %%
widths = sorted({1, 2, 3, 5, small.width, 2 * (data.n + 1)})
trained = study.against_width(two_layer, data, widths, seeds, steps=2000)
result.save(rtol=2e-2, atol=1e-3, trained_best=trained.min(1))
result.save(rtol=None, widths=np.array(widths), trained=trained)
above = relative_gap(float(trained.min()), solution.lower)
result.measure(claims["no_training_below"], above, note="best run of all widths against the bound", seeds=list(seeds))
result.measure(claims["training_reaches"], relative_gap(trained[-1].min(), solution.lower), seeds=list(seeds))
result.measure(
    claims["too_few_neurons"], relative_gap(trained[0].min(), solution.value), note="m = 1", seeds=list(seeds)
)
result.figure(
    "widths",
    plotting.draw_widths,
    "Gradient training against the certified optimum: too few neurons stay above it, wide networks reach it.",
)

# %% tags=["nbval-check-output"]
print("any run below the bound:", bool(trained.min() < solution.lower))
print("one neuron ends above the optimum:", bool(trained[0].min() > solution.value * 1.001))

# %% [markdown]
# ## 5 Other losses, biases, and the limits of beta and rank
#
# The square was never used: any convex loss gives the same cones and the same penalty. A *regularised* bias is one
# more column of ones. An *unregularised* bias changes the geometry: in one dimension *some* optimal network has all its
# kinks at data points (optima are not unique: the one drawn may have a kink in between), and on the five points below
# the optimal value is $8\beta-8\beta^2$ for $\beta\le0.3$.

# %%
labels = replace(data, y=np.where(data.y > np.median(data.y), 1.0, -1.0))
losses = ("logistic", "hinge", "squared_hinge")
by_loss = {loss: solve(two_layer.program(labels, loss=loss)) for loss in losses}
for loss, found in by_loss.items():
    result.measure(claims["losses"], found.gap, note=loss, seeds=[seed])
    scored = two_layer.objective(two_layer.recover(labels, found), labels)
    result.measure(claims["losses_recovered"], relative_gap(scored, found.value), note=loss, seeds=[seed])
    rival = train(two_layer.network(20, labels, loss=loss), labels, seeds=list(seeds)[:4])
    below = relative_gap(rival.value, found.lower)
    result.measure(claims["no_training_below"], below, note=f"{loss}, width 20", seeds=list(seeds)[:4])
result.save(rtol=1e-5, **{f"value_{loss}": found.value for loss, found in by_loss.items()})

# %%
thirds = np.digitize(data.y, np.quantile(data.y, [1 / 3, 2 / 3]))
classes = replace(data, y=np.eye(3)[thirds])
softmax = solve(two_layer.program(classes, activation="gated", loss="cross_entropy"))
gate_only = solve(two_layer.program(data, activation="gated"))
result.measure(claims["softmax"], softmax.gap, seeds=[seed])
for problem, found in ((classes, softmax), (data, gate_only)):
    verdict = study.verify(two_layer, problem, found, seeds=list(seeds)[:4])
    loss = found.program.loss.name
    result.measure(claims["gated_recovery"], verdict.numbers["recovery_defect"], note=loss, seeds=[seed])
    result.measure(claims["gated_training"], verdict.numbers["above_bound"], note=loss, seeds=list(seeds)[:4])
result.save(rtol=1e-5, value_softmax=softmax.value, value_gated=gate_only.value)

# %%
points = Data(np.arange(-2.0, 3.0)[:, None], np.array([1.0, -1.0, 1.0, 1.0, -1.0]), 0.1)
free = solve(two_layer.program(points, bias="unregularised"), tol=1e-8)
penalised = solve(two_layer.program(points, bias="regularised"), tol=1e-8)
for b in (0.05, 0.1, 0.3):
    found = solve(two_layer.program(replace(points, beta=b), bias="unregularised"), tol=1e-8)
    result.measure(claims["spline"], relative_gap(found.value, 8 * b - 8 * b**2), note=f"beta = {b}")
grid = np.linspace(-2.6, 2.6, 521)[:, None]
result.save(rtol=1e-5, value_free=free.value, value_penalised=penalised.value)
result.save(rtol=1e-12, spline_x=points.X[:, 0], spline_y=points.y, grid=grid[:, 0])
result.save(
    rtol=None,  # optima differ between the data points
    fit_free=two_layer.recover(points, free).predict(grid)[:, 0],
    fit_penalised=two_layer.recover(points, penalised).predict(grid)[:, 0],
)
result.figure("spline", plotting.draw_spline, "Five points, beta = 0.1: the two kinds of bias give different networks.")

# %%
little = two_layer.sample("tiny", seed)
gauge = two_layer.minimum_norm(little.X[:4], little.y[:4])
shares = np.array([1e-2, 1e-3, 1e-4, 1e-5]) / gauge  # beta against the scale of the problem
limit = [solve(two_layer.program(Data(little.X[:4], little.y[:4], b)), tol=1e-10).value / b / gauge for b in shares]
result.measure(claims["minimum_norm"], limit[-1] - 1, note="p*(beta) / (beta gauge) at the smallest beta", seeds=[seed])
flat = replace(data, X=data.X * np.geomspace(1, 2e-3, data.d))
truncated, factor = two_layer.low_rank(flat, data.d - 1)
exact, cut = (solve(two_layer.program(d), tol=1e-7) for d in (flat, truncated))
result.measure(claims["low_rank"], cut.value - exact.lower, note="not below", seeds=[seed])
result.measure(claims["low_rank"], exact.value * factor - cut.lower, note="not above the factor", seeds=[seed])
result.save(
    rtol=1e-3, gauge=gauge, limit=np.array(limit), low_rank_ratio=cut.value / exact.value, low_rank_factor=factor
)

# %% tags=["nbval-check-output"]
print(f"five points: {free.value:.4f} with a free bias, {penalised.value:.4f} with a penalised one")
print(
    f"one rank less: at most {factor:.3g} times the optimum; measured ratio is below: {cut.value < factor * exact.value}"
)

# %% [markdown]
# ## 6 Sampling the patterns
#
# With many features the patterns cannot all be listed, and the usual recipe draws Gaussian gates. The sampled program
# is a restriction: an upper bound, monotone in the sample. Dropping the cones (gated ReLU, Mishkin, Sahiner and
# Pilanci) gives a lower bound on *that* program, not an approximation of it.

# %%
draws = [4, 8, 16, 32, 64, 256]
few = list(seeds)[:5]
sampled = study.against_draws(two_layer, data, draws, few, tol=1e-6)
gated = study.against_draws(two_layer, data, draws, few, tol=1e-5, activation="gated")
result.measure(
    claims["sampled_above"],
    min(sampled.min() - solution.lower, -np.diff(sampled, axis=0).max()),
    note="distance to the optimum and monotonicity",
    seeds=few,
)
result.measure(claims["gated_below"], (sampled - gated).min(), seeds=few)
result.save(rtol=1e-4, draws=np.array(draws), sampled=sampled, gated=gated)
result.figure(
    "sampling",
    plotting.draw_sampling,
    "Sampled programs approach the optimum from above; the gated programs over the same patterns lie below them.",
)

# %% [markdown]
# ## 7 Real data
#
# MNIST threes against eights (the first 100 rows of the shipped cut at quick size) and two sets of the UCI repository, labels $\pm1$, squared loss, a regularised bias. The
# program with 100 sampled patterns is solved to a certified gap. Then plain Adam trains networks of width 100 on the
# same objective and ends **below** the program's certified optimum: the program is solved, the network is not. The
# dashed line is a lower bound for every network of every width, so the training problem's optimum lies between it and
# the best run. Here is the second place where the recipe stops: *sampled patterns fall short of the network*.

# %%
sources = {"MNIST 3 v 8": ("mnist", "3", "8"), "ionosphere": ("ionosphere",), "sonar": ("sonar",)}
real = {}
for title, (name, *classes) in sources.items():
    X, labels = binary(load(name, subset="shipped"), *classes)
    rows = slice(0, 100) if name == "mnist" and size == "quick" else slice(None)  # the shipped cut has 400
    real[title] = study.real(two_layer, X[rows], labels[rows], beta_share, seeds=few[:3], name=title)

# %%
table = []
for title, found in real.items():
    result.measure(claims["real_data"], found.solution.gap, note=title)
    result.measure(claims["sampling_falls_short"], found.excess, note=title, seeds=found.training.seeds)
    slug = title.replace(" ", "_")
    result.save(rtol=1e-4, **{f"{slug}_program": found.solution.value, f"{slug}_beta": found.data.beta})
    result.save(rtol=3e-2, **{f"{slug}_trained": found.training.value})
    result.save(rtol=None, **{f"{slug}_network_lower": found.bound.lower, f"{slug}_curves": found.training.curves})
    result.save(rtol=None, **{f"{slug}_iterations": found.training.iterations})
    n, d = found.data.X.shape
    values = (found.solution.value, found.training.value, found.bound.lower, 100 * found.excess)
    table.append((title, n, d, *values, *(100 * a for a in found.accuracy)))
columns = ("data", "n", "d", "sampled program", "best Adam", "bound, all networks", "program above Adam, %")
columns += ("test accuracy, program, %", "test accuracy, Adam, %")
result.table("real_data", columns, table, "Certified sampled programs, trained networks, and a bound for all networks.")
result.figure(
    "real_data",
    plotting.draw_training([title.replace(" ", "_") for title in real]),
    "Adam against the certified optimum of the sampled program (100 gates) and a bound for all networks.",
)

# %% [markdown]
# The strongest first-layer neurons of the MNIST program, drawn as images: orange pixels pull one way, purple ones the
# other. The number above is the output weight, its sign the class the neuron votes for (three is plus).

# %%
digits = real["MNIST 3 v 8"]
raw = two_layer.recover(digits.data, digits.solution)
order = np.argsort(-np.abs(raw.A.detach().numpy()[:, 0]))[:10]
images = raw.U.detach().numpy()[order].reshape(-1, 28, 28)
result.save(rtol=1e-2, neuron_weights=raw.A.detach().numpy()[order, 0])
result.save(rtol=None, neuron_images=images)
result.figure(
    "mnist_neurons", plotting.draw_images, "MNIST 3 v 8 (a small cut): the ten strongest neurons of the program."
)

# %% tags=["nbval-check-output"]
for title, found in real.items():
    below = found.training.value < found.solution.lower
    print(f"{title}: program {found.solution.status}, training below its certified optimum: {below}")

# %% [markdown]
# ## 8 Change this
#
# * `beta`: larger values leave fewer neurons, none from `beta_max` on. The cell below solves the problem again at another
#   share of `beta_max`; at a live notebook a slider moves it.
# * `seed`: another data set.
# * `size="full"`: forty samples in three dimensions, 1562 patterns, fifty seeds (the two-dimensional pictures are skipped).
# * Replace `replace(two_layer.sample(size, seed), beta=beta)` by your own `Data(X, y, beta)`: as long as the rank of
#   `X` is small enough to enumerate, the certificate covers every network.


# %% change this: the share of beta_max, from which on no neuron is left
def dual_function_at(share: float):
    stage = replace(data, beta=share * top)
    again = solve(two_layer.program(stage, patterns="all"), tol=1e-9, device=device)
    net, v = simplify(two_layer.recover(stage, again), data.X), certify(again.program, again).v[:, 0]
    U, A = net.U.detach().numpy(), net.A.detach().numpy()[:, 0]
    strength = np.abs(A)
    strong = strength > 0.03 * strength.max()  # the others are the tolerance of the solver
    U, A = U[strong], A[strong]
    shown = {"X": data.X, "beta": stage.beta, "angles": angles, "dual_function": v @ np.maximum(data.X @ circle.T, 0)}
    shown |= {"neuron_angles": np.arctan2(U[:, 1], U[:, 0]), "neuron_signs": np.sign(A)}
    return plotting.draw_dual_function(shown | {"neurons": U * np.abs(A)[:, None]})


if data.d == 2:
    slider(dual_function_at, "beta / beta_max", (0.001, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9), start=0.3)
