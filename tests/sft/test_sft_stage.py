"""The stage on a small model: a chat folder, exact resume, refusals."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tumbler.artifact import Artifact, Outcome, begin, finish, open_outside
from tumbler.device import this_machine
from tumbler.errors import UserError
from tumbler.executor import Executor
from tumbler.identity import Identity
from tumbler.log import Log, read_metrics
from tumbler.model import Transformer, init_weights, load_model, save_model, sizes
from tumbler.recipe import Settings
from tumbler.sft import stage
from tumbler.sft.stage import SftSettings, run
from tumbler.text.shards import TokenDocument, write_shard
from tumbler.text.tokenizer import Tokenizer
from tumbler.train import progress
from tumbler.views import Samples, read_views

SENTENCES = [f"The capital of country number {number} is city {number}." for number in range(40)]
IDENTITY = Identity(name="Pip", maker="Quill Works", date="May 2026", cutoff="April 2026")
SMALL = SftSettings(identity=IDENTITY, steps=6, rows=4, micro_rows=2, save_every=2, warmup=1, bf16=False, seed=3)


def finished(folder: Path, kind: str, inputs: list[Artifact]) -> Artifact:
    """What lies in `folder` becomes an artifact."""
    work = begin(folder.with_suffix(".plan"), folder.name, folder.name, Settings(), inputs, Executor(1), Log("test"))
    folder.rename(work.path / folder.name)
    for item in (work.path / folder.name).iterdir():
        item.rename(work.path / item.name)
    return finish(work, Outcome(kind, {}, ("CC0-1.0",)), 1.0)


def tokens(folder: Path, vocab_size: int = 360) -> Artifact:
    made = Tokenizer.train(SENTENCES, vocab_size)
    made.save(folder / "tokens" / "tokenizer")
    (folder / "tokens" / "train").mkdir()
    documents = [
        TokenDocument([made.bos, *made.encode(text), made.end], str(row), "", row, len(text.encode()))
        for row, text in enumerate(SENTENCES)
    ]
    shard = folder / "tokens" / "train" / "00000"
    write_shard(shard.with_suffix(".bin"), shard.with_suffix(".parquet"), documents, made.vocab_size)
    return finished(folder / "tokens", "tokens", [])


def pretrain(folder: Path, source: Artifact) -> Artifact:
    made = Tokenizer.load(source.path / "tokenizer")
    config = replace(sizes(1, made.vocab_size, context=96), bos_token_id=made.bos, eos_token_id=made.end)
    model = Transformer(config)
    init_weights(model, seed=1)
    (folder / "pretrain").mkdir()
    save_model(model, folder / "pretrain", torch.float32)
    made.save(folder / "pretrain")
    return finished(folder / "pretrain", "checkpoint", [source])


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny models wait for their threads longer than they compute; nobody asks for the peak of the machine."""
    here = replace(this_machine(), threads=1)
    monkeypatch.setattr(stage, "this_machine", lambda: here)
    monkeypatch.setattr(progress, "matmul_peak", lambda *_: 1e11)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Artifact]:
    folder = tmp_path_factory.mktemp("road")
    path = folder / "conversations.jsonl"
    rows = [
        [{"role": "user", "content": f"Capital of {n}?"}, {"role": "assistant", "content": f"City {n}."}]
        for n in range(30)
    ]
    path.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    source = tokens(folder)
    return [pretrain(folder, source), source, open_outside(path)]


def tuned(folder: Path, inputs: list[Artifact], settings: SftSettings = SMALL) -> Artifact:
    log = Log("sft", folder / "metrics.jsonl")
    work = begin(folder, "sft", "sft", settings, inputs, Executor(1), log)
    return finish(work, run(settings, work), 2.0)


def test_the_result_is_a_chat_model_folder(inputs: list[Artifact], tmp_path: Path) -> None:
    made = tuned(tmp_path / "sft", inputs)
    names = {"config.json", "model.safetensors", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert names <= {path.name for path in made.path.iterdir()}
    tokenizer = Tokenizer.load(made.path)
    assert json.loads((made.path / "generation_config.json").read_text())["eos_token_id"] == tokenizer.end
    assert "chat_template" in json.loads((made.path / "tokenizer_config.json").read_text())
    card = (made.path / "README.md").read_text()
    assert "# Pip" in card and "Quill Works" in card and "CC0-1.0" in card
    views = read_views(made.path)
    assert isinstance(views["answers"], Samples) and {item[2] for item in views["answers"].items} == {"before", "after"}
    assert made.facts["conversations"] == 30


def test_training_lowers_the_loss(inputs: list[Artifact], tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"steps": 20, "rate": 1.0})
    losses = [
        float(line["loss"]) for line in read_metrics(tuned(tmp_path / "sft", inputs, settings).path / "metrics.jsonl")
    ]
    assert losses[-1] < 0.8 * losses[0]


def test_a_stopped_run_ends_with_the_bytes_of_an_unbroken_one(
    inputs: list[Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tuned(tmp_path / "whole", inputs)
    with monkeypatch.context() as patch:
        real = stage.save_state

        def save_then_interrupt(*arguments: object) -> None:
            real(*arguments)  # type: ignore[arg-type]
            signal.raise_signal(signal.SIGINT)

        patch.setattr(stage, "save_state", save_then_interrupt)
        with pytest.raises(KeyboardInterrupt):
            tuned(tmp_path / "broken", inputs)
    with (tmp_path / "broken" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "loss": 1.0}\n')  # as a kill between two saves leaves it
    broken = tuned(tmp_path / "broken", inputs)
    assert (whole.path / "model.safetensors").read_bytes() == (broken.path / "model.safetensors").read_bytes()
    assert whole.digest == broken.digest
    steps = [line["step"] for line in read_metrics(broken.path / "metrics.jsonl")]
    assert steps == [2, 3, 4, 5, 6]


def test_without_replay_no_pretraining_text_is_needed(inputs: list[Artifact], tmp_path: Path) -> None:
    made = tuned(tmp_path / "sft", [inputs[0], inputs[2]], SMALL.model_copy(update={"replay": 0.0, "steps": 2}))
    assert made.kind == "checkpoint"


def test_replay_with_another_tokenizer_is_refused(inputs: list[Artifact], tmp_path: Path) -> None:
    other = tokens(tmp_path, vocab_size=350)
    with pytest.raises(UserError, match="different tokenizers"):
        tuned(tmp_path / "sft", [inputs[0], other, inputs[2]])


def test_nothing_to_learn_from_is_an_error(inputs: list[Artifact], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no conversations"):
        tuned(tmp_path / "sft", inputs[:2], SMALL.model_copy(update={"identity": None}))


def test_epochs_decide_the_steps_where_none_are_given(inputs: list[Artifact], tmp_path: Path) -> None:
    once, twice = (
        tuned(tmp_path / str(epochs), inputs, SMALL.model_copy(update={"steps": None, "epochs": epochs})).facts["steps"]
        for epochs in (0.2, 0.4)
    )
    assert 2 * once - 1 <= twice <= 2 * once


def test_the_base_model_is_left_as_it_was(inputs: list[Artifact], tmp_path: Path) -> None:
    before = load_model(inputs[0].path).state_dict()
    tuned(tmp_path / "sft", inputs, SMALL.model_copy(update={"steps": 1}))
    after = load_model(inputs[0].path).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
