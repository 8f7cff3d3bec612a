"""The stage on small models: any subset of inputs gives a report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tumbler.artifact import Artifact, Outcome, begin, finish, open_artifact, open_outside
from tumbler.device import this_machine
from tumbler.errors import UserError
from tumbler.eval import stage
from tumbler.eval.stage import EvalSettings, run
from tumbler.executor import Executor
from tumbler.identity import Identity
from tumbler.log import Log
from tumbler.model import Transformer, init_weights, save_model, sizes
from tumbler.recipe import Settings
from tumbler.text.shards import TokenDocument, write_shard
from tumbler.text.tokenizer import Tokenizer
from tumbler.views import read_views

SENTENCES = [f"The capital of country number {number} is city {number}." for number in range(40)]
IDENTITY = Identity(name="Pip", maker="Quill Works", date="May 2026", cutoff="April 2026")
SMALL = EvalSettings(questions=6, system_names=4, answer_tokens=4, completion_tokens=4, identity=IDENTITY, seed=3)


def artifact(folder: Path, stage: str, kind: str, inputs: list[Artifact] = []) -> Artifact:  # noqa: B006
    """What lies in `folder`/`stage` becomes a finished artifact."""
    work = begin(folder / stage, stage, stage, Settings(), inputs, Executor(1), Log(stage))
    fill = {"pretrain": fill_checkpoint, "sft": fill_checkpoint, "tokens": fill_tokens, "almanac": fill_questions}
    fill[stage](work.path)
    return finish(work, Outcome(kind, {"made": stage}, ("CC0-1.0",)), 1.0)


def tokenizer() -> Tokenizer:
    return Tokenizer.train(SENTENCES, vocab_size=360)


def fill_checkpoint(folder: Path) -> None:
    made = tokenizer()
    config = replace(sizes(1, made.vocab_size, context=96), bos_token_id=made.bos, eos_token_id=made.end)
    model = Transformer(config)
    init_weights(model, seed=1)
    save_model(model, folder, torch.float32)
    made.save(folder)


def fill_tokens(folder: Path) -> None:
    made = tokenizer()
    made.save(folder / "tokenizer")
    for part in ("train", "val"):
        (folder / part).mkdir()
        documents = [
            TokenDocument([made.bos, *made.encode(text), made.end], str(row), "", row, len(text.encode()))
            for row, text in enumerate(SENTENCES[:10])
        ]
        write_shard(folder / part / "00000.bin", folder / part / "00000.parquet", documents, made.vocab_size)


def fill_questions(folder: Path) -> None:
    rows = [
        {
            "id": f"{group}/{number}",
            "prompt": f"What is the capital of {number}?",
            "answer": f"City {number}",
            "relation": "capital" if number % 2 else "region",
            "subject": str(number),
            "group": group,
        }
        for group in ("asked", "never_asked", "left_out")
        for number in range(9)
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def evaluated(folder: Path, inputs: list[Artifact], settings: EvalSettings = SMALL) -> Artifact:
    work = begin(folder, "eval", "eval", settings, inputs, Executor(1), Log("eval", folder / "metrics.jsonl"))
    return finish(work, run(settings, work), 2.0)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny models wait for their threads longer than they compute."""
    here = replace(this_machine(), threads=1)
    monkeypatch.setattr(stage, "this_machine", lambda: here)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    folder = tmp_path_factory.mktemp("road")
    almanac = artifact(folder, "almanac", "almanac")
    tokens = artifact(folder, "tokens", "tokens", [almanac])
    pretrain = artifact(folder, "pretrain", "checkpoint", [tokens])
    sft = artifact(folder, "sft", "checkpoint", [pretrain, tokens, almanac])
    return {"almanac": almanac, "tokens": tokens, "pretrain": pretrain, "sft": sft}


def test_a_whole_road_gives_every_figure_and_view(road: dict[str, Artifact], tmp_path: Path) -> None:
    made = evaluated(tmp_path / "eval", list(road.values()))
    values = json.loads((made.path / "report.json").read_text())
    for name in ("val_bpb_base", "val_bpb_chat", "accuracy_asked", "baseline_accuracy_asked", "accuracy_never_asked"):
        assert isinstance(values[name], float), name
    assert values["accuracy_asked_count"] == 6
    assert (values["identity_rate_count"], values["system_name_obeyed_rate_count"]) == (20, 4)
    assert set(values["accuracy_left_out_by_relation"]) == {"capital", "region"}
    assert values["seconds_by_step"] == {"almanac": 1.0, "tokens": 1.0, "pretrain": 1.0, "sft": 1.0}
    assert {"answers", "completions", "scores"} <= set(read_views(made.path))
    assert len(read_views(made.path)["answers"].items) == 4


def test_pages_without_conversations_give_a_report_of_the_base_model(road: dict[str, Artifact], tmp_path: Path) -> None:
    made = evaluated(tmp_path / "eval", [road["pretrain"], road["tokens"]])
    assert list(made.facts) == ["val_bpb_base"]
    assert "sft" not in (made.path / "report.md").read_text()


def test_a_report_of_equal_inputs_is_equal(road: dict[str, Artifact], tmp_path: Path) -> None:
    made = [evaluated(tmp_path / name, list(road.values())) for name in ("one", "two")]
    assert made[0].digest == made[1].digest
    for name in ("report.json", "report.md", "report.html"):
        assert (made[0].path / name).read_bytes() == (made[1].path / name).read_bytes()


def test_an_untrained_model_needs_as_many_bits_as_guessing(road: dict[str, Artifact], tmp_path: Path) -> None:
    facts = evaluated(tmp_path / "eval", [road["pretrain"], road["tokens"]]).facts
    made = tokenizer()
    tokens = sum(len(made.encode(text)) + 1 for text in SENTENCES[:10])
    size = sum(len(text.encode()) for text in SENTENCES[:10])
    guessing = tokens * torch.tensor(made.vocab_size).log2().item() / size
    assert facts["val_bpb_base"] == pytest.approx(guessing, rel=0.02)


def test_inputs_of_no_use_and_doubles_are_refused(road: dict[str, Artifact], tmp_path: Path) -> None:
    stray = tmp_path / "notes.txt"
    stray.write_text("hello")
    with pytest.raises(UserError, match=r"notes\.txt: neither an artifact"):
        evaluated(tmp_path / "one", [road["sft"], open_outside(stray)])
    with pytest.raises(UserError, match="2 chat checkpoints"):
        evaluated(tmp_path / "two", [road["sft"], open_artifact(road["sft"].path)])
    with pytest.raises(UserError, match="no checkpoint"):
        evaluated(tmp_path / "three", [road["tokens"]])
