"""What is minimized: the cross entropy of a batch's targets, for training (chunked, compiled) and plainly."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tumbler.device import Machine, autocast
from tumbler.errors import UserError
from tumbler.model import Transformer
from tumbler.train.batch import IGNORE, Batch
from tumbler.train.cross_entropy import PLACES, Exponentials, cross_entropy, plain_exponentials


class Objective:
    """batch -> the summed loss of its targets, with the model's gradient behind it.

    Raises UserError when something is to be compiled and there is no compiler.

    With `compile`, the blocks and the softmax are compiled: for one shape each, so a batch of another
    shape compiles again, and what cannot be compiled is an error, never silently eager. The model itself
    stays as it is: a twin that shares its parameters is compiled (over several ranks, `parallel.shard` has
    compiled the blocks themselves).
    """

    def __init__(self, model: Transformer, machine: Machine, bf16: bool, compile: bool) -> None:
        if compile and machine.kind == "cpu" and machine.compiler is None:
            raise UserError("compile = true needs a C++ compiler; install g++ or clang++, or set compile = false")
        self.model = compiled_twin(model) if compile and machine.world == 1 else model
        self.machine, self.bf16 = machine, bf16
        self.exponentials: Exponentials = plain_exponentials
        if compile:
            self.exponentials = torch.compile(plain_exponentials, fullgraph=True, dynamic=False)

    def __call__(self, batch: Batch) -> Tensor:
        """fp32 scalar: the sum, over the targets that are not IGNORE, of -log p(target) in nats."""
        model = self.model
        with autocast(self.machine, self.bf16):
            hidden = model.hidden(batch.ids, batch.positions, batch.documents)
        trained = batch.targets != IGNORE
        hidden, targets = hidden[trained], batch.targets[trained]
        compute = torch.bfloat16 if self.bf16 else hidden.dtype
        return cross_entropy(hidden, model.head_weight, model.head_bias, targets, compute, self.exponentials)


@torch.no_grad()
def evaluate(model: Transformer, batch: Batch, machine: Machine, bf16: bool) -> Tensor:
    """fp32 scalar: the summed loss of the batch's targets, plainly computed; the reference for Objective."""
    total = torch.zeros((), device=batch.ids.device)
    with autocast(machine, bf16):
        hidden = model.hidden(batch.ids, batch.positions, batch.documents).flatten(0, 1)
        for states, targets in zip(
            torch.split(hidden, PLACES), torch.split(batch.targets.flatten(), PLACES), strict=True
        ):
            logits = model.logits(states).float()
            total += F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
    return total


def compiled_twin(model: Transformer) -> Transformer:
    """A second module over the same parameters whose blocks are compiled (all share one compilation)."""
    with torch.device("meta"):
        twin = Transformer(model.config)
    twin.load_state_dict(dict(model.named_parameters()), assign=True)
    for block in twin.model.layers:
        assert isinstance(block, nn.Module)
        block.compile(fullgraph=True, dynamic=False)
    return twin
