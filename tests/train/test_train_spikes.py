"""Spikes: what is no number, or far above the usual; skipped or stopped at, and judged alike after a resume."""

from __future__ import annotations

import json
import math

import pytest
import torch

from tumbler.device import this_machine
from tumbler.errors import Failure
from tumbler.model import Transformer, init_weights, sizes
from tumbler.train import LearningRates, Objective, PackedLoader, TrainPlan, TrainState, make_optimizers, train
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
    assert spikes.judge(0.1, 0.0, sigmas=6) is None  # far below is no spike
    assert len(spikes.losses) == FEWEST + 1


def test_early_steps_are_no_spikes_but_what_is_no_number_always_is() -> None:
    spikes = Spikes()
    assert spikes.judge(2.0, 1.0, sigmas=6) is None
    assert spikes.judge(50.0, 1.0, sigmas=6) is None
    assert spikes.judge(math.nan, 1.0, sigmas=None) == "loss nan"
    assert spikes.judge(2.0, math.inf, sigmas=None) == "gradient norm inf"


def test_only_the_last_steps_are_the_usual_and_json_holds_them() -> None:
    spikes = used_to()
    for _ in range(WINDOW):
        spikes.judge(2.0, 1.0, sigmas=None)
    again = Spikes()
    again.load_state(json.loads(json.dumps(spikes.state())))
    assert again == spikes
    assert len(again.losses) == WINDOW


class Docs:
    lengths = [12] * 9

    def __len__(self) -> int:
        return 9

    def document(self, index: int, /) -> object:
        return torch.arange(12).add(index).remainder(30).numpy()


def training(on_spike: str) -> tuple[TrainState, object]:
    model = Transformer(sizes(1, vocab_size=30, context=8, width=32))
    init_weights(model, 0)
    optimizers = make_optimizers(model, LearningRates(0.02, 3e-3), 0.0, bf16=False)
    state = TrainState(model, optimizers, PackedLoader(Docs(), rows=2, length=8, seed=0))  # type: ignore[arg-type]
    plan = TrainPlan(4, 0, 0.0, 1.0, 2, on_spike=on_spike, sigmas=6)  # type: ignore[arg-type]
    return state, train(state, Objective(model, MACHINE, False, False), plan, MACHINE)


def spoil(state: TrainState) -> None:
    """From now on the gradient is no number, though the parameters are."""
    state.model.head_weight.register_hook(lambda gradient: gradient * math.nan)


def test_a_spike_is_left_out_and_counted_or_ends_the_run_before_it_spoils_anything() -> None:
    state, reports = training("skip")
    next(reports)  # type: ignore[call-overload]
    before = [parameter.detach().clone() for parameter in state.model.parameters()]
    spoil(state)
    report = next(reports)  # type: ignore[call-overload]
    assert report.skipped == "gradient norm nan"
    assert (state.step, state.spikes.skipped) == (2, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, state.model.parameters(), strict=True))
    state, reports = training("stop")
    next(reports)  # type: ignore[call-overload]
    spoil(state)
    with pytest.raises(Failure, match="step 2: gradient norm nan; on_spike = 'stop'"):
        next(reports)  # type: ignore[call-overload]
    assert state.step == 1
