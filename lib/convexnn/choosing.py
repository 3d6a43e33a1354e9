"""Which method suits a program: flops and bytes counted before anything runs, and the reason in one sentence."""

from __future__ import annotations

import os

import torch

from convexnn.coupled import CoupledCone, CoupledOperator
from convexnn.gauges import Frobenius, GroupL2
from convexnn.layered import LayeredCone, LayeredOperator
from convexnn.numerics import check_choice
from convexnn.operators import GatedOperator
from convexnn.program import Program

METHODS = ("interior", "fista", "admm")
#: Iterations assumed when flops are compared: interior point steps, accelerated gradient steps to 1e-6 and to 1e-3.
INTERIOR_STEPS, CONE_STEPS, GRADIENT_STEPS, LOOSE_STEPS = 12, 35, 3000, 600
#: From this tolerance on the accelerated gradient works in float32.
FLOAT32_TOL = 1e-4
#: Share of the machine's memory that a method may plan with.
MEMORY_SHARE = 0.5


def choose(
    program: Program, method: str = "auto", tol: float = 1e-6, device: torch.device | str = "cpu"
) -> tuple[str, str]:
    """The method and the reason, in one sentence. Raises ValueError when the method does not fit the program."""
    check_choice("method", method, ["auto", *METHODS])
    coned, kinked = has_rows(program), program.loss.smoothness == float("inf")
    obstacle = _interior_obstacle(program, coned)
    if method == "fista" and coned:
        raise ValueError("method='fista' cannot keep Z in a cone; use method='admm' or 'auto'")
    if method == "interior" and obstacle:
        raise ValueError(f"method='interior' does not fit: {obstacle}; use method='auto'")
    if method != "auto":
        return method, f"{method} was asked for"
    flops, needed = interior_cost(program, coned)
    rival, room = (
        gradient_cost(program, tol if fits_float32(program) else min(tol, FLOAT32_TOL / 10)),
        MEMORY_SHARE * memory_bytes(torch.device(device)),
    )
    if not obstacle and needed > room:
        obstacle = f"the interior point needs {needed / 2**30:.1f} GiB, more than {room / 2**30:.1f} GiB"
    elif not obstacle and not (coned or kinked) and flops > rival:
        obstacle = f"factoring costs {flops:.1e} flops, gradient steps {rival:.1e}"
    if not obstacle:
        n = program.Y.shape[0]
        return "interior", f"factors of {n} x {n} matrices, about {flops:.1e} flops and {needed / 2**20:.0f} MiB in all"
    if coned or kinked or program.gauge.conic:
        rough = "cones" if coned else "kinks" if kinked else "cones in the gauge"
        return "admm", f"alternating directions, since {obstacle} and there are {rough}"
    return "fista", f"accelerated proximal gradient, since {obstacle}, the loss is smooth and there is no cone"


def interior_cost(program: Program, coned: bool) -> tuple[float, float]:
    """Flops and bytes of an interior-point solve: steps x (n^3/3 + 2 n^2 P), with cones n^2 d P and d x d blocks.

    One output after the other, but for cross entropy (all outputs in memory, and a border of 2 n^3 flops for each) and
    Frobenius groups (a capacitance of P columns over n c rows, or one matrix of n c rows where that is smaller).
    """
    (G, d, c), n = _three(program.operator.domain), program.Y.shape[0]
    if isinstance(program.operator, LayeredOperator):  # c neurons a group: blocks of d c rows
        flops = n**3 / 3 + n * n * d * c * G / 2 + G * (n * (d * c) ** 2 + (d * c) ** 3)
        return CONE_STEPS * flops, 8.0 * (1.5 * n * n + G * (3 * n * d * c + 12.0 * n * (c + 1) + 3 * (d * c) ** 2))
    if isinstance(program.cone, CoupledCone):  # explicit rows: k of them in every group
        k, p = program.cone.C.shape[1], d * c
        flops = n**3 / 3 + n * n * p * G / 2 + G * ((k + n) * p**2 + p**3)
        return CONE_STEPS * flops, 8.0 * (1.5 * n * n + G * ((k + n) * p + 12.0 * k + 3 * p**2))
    if coned:
        steps, flops = CONE_STEPS, n**3 / 3 + n * n * d * G / 2 + G * (2 * n * d * d + 3 * d**3)
        groups = 12.0 * n * G + 3 * G * d * d
    else:
        steps, flops, groups = INTERIOR_STEPS, n**3 / 3 + 2 * n * n * G, n * G + 20.0 * G * d
    if program.loss.name == "cross_entropy":
        return steps * (c * (flops + 2 * n**3) + n**3 / 3), 8.0 * ((c + 3.0) * n * n + c * groups)
    if isinstance(program.gauge, Frobenius) and c > 1:
        whole, columns = float(n * c), float(min(G, n * c))
        border = whole**3 / 3 + whole**2 * G if columns == whole else 2 * n * whole * G + whole * G**2 + G**3 / 3
        return steps * (flops + border), 8.0 * (1.5 * n * n + 3 * whole * G + columns**2 + c * groups)
    return steps * c * flops, 8.0 * (1.5 * n * n + groups)


def fits_float32(program: Program) -> bool:
    """Does rounding to float32 leave the program what it is? An equality of unpenalised coordinates would not hold."""
    return program.free_columns is None and not program.gauge.free


def gradient_cost(program: Program, tol: float = 1e-6) -> float:
    """Flops of an accelerated gradient solve: two passes of 2 n d P c flops a step, half as dear in float32."""
    (G, d, c), n = _three(program.operator.domain), program.Y.shape[0]
    steps = GRADIENT_STEPS if tol < FLOAT32_TOL else 0.5 * LOOSE_STEPS
    return steps * 4.0 * n * d * c * G


def _three(domain: tuple[int, ...]) -> tuple[int, int, int]:
    """Groups, rows and columns of Z."""
    return domain[0], domain[1], domain[2] if len(domain) > 2 else 1


def memory_bytes(device: torch.device) -> float:
    """Memory of the device, all of it; 8 GiB where the system does not say."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[1])
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 8.0 * 2**30


def has_rows(program: Program) -> bool:
    return program.cone.rows(program.zeros()).shape[1] > 0


def _interior_obstacle(program: Program, coned: bool) -> str:
    """Why the interior point cannot take this program, or nothing."""
    if isinstance(program.operator, LayeredOperator):
        fits = isinstance(program.cone, LayeredCone) and isinstance(program.gauge, GroupL2 | Frobenius)
        return "" if fits and program.loss.name != "cross_entropy" else "the cone, gauge or loss has no barrier here"
    if isinstance(program.operator, CoupledOperator) and coned:
        fits = isinstance(program.cone, CoupledCone) and isinstance(program.gauge, GroupL2 | Frobenius)
        return "" if fits and program.loss.name != "cross_entropy" else "the cone, gauge or loss has no barrier here"
    if not isinstance(program.operator, GatedOperator):
        return "the operator is not gated"
    if not isinstance(program.gauge, GroupL2 if coned else GroupL2 | Frobenius):
        return f"the gauge {type(program.gauge).__name__} has no barrier here"
    if program.loss.name == "cross_entropy":
        alone = isinstance(program.gauge, GroupL2) and not program.gauge.free
        return "" if alone else "cross entropy with these groups couples the outputs"
    if isinstance(program.gauge, Frobenius) and program.Y.shape[1] > 1 and program.loss.name != "squared":
        return f"Frobenius groups and the {program.loss.name} loss couple the outputs"
    return ""
