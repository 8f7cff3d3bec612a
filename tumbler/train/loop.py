"""The training loop: a generator of reports. The caller logs, saves, draws, and stops by not asking for more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from tumbler.device import Machine, torch_device
from tumbler.train.batch import IGNORE, Batch
from tumbler.train.loss import Objective
from tumbler.train.optimizers import set_rate
from tumbler.train.schedule import rate
from tumbler.train.state import TrainState


@dataclass(frozen=True)
class TrainPlan:
    """How long and how fast; what the optimizers do with a gradient is theirs."""

    steps: int
    warmup: int
    """Steps in which the rate rises to its full value."""
    decay: float
    """Share of the steps, at the end, in which it falls to 0."""
    clip: float
    """Longest gradient, as a norm over all parameters."""
    micro_rows: int
    """Rows computed at a time; the gradient of a batch is the sum over its parts, so this changes memory
    and speed, and the result only by rounding."""


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


def train(state: TrainState, objective: Objective, plan: TrainPlan, machine: Machine) -> Iterator[Report]:
    """Train from `state.step` to `plan.steps`. At each report `state` is whole: it may be saved."""
    while state.step < plan.steps:
        batch = next(state.loader)
        targets = int((batch.targets != IGNORE).sum())
        loss = _gradient(objective, batch.to(torch_device(machine)), targets, plan.micro_rows)
        norm = clip_grad_norm_(state.model.parameters(), plan.clip)
        now = rate(state.step, plan.steps, plan.warmup, plan.decay)
        set_rate(state.optimizers, now)
        for optimizer in state.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        state.step += 1
        yield Report(state.step, loss, norm, now, batch.ids.numel(), targets)


def _gradient(objective: Objective, batch: Batch, targets: int, micro_rows: int) -> Tensor:
    """Add the gradient of the batch's mean loss to the parameters; return that loss.

    Divided by the targets of the whole batch, not of each part: parts with few targets count as little as they should.
    """
    total = torch.zeros((), device=batch.ids.device)
    for part in batch.split(micro_rows):
        loss = objective(part) / max(1, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    return total
