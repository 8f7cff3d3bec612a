"""The next-token loss: cross entropy in fp32, the head's logits made a chunk at a time.

Shapes: N places, D model width, V vocabulary. All logits of a batch at once would be N * V numbers, several
times over; a chunk's logits, their softmax and its gradient fit the cache and are gone when the next begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tumbler.device import Machine, autocast
from tumbler.errors import UserError
from tumbler.model import Transformer
from tumbler.train.batch import IGNORE, Batch

CHUNK: Final = 2**21
"""Logits at a time: 4 MB in bf16."""
SoftmaxGradient = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Objective:
    """batch -> the summed loss of its targets, with the model's gradient behind it.

    Raises UserError when something is to be compiled and there is no compiler.

    With `compile`, the blocks and the softmax are compiled: for one shape each, so a batch of another
    shape compiles again, and what cannot be compiled is an error, never silently eager. The model itself
    stays as it is: a twin that shares its parameters is compiled.
    """

    def __init__(self, model: Transformer, machine: Machine, bf16: bool, compile: bool) -> None:
        if compile and machine.kind == "cpu" and machine.compiler is None:
            raise UserError("compile = true needs a C++ compiler; install g++ or clang++, or set compile = false")
        self.model = compiled_twin(model) if compile else model
        self.machine, self.bf16 = machine, bf16
        self.softmax: SoftmaxGradient = softmax_gradient
        if compile:
            self.softmax = torch.compile(softmax_gradient, fullgraph=True, dynamic=False)

    def __call__(self, batch: Batch) -> Tensor:
        """fp32 scalar: the sum, over the targets that are not IGNORE, of -log p(target) in nats."""
        with autocast(self.machine, self.bf16):
            hidden = self.model.hidden(batch.ids, batch.positions, batch.documents)
        trained = batch.targets != IGNORE
        hidden, targets = hidden[trained], batch.targets[trained]
        compute = torch.bfloat16 if self.bf16 else hidden.dtype
        return _cross_entropy(hidden, self.model.head_weight, targets, compute, self.softmax)


@torch.no_grad()
def evaluate(model: Transformer, batch: Batch, machine: Machine, bf16: bool) -> Tensor:
    """fp32 scalar: the summed loss of the batch's targets, plainly computed; the reference for Objective."""
    with autocast(machine, bf16):
        logits = model(batch.ids, batch.positions, batch.documents)
    return F.cross_entropy(logits.flatten(0, 1).float(), batch.targets.flatten(), ignore_index=IGNORE, reduction="sum")


def compiled_twin(model: Transformer) -> Transformer:
    """A second module over the same parameters whose blocks are compiled (all share one compilation)."""
    with torch.device("meta"):
        twin = Transformer(model.config)
    twin.load_state_dict(dict(model.named_parameters()), assign=True)
    for block in twin.model.layers:
        assert isinstance(block, nn.Module)
        block.compile(fullgraph=True, dynamic=False)
    return twin


def softmax_gradient(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """logits (N, V), targets (N,) -> summed loss in nats (fp32), its gradient by the logits (N, V).

    Rows whose target is IGNORE add nothing.
    """
    logp = logits.log_softmax(-1, dtype=torch.float32)
    trained = (targets != IGNORE)[:, None]
    chosen = torch.arange(logits.shape[1], device=logits.device) == targets[:, None]
    loss = -torch.where(chosen, logp, 0.0).sum()
    gradient = torch.where(trained, logp.exp() - chosen.float(), 0.0).to(logits.dtype)
    return loss, gradient


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Loss and gradients in one pass: the logits are never needed again, so none are kept."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, compute: torch.dtype, softmax: SoftmaxGradient
    ) -> Tensor:
        rows = max(1, CHUNK // weight.shape[0])
        w = weight.detach().to(compute)
        total = torch.zeros((), device=hidden.device)
        hidden_gradient, weight_gradient = [], torch.zeros_like(weight)
        for start in range(0, len(targets), rows):
            h, t = _padded(hidden[start : start + rows].to(compute), targets[start : start + rows], rows)
            with torch.autocast(hidden.device.type, enabled=False):
                loss, gradient = softmax(h @ w.T, t)
                hidden_gradient.append(gradient @ w)
                weight_gradient += gradient.T @ h
            total += loss
        ctx.save_for_backward(_joined(hidden_gradient, hidden), weight_gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        hidden_gradient, weight_gradient = ctx.saved_tensors
        return hidden_gradient * grads[0], weight_gradient * grads[0], None, None, None


def _cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, compute: torch.dtype, softmax: SoftmaxGradient
) -> Tensor:
    """hidden (N, D), weight (V, D), targets (N,) -> summed loss; products in `compute`."""
    loss: Tensor = _ChunkedCrossEntropy.apply(hidden, weight, targets, compute, softmax)  # type: ignore[no-untyped-call]
    return loss


def _padded(hidden: Tensor, targets: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Fill the last chunk up: a compiled softmax knows one shape."""
    missing = rows - len(targets)
    if missing == 0:
        return hidden, targets
    return F.pad(hidden, (0, 0, 0, missing)), F.pad(targets, (0, missing), value=IGNORE)


def _joined(chunks: list[Tensor], hidden: Tensor) -> Tensor:
    if not chunks:
        return torch.zeros_like(hidden)
    return torch.cat(chunks)[: len(hidden)].to(hidden.dtype)
