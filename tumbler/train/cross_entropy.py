"""Cross entropy of a large vocabulary: loss and gradient in one pass, a chunk of places at a time.

Shapes: N places, D model width, V vocabulary.

All logits of a batch at once would be N * V numbers, several times over. Here a chunk's logits become, in
their own memory, the gradient that the two products after them read, and are gone when the next chunk begins:

    e = exp(logits - max), s = sum(e), loss = log(s) - (logit of the target - max)
    gradient by the logits = (e - s * onehot(target)) / s

The division by s is left to the products (their other factor is divided, which is V times smaller), so
the V numbers of a place are read and written once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from tumbler.train.batch import IGNORE

LOGITS: Final = {"cpu": 2**21, "cuda": 2**28, "mps": 2**24}
"""Logits at a time, by kind of device: on a CPU, 4 MB in bf16 stay in its cache."""
PLACES: Final = 1024
"""Places at a time, at least, so that a large vocabulary's weight gradient is not rewritten for a few places."""
Exponentials = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]


def cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    compute: torch.dtype,
    exponentials: Exponentials | None = None,
) -> Tensor:
    """The sum of -log softmax(hidden @ weight.T + bias)[target], in nats; fp32 scalar.

    hidden (N, D), weight (V, D), bias (V,), targets (N,) int64; places whose target is IGNORE add nothing.
    Products are in `compute`, sums in fp32. `exponentials` may be a compiled twin of this module's.
    """
    apply = _CrossEntropy.apply
    loss: Tensor = apply(hidden, weight, bias, targets, compute, exponentials or plain_exponentials)  # type: ignore[no-untyped-call]
    return loss


def plain_exponentials(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """logits (N, V) -> their exp(logit - max) (N, V) in their own dtype, its sum (N,) and the max (N,) in fp32."""
    logits32 = logits.float()
    largest = logits32.amax(-1)
    e = (logits32 - largest[:, None]).exp()
    return e.to(logits.dtype), e.sum(-1), largest


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        compute: torch.dtype,
        exponentials: Exponentials,
    ) -> Tensor:
        places = max(PLACES, LOGITS[hidden.device.type] // weight.shape[0])
        w = weight.detach().to(compute)
        b = None if bias is None else bias.detach().to(compute)
        total = torch.zeros((), device=hidden.device)
        by_hidden: list[Tensor] = []
        by_weight = torch.zeros_like(weight, dtype=torch.float32)
        by_bias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
        for start in range(0, len(targets), places):
            h, t = _padded(hidden[start : start + places].to(compute), targets[start : start + places], places)
            with torch.autocast(hidden.device.type, enabled=False):
                loss, gradient, share = _chunk(F.linear(h, w, b), t, exponentials)
                by_hidden.append((gradient @ w) * share)
                by_weight += gradient.T @ (h * share)
                if by_bias is not None:
                    by_bias += (gradient * share).sum(0)
            total += loss
        by_bias = None if by_bias is None or bias is None else by_bias.to(bias.dtype)
        ctx.save_for_backward(_joined(by_hidden, hidden), by_weight.to(weight.dtype), by_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        # In place: nobody else holds them, and a vocabulary's worth of memory is not touched twice.
        by_hidden, by_weight, by_bias = (None if t is None else t.mul_(grads[0]) for t in ctx.saved_tensors)
        return by_hidden, by_weight, by_bias, None, None, None


def _chunk(logits: Tensor, targets: Tensor, exponentials: Exponentials) -> tuple[Tensor, Tensor, Tensor]:
    """-> summed loss, e - s * onehot(target) (N, V), and its factor: 1 / s (N, 1), 0 for IGNORE."""
    trained = targets != IGNORE
    target = torch.where(trained, targets, 0)[:, None]
    chosen = logits.gather(1, target).float()[:, 0]
    e, s, largest = exponentials(logits)
    loss = torch.where(trained, s.log() - (chosen - largest), 0.0).sum()
    e[torch.arange(len(e), device=e.device), target[:, 0]] = ((chosen - largest).exp() - s).to(e.dtype)
    share = torch.where(trained, 1 / s, 0.0)[:, None]
    return loss, e, share.to(e.dtype)


def _padded(hidden: Tensor, targets: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """Fill the last chunk up: what is compiled knows one shape."""
    missing = places - len(targets)
    if missing == 0:
        return hidden, targets
    return F.pad(hidden, (0, 0, 0, missing)), F.pad(targets, (0, missing), value=IGNORE)


def _joined(chunks: list[Tensor], hidden: Tensor) -> Tensor:
    if not chunks:
        return torch.zeros_like(hidden)
    return torch.cat(chunks)[: len(hidden)].to(hidden.dtype)
