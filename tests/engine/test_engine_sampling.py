"""Sampling: the distribution is transformers', greedy is exact, a draw follows its probabilities."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from tumbler.engine.sampling import Row, Sampling, choose, draw, logits_to_probs
from tumbler.errors import Failure, UserError

SETTINGS = [
    Sampling(1),
    Sampling(1, temperature=0.7),
    Sampling(1, top_k=5),
    Sampling(1, top_p=0.8),
    Sampling(1, min_p=0.1),
    Sampling(1, temperature=1.5, top_k=20, top_p=0.9, min_p=0.02),
    Sampling(1, top_k=1000),
    Sampling(1, top_p=1.0, min_p=0.0),
]


def transformers_probs(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    steps = LogitsProcessorList([TemperatureLogitsWarper(float(sampling.temperature))])
    if sampling.top_k is not None:
        steps.append(TopKLogitsWarper(min(sampling.top_k, logits.shape[-1])))
    if sampling.top_p is not None and sampling.top_p < 1:
        steps.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        steps.append(MinPLogitsWarper(sampling.min_p))
    return steps(torch.zeros(1, 1, dtype=torch.long), logits).softmax(-1)


def test_probabilities_equal_those_of_transformers_row_by_row_in_a_mixed_batch() -> None:
    logits = torch.randn(len(SETTINGS), 200, generator=torch.Generator().manual_seed(1)) * 3
    ours = logits_to_probs(logits, SETTINGS)
    theirs = torch.cat(
        [transformers_probs(row[None], sampling) for row, sampling in zip(logits, SETTINGS, strict=True)]
    )
    assert torch.equal(ours > 0, theirs > 0)
    torch.testing.assert_close(ours, theirs)


@given(
    st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=30), st.sampled_from(SETTINGS), st.floats(0, 0.9999999)
)
def test_the_likeliest_id_is_never_cut_off_and_nothing_that_is_cut_off_is_drawn(
    row: list[float], sampling: Sampling, uniform: float
) -> None:
    logits = torch.tensor([row])
    probs = logits_to_probs(logits, [sampling])
    assert probs[0, logits.argmax()] > 0
    assert probs[0, draw(probs, torch.tensor([uniform], dtype=torch.float64))] > 0


def test_draws_follow_the_probabilities() -> None:
    probs = torch.tensor([[0.1, 0.0, 0.6, 0.3, 0.0]])
    uniforms = torch.rand(20_000, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = draw(probs.expand(20_000, 5), uniforms).bincount(minlength=5) / 20_000
    torch.testing.assert_close(found, probs[0], atol=0.015, rtol=0)
    assert found[1] == found[4] == 0


def test_the_ends_of_the_interval_draw_ids_that_have_probability() -> None:
    probs = torch.tensor([[0.0, 0.5, 0.5, 0.0]])
    ends = torch.tensor([0.0, math.nextafter(1.0, 0.0)], dtype=torch.float64)
    assert draw(probs.expand(2, 4), ends).tolist() == [1, 2]


def test_greedy_takes_the_likeliest_and_is_certain_of_it() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]])
    chosen = choose(logits, [Row(Sampling(1, temperature=0), 0.5)] * 2)
    assert chosen.ids == [1, 0]
    assert chosen.logprobs == [0.0, 0.0]
    assert chosen.raw_logprobs == pytest.approx(logits.log_softmax(-1)[[0, 1], [1, 0]].tolist(), abs=1e-6)


def test_a_temperature_near_zero_takes_the_likeliest() -> None:
    logits = torch.tensor([[5.0, 80.0, -90.0]])
    assert logits_to_probs(logits, [Sampling(1, temperature=1e-300)]).tolist() == [[0.0, 1.0, 0.0]]


def test_a_drawn_id_carries_the_probability_it_was_drawn_with_and_the_models_own() -> None:
    logits = torch.tensor([[math.log(0.5), math.log(0.3), math.log(0.2)]])
    chosen = choose(logits, [Row(Sampling(1, top_k=2), 0.9)])
    assert chosen.ids == [1]
    assert chosen.logprobs == pytest.approx([math.log(0.3 / 0.8)])
    assert chosen.raw_logprobs == pytest.approx([math.log(0.3)])


def test_a_model_that_gives_nan_is_a_failure() -> None:
    for sampling in (Sampling(1), Sampling(1, temperature=0)):
        with pytest.raises(Failure, match="weights are broken"):
            choose(torch.tensor([[0.0, math.nan]]), [Row(sampling, 0.5)])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_tokens": 0}, "max_tokens = 0: must be at least 1"),
        ({"temperature": -1.0}, "temperature = -1.0: must be a finite number, at least 0"),
        ({"temperature": math.nan}, "temperature = nan: must be a finite number, at least 0"),
        ({"top_k": 0}, "top_k = 0: must be at least 1"),
        ({"top_p": 0.0}, "top_p = 0.0: must be above 0 and at most 1"),
        ({"min_p": 1.1}, "min_p = 1.1: must be from 0 to 1"),
        ({"seed": -1}, "seed = -1: must be from 0 to 2^63 - 1"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(values: dict[str, float], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Sampling(**({"max_tokens": 1} | values))  # type: ignore[arg-type]
    assert str(caught.value) == message
