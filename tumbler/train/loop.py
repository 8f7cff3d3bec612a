"""The training loop: a generator of reports. The caller logs, saves, draws, and stops by not asking for more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from tumbler.device import Machine, torch_device
from tumbler.errors import Failure
from tumbler.train.batch import IGNORE, Batch
from tumbler.train.objective import Objective
from tumbler.train.optimizers import set_rate
from tumbler.train.parallel import gathered, summed, sync_gradients
from tumbler.train.schedule import Schedule, rate
from tumbler.train.state import TrainState


@dataclass(frozen=True)
class TrainPlan:
    """How long and how fast; what the optimizers do with a gradient is theirs."""

    steps: int
    warmup: int
    """Steps in which the rate rises to its full value."""
    decay: float
    """Share of the steps, at the end, in which it falls to `floor` (trapezoid)."""
    clip: float
    """Longest gradient, as a norm over all parameters."""
    micro_rows: int
    """Rows computed at a time on a rank; the gradient of a batch is the sum over its parts, so this changes
    memory and speed, and the result only by rounding."""
    floor: float = 0.0
    """Share of the full rate at the end."""
    schedule: Schedule = "trapezoid"
    on_spike: Literal["stop", "skip"] = "stop"
    """What becomes of a step whose loss or gradient is no number, or a spike."""
    sigmas: float | None = None
    """Deviations above the usual that make a spike; None: none do."""

    @property
    def guarded(self) -> bool:
        """Whether each step is judged before it is taken (a GPU waits for that)."""
        return self.on_spike == "skip" or self.sigmas is not None


@dataclass(frozen=True)
class Report:
    """One step. Tensors are read when someone wants the number, so that a GPU need not wait each step."""

    step: int
    """Steps done, this one included."""
    loss: Tensor
    """Mean over the batch's targets, in nats."""
    grad_norm: Tensor
    """Before clipping."""
    rate: float
    """Share of the full learning rate."""
    tokens: int
    targets: int
    skipped: str | None = None
    """Why the parameters were left as they were."""


def train(state: TrainState, objective: Objective, plan: TrainPlan, machine: Machine) -> Iterator[Report]:
    """Train from `state.step` to `plan.steps`. At each report `state` is whole: it may be saved.

    Raises Failure at a spike when the plan says stop; the state is then as before that step.
    """
    while state.step < plan.steps:
        batch = next(state.loader)
        targets = int((batch.targets != IGNORE).sum())
        loss = _gradient(state, objective, batch, targets, plan.micro_rows, machine)
        norm = gathered(clip_grad_norm_(state.model.parameters(), plan.clip))
        now = rate(state.step, plan.steps, plan.warmup, plan.decay, plan.floor, plan.schedule)
        spike = state.spikes.judge(float(loss), float(norm), plan.sigmas) if plan.guarded else None
        if spike is not None and plan.on_spike == "stop":
            raise Failure(f"step {state.step + 1}: {spike}; on_spike = 'stop'")
        _step(state, now, apply=spike is None)
        yield Report(state.step, loss, norm, now, batch.ids.numel(), targets, spike)


def _step(state: TrainState, now: float, apply: bool) -> None:
    set_rate(state.optimizers, now)
    for optimizer in state.optimizers:
        if apply:
            optimizer.step()
        optimizer.zero_grad()
    state.spikes.skipped += not apply
    state.step += 1


def _gradient(
    state: TrainState, objective: Objective, batch: Batch, targets: int, micro_rows: int, machine: Machine
) -> Tensor:
    """Add the gradient of the batch's mean loss to the parameters; return that loss.

    Divided by the targets of the whole batch, not of each part: parts with few targets count as little as they should.
    """
    total = torch.zeros((), device=torch_device(machine))
    parts = list(batch.part(machine.rank, machine.world).to(torch_device(machine)).split(micro_rows))
    for number, part in enumerate(parts, 1):
        sync_gradients(state.model, last=number == len(parts))
        loss = objective(part) / max(1, targets)
        # Over several ranks FSDP2 takes the mean of the gradients, where the sum is meant.
        torch.autograd.backward(loss * machine.world)
        total += loss.detach()
    return summed(total)
