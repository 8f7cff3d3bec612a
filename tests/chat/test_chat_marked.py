"""Thoughts and calls in an answer: told apart at any cut, spelled or by special tokens; what is no call stays text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.chat.events import Done, Event, Reasoning, Text
from tumbler.chat.marked import MarkedText, Part, parse_calls
from tumbler.chat.reply import Reply
from tumbler.engine import Token
from tumbler.engine.sampler import Finish
from tumbler.text.chat_format import Marks, OwnFormat
from tumbler.text.conversation import ToolCall
from tumbler.text.tokenizer import Tokenizer

SPELLED = Marks(("<think>", "</think>"), ("<tool_call>", "</tool_call>"), spelled=True)
PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "<tool_call>", "</tool_call>", "\n", "a", "<", "think>", "</", " b"]),
    max_size=12,
)


def parts(pieces: list[str], marks: Marks = SPELLED) -> list[Part]:
    """With neighbours of one kind put together; each call by itself."""
    state = MarkedText(marks)
    made = [part for piece in pieces for part in state.push(piece)] + list(state.end(False))
    joined: list[Part] = []
    for part in made:
        if joined and joined[-1].kind == part.kind != "call":
            joined[-1] = Part(part.kind, joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined


@given(PIECES, st.data())
def test_the_parts_do_not_depend_on_where_the_text_is_cut(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    cut = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert parts(cut) == parts([text])


@given(st.text(alphabet="ab <>/\n", max_size=20))
def test_a_text_without_marks_is_itself(text: str) -> None:
    assert "".join(part.text for part in parts(list(text))) == text


def test_line_feeds_beside_spelled_marks_belong_to_nobody() -> None:
    text = "<think>\n2 + 2\n</think>\n\nFour.\n<tool_call>\n{}\n</tool_call>\n\nDone\n"
    assert parts([text]) == [
        Part("think", "2 + 2"),
        Part("text", "Four."),
        Part("call", "{}"),
        Part("text", "Done\n"),
    ]


def test_no_more_is_held_back_than_may_become_a_mark() -> None:
    state = MarkedText(SPELLED)
    assert list(state.push("a <thi")) == [Part("text", "a ")]
    assert list(state.push("rd> b\n")) == [Part("text", "<third> b")]
    assert list(state.push("c")) == [Part("text", "\nc")]


def test_a_call_that_never_ends_is_a_text() -> None:
    assert parts(["x<tool_call>{", '"name"']) == [Part("text", 'x{"name"')]


def test_a_call_is_one_where_the_model_stopped_without_its_end() -> None:
    state = MarkedText(SPELLED, "call")
    assert [*state.push("{}"), *state.end(True)] == [Part("call", "{}")]


def test_an_answer_may_begin_in_a_thought() -> None:
    state = MarkedText(SPELLED, "think")
    assert [*state.push("so</think>\n\nyes"), *state.end(False)] == [Part("think", "so"), Part("text", "yes")]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ('{"name": "f", "arguments": {"x": "é"}}', [("f", {"x": "é"})]),
        ('\n{"name": "f", "parameters": {}}\n', [("f", {})]),
        ('{"name": "f"}', [("f", {})]),
        ('[{"name": "f", "arguments": {}}, {"name": "g", "arguments": {"y": 1}}]', [("f", {}), ("g", {"y": 1})]),
        ("{", []),
        ("[]", []),
        ("[" * 100_000, []),
        ('{"name": 3, "arguments": {}}', []),
        ('{"name": "", "arguments": {}}', []),
        ('{"name": "f", "arguments": "x"}', []),
        ('[{"name": "f"}, 5]', []),
        (json.dumps([{"name": "f"}] * 65), []),
    ],
)
def test_what_a_call_is(text: str, calls: list[tuple[str, dict[str, object]]]) -> None:
    found = parse_calls(text)
    assert [(call.name, json.loads(call.arguments)) for call in found] == calls
    assert len({call.id for call in found}) == len(found)


def events(tokenizer: Tokenizer, *pieces: str, tools: bool, tokens: bool = False) -> list[Event]:
    """Of an answer of these texts and special tokens, as the model would write it."""
    ids = [
        id
        for piece in pieces
        for id in ([tokenizer.special[piece]] if piece in tokenizer.special else tokenizer.encode(piece))
    ]
    return read(Reply(tokenizer, 7, marks=OwnFormat.marks, tools=tools, tokens=tokens), ids, "stop")


def read(reply: Reply, ids: list[int], finish: Finish) -> list[Event]:
    last = len(ids) - 1
    tokens = [Token(0, id, 0.0, 0.0, finish if place == last else None) for place, id in enumerate(ids)]
    return [event for token in tokens for event in reply.push(token)]


def said(made: list[Event], kind: type[Text | Reasoning]) -> str:
    return "".join(event.text for event in made if isinstance(event, kind))


CALL = '{"name": "add", "arguments": {"x": 1}}'
ANSWER = ("<|think|>", "hm", "<|/think|>", "Let me see.", "<|tool_call|>", CALL, "<|/tool_call|>", "<|end|>")


def test_thoughts_texts_and_calls_of_our_own_form(tokenizer: Tokenizer) -> None:
    made = events(tokenizer, *ANSWER, tools=True)
    assert (said(made, Reasoning), said(made, Text)) == ("hm", "Let me see.")
    (call,) = (event for event in made if isinstance(event, ToolCall))
    assert (call.name, call.arguments) == ("add", '{"x": 1}')
    assert isinstance(made[-1], Done)
    assert made[-1].reasoning_tokens == len(tokenizer.encode("hm")) + 1


def test_without_tools_a_call_is_a_text(tokenizer: Tokenizer) -> None:
    made = events(tokenizer, *ANSWER, tools=False)
    assert said(made, Text) == "Let me see." + CALL
    assert not any(isinstance(event, ToolCall) for event in made)


@given(st.lists(st.sampled_from(["<|think|>", "<|/think|>", "<|tool_call|>", "a"]), max_size=5).map("".join))
def test_what_only_spells_a_mark_of_ours_is_text(tokenizer: Tokenizer, text: str) -> None:
    reply = Reply(tokenizer, 7, marks=OwnFormat.marks, tools=True)
    made = read(reply, tokenizer.encode(text), "length")
    assert said(made, Text) == text


def test_tokens_are_told_before_what_they_bring_about(tokenizer: Tokenizer) -> None:
    made = events(tokenizer, "ab", "<|end|>", tools=False, tokens=True)
    kinds = [type(event).__name__ for event in made]
    assert kinds == ["Token", "Text", "Token", "Text", "Token", "Done"]
