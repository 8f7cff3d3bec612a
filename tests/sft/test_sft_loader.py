"""The stream of batches: complete epochs, exact resume, replay beside conversations."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from tumbler.sft.loader import ConversationLoader, Mixture, ReplayingLoader
from tumbler.sft.packing import Example, shifted
from tumbler.train.batch import Batch
from tumbler.train.loader import PackedLoader

CONTEXT = 12


class Texts:
    """Three documents of pretraining text."""

    lengths = [20] * 3

    def __len__(self) -> int:
        return 3

    def document(self, index: int, /) -> np.ndarray:
        return np.arange(100 * index, 100 * index + 20)


def examples(count: int, first: int = 1000) -> list[Example]:
    """Conversations of 3 to 7 slots, told apart by their first token."""
    return [shifted([first + number, *range(2, 5 + number % 5)], [True] * (4 + number % 5)) for number in range(count)]


def loader(conversations: int = 20, identity: int = 0, share: float = 0.0, rows: int = 3) -> ConversationLoader:
    mixture = Mixture(examples(conversations), examples(identity, first=2000), share)
    return ConversationLoader(mixture, rows, CONTEXT, pad=0, seed=5)


def firsts(batch: Batch) -> Counter[int]:
    return Counter(token for token in batch.ids.flatten().tolist() if token >= 1000)


def equal(one: Batch, other: Batch) -> bool:
    names = ("ids", "targets", "positions", "documents")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def test_every_epoch_holds_every_conversation_once() -> None:
    source = loader(rows=1)
    for _ in range(3):
        seen: Counter[int] = Counter()
        for _ in range(source.rows_an_epoch):
            seen += firsts(next(source))
        assert seen == Counter(range(1000, 1020))


def test_epochs_differ_in_order() -> None:
    source = loader(rows=1)
    epochs = [[str(firsts(next(source))) for _ in range(source.rows_an_epoch)] for _ in range(2)]
    assert epochs[0] != epochs[1]


def test_identity_has_its_share_of_the_conversations() -> None:
    mixture = Mixture(examples(60), examples(7, first=2000), share=0.25)
    counts = Counter(item.ids[0] for item in mixture.epoch(np.random.default_rng(0)))
    identity = {first: count for first, count in counts.items() if first >= 2000}
    assert sum(identity.values()) == 20 == mixture.identity_count
    assert sorted(identity.values()) == [2, 3, 3, 3, 3, 3, 3]


@pytest.mark.parametrize("taken", [0, 1, 4, 11])
def test_a_resumed_loader_goes_on_as_the_first_would_have(taken: int) -> None:
    first = ReplayingLoader(loader(), PackedLoader(Texts(), 2, CONTEXT, seed=5))
    for _ in range(taken):
        next(first)
    second = ReplayingLoader(loader(), PackedLoader(Texts(), 2, CONTEXT, seed=5))
    second.load_state(first.state())
    assert all(equal(next(first), next(second)) for _ in range(5))


def test_rows_of_pretraining_text_stand_beside_conversations() -> None:
    batch = next(ReplayingLoader(loader(), PackedLoader(Texts(), 2, CONTEXT, seed=5)))
    assert batch.ids.shape == (5, CONTEXT)
    assert batch.ids[:3].max() >= 1000 > batch.ids[3:].max()
