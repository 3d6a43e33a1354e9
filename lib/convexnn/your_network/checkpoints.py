"""Weights from a file, never code: `module_of(read_state("model.pt"))` is an nn.Sequential of a covered form.

A file is read by torch.load(weights_only=True), which refuses every pickle that would call or import anything. What is
taken is a state dict (name to tensor), alone or under "state_dict", "model_state_dict" or "model". The architecture is
inferred from shapes and the order of the names, or declared:

    (m, d), (c, m)                   Linear-ReLU-Linear; with architecture="linear" a chain of Linear layers
    (m, d), running_mean, (c, m)     Linear-BatchNorm1d-ReLU-Linear
    (m, C, k, k), (c, m)             Conv2d-ReLU-AdaptiveAvgPool2d(1)-Flatten-Linear, stride and padding declared
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from convexnn.numerics import check_choice
from convexnn.your_network.reading import COVERED, NotCovered

Architecture = Literal["auto", "relu", "linear"]
ARCHITECTURES: tuple[Architecture, ...] = ("auto", "relu", "linear")
#: Keys under which training scripts keep a state dict.
WRAPPED = ("state_dict", "model_state_dict", "model")
#: Names of a layer that torch writes for BatchNorm beside weight and bias.
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


class UnsafeFile(ValueError):
    """The file is no plain state dict; nothing in it was executed."""


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a state dict by name. Raises UnsafeFile for anything else, FileNotFoundError for no file."""
    place = Path(path)
    if not place.is_file():
        raise FileNotFoundError(f"there is no file {place}; save one by torch.save(model.state_dict(), {place.name!r})")
    hint = f"save it by torch.save(model.state_dict(), {place.name!r})"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch.load(place, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeFile(
            f"{place.name} holds more than weights and was not loaded, nothing in it was run; {hint}"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UnsafeFile(f"{place.name} is no torch file ({reason}); {hint}") from error
    for name in WRAPPED:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise UnsafeFile(f"{place.name} holds a {type(found).__name__}, not a state dict of tensors; {hint}")
    return {str(name): value for name, value in found.items()}


def module_of(
    state: Mapping[str, Tensor], architecture: Architecture = "auto", stride: int = 1, padding: int = 0
) -> nn.Sequential:
    """The module in training mode whose weights are `state`. Raises NotCovered for shapes of no covered form."""
    check_choice("architecture", architecture, ARCHITECTURES)
    parts = _grouped(state)
    shapes = [tuple(part["weight"].shape) for part in parts]
    ranks = "".join(str(len(shape)) for shape in shapes)
    norms = ["running_mean" in part for part in parts]
    if architecture == "linear" and set(ranks) == {"2"} and len(parts) > 1:
        return nn.Sequential(*(_linear(part) for part in parts))
    if architecture != "linear" and ranks == "22":
        return nn.Sequential(_linear(parts[0]), nn.ReLU(), _linear(parts[1]))
    if architecture != "linear" and ranks == "212" and norms[1]:
        return nn.Sequential(_linear(parts[0]), _norm(parts[1]), nn.ReLU(), _linear(parts[2]))
    if architecture != "linear" and ranks == "42":
        kernel: Any = shapes[0][2:]
        layer = nn.Conv2d(shapes[0][1], shapes[0][0], kernel, stride, padding, bias="bias" in parts[0])
        conv = _filled(layer, parts[0])
        return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), _linear(parts[1]))
    layers = ", ".join(f"{shape}" for shape in shapes)
    extra = "; for a chain without ReLU say --architecture linear" if set(ranks) == {"2"} and len(parts) > 2 else ""
    raise NotCovered(f"the file has weights of shapes {layers}, which is no covered form{extra}; {COVERED}")


def _grouped(state: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """weight, bias and statistics of each layer, in the order of the file."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        layer, _, what = name.rpartition(".")
        if what not in ("weight", "bias", *STATISTICS):
            raise NotCovered(f"the file has {name!r}, which is no weight, bias or statistic of a layer; {COVERED}")
        layers.setdefault(layer, {})[what] = value
    for layer, part in layers.items():
        if "weight" not in part:
            raise NotCovered(f"the file has a layer {layer!r} without a weight; {COVERED}")
    return list(layers.values())


def _linear(part: Mapping[str, Tensor]) -> nn.Module:
    out, into = part["weight"].shape
    return _filled(nn.Linear(into, out, bias="bias" in part), part)


def _norm(part: Mapping[str, Tensor]) -> nn.Module:
    return _filled(nn.BatchNorm1d(len(part["weight"])), part)


def _filled(layer: nn.Module, part: Mapping[str, Tensor]) -> nn.Module:
    """The layer with its weights in the dtype of the file."""
    weight = part["weight"]
    if not weight.is_floating_point():
        raise NotCovered(f"the file has weights of dtype {weight.dtype}; pass real floating-point weights")
    try:
        layer = layer.to(weight.dtype)
        layer.load_state_dict({name: value for name, value in part.items()}, strict=True)
    except RuntimeError as error:
        raise NotCovered(
            f"the file has a layer whose parts do not fit: {' '.join(str(error).split())[:160]}"
        ) from error
    return layer


def save_state(module: nn.Module, path: str | Path, **more: Any) -> None:
    """Write the state dict of `module`."""
    torch.save({**module.state_dict(), **more}, Path(path))
