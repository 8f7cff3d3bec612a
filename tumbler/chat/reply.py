"""One answer in the making: tokens in, events out. Pure; the terminal and the server both feed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tumbler.chat.events import Done, Event, Text
from tumbler.chat.stop import StopStrings
from tumbler.engine import Token
from tumbler.text.stream import TextStream
from tumbler.text.tokenizer import Tokenizer


class Reply:
    """Special tokens make no text; partial characters and possible stop strings are held back."""

    def __init__(self, tokenizer: Tokenizer, prompt_tokens: int, stop: Sequence[str] = ()) -> None:
        self._special = frozenset(tokenizer.special.values())
        self._stream = TextStream(tokenizer)
        self._stops = StopStrings(stop)
        self._prompt_tokens = prompt_tokens
        self._tokens = 0

    def push(self, token: Token) -> Iterator[Event]:
        """The events that this token brings about; after a Done, no more tokens are wanted."""
        self._tokens += 1
        text = self._stops.push(self._text(token))
        if token.finish and not self._stops.found:
            text += self._stops.flush()
        if text:
            yield Text(text)
        if self._stops.found:
            yield Done("stop", self._prompt_tokens, self._tokens)
        elif token.finish:
            yield Done(token.finish, self._prompt_tokens, self._tokens)

    def _text(self, token: Token) -> str:
        silent = token.finish == "stop" or token.id in self._special
        text = self._stream.flush() if silent else self._stream.push(token.id)
        return text + self._stream.flush() if token.finish else text
