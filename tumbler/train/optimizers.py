"""Which optimizer trains which parameter, and at what rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from tumbler.train.muon import Muon

ADAM_BETAS = (0.9, 0.95)
"""GPT-3's (arXiv 2005.14165, appendix B)."""


@dataclass(frozen=True)
class LearningRates:
    """Full rates; the schedule multiplies them."""

    matrices: float
    """Muon's, for the matrices of the blocks."""
    rest: float
    """AdamW's, for the embedding, the head and the norms."""

    def scaled(self, factor: float) -> LearningRates:
        return LearningRates(self.matrices * factor, self.rest * factor)


def make_optimizers(model: nn.Module, rates: LearningRates, weight_decay: float, bf16: bool) -> tuple[Optimizer, ...]:
    """Muon for the 2-D parameters of the blocks, AdamW for all others. `weight_decay` is for the matrices only."""
    matrices = [p for name, p in model.named_parameters() if is_matrix(name, p)]
    rest = [p for name, p in model.named_parameters() if not is_matrix(name, p)]
    muon = Muon(matrices, rates.matrices, weight_decay=weight_decay, compute=torch.bfloat16 if bf16 else torch.float32)
    adam = AdamW(rest, rates.rest, betas=ADAM_BETAS, weight_decay=0.0, fused=True)
    optimizers: tuple[Optimizer, ...] = (muon, adam)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["full_lr"] = group["lr"]
    return optimizers


def is_matrix(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim == 2 and ".layers." in name


def set_rate(optimizers: Sequence[Optimizer], rate: float) -> None:
    """Multiply every group's full learning rate by `rate`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["full_lr"] * rate
