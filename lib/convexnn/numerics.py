"""Tolerances, input checks, seeds, devices and threads: the numeric habits that every floor shares."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

EPS = float(np.finfo(np.float64).eps)

#: Relative tolerance on a linear inequality S X u >= 0: |x_i| |u| times this is "on the boundary".
CONE_TOL = 1e-9
#: Relative size under which a group of Z counts as zero.
ACTIVE_TOL = 1e-6
#: A float certificate widens its bounds by this many units in the last place per accumulated term.
SAFETY_ULPS = 16.0


def check_finite(**arrays: Any) -> None:
    """Raise ValueError naming the first argument that holds a NaN or an infinity, and where."""
    for name, value in arrays.items():
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name} has dtype {array.dtype}; pass real numbers (encode categories first)")
        bad = ~np.isfinite(array)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise ValueError(
                f"{name} has {int(bad.sum())} non-finite value(s), the first at index {where}; "
                "drop or impute those rows before you call"
            )


def check_positive(**values: float) -> None:
    """Raise ValueError naming the first argument that is not a finite number > 0."""
    for name, value in values.items():
        if not np.isscalar(value) or isinstance(value, str) or not np.isfinite(value) or not value > 0:
            hint = " For the interpolation limit use 1e-8 * program.beta_max()." if name == "beta" else ""
            raise ValueError(f"{name} is {value!r}; the theorem needs a finite number {name} > 0.{hint}")


def check_count(**values: Any) -> None:
    """Raise ValueError naming the first argument that is not a whole number >= 1."""
    for name, value in values.items():
        if not (isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 1):
            raise ValueError(f"{name} is {value!r}; pass a whole number >= 1")


def check_matrix(**arrays: Any) -> None:
    """Raise ValueError naming the first argument that is not a matrix."""
    for name, value in arrays.items():
        if np.ndim(value) != 2:
            raise ValueError(f"{name} has shape {np.shape(value)}; pass a matrix, e.g. {name}.reshape(len({name}), -1)")


def check_choice(name: str, value: Any, choices: Any) -> None:
    """Raise ValueError naming `name` and the nearest of `choices` when `value` is none of them."""
    options = list(choices)
    if value not in options:
        import difflib

        near = difflib.get_close_matches(str(value), [str(option) for option in options], n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(map(repr, options))}.{guess}")


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """'auto' is the GPU when there is one, else the CPU; an unavailable device is an error, not a fallback."""
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device is {device!r}; choose 'auto', 'cpu' or 'cuda'") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda' but torch sees no GPU; pass device='cpu' or install a CUDA build of torch")
    return resolved


def limit_threads(threads: int | None = None) -> int:
    """Use `threads` intra-op threads in torch (default: OMP_NUM_THREADS, else 1) and return that number.

    One thread a notebook and several notebooks side by side is five times faster than the other way round.
    """
    count = threads if threads is not None else int(os.environ.get("OMP_NUM_THREADS", "1"))
    torch.set_num_threads(max(1, count))
    return max(1, count)


def tensor(value: Any, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """`value` as a tensor of `dtype` on `device`; read-only arrays are copied, others only where needed."""
    if isinstance(value, np.ndarray) and not value.flags.writeable:
        value = value.copy()
    return torch.as_tensor(value, dtype=dtype, device=device)


def to_numpy(value: torch.Tensor) -> Array:
    """A float64 array on the CPU."""
    return np.asarray(value.detach().to("cpu", torch.float64).numpy())


def has_blas(A: torch.Tensor) -> bool:
    """Whether numpy and scipy can work on A in place: it lies in the CPU's memory."""
    return A.device.type == "cpu"


def product(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    """A B; on the CPU by numpy's BLAS, up to twice as fast as torch's on AMD processors."""
    if not has_blas(A) or A.requires_grad or B.requires_grad:
        return A @ B
    with np.errstate(invalid="ignore", over="ignore"):  # torch's products do not warn either
        return torch.from_numpy(np.matmul(A.numpy(), B.numpy()))


def relative_gap(upper: float, lower: float) -> float:
    """(upper - lower) / max(1, |upper|), the one definition of a gap in this project."""
    return (upper - lower) / max(1.0, abs(upper))
