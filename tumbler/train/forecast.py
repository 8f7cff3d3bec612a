"""How long training will take and how much memory: a step is tried with one and with two rounds of blocks.

Blocks of one kind take the same time each, so what a second round adds is what every further one will add. Even of
a large model only a few blocks are ever built.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from tumbler.device import Machine, synchronize, torch_device
from tumbler.forecast import Forecast
from tumbler.model import ModelConfig, Transformer, init_weights, matmul_flops_per_token, parameters
from tumbler.train.batch import Batch
from tumbler.train.dials import TrainDials
from tumbler.train.objective import Objective
from tumbler.train.optimizers import LearningRates, make_optimizers

TRIES: Final = 3


@dataclass(frozen=True)
class Trial:
    """What one micro-batch and one optimizer step took."""

    first: float
    """Seconds of the first micro-batch: with compiling."""
    batch: float
    """Seconds of a later one."""
    step: float
    """Seconds of the optimizers."""
    activations: int
    """Bytes kept from the forward pass for the backward pass."""
    optimizer: int
    """Bytes of the optimizers' tensors."""

    def further(self, more: Trial, times: float) -> Trial:
        """This one and `times` what `more` took beyond it."""
        pairs = ((getattr(self, name), getattr(more, name)) for name in self.__dataclass_fields__)
        return Trial(*(type(mine)(mine + times * max(0, other - mine)) for mine, other in pairs))


def forecast(
    config: ModelConfig, dials: TrainDials, rows: int, steps: int, context: int, looked_at: int, machine: Machine
) -> Forecast:
    """`rows`, `context`: of a batch. `looked_at`: tokens of all looks at validation documents together."""
    bf16 = machine.bf16 if dials.bf16 is None else dials.bf16
    micro_rows = min(dials.micro_rows, rows)
    period = config.global_every if config.local_attention else 1
    layers = config.num_hidden_layers
    once, twice = (
        _trial(replace(config, num_hidden_layers=count), dials, micro_rows, context, bf16, machine)
        for count in (min(period, layers), min(2 * period, layers))
    )
    whole = once.further(replace(twice, first=once.first), (layers - period) / period)
    batches = rows / micro_rows
    tokens = rows * steps * context
    forward = looked_at / (micro_rows * context) * whole.batch / 3  # a forward pass is a third of a step's products
    many = parameters(config)
    return Forecast(
        parameters=many,
        steps=steps,
        tokens=tokens,
        flops=float(matmul_flops_per_token(config, context)) * tokens,
        memory=2 * 4 * many + whole.optimizer + whole.activations,
        seconds=whole.first + steps * (batches * whole.batch + whole.step) + forward,
    )


def _trial(config: ModelConfig, dials: TrainDials, rows: int, context: int, bf16: bool, machine: Machine) -> Trial:
    torch.compiler.reset()
    model = Transformer(config)
    init_weights(model, 0)
    model.to(torch_device(machine))
    optimizers = make_optimizers(model, LearningRates(1e-3, 1e-3), 0.0, bf16, dials.optimizer)
    objective = Objective(model, machine, bf16, dials.compile)
    batch = _batch(config.vocab_size, rows, context, torch_device(machine))
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    def learn() -> None:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = objective(batch)
        torch.autograd.backward(loss)

    def move() -> None:
        for optimizer in optimizers:
            optimizer.step()

    first = _seconds(learn, machine)
    move()
    again = [_seconds(learn, machine) for _ in range(TRIES)]
    kept.clear()
    learn()
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    state = (value for optimizer in optimizers for entry in optimizer.state.values() for value in entry.values())
    return Trial(
        first=first,
        batch=sorted(again)[TRIES // 2],
        step=sorted(_seconds(move, machine) for _ in range(TRIES))[TRIES // 2],
        activations=sum(size for place, size in kept.items() if place not in weights),
        optimizer=sum(value.nbytes for value in state),
    )


def _seconds(work: Callable[[], None], machine: Machine) -> float:
    begun = time.perf_counter()
    work()
    synchronize(machine)
    return time.perf_counter() - begun


def _batch(vocab_size: int, rows: int, context: int, device: torch.device) -> Batch:
    """Random ids, one document a row: the work of a step depends on neither."""
    ids = torch.randint(0, vocab_size, (rows, context + 1), generator=torch.Generator().manual_seed(0))
    positions = torch.arange(context).expand(rows, -1)
    return Batch(ids[:, :-1], ids[:, 1:], positions, torch.zeros_like(positions)).to(device)
