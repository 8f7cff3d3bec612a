"""The dial: what depth says of sizes, batch and steps, and what a recipe overrides."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.model import parameters
from tumbler.pretrain.dial import (
    BATCH_EXPONENT,
    BATCH_FACTOR,
    EMBEDDING_RATE,
    budget,
    learning_rates,
    model_config,
    scaling_parameters,
)
from tumbler.pretrain.settings import PretrainSettings


def test_gpt2_small_is_gpt2_small() -> None:
    settings = PretrainSettings(family="gpt2", depth=12, width=768, heads=12, context=1024)
    config = model_config(settings, 50_257)
    assert parameters(config) == 124_439_808  # openai-community/gpt2
    assert scaling_parameters(config) == 124_439_808 - 1024 * 768


def test_an_embedding_apart_from_the_head_is_no_scaling_parameter() -> None:
    tied = model_config(PretrainSettings(depth=4, tied=True), 1000)
    apart = model_config(PretrainSettings(depth=4, tied=False), 1000)
    assert parameters(apart) == parameters(tied) + 1000 * 256
    assert scaling_parameters(apart) == scaling_parameters(tied) == parameters(tied)


def test_what_is_given_is_taken() -> None:
    settings = PretrainSettings(depth=2, rows=5, steps=7, context=32)
    assert budget(settings, model_config(settings, 500)).tokens == 5 * 7 * 32


@given(depth=st.integers(1, 12), ratio=st.floats(1, 40))
def test_steps_follow_from_tokens_a_parameter(depth: int, ratio: float) -> None:
    settings = PretrainSettings(depth=depth, tokens_per_parameter=ratio, context=512)
    config = model_config(settings, 4096)
    found, wanted = budget(settings, config), ratio * scaling_parameters(config)
    assert wanted <= found.tokens < wanted + found.rows * 512
    best = BATCH_FACTOR * wanted**BATCH_EXPONENT / 512
    assert found.rows == max(1, 2 ** round(math.log2(best)))


@given(steps=st.integers(200, 200_000))
def test_a_batch_from_steps_is_the_batch_from_their_tokens(steps: int) -> None:
    settings = PretrainSettings(depth=4, steps=steps, context=16)
    found = budget(settings, model_config(settings, 4096))
    best = BATCH_FACTOR * found.tokens**BATCH_EXPONENT
    assert found.rows * 16 == pytest.approx(best, rel=0.25)  # rows are the power of two that is nearest the law


def test_a_deeper_model_has_more_of_everything() -> None:
    small, large = (PretrainSettings(depth=depth) for depth in (4, 12))
    one, other = (model_config(settings, 4096) for settings in (small, large))
    assert other.hidden_size == 3 * one.hidden_size
    assert other.num_attention_heads == 3 * one.num_attention_heads
    assert budget(large, other).tokens > 10 * budget(small, one).tokens
    assert budget(large, other).rows > budget(small, one).rows


def test_an_embedding_that_begins_wide_has_a_rate_of_its_own_where_none_is_given() -> None:
    def rate(new: bool = True, **settings: Any) -> float | None:
        asked = PretrainSettings(**settings)
        return learning_rates(asked, model_config(asked, 512), new).embedding

    assert rate(tied=False) == rate(tied=False, family="llama") == EMBEDDING_RATE
    assert rate(tied=False, embedding_rate=0.1) == 0.1
    assert rate(tied=True) is rate(tied=False, new=False) is rate(tied=False, family="gpt2") is None
