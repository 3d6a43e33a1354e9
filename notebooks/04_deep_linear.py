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
# # Deep linear networks: what depth does to weight decay
#
# **Claim** (Ergen and Pilanci, arXiv 2002.09773; Wang, Ergen and Pilanci, arXiv 2110.06482). A linear network
# $f(X)=\sum_b XW_{1,b}\cdots W_{L,b}$ is one matrix $W$, and training chooses it by a spectral penalty. *Which* one depends
# on which of three problems is called weight decay:
#
# | problem | penalty times $\beta$ | network | problem in $W$ |
# | --- | --- | --- | --- |
# | squared | $\frac12\sum_l\lVert W_l\rVert_F^2$ | standard, one branch | $\frac{\beta L}2\sum_i\sigma_i(W)^{2/L}$: **not convex** for $L\ge3$ |
# | power | $\frac12\sum_{l,b}\lVert W_{l,b}\rVert_F^L$ | branches | $\frac{\beta L}2\lVert W\rVert_*$ |
# | normalised | $\frac12\sum_b(\lVert W_{L-1,b}\rVert_F^2+\lVert W_{L,b}\rVert_F^2)$, $\lVert W_{l,b}\rVert_F=t$ for $l\le L-2$ | branches | $\beta t^{-(L-2)}\lVert W\rVert_*$ |
#
# For $L=2$ the three are one. The dual of the last two is $\max_v -\mathcal L^*(-v)$ subject to
# $\sigma_{\max}(X^Tv)\le$ the factor in front of $\lVert W\rVert_*$, and there is no gap.
#
# **Why it is true.** The mean of $L$ squares is at least their geometric mean, so a chain with product $s$ costs
# $\frac L2s^{2/L}$, reached only when all layers have the same norm. Hölder's inequality says the same of matrices,
# with equality when every layer has the singular values $\sigma_i^{1/L}$ and is aligned with the next; branches of linear
# cost add up to every convex combination, and that makes the nuclear norm.
#
# *Assumptions:* $\beta>0$, no biases, hidden widths and branches at least the rank of the solution; squared loss and
# whitened data, or one output, where a closed form is used.

# %% tags=["parameters"]
size: str = "quick"  # "quick": two cores, under a minute; "full": larger data, more seeds
seed: int = 0
beta: float = 0.05  # regularisation of the pictures of one singular value
real_share: float = 0.65  # MNIST: the threshold as a share of the largest singular value
device: str = "auto"

# %%
from dataclasses import replace

import numpy as np

from convexnn import Data, certify, report, solve, train
from convexnn.data import load, matrix, one_hot, split, whiten_columns, whiten_rows
from convexnn.numerics import limit_threads, relative_gap
from convexnn.plotting import deep_linear as figures
from convexnn.theorems import deep_linear
from convexnn.theorems.deep_linear.alignment import column_cosines, imbalance, misalignment, operator_norms, ranks
from convexnn.theorems.deep_linear.descent import descend
from convexnn.theorems.deep_linear.linear_network import PROBLEMS, Depth
from convexnn.theorems.shared.schatten import decay, jump, shrink, threshold

limit_threads()
claims = {claim.id.split(".")[1]: claim for claim in deep_linear.claims}
result = report.Result(
    "04_deep_linear", {"size": size, "seed": seed, "beta": beta, "real_share": real_share, "device": device}
)
seeds = range(seed, seed + (6 if size == "quick" else 24))
many = range(seed, seed + (25 if size == "quick" else 100))  # squared decay has local minima: more starts
rng = np.random.default_rng(seed)

# %% [markdown]
# ## 1 One singular value
#
# For whitened data the problem falls apart into one scalar problem for each singular value $\sigma$ of $X^TY$:
# $h(s)=\frac12(s-\sigma)^2+\frac{\beta L}2s^{2/L}$. With two layers it is soft-thresholding at $\beta$. With more, zero is
# always a local minimum; the other one wins once $\sigma>\tau_L(\beta)=\frac{L-1}{L-2}[\beta(L-2)]^{L/(2(L-1))}$, and there
# the solution jumps. At one $\beta$ deeper networks prune harder. What they keep they lower by $\beta s^{2/L-1}$: more than
# two layers do below $s=1$, less above, and all depths keep exactly 1 of $\sigma=1+\beta$.

# %%
depths = (2, 3, 4, 5)
sigma_grid, s_grid = np.linspace(0, 1.2, 601), np.linspace(0, 0.7, 701)
result.save(rtol=1e-9, sigma_grid=sigma_grid, s_grid=s_grid)
for L in depths:
    tau = threshold(beta, L)
    at_threshold = 0.5 * (s_grid - tau) ** 2 + beta * decay(s_grid, L)
    kept = shrink(sigma_grid, beta, L)
    result.save(rtol=1e-9, **{f"shrink_{L}": kept, f"tau_{L}": tau, f"at_threshold_{L}": at_threshold})
result.figure(
    "shrinkage",
    figures.draw_shrinkage(depths),
    "Left: the kept singular value jumps for L >= 3. Right: at the threshold zero and the jump have the same objective.",
)

# %% tags=["nbval-check-output"]
for L in depths:
    print(f"L = {L}: threshold {threshold(beta, L):.6f}, jump {jump(beta, L):.6f}, keeps", end=" ")
    print(", ".join(f"{float(shrink(x, beta, L)):.4f} of {x:g}" for x in (0.5, 1 + beta, 2.0)))

# %% [markdown]
# ## 2 The convex problems, on data of any kind
#
# Normalised layers, $L$-th powers, and two layers: each is a nuclear-norm program. The certificate bounds *all* networks of
# that problem. The program in the paper's letters goes to a conic solver; the recovered network has one branch of rank one
# for each singular triple; gradient training may reach the value and may not end below the lower bound.

# %%
data = deep_linear.sample(size, seed)
cases = {
    "two layers": {"layers": 2, "problem": "squared"},
    "normalised, L = 3, t = 1": {"layers": 3, "problem": "normalised"},
    "normalised, L = 4, t = 1.3": {"layers": 4, "problem": "normalised", "t": 1.3},
    "power, L = 3": {"layers": 3, "problem": "power"},
}
rows, solutions, wide_enough = [], {}, data.y.shape[1] + 3
for name, options in cases.items():
    program = deep_linear.program(data, **options)
    solutions[name] = solution = solve(program, tol=1e-8, device=device)
    certificate = certify(program, solution)
    paper = deep_linear.reference(data, **options).solve(solver="CLARABEL")
    network = deep_linear.recover(data, solution)
    rival = train(deep_linear.network(wide_enough, data, **options), data, "lbfgs", list(seeds)[:3], steps=600)
    result.measure(claims["strong_duality"], certificate.gap, note=f"{name}, {certificate.scope}", seeds=[seed])
    result.measure(claims["reference"], relative_gap(solution.value, paper), note=name, seeds=[seed])
    result.measure(claims["recovery"], relative_gap(deep_linear.objective(network, data), solution.value), note=name)
    result.measure(
        claims["no_training_below"], relative_gap(rival.value, certificate.lower), note=name, seeds=rival.seeds
    )
    result.measure(claims["training_reaches"], relative_gap(rival.value, solution.value), note=name, seeds=rival.seeds)
    rows.append((name, program.beta, solution.value, rival.value, np.linalg.matrix_rank(solution.Z[0], 1e-9)))
result.save(rtol=1e-6, convex_values=[row[2] for row in rows], convex_strengths=[row[1] for row in rows])
result.table(
    "convex_problems",
    ["problem", "factor of the nuclear norm", "certified optimum", "best training run", "rank"],
    rows,
    caption="The same data and the same beta in four problems called weight decay.",
)

# %% any smooth convex loss is the same program
labels = Data(data.X, np.where(data.y > 0, 1.0, -1.0), 0.1 * data.beta)
classes = Data(data.X, one_hot(data.y.argmax(1)), 0.1 * data.beta)
for loss, case in {"logistic": labels, "cross_entropy": classes}.items():
    found = solve(deep_linear.program(case, loss=loss), tol=1e-7, device=device)
    result.measure(claims["losses"], found.gap, note=loss, seeds=[seed])
    result.measure(
        claims["recovery"],
        relative_gap(deep_linear.objective(deep_linear.recover(case, found), case), found.value),
        note=loss,
    )
    result.save(rtol=1e-5, **{f"{loss}_value": found.value})

# %% tags=["nbval-check-output"]
for name, solution in solutions.items():
    print(f"{name}: {solution.status}, {solution.certificate.scope} scope, optimum {solution.value:.5f}")

# %% [markdown]
# ## 3 Whitened data: closed forms for all three problems, side by side
#
# With $X^TX=I$ the convex problems are soft-thresholding of the singular values of $X^TY$, and the judge certifies that
# point. Squared decay with $L\ge3$ has no tight convex dual; its closed form is judged by a search over the scale of each
# singular value that bounds the data term by tangents and the concave penalty by chords. Read the table along a row: the
# same $\beta$ means different things.
#
# Squared decay also has a trap that the convex problems do not have: a run may drop a singular triple that should stay or
# keep one that should go, and every such choice is a local minimum. So this problem is trained from more starts, and every
# run must end at the value of one of the $2^k$ choices.

# %%
white = replace(data, X=whiten_rows(data.X.T).T)
sigma = np.linalg.svd(white.X.T @ white.y, compute_uv=False)
white = replace(white, beta=0.2 * sigma[0])
rows, trained, reached = [], {}, {}
for L in (2, 3, 4):
    values = []
    for problem in PROBLEMS:
        depth = Depth(L, problem)
        form = deep_linear.whitened(white, depth)
        starts, width = (many, 20) if problem == "squared" and L > 2 else (list(seeds)[:3], wide_enough)
        rival = train(deep_linear.network(width, white, L, problem), white, "lbfgs", starts, steps=600)
        if depth.is_convex:
            judged = certify(deep_linear.program(white, L, problem), form.network.product()[None])
            result.measure(claims["soft_threshold"], judged.gap, note=f"{problem}, L = {L}", seeds=[seed])
        else:
            gap = relative_gap(form.network.objective(white), form.lower)
            result.measure(claims["squared_form"], gap, note=f"L = {L}", seeds=[seed])
            values_of_traps = deep_linear.traps(white, L)
            missed = np.abs(rival.final[:, None] - values_of_traps).min(1).max() / form.value
            result.measure(claims["traps"], missed, note=f"L = {L}, farthest run", seeds=rival.seeds)
            reached[L] = sum(rival.final <= form.value * (1 + 1e-6)), len(rival.final)
        note = f"whitened, {problem}, L = {L}"
        result.measure(claims["no_training_below"], relative_gap(rival.value, form.lower), note=note, seeds=rival.seeds)
        result.measure(claims["training_reaches"], relative_gap(rival.value, form.value), note=note, seeds=rival.seeds)
        trained[L, problem] = rival
        values += [form.value, rival.value]
    rows.append((L, *values))
result.table(
    "three_problems",
    ["L", *(f"{problem}: {what}" for problem in PROBLEMS for what in ("closed form", "best training run"))],
    rows,
    caption="Whitened data, one beta, three problems (normalised with t = 1). For L = 2 they agree.",
)
result.save(rtol=1e-6, closed_forms=[row[1::2] for row in rows])

# %% the layers of the trained standard networks: one norm, aligned
for L in (2, 3, 4):
    layers = trained[L, "squared"].best.matrices()
    norms = np.array([[np.linalg.norm(W) for W in layers], operator_norms(layers)])
    spread = float((np.ptp(norms, axis=1) / norms.max(axis=1)).max())
    result.measure(claims["equal_norms"], spread, note=f"L = {L}", seeds=[seed])
    result.measure(claims["alignment"], imbalance(layers), note=f"L = {L}", seeds=[seed])

# %% tags=["nbval-check-output"]
for row in rows:
    print(f"L = {row[0]}: squared {row[1]:.5f}, power {row[3]:.5f}, normalised {row[5]:.5f}")
for L in (3, 4):
    network = trained[L, "squared"].best
    rank = deep_linear.whitened(white, Depth(L, "squared")).rank
    print(f"L = {L}: consecutive singular vectors parallel:", misalignment(network.matrices(), rank) < 1e-5)
    print(f"L = {L}: some starts reach the optimum, some do not:", 0 < reached[L][0] < reached[L][1])

# %% [markdown]
# ## 4 The rank staircase
#
# Raise $\beta$ and the layers lose rank one by one. For two layers this happens at $\beta=\sigma_i(X^TY)$, exactly on
# whitened data. For four layers the same figure needs other places: $\tau_4(\beta)=\sigma_i$. Counting the singular values
# above $\beta$ (dotted) is wrong by far: that is where the two-layer statement stops.

# %%
G = rng.standard_normal((30, 5))
narrow = Data(whiten_rows(G.T).T, rng.standard_normal((30, 5)), 1.0)
stairs, told = {"two": (white, 2, (50,), 2), "four": (narrow, 4, (50, 30, 40), 10 if size == "quick" else 40)}, []
for name, (case, L, widths, count) in stairs.items():
    depth, values = Depth(L, "squared"), np.linalg.svd(case.X.T @ case.y, compute_uv=False)
    critical = deep_linear.critical_beta(values, depth)
    tried = deep_linear.between(critical)
    forms = [deep_linear.whitened(replace(case, beta=b), depth) for b in tried]
    found = []
    for b, form in zip(tried, forms):
        stage = replace(case, beta=b)
        rival = train(deep_linear.network(widths, stage, L, "squared"), stage, "lbfgs", list(many)[:count], steps=400)
        found.append(ranks(rival.best.matrices(), values[0] ** (1 / L)))
        result.measure(claims["no_training_below"], relative_gap(rival.value, form.lower), note=f"staircase, L = {L}")
    wrong = sum(r != form.rank for row, form in zip(found, forms) for r in row)
    result.measure(claims["staircase"], wrong, note=f"L = {L}, layers of another rank", seeds=list(many)[:count])
    naive = sum(form.rank != (values > b).sum() for b, form in zip(tried, forms))
    if L > 2:
        result.measure(claims["beta_staircase"], naive, note=f"L = {L}, values of beta where the count is wrong")
    fine = np.geomspace(0.6 * critical.min(), 1.4 * critical.max(), 400)
    result.save(rtol=1e-6, **{f"{name}_betas": fine, f"{name}_critical": critical, f"{name}_tried": tried})
    counted = {"rank": (critical > fine[:, None]).sum(1), "naive": (values > fine[:, None]).sum(1)}
    result.save(rtol=0, **{f"{name}_{key}": counts for key, counts in counted.items()})
    result.save(rtol=None, **{f"{name}_trained": np.array(found)})
    powers = [deep_linear.whitened(replace(case, beta=b), Depth(L, "power")).rank for b in tried]
    told.append(f"{name} layers: at the same beta the optimum under power decay has ranks {powers}")
    told.append(f"{name} layers: ranks {[form.rank for form in forms]}, every trained layer has them: {wrong == 0}")
result.figure(
    "staircases",
    figures.draw_staircases({"two": "two layers, width 50", "four": "four layers, 5-50-30-40-5"}),
    "Rank of every layer against beta. Markers are trained networks, one ring a layer; dashed lines the predicted steps.",
)

# %% tags=["nbval-check-output"]
print(*told, sep="\n")

# %% [markdown]
# During training the norms of the layers become one, whatever the widths: Frobenius and operator norms are different
# numbers, because the rank is two, but each is the same in all four layers.

# %%
left, right = whiten_rows(rng.standard_normal((5, 5))), whiten_rows(rng.standard_normal((5, 5)))
planted = np.array([4.0, 3.0, 0.8, 0.5, 0.3])  # singular values of the targets
steps = deep_linear.between(deep_linear.critical_beta(planted, Depth(4, "squared")))
rank_two = Data(narrow.X, narrow.X @ (left * planted) @ right, steps[3])
form = deep_linear.whitened(rank_two, Depth(4, "squared"))
starts = [deep_linear.network((50, 30, 40), rank_two, 4, "squared", seed=start) for start in list(many)[:10]]
walk = min((descend(start, rank_two, steps=600, every=3) for start in starts), key=lambda w: w.objectives[-1])
ends = {"frobenius": walk.frobenius[-1], "operator": walk.operator[-1]}
spread = max(float(np.ptp(norms) / norms.max()) for norms in ends.values())
result.measure(claims["equal_norms"], spread, note="Adam, 5-50-30-40-5", seeds=list(many)[:10])
result.save(rtol=1e-6, norm_frobenius=np.sqrt((form.s**0.5).sum()), norm_operator=form.s.max() ** 0.25)
result.save(rtol=None, norm_steps=walk.steps, frobenius=walk.frobenius, operator=walk.operator)
result.figure(
    "norms",
    figures.draw_norms,
    "Norms of the four layers along Adam, the lowest of ten starts. Dotted: the closed form's.",
)

# %% tags=["nbval-check-output"]
other = deep_linear.whitened(rank_two, Depth(4, "power"))
print(f"squared decay {form.value:.5f}, rank {form.rank}; power decay {other.value:.5f}, rank {other.rank}")
print("all layers end with one Frobenius and one operator norm:", spread < 1e-5)
print("the run ends at the closed form:", abs(relative_gap(walk.objectives[-1], form.value)) < 1e-6)

# %% [markdown]
# ## 5 The duality gap is a function of spectrum and depth
#
# The dual of squared decay on a standard network sees $\lVert W\rVert_*^{2/L}$ where the network pays
# $\sum_i\sigma_i^{2/L}$. For interpolation $P=\frac L2\sum\sigma_i^{2/L}$ and $D=\frac L2(\sum\sigma_i)^{2/L}$ with the
# singular values of $X^+Y$: no gap for $L=2$ or rank one, and a gap otherwise. **Equal singular values do not close it**:
# of two values they make $(P-D)/P$ widest. Leaving more layers out of the exchange of minimum and maximum climbs from $D$ to $P$ in steps.

# %%
examples = [((1, 1), 3), ((4, 1), 3), ((4, 1), 4), ((1, 1, 1), 3), ((2,), 5), ((4, 1), 2)]
rows = [(str(s), L, *deep_linear.interpolation(np.array(s, float), L), 0.5 * L * sum(s)) for s, L in examples]
result.table(
    "gaps",
    ["singular values of X^+ Y", "L", "squared: P", "squared: D", "squared: gap", "power, with branches: P = D"],
    [(*row[:4], row[2] - row[3], row[4]) for row in rows],
    caption="Least cost of an exact fit. The power problem has no gap, but that does not make its value smaller.",
)
ratios = np.linspace(0, 1, 201)
pair = [np.array([1.0, ratio]) for ratio in ratios]
for L in (2, 3, 4, 6):
    found = [deep_linear.interpolation(s, L) for s in pair]
    result.save(rtol=1e-9, atol=1e-12, **{f"gap_{L}": [case.gap / case.primal for case in found]})
result.save(rtol=1e-9, ratios=ratios)
rises = [
    np.diff([deep_linear.partial_dual(s, L, inner) for inner in range(L - 1)]).min()
    for L in (3, 4, 5, 6)
    for s in rng.exponential(size=(20, 4))
]
result.measure(claims["partial_duals"], min(rises), note="smallest rise over 80 spectra", seeds=[seed])

# %% the formulas are limits of what the closed forms and the dual say at small beta
exact = Data(white.X, white.X @ (white.X.T @ white.y), 1e-6)  # targets that a linear network can fit
for L in (2, 3, 4):
    limit = deep_linear.interpolation(sigma, L)
    primal = deep_linear.whitened(exact, Depth(L, "squared")).value / exact.beta
    dual = deep_linear.bidual(exact, Depth(L, "squared")).upper / exact.beta
    result.measure(claims["minimum_norm"], relative_gap(primal, limit.primal), note=f"L = {L}", seeds=[seed])
    result.measure(claims["dual_value"], relative_gap(dual, limit.dual), note=f"L = {L}", seeds=[seed])

# %% regularised: P, D and training
three, wide = (
    Depth(3, "squared"),
    np.geomspace(0.01, 1.1, 60) * deep_linear.critical_beta(sigma, Depth(3, "squared"))[0],
)
primal = [deep_linear.whitened(replace(white, beta=b), three).value for b in wide]
dual = [deep_linear.bidual(replace(white, beta=b), three) for b in wide]
tried, runs = wide[5::12], []
for b in tried:
    stage = replace(white, beta=b)
    runs.append(train(deep_linear.network(20, stage, 3, "squared"), stage, "lbfgs", list(many)[:10], steps=400).value)
    by_t = deep_linear.common_t(stage, 3)[0]
    result.measure(claims["outer_t"], relative_gap(by_t, deep_linear.bidual(stage, three).upper), seeds=[seed])
result.measure(claims["gap_positive"], relative_gap(runs[0], dual[5].upper), note="best training run", seeds=[seed])
equal = deep_linear.interpolation(np.ones(2), 3)
result.measure(claims["gap_positive"], relative_gap(equal.primal, equal.dual), note="two equal singular values, L = 3")
ray = replace(white, y=white.X @ np.outer(rng.standard_normal(data.d), rng.standard_normal(data.y.shape[1])), beta=0.1)
for name, case, depth in (("rank one, L = 3", ray, three), ("L = 2", white, Depth(2, "squared"))):
    gap = relative_gap(deep_linear.whitened(case, depth).value, deep_linear.bidual(case, depth).upper)
    result.measure(claims["gap_zero"], gap, note=name, seeds=[seed])
result.save(rtol=1e-6, gap_betas=wide, primal=primal, dual=[d.upper for d in dual], gap_tried=tried)
result.save(rtol=1e-4, gap_trained=runs)
result.save(rtol=1e-9, null=0.5 * (white.y**2).sum())
result.figure(
    "gap",
    figures.draw_gap((2, 3, 4, 6)),
    "Left: the gap grows with depth and with equal singular values. Right: training reaches P, never D.",
)

# %% tags=["nbval-check-output"]
for row in rows:
    print(f"sigma = {row[0]}, L = {row[1]}: P {row[2]:.6f}, D {row[3]:.6f}, gap {row[2] - row[3]:.6f}")

# %% [markdown]
# ## 6 Branches: needed for the power, useless for squared decay
#
# With the $L$-th power a network needs as many branches as the solution has rank; with fewer it ends above. With squared
# decay the penalty is concave in the scale of a branch, so branches cannot lower the optimum: the gap to $D$ stays.

# %%
power, squared = (deep_linear.whitened(white, Depth(3, problem)) for problem in ("power", "squared"))
attempts = {
    "power, one branch of rank one": ("power", {"width": 1}, power),
    "power, one matrix branch": ("power", {"width": wide_enough, "branches": 1}, power),
    "squared, eight branches": ("squared", {"width": 3, "branches": 8}, squared),
}
rows = []
for name, (problem, shape, form) in attempts.items():
    rival = train(deep_linear.network(data=white, layers=3, problem=problem, **shape), white, "lbfgs", seeds, steps=600)
    claim = claims["branches_needed" if problem == "power" else "branches_useless"]
    result.measure(claim, relative_gap(rival.value, form.value), note=name, seeds=rival.seeds)
    rows.append((name, form.value, rival.value, relative_gap(rival.value, form.value) > 1e-3))
result.table(
    "branches",
    ["network", "optimum of the problem", "best training run", "above the optimum"],
    rows,
    caption="Too few branches end above the power problem's optimum; many do not help squared decay.",
)

# %% tags=["nbval-check-output"]
for name, optimum, _, above in rows:
    print(f"{name}: optimum {optimum:.5f}, best training run {'above it' if above else 'at it'}")

# %% [markdown]
# ## 7 One output, any data
#
# One branch of rank one is optimal, its direction a ridge solution, its length found by a search over one number that
# bounds *every* network from below. All first-layer neurons of a trained network are parallel. And here gradient descent
# meets the trap of depth: for $L\ge3$ the zero network is a local minimum, and some seeds stay there.

# %%
single = Data(data.X, data.y[:, 0], 0.2 * np.linalg.norm(data.X.T @ data.y[:, 0]))
rows = []
for L in (2, 3, 4):
    form = deep_linear.one_output(single, Depth(L, "squared"))
    rival = train(deep_linear.network(6, single, L, "squared"), single, "lbfgs", list(many)[:15], steps=600)
    cosines = column_cosines(rival.best.matrices()[0], form.network.product()[:, 0])
    achieved = form.network.objective(single)
    result.measure(claims["one_output"], relative_gap(achieved, form.lower), note=f"L = {L}", seeds=[seed])
    note = f"one output, L = {L}"
    result.measure(claims["no_training_below"], relative_gap(rival.value, form.lower), note=note, seeds=rival.seeds)
    result.measure(claims["training_reaches"], relative_gap(rival.value, achieved), note=note, seeds=rival.seeds)
    result.measure(claims["parallel_columns"], float(1 - cosines.min()), note=f"L = {L}", seeds=[seed])
    stuck = int((rival.final > (1 - 1e-6) * 0.5 * single.y @ single.y).sum())
    power_value = deep_linear.one_output(single, Depth(L, "power")).value
    rows.append((L, achieved, rival.value, f"{stuck} of {len(rival.seeds)}", power_value))
result.table(
    "one_output",
    ["L", "squared: optimum", "squared: best training run", "seeds left at zero", "power: optimum"],
    rows,
    caption="One output on generic data: squared decay judged and trained, the power problem's value beside it.",
)
result.save(rtol=1e-6, one_output=[row[1] for row in rows], one_output_power=[row[4] for row in rows])

# %% tags=["nbval-check-output"]
for row in rows:
    print(f"L = {row[0]}: squared decay {row[1]:.5f}, L-th power {row[4]:.5f}")

# %% [markdown]
# ## 8 Real data: ten digits
#
# MNIST from the shipped cut: forty principal components of the training images, whitened; one-hot targets with their mean
# removed (an output bias that is not regularised). Squared decay with two, three and four layers, compared at equal
# *thresholds*: $\beta$ is chosen so that singular values below a given share of $\sigma_1$ are dropped. The closed form is
# computed from one singular value decomposition; training starts from several seeds.

# %%
digits = load("mnist", subset="shipped")
X_train, y_train, X_test, y_test = split(matrix(digits), digits.y, seed=0)
Z_train, Z_test = whiten_columns(X_train, X_test, 40)
targets = one_hot(y_train)
real_sigma = np.linalg.svd(Z_train.T @ (targets - targets.mean(0)), compute_uv=False)
shares = np.linspace(0.02, 1.02, 51)
rows, outcome = [], {}
for L in (2, 3, 4):
    depth = Depth(L, "squared")
    strengths = deep_linear.critical_beta(np.append(shares, real_share) * real_sigma[0], depth)
    cases = [Data(Z_train, targets - targets.mean(0), b, "mnist") for b in strengths]
    forms = [deep_linear.whitened(case, depth) for case in cases]
    scores = [np.mean((f.network.predict(Z_test) + targets.mean(0)).argmax(1) == y_test) for f in forms]
    rival = train(deep_linear.network(20, cases[-1], L, "squared"), cases[-1], "lbfgs", list(many)[:15], steps=300)
    score = np.mean((rival.best.predict(Z_test) + targets.mean(0)).argmax(1) == y_test)
    result.measure(claims["real_form"], relative_gap(rival.value, forms[-1].value), note=f"L = {L}", seeds=rival.seeds)
    result.measure(
        claims["no_training_below"],
        relative_gap(rival.value, forms[-1].lower),
        note=f"MNIST, L = {L}",
        seeds=rival.seeds,
    )
    result.measure(claims["real_accuracy"], scores[-1] - score, note=f"L = {L}", seeds=rival.seeds)
    result.save(rtol=1e-6, **{f"real_value_{L}": forms[-1].value})
    result.save(rtol=0, **{f"real_rank_{L}": [f.rank for f in forms[:-1]]})
    result.save(rtol=0, atol=0.01, **{f"real_accuracy_{L}": scores[:-1]})
    result.save(rtol=None, **{f"real_excess_{L}": rival.final / forms[-1].value - 1})
    power_value = deep_linear.whitened(cases[-1], Depth(L, "power")).value
    ends = (forms[-1].value, rival.value, power_value)
    rows.append((L, cases[-1].beta, forms[-1].rank, *ends, 100 * scores[-1], 100 * score))
    outcome[L] = (forms[-1], rival)
result.save(rtol=1e-6, shares=shares, real_sigma=real_sigma)
result.table(
    "real_data",
    ["L", "beta", "rank", "closed form", "best run", "power, same beta", "accuracy, closed form, %", "trained, %"],
    rows,
    caption="MNIST, ten classes, squared decay (power beside it); beta differs so that the thresholds agree.",
)
result.figure(
    "real_data",
    figures.draw_real((2, 3, 4)),
    "Rank and test accuracy against the threshold, and how far above the closed form each run ends (at least 1e-16).",
)

# %% tags=["nbval-check-output"]
for L, (form, rival) in outcome.items():
    reached = rival.value <= form.value * (1 + 1e-4)
    print(f"L = {L}: rank {form.rank}, any run below the bound: {bool(rival.curves.min() < form.lower - 1e-9)}")
    print(f"L = {L}: best of the seeds reaches the closed form: {reached}")

# %% [markdown]
# ## 9 Change this
#
# * `beta`: at 0.2 the jump of section 1 is wide, at 0.001 all depths look like the diagonal.
# * `seed`: other data; every sentence above must stay true.
# * `t` of the normalised problems: below one the inner layers shrink the signal and the factor $\beta t^{-(L-2)}$ grows.
# * `real_share`: at 0.9 few directions are left and accuracy falls; at one threshold depth lowers them less.
