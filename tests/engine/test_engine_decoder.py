"""The decoder gives the logits of the bare model, whatever way its weights are laid out and its rows are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from model_families import random_weights, small_config

from tumbler.engine import cache
from tumbler.engine.alone import Alone
from tumbler.engine.cache import SlotCache
from tumbler.engine.graphs import Graphs
from tumbler.engine.products import Weights
from tumbler.engine.runner import Read, Runner
from tumbler.errors import UserError
from tumbler.model import FamilyName, Transformer

IDS = [[5, 9, 2, 7, 7, 1, 30, 4], [3, 3, 8], [11, 12, 13, 14, 15]]
NEAR: dict[Weights, float] = {"plain": 1e-5, "packed": 0.05, "int8": 0.15, "int4": 0.6}
"""How far logits may lie from the bare model's in fp32, as a share of their size; others' logits lie 1.4 apart."""


def model_of(family: FamilyName, dtype: torch.dtype = torch.float32) -> Transformer:
    config = small_config(family, hidden_size=64, intermediate_size=128)
    return random_weights(config).to(dtype).eval()


def logits_by_steps(model: Transformer, weights: Weights) -> list[torch.Tensor]:
    """Of the last id of each of IDS: prompts read in pieces, the last two ids decoded together, as the engine does."""
    runner = Runner(model, 4, 64, weights)
    runner.step([], [], [Read(0, 0, IDS[0][:3])])
    runner.step([], [], [Read(0, 3, IDS[0][3:-2]), Read(1, 0, IDS[1][:-2]), Read(2, 0, IDS[2][:-2])])
    for back in (2, 1):
        states = runner.step([], [(ids[-back], len(ids) - back) for ids in IDS], [])
    return list(runner.logits(states).float())


def wanted(model: Transformer) -> list[torch.Tensor]:
    with torch.no_grad():
        return [model(torch.tensor([ids]))[0, -1].float() for ids in IDS]


@pytest.mark.parametrize("family", ["qwen3", "llama", "gpt2"])
@pytest.mark.parametrize("weights", NEAR)
def test_steps_give_the_bare_models_logits(family: FamilyName, weights: Weights) -> None:
    model = model_of(family, torch.float32 if weights == "plain" else torch.bfloat16)
    reference = wanted(model_of(family))
    for found, expected in zip(logits_by_steps(model, weights), reference, strict=True):
        assert (found - expected).norm() < NEAR[weights] * expected.norm()


@pytest.mark.parametrize("family", ["qwen3", "llama", "gpt2"])
def test_a_row_alone_is_the_row_in_company(family: FamilyName) -> None:
    model = model_of(family)
    together = logits_by_steps(model, "plain")
    for slot, ids in enumerate(IDS):
        runner = Runner(model, 4, 64, "plain")
        runner.step([], [], [Read(0, 0, ids[:-1])])
        states = runner.step([], [(ids[-1], len(ids) - 1)], [])
        torch.testing.assert_close(runner.logits(states)[0], together[slot], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("family", "weights"),
    [
        ("qwen3", "plain"),
        ("qwen3", "int4"),
        pytest.param("qwen3", "packed", marks=pytest.mark.slow),
        pytest.param("qwen3", "int8", marks=pytest.mark.slow),
        pytest.param("llama", "plain", marks=pytest.mark.slow),
        ("gpt2", "plain"),
    ],
)
def test_a_row_alone_is_the_same_compiled(
    family: FamilyName, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    steps, run = [], Alone.__call__

    def counted(*arguments: Any) -> torch.Tensor:
        steps.append(arguments)
        return run(*arguments)

    monkeypatch.setattr(Alone, "__call__", counted)
    model = model_of(family, torch.float32 if weights == "plain" else torch.bfloat16)
    found = []
    for compile in (False, True, True):
        runner = Runner(model, 4, 64, weights, compile)
        runner.step([], [], [Read(0, 0, IDS[1])])
        runner.step([], [], [Read(0, 0, IDS[0][:4])])
        states = [runner.step([], [(id, place)], []) for place, id in enumerate(IDS[0][4:], 4)]
        found.append(runner.logits(torch.cat(states)).float())
    assert (found[0] - found[1]).norm() < NEAR[weights] * found[0].norm()
    assert torch.equal(found[1], found[2])
    assert len(steps) == 2 * len(IDS[0][4:])
    assert len(list((tmp_path / "tumbler" / "compiled").iterdir())) == 1


@pytest.mark.parametrize("family", ["qwen3", "gpt2"])
def test_recorded_steps_are_the_steps(family: FamilyName) -> None:
    """As on an accelerator, but for the recording itself: spare rows, and attention to all that the cache can hold."""
    model, runners, made = model_of(family), [], []
    for recorded in (False, True):
        runner = Runner(model, 5, 64, "plain")
        if recorded:
            runner.cache.keys = [torch.zeros(6, *keys.shape[1:]) for keys in runner.cache.keys]
            runner.cache.values = [torch.zeros(6, *values.shape[1:]) for values in runner.cache.values]
            runner.cache.slots = 6
            runner._graphs = Graphs(runner.cache, record=lambda step: step)
        runner.step([], [], [Read(slot, 0, ids[:-2]) for slot, ids in enumerate(IDS)])
        steps = [[(ids[-back], len(ids) - back) for ids in IDS] for back in (2, 1)]
        made.append(torch.cat([runner.step([], decode, []) for decode in (*steps, steps[1][:1])]))
        runners.append(runner)
    torch.testing.assert_close(made[0], made[1], atol=1e-5, rtol=1e-5)
    for plain, other in zip(runners[0].cache.keys, runners[1].cache.keys, strict=True):
        torch.testing.assert_close(plain[:3], other[:3], atol=1e-5, rtol=1e-5)


def test_int4_of_other_models_is_refused() -> None:
    with pytest.raises(UserError, match="int4 needs bf16 and widths that are multiples of 32"):
        Runner(model_of("llama"), 1, 64, "int4")


def test_a_cache_that_finds_no_memory_to_grow_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    held = SlotCache(2, 1, 1, 8, torch.float32, torch.device("cpu"))
    held.reserve(10, 1000)
    asked, grown = [], cache._grown

    def until_the_third(tensor: torch.Tensor, capacity: int) -> torch.Tensor:
        asked.append(capacity)
        if len(asked) == 3:
            raise MemoryError
        return grown(tensor, capacity)

    monkeypatch.setattr(cache, "_grown", until_the_third)
    with pytest.raises(MemoryError):
        held.reserve(500, 1000)
    assert {tensor.shape[2] for tensor in (*held.keys, *held.values)} == {held.capacity} == {256}


def test_where_torch_has_no_onednn_packed_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    for weights in ("packed", "int8", "int4"):
        with pytest.raises(UserError, match="weights need oneDNN, which this build of torch lacks"):
            Runner(model_of("llama", torch.bfloat16), 1, 64, weights)
    Runner(model_of("llama"), 1, 64, "plain")
