"""The law of the stream: its pieces together are what decoding all ids at once gives."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.text.stream import TextStream
from tumbler.text.tokenizer import Tokenizer


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_pieces_together_are_the_whole_whatever_the_ids(tokenizer: Tokenizer, data: st.DataObject) -> None:
    """Ids below 256 are single bytes: mostly broken UTF-8."""
    ids = data.draw(st.lists(st.one_of(st.integers(0, 255), st.integers(0, tokenizer.vocab_size - 1)), max_size=30))
    stream = TextStream(tokenizer)
    assert "".join(stream.push(id) for id in ids) + stream.flush() == tokenizer.decode(ids)


@settings(max_examples=200, deadline=None)
@given(text=st.text())
def test_text_comes_out_without_a_replacement_character_before_its_time(tokenizer: Tokenizer, text: str) -> None:
    stream = TextStream(tokenizer)
    seen = ""
    for id in tokenizer.encode(text):
        seen += stream.push(id)
        assert text.startswith(seen)
    assert seen == text
    assert stream.flush() == ""


def test_a_character_is_held_back_until_it_is_whole(tokenizer: Tokenizer) -> None:
    single = {tokenizer.decode_bytes([id]): id for id in range(256)}
    stream = TextStream(tokenizer)
    pieces = [stream.push(single[bytes([byte])]) for byte in "€".encode()]
    assert pieces == ["", "", "€"]
    stream.push(single[b"\xe2"])
    assert stream.flush() == "\ufffd"
    assert stream.flush() == ""
