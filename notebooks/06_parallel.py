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
# # Parallel branches close the gap of deep networks
#
# **Claim** (Wang, Ergen and Pilanci, arXiv 2110.06482). A *standard* network of three or more layers can lie strictly above
# its dual. A *parallel* network, a sum of $m$ branches whose decay is the $L$-th power of each layer's norm,
#
# $$\min\ \ell\Big(\sum_{j=1}^m g(\cdots g(XW_{1,j})\cdots w_{L-1,j})\,w_{L,j}^T\Big)+\tfrac\beta2\sum_{j=1}^m\sum_{l=1}^L\|W_{l,j}\|_F^{L}
# \;=\;\min_W\ \ell(XW)+\tfrac{\beta L}2\|W\|_*\quad\text{(linear)},$$
#
# equals its dual for every depth $L$, linear or ReLU.
#
# **Why it is true.** A branch of scale $s=\prod_l\|W_l\|_F$ costs at least $\tfrac L2s^{2/L}$ under squared decay (power 2) and
# $\tfrac L2s$ under power $L$. Sums of $s^{2/L}$ are not convex for $L\ge3$, so their dual falls below them; sums of $s$ are a
# gauge, and a gauge has a dual of the same value. A standard network could only add branches by sharing layers, which
# is what the dual forgets.
#
# *Assumptions:* $\beta>0$, no biases, enough branches. **Two problems are called weight decay here, power 2 and power $L$.**
# Their values are different numbers and neither bounds the other; every table below shows both.

# %% tags=["parameters"]
size: str = "quick"  # "quick": under a minute on one core; "full": larger data, more seeds
seed: int = 0
beta: float = 0.05  # regularisation of the problems with closed forms
real_beta: float = 1.0  # regularisation of the problem on ten digits
device: str = "auto"

# %%
import numpy as np

from convexnn import Data, certify, report, solve, train
from convexnn.data import load, matrix, split, whiten_rows
from convexnn.data import one_hot as encode
from convexnn.numerics import limit_threads, relative_gap
from convexnn.plotting import parallel as figures
from convexnn.theorems import parallel as theorem
from convexnn.theorems import two_layer
from convexnn.theorems.parallel.bidual import standard_dual
from convexnn.theorems.parallel.interpolation import cheapest_factors, interpolation, partial_duals
from convexnn.theorems.parallel.shared_layers import incidence, separate_network, shared_network
from convexnn.theorems.parallel.strengths import strengths
from convexnn.theorems.parallel.three_layer import three_layer
from convexnn.theorems.shared.branches import trunked

limit_threads()
claims = {claim.id.split(".")[1]: claim for claim in theorem.claims}
settings = {"size": size, "seed": seed, "beta": beta, "real_beta": real_beta, "device": device}
result = report.Result("06_parallel", settings)
rng = np.random.default_rng(seed)
seeds = range(seed, seed + (9 if size == "quick" else 30))
gaps: list[tuple] = []  # the table of gaps, filled on the way


def best_of(data, runs=seeds, steps=600, **options):
    """Final objectives of L-BFGS from every seed; float64 and curvature reach the eighth digit where Adam does not."""
    return train(theorem.network(data=data, **options), data, "lbfgs", seeds=runs, steps=steps)


def note_gap(network, power, act, L, where, value, known, lower, other):
    """One row of the table of section 8; `other` is the value of the other (network, power) pair on the same data."""
    gaps.append((network, power, act, L, where, value, known, lower, relative_gap(value, lower), other))


def dual_of(program, case, L):
    """A certified lower bound on a standard network's dual, from parallel programs at other regularisations."""

    def value(b):
        found = solve(program.with_beta(b), tol=1e-8)
        return found.lower, found.value

    return standard_dual(value, case.beta, L, 0.5 * float(np.square(case.y).sum()), program.beta_max(), tol=1e-5).lower


# %% [markdown]
# ## 1 The parallel problem: solve, certify, recover
#
# Linear branches on general data. The depth enters the program only through its regularisation $\beta L/2$. The printed dual,
# $\max\langle\Lambda,Y\rangle-\frac12\|\Lambda\|^2$ subject to $\sigma_{\max}(X^T\Lambda)\le\beta L/2$, goes to a conic solver that knows nothing of ours.

# %% formulate, solve, certify
data = theorem.sample(size, seed)
depths = (2, 3, 4, 5)
solutions = {L: solve(theorem.program(data, depth=L), tol=1e-9, device=device) for L in depths}
for L, solution in solutions.items():
    certificate = certify(solution.program, solution)
    result.measure(claims["strong_duality"], certificate.gap, note=f"linear, L = {L}", seeds=[seed])
three = theorem.sample("tiny", seed) if size == "full" else data
small = {L: solve(theorem.program(three, depth=L), tol=1e-9).value for L in (2, 3)}
for L, value in small.items():
    paper = theorem.reference(three, depth=L).solve(solver="CLARABEL")
    printed = theorem.reference(three, depth=L, dual=True).solve(solver="CLARABEL")
    result.measure(claims["reference"], relative_gap(value, paper), note=f"linear, L = {L}", seeds=[seed])
    result.measure(claims["printed_dual"], relative_gap(value, printed), note=f"L = {L}", seeds=[seed])

# %% recover, and attack by training
for L, solution in solutions.items():
    network = theorem.recover(data, solution)
    result.measure(
        claims["recovery"],
        relative_gap(theorem.objective(network, data), solution.value),
        note=f"linear, L = {L}, {network.width} branches",
        seeds=[seed],
    )
trained = {L: best_of(data, width=min(data.d, data.y.shape[1]), depth=L) for L in (3, 4)} if size == "quick" else {}
for L, run in trained.items():
    result.measure(claims["no_training_below"], relative_gap(run.value, solutions[L].lower), f"linear, L = {L}", seeds)
    result.measure(claims["training_reaches"], relative_gap(run.value, solutions[L].value), f"linear, L = {L}", seeds)
for L, solution in solutions.items():
    twin = solution.value  # two layers: power 2 is power L, and one network of two layers is a sum of branches
    if L > 2 and size == "quick":
        twin = best_of(data, seeds[:3], width=5, depth=L, standard=True).value
    other = twin if L == 2 or size == "quick" else "not computed"
    note_gap("parallel", "L", "linear", L, "general", solution.value, "certified", solution.lower, other)
    if 2 < L < 5 and size == "quick":
        bound = dual_of(solution.program, data, L)
        result.measure(
            claims["standard_bound"], relative_gap(twin, bound), f"linear, general, above D, L = {L}", seeds[:3]
        )
        note_gap("standard", "2", "linear", L, "general", twin, "trained, P <= this", bound, solution.value)
result.save(rtol=1e-6, **{f"parallel_{L}": solution.value for L, solution in solutions.items()})

# %% tags=["nbval-check-output"]
for L, solution in solutions.items():
    scope = solution.certificate.scope
    print(f"L = {L}: {solution.status} at {scope} scope with {theorem.recover(data, solution).width} branches")

# %% [markdown]
# ## 2 The standard problem has a gap, in closed form
#
# Interpolate: be the matrix $X^+Y$ with singular values $\sigma$ at the least squared decay. The primal is
# $P=\frac L2\sum\sigma_i^{2/L}$, the dual over the last two layers $D=\frac L2(\sum\sigma_i)^{2/L}$. They agree only for $L=2$ or one singular
# value: *equal* singular values do not close the gap. Descent over all factorisations of $\mathrm{diag}(\sigma)$ knows no formula.

# %%
spectra = {
    "one": np.array([2.0]),
    "equal": np.array([1.0, 1.0]),
    "unequal": np.array([4.0, 1.0]),
    "drawn": np.sort(rng.uniform(0.3, 3.0, 3))[::-1],
}
words = {"one": "2", "equal": "1, 1", "unequal": "4, 1", "drawn": ", ".join(f"{s:.2g}" for s in spectra["drawn"])}
tried, lasting = (3, 4), range(2, 9)
costs = []
for name, sigma in spectra.items():
    found = {(L, p): cheapest_factors(sigma, L, range(seed, seed + 3), power=p).min() for L in tried for p in (2, L)}
    for (L, p), value in found.items():
        exact = interpolation(sigma, L, "standard", p)
        result.measure(claims["interpolation"], relative_gap(value, exact.primal), f"{words[name]}, L = {L}, power {p}")
        other = interpolation(sigma, L, "parallel", p)
        costs.append((words[name], L, p, exact.primal, value, exact.dual, other.primal, other.dual))
    curve = [1 - interpolation(sigma, L).dual / interpolation(sigma, L).primal for L in lasting]
    result.save(rtol=1e-9, atol=1e-12, **{f"{name}_gap": curve})
    seen = [1 - interpolation(sigma, L).dual / found[L, 2] for L in tried]
    result.save(rtol=1e-5, atol=1e-6, **{f"{name}_found": seen})
for L in tried:
    result.measure(claims["equal_values"], interpolation(spectra["equal"], L).gap, f"sigma = (1, 1), L = {L}")
    for name in ("unequal", "drawn"):
        result.measure(claims["standard_gap"], interpolation(spectra[name], L).gap, f"sigma = {words[name]}, L = {L}")
    result.measure(claims["no_gap"], interpolation(spectra["one"], L).gap, f"one singular value, L = {L}")
result.measure(claims["no_gap"], max(interpolation(sigma, 2).gap for sigma in spectra.values()), "two layers")
header = ["singular values", "L", "power", "standard P", "found", "standard D", "parallel P", "parallel D"]
result.table(
    "costs", header, costs, caption="Interpolation: P = D only for parallel networks with power L, or rank one."
)

# %% [markdown]
# Between $D$ and $P$ there is a staircase. Exchanging minimum and maximum after the first $l$ layers gives
# $D^{(l)}(t)=t^{-(L-2)}\|\sigma\|_{2/(l+2)}$: the cost of $l$ *shared* layers that end in parallel branches. Training such a network, squared
# decay on the trunk and the branches' own power on the rest, must give the standard value of $l+2$ layers.

# %%
stairs, deep = spectra["unequal"], 5
steps = partial_duals(stairs, deep)
climbed = [cheapest_factors(stairs, deep, range(seed, seed + 3), trunk=k).min() for k in range(deep - 1)]
result.measure(claims["staircase"], np.abs(np.array(climbed) / steps - 1).max(), "sigma = (4, 1), L = 5", seeds)
result.measure(claims["staircase_rises"], (np.diff(steps) / steps[1:]).min(), "the smallest relative rise")
result.save(rtol=1e-9, steps=steps)
result.save(rtol=1e-6, step_found=climbed)
result.save(rtol=0.0, depths=list(lasting), tried=list(tried))
result.figure(
    "gaps",
    figures.draw_gaps(words),
    "The gap of standard linear networks with squared decay grows with the depth, unless there is one singular value.",
)

# %% tags=["nbval-check-output"]
print("gap at L = 3 for sigma = (1, 1):", round(interpolation(spectra["equal"], 3).gap * 3, 4), "of P = 3")
print("partial duals of sigma = (4, 1), L = 4, t = 1:", partial_duals(stairs, 4).round(4).tolist())

# %% [markdown]
# ## 3 With a loss: standard, parallel, and every mixture
#
# On orthonormal data the regularised problems split into one scalar problem for each singular value, so all four
# (architecture, power) pairs have closed forms, and training must find them. Parallel branches with power 2 gain
# nothing; one shared network with power 2 neither. Only branches *and* power $L$ together are convex.

# %%
n, d, c = 12, 5, 3
Q = np.linalg.qr(rng.standard_normal((n, d)))[0]
ortho = Data(Q, rng.standard_normal((n, c)), beta)
form = strengths(ortho)
for L in (2, 3, 4):
    best = best_of(ortho, width=d, depth=L, standard=True)
    result.measure(claims["standard_value"], relative_gap(best.value, form.standard(L)), f"L = {L}", seeds)
    result.measure(claims["standard_bound"], relative_gap(best.value, form.standard(L)), f"linear, L = {L}", seeds)
    dual, known = form.dual(L), "formula, trained"
    note_gap("standard", "2", "linear", L, "orthonormal", form.standard(L), known, dual.upper, form.parallel(L))
    if L > 2:
        result.measure(claims["standard_gap"], relative_gap(form.standard(L), dual.upper), f"with a loss, L = {L}")
        split_run = best_of(ortho, width=d, depth=L, power=2)
        result.measure(claims["parallel_squared"], relative_gap(split_run.value, form.apart(L)), f"L = {L}", seeds)
        note_gap("parallel", "2", "linear", L, "orthonormal", form.apart(L), known, dual.upper, form.parallel(L))
    exact = solve(theorem.program(ortho, depth=L), tol=1e-9)
    result.measure(claims["strong_duality"], exact.gap, note=f"orthonormal, L = {L}", seeds=[seed])
    note_gap("parallel", "L", "linear", L, "orthonormal", exact.value, "certified", exact.lower, form.standard(L))
single = Data(Q, np.outer(ortho.y[:, 0], rng.standard_normal(c)), beta)
for L in (3, 4):
    lone = strengths(single)
    result.measure(claims["no_gap"], relative_gap(lone.standard(L), lone.dual(L).lower), f"rank-one targets, L = {L}")
    note_gap(
        "standard", "2", "linear", L, "rank-one Y", lone.standard(L), "formula", lone.dual(L).lower, lone.parallel(L)
    )
for shared in range(3):
    mixed = train(trunked(d, shared, 4, ortho, d), ortho, "lbfgs", seeds=seeds, steps=600)
    expected = form.apart(shared + 2)
    result.measure(claims["trunk"], relative_gap(mixed.value, expected), f"{shared} shared layers of 4", seeds)

# %% [markdown]
# **How many branches?** As many as the solution has rank. With fewer, the best that $m$ branches can do is to fit the $m$
# largest singular values; the loss of the others is paid in full.

# %%
left, right, frame = (np.linalg.qr(rng.standard_normal(shape))[0] for shape in ((6, 6), (6, 6), (20, 6)))
plan = Data(frame, frame @ (left * np.array([4.0, 3.0, 2.0, 1.4, 0.3, 0.1])) @ right, 0.4)
plan_form, counts = strengths(plan), np.arange(1, 7)
goal = solve(theorem.program(plan), tol=1e-9)
rank = theorem.recover(plan, goal).width
runs = np.array([best_of(plan, width=int(m)).final for m in counts])
for m, values in zip(counts.tolist(), runs):
    expected = plan_form.parallel(3, branches=m)
    result.measure(claims["few_branches"], relative_gap(values.min(), expected), f"{m} branches", seeds)
    if m >= rank:
        result.measure(claims["enough_branches"], relative_gap(values.min(), goal.value), f"{m} branches", seeds)
    else:
        result.measure(claims["too_few_branches"], relative_gap(values.min(), goal.value), f"{m} branches", seeds)
result.save(rtol=1e-6, branch_formula=[plan_form.parallel(3, int(m)) for m in counts], branch_optimum=goal.value)
result.save(rtol=0.0, branch_counts=counts, branch_rank=rank)
result.save(rtol=None, branch_runs=runs)
result.figure(
    "branches",
    figures.draw_branches,
    "Parallel linear networks, three layers, cubic decay: rank-many branches reach the optimum, fewer fall short.",
)

# %% tags=["nbval-check-output"]
print(
    "branches needed:",
    rank,
    "- with one fewer training ends above the optimum:",
    bool(runs[rank - 2].min() > goal.value),
)

# %% [markdown]
# ## 4 ReLU on a ray: where a standard network has no gap, and where it has
#
# Data $X=c\,a^T$. If $c\ge0$ everything is one scalar problem and the standard network equals its dual. If $c$ has both signs, the
# outputs are $p\,(c)_++q\,(-c)_+$; with $pq>0$ one path serves both, with $pq<0$ the two parts need opposite output signs,
# cannot share a neuron, and $P=\frac32(|p|^{2/3}+|q|^{2/3})\|a\|^{-2/3}>D=\frac32((|p|+|q|)/\|a\|)^{2/3}$. The parallel network has no gap in either case.

# %%
ray, along = np.array([1.0, 0.5, 2.0, -1.0, -0.7, -1.5]), 1.3 * np.array([1.0, 2.0, 2.0]) / 3
positive = np.abs(rng.standard_normal(6)) + 0.2
one_sided = Data(np.outer(positive, along), positive + 0.3 * rng.standard_normal(6), beta)
for L in (3, 4, 5):
    straight = strengths(one_sided, "relu")
    best = best_of(one_sided, width=4, depth=L, activation="relu", standard=True)
    result.measure(claims["ray_no_gap"], relative_gap(best.value, straight.dual(L).lower), f"c >= 0, L = {L}", seeds)
    result.measure(claims["standard_bound"], relative_gap(best.value, straight.dual(L).lower), f"ray, L = {L}", seeds)
    floor = straight.dual(L).lower
    note_gap("standard", "2", "ReLU", L, "ray, c >= 0", best.value, "trained", floor, straight.parallel(L))


def on_ray(q):
    """Targets (c)_+ + q (-c)_+ on the ray with both signs."""
    return Data(np.outer(ray, along), np.maximum(ray, 0) + q * np.maximum(-ray, 0), 0.05)


q_grid, q_tried = np.linspace(-1, 1, 81), np.array([-1.0, -0.6, -0.2, 0.6, 1.0])
curves = {q: strengths(on_ray(q), "relu") for q in q_grid.tolist()}
result.save(
    rtol=1e-6,
    ray_q=q_grid,
    ray_standard=[form.standard(3) for form in curves.values()],
    ray_dual=[form.dual(3).upper for form in curves.values()],
    ray_parallel=[form.parallel(3) for form in curves.values()],
)

# %%
standard_runs, parallel_runs = [], []
for q in q_tried.tolist():
    case, exact = on_ray(q), strengths(on_ray(q), "relu")
    best = best_of(case, width=4, activation="relu", standard=True)
    many = best_of(case, width=4, activation="relu")
    certified = solve(theorem.program(case, activation="relu"), tol=1e-9)
    standard_runs.append(best.value)
    parallel_runs.append(many.value)
    result.measure(claims["strong_duality"], certified.gap, f"ReLU, ray, q = {q}")
    result.measure(claims["training_reaches"], relative_gap(many.value, certified.value), f"ReLU, ray, q = {q}", seeds)
    result.measure(claims["no_training_below"], relative_gap(many.value, certified.lower), f"ReLU, ray, q = {q}", seeds)
    result.measure(claims["standard_bound"], relative_gap(best.value, exact.standard(3)), f"ray, q = {q}", seeds)
    if q > 0:
        result.measure(claims["ray_no_gap"], relative_gap(best.value, exact.dual(3).lower), f"q = {q}", seeds)
    else:
        result.measure(claims["ray_value"], relative_gap(best.value, exact.standard(3)), f"q = {q}, L = 3", seeds)
        result.measure(claims["ray_gap"], relative_gap(exact.standard(3), exact.dual(3).upper), f"q = {q}, L = 3")
mixed_case, mixed = on_ray(-0.6), strengths(on_ray(-0.6), "relu")
four = best_of(mixed_case, width=4, depth=4, activation="relu", standard=True)
result.measure(claims["ray_value"], relative_gap(four.value, mixed.standard(4)), "q = -0.6, L = 4", seeds)
for q, note in ((0.6, "ray, same signs"), (-0.6, "ray, opposite signs")):
    exact, known = strengths(on_ray(q), "relu"), "formula, trained"
    note_gap("standard", "2", "ReLU", 3, note, exact.standard(3), known, exact.dual(3).upper, exact.parallel(3))
    certified = solve(theorem.program(on_ray(q), activation="relu"), tol=1e-9)
    note_gap("parallel", "L", "ReLU", 3, note, certified.value, "certified", certified.lower, exact.standard(3))
result.save(rtol=1e-6, ray_tried=q_tried)
result.save(rtol=1e-4, ray_trained=standard_runs, ray_parallel_trained=parallel_runs)
result.figure(
    "ray",
    figures.draw_ray,
    "Three-layer ReLU networks on a ray with both signs: a gap exactly when the two coefficients have opposite signs.",
)

# %% [markdown]
# The blue curve crosses the orange one: a scale above one costs more under power $L$, a scale below one costs less. The two
# values are answers to different questions; neither is a bound for the other, and "zero gap" speaks of a problem's own dual.

# %%
same, opposite = strengths(on_ray(1.0), "relu"), strengths(on_ray(-1.0), "relu")
result.measure(claims["power_above"], same.parallel(3) - same.standard(3), "q = 1: one path of scale above one")
result.measure(
    claims["power_below"], opposite.standard(3) - opposite.parallel(3), "q = -1: two paths of scale below one"
)

# %% tags=["nbval-check-output"]
print(f"y = (c)_+ + 0.6 (-c)_+: standard {strengths(on_ray(0.6), 'relu').standard(3):.6f}, its dual the same")
print(f"y = (c)_+ - 0.6 (-c)_+: standard {mixed.standard(3):.6f}, its dual {mixed.dual(3).upper:.6f}")
print(f"parallel with cubic decay: {mixed.parallel(3):.6f} in both cases")

# %% [markdown]
# ## 5 ReLU on whitened rows
#
# With $XX^T=I$ the outputs of a branch of *any* depth fill the non-negative part of the unit ball, so the parallel program is
# finite for every $L$. The standard network pays for each class, or each sign, separately: a gap as soon as there are two.
# For one output and three layers that value is proved; for one-hot columns it is what training finds. With two signs the
# optimum has pre-activations that are exactly zero where the loss still pulls, a kink at which smooth optimisers stall:
# such runs are judged by a claim of their own, to one per cent, and the certificate says what the optimum is.

# %%
rows = whiten_rows(rng.standard_normal((8, 10)))
cases = {
    "one output, two signs": Data(rows, rng.standard_normal(8), beta),
    "one output, y >= 0": Data(rows, np.abs(rng.standard_normal(8)), beta),
    "one-hot, 3 classes": Data(rows, np.eye(3)[[0, 0, 0, 0, 1, 1, 1, 2]], beta),
}
for name, case in cases.items():
    exact, several = strengths(case, "relu"), name != "one output, y >= 0"
    best = best_of(case, width=8, activation="relu", standard=True)
    kinked = name == "one output, two signs"
    chosen = claims["kinked_training" if kinked else "whitened_value"]
    result.measure(chosen, relative_gap(best.value, exact.standard(3)), f"standard, {name}, L = 3", seeds)
    if exact.proved_to >= 3:
        result.measure(
            claims["standard_bound"], relative_gap(best.value, exact.standard(3)), f"whitened, {name}", seeds
        )
    gap = relative_gap(exact.standard(3), exact.dual(3).upper)
    result.measure(claims["whitened_gap" if several else "no_gap"], gap, f"{name}, L = 3")
    known = "formula, trained" if exact.proved_to >= 3 else "trained"
    where = f"whitened, {name}"
    note_gap("standard", "2", "ReLU", 3, where, exact.standard(3), known, exact.dual(3).upper, exact.parallel(3))
    for L in (3, 4, 5):
        certified = solve(theorem.program(case, depth=L, activation="relu"), tol=1e-7)
        result.measure(claims["strong_duality"], certified.gap, f"ReLU, whitened, {name}, L = {L}", [seed])
        score = theorem.objective(theorem.recover(case, certified), case)
        result.measure(claims["recovery"], relative_gap(score, certified.value), f"ReLU, whitened, {name}, L = {L}")
        if L == 4 and name != "one output, y >= 0":
            shape = {"width": 4, "hidden": 1} if kinked else {"width": 8}
            many = best_of(case, seeds, 1500 if kinked else 600, depth=L, activation="relu", **shape)
            chosen = claims["kinked_training" if kinked else "training_reaches"]
            result.measure(chosen, relative_gap(many.value, certified.value), f"parallel, {name}, L = 4", seeds)
            result.measure(
                claims["no_training_below"], relative_gap(many.value, certified.lower), f"{name}, L = 4", seeds
            )
        if L < 5:
            other = exact.standard(L)
            note_gap("parallel", "L", "ReLU", L, where, certified.value, "certified", certified.lower, other)
    paper = theorem.reference(case, activation="relu").solve(solver="CLARABEL")
    value = solve(theorem.program(case, activation="relu"), tol=1e-8).value
    result.measure(claims["reference"], relative_gap(value, paper), f"ReLU, whitened, {name}")

# %% tags=["nbval-check-output"]
for name, case in cases.items():
    exact = strengths(case, "relu")
    word = "a gap" if exact.standard(3) > exact.dual(3).upper + 1e-6 else "no gap"
    print(f"{name}: standard network, three layers, squared decay: {word}")

# %% [markdown]
# ## 6 ReLU on any data: three layers
#
# On general data a branch with a shared hidden layer fits more than two layers can. The program is finite for three layers: a
# group is a pair of neurons with its own patterns and signs. The lower bound is the certificate's, the upper one the objective of the rebuilt, pruned network. For a
# *standard* three-layer network on general data no closed form is known here; its row in the table is a training run.

# %%
points = Data(rng.standard_normal((5, 2)), rng.standard_normal(5), 0.1)
cubic = three_layer(points, lambda program: solve(program, tol=1e-8))
wide = best_of(points, width=8, steps=1200, activation="relu")
result.measure(claims["three_layer"], relative_gap(cubic.upper, cubic.lower), f"{cubic.groups} groups", [seed])
result.measure(
    claims["three_layer_count"], points.n - cubic.network.width, "n minus the branches after pruning", [seed]
)
result.measure(claims["no_training_below"], relative_gap(wide.value, cubic.lower), "ReLU, general, L = 3", seeds)
result.measure(claims["kinked_training"], relative_gap(wide.value, cubic.upper), "8 branches", seeds)


def parallel_value(b):
    """Bounds on the parallel optimum at gauge weight b (cubic decay: b = 3 beta / 2)."""
    found = three_layer(Data(points.X, points.y, b / 1.5), solve)
    return found.lower, found.upper


null = 0.5 * float(points.y @ points.y)
single_net = best_of(points, width=6, activation="relu", standard=True)
dual = standard_dual(parallel_value, points.beta, 3, null, 2 * null, tol=1e-4)
result.measure(claims["standard_bound"], relative_gap(single_net.value, dual.lower), "ReLU, general, above D", seeds)
note_gap("parallel", "L", "ReLU", 3, "general", cubic.upper, "certified", cubic.lower, single_net.value)
note_gap("standard", "2", "ReLU", 3, "general", single_net.value, "trained, P <= this", dual.lower, cubic.upper)
two = solve(two_layer.program(points), tol=1e-8)
note_gap("either", "2 = L", "ReLU", 2, "general", two.value, "certified", two.lower, two.value)
result.measure(claims["no_gap"], two.gap, "two-layer ReLU, general data", [seed])

# %% tags=["nbval-check-output"]
print(
    "three layers, cubic decay: certified:",
    bool(cubic.upper - cubic.lower < 1e-6),
    "- branches after pruning <= n:",
    cubic.network.width <= points.n,
)

# %% [markdown]
# ## 7 Sharing beats branches under squared decay
#
# Under power $L$ one branch a class is optimal on $X=Y=I$. Under power 2 a standard network may do better by letting classes share
# neurons: ten classes as the pairs of five points, twenty-six as the triples of a Steiner system on thirteen points. Both
# networks are evaluated. With three layers these constructions never win, with four the triples do, with five the pairs.

# %%
shares = []
for design in ("pairs of 5", "triples of 13"):
    classes = np.eye(len(incidence(design)))
    for L in (3, 4, 5, 6):
        both = [make(design, L) for make in (shared_network, separate_network)]
        outputs = [net.predict(classes) for net in both]
        result.measure(claims["shared_predict"], np.abs(outputs[0] - outputs[1]).max(), f"{design}, L = {L}")
        squared = [float(net.penalty().detach()) for net in both]
        powers = [float(make(design, L, L).penalty().detach()) for make in (shared_network, separate_network)]
        shares.append((design, len(classes), L, *squared, *powers))
        if squared[0] < squared[1]:
            result.measure(claims["shared_layers"], 1 - squared[0] / squared[1], f"{design}, L = {L}")
columns = ["blocks", "classes", "L", "shared, power 2", "branches, power 2", "shared, power L", "branches, power L"]
result.table("sharing", columns, shares, caption="Two networks with the same predictions, under both kinds of decay.")

# %% tags=["nbval-check-output"]
for _, classes, L, shared, separate, *_ in shares:
    print(f"{classes} classes, L = {L}: shared {shared:.3f}, branches {separate:.0f}")

# %% [markdown]
# ## 8 The table of gaps
#
# One row for every architecture, decay, activation, depth and kind of data met above. "Formula" values are proved where the
# notebook says so; "trained" values are upper bounds of $P$. The last column is the value of the *other* problem on the same
# data: parallel with power $L$ beside a standard row, standard with power 2 beside a parallel one (trained on general data).

# %%
header = ["network", "power", "activation", "L", "data", "P", "P known by", "D", "gap", "other pair's value"]
result.table("gaps", header, gaps, caption="Gaps between the training problem and its own dual.")
closed = [row[8] for row in gaps if (row[0], row[1]) == ("parallel", "L")]
open_rows = [row[8] for row in gaps if row[0] == "standard" and row[8] > 1e-3]
result.save(rtol=None, largest_parallel_gap=max(closed))

# %% tags=["nbval-check-output"]
print("rows:", len(gaps), "- parallel with power L:", len(closed), "all closed:", bool(max(closed) < 1e-6))
print("standard rows with a gap:", len(open_rows))

# %% [markdown]
# ## 9 Real data: digits
#
# MNIST from the shipped cut. *Linear*: all ten digits, ten principal components, centred one-hot targets, four layers; general data,
# so the standard network has a certified dual but no formula. *ReLU*: three digits on whitened rows, three layers. Whitening
# leaves nothing of the images but their number in each class, which is why a formula exists.

# %%
digits = load("mnist", subset="shipped")
X_train, y_train, X_test, y_test = split(matrix(digits), digits.y, seed=0)
n_real = 300 if size == "quick" else len(X_train)
mean = X_train[:n_real].mean(0)
axes = np.linalg.svd(X_train[:n_real] - mean, full_matrices=False)[2][:10]
unit = np.linalg.norm((X_train[:n_real] - mean) @ axes[0]) / np.sqrt(n_real)
codes, held_out = ((images - mean) @ axes.T / unit for images in (X_train[:n_real], X_test))
targets = encode(y_train[:n_real], 10)
share = targets.mean(0)
linear = Data(codes, targets - share, real_beta, "MNIST, ten components")
few = np.flatnonzero(y_train < 3)[:40]
basis = np.linalg.svd(X_train[few], full_matrices=False)[2]
white = Data(whiten_rows(X_train[few] @ basis.T), encode(y_train[few], 3), 0.3, "MNIST, whitened rows")

# %%
layers = {"linear": 4, "whitened": 3}
program = theorem.program(linear, depth=4)
solved = {"linear": solve(program, tol=1e-9, device=device)}
solved["whitened"] = solve(theorem.program(white, activation="relu"), tol=1e-7, device=device)


white_form = strengths(white, "relu")
duals = {"linear": dual_of(program, linear, 4), "whitened": white_form.dual(3).lower}
real_runs, comparison = {}, []
for name, case, act in (("linear", linear, "linear"), ("whitened", white, "relu")):
    real_seeds = seeds if name == "linear" else seeds[:5]
    shape = {"width": 10, "depth": layers[name], "activation": act}
    parallel = best_of(case, real_seeds, 1000, **shape)
    standard = best_of(case, real_seeds, 1000, **shape, standard=True)
    real_runs[name] = (parallel, standard)
    answer = solved[name]
    result.measure(claims["real_duality"], answer.gap, name)
    result.measure(claims["real_bound"], relative_gap(parallel.value, answer.lower), f"{name}, parallel", real_seeds)
    result.measure(claims["real_bound"], relative_gap(standard.value, duals[name]), f"{name}, standard", real_seeds)
    result.measure(claims["real_reaches"], relative_gap(parallel.value, answer.value), name, real_seeds)
    result.measure(claims["real_standard"], relative_gap(standard.value, duals[name]), name, real_seeds)
    result.save(rtol=1e-5, **{f"{name}_program": answer.value, f"{name}_dual": duals[name]})
    result.save(rtol=None, **{f"{name}_parallel": parallel.final, f"{name}_standard": standard.final})
    comparison.append((name, "parallel", "L", parallel.value, answer.value, answer.lower))
    comparison.append((name, "standard", "2", standard.value, "no program", duals[name]))
result.measure(claims["whitened_value"], relative_gap(real_runs["whitened"][1].value, white_form.standard(3)), "digits")

# %%
nets = {"parallel": theorem.recover(linear, solved["linear"]), "standard": real_runs["linear"][1].best}
right = {name: 100 * float(np.mean((net.predict(held_out) + share).argmax(1) == y_test)) for name, net in nets.items()}
result.save(rtol=None, accuracy_parallel=right["parallel"], accuracy_standard=right["standard"])
result.table(
    "real",
    ["data", "network", "power", "best run", "certified optimum", "lower bound"],
    comparison,
    caption=f"Digits. Linear test accuracy: parallel {right['parallel']:.1f} %, standard {right['standard']:.1f} %.",
)
result.figure(
    "real",
    figures.draw_real({"linear": "ten digits, linear, L = 4", "whitened": "three digits, ReLU, whitened, L = 3"}),
    "Parallel runs end at their certified optimum; standard runs end above their dual, some in a worse minimum.",
)

# %% tags=["nbval-check-output"]
for name, (parallel, standard) in real_runs.items():
    reached = int(np.sum(parallel.final < solved[name].value * (1 + 1e-5)))
    print(f"{name}: parallel runs at the certified optimum: {'most' if 2 * reached > len(parallel.final) else 'few'}")
    print(f"{name}: any standard run at its dual: {bool(standard.final.min() < duals[name] * (1 + 1e-3))}")

# %% [markdown]
# ## 10 Change this
#
# * `beta`: larger, and fewer singular values are left; see which of the gaps of section 3 close and which do not.
# * `spectra`: make one singular value tiny; the gap shrinks like $\sigma^{2/L}$, slowly for deep networks.
# * In section 4, `width=1` for the standard network with $q<0$: one neuron cannot carry two signs.
# * `power=2` in `best_of` for parallel networks, or `power=3` with `standard=True`: the two pairs in between.
