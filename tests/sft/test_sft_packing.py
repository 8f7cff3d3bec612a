"""Conversations in rows: none cut, none lost, none seen by another."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.model import Transformer, init_weights, sizes
from tumbler.sft.packing import Example, best_fit, shifted, to_batch
from tumbler.train.batch import IGNORE

CONTEXT, PAD = 16, 99
LENGTHS = st.lists(st.integers(1, CONTEXT), max_size=40)


def example(length: int, first: int = 1) -> Example:
    """`length` slots; the second half is the assistant's."""
    ids = list(range(first, first + length + 1))
    return shifted(ids, [place > length // 2 for place in range(length + 1)])


def test_the_target_of_a_place_is_the_next_token_where_that_is_learned() -> None:
    made = shifted([5, 6, 7, 8], [False, False, True, True])
    assert made == Example((5, 6, 7), (IGNORE, 7, 8))
    assert made.supervised == 2


@given(LENGTHS)
def test_every_conversation_is_in_one_row_and_no_row_is_too_long(lengths: list[int]) -> None:
    rows = best_fit(lengths, CONTEXT)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in row) <= CONTEXT for row in rows)


@given(LENGTHS)
def test_rows_are_few(lengths: list[int]) -> None:
    """Best-fit decreasing needs at most 11/9 of the fewest rows, plus 1 (Johnson 1974)."""
    fewest = -(-sum(lengths) // CONTEXT)
    rows = len(best_fit(lengths, CONTEXT))
    assert rows <= max(sum(length > CONTEXT / 2 for length in lengths), fewest) * 11 / 9 + 1


def test_the_fullest_row_that_fits_is_taken() -> None:
    assert best_fit([9, 10, 6, 5], 16) == [[1, 2], [0, 3]]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_a_batch_holds_each_conversation_as_it_is(lengths: list[int]) -> None:
    examples = [example(length, first=10 * number) for number, length in enumerate(lengths, 1)]
    batch = to_batch([examples], CONTEXT, PAD)
    start = 0
    for number, item in enumerate(examples):
        stop = start + len(item.ids)
        assert tuple(batch.ids[0, start:stop].tolist()) == item.ids
        assert tuple(batch.targets[0, start:stop].tolist()) == item.targets
        assert batch.positions[0, start:stop].tolist() == list(range(stop - start))
        assert set(batch.documents[0, start:stop].tolist()) == {number}
        start = stop
    assert set(batch.ids[0, start:].tolist()) <= {PAD}
    assert set(batch.targets[0, start:].tolist()) <= {IGNORE}
    assert not set(batch.documents[0, start:].tolist()) & set(range(len(examples)))


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.data())
def test_changing_one_conversation_changes_no_other_ones_logits(lengths: list[int], data: st.DataObject) -> None:
    model = Transformer(sizes(2, vocab_size=128, context=CONTEXT))
    init_weights(model, seed=1)
    with torch.no_grad():  # blocks begin as the identity, through which nothing could leak
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    changed = data.draw(st.integers(0, len(lengths) - 1))
    before = [example(length, first=10 * number) for number, length in enumerate(lengths, 1)]
    after = [example(len(item.ids), first=60) if place == changed else item for place, item in enumerate(before)]
    batches = [to_batch([examples], CONTEXT, PAD) for examples in (before, after)]
    logits = [model(batch.ids, batch.positions, batch.documents)[0] for batch in batches]
    own = batches[0].documents[0] == changed
    torch.testing.assert_close(logits[0][~own], logits[1][~own], rtol=0, atol=1e-6)
    assert not torch.allclose(logits[0][own], logits[1][own])
