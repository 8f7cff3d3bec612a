"""Token ids -> text, one at a time: a character that is not complete yet is held back."""

from __future__ import annotations

import codecs

from tumbler.text.tokenizer import Tokenizer


class TextStream:
    """The pieces that `push` returns, and what `flush` returns, together are `tokenizer.decode(ids)`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, id: int) -> str:
        """The text that this id completes; may be empty."""
        return self._decoder.decode(self._tokenizer.decode_bytes([id]))

    def flush(self) -> str:
        """What is held back, at the end: nothing, or U+FFFD for a character that never came whole."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text
