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
# # A convolutional architecture is a convex regulariser
#
# **Claim** (Ergen and Pilanci, arXiv 2006.14798). Train a convolutional network with weight decay. The optimum is that of
# a convex program, and the architecture decides its norm. With $X_k$ the $k$-th patch of every sample:
#
# | network | program |
# |---|---|
# | $\sum_j\sum_k(X_ku_j)_+w_j$, sum or average pooling | group $\ell_2$ over the joint cells of all patches |
# | $\sum_j\max_k(X_ku_j)_+w_j$, max pooling | group $\ell_2$, cells say which patch wins |
# | $\sum_{jk}X_ku_jw_{jk}$, linear, flat | nuclear norm of $[z_1\dots z_K]$ |
# | $\sum_j(X\,\mathrm{circ}(u_j)w_{1j})_+w_{2j}$, circular, $\Vert u_j\Vert\le1$ | $\frac{\beta}{\sqrt d}\Vert Fz\Vert_1$, $F$ the unitary DFT |
# | $\sum_j\big(\sum_k(X_ku_{jk})_+w_{1jk}\big)_+w_{2j}$, $\Vert u_{jk}\Vert\le1$ | Frobenius norms $\sum\Vert C\Vert_F$ |
#
# **Why it is true.** Rescaling a filter against its output weight turns weight decay into $\beta\|u\|\|w\|$. Inside a cell
# (which patches are active, or which one wins) the network is linear in the filter, so the neurons of a cell add up to
# one vector. What is left is the smallest ball that holds all products of one filter and its weights: that ball's norm.
#
# *Assumptions:* $\beta>0$, one output, enough filters. Patches share a filter in all but the last row.

# %% tags=["parameters"]
size: str = "quick"  # "quick": ten samples, four patches; "full": sixteen, six, longer filters
seed: int = 0
image_beta: float = 0.1  # regularisation of the problems on images
device: str = "auto"

# %%
import numpy as np
import torch

from convexnn import Data, report, solve, train
from convexnn.data import binary, load
from convexnn.numerics import limit_threads, relative_gap, tensor
from convexnn.plotting import cnn as figures
from convexnn.theorems import cnn, two_layer, vector_output
from convexnn.theorems.cnn.cells import cells_of
from convexnn.theorems.cnn.circular import circular_sample
from convexnn.theorems.cnn.fourier import spectrum
from convexnn.theorems.cnn.golden import OPTIMA, golden
from convexnn.theorems.cnn.references import circular_reference, two_relu_reference
from convexnn.theorems.cnn.two_relu import two_relu_sample
from convexnn.theorems.shared.cyclic import cyclic_patches
from convexnn.theorems.shared.normalised import image_patches

limit_threads()
claims = {claim.id.split(".")[1]: claim for claim in cnn.claims}
result = report.Result("10_cnn", {"size": size, "seed": seed, "image_beta": image_beta, "device": device})
many = 5 if size == "quick" else 20
seeds = range(seed, seed + many)
rates = {"sum": 0.02, "average": 0.05, "max": 0.03, "flat": 0.03}  # of gradient descent
poolings = tuple(rates)
rng = np.random.default_rng(seed)

# %% [markdown]
# ## 1 Four programs, their certificates, and networks with few and many filters
#
# The certificate is over all cells, so it speaks about networks of any width. The reference is the program in the
# paper's letters in CVXPY. Gradient descent (full batch, momentum) starts from several seeds, with one filter and with
# fifty.

# %%
data = cnn.sample(size, seed)
solutions, few, plenty = {}, {}, {}
for pooling in poolings:
    solutions[pooling] = solution = solve(cnn.program(data, pooling), device=device)
    score = cnn.objective(cnn.recover(data, solution), data)
    result.measure(claims["strong_duality"], solution.gap, note=pooling, seeds=[seed])
    result.measure(claims["recovery"], relative_gap(score, solution.value), note=pooling, seeds=[seed])
    small = cnn.sample("tiny", seed)
    paper = cnn.reference(small, pooling).solve(solver="CLARABEL")
    fast = solve(cnn.program(small, pooling), device=device).value
    result.measure(claims["reference"], relative_gap(fast, paper), note=pooling, seeds=[seed])
    for width, steps, kept in ((1, 800, few), (50, 2000, plenty)):
        start = cnn.network(width, data, pooling)
        kept[pooling] = run = train(start, data, "sgd", seeds, steps, learning_rate=rates[pooling], device="cpu")
        below = run.curves.min() - solution.lower
        result.measure(claims["no_training_below"], below, note=f"{pooling}, {width} filters", seeds=seeds)
    result.measure(claims["many_filters"], relative_gap(run.value, solution.lower), note=pooling, seeds=seeds)
    if pooling != "flat":
        stuck = relative_gap(few[pooling].value, solution.value)
        result.measure(claims["few_filters"], stuck, note=pooling, seeds=seeds)
result.save(rtol=1e-5, values=np.array([s.value for s in solutions.values()]))
result.save(
    rtol=None,
    iterations_few=few["sum"].iterations,
    iterations_many=plenty["sum"].iterations,
    curves_few=few["sum"].curves,
    curves_many=plenty["sum"].curves,
    finals_few=np.array([few[p].final for p in poolings]),
    finals_many=np.array([plenty[p].final for p in poolings]),
)
result.figure(
    "training",
    figures.draw_training,
    "Gradient descent with one filter stays above the certified optimum; with fifty it comes down to it.",
)

# %% tags=["nbval-check-output"]
for pooling, solution in solutions.items():
    print(pooling, solution.status, solution.certificate.scope)

# %% [markdown]
# ## 2 Cells, pooling, and ordinary torch layers
#
# In every cell of the max program the linear map is what `max_pool` returns. On images `unfold` makes the patches and the
# recovered filters are the kernels of a `Conv2d`. One patch of full length is the fully connected theorem; average
# pooling is sum pooling at $K\beta$.

# %%
cells = cells_of(data.X, "max", "all", 0, 100_000)
filters = rng.standard_normal((300, data.X.shape[2]))
active = torch.relu(tensor(data.X @ filters.T)).permute(0, 2, 1)  # (n, filters, K)
pooled = torch.nn.functional.max_pool1d(active, data.X.shape[1])[:, :, 0].numpy()
where, which = np.nonzero(cells.inside(filters))
defect = np.abs(np.einsum("pnh,ph->pn", cells.E[where], filters[which]) - pooled.T[which]).max()
result.measure(claims["max_pool"], defect, note=f"{len(where)} filters in their cells", seeds=[seed])

images = rng.standard_normal((4, 1, 3, 2))
few_images = Data(image_patches(images, 2), rng.standard_normal(4), 0.1)
for pooling in poolings:
    restricted = cnn.program(few_images, pooling, patterns=12, seed=seed)
    found = solve(restricted, device=device)
    layers = cnn.recover(few_images, found).sequential(1, (2, 1))
    gap = (layers(tensor(images)) - restricted.predict(tensor(found.Z))).abs().max()
    result.measure(claims["torch_layers"], float(gap.detach()), note=pooling, seeds=[seed])

rows = Data(data.X[:, 0].copy(), data.y, data.beta)
connected = solve(two_layer.program(rows), device=device).value
for pooling in ("sum", "average", "max"):
    alone = solve(cnn.program(Data(rows.X[:, None], rows.y, rows.beta), pooling), device=device).value
    result.measure(claims["one_patch"], relative_gap(alone, connected), note=pooling, seeds=[seed])
heavier = Data(data.X, data.y, data.beta * data.X.shape[1])
summed = solve(cnn.program(heavier, "sum"), device=device).value
result.measure(claims["average_is_sum"], relative_gap(summed, solutions["average"].value), seeds=[seed])

# %% [markdown]
# ### Flat ReLU, several outputs, any linear pooling
#
# An output weight for every patch makes the variable of a cell a matrix, priced by the cone-constrained nuclear norm:
# the vector-output theorem on patches. Its networks become torch layers as well.

# %%
small = cnn.sample("tiny", seed)
targets = {"flat_relu": small.y, "vector_output": rng.standard_normal((small.n, 2))}
halves = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
for name, P in (("flat_relu", np.eye(3)), ("vector_output", halves)):
    problem = Data(small.X, targets[name], small.beta)
    found = solve(vector_output.program(problem, pooling=P), device=device)
    net = vector_output.recover(problem, found)
    layers = cnn.pooled_layers(net.U, net.A, net.pool, 2, (1, 3))
    channels = tensor(small.X).transpose(1, 2)[:, :, None]  # (n, h, 1, K): a patch is a pixel with h channels
    gap = (layers(channels) - found.program.predict(tensor(found.Z))).abs().max()
    result.measure(claims[name], found.gap, seeds=[seed])
    result.measure(claims["torch_layers"], float(gap.detach()), note=name, seeds=[seed])
    rival = train(vector_output.network(20, problem, pooling=P), problem, seeds=seeds, steps=300, device="cpu")
    result.measure(claims["no_training_below"], rival.curves.min() - found.lower, note=name, seeds=seeds)

# %% [markdown]
# ## 3 Circular filters: sparsity in the Fourier basis
#
# With filters as long as the signal, $\mathrm{circ}(u)w$ has the spectrum $\sqrt d\,\hat u\odot\hat w$, and a product of two
# free spectra is priced by its $\ell_1$ norm. The constant is $\beta/\sqrt d$; with $\beta$ the program is above a network.
# More circular layers change nothing as long as the *product* of their filters is normalised.

# %%
wave = circular_sample(size, seed)
d = wave.X.shape[1]
program = cnn.circular_program(wave)
circular = solve(program, device=device)
net = cnn.recover_circular(wave, circular)
gap = (net.sequential()(tensor(wave.X)[:, None]) - program.predict(tensor(circular.Z))).abs().max()
result.measure(claims["circular"], circular.gap, seeds=[seed])
result.measure(claims["torch_layers"], float(gap.detach()), note="circular", seeds=[seed])
result.measure(claims["circular_recovery"], relative_gap(net.objective(wave), circular.value), seeds=[seed])
short_wave = circular_sample("tiny", seed)
paper = circular_reference(short_wave, short_wave.X.shape[1] ** 0.5).solve(solver="CLARABEL")
fast = solve(cnn.circular_program(short_wave), device=device).value
result.measure(claims["reference"], relative_gap(fast, paper), note="circular", seeds=[seed])
unscaled = solve(cnn.circular_program(wave, rho=1.0), device=device)
result.measure(claims["circular_constant"], relative_gap(unscaled.lower, net.objective(wave)), seeds=[seed])

traps = []
for depth in (3, 4, 5):
    deeper = cnn.recover_circular(wave, solve(cnn.circular_program(wave, depth=depth), device=device))
    rival = train(cnn.circular_network(20, d, depth), wave, seeds=seeds, steps=600, device="cpu")
    result.measure(claims["circular_training"], rival.curves.min() - circular.lower, note=f"depth {depth}", seeds=seeds)
    if depth == 3:
        result.measure(claims["circular_reached"], relative_gap(rival.value, circular.lower), seeds=seeds)
        traps.append((circular.value, rival.value))
        continue
    scored = relative_gap(deeper.objective(wave), circular.value)
    result.measure(claims["deep_circular"], scored, note=f"depth {depth}", seeds=[seed])
    rho = d ** ((depth - 2) / 2)  # what the lengths of the filters allow together
    naive = solve(cnn.circular_program(wave, depth=depth, rho=rho), device=device)
    each = train(cnn.circular_network(20, d, depth, normalise="each"), wave, seeds=seeds, steps=600, device="cpu")
    result.measure(claims["deep_each"], relative_gap(each.value, naive.value), note=f"depth {depth}", seeds=seeds)
    traps.append((naive.value, each.value))

# %% [markdown]
# ### Short filters: where the Fourier basis stops
#
# A filter of length $h<d$ has no free spectrum. For the linear network the exact program is then the nuclear norm over
# the $d$ cyclic patches: both programs are certified, and $\ell_1$ is strictly below.

# %%
signals, _ = golden("linear_vector")
lone = Data(signals.X, signals.y[:, 0].copy(), signals.beta)
fourier = solve(cnn.circular_linear_program(lone), tol=1e-8, device=device)
full = solve(cnn.program(Data(cyclic_patches(lone.X, 4), lone.y, lone.beta), "flat"), tol=1e-8, device=device)
short = solve(cnn.program(Data(cyclic_patches(lone.X, 2), lone.y, lone.beta), "flat"), tol=1e-8, device=device)
result.measure(claims["circular"], relative_gap(full.value, fourier.value), note="linear: h = d in both forms")
result.measure(claims["short_filters"], relative_gap(short.lower, fourier.value), note="linear, h = 2, d = 4")
traps.append((fourier.value, short.value))
for name in OPTIMA:
    problem, value = golden(name)
    if name == "circular":
        made = cnn.circular_program(problem)
    else:
        linear = name.startswith("linear")
        made = cnn.circular_linear_program(problem) if linear else cnn.program(problem, name.split("_")[0])
    result.measure(claims["golden"], relative_gap(solve(made, device=device).value, value), note=name)

# %% tags=["nbval-check-output"]
print("h = 2: exact", f"{short.value:.5f}", "Fourier", f"{fourier.value:.5f}")

# %% [markdown]
# ## 4 Two ReLUs
#
# Three layers, a filter of its own for every patch: first-layer patterns multiply, and the price is a Frobenius norm. With
# one filter for all patches the variable of a group has rank one, and the program is only a lower bound.

# %%
three = two_relu_sample(seed)
program = cnn.two_relu_program(three)
solution = solve(program, device=device)
net = cnn.recover_two_relu(three, solution)
gap = (net.sequential()(tensor(three.X)) - program.predict(tensor(solution.Z))).abs().max()
result.measure(claims["torch_layers"], float(gap.detach()), note="two ReLUs", seeds=[seed])
result.measure(claims["two_relu"], solution.gap, note=f"{program.groups // 2} groups", seeds=[seed])
result.measure(claims["two_relu_recovery"], relative_gap(net.objective(three), solution.value), seeds=[seed])
paper = two_relu_reference(three).solve(solver="CLARABEL")
result.measure(claims["reference"], relative_gap(solution.value, paper), note="two ReLUs", seeds=[seed])
own = train(cnn.two_relu_network(12, three.X), three, seeds=seeds, steps=700, device="cpu")
shared = train(cnn.two_relu_network(12, three.X, shared=True), three, seeds=seeds, steps=700, device="cpu")
result.measure(claims["two_relu_training"], own.curves.min() - solution.lower, seeds=seeds)
result.measure(claims["two_relu_reached"], relative_gap(own.value, solution.lower), seeds=seeds)
result.measure(claims["two_relu_shared"], relative_gap(shared.value, solution.value), seeds=seeds)
traps += [(solution.value, own.value), (solution.value, shared.value)]
traps = np.array(traps)
plain = solve(two_layer.program(wave), device=device)
spectra = [np.abs(spectrum(z)).sum(0) for z in (circular.program.model.filters(circular.Z), plain.Z[:, :, 0])]
shares = np.array([hat / hat.sum() for hat in spectra])[:, : d // 2 + 1] * np.where(
    np.arange(d // 2 + 1) % (d / 2), 2, 1
)
result.save(rtol=None, shares=shares)
result.save(rtol=1e-5, lower_bounds=traps[:, 0], short=short.value)
result.save(rtol=None, reached=traps[:, 1])
result.figure(
    "spectra",
    figures.draw_spectra,
    "Left: a circular filter's price favours few frequencies. Right: where the formula is only a lower bound.",
)

# %% tags=["nbval-check-output"]
outside = traps[[1, 2, 3, 5]]  # each filter normalised (two depths), short filters, a shared filter
print("networks above the formula:", [bool(x) for x in outside[:, 1] > outside[:, 0] + 1e-3])

# %% [markdown]
# ## 5 Images: MNIST and CIFAR-10, and which cells to take
#
# Shipped cuts, two classes, images halved, patches of $4\times4$ pixels. All cells are far too many. With the cells of
# Gaussian filters the program is a restriction, and training ends below it: thin cells matter. With the cells of the
# *trained* filters it contains the trained network, so it cannot end above it, and it says what those cells can do.


# %%
def half_images(name: str, pair: tuple[int, int], part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, C, H/2, W/2) images of two classes in [0, 1], and labels -1 and +1."""
    flat, labels = binary(load(name, part, subset="shipped"), *pair)
    side = {"mnist": (1, 28, 28), "cifar10": (32, 32, 3)}[name]
    whole = flat.reshape(len(flat), *side)
    whole = whole if name == "mnist" else whole.transpose(0, 3, 1, 2)
    halved = torch.nn.functional.avg_pool2d(tensor(np.ascontiguousarray(whole)), 2).numpy()
    return halved[:count], labels[:count]


table, bars = [], []
for name, pair, stride in (("mnist", (3, 5), 5), ("cifar10", (1, 8), 4)):
    (fit, y), (rest, truth) = (half_images(name, pair, part, 60) for part in ("train", "test"))
    fit, rest = fit - fit.mean(), rest - fit.mean()
    channels, out = fit.shape[1], 2 * ((fit.shape[2] - 4) // stride + 1,)
    problem = Data(image_patches(fit, 4, stride), y, image_beta)
    for pooling in ("average", "max", "flat"):
        restricted = cnn.program(problem, pooling, patterns=20, seed=seed)
        found = solve(restricted, tol=1e-4, device=device)
        claim = claims["images_flat" if pooling == "flat" else "images_program"]
        result.measure(claim, found.gap, note=f"{name}, {pooling}", seeds=[seed])
        layers = cnn.recover(problem, found).sequential(channels, out, stride)
        gap = (layers(tensor(fit)) - restricted.predict(tensor(found.Z))).abs().max()
        result.measure(claims["images_layers"], float(gap.detach()), note=f"{name}, {pooling}", seeds=[seed])
        run = train(cnn.network(20, problem, pooling), problem, seeds=list(seeds)[:2], steps=300, device="cpu")
        methods = [
            ("program", layers, found.value),
            ("training", run.best.sequential(channels, out, stride), run.value),
        ]
        if pooling != "flat":
            trained = cnn.program(problem, pooling, patterns=run.best.U.detach().numpy())
            better = solve(trained, tol=1e-4, device=device)
            result.measure(claims["images_sampled"], relative_gap(found.lower, run.value), note=f"{name}, {pooling}")
            result.measure(claims["images_polish"], relative_gap(run.value, better.value), note=f"{name}, {pooling}")
            result.measure(claims["images_program"], better.gap, note=f"{name}, {pooling}, trained cells")
            network = cnn.recover(problem, better)
            methods.append(("program, trained cells", network.sequential(channels, out, stride), better.value))
            bars.append((found.value, run.value, better.value))
        for word, model, value in methods:
            right = float((np.sign(model(tensor(rest)).detach().numpy()[:, 0]) == truth).mean())
            table.append((name, pooling, word, value, right))
bars = np.array(bars)
result.save(rtol=1e-3, gaussian=bars[:, 0])
result.save(rtol=None, trained=bars[:, 1:])
result.table(
    "images",
    ["data", "pooling", "method", "objective", "test accuracy"],
    table,
    "60 training images of MNIST, 48 of CIFAR-10; MNIST 3 and 5, CIFAR-10 automobile and ship.",
)
result.figure("images", figures.draw_images, "Objectives on images: Gaussian cells, training, and the trained cells.")

# %% tags=["nbval-check-output"]
print("trained cells end lowest:", [bool(row[2] <= min(row[:2])) for row in bars])

# %% [markdown]
# ## 6 Change this
#
# * `size="full"`: longer filters, tens of thousands of cells. `seed`: other data.
# * Larger `image_beta`: all three bars come together, since fewer cells are in use.
# * `patterns=200` on images: the sampled program comes down slowly; the trained cells are worth more than many random ones.
