"""The masked objective (BERT, arXiv 1810.04805): the model is to name hidden tokens from what stands on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch

from tumbler.train.batch import IGNORE, Batch
from tumbler.train.loader import Loader

HIDDEN: Final = 0.8
"""Of the chosen places: shown as the mask token (section 3.1)."""
RANDOM: Final = 0.1
"""Of the chosen places: shown as any token. The rest stay as they are."""


@dataclass(frozen=True)
class Masking:
    """Which tokens are hidden, and behind what."""

    share: float
    """Of the tokens that are chosen."""
    mask: int
    """The mask token's id."""
    vocab_size: int
    special: tuple[int, ...]
    """Ids that are no text: never chosen, nor put in a token's place."""

    def __call__(self, batch: Batch, random: np.random.Generator) -> Batch:
        """The batch with tokens hidden; the chosen ones are its targets, each at its own place."""
        ids = batch.ids.numpy()
        ordinary = np.setdiff1d(np.arange(self.vocab_size), self.special)
        chosen = (random.random(ids.shape) < self.share) & ~np.isin(ids, self.special)
        fate = random.random(ids.shape)
        others = ordinary[random.integers(0, len(ordinary), ids.shape)]
        shown = np.where(fate < HIDDEN, self.mask, np.where(fate < HIDDEN + RANDOM, others, ids))
        return replace(
            batch,
            ids=torch.from_numpy(np.where(chosen, shown, ids)),
            targets=torch.from_numpy(np.where(chosen, ids, IGNORE)),
        )


class MaskingLoader:
    """A loader's batches with tokens hidden: others in each epoch, the same again after a resume."""

    def __init__(self, loader: Loader, masking: Masking, seed: int) -> None:
        self.loader, self.masking, self.seed = loader, masking, seed
        self.batches = 0

    def __next__(self) -> Batch:
        self.batches += 1
        return self.masking(next(self.loader), np.random.default_rng((self.seed, self.batches)))

    def state(self) -> dict[str, Any]:
        return {"batches": self.batches, "loader": self.loader.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.batches = state["batches"]
        self.loader.load_state(state["loader"])
