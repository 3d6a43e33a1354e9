"""A user's torch module as layers that are understood: leaf layers in order, checked, in float64 on the CPU.

Layers are taken by their exact type, so a subclass, a parametrisation or a hook is refused and never misread. A module
that is no nn.Sequential is read as the chain of its leaf layers, with a ReLU between two of them where it has none of
its own, and is accepted only when that chain agrees with the module on the rows that are asked about.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from convexnn.numerics import Array, tensor

#: What is covered, for every refusal.
COVERED = (
    "covered are Linear-ReLU-Linear, Linear-BatchNorm1d-ReLU-Linear, Conv2d-ReLU-AdaptiveAvgPool2d(1)-Flatten-Linear, "
    "chains of Linear layers, and convexnn's own gated networks and attention heads"
)
#: Why a layer of this type cannot be covered.
REASONS = {
    "Softmax": "the loss takes raw scores: remove it and use loss='cross_entropy'",
    "LogSoftmax": "the loss takes raw scores: remove it and use loss='cross_entropy'",
    "Sigmoid": "the loss takes raw scores: remove it and use loss='logistic'",
    "Dropout": "the training objective of a network with dropout is random: call model.eval(), or remove the layer",
}
#: How far a chain of layers may be from the module that it stands for, relative to the largest prediction.
SAME = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 3e-2, torch.bfloat16: 0.1}


class NotCovered(ValueError):
    """The module is none of the forms with a bound; the message says which forms are."""


def layers_of(model: nn.Module, X: Array) -> tuple[list[nn.Module], list[str]]:
    """The layers as float64 copies on the CPU, and notes on what was done. Raises NotCovered or ValueError."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"model is a {type(model).__name__}; pass a torch.nn.Module")
    _check_weights(model)
    notes: list[str] = []
    leaves = _leaves(model)
    for layer in leaves:
        if _name(layer) == "Dropout" and not layer.training:
            notes.append("dropout is off: the module is in evaluation mode")
    kept = [layer for layer in leaves if not _is_passive(layer)]
    if model.training and any(_name(layer) == "Dropout" and layer.p > 0 for layer in kept):  # type: ignore[operator]
        raise NotCovered(f"model has a Dropout layer in training mode: {REASONS['Dropout']}")
    if not all(isinstance(part, nn.Sequential) for part in _branches(model)):
        kept = _chain(model, kept, X)
        notes.append("the module is no nn.Sequential; the chain of its layers agrees with it on these rows")
    for layer in kept:
        _refuse_hooks(layer)
    return [copy.deepcopy(layer).double().cpu() for layer in kept], notes


def weights_of(layer: nn.Module) -> Array:
    """(in, out) float64 of a Linear."""
    return np.asarray(layer.weight.detach().numpy()).T.copy()  # type: ignore[operator]


def bias_of(layer: nn.Module) -> Array | None:
    """(out,) float64, or None."""
    return None if layer.bias is None else np.asarray(layer.bias.detach().numpy()).copy()  # type: ignore[operator]


def names_of(layers: Sequence[nn.Module]) -> tuple[str, ...]:
    """Types in order; a subclass keeps its own name and is thereby refused."""
    return tuple(_name(layer) for layer in layers)


def refuse(layers: Sequence[nn.Module]) -> NotCovered:
    """The error for a chain that is no covered form."""
    names = names_of(layers)
    reason = next((f"; {name}: {REASONS[name]}" for name in names if name in REASONS), "")
    return NotCovered(f"model is {'-'.join(names) or 'empty'}, which has no bound here{reason}; {COVERED}")


def _name(layer: nn.Module) -> str:
    kind = type(layer)
    return kind.__name__ if kind.__module__.startswith("torch.nn.modules") else f"{kind.__name__} (not a torch layer)"


def _leaves(module: nn.Module) -> list[nn.Module]:
    """Modules without children, in the order in which they were registered."""
    children = list(module._modules.values())
    if not children:
        return [module]
    return [leaf for child in children if child is not None for leaf in _leaves(child)]


def _branches(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if list(module.children())] or [model]


def _is_passive(layer: nn.Module) -> bool:
    """Identity, and dropout that is off."""
    off = _name(layer) == "Dropout" and (not layer.training or getattr(layer, "p", 1.0) == 0)
    return _name(layer) == "Identity" or bool(off)


def _refuse_hooks(layer: nn.Module) -> None:
    if layer._forward_hooks or layer._forward_pre_hooks:
        raise NotCovered(f"a {_name(layer)} layer has forward hooks; remove them, a hook may change what it computes")


def _check_weights(model: nn.Module) -> None:
    parameters = dict(model.named_parameters())
    if not parameters:
        raise NotCovered(f"model has no weights; {COVERED}")
    for name, weight in parameters.items():
        if weight.is_meta or not weight.is_floating_point():
            raise ValueError(f"model has {name} of dtype {weight.dtype}; pass real floating-point weights")
        bad = int((~torch.isfinite(weight.detach())).sum())
        if bad:
            raise ValueError(f"model has {bad} NaN or infinite value(s) in {name}; train it again from finite weights")
    if len(parameters) < len(list(model.named_parameters(remove_duplicate=False))):
        raise NotCovered("model shares weights between layers; give every layer weights of its own")


def _chain(model: nn.Module, layers: list[nn.Module], X: Array) -> list[nn.Module]:
    """The chain of layers (with a ReLU put between two Linears) that agrees with the module on X."""
    weighted = [layer for layer in layers if list(layer.parameters())]
    candidates = [layers]
    if len(weighted) == len(layers) == 2:
        candidates.append([layers[0], nn.ReLU(), layers[1]])
    if names_of(layers) == ("Linear", "BatchNorm1d", "Linear"):
        candidates.append([*layers[:2], nn.ReLU(), layers[2]])
    kind = next(model.parameters()).dtype
    try:
        wanted = _outputs(model, X)
    except Exception as error:  # whatever a foreign forward raises
        raise ValueError(f"model fails on X of shape {X.shape}: {type(error).__name__}: {error}") from error
    for chain in candidates:
        try:
            found = _outputs(nn.Sequential(*chain), X)
        except (RuntimeError, ValueError, NotImplementedError):
            continue
        scale = max(1.0, float(wanted.abs().max()))
        if found.shape == wanted.shape and float((found - wanted).abs().max()) <= SAME.get(kind, 1e-4) * scale:
            return chain
    raise NotCovered(
        f"model ({type(model).__name__}) is no chain of its layers {'-'.join(names_of(layers))}; {COVERED}"
    )


def _outputs(model: nn.Module, X: Array) -> Tensor:
    """Predictions in evaluation mode by a float64 copy."""
    with torch.no_grad():
        return copy.deepcopy(model).double().cpu().eval()(tensor(X))
