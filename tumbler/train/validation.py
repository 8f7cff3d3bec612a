"""How well a model predicts documents that it was not trained on.

Shapes: B rows, T time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from tumbler.device import Machine, torch_device
from tumbler.model import Transformer
from tumbler.train.batch import IGNORE, Batch
from tumbler.train.loader import Documents, Row, pack
from tumbler.train.loss import evaluate


@dataclass(frozen=True)
class Validation:
    """Over all tokens of the documents but their first."""

    loss: float
    """Mean, in nats a token."""
    bits_per_byte: float
    """nats / ln 2 / bytes of UTF-8: comparable between tokenizers, as a loss a token is not."""
    targets: int


def validate(
    model: Transformer, documents: Documents, count: int, text_bytes: int, rows: int, machine: Machine, bf16: bool
) -> Validation:
    """The loss over the first `count` documents, which hold `text_bytes` bytes of text; `rows` at a time."""
    nats, targets = 0.0, 0
    for batch in passage(documents, count, rows, model.config.max_position_embeddings):
        nats += float(evaluate(model, batch.to(torch_device(machine)), machine, bf16))
        targets += int((batch.targets != IGNORE).sum())
    return Validation(nats / targets, nats / math.log(2) / text_bytes, targets)


def passage(documents: Documents, count: int, rows: int, length: int) -> Iterator[Batch]:
    """Batches of the first `count` documents in their order: every token but a document's first is a target once."""
    source = _rows(documents, count, length)
    while part := list(islice(source, rows)):
        yield Batch(*(torch.from_numpy(np.stack(field)) for field in zip(*part, strict=True)))


def _rows(documents: Documents, count: int, length: int) -> Iterator[tuple[Row, Row, Row, Row]]:
    """Each row holds pieces of documents; the last one is filled up with places that are no target."""
    pieces, room = [], length + 1
    for number in range(count):
        ids = documents.document(number)
        while len(ids) > 1:
            piece = ids[:room]
            pieces.append(piece)
            room -= len(piece)
            # The last token of a cut piece begins the next one, which so keeps its first target.
            ids = ids[len(piece) - 1 :] if len(piece) < len(ids) else ids[:0]
            if room == 0:
                yield pack(pieces)
                pieces, room = [], length + 1
    if pieces:
        yield pack([*pieces, *(np.zeros(1, np.int64) for _ in range(room))])
