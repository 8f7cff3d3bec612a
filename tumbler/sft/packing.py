"""Rendered conversations -> rows of a fixed length, several conversations a row, none seeing another.

Best-fit decreasing (Ding et al. 2024, "Fewer Truncations Improve Language Modeling", section 3): the
longest first, each into the fullest row that still has room. No conversation is cut or split.

Shapes: B rows, T slots a row (the context).
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tumbler.train.batch import IGNORE, Batch


@dataclass(frozen=True)
class Example:
    """One rendered conversation as model input: `ids[i]` is read, `targets[i]` is what comes next.

    A target is IGNORE unless the assistant wrote it. The last token is only ever a target.
    """

    ids: tuple[int, ...]
    targets: tuple[int, ...]

    @property
    def supervised(self) -> int:
        """How many of the targets are trained on."""
        return sum(target != IGNORE for target in self.targets)


def shifted(ids: Sequence[int], mask: Sequence[bool]) -> Example:
    """The example of a rendered conversation; `mask[i]` says that `ids[i]` is to be learned."""
    targets = (token if learned else IGNORE for token, learned in zip(ids[1:], mask[1:], strict=True))
    return Example(tuple(ids[:-1]), tuple(targets))


def best_fit(lengths: Sequence[int], context: int) -> list[list[int]]:
    """Indices of `lengths` grouped into rows of at most `context` slots; each index once.

    Equal lengths keep their order, so the caller's shuffle decides who shares a row.
    """
    rows: list[list[int]] = []
    by_room: list[tuple[int, int]] = []
    """(free slots, row), sorted: the first entry with enough room is the fullest row that fits."""
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length = lengths[index]
        assert 0 < length <= context, f"a conversation of {length} tokens in rows of {context}"
        place = bisect.bisect_left(by_room, (length, 0))
        if place < len(by_room):
            room, row = by_room.pop(place)
        else:
            room, row = context, len(rows)
            rows.append([])
        rows[row].append(index)
        if room > length:
            bisect.insort(by_room, (room - length, row))
    return rows


def to_batch(rows: Sequence[Sequence[Example]], context: int, pad: int) -> Batch:
    """Rows of examples as tensors (B, T). Positions restart at each example; padding is a document of its own."""
    ids = torch.full((len(rows), context), pad)
    targets = torch.full_like(ids, IGNORE)
    positions, documents = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, examples in enumerate(rows):
        start = 0
        for number, example in enumerate(examples):
            stop = start + len(example.ids)
            ids[row, start:stop] = torch.tensor(example.ids)
            targets[row, start:stop] = torch.tensor(example.targets)
            positions[row, start:stop] = torch.arange(stop - start)
            documents[row, start:stop] = number
            start = stop
        positions[row, start:] = torch.arange(context - start)
        documents[row, start:] = len(examples)
    return Batch(ids, targets, positions, documents)
