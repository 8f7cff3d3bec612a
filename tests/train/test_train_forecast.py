"""The forecast builds a few layers and multiplies: what must be exact is, and time grows with the work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tumbler.device import this_machine
from tumbler.forecast import PEAKS, seconds_on
from tumbler.model import matmul_flops_per_token, parameters, sizes
from tumbler.train import forecast as forecasting
from tumbler.train.dials import TrainDials
from tumbler.train.forecast import Trial, forecast

MACHINE = replace(this_machine(), threads=1)
DIALS = TrainDials(micro_rows=2, bf16=False)


@pytest.fixture(autouse=True)
def short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "TRIED_SECONDS", 0.2)


def test_counts_are_those_of_the_whole_model() -> None:
    config = sizes(6, vocab_size=50, context=16, width=64)
    found = forecast(config, DIALS, rows=8, steps=10, context=16, looked_at=0, machine=MACHINE)
    many = parameters(config)
    assert (found.parameters, found.steps, found.tokens) == (many, 10, 8 * 10 * 16)
    assert found.flops == found.tokens * matmul_flops_per_token(config, 16)
    assert found.memory > 8 * many + 4 * (many - 50 * 64)  # weights and gradients; momentum of the matrices


def test_deeper_models_and_longer_runs_take_more() -> None:
    def seconds(depth: int, steps: int) -> float:
        config = sizes(depth, vocab_size=50, context=64, width=128)
        return forecast(config, DIALS, rows=8, steps=steps, context=64, looked_at=0, machine=MACHINE).seconds

    assert seconds(16, 1000) > 2 * seconds(2, 1000)
    assert seconds(2, 1000) > 5 * seconds(2, 100)


@pytest.mark.parametrize("family", ["gpt2", "llama", "modernbert"])
def test_every_family_can_be_forecast(family: str) -> None:
    config = sizes(3, vocab_size=50, context=16, width=64, family=family)  # type: ignore[arg-type]
    assert forecast(config, DIALS, 4, 5, 16, 32, MACHINE).seconds > 0


def test_a_further_round_adds_what_the_second_took_beyond_the_first() -> None:
    once, twice = Trial(9.0, 1.0, 0.2, 100, 40), Trial(9.0, 1.5, 0.3, 150, 60)
    assert once.further(twice, 4) == Trial(9.0, 3.0, pytest.approx(0.6), 300, 120)  # type: ignore[arg-type]


def test_gpus_share_the_work() -> None:
    assert seconds_on(PEAKS["h100"] * 0.4 * 3600, "h100", 1, 0.4) == pytest.approx(3600)
    assert seconds_on(PEAKS["h100"] * 0.4 * 3600, "h100", 8, 0.4) == pytest.approx(450)
