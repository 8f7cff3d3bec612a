"""What a training step reads.

Shapes: B rows, T time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

IGNORE: Final = -100
"""The target of a place that is not trained on."""


@dataclass(frozen=True)
class Batch:
    """Rows of tokens; all four are (B, T) int64."""

    ids: Tensor
    targets: Tensor
    """The token after each of `ids`, or IGNORE."""
    positions: Tensor
    """Where each token stands in its document."""
    documents: Tensor
    """The number of each token's document within its row; tokens attend within their own."""

    def to(self, device: torch.device) -> Batch:
        return Batch(*(tensor.to(device) for tensor in self._fields()))

    def part(self, rank: int, world: int) -> Batch:
        """The rows of one of `world` ranks."""
        return Batch(*(torch.tensor_split(tensor, world)[rank] for tensor in self._fields()))

    def split(self, rows: int) -> Iterator[Batch]:
        """Smaller batches of at most `rows` rows."""
        for parts in zip(*(torch.split(tensor, rows) for tensor in self._fields()), strict=True):
            yield Batch(*parts)

    def _fields(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.ids, self.targets, self.positions, self.documents
