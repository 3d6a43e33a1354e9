"""Pricing: directions u where phi(u) = b'u + sum (a_i'u)_+ - sum (c_j'u)_+ is large. Values, never bounds.

Normalised gradient ascent from many starts, then a difference-of-convex finish: with z(u) = b + sum_{a_i'u > 0} a_i,

    u+ = (z - Pi(z)) / |z - Pi(z)|,   Pi the projection on Z-,      phi(u+) >= dist(z(u), Z-) >= phi(u)

which moves across many pattern boundaries at once and stops where a whole vertex of Z+ admits no better direction.
Source: this project (difference-of-convex ascent, Tao and An); tests/bounds/test_pricing_maximum.py.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from convexnn.bounds.zonotope import Zonotopes
from convexnn.numerics import Array, tensor, to_numpy


def price(
    Z: Zonotopes, starts: Array, ascent: int = 60, finish: int = 4, device: str | torch.device = "cpu"
) -> tuple[Array, Array]:
    """Unit directions (K, r) reached from `starts` (K, r), best first, and their values phi (K,)."""
    norms = np.linalg.norm(starts, axis=1)
    u = tensor(starts[norms > 0] / norms[norms > 0, None], device)
    b, plus, minus = (tensor(part, device) for part in (Z.b, Z.plus, Z.minus))
    if not len(u):
        return np.zeros((0, Z.rank)), np.zeros(0)
    u = _ascend(u, b, plus, minus, ascent)
    for _ in range(finish):
        w, t = _vertex(u, b, plus), (u @ minus.T > 0).to(u.dtype)
        residual = _away(w, minus, t)
        size = residual.norm(dim=1, keepdim=True)
        moved = torch.where(size > 0, residual / size.clamp(min=1e-300), u)
        better = _phi(moved, b, plus, minus) > _phi(u, b, plus, minus)
        if not bool(better.any()):
            break
        u = torch.where(better[:, None], moved, u)
    value = _phi(u, b, plus, minus)
    order = torch.argsort(value, descending=True)
    return to_numpy(u[order]), to_numpy(value[order])


def _phi(u: Tensor, b: Tensor, plus: Tensor, minus: Tensor) -> Tensor:
    return u @ b + (u @ plus.T).clamp(min=0).sum(1) - (u @ minus.T).clamp(min=0).sum(1)


def _vertex(u: Tensor, b: Tensor, plus: Tensor) -> Tensor:
    return b + (u @ plus.T > 0).to(u.dtype) @ plus


def _ascend(u: Tensor, b: Tensor, plus: Tensor, minus: Tensor, steps: int) -> Tensor:
    """Steps of length 0.7 down to 0.003 along the normalised gradient, back to the sphere after each."""
    rows = torch.cat([plus, -minus])
    signs = torch.cat([plus, minus])
    best, top = u.clone(), _phi(u, b, plus, minus)
    for k in range(steps):
        gradient = b + (u @ signs.T > 0).to(u.dtype) @ rows
        pull = gradient / gradient.norm(dim=1, keepdim=True).clamp(min=1e-300)
        u = u + 0.7 * 0.004 ** (k / max(1, steps - 1)) * pull
        u = u / u.norm(dim=1, keepdim=True).clamp(min=1e-300)
    value = _phi(u, b, plus, minus)
    return torch.where((value > top)[:, None], u, best)


def _away(w: Tensor, minus: Tensor, t: Tensor, inner: int = 25) -> Tensor:
    """w - Pi(w) by accelerated projected gradient from t."""
    if not len(minus):
        return w
    step = 1.0 / float(torch.linalg.matrix_norm(minus, 2) ** 2)
    look, momentum = t, 1.0
    for _ in range(inner):
        ahead = (look + step * (w - look @ minus) @ minus.T).clamp(0.0, 1.0)
        faster = 0.5 * (1 + (1 + 4 * momentum**2) ** 0.5)
        look = ahead + (momentum - 1) / faster * (ahead - t)
        t, momentum = ahead, faster
    return w - t @ minus


def starts(Z: Zonotopes, count: int, seed: int | np.random.Generator = 0, atoms: Array | None = None) -> Array:
    """Gaussian directions, the largest rows of Z with both signs, their random partial sums, and atoms (K, d)."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([Z.plus, -Z.minus])
    largest = rows[np.argsort(-np.linalg.norm(rows, axis=1))[: max(1, count // 8)]]
    masks = (rng.random((count // 4, len(rows))) < 0.5).astype(float)
    parts = [rng.standard_normal((count, Z.rank)), largest, -largest, masks @ rows + Z.b]
    if atoms is not None and len(atoms):
        parts.append(atoms @ Z.basis.T)
    return np.concatenate(parts)
