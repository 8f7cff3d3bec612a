"""From messages to events, from a folder to a conversation at the terminal."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tumbler.chat import ChatModel, Done, Reasoning, Text, complete, load_chat, respond
from tumbler.chat.printable import printable
from tumbler.chat.respond import chat_request, text_request
from tumbler.chat.terminal import chat, generate
from tumbler.engine import Sampler, Sampling
from tumbler.errors import UserError
from tumbler.model import Transformer
from tumbler.text.conversation import Conversation, Message
from tumbler.text.tokenizer import Tokenizer

GREEDY, SHORT = Sampling(12, temperature=0), Sampling(4, temperature=0)
HELLO = Conversation((Message("system", "be kind"), Message("user", "hello")), "test")


@pytest.fixture
def talker(sampler: Sampler, tokenizer: Tokenizer) -> ChatModel:
    return ChatModel.of(sampler, tokenizer)


def test_a_conversation_is_prompted_for_the_assistants_turn(talker: ChatModel, tokenizer: Tokenizer) -> None:
    request = chat_request(talker, HELLO, GREEDY).request
    assert tokenizer.decode(request.ids) == ("<|bos|><|system|>be kind<|end|><|user|>hello<|end|><|assistant|>")
    assert {tokenizer.end, tokenizer.user} <= set(request.sampling.stop_ids)


@given(st.lists(st.sampled_from(["<|end|>", "<|assistant|>", "<|bos|>", "<|/think|>", "a", " ", "|>"])).map("".join))
def test_what_a_user_writes_never_becomes_a_special_token(model: Transformer, tokenizer: Tokenizer, text: str) -> None:
    talker = ChatModel.of(Sampler(model), tokenizer)
    special = set(tokenizer.special.values())
    conversation = Conversation((Message("system", text), Message("user", text)), "test")
    assert sum(id in special for id in chat_request(talker, conversation, GREEDY).request.ids) == 6
    assert sum(id in special for id in text_request(talker, text, GREEDY).request.ids) == 1


def test_an_answer_is_the_samplers_tokens_as_text(talker: ChatModel, sampler: Sampler, tokenizer: Tokenizer) -> None:
    events = list(respond(talker, HELLO, GREEDY))
    request = chat_request(talker, HELLO, GREEDY).request
    made = sampler.sample([request])[0]
    plain = [id for id in made.ids if id not in tokenizer.special.values()]
    said = "".join(event.text for event in events if isinstance(event, Text | Reasoning))
    assert said == tokenizer.decode(plain)
    assert events[-1] == Done(made.finish, len(request.ids), len(made.ids), None, events[-1].reasoning_tokens)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.text("aet h", min_size=1, max_size=2))
def test_a_stop_string_ends_the_answer_and_frees_the_slot(
    talker: ChatModel, sampler: Sampler, seed: int, stop: str
) -> None:
    sampling = Sampling(40, seed=seed)
    full = "".join(e.text for e in complete(talker, "the", sampling) if isinstance(e, Text))
    events = list(complete(talker, "the", sampling, [stop]))
    assert "".join(e.text for e in events if isinstance(e, Text)) == full.split(stop)[0]
    assert isinstance(events[-1], Done)
    if stop in full:
        assert events[-1].finish == "stop"
    assert not sampler.step()


def test_a_folder_answers_like_the_model_it_was_saved_from(checkpoint: Path, talker: ChatModel) -> None:
    assert list(respond(load_chat(checkpoint), HELLO, GREEDY)) == list(respond(talker, HELLO, GREEDY))


def test_a_tokenizer_of_another_model_is_refused(checkpoint: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(UserError, match="no such folder; give the folder of a checkpoint"):
        load_chat(tmp_path / "nothing")
    shutil.copytree(checkpoint, tmp_path / "mixed")
    Tokenizer.train(["another text"], 256 + 81).save(tmp_path / "mixed")
    with pytest.raises(UserError, match="do not belong together"):
        load_chat(tmp_path / "mixed")


def test_generate_prints_the_completion(checkpoint: Path, talker: ChatModel) -> None:
    out = io.StringIO()
    generate(checkpoint, "the cat", GREEDY, out=out)
    events = complete(talker, "the cat", GREEDY)
    assert out.getvalue() == printable("".join(e.text for e in events if isinstance(e, Text))) + "\n"


def test_chat_remembers_forgets_and_ends(checkpoint: Path) -> None:
    def talk(*lines: str) -> list[str]:
        out = io.StringIO()
        chat(checkpoint, SHORT, lines=lines, out=out)
        return out.getvalue().split("\n")[:-1]

    first = talk("hello")
    assert talk("hello", "/reset", "hello") == first * 2
    assert talk("hello", "/exit", "hello") == first
    assert talk("", "  ", "/what?", "hello") == first
    assert talk("hello", "hello")[: len(first)] == first


def test_chat_goes_on_after_a_message_that_is_too_long(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    chat(checkpoint, SHORT, lines=["long " * 100, "hello"], out=out)
    assert "shorten the message, or make room with /undo or /reset" in capsys.readouterr().err
    once = io.StringIO()
    chat(checkpoint, SHORT, message="hello", out=once)
    assert out.getvalue() == once.getvalue()
    with pytest.raises(UserError, match="shorten the message"):
        chat(checkpoint, SHORT, "long " * 100)


def test_chat_reads_a_pipe(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piped, given = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\nand you?\n"))
    chat(checkpoint, SHORT, out=piped)
    chat(checkpoint, SHORT, lines=["hello", "and you?"], out=given)
    assert piped.getvalue() == given.getvalue() != ""


def test_a_pipe_that_is_no_text_is_one_line(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), encoding="utf-8"))
    with pytest.raises(UserError, match="standard input: not UTF-8"):
        chat(checkpoint, SHORT, out=io.StringIO())


def test_what_the_terminal_shows_holds_no_control_characters() -> None:
    assert printable("a\x1b[2Jb\x1b]52;c;aGk=\x07\r\b\x9b31m\tc\n") == "a[2Jb]52;c;aGk=31m\tc\n"
    assert printable("left \u202eright") == "left right"
    assert printable("é日本🌳") == "é日本🌳"
