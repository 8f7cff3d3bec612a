"""Answers: stop strings at any cut, partial characters held back, special tokens silent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.chat.events import Done, Event, Text
from tumbler.chat.reply import Reply
from tumbler.chat.stop import StopStrings
from tumbler.engine import Token
from tumbler.engine.sampler import Finish
from tumbler.errors import UserError
from tumbler.text.tokenizer import Tokenizer

LETTERS = "ab\n"


def first_stop(text: str, stops: list[str]) -> int | None:
    """Where the first stop string begins: the one that is complete first, the longest of those."""
    for end in range(len(text) + 1):
        starts = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if starts:
            return min(starts)
    return None


@given(
    st.lists(st.text(LETTERS, max_size=6), max_size=12), st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=4)
)
def test_what_comes_out_is_the_text_before_the_first_stop_at_any_cut(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    state = StopStrings(stops)
    out = "".join(state.push(piece) for piece in pieces) + state.flush()
    place = first_stop(text, stops)
    assert out == text[:place]
    assert (state.found is None) == (place is None)
    assert not any(stop in out for stop in stops)


def test_no_more_is_held_back_than_may_become_a_stop() -> None:
    state = StopStrings(["\n\nUser:"])
    assert state.push("Hello.\n") == "Hello."
    assert state.push("\nUs") == ""
    assert state.push("ual.") == "\n\nUsual."


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(UserError, match="stop string is empty"):
        StopStrings(["\n", ""])


def answer(tokenizer: Tokenizer, ids: list[int], finish: Finish, stop: list[str]) -> list[Event]:
    """The events of an answer of these ids, read as the terminal and the server do: up to the first Done."""
    reply = Reply(tokenizer, 7, stop)
    events: list[Event] = []
    for place, id in enumerate(ids):
        events += reply.push(Token(0, id, 0.0, 0.0, finish if place == len(ids) - 1 else None))
        if isinstance(events[-1] if events else None, Done):
            break
    return events


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


@given(st.text(min_size=1), st.lists(st.text(min_size=1, max_size=3), max_size=2))
def test_an_answer_is_its_text_before_the_first_stop(tokenizer: Tokenizer, text: str, stops: list[str]) -> None:
    ids = tokenizer.encode(text)
    events = answer(tokenizer, ids, "length", stops)
    place = first_stop(text, stops)
    assert text_of(events) == text[:place]
    done = events[-1]
    assert isinstance(done, Done)
    assert done.finish == ("length" if place is None else "stop")
    assert done.prompt_tokens == 7
    assert 0 < done.completion_tokens <= len(ids)
    assert sum(isinstance(event, Done) for event in events) == 1


def test_a_character_of_several_tokens_comes_whole(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("ça va ✓")
    assert len(tokenizer.encode("✓")) > 1
    assert [event for event in answer(tokenizer, ids, "length", []) if "�" in getattr(event, "text", "")] == []
    assert text_of(answer(tokenizer, ids[:-1], "length", [])) == "ça va �"


def test_special_tokens_make_no_text_and_the_stop_id_neither(tokenizer: Tokenizer) -> None:
    think = tokenizer.special["<|think|>"]
    ids = [think, *tokenizer.encode("yes"), tokenizer.end]
    assert answer(tokenizer, ids, "stop", []) == [*map(Text, ["y", "e", "s"]), Done("stop", 7, 5)]


def test_a_stop_that_only_began_is_given_out_at_the_end(tokenizer: Tokenizer) -> None:
    assert text_of(answer(tokenizer, tokenizer.encode("a##"), "length", ["###"])) == "a##"
    assert text_of(answer(tokenizer, [*tokenizer.encode("a##"), tokenizer.end], "stop", ["###"])) == "a##"
