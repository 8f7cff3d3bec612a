"""What a masked model says: of hidden places, and of whole texts.

T ids of a text, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from tumbler.errors import UserError
from tumbler.model import Transformer

ROWS: Final = 32
"""Texts at a time."""


def fill(model: Transformer, ids: Sequence[int], mask: int, k: int) -> list[list[tuple[int, float]]]:
    """For each `mask` among the ids, in order: the k likeliest ids and their probabilities, likeliest first.

    Raises UserError for a model that reads from the left only, and for a text that does not fit its context.
    """
    places = [place for place, id in enumerate(ids) if id == mask]
    logits = _logits(model, [ids])[0, places].float()
    found = logits.softmax(-1).topk(min(k, logits.shape[-1]))
    return [list(zip(*row, strict=True)) for row in zip(found.indices.tolist(), found.values.tolist(), strict=True)]


def pseudo_log_likelihood(model: Transformer, ids: Sequence[int], mask: int, places: Sequence[int]) -> list[float]:
    """The log-probability, in nats, of the id at each of `places`, given all others ("Masked Language Model Scoring",
    arXiv 1910.14659): each place is masked in a copy of its own. Their sum is the text's score."""
    found: list[float] = []
    for start in range(0, len(places), ROWS):
        part = list(places[start : start + ROWS])
        rows = torch.tensor([list(ids)] * len(part))
        rows[range(len(part)), part] = mask
        logits = _logits(model, rows.tolist())[range(len(part)), part].float()
        target = torch.tensor([ids[place] for place in part], device=logits.device)
        found += (logits.gather(1, target[:, None])[:, 0] - logits.logsumexp(-1)).tolist()
    return found


@torch.inference_mode()
def _logits(model: Transformer, rows: Sequence[Sequence[int]]) -> Tensor:
    """(rows, T, V)"""
    if model.config.causal:
        raise UserError(f"a {model.config.family} model reads from the left only; masks need a masked model")
    if len(rows[0]) > model.config.max_position_embeddings:
        raise UserError(f"the text has {len(rows[0])} tokens, the model reads {model.config.max_position_embeddings}")
    logits: Tensor = model(torch.tensor(rows, device=model.head_weight.device))
    return logits
