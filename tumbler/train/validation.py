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
from tumbler.train.masking import Masking
from tumbler.train.objective import evaluate
from tumbler.train.parallel import summed


@dataclass(frozen=True)
class Sums:
    """Summed over targets; those of several sources are added."""

    nats: float
    targets: int
    bytes: int
    """Of UTF-8, in the documents' texts."""

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.nats + other.nats, self.targets + other.targets, self.bytes + other.bytes)

    @property
    def loss(self) -> float:
        """Mean, in nats a target."""
        return self.nats / max(1, self.targets)

    @property
    def bits_per_byte(self) -> float:
        """nats / ln 2 / bytes: comparable between tokenizers, as a loss a token is not (next-token targets only)."""
        return self.nats / math.log(2) / self.bytes


def validate(
    model: Transformer,
    documents: Documents,
    count: int,
    text_bytes: int,
    rows: int,
    machine: Machine,
    bf16: bool,
    masking: Masking | None = None,
) -> Sums:
    """The loss over the first `count` documents, which hold `text_bytes` bytes of text; `rows` at a time.

    Over all tokens of a document but its first; with `masking`, over the tokens it hides, each time the same.
    All ranks must call it: each looks at its share of the batches.
    """
    nats, targets = torch.zeros((), dtype=torch.float64, device=torch_device(machine)), 0
    # Padding that is no text: a mask token is never one that is hidden.
    padding = 0 if masking is None else masking.mask
    for number, batch in enumerate(passage(documents, count, rows, model.config.max_position_embeddings, padding)):
        hidden = batch if masking is None else masking(batch, np.random.default_rng(number))
        targets += int((hidden.targets != IGNORE).sum())
        if number % machine.world == machine.rank:
            nats += evaluate(model, hidden.to(torch_device(machine)), machine, bf16)
    return Sums(float(summed(nats)), targets, text_bytes)


def passage(documents: Documents, count: int, rows: int, length: int, padding: int = 0) -> Iterator[Batch]:
    """Batches of the first `count` documents in their order: every token but a document's first is a target once.

    The last row ends with the id `padding`, which is no target.
    """
    source = _rows(documents, count, length, padding)
    while part := list(islice(source, rows)):
        yield Batch(*(torch.from_numpy(np.stack(field)) for field in zip(*part, strict=True)))


def _rows(documents: Documents, count: int, length: int, padding: int) -> Iterator[tuple[Row, Row, Row, Row]]:
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
        yield pack([*pieces, *(np.full(1, padding) for _ in range(room))])
