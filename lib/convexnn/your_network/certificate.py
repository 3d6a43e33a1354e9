"""`certify_network`: how far a trained network is from the global optimum of its own training problem.

    objective  =  loss, a sum over samples  +  beta/2 * sum of squared weights (which ones: `decay`)

    lower <= p* <= best <= objective       p*: the least objective of the form, over all weights and all widths

torch's `weight_decay=d` with a loss that is a mean over n samples is n times smaller: beta = n d, and it counts biases.
Tests: tests/your_network/test_certify_network.py.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from convexnn.claims import Scope, Status
from convexnn.losses import Loss, get_loss
from convexnn.networks import TwoLayer
from convexnn.numerics import Array, check_choice, check_finite, check_positive, relative_gap
from convexnn.theorems.attention.head_network import HeadNetwork
from convexnn.types import Data
from convexnn.your_network.forms import Biases, Form, Study
from convexnn.your_network.linear_forms import Chain
from convexnn.your_network.own_forms import Gated, Heads
from convexnn.your_network.reading import NotCovered, layers_of, names_of, refuse
from convexnn.your_network.relu_forms import Convolution, Plain, WithBatchNorm

BIASES: tuple[Biases, ...] = ("penalised", "free")
#: A network is reported as unbalanced when rescaling its layers saves more than this share of the objective.
UNBALANCED = 1e-3
#: A bound below this share of the best network's objective is called useless in words.
USELESS = 0.1


@dataclass(frozen=True)
class NetworkCertificate:
    """What is known about one network.

    form, decay      which training problem, and which weights beta/2 multiplies
    objective        the network as it is: loss + decay_cost
    rebalanced       the same after rescaling layers against each other (same predictions on the data)
    best             objective of the best network of the form that was found, `best_width` neurons wide
    lower            no network of the form has less, at any width (scope "network"), or with these gates ("program")
    program_lower    no network with this network's own activation patterns has less; NaN where it is not computed
    gap              (objective - lower) / max(1, |objective|)
    status           "certified" when gap <= tol, else "inconclusive"
    width, dead      hidden neurons, and how many of them change no prediction on the data
    """

    form: str
    decay: str
    loss: str
    beta: float
    samples: int
    objective: float
    loss_value: float
    decay_cost: float
    rebalanced: float
    best: float
    best_width: int
    lower: float
    program_lower: float
    gap: float
    tol: float
    status: Status
    scope: Scope
    method: str
    width: int
    dead: int
    notes: tuple[str, ...] = ()
    elapsed_s: float = 0.0
    v: Array = field(repr=False, default_factory=lambda: np.zeros((0, 0)))
    history: Array = field(repr=False, default_factory=lambda: np.zeros((0, 3)))

    @property
    def excess(self) -> tuple[float, float]:
        """(least, most) that the objective is above the global optimum."""
        return max(0.0, self.objective - self.best), max(0.0, self.objective - self.lower)

    def sentence(self) -> str:
        """How far from globally optimal, in one sentence."""
        least, most = self.excess
        where = "of any width" if self.scope == "network" else "with these gates"
        what = f"the {self.form} network has objective {self.objective:.6g}"
        if not self.lower > USELESS * self.best:
            return f"{self.status}: {what}; no bound of use was found within the budget (lower bound {self.lower:.3g})"
        low, high = 100 * least / max(1e-300, abs(self.best)), 100 * most / max(1e-300, abs(self.lower))
        span = f"at most {_percent(high)}" if low < 0.005 else f"between {_percent(low)} and {_percent(high, up=True)}"
        return f"{self.status}: {what}, {span} above the least objective of such a network {where}"

    def summary(self) -> dict[str, Any]:
        """Everything but arrays, for tables and JSON; NaN becomes None."""
        kept = {k: v for k, v in vars(self).items() if k not in ("v", "history")}
        kept["sentence"] = self.sentence()
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in kept.items()}


def certify_network(
    model: nn.Module,
    X: Any,
    y: Any,
    beta: float,
    loss: str | Loss = "squared",
    biases: Biases = "penalised",
    budget: float = 20.0,
    tol: float = 1e-2,
    seed: int = 0,
) -> NetworkCertificate:
    """Bounds on how far `model` is from the global optimum of  sum of losses + beta/2 * sum of squared weights.

    model    a torch module: Linear-ReLU-Linear, with BatchNorm1d or as Conv2d with average pooling, chains of Linear
             layers, or a convexnn gated network or attention head; it is not changed
    X, y     the training data; class labels as -1/+1, several classes as integers or one-hot with "cross_entropy"
    biases   "penalised" (torch's weight_decay counts them) or "free"
    budget   seconds, spent on a better network and on bounds
    tol      relative gap for the status "certified"
    Raises NotCovered (a ValueError) for other modules, ValueError for shapes, NaN, labels or options that do not fit.
    """
    check_positive(budget=budget, tol=tol)
    form, data, chosen = read(model, X, y, beta, loss, biases)
    began = time.perf_counter()
    return describe(form, data, chosen, form.study(budget, seed), tol, time.perf_counter() - began)


def describe(form: Form, data: Data, loss: Loss, study: Study, tol: float, elapsed_s: float) -> NetworkCertificate:
    """The certificate of a form and its study."""
    fit, decay = form.parts()
    objective, (width, dead) = fit + decay, form.width()
    rebalanced = min(objective, form.rebalanced())
    best = min(objective, rebalanced, study.best)
    notes = list(form.notes)
    if dead:
        notes.append(f"{dead} of {width} neurons change no prediction on these rows")
    if rebalanced < objective * (1 - UNBALANCED):
        notes.append(f"the layers are unbalanced: rescaling alone saves {100 * (1 - rebalanced / objective):.2g} %")
    gap = relative_gap(objective, study.lower)
    status: Status = "certified" if gap <= tol else "inconclusive"
    return NetworkCertificate(
        form=form.name, decay=form.decay, loss=loss.name, beta=data.beta, samples=data.n, objective=objective,
        loss_value=fit, decay_cost=decay, rebalanced=rebalanced, best=best, best_width=study.neurons,
        lower=study.lower, program_lower=study.program_lower, gap=gap, tol=tol, status=status, scope=study.scope,
        method=study.method, width=width, dead=dead, notes=tuple(notes), elapsed_s=elapsed_s, v=study.v,
        history=study.history,
    )  # fmt: skip


def read(model: nn.Module, X: Any, y: Any, beta: float, loss: str | Loss, biases: Biases) -> tuple[Form, Data, Loss]:
    """The form that `model` is, with checked data."""
    check_choice("biases", biases, BIASES)
    chosen, features = get_loss(loss), numbers("X", X)
    if isinstance(model, TwoLayer | HeadNetwork):
        own = copy_with_loss(model, chosen)
        data = Data(features, targets(y, chosen, None), beta)
        return (Gated(own, data) if isinstance(own, TwoLayer) else Heads(own, data)), data, chosen
    layers, notes = layers_of(model, features)
    names = names_of(layers)
    reader = FORMS.get(names)
    if reader is None:
        reader = Chain if len(names) >= 2 and set(names) == {"Linear"} else None
    if reader is None:
        raise refuse(layers)
    _check_shapes(layers, features)
    outputs = int(layers[-1].out_features)  # type: ignore[arg-type]
    data = Data(features, targets(y, chosen, outputs), beta)
    Y = data.y.reshape(data.n, -1)
    if Y.shape[1] != outputs:
        raise ValueError(f"y has {Y.shape[1]} column(s) but model has {outputs} output(s); pass one column an output")
    chosen.check_targets(torch.as_tensor(Y.copy()))
    form = reader(layers, data.X, Y, data.beta, chosen, biases)
    form.notes = (*notes, *form.notes)
    return form, data, chosen


#: Layer types, in order, to the form they are.
FORMS: dict[tuple[str, ...], Any] = {
    ("Linear", "ReLU", "Linear"): Plain,
    ("Linear", "BatchNorm1d", "ReLU", "Linear"): WithBatchNorm,
    ("Conv2d", "ReLU", "AdaptiveAvgPool2d", "Flatten", "Linear"): Convolution,
}


def numbers(name: str, value: Any) -> Array:
    """A finite float64 array; text, objects, complex numbers and NaN are refused by name."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {array.dtype}; pass real numbers (encode text and categories first)")
    check_finite(**{name: array})
    return array.astype(np.float64)


def targets(y: Any, loss: Loss, outputs: int | None) -> Array:
    """y as numbers; for cross entropy whole class numbers become one-hot rows."""
    array = numbers("y", y)
    if loss.name != "cross_entropy" or array.ndim != 1:
        return array
    if outputs is None or (array != np.round(array)).any() or array.min() < 0 or array.max() >= outputs:
        raise ValueError(
            f"y holds {array.min():g} to {array.max():g}; cross_entropy takes classes 0..{(outputs or 1) - 1}"
        )
    return np.eye(outputs)[array.astype(int)]


def copy_with_loss(model: Any, loss: Loss) -> Any:
    """convexnn's networks carry their loss: a copy with the one that was asked for."""
    own = copy.deepcopy(model).double().cpu()
    check_finite(**{name.replace(".", "_"): weight for name, weight in own.named_parameters()})
    own.loss = loss
    return own


def _check_shapes(layers: Sequence[nn.Module], X: Array) -> None:
    first, last, norm = layers[0], layers[-1], layers[1] if len(layers) > 1 else None
    if isinstance(first, nn.Conv2d):
        if X.ndim != 4 or X.shape[1] != first.in_channels:
            raise ValueError(f"X has shape {X.shape}; model takes images (n, {first.in_channels}, height, width)")
        pool = layers[2]
        if isinstance(pool, nn.AdaptiveAvgPool2d) and pool.output_size not in (1, (1, 1)):
            raise NotCovered(f"model pools to {pool.output_size}; covered is AdaptiveAvgPool2d(1)")
    elif X.ndim != 2 or X.shape[1] != first.in_features:
        raise ValueError(f"X has shape {X.shape}; model takes rows (n, {first.in_features})")
    if isinstance(norm, nn.BatchNorm1d) and not norm.affine:
        raise NotCovered("model has a BatchNorm1d without weight and bias; covered is affine=True")
    sizes = [(layer.out_features, layer.in_features) for layer in layers if isinstance(layer, nn.Linear)]
    if not isinstance(first, nn.Conv2d) and any(out != after for (out, _), (_, after) in pairwise(sizes)):
        raise ValueError(f"model has Linear layers {sizes} (out, in) that do not fit each other")
    if isinstance(last, nn.Linear) and isinstance(first, nn.Conv2d) and last.in_features != first.out_channels:
        raise ValueError(f"model has {first.out_channels} filters, its last layer takes {last.in_features} numbers")


def _percent(value: float, up: bool = False) -> str:
    """Three digits; `up` rounds away from zero so that a bound stays one."""
    if value == 0:
        return "0 %"
    digits = 2 - math.floor(math.log10(abs(value)))
    scaled = value * 10**digits
    return f"{(math.ceil(scaled) if up else scaled) / 10**digits:.3g} %"
