"""The pretrain stage: a folder that transformers loads, equal bytes however often it was stopped."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from pretrain_tokens import TEXTS, tokens
from transformers import AutoModelForCausalLM, AutoTokenizer

from tumbler.artifact import Artifact, Work, begin, open_outside
from tumbler.errors import Failure, UserError
from tumbler.executor import Executor
from tumbler.log import Log, read_metrics
from tumbler.model import load_model
from tumbler.pretrain import stage
from tumbler.pretrain.stage import PretrainSettings, run
from tumbler.text.tokenizer import Tokenizer
from tumbler.views import Curve, Samples, read_views

SETTINGS = PretrainSettings(
    depth=1,
    context=32,
    rows=4,
    micro_rows=2,
    steps=12,
    warmup=2,
    save_every=5,
    eval_every=5,
    eval_tokens=300,
    sample_every=6,
    sample_tokens=4,
    prompts=("The sea",),
)


@pytest.fixture(scope="module", name="tokens")
def made_tokens(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return tokens(tmp_path_factory.mktemp("tokens") / "tokens", Tokenizer.train(TEXTS, 380))


def start(folder: Path, settings: PretrainSettings, *inputs: Artifact) -> Work:
    return begin(folder, "base", "pretrain", settings, inputs, Executor(1), Log("base", folder / "metrics.jsonl"))


def results(folder: Path) -> dict[str, bytes]:
    """All files that the digest covers."""
    names = (path for path in folder.iterdir() if path.is_file() and path.name not in ("metrics.jsonl", "plan.json"))
    return {path.name: path.read_bytes() for path in names}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory, tokens: Artifact) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    outcome = run(SETTINGS, start(folder, SETTINGS, tokens))
    assert outcome.kind == "checkpoint"
    return folder


def test_transformers_loads_the_folder_and_gives_its_logits(straight: Path) -> None:
    theirs, ours = AutoModelForCausalLM.from_pretrained(straight), load_model(straight)
    tokenizer = AutoTokenizer.from_pretrained(straight)
    ids = tokenizer("Document 3 tells of the sea", return_tensors="pt").input_ids
    assert ids[0, 0] == theirs.config.bos_token_id == tokenizer.bos_token_id
    assert theirs.generation_config.eos_token_id == tokenizer.eos_token_id
    with torch.no_grad():
        assert (ours(ids) - theirs(ids).logits).abs().max() <= 1e-4


def test_it_learns_and_tells_of_it(straight: Path) -> None:
    views = read_views(straight)
    loss, samples = views["loss"], views["completions"]
    assert isinstance(loss, Curve)
    train, val = (dict(points) for _, points in loss.series)
    assert list(train) == [5, 10, 12]
    assert train[12] < train[5]
    assert list(val) == [5, 10, 12]
    assert isinstance(samples, Samples)
    assert [(prompt, note) for prompt, _, note in samples.items] == [
        ("The sea", "step 12, greedy"),
        ("The sea", "step 6, greedy"),
    ]
    lines = [line for line in read_metrics(straight / "metrics.jsonl") if "mfu" in line]
    assert all(line["tok_per_s"] > 0 and 0 < line["mfu"] < 1 for line in lines)  # type: ignore[operator]


def test_bits_a_byte_are_nats_over_bytes(straight: Path, tokens: Artifact, tmp_path: Path) -> None:
    outcome = run(SETTINGS, start(tmp_path, SETTINGS, tokens))
    facts = outcome.facts
    lengths = pq.read_table(tokens.path / "val" / "00000.parquet", columns=["length", "bytes"]).to_pylist()
    count = next(n for n in range(1, 21) if sum(row["length"] for row in lengths[:n]) >= 300)
    targets = sum(row["length"] - 1 for row in lengths[:count])
    assert facts["val_tokens"] == targets
    text_bytes = sum(row["bytes"] for row in lengths[:count])
    assert facts["val_bpb"] == pytest.approx(facts["val_loss"] * targets / 0.6931471805599453 / text_bytes, rel=1e-4)
    assert facts["tokens"] == 12 * 4 * 32
    assert "MIT" in (tmp_path / "README.md").read_text()
    assert results(tmp_path) == results(straight)  # equal runs are equal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_saves_and_goes_on_to_the_same_bytes(
    tmp_path: Path, tokens: Artifact, straight: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    log = Log.metrics

    def interrupted(self: Log, step: int, **values: float | int | str) -> None:
        log(self, step, **values)
        if step == 6 and "completion" in values:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(Log, "metrics", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(SETTINGS, start(tmp_path, SETTINGS, tokens))
    assert signal.getsignal(number) is before
    # The signal comes while step 6 is looked at: step 7 is the next that can be saved.
    assert [path.name for path in (tmp_path / "resume").iterdir()] == ["step-000007"]
    run(SETTINGS, start(tmp_path, SETTINGS, tokens))
    assert results(tmp_path) == results(straight)
    assert read_views(tmp_path)["completions"] == read_views(straight)["completions"]


@pytest.mark.parametrize("crash", ["_draw", "_finish"])
def test_a_run_killed_anywhere_goes_on_to_the_same_bytes(
    tmp_path: Path, tokens: Artifact, straight: Path, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    def die(*args: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(stage, crash, die)
        with pytest.raises(ZeroDivisionError):
            run(SETTINGS, start(tmp_path, SETTINGS, tokens))
    run(SETTINGS, start(tmp_path, SETTINGS, tokens))
    assert results(tmp_path) == results(straight)
    steps = [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl") if "loss" in line]
    assert steps == [5, 10, 12]


def test_a_loss_that_is_no_number_ends_the_run_before_it_is_saved(
    tmp_path: Path, tokens: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nans(model: torch.nn.Module, seed: int) -> None:
        for parameter in model.parameters():
            torch.nn.init.constant_(parameter, torch.nan)

    monkeypatch.setattr(stage, "init_weights", nans)
    with pytest.raises(Failure, match="loss nan, gradient nan by step 5; begin anew with a lower matrix_rate"):
        run(SETTINGS, start(tmp_path, SETTINGS, tokens))
    assert not (tmp_path / "resume").exists()


def test_mistakes_are_told_before_any_step(tmp_path: Path, tokens: Artifact) -> None:
    long = SETTINGS.model_copy(update={"prompts": ("sea " * 100,)})
    with pytest.raises(UserError):
        run(long, start(tmp_path / "a", long, tokens))
    assert not (tmp_path / "a" / "resume").exists()
    with pytest.raises(UserError, match="needs tokens inputs and at most one checkpoint"):
        run(SETTINGS, start(tmp_path / "b", SETTINGS))
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="needs tokens inputs"):
        run(SETTINGS, start(tmp_path / "c", SETTINGS, open_outside(tmp_path / "none")))
    odd = SETTINGS.model_copy(update={"width": 100, "heads": 3})
    with pytest.raises(UserError, match="not a multiple"):
        run(odd, start(tmp_path / "d", odd, tokens))
    assert json.loads((tmp_path / "d" / "plan.json").read_text())["settings"]["width"] == 100
