"""What is looked at and kept while a model trains; masked models and mixtures through the same stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from pretrain_tokens import TEXTS, tokens

from tumbler.artifact import Artifact, Outcome, Work, begin, finish
from tumbler.errors import UserError
from tumbler.executor import Executor
from tumbler.log import Log, read_metrics
from tumbler.model import load_model
from tumbler.pretrain import stage
from tumbler.pretrain.settings import PretrainSettings
from tumbler.text.tokenizer import Tokenizer
from tumbler.views import Curve, read_views

SETTINGS = PretrainSettings(
    depth=1,
    context=32,
    rows=4,
    steps=8,
    warmup=2,
    save_every=4,
    eval_every=2,
    eval_tokens=200,
    sample_every=8,
    sample_tokens=4,
    prompts=("The sea",),
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, 380)


def run(folder: Path, inputs: list[Artifact], **changes: object) -> Outcome:
    settings = SETTINGS.model_copy(update=changes)
    log = Log("base", folder / "metrics.jsonl")
    work: Work = begin(folder, "base", "pretrain", settings, inputs, Executor(1), log)
    return stage.run(settings, work)


def test_the_watched_token_becomes_likelier_and_has_a_view(tmp_path: Path, tokenizer: Tokenizer) -> None:
    source = tokens(tmp_path / "tokens", tokenizer)
    run(tmp_path / "base", [source], steps=30, watch=("Document 3 tells of", " the"), bf16=False)
    lines = [line for line in read_metrics(tmp_path / "base" / "metrics.jsonl") if "watched" in line]
    seen = [float(line["watched"]) for line in lines]
    assert seen[-1] > 2 * seen[0]
    ids, target = [tokenizer.bos, *tokenizer.encode("Document 3 tells of")], tokenizer.encode(" the")[0]
    shares = load_model(tmp_path / "base")(torch.tensor([ids]))[0, -1].softmax(-1).detach()
    assert seen[-1] == pytest.approx(float(shares[target]), rel=1e-3)
    assert lines[-1]["watched_rank"] == 1 + int((shares > shares[target]).sum())
    view = read_views(tmp_path / "base")["watched"]
    assert isinstance(view, Curve)
    assert [value for _, value in view.series[0][1]] == seen
    with pytest.raises(UserError, match="its two parts share a token"):
        run(tmp_path / "cut", [source], watch=("Document 3 tells of th", "e sea"))


def test_the_best_weights_are_kept_and_every_nth_stays(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tokens(tmp_path / "tokens", tokenizer)
    # A rate so high that the last look is worse than an earlier one.
    outcome = run(tmp_path / "base", [source], keep="best", keep_every=2, matrix_rate=2.0, other_rate=3.0, warmup=6)
    losses = {
        int(line["step"]): float(line["val_loss"])
        for line in read_metrics(tmp_path / "base" / "metrics.jsonl")
        if "val_loss" in line
    }
    best = outcome.facts["best_step"]
    assert isinstance(best, int) and best < 8
    assert losses[best] == min(losses.values())
    assert outcome.facts["val_loss"] == pytest.approx(losses[best], abs=1e-4)
    kept = {path.name for path in (tmp_path / "base" / "checkpoints").iterdir()}
    assert kept == {"step-000002", "step-000004", "step-000006", "step-000008"}
    mine, theirs = load_model(tmp_path / "base"), load_model(tmp_path / "base" / "checkpoints" / f"step-{best:06d}")
    assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True))
    assert not (tmp_path / "base" / "best").exists()
    lines = read_metrics(tmp_path / "base" / "metrics.jsonl")
    again = run(tmp_path / "base", [source], keep="best", keep_every=2, matrix_rate=2.0, other_rate=3.0, warmup=6)
    assert again == outcome  # as after a kill before the manifest
    assert read_metrics(tmp_path / "base" / "metrics.jsonl") == lines


def test_a_masked_model_trains_through_the_same_stage_and_fills_its_prompt(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    source = tokens(tmp_path / "tokens", tokenizer)
    masked = {"family": "modernbert", "mask_share": 0.1, "eval_mask_share": 0.5, "eval_tokens": 2000}
    outcome = run(tmp_path / "base", [source], **masked, prompts=("the <|mask|> and",))
    assert "val_bpb" not in outcome.facts
    hidden = outcome.facts["val_tokens"] / sum(map(len, tokenizer.encode_batch(TEXTS[60:])))
    assert hidden == pytest.approx(0.5, abs=0.1)
    losses = [line["val_loss"] for line in read_metrics(tmp_path / "base" / "metrics.jsonl") if "val_loss" in line]
    assert outcome.facts["val_loss"] == pytest.approx(losses[-1], abs=1e-5)  # each look hides the same tokens
    (state,) = (tmp_path / "base" / "resume").iterdir()
    assert json.loads((state / "state.json").read_text())["loader"]["batches"] == 8
    assert json.loads((tmp_path / "base" / "config.json").read_text())["model_type"] == "modernbert"
    samples = [line for line in read_metrics(tmp_path / "base" / "metrics.jsonl") if "completion" in line]
    assert str(samples[0]["completion"]).count(" | ") == 2  # three tokens for one mask


def test_sources_are_mixed_by_weight_each_with_its_own_validation(tmp_path: Path, tokenizer: Tokenizer) -> None:
    sea = tokens(tmp_path / "sea", tokenizer)
    numbers = tokens(tmp_path / "numbers", tokenizer, [" ".join(map(str, range(n, n + 40))) for n in range(60)])
    run(tmp_path / "base", [sea, numbers], weights={"sea": 3.0, "numbers": 1.0})
    lines = read_metrics(tmp_path / "base" / "metrics.jsonl")
    last = {key: value for line in lines for key, value in line.items()}
    assert last["val_loss/sea"] < last["val_loss"] < last["val_loss/numbers"]  # type: ignore[operator]
    (state,) = (tmp_path / "base" / "resume").iterdir()
    assert json.loads((state / "state.json").read_text())["loader"]["given"] == [24, 8]
    for number, weights in enumerate(({"see": 1.0}, {"sea": 1.0}, {"sea": 1.0, "numbers": 0.0})):
        with pytest.raises(UserError, match="give each of sea, numbers a weight above 0"):
            run(tmp_path / f"odd{number}", [sea, numbers], weights=weights)


def test_a_checkpoint_is_gone_on_from_with_the_same_tokenizer_only(tmp_path: Path, tokenizer: Tokenizer) -> None:
    source = tokens(tmp_path / "tokens", tokenizer)
    work = begin(
        tmp_path / "base", "base", "pretrain", SETTINGS, [source], Executor(1), Log("b", tmp_path / "base" / "m")
    )
    base = finish(work, run(tmp_path / "base", [source]), 0.0)
    first = run(tmp_path / "more", [source, base], steps=2, matrix_rate=1e-9, other_rate=1e-9)
    assert first.facts["val_loss"] == pytest.approx(base.facts["val_loss"], abs=1e-3)
    other = tokens(tmp_path / "others", Tokenizer.train(TEXTS[:30], 370))
    with pytest.raises(UserError, match="hold different tokenizers"):
        run(tmp_path / "odd", [other, base])
    with pytest.raises(UserError, match="reads at most 32 tokens"):
        run(tmp_path / "long", [source, base], context=64)
