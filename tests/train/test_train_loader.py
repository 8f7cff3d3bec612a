"""The loader: every token a target once an epoch, documents apart, any place can be gone back to."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tumbler.train import IGNORE, Batch, PackedLoader
from tumbler.train.loader import MixedLoader
from tumbler.train.validation import passage


class Docs:
    """Document i is [1000 i, 1000 i + 1, ...]: each token tells whose and where it is. `first`: added to each i."""

    def __init__(self, *lengths: int, first: int = 0) -> None:
        self.lengths, self.first = lengths, first

    def __len__(self) -> int:
        return len(self.lengths)

    def document(self, index: int, /) -> NDArray[np.uint16]:
        return (1000 * (self.first + index) + np.arange(self.lengths[index])).astype(np.uint16)


def trained(batch: Batch) -> list[int]:
    return batch.targets[batch.targets != IGNORE].tolist()


LENGTHS = st.lists(st.integers(2, 30), min_size=1, max_size=6)


def test_the_pieces_of_a_long_document_lie_apart() -> None:
    loader = PackedLoader(Docs(*[81] * 10), rows=10, length=8, seed=0)
    whose = [set((next(loader).ids // 1000).flatten().tolist()) for _ in range(10)]
    assert min(map(len, whose)) > 3


@given(
    lengths=st.lists(st.integers(2, 30), min_size=1, max_size=6), length=st.integers(2, 12), longest=st.integers(2, 30)
)
def test_of_each_document_no_more_is_read_than_is_asked_for(lengths: list[int], length: int, longest: int) -> None:
    loader = PackedLoader(Docs(*lengths), 1, length, seed=1, longest=longest)
    wanted = sorted(1000 * i + j for i, n in enumerate(lengths) for j in range(1, min(n, longest)))
    found: list[int] = []
    while len(found) < len(wanted):
        found += trained(next(loader))
    assert sorted(found[: len(wanted)]) == wanted


@given(lengths=LENGTHS, length=st.integers(2, 12), seed=st.integers(0, 9))
def test_an_epoch_trains_every_token_but_the_first_of_each_document_once(
    lengths: list[int], length: int, seed: int
) -> None:
    loader = PackedLoader(Docs(*lengths), rows=1, length=length, seed=seed)
    wanted = sorted(1000 * i + j for i, n in enumerate(lengths) for j in range(1, n))
    found: list[int] = []
    while len(found) < 2 * len(wanted):
        found += trained(next(loader))
    assert sorted(found[: len(wanted)]) == wanted
    assert sorted(found[len(wanted) : 2 * len(wanted)]) == wanted


@given(lengths=LENGTHS, length=st.integers(2, 12), rows=st.integers(1, 3))
def test_a_target_is_the_next_token_of_the_same_document(lengths: list[int], length: int, rows: int) -> None:
    batch = next(PackedLoader(Docs(*lengths), rows=rows, length=length, seed=0))
    assert batch.ids.shape == batch.targets.shape == batch.positions.shape == batch.documents.shape == (rows, length)
    inner = batch.targets != IGNORE
    assert torch.equal(batch.targets[inner], batch.ids[inner] + 1)
    same = batch.documents[:, 1:] == batch.documents[:, :-1]
    assert torch.equal(same, batch.targets[:, :-1] != IGNORE)
    assert torch.equal(batch.positions[:, 1:][same], batch.positions[:, :-1][same] + 1)
    assert (batch.positions[:, 1:][~same] == 0).all()
    assert (batch.positions[:, 0] == 0).all()


@given(lengths=LENGTHS, before=st.integers(0, 9))
def test_a_loader_put_back_gives_the_same_batches(lengths: list[int], before: int) -> None:
    first = PackedLoader(Docs(*lengths), rows=2, length=7, seed=3)
    for _ in range(before):
        next(first)
    second = PackedLoader(Docs(*lengths), rows=2, length=7, seed=3)
    second.load_state(first.state())
    for _ in range(4):
        a, b = next(first), next(second)
        assert torch.equal(a.ids, b.ids)
        assert torch.equal(a.targets, b.targets)


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    docs = Docs(*[2] * 50)

    def order(loader: PackedLoader) -> list[int]:
        return [int(next(loader).ids[0, 0]) for _ in range(50)]

    loader = PackedLoader(docs, rows=1, length=1, seed=0)
    first, second = order(loader), order(loader)
    assert sorted(first) == sorted(second) != first != second
    assert order(PackedLoader(docs, rows=1, length=1, seed=1)) != first


@given(lengths=LENGTHS, length=st.integers(2, 12), rows=st.integers(1, 3))
def test_a_validation_passage_has_every_target_once(lengths: list[int], length: int, rows: int) -> None:
    found = [target for batch in passage(Docs(*lengths), len(lengths), rows, length) for target in trained(batch)]
    assert found == [1000 * i + j for i, n in enumerate(lengths) for j in range(1, n)]


@given(weights=st.lists(st.floats(0.1, 10), min_size=1, max_size=4), batches=st.integers(1, 8))
def test_a_mixture_gives_each_source_its_share_to_within_a_row_and_can_be_put_back(
    weights: list[float], batches: int
) -> None:
    def loader() -> MixedLoader:
        sources = [Docs(*[9 + number] * 5, first=5 * number) for number in range(len(weights))]
        return MixedLoader([PackedLoader(docs, 1, 8, seed=0) for docs in sources], weights, rows=3)

    first = loader()
    of = torch.cat([next(first).ids[:, 0] for _ in range(batches)]) // 5000
    assert of.bincount(minlength=len(weights)).tolist() == first.given
    for rows, weight in zip(first.given, weights, strict=True):
        assert abs(rows - 3 * batches * weight / sum(weights)) <= 1 + 1e-9
    second = loader()
    second.load_state(first.state())
    assert torch.equal(next(second).ids, next(first).ids)
    assert second.state() == first.state()
