"""Gradient training of a network from many seeds at once: the opponent that every theorem has to face.

All seeds run as one batch (vmap over the weights), full batch, float64. The reported objective is the true training
problem, logged on the way, and the best weights seen are kept, not the last. `record` follows any other quantity of the
network along the way.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import OptimizeResult, minimize
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from convexnn.networks import Network
from convexnn.numerics import Array, check_choice, check_positive, resolve_device, tensor
from convexnn.types import Data

OPTIMISERS = ("adam", "sgd", "lbfgs")
LOG_POINTS = 200

Record = Callable[[Network], Sequence[float]]
#: iterations (T,), times (T,), curves (S, T), the best weights of each seed, recorded (S, T, k) or None
Log = tuple[Array, Array, Array, list[dict[str, Tensor]], Array | None]


@dataclass(frozen=True)
class Training:
    """Objectives of S runs: `curves` (S, T) at `iterations` (T,) and `times_s` (T,); `best` is the best network.

    recorded  (S, T, k) what `record` returned at the same iterations, or None
    """

    seeds: tuple[int, ...]
    iterations: Array
    times_s: Array
    curves: Array
    final: Array  # (S,) the best objective of each seed
    best: Network
    elapsed_s: float
    recorded: Array | None = None

    @property
    def value(self) -> float:
        """The lowest objective over all seeds."""
        return float(self.final.min())


def train(
    network: Network,
    data: Data,
    optimiser: str = "adam",
    seeds: Iterable[int] = range(5),
    steps: int = 2000,
    learning_rate: float = 0.03,
    budget: float | None = None,
    device: str = "auto",
    record: Record | None = None,
) -> Training:
    """Train copies of `network` from `seeds` on loss + beta * penalty and report every objective.

    optimiser      "adam" or "sgd" (momentum 0.9), cosine decay of the rate to zero, seeds batched; or "lbfgs" (scipy)
    steps          full-batch steps (lbfgs: iterations)
    learning_rate  the initial rate; for sgd it is divided by the number of samples
    budget         seconds for all seeds together
    record         called with the network of every seed at every logged iteration; its k numbers are kept
    Returns a Training. Raises ValueError when every seed has diverged: lower `learning_rate`.
    """
    check_choice("optimiser", optimiser, OPTIMISERS)
    check_positive(steps=steps, learning_rate=learning_rate)
    if not isinstance(seeds, Iterable):
        raise ValueError(f"seeds is {seeds!r}; pass several, e.g. seeds=range(5)")
    chosen = tuple(int(s) for s in seeds)
    if not chosen:
        raise ValueError("seeds is empty; pass at least one seed, e.g. seeds=range(5)")
    copies = [_fresh(network, seed) for seed in chosen]
    started = time.perf_counter()
    if optimiser == "lbfgs":
        log = _lbfgs(copies, data, int(steps), budget, started, record)
    else:
        there = resolve_device(device)
        log = _batched(copies, data, optimiser, int(steps), learning_rate, budget, there, started, record)
    iterations, times, curves, states, recorded = log
    final = np.nanmin(np.where(np.isfinite(curves), curves, np.inf), axis=1)
    if not np.isfinite(final).any():
        raise ValueError(f"all {len(chosen)} runs diverged; lower learning_rate (it is {learning_rate:g})")
    winner = int(final.argmin())
    best = copies[winner]
    best.load_state_dict(states[winner])
    best.cpu()
    return Training(chosen, iterations, times, curves, final, best, time.perf_counter() - started, recorded)


def _fresh(network: Network, seed: int) -> Network:
    clone = copy.deepcopy(network).double()
    clone.reset(seed)
    return clone


def _batched(
    copies: list[Network],
    data: Data,
    optimiser: str,
    steps: int,
    rate: float,
    budget: float | None,
    device: torch.device,
    started: float,
    record: Record | None,
) -> Log:
    """All seeds in one graph; the best weights of each seed are kept."""
    X, Y = tensor(data.X, device), tensor(data.y, device).reshape(data.n, -1)
    copies = [clone.to(device) for clone in copies]
    trainable = {name for name, p in copies[0].named_parameters() if p.requires_grad}
    params, buffers = stack_module_state(copies)
    base = copies[0]

    def run(p: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        return functional_call(
            _Objective(base, data.beta), ({f"network.{k}": v for k, v in {**p, **b}.items()},), (X, Y)
        )

    moving = [p for name, p in params.items() if name in trainable]
    for name, p in params.items():
        p.requires_grad_(name in trainable)
    if optimiser == "adam":
        stepper: torch.optim.Optimizer = torch.optim.Adam(moving, lr=rate)
    else:
        stepper = torch.optim.SGD(moving, lr=rate / data.n, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LambdaLR(stepper, lambda t: 0.5 * (1 + math.cos(math.pi * min(t / steps, 1.0))))
    every, best = max(1, steps // LOG_POINTS), _Best(len(copies), copy.deepcopy(base).cpu(), record)
    for step in range(steps + 1):
        stepper.zero_grad()
        values = vmap(run)(params, buffers)
        late = budget is not None and time.perf_counter() - started > budget
        if step % every == 0 or step == steps or late:
            best.log(step, time.perf_counter() - started, values, params, buffers)
            if late or step == steps:
                break
        values.sum().backward()
        stepper.step()
        schedule.step()
    return best.record()


class _Objective(torch.nn.Module):
    """functional_call needs a module whose forward is the training objective."""

    def __init__(self, network: Network, beta: float) -> None:
        super().__init__()
        self.network, self.beta = network, beta

    def forward(self, X: Tensor, Y: Tensor) -> Tensor:
        return self.network.training_loss(X, Y, self.beta)


class _Best:
    """The log of a batched run and the best weights of each seed so far; `net` is a copy to show to `record`."""

    def __init__(self, count: int, net: Network, record: Record | None) -> None:
        self.net, self.record_of, self.records = net, record, list[list[Array]]()
        self.lowest = np.full(count, np.inf)
        self.states: list[dict[str, Tensor]] = [{} for _ in range(count)]
        self.rows: list[tuple[int, float, Array]] = []

    def log(
        self, step: int, elapsed: float, values: Tensor, params: dict[str, Tensor], buffers: dict[str, Tensor]
    ) -> None:
        objective = values.detach().cpu().numpy().copy()
        self.rows.append((step, elapsed, objective))
        if self.record_of is not None:
            every = [{k: v[s].detach().cpu() for k, v in {**params, **buffers}.items()} for s in range(len(objective))]
            self.records.append([_recorded(self.net, state, self.record_of) for state in every])
        for s in np.flatnonzero((objective < self.lowest) | ~np.array([bool(state) for state in self.states])):
            self.lowest[s] = objective[s]
            self.states[s] = {k: v[s].detach().cpu().clone() for k, v in {**params, **buffers}.items()}

    def record(self) -> Log:
        steps, times, values = zip(*self.rows)
        recorded = np.array(self.records).transpose(1, 0, 2) if self.records else None
        return np.array(steps, dtype=float), np.array(times), np.array(values).T, self.states, recorded


def _recorded(net: Network, state: dict[str, Tensor], record: Record) -> Array:
    """What `record` says about the network with these weights."""
    net.load_state_dict(state)
    with torch.no_grad():
        return np.asarray(record(net), dtype=float)


def _lbfgs(
    copies: list[Network], data: Data, steps: int, budget: float | None, started: float, record: Record | None
) -> Log:
    """One seed after the other with scipy's L-BFGS; kinks slow it down, 1e-4 is realistic."""
    until = math.inf if budget is None else started + budget
    runs = [_descend(net, data, steps, until, record) for net in copies]
    # the seeds run one after the other: the time of an iteration is the average over all of them
    a_step = (time.perf_counter() - started) / max(1, sum(len(seen) for seen, _ in runs))
    grid = np.linspace(0, steps, LOG_POINTS)
    curves = np.array([np.interp(grid, np.arange(len(seen)), seen) for seen, _ in runs])
    states = [{k: v.detach().clone() for k, v in net.state_dict().items()} for net in copies]
    recorded = [np.array(shown)[np.minimum(grid.astype(int), len(shown) - 1)] for _, shown in runs if shown]
    return grid, grid * a_step, curves, states, np.array(recorded) if recorded else None


def _descend(
    net: Network, data: Data, steps: int, until: float, record: Record | None
) -> tuple[list[float], list[Array]]:
    """Train one network in place; the objective of each iteration, and what `record` says of each."""
    X, Y = tensor(data.X), tensor(data.y).reshape(data.n, -1)
    moving = [p for p in net.parameters() if p.requires_grad]
    seen: list[float] = []
    shown: list[Array] = []

    def evaluate(flat: Array) -> tuple[float, Array]:
        torch.nn.utils.vector_to_parameters(tensor(flat), moving)
        net.zero_grad()
        value = net.training_loss(X, Y, data.beta)
        value.backward()
        return value.item(), torch.cat([p.grad.reshape(-1) for p in moving if p.grad is not None]).numpy().copy()

    def show(value: float, flat: Array) -> None:
        seen.append(value)
        if record is not None:
            torch.nn.utils.vector_to_parameters(tensor(flat), moving)
            with torch.no_grad():
                shown.append(np.asarray(record(net), dtype=float))

    def note(intermediate_result: OptimizeResult) -> None:
        """scipy hands over its result, and so its own objective, only to a callback whose parameter has this name."""
        show(float(intermediate_result.fun), intermediate_result.x)
        if time.perf_counter() > until:
            raise StopIteration

    start = torch.nn.utils.parameters_to_vector(moving).detach().numpy().copy()
    options = {"maxiter": steps, "maxfun": 4 * steps, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 30}
    show(evaluate(start)[0], start)
    found = minimize(evaluate, start, jac=True, method="L-BFGS-B", callback=note, options=options)
    show(float(found.fun), found.x)
    torch.nn.utils.vector_to_parameters(tensor(found.x), moving)
    return seen, shown
