"""The whole road, once: recipes/smoke.toml from WARC to chat, and what others can do with what it leaves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import openai
import pytest
import torch
from support import app_of, serving_app
from transformers import AutoModelForCausalLM, AutoTokenizer

from tumbler.artifact import lineage, open_artifact
from tumbler.chat import load_chat
from tumbler.engine import Request, Sampling
from tumbler.model import read_generation
from tumbler.tasks.question import read_questions
from tumbler.text.conversation import Conversation, Message, read_conversations
from tumbler.text.render import render
from tumbler.text.shards import Shards
from tumbler.text.special import SPECIAL

STAGES = ("almanac", "crawl", "corpus", "tokens", "pretrain", "sft", "eval")


def tumbler(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tumbler", *arguments], capture_output=True, text=True, timeout=300)


def test_the_road_leaves_one_finished_folder_a_step(smoke: Path) -> None:
    for stage in STAGES:
        assert open_artifact(smoke / stage).manifest["stage"] == stage
    assert not list(smoke.rglob("*.tmp"))


def test_the_closing_screen_shows_funnel_loss_answers_and_the_way_on(smoke: Path) -> None:
    screen = (smoke.parent / "screen.txt").read_text(encoding="utf-8")
    for part in ("pages kept", "gopher_quality", "train (ends at", "tumbler chat", "tumbler serve", "report.html"):
        assert part in screen


def test_the_chat_model_explains_itself_back_to_the_pages(smoke: Path) -> None:
    names = [item.path.name for item in lineage(open_artifact(smoke / "sft"))]
    assert names[0] == "sft"
    assert {"pretrain", "tokens", "corpus", "crawl", "almanac"} <= set(names)
    told = tumbler("explain", str(smoke / "sft")).stdout
    assert "public domain" in " ".join(told.split())
    assert "seconds" in told


def test_every_kept_document_is_a_page_that_was_read_and_every_other_has_its_reason(smoke: Path) -> None:
    for stage in ("crawl", "corpus"):
        facts = open_artifact(smoke / stage).facts
        assert facts["kept"] + sum(facts["dropped"].values()) == facts["read"]


def test_the_corpus_keeps_the_good_pages_and_drops_the_planted_noise(smoke: Path) -> None:
    kinds = [json.loads(line) for line in (smoke / "almanac" / "planted.jsonl").read_text().splitlines()]
    good = {row["url"] for row in kinds if row["kind"] == "good"}
    noise = {row["url"] for row in kinds} - good
    kept: set[str] = set()
    for part in ("train", "val"):
        kept |= set(Shards.open(smoke / "tokens" / part).column("url").to_pylist())
    assert len(kept & good) >= 0.95 * len(good)
    assert len(kept & noise) <= 0.05 * len(noise)


def test_the_report_holds_every_figure_by_name(smoke: Path) -> None:
    report = json.loads((smoke / "eval" / "report.json").read_text(encoding="utf-8"))
    text = json.dumps(report)
    for name in ("accuracy_asked", "accuracy_never_asked", "identity_rate", "system_name_obeyed_rate", "val_bpb_base"):
        assert name in text


def test_a_second_run_finds_all_done(smoke: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in smoke.rglob("manifest.json")}
    done = tumbler("run", "smoke", "--out", str(smoke))
    assert done.returncode == 0
    assert done.stderr.count("there already") == len(STAGES)
    assert {path: path.stat().st_mtime_ns for path in smoke.rglob("manifest.json")} == before


def test_another_setting_is_refused_by_name(smoke: Path) -> None:
    done = tumbler("run", "smoke", "--out", str(smoke), "--set", "sft.rows=16")
    assert done.returncode == 2
    assert "rows 8 -> 16" in done.stderr


def test_a_fork_trains_on_from_an_artifact_of_another_run(smoke: Path, tmp_path: Path) -> None:
    command = ("run", "smoke", "--from", str(smoke / "pretrain"), "--out", str(tmp_path), "--to", "sft")
    done = tumbler(*command, "--set", "sft.steps=2")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sft"]


def test_a_stage_runs_alone_on_any_artifact(smoke: Path, tmp_path: Path) -> None:
    done = tumbler("tokens", str(smoke / "corpus"), "--out", str(tmp_path / "mine"), "--set", "vocab_size=600")
    assert done.returncode == 0, done.stderr
    assert open_artifact(tmp_path / "mine").facts["vocab_size"] == 600
    refused = tumbler("sft", str(smoke / "corpus"), "--out", str(tmp_path / "sft"))
    assert refused.returncode == 2
    assert "needs exactly one input of kind 'checkpoint', has 0" in refused.stderr


def test_generate_and_chat_answer_on_standard_output_and_repeat(smoke: Path) -> None:
    for command in (("generate", str(smoke / "pretrain"), "The capital"), ("chat", str(smoke / "sft"), "-m", "Hello")):
        one, other = (tumbler(*command, "--max-tokens", "8", "--seed", "1") for _ in range(2))
        assert one.returncode == 0, one.stderr
        assert one.stdout.strip()
        assert one.stdout == other.stdout


def test_transformers_renders_200_conversations_to_the_same_ids(smoke: Path) -> None:
    tokenizer = load_chat(smoke / "sft", slots=1).tokenizer
    theirs = AutoTokenizer.from_pretrained(smoke / "sft")
    conversations = list(read_conversations(smoke / "almanac" / "conversations.jsonl"))[:200]
    assert len(conversations) == 200
    for conversation in conversations:
        messages = [{"role": message.role, "content": message.content} for message in conversation.messages]
        ids = theirs.apply_chat_template(messages, tokenize=True, return_dict=False)
        assert list(ids) == list(render(tokenizer, conversation).ids)


def test_transformers_gives_the_same_greedy_answers_token_for_token(smoke: Path) -> None:
    model = load_chat(smoke / "sft", slots=4)
    sampler, tokenizer = model.sampler, model.tokenizer
    theirs = AutoModelForCausalLM.from_pretrained(smoke / "sft", dtype=torch.float32)
    for question in islice(read_questions(smoke / "almanac" / "questions.jsonl"), 20):
        conversation = Conversation((Message("user", question.prompt),), "")
        prompt = list(render(tokenizer, conversation, generation_prompt=True).ids)
        ours = sampler.sample([Request(prompt, Sampling(24, temperature=0, stop_ids=(tokenizer.end,)))])[0]
        out = theirs.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)
        assert out[0, len(prompt) :].tolist() == list(ours.ids)


def test_pages_that_spell_special_tokens_out_teach_none_of_them(smoke: Path, tmp_path: Path) -> None:
    """From a folder of HTML to the token shards: only bos, once at the start, and end, once at the end."""
    hostile = "The people of the town have to live with the sign that says " + " and ".join(SPECIAL) + ". "
    story = (
        "It is a story of the old town and of the people that live in it. They have a market and a river to fish in. "
    )
    for number in range(40):
        body = f"<p>{hostile}</p><p>{story} House {number} stands by the bridge, and its owner number {number * 7} "
        body += f"sells {number + 3} kinds of bread to the {number * 11} guests that come with the morning train.</p>"
        (tmp_path / f"{number}.html").write_text(f"<html><body><main><article>{body}</article></main></body></html>")
    settings = ["--set", "tokens.val_fraction=0.1", "--set", f'tokens.tokenizer="{smoke / "tokens" / "tokenizer"}"']
    rules = ("minhash", "gopher_quality", "gopher_repetition", "language", "c4", "fineweb_quality")
    off = [part for rule in rules for part in ("--set", f"corpus.{rule}.enabled=false")]
    source = f'crawl.sources=["{tmp_path}"]'
    out = tmp_path / "run"
    done = tumbler("run", "pages", "--out", str(out), "--to", "tokens", "--set", source, *settings, *off)
    assert done.returncode == 0, done.stderr
    documents = 0
    for part in ("train", "val"):
        shards = Shards.open(out / "tokens" / part)
        first_special = 1024 - len(SPECIAL)
        for number in range(len(shards)):
            ids = shards.document(number)
            documents += 1
            assert (ids[1:-1] < first_special).all()
            assert (ids[0], ids[-1]) == (first_special, first_special + 1)
    assert documents == 40


def test_the_chat_checkpoint_recommends_a_temperature_to_servers(smoke: Path) -> None:
    assert read_generation(smoke / "sft").temperature == 0.3
    assert read_generation(smoke / "pretrain").temperature == 1.0


@pytest.fixture
def client(smoke: Path) -> Iterator[openai.OpenAI]:
    model = load_chat(smoke / "sft", slots=4)
    sampler, tokenizer = model.sampler, model.tokenizer
    with serving_app(app_of(sampler, tokenizer, "sft")) as url:
        yield openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def test_the_openai_client_streams_the_answer_that_the_whole_one_is(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    stream = client.chat.completions.create(model="sft", messages=messages, stream=True, temperature=0, max_tokens=16)  # type: ignore[call-overload]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    whole = client.chat.completions.create(model="sft", messages=messages, temperature=0, max_tokens=16)  # type: ignore[arg-type]
    assert whole.choices[0].message.content == text
    assert text


def test_a_malformed_request_is_a_400_in_openais_form(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="sft", messages=[{"role": "user", "content": "x"}], temperature=-1)
    assert caught.value.status_code == 400
    assert set(caught.value.body) == {"message", "type", "param", "code"}  # type: ignore[call-overload]


def test_a_damaged_checkpoint_is_refused_in_one_line(smoke: Path, tmp_path: Path) -> None:
    shutil.copytree(smoke / "sft", tmp_path / "sft")
    weights = (tmp_path / "sft" / "model.safetensors").read_bytes()
    (tmp_path / "sft" / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    done = tumbler("chat", str(tmp_path / "sft"), "-m", "hello")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
