"""The forecast builds a few layers and multiplies: what must be exact is, whatever the machine's clock says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tumbler.device import this_machine
from tumbler.forecast import PEAKS, seconds_on
from tumbler.model import Transformer, matmul_flops_per_token, parameters, sizes
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


def test_memory_is_that_of_the_optimizers_tensors_and_of_a_micro_batch() -> None:
    config = sizes(6, vocab_size=50, context=16, width=64)

    def memory(**changes: object) -> int:
        return forecast(config, DIALS.model_copy(update=changes), 8, 10, 16, looked_at=0, machine=MACHINE).memory

    muon, adamw = memory(), memory(optimizer="adamw")
    matrices = sum(p.numel() for p in Transformer(config).model.layers.parameters() if p.ndim == 2)
    assert adamw - muon == pytest.approx(4 * matrices, rel=0.01)  # a second moment of each number
    four, eight = memory(micro_rows=4), memory(micro_rows=8)
    assert muon < four < eight
    assert eight - four == pytest.approx(2 * (four - muon), rel=0.05)


@pytest.fixture
def known_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine takes the same time twice."""
    found = [Trial(9.0, 1.0, 0.2, 100, 40), Trial(9.0, 1.5, 0.3, 150, 60)]
    monkeypatch.setattr(forecasting, "_tried", lambda trials: found)


@pytest.mark.usefixtures("known_trials")
def test_what_a_further_round_adds_is_multiplied_to_the_whole_run() -> None:
    config = sizes(6, vocab_size=50, context=16, width=64)
    weights = 8 * parameters(config)  # and gradients
    found = forecast(config, DIALS, rows=8, steps=10, context=16, looked_at=0, machine=MACHINE)
    assert found.seconds == pytest.approx(9 + 10 * (4 * 3.5 + 0.7))  # five blocks more than one
    assert found.memory == weights + 140 + 350
    looking = forecast(config, DIALS, rows=8, steps=10, context=16, looked_at=96, machine=MACHINE)
    assert looking.seconds == pytest.approx(found.seconds + 3 * 3.5 / 3)  # only forward
    masked = sizes(6, vocab_size=50, context=16, width=64, family="modernbert")
    by_threes = forecast(masked, DIALS, rows=8, steps=10, context=16, looked_at=0, machine=MACHINE)
    assert by_threes.seconds == pytest.approx(9 + 10 * (4 * 1.5 + 0.3))  # a round is three blocks


@pytest.mark.usefixtures("known_trials")
def test_a_large_micro_batch_is_tried_with_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "TRIED_TOKENS", 64)
    config, dials = sizes(1, vocab_size=50, context=16, width=64), DIALS.model_copy(update={"micro_rows": 12})
    found = forecast(config, dials, rows=24, steps=10, context=16, looked_at=0, machine=MACHINE)
    assert found.seconds == pytest.approx(9 + 10 * (6 * 1.0 + 0.2))
    assert found.memory == 8 * parameters(config) + 40 + 3 * 100


@pytest.mark.parametrize("family", ["gpt2", "llama", "modernbert"])
def test_every_family_can_be_forecast(family: str) -> None:
    config = sizes(3, vocab_size=50, context=16, width=64, family=family)  # type: ignore[arg-type]
    assert forecast(config, DIALS, 4, 5, 16, 32, MACHINE).seconds > 0


def test_a_further_round_adds_what_the_second_took_beyond_the_first() -> None:
    once, twice = Trial(9.0, 1.0, 0.2, 100, 40), Trial(9.0, 1.5, 0.3, 150, 60)
    assert once.further(twice, 4) == Trial(9.0, 3.0, pytest.approx(0.6), 300, 120)  # type: ignore[arg-type]
    assert twice.further(once, 4) == twice  # what a second round seems to save is noise


def test_gpus_share_the_work() -> None:
    assert seconds_on(PEAKS["h100"] * 0.4 * 3600, "h100", 1, 0.4) == pytest.approx(3600)
    assert seconds_on(PEAKS["h100"] * 0.4 * 3600, "h100", 8, 0.4) == pytest.approx(450)
