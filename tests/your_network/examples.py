"""Small networks trained by a plain torch loop, and the objective written out once more in torch."""

import numpy as np
import torch
from torch import nn


def table(n=24, d=2, seed=0):
    """Features and targets of a small ReLU network with noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, np.maximum(X @ rng.standard_normal((d, 3)), 0) @ np.array([1.0, -1.0, 1.0]) + 0.1 * rng.standard_normal(n)


def two_layer(d=2, width=10, outputs=1, hidden_bias=True, output_bias=True, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(d, width, bias=hidden_bias), nn.ReLU(), nn.Linear(width, outputs, bias=output_bias))


def fitted(model, X, y, beta, steps=300, biases="penalised", loss=None):
    """Full-batch Adam on the very objective that is certified."""
    X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        objective(model, X, y, beta, biases, loss).backward()
        optimiser.step()
    return model


def objective(model, X, y, beta, biases="penalised", loss=None):
    """sum of losses + beta/2 * squares, in torch."""
    outputs = model(X)
    fit = loss(outputs) if loss else 0.5 * (outputs.reshape(len(X), -1) - y.reshape(len(X), -1)).square().sum()
    paying = [p for name, p in model.named_parameters() if biases == "penalised" or name.endswith("weight")]
    return fit + 0.5 * beta * sum(p.square().sum() for p in paying)


def scored(model, X, y, beta, biases="penalised"):
    """The same in float64."""
    double = nn.Sequential(*model).double() if isinstance(model, nn.Sequential) else model.double()
    with torch.no_grad():
        return float(objective(double, torch.tensor(X), torch.tensor(np.asarray(y, dtype=float)), beta, biases))
