"""How long training will take and how much memory: a step is tried with one and with two rounds of blocks.

Blocks of one kind take the same time each, so what a second round adds is what every further one will add. Even of
a large model only a few blocks are ever built.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

import torch
from torch import Tensor

from tumbler.device import Machine, synchronize, torch_device
from tumbler.forecast import Forecast, Planned
from tumbler.model import ModelConfig, Transformer, init_weights, matmul_flops_per_token, parameters, read_config
from tumbler.train.batch import Batch
from tumbler.train.dials import TrainDials
from tumbler.train.objective import Objective
from tumbler.train.optimizers import LearningRates, make_optimizers

TRIES: Final = 3
"""Of each, at least; as many as fit into TRIED_SECONDS."""
TRIED_SECONDS: Final = 4.0
TRIED_TOKENS: Final = 2048
"""Of a trial, about: a larger micro-batch is tried with fewer rows, and takes as many times longer."""


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
    micro_rows = min(dials.micro_rows, rows, max(1, TRIED_TOKENS // context))
    larger = min(dials.micro_rows, rows) / micro_rows
    period = config.global_every if config.local_attention else 1
    layers = config.num_hidden_layers
    trials = [
        _Trial(replace(config, num_hidden_layers=count), dials, micro_rows, context, bf16, machine)
        for count in (min(period, layers), min(2 * period, layers))
    ]
    once, twice = _tried(trials)
    whole = once.further(twice, (layers - period) / period)
    batches = rows / micro_rows
    tokens = rows * steps * context
    forward = looked_at / (micro_rows * context) * whole.batch / 3  # a forward pass is a third of a step's products
    many = parameters(config)
    return Forecast(
        parameters=many,
        steps=steps,
        tokens=tokens,
        flops=float(matmul_flops_per_token(config, context)) * tokens,
        memory=2 * 4 * many + whole.optimizer + round(larger * whole.activations),
        seconds=whole.first + steps * (batches * whole.batch + whole.step) + forward,
    )


def configs_of(inputs: Sequence[Planned]) -> list[ModelConfig]:
    """Of the checkpoints among a step's inputs, planned or there already."""
    planned = [cast(ModelConfig, item.output) for item in inputs if item.kind == "checkpoint"]
    folders = [item.path for item in inputs if item.path is not None and (item.path / "config.json").is_file()]
    return planned + [read_config(folder) for folder in folders]


class _Trial:
    """A model of a few layers that can be trained on one batch again and again."""

    def __init__(
        self, config: ModelConfig, dials: TrainDials, rows: int, context: int, bf16: bool, machine: Machine
    ) -> None:
        self.machine, self.model = machine, Transformer(config)
        init_weights(self.model, 0)
        self.model.to(torch_device(machine))
        self.optimizers = make_optimizers(self.model, LearningRates(1e-3, 1e-3), 0.0, bf16, dials.optimizer)
        self.objective = Objective(self.model, machine, bf16, dials.compile)
        self.batch = _batch(config.vocab_size, rows, context, torch_device(machine))
        self.kept: dict[int, int] = {}
        """Address and bytes of what the forward pass keeps."""
        self.first = self._seconds(self._learn)
        self._seconds(self._move)

    def again(self) -> tuple[float, float]:
        """Seconds of a micro-batch, and of the optimizers' step."""
        return self._seconds(self._learn), self._seconds(self._move)

    def activations(self) -> int:
        weights = {parameter.untyped_storage().data_ptr() for parameter in self.model.parameters()}
        return sum(size for place, size in self.kept.items() if place not in weights)

    def optimizer_bytes(self) -> int:
        states = (entry for optimizer in self.optimizers for entry in optimizer.state.values())
        return sum(value.nbytes for state in states for value in state.values())

    def _learn(self) -> None:
        self.kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor):
            loss = self.objective(self.batch)
        torch.autograd.backward(loss)

    def _keep(self, tensor: Tensor) -> Tensor:
        self.kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    def _move(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()

    def _seconds(self, work: Callable[[], None]) -> float:
        begun = time.perf_counter()
        work()
        synchronize(self.machine)
        return time.perf_counter() - begun


def _tried(trials: list[_Trial]) -> list[Trial]:
    """In turns, since a machine's speed drifts; medians."""
    seconds: list[list[tuple[float, float]]] = [[] for _ in trials]
    until = time.perf_counter() + TRIED_SECONDS
    while len(seconds[0]) < TRIES or time.perf_counter() < until:
        for trial, found in zip(trials, seconds, strict=True):
            found.append(trial.again())
    return [
        Trial(
            first=sum(each.first for each in trials),  # what is compiled is compiled once, by whichever comes first
            batch=statistics.median(batch for batch, _ in found),
            step=statistics.median(step for _, step in found),
            activations=trial.activations(),
            optimizer=trial.optimizer_bytes(),
        )
        for trial, found in zip(trials, seconds, strict=True)
    ]


def _batch(vocab_size: int, rows: int, context: int, device: torch.device) -> Batch:
    """Random ids, one document a row: the work of a step depends on neither."""
    ids = torch.randint(0, vocab_size, (rows, context + 1), generator=torch.Generator().manual_seed(0))
    positions = torch.arange(context).expand(rows, -1)
    return Batch(ids[:, :-1], ids[:, 1:], positions, torch.zeros_like(positions)).to(device)
