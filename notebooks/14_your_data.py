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
# # Your data, your network: how far from globally optimal
#
# **Claim** (this project). A two-layer ReLU network that an ordinary PyTorch loop trained on *your* table gets a
# certificate: its objective, the best network that was found from its neurons, and a bound that no network of any width
# passes. Where a better network is found it is returned as the same kind of module.
#
# **Why it is true.** With $v=-\nabla L$ any dual vector scaled until $\max_{\|w\|\le1}|v^T(Xw)_+|\le\beta$ bounds every network
# from below; an output bias $c$ that weight decay counts adds $-(\mathbf 1^Tv)^2/2\beta$ to the bound. A direction that
# pulls harder than $\beta$ is a neuron whose addition lowers the objective. Both facts hold whatever trained the network.
#
# *Assumptions:* squared loss, $\beta>0$; the loss is a sum over samples and $\beta/2$ multiplies all squared weights and
# biases, which is what `weight_decay` does for a mean over $n$ samples: $\beta=n\cdot$`weight_decay`.
#
# Give your own file: `python -m convexnn run 14 -p path=table.csv -p target=price`.

# %% tags=["parameters"]
size: str = "quick"  # "quick": a shipped table, half a minute; "full": more splits and a larger budget
seed: int = 0
path: str = ""  # .csv, .tsv, .parquet or .npz; empty: the shipped set `dataset`
target: str = "y"  # the column to predict
dataset: str = "heart"  # banana, bupa, heart, ionosphere, mammographic, pima, sonar, wdbc, wisconsin
weight_decay: float = 0.05
width: int = 50  # neurons of the PyTorch network
device: str = "auto"

# %%
import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn

from convexnn import Data, data, report, train
from convexnn.commands.tables import read_table
from convexnn.numerics import limit_threads, relative_gap
from convexnn.plotting import your_data as figures
from convexnn.theorems import two_layer
from convexnn.your_network import NotCovered, certify_network, comparing, improve
from convexnn.your_network.claim_list import claims as declared

limit_threads()
claims = {claim.id.split(".")[1]: claim for claim in declared}
name = Path(path).name if path else dataset
parameters = {"size": size, "seed": seed, "table": name, "target": target, "weight_decay": weight_decay, "width": width}
result = report.Result("14_your_data", parameters)
full = size == "full"
budget = 30.0 if full else 4.0

# %% [markdown]
# ## 1 Formulate
#
# The table becomes numbers or an error that says which column is at fault: nothing is dropped, filled in or encoded
# silently. Rows are split in 70 and 30 per cent, features are standardised by the training rows.

# %%
if path:
    table = read_table(path, target)
    X, y, task = table.X, table.y, table.task
else:
    loaded = data.load(dataset, subset="shipped")
    X, y, task = data.matrix(loaded), loaded.y, "classification"
parts = comparing.splits(X, y, task, seeds=range(seed, seed + (10 if full else 3)))
part = parts[0]
n, d, outputs = len(part.X), part.X.shape[1], part.T.shape[1]
beta = n * weight_decay

# %% tags=["nbval-check-output"]
print(f"{name}: {task}, {n} training rows, {d} features, {outputs} output(s)")

# %% [markdown]
# ## 2 A network from a plain PyTorch loop
#
# Nothing here knows about this library: `nn.Sequential`, `Adam` with `weight_decay`, float32.


# %%
def loop(inputs, targets, steps=500):
    """Ordinary full-batch training."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(inputs.shape[1], width), nn.ReLU(), nn.Linear(width, targets.shape[1]))
    inputs, targets = torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=weight_decay)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = 0.5 * (model(inputs) - targets).square().sum(1).mean()
        loss.backward()
        optimiser.step()
    squares = sum(float(p.detach().double().square().sum()) for p in model.parameters())
    with torch.no_grad():
        return model, len(inputs) * (
            float(0.5 * (model(inputs) - targets).square().sum(1).mean()) + 0.5 * weight_decay * squares
        )


model, torch_objective = loop(part.X, part.T)

# %% [markdown]
# ## 3 Certify it
#
# One sentence, and the numbers behind it.

# %%
certificate = certify_network(model, part.X, part.T, beta, budget=budget, seed=seed)
agreement = relative_gap(torch_objective, certificate.objective)
result.measure(claims["torch_objective"], agreement, note=f"{name}, the plain loop", seeds=[seed])
saved = relative_gap(certificate.objective, certificate.rebalanced)
result.measure(claims["rebalanced"], saved, note=name, seeds=[seed])
rows = [
    (key, str(value)) for key, value in certificate.summary().items() if key not in ("notes", "sentence", "elapsed_s")
]
result.table("certificate", ("what", "value"), rows, "The certificate of the plain loop's network.")

# %% tags=["nbval-check-output"]
words = {True: "between its bounds", False: "OUTSIDE its bounds"}
print("the network lies", words[certificate.lower <= certificate.best <= certificate.objective])
print(f"best found {certificate.best:.3g}, scope {certificate.scope}")

# %% [markdown]
# ## 4 Improve it
#
# From its own neurons: price directions that pull harder than $\beta$, add them, move all weights, solve the cells in use
# exactly. The module that comes back has the same layers, is float32 again, and is judged by torch.

# %%
better = improve(model, part.X, part.T, beta, budget=budget, seed=seed)
narrow = improve(model, part.X, part.T, beta, budget=0.4 * budget, max_width=5, seed=seed)
again = improve(better.network, part.X, part.T, beta, budget=0.4 * budget, seed=seed)
for found in (better, narrow, again):
    result.measure(claims["never_worse"], (found.before - found.after) / found.before, note=found.message, seeds=[seed])
result.measure(claims["improved"], better.saved, note=f"{name}, the plain loop", seeds=[seed])
judged = certify_network(better.network, part.X, part.T, beta, budget=budget, seed=seed)
by_torch = comparing.outputs_of(better.network, part.X)
squares = sum(float(p.detach().double().square().sum()) for p in better.network.parameters())
scored = 0.5 * np.square(by_torch - part.T).sum() + 0.5 * beta * squares
result.measure(claims["same_function"], relative_gap(scored, better.after), note=name, seeds=[seed])

# %% tags=["nbval-check-output"]
print("layers:", ", ".join(type(layer).__name__ for layer in better.network))
print("never worse:", all(found.after <= found.before for found in (better, narrow, again)))

# %% [markdown]
# ## 5 Every trained network is above the bound
#
# Adam from several seeds with the same decay (no output bias in this family, so its objective can only be larger), the
# loop, and the improved networks: none is below the best lower bound.

# %%
problem = Data(part.X, part.T, beta, name)
adam = train(
    two_layer.network(width, problem, bias="regularised"),
    problem,
    seeds=range(seed, seed + 4),
    steps=800,
    device=device,
)
lower = max(certificate.lower, judged.lower)
rivals = {
    "loop": certificate.objective,
    "improved": judged.objective,
    "narrow": narrow.after,
    "Adam": adam.curves.min(),
}
for rival, objective in rivals.items():
    result.measure(claims["below_all"], relative_gap(objective, lower), note=f"{name}, {rival}", seeds=[seed])
best = min(certificate.best, judged.best)
for prefix, found in (("loop", certificate), ("improved", judged)):
    stored = {"objective": found.objective, "rebalanced": found.rebalanced, "best": best}
    result.save(rtol=2e-2, **{f"{prefix}_{key}": value for key, value in stored.items()})
    result.save(rtol=0.2, **{f"{prefix}_lower": lower})
    result.save(rtol=None, **{f"{prefix}_program": found.program_lower})
result.save(rtol=None, adam_iterations=adam.iterations, adam_curves=adam.curves)
result.figure(
    "certificate",
    figures.draw_certificate(["loop", "improved"], ["plain loop", "improved"]),
    "The least objective of all networks lies on the green line.",
)
result.figure(
    "descent", figures.draw_descent, "Adam, the plain loop, the best network, and the bound for all networks."
)

# %% tags=["nbval-check-output"]
print("networks below the bound:", sum(objective < lower for objective in rivals.values()))

# %% [markdown]
# ## 6 Two features: the bounds meet
#
# In many dimensions the bound is what it is after a few seconds. With the two features that correlate most with the
# target it closes, and "globally optimal" is a proof.

# %%
two = comparing.strongest_features(part)
small, _ = loop(part.X[:, two], part.T)
closed = improve(small, part.X[:, two], part.T, beta, budget=budget, seed=seed)
proof = certify_network(closed.network, part.X[:, two], part.T, beta, budget=budget, tol=1e-4, seed=seed)
result.measure(claims["few_features"], proof.gap, note=f"{name}, two features", seeds=[seed])
result.measure(claims["never_worse"], (closed.before - closed.after) / closed.before, note="two features", seeds=[seed])
result.save(rtol=1e-4, two_value=proof.objective, two_lower=proof.lower)

# %% tags=["nbval-check-output"]
print(proof.status, f"with gap below 1e-4 (network scope): {proof.gap <= 1e-4}")

# %% [markdown]
# ## 7 The same splits for everybody
#
# A lower training objective is no promise for new rows. The scores below are on held-out rows, each method with its usual
# settings: ridge and the gradient boosting choose nothing of ours, the certified networks share one $\beta$.

# %%
scores = {}
for fold in parts:
    share = len(fold.X) * weight_decay
    trained, _ = loop(fold.X, fold.T)
    improved = improve(trained, fold.X, fold.T, share, budget=0.3 * budget, seed=seed).network
    found = comparing.rivals(fold, seed, share)
    found["plain_loop"] = fold.score(comparing.outputs_of(trained, fold.X_test))
    found["improved"] = fold.score(comparing.outputs_of(improved, fold.X_test))
    for key, value in found.items():
        scores.setdefault(key, []).append(value)
result.save(rtol=None, **{f"scores_{key}": np.array(values) for key, values in scores.items()})
result.save(rtol=0.1, **{f"mean_{key}": float(np.mean(values)) for key, values in scores.items()})
word = "accuracy" if task == "classification" else "R²"
rows = [(key.replace("_", " "), float(np.mean(values)), float(np.min(values))) for key, values in scores.items()]
result.table(
    "scores", ("method", f"mean {word}", "worst split"), sorted(rows, key=lambda row: -row[1]), "Held-out rows."
)
losers = [key for key in scores if key != "improved"]
result.figure("scores", figures.draw_scores(losers, "improved", word), "Held-out scores on the same splits.")

# %% [markdown]
# ## 8 Where this stops
#
# Other activations have no bound here and are refused, not guessed. A weak bound is called inconclusive. And layers that
# were scaled against each other compute the same predictions for a higher price, which rebalancing finds at once.

# %%
try:
    certify_network(nn.Sequential(nn.Linear(d, 5), nn.Tanh(), nn.Linear(5, outputs)), part.X, part.T, beta)
    refusal = "accepted"
except NotCovered:
    refusal = "refused"
tilted = copy.deepcopy(model)
with torch.no_grad():
    for weight in (tilted[0].weight, tilted[0].bias):
        weight.mul_(4)
    tilted[2].weight.div_(4)
skew = certify_network(tilted, part.X, part.T, beta, budget=0.2, seed=seed)
result.measure(claims["rebalanced"], relative_gap(skew.objective, skew.rebalanced), note="layers scaled", seeds=[seed])

# %% tags=["nbval-check-output"]
print("a tanh network is", refusal)
print(
    "scaled layers: rebalancing returns to the loop's value:", abs(skew.rebalanced / certificate.rebalanced - 1) < 1e-4
)

# %% [markdown]
# ## 9 Change this
#
# * `path`, `target`: your own table; `python -m convexnn certify model.pt data.npz --beta 0.1` does the certificate alone.
# * `weight_decay`: ten times larger, and the bounds come closer; ten times smaller, and they part.
# * `size="full"`: ten splits and a budget of thirty seconds each.
