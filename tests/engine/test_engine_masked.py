"""Masks are filled from both sides, and a text's score is the sum of its tokens', each hidden in turn."""

from __future__ import annotations

import pytest
import torch

from tumbler.engine import fill, pseudo_log_likelihood
from tumbler.errors import UserError
from tumbler.model import Transformer, init_weights, sizes

MASK = 49
IDS = [3, 7, MASK, 11, MASK, 20]


@pytest.fixture(scope="module")
def model() -> Transformer:
    made = Transformer(sizes(2, vocab_size=50, context=16, family="modernbert", width=64))
    init_weights(made, 0)
    return made.eval()


def test_each_mask_gets_its_likeliest_tokens(model: Transformer) -> None:
    found = fill(model, IDS, MASK, 3)
    shares = model(torch.tensor([IDS]))[0].softmax(-1)
    assert len(found) == 2
    for place, mask in zip((2, 4), found, strict=True):
        best = shares[place].topk(3)
        assert [id for id, _ in mask] == best.indices.tolist()
        assert [share for _, share in mask] == pytest.approx(best.values.tolist())


def test_what_stands_behind_a_mask_matters(model: Transformer) -> None:
    assert fill(model, [3, MASK, 11], MASK, 1) != fill(model, [3, MASK, 12], MASK, 1)


@pytest.mark.parametrize("rows", [2, 32])
def test_pseudo_log_likelihood_hides_one_token_at_a_time(
    model: Transformer, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr("tumbler.engine.masked.ROWS", rows)
    ids = [3, 7, 9, 11]
    found = pseudo_log_likelihood(model, ids, MASK, range(1, 4))
    for place, score in zip(range(1, 4), found, strict=True):
        hidden = [*ids[:place], MASK, *ids[place + 1 :]]
        with torch.no_grad():
            wanted = model(torch.tensor([hidden]))[0, place].log_softmax(-1)[ids[place]]
        assert score == pytest.approx(float(wanted), abs=1e-5)


def test_a_model_that_reads_from_the_left_and_a_long_text_are_refused(model: Transformer) -> None:
    left = Transformer(sizes(1, vocab_size=50, context=16, width=32))
    with pytest.raises(UserError, match="reads from the left only"):
        fill(left, IDS, MASK, 1)
    with pytest.raises(UserError, match="the text has 17 tokens, the model reads 16"):
        fill(model, [MASK] * 17, MASK, 1)
