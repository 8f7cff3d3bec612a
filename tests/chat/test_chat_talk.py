"""A conversation in memory: asked again, taken back, stopped, saved, loaded."""

from __future__ import annotations

import io
import json
import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tumbler.chat import ChatModel, Done, Text, conversation_writer, respond
from tumbler.chat.conversation_reader import load
from tumbler.chat.events import Event
from tumbler.chat.pace import Pace, told
from tumbler.chat.room import TooLong
from tumbler.chat.stoppable import Answering, StoppableSampler
from tumbler.chat.talk import Talk
from tumbler.chat.terminal import chat, show
from tumbler.engine import Sampler, Sampling
from tumbler.errors import UserError
from tumbler.model import Transformer
from tumbler.text.conversation import Conversation, Message
from tumbler.text.tokenizer import Tokenizer

SHORT = Sampling(4, temperature=0)
Captured = pytest.CaptureFixture[str]
Asked = list[tuple[tuple[str, ...], Sampling]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the model was asked, and how; it answers `answer 1`, `answer 2` and so on."""
    found: Asked = []

    def answer(_: ChatModel, conversation: Conversation, sampling: Sampling, structure: None) -> Iterator[Event]:
        found.append((tuple(message.content for message in conversation.messages), sampling))
        yield from (Text("answer "), Text(str(len(found))), Done("stop", 1, 1))

    monkeypatch.setattr("tumbler.chat.talk.respond", answer)
    return found


@pytest.fixture
def talk(sampler: Sampler, tokenizer: Tokenizer) -> Talk:
    return Talk(ChatModel.of(sampler, tokenizer), "be kind")


def said(talk: Talk) -> list[str]:
    return [message.content for message in talk.conversation.messages]


def test_a_retry_asks_with_the_same_messages_and_another_draw(talk: Talk, asked: Asked) -> None:
    seeded = Sampling(4, seed=7)
    list(talk.ask("one", seeded))
    list(talk.ask("two", seeded))
    list(talk.retry(seeded))
    list(talk.retry(seeded))
    messages = ("be kind", "one", "answer 1", "two")
    assert [given for given, _ in asked[1:]] == [messages] * 3
    assert [sampling.seed for _, sampling in asked] == [7, 7, 8, 9]
    assert said(talk) == [*messages, "answer 4"]
    list(talk.ask("three", seeded))
    assert asked[-1][1].seed == 7


def test_the_old_answer_stays_until_the_new_one_begins(talk: Talk, asked: Asked) -> None:
    list(talk.ask("one", SHORT))
    again = talk.retry(SHORT)
    assert said(talk)[-1] == "answer 1"
    next(again)
    assert said(talk)[-1] == "answer "


def test_undo_takes_back_one_question_and_its_answer(talk: Talk, asked: Asked) -> None:
    list(talk.ask("one", SHORT))
    list(talk.ask("two", SHORT))
    assert talk.undo() == Message("user", "two")
    assert said(talk) == ["be kind", "one", "answer 1"]
    talk.undo()
    with pytest.raises(UserError, match="nothing was asked yet"):
        talk.undo()
    with pytest.raises(UserError, match="nothing was asked yet"):
        list(talk.retry(SHORT))


def test_a_system_message_may_come_late_and_stays_when_all_is_forgotten(talk: Talk, asked: Asked) -> None:
    list(talk.ask("one", SHORT))
    talk.system = "be brief"
    list(talk.ask("two", SHORT))
    assert asked[-1][0] == ("be brief", "one", "answer 1", "two")
    talk.reset()
    assert said(talk) == ["be brief"]


def test_a_conversation_that_is_too_long_loses_nothing(talk: Talk) -> None:
    list(talk.ask("hello", SHORT))
    before = talk.conversation
    with pytest.raises(TooLong, match=r"the conversation would have \d+ tokens, but the model's context holds 96"):
        list(talk.ask("long " * 90, SHORT))
    assert talk.conversation == before


def test_an_answer_is_stopped_by_control_c_and_what_was_written_stays(model: Transformer, tokenizer: Tokenizer) -> None:
    sampler = StoppableSampler(model, slots=1)
    talk, out = Talk(ChatModel.of(sampler, tokenizer)), io.StringIO()
    sampling = Sampling(60, temperature=0, logit_bias=dict.fromkeys(tokenizer.special.values(), -math.inf))

    def pressed(events: Iterator[Event]) -> Iterator[Event]:
        for number, event in enumerate(events):
            if number == 5:
                os.kill(os.getpid(), signal.SIGINT)
            yield event

    before = signal.getsignal(signal.SIGINT)
    _, done = show(pressed(talk.ask("the cat sat on the mat", sampling)), sampler, out)
    assert done is None
    assert out.getvalue().endswith(" [stopped]\n")
    kept = talk.turns[-1]
    assert kept.role == "assistant" and 0 < len(tokenizer.encode(kept.content)) < 30
    assert not sampler.step()
    whole = Conversation((*talk.turns, Message("user", "and?")), "test")
    again = list(respond(ChatModel.of(sampler, tokenizer), whole, sampling))
    assert again == list(respond(ChatModel.of(Sampler(model), tokenizer), whole, sampling))
    assert signal.getsignal(signal.SIGINT) is before


def test_control_c_in_the_midst_of_a_step_waits_for_its_end(
    model: Transformer, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler, conversation = (
        StoppableSampler(model, slots=1),
        Conversation((Message("user", "the cat sat on a mat"),), ""),
    )
    read = sampler._runner.step

    def pressed(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return read(*arguments)

    monkeypatch.setattr(sampler._runner, "step", pressed)
    answering = Answering(sampler)
    assert len(list(answering.pieces(respond(ChatModel.of(sampler, tokenizer), conversation, SHORT)))) <= 1
    assert answering.stopped
    monkeypatch.undo()
    again = list(respond(ChatModel.of(sampler, tokenizer), conversation, SHORT))
    assert again == list(respond(ChatModel.of(Sampler(model), tokenizer), conversation, SHORT))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(texts, min_size=2, max_size=5), st.booleans())
def test_a_saved_conversation_is_loaded_as_it_was(tmp_path: Path, contents: list[str], system: bool) -> None:
    roles = ["system"] * system + ["user", "assistant"] * 3
    messages = tuple(Message(role, content) for role, content in zip(roles, contents, strict=False))  # type: ignore[arg-type]
    file = tmp_path / "chat.jsonl"
    conversation_writer.save(file, Conversation(messages, "chat"), over=True)
    assert load(str(file)).messages == messages
    assert len(file.read_bytes().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [file]


def test_a_saved_file_holds_no_control_characters() -> None:
    message = Message("assistant", "\x1b]52;c;\x07 \x9b2J \u202e é")
    line = conversation_writer.to_line(Conversation((message,), "chat"))
    assert line.removesuffix("\n").isprintable()
    assert "é" in line
    assert json.loads(line)["messages"][0]["content"] == message.content


def test_a_file_is_written_over_only_when_asked(checkpoint: Path, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "chat.jsonl"
    file.write_text("precious", encoding="utf-8")
    chat(checkpoint, SHORT, lines=["/save x.jsonl", "hello", f"/save {file}", "/save"], out=io.StringIO())
    told = capsys.readouterr().err
    assert f"write over it with /save! {file}" in told
    assert "nothing to save: nothing was said yet" in told
    assert "/save: say which file" in told
    assert file.read_text(encoding="utf-8") == "precious"
    chat(checkpoint, SHORT, lines=["hello", f"/save! {file}"], out=io.StringIO())
    assert f"written over: {file}, 2 messages" in capsys.readouterr().err
    assert load(str(file)).messages[0] == Message("user", "hello")


def test_a_conversation_goes_on_where_it_was_saved(checkpoint: Path, tmp_path: Path) -> None:
    file, whole, second = tmp_path / "chat.jsonl", io.StringIO(), io.StringIO()
    chat(checkpoint, SHORT, system="be kind", lines=["hello", f"/save {file}", "and?"], out=whole)
    chat(checkpoint, SHORT, lines=[f"/load {file}", "and?"], out=second)
    assert whole.getvalue().endswith(second.getvalue())
    first, again = io.StringIO(), io.StringIO()
    chat(checkpoint, SHORT, system="be kind", lines=["hello"], out=first)
    chat(checkpoint, SHORT, lines=[f"/load {file}", "/retry"], out=again)
    assert first.getvalue() == again.getvalue() != ""


def test_one_of_several_conversations_is_named_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "two chats.jsonl"
    rows = [{"messages": [{"role": "user", "content": text}]} for text in ("one", "two")]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert load(f"{file} 2").messages == (Message("user", "two"),)
    for words, line in ((f"{file}", "has 2 conversations; say which"), (f"{file} 3", "no number 3")):
        with pytest.raises(UserError, match=line):
            load(words)
    with pytest.raises(UserError, match=r"nothing\.jsonl: not read: No such file"):
        load(f"{tmp_path}/nothing.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(UserError, match="has no conversation"):
        load(f"{tmp_path}/empty.jsonl")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/sytem x", "no command '/sytem'; did you mean '/system'?; /help lists them"),
        ("/xyzzy", "no command '/xyzzy'; /help lists them"),
        ("/retry", "nothing was asked yet"),
        ("/system", "no system message"),
        ("/system be brief", "system message: be brief"),
        ("/set temperature 2", "temperature 2\n"),
        ("/show", "tiny-chat, qwen3, "),
        ("/help", "/system TEXT"),
        ("/load a\x1b[2Jb", "a[2Jb: not read"),
    ],
)
def test_a_command_answers_beside_the_answers(checkpoint: Path, capsys: Captured, line: str, told: str) -> None:
    out = io.StringIO()
    chat(checkpoint, SHORT, lines=[line], out=out)
    captured = capsys.readouterr()
    assert told in captured.err
    assert "\x1b" not in captured.err
    assert out.getvalue() == captured.out == ""


def test_a_retry_without_a_draw_says_so(checkpoint: Path, capsys: Captured) -> None:
    out = io.StringIO()
    chat(checkpoint, SHORT, lines=["hello", "/retry"], out=out)
    assert "temperature 0 draws nothing" in capsys.readouterr().err
    first, again = out.getvalue().split("\n")[:2]
    assert first == again


def test_tokens_a_second_are_those_after_the_first_piece(checkpoint: Path, capsys: Captured) -> None:
    assert Pace(10.0, 12.0, 14.0).rate(41) == 20
    assert Pace(10.0, 12.0, 14.0).rate(1) is None
    assert Pace(10.0, 12.0, 12.0).rate(5) is None
    assert told(Pace(1.0, 1.25, 2.25), Done("stop", 1043, 19), 4096) == (
        "prompt 1,043 tokens (0.25 s), answer 19 tokens (18.0 tokens/s), context 1,062 of 4,096"
    )
    chat(checkpoint, SHORT, lines=["hello"], out=io.StringIO(), verbose=True)
    assert "answer 4 tokens" in capsys.readouterr().err
    chat(checkpoint, SHORT, lines=["hello"], out=io.StringIO())
    assert capsys.readouterr().err == ""


def test_events_of_another_kind_are_passed_over(model: Transformer) -> None:
    class Thought:
        text = "hm"

    events = [Text("a"), Thought(), Text("b"), Done("stop", 1, 3)]
    out = io.StringIO()
    show(iter(events), StoppableSampler(model), out)  # type: ignore[arg-type]
    assert out.getvalue() == "ab\n"
