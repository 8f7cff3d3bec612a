"""An endless stream of batches of conversations, beside rows of pretraining text.

Replay: part of each batch is pretraining data, so that the model learns to answer without forgetting
what it knows (rehearsal; in our trials the countries that no conversation asks about gain most).

Shapes: B rows of a batch, T the context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tumbler.sft.packing import Example, best_fit, to_batch
from tumbler.train.batch import Batch
from tumbler.train.loader import Loader


@dataclass(frozen=True)
class Mixture:
    """What one epoch holds: every conversation once, and so many about the model itself that they are `share`."""

    conversations: Sequence[Example]
    identity: Sequence[Example]
    share: float

    def epoch(self, random: np.random.Generator) -> list[Example]:
        """One epoch's conversations in random order; identity ones come again as often as the share asks."""
        repeats, rest = divmod(self.identity_count, max(len(self.identity), 1))
        extra = [self.identity[place] for place in random.permutation(len(self.identity))[:rest]]
        chosen = [*self.conversations, *list(self.identity) * repeats, *extra]
        return [chosen[place] for place in random.permutation(len(chosen))]

    @property
    def identity_count(self) -> int:
        if not self.identity:
            return 0
        if not self.conversations:
            return len(self.identity)
        return round(len(self.conversations) * self.share / (1 - self.share))


class ConversationLoader:
    """Batches of `rows` packed rows, epoch after epoch; each epoch is shuffled and packed anew from its seed."""

    def __init__(self, mixture: Mixture, rows: int, context: int, pad: int, seed: int) -> None:
        self.mixture, self.rows, self.context, self.pad, self.seed = mixture, rows, context, pad, seed
        self.epoch, self.row = 0, 0
        self._packed = self._pack(epoch=0)

    def __next__(self) -> Batch:
        taken: list[list[Example]] = []
        while len(taken) < self.rows:
            if self.row == len(self._packed):
                self.load_state({"epoch": self.epoch + 1, "row": 0})
            stop = self.row + self.rows - len(taken)
            taken += self._packed[self.row : stop]
            self.row = min(stop, len(self._packed))
        return to_batch(taken, self.context, self.pad)

    @property
    def rows_an_epoch(self) -> int:
        """Rows of the present epoch; epochs differ by a row at most."""
        return len(self._packed)

    def state(self) -> dict[str, int]:
        return {"epoch": self.epoch, "row": self.row}

    def load_state(self, state: Mapping[str, int]) -> None:
        self.epoch, self.row = state["epoch"], state["row"]
        self._packed = self._pack(self.epoch)

    def _pack(self, epoch: int) -> list[list[Example]]:
        """The rows of one epoch, in the order in which they are read."""
        random = np.random.default_rng([self.seed, epoch])
        examples = self.mixture.epoch(random)
        packed = best_fit([len(example.ids) for example in examples], self.context)
        return [[examples[place] for place in packed[number]] for number in random.permutation(len(packed))]


class ReplayingLoader:
    """Each batch: rows of conversations, then rows of pretraining text."""

    def __init__(self, conversations: ConversationLoader, replay: Loader) -> None:
        self.conversations, self.replay = conversations, replay

    def __next__(self) -> Batch:
        return beside(next(self.conversations), next(self.replay))

    def state(self) -> dict[str, Any]:
        return {"conversations": self.conversations.state(), "replay": self.replay.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.conversations.load_state(state["conversations"])
        self.replay.load_state(state["replay"])


def beside(one: Batch, other: Batch) -> Batch:
    """One batch with the rows of both."""
    return Batch(
        torch.cat((one.ids, other.ids)),
        torch.cat((one.targets, other.targets)),
        torch.cat((one.positions, other.positions)),
        torch.cat((one.documents, other.documents)),
    )
