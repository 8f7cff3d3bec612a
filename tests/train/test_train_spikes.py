"""Spikes: what is no number, or far above the usual; skipped or stopped at, and judged alike after a resume."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.utils.hooks import RemovableHandle

from tumbler.device import this_machine
from tumbler.errors import Failure
from tumbler.model import Transformer, init_weights, sizes
from tumbler.train import (
    LearningRates,
    Objective,
    PackedLoader,
    Report,
    TrainPlan,
    TrainState,
    make_optimizers,
    resume,
    save_state,
    train,
)
from tumbler.train.spikes import FEWEST, WINDOW, Spikes

MACHINE = this_machine()


def used_to(loss: float = 2.0, norm: float = 1.0) -> Spikes:
    spikes = Spikes()
    for step in range(FEWEST):
        assert spikes.judge(loss + 0.01 * (step % 2), norm + 0.01 * (step % 2), sigmas=6) is None
    return spikes


def test_what_lies_far_above_the_usual_is_a_spike_and_is_not_remembered() -> None:
    spikes = used_to()
    before = spikes.state()
    assert spikes.judge(2.02, 1.02, sigmas=6) is None
    spikes.load_state(before)
    assert "loss 3.000, more than 6 deviations" in (spikes.judge(3.0, 1.0, sigmas=6) or "")
    assert "gradient norm 9.000" in (spikes.judge(2.0, 9.0, sigmas=6) or "")
    assert spikes.judge(math.nan, 1.0, sigmas=6) == "loss nan"
    assert "loss" in (spikes.judge(2.036, 1.0, sigmas=6) or "")  # the mean is 2.005, a deviation 0.005
    assert spikes.state() == before
    assert spikes.judge(2.034, 1.0, sigmas=6) is None
    spikes.load_state(before)
    assert spikes.judge(0.1, 0.0, sigmas=6) is None  # far below is no spike
    assert (len(spikes.losses), len(spikes.norms)) == (FEWEST + 1, FEWEST + 1)


def test_early_steps_are_no_spikes_but_what_is_no_number_always_is() -> None:
    spikes = Spikes()
    for step in range(FEWEST - 1):
        assert spikes.judge(2.0 + 0.01 * (step % 2), 1.0, sigmas=6) is None
    assert spikes.judge(50.0, 1.0, sigmas=6) is None
    assert spikes.judge(9000.0, 1.0, sigmas=6) is not None
    assert spikes.judge(math.nan, 1.0, sigmas=None) == "loss nan"
    assert spikes.judge(2.0, math.inf, sigmas=None) == "gradient norm inf"


def test_only_the_last_steps_are_the_usual_and_json_holds_them() -> None:
    spikes = used_to()
    for _ in range(WINDOW):
        spikes.judge(2.0, 1.0, sigmas=None)
    spikes.skipped = 3
    again = Spikes()
    again.load_state(json.loads(json.dumps(spikes.state())))
    assert again == spikes
    again.judge(2.5, 1.5, sigmas=None)
    assert (len(again.losses), len(again.norms)) == (WINDOW, WINDOW)


class Docs:
    lengths = [12] * 9

    def __len__(self) -> int:
        return 9

    def document(self, index: int, /) -> object:
        return torch.arange(12).add(index).remainder(30).numpy()


def training(on_spike: str, sigmas: float | None = None) -> tuple[TrainState, Iterator[Report]]:
    model = Transformer(sizes(1, vocab_size=30, context=8, width=32))
    init_weights(model, 0)
    optimizers = make_optimizers(model, LearningRates(0.02, 3e-3), 0.0, bf16=False)
    state = TrainState(model, optimizers, PackedLoader(Docs(), rows=2, length=8, seed=0))  # type: ignore[arg-type]
    plan = TrainPlan(4, 0, 0.0, 1.0, 2, on_spike=on_spike, sigmas=sigmas)  # type: ignore[arg-type]
    return state, train(state, Objective(model, MACHINE, False, False), plan, MACHINE)


def spoil(state: TrainState) -> RemovableHandle:
    """Until it is removed, the gradient is no number, though the parameters are."""
    return state.model.head_weight.register_hook(lambda gradient: gradient * math.nan)


def test_a_spike_is_left_out_and_counted_or_ends_the_run_before_it_spoils_anything() -> None:
    state, reports = training("skip")
    next(reports)
    before = [parameter.detach().clone() for parameter in state.model.parameters()]
    spoiled = spoil(state)
    report = next(reports)
    assert report.skipped == "gradient norm nan"
    assert (state.step, state.spikes.skipped) == (2, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, state.model.parameters(), strict=True))
    spoiled.remove()
    assert next(reports).skipped is None  # nothing of the spoiled gradient is left
    assert not any(torch.equal(a, b) for a, b in zip(before, state.model.parameters(), strict=True))
    state, reports = training("stop", sigmas=6)
    next(reports)
    spoil(state)
    with pytest.raises(Failure, match="step 2: gradient norm nan; on_spike = 'stop'"):
        next(reports)
    assert state.step == 1


def test_a_loss_far_above_the_usual_is_a_spike_to_the_loop_and_to_the_run_that_goes_on(tmp_path: Path) -> None:
    state, reports = training("skip", sigmas=6)
    next(reports)
    state.spikes.load_state(used_to(0.1, 0.1).state())
    assert "more than 6 deviations" in (next(reports).skipped or "")
    save_state(state, tmp_path)
    again, reports = training("skip", sigmas=6)
    assert resume(again, tmp_path)
    assert "more than 6 deviations" in (next(reports).skipped or "")
    assert again.spikes.skipped == 2
