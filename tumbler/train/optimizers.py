"""Which optimizer trains which parameter, and at what rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from tumbler.train.muon import Muon

ADAM_BETAS = (0.9, 0.95)
"""GPT-3's (arXiv 2005.14165, appendix B)."""
EMBEDDINGS = ("model.embed_tokens.weight", "model.embed_positions.weight")
HEAD = "lm_head.weight"


@dataclass(frozen=True)
class LearningRates:
    """Full rates; the schedule multiplies them."""

    matrices: float
    """For the matrices of the blocks."""
    rest: float
    """AdamW's, for head and norms, and for an embedding that is the head as well."""
    embedding: float | None = None
    """AdamW's, for an embedding that is not the head; None: as the rest."""

    def scaled(self, factor: float) -> LearningRates:
        embedding = None if self.embedding is None else self.embedding * factor
        return LearningRates(self.matrices * factor, self.rest * factor, embedding)


def make_optimizers(
    model: nn.Module,
    rates: LearningRates,
    weight_decay: float,
    bf16: bool,
    matrices: Literal["muon", "adamw"] = "muon",
) -> tuple[Optimizer, ...]:
    """Muon (or AdamW) for the 2-D parameters of the blocks, AdamW for all others. `weight_decay` is for the former."""
    named = dict(model.named_parameters())
    blocks = [p for name, p in named.items() if is_matrix(name, p)]
    apart = [named[name] for name in EMBEDDINGS if name in named and HEAD in named and rates.embedding is not None]
    others = {id(p) for p in (*blocks, *apart)}
    rest = [p for p in named.values() if id(p) not in others]
    groups: list[dict[str, Any]] = [{"params": rest, "lr": rates.rest, "weight_decay": 0.0}]
    if apart:
        groups.append({"params": apart, "lr": rates.embedding, "weight_decay": 0.0})
    optimizers: tuple[Optimizer, ...]
    if matrices == "muon":
        compute = torch.bfloat16 if bf16 else torch.float32
        muon = Muon(blocks, rates.matrices, weight_decay=weight_decay, compute=compute)
        optimizers = muon, AdamW(groups, betas=ADAM_BETAS, fused=True)
    else:
        groups.append({"params": blocks, "lr": rates.matrices, "weight_decay": weight_decay})
        optimizers = (AdamW(groups, betas=ADAM_BETAS, fused=True),)
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
