"""One answer in the making: tokens in, events out. Pure; the terminal and the server both feed it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tumbler.chat.events import Done, Event, Reasoning, Text
from tumbler.chat.marked import Kind, MarkedText, Part, parse_calls
from tumbler.chat.stop import StopStrings
from tumbler.engine import Token
from tumbler.text.chat_format import Marks
from tumbler.text.stream import TextStream
from tumbler.text.tokenizer import Tokenizer


class Reply:
    """Special tokens make no text; partial characters and possible stop strings are held back.

    marks: how the model marks thoughts and calls; without them all is text.
    tools: whether calls are wanted; if not, they are texts.
    tokens: whether each Token is an event too.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompt_tokens: int,
        stop: Sequence[str] = (),
        *,
        marks: Marks | None = None,
        kind: Kind = "text",
        tools: bool = False,
        tokens: bool = False,
    ) -> None:
        self._marked = MarkedText(marks or Marks(), kind)
        self._special = {id: name for name, id in tokenizer.special.items()}
        self._stream = TextStream(tokenizer)
        self._stops = StopStrings(stop)
        self._prompt_tokens, self._tools, self._with_tokens = prompt_tokens, tools, tokens
        self._tokens = self._thought = 0

    def push(self, token: Token) -> Iterator[Event]:
        """The events that this token brings about; after a Done, no more tokens are wanted."""
        if self._with_tokens:
            yield token
        self._tokens += 1
        self._thought += self._marked.kind == "think"
        for event in self._events(self._parts(token)):
            yield event
            if isinstance(event, Done):
                return
        if token.finish:
            if rest := self._stops.flush():
                yield Text(rest)
            yield self._done(token)

    def _parts(self, token: Token) -> Iterator[Part]:
        name = self._special.get(token.id)
        if name is None and token.finish != "stop":
            yield from self._marked.push(self._stream.push(token.id))
        else:
            yield from self._marked.push(self._stream.flush())
            if name in self._marked.names:
                yield from self._marked.mark(name or "")
        if token.finish:
            yield from self._marked.push(self._stream.flush())
            yield from self._marked.end(token.finish == "stop")

    def _events(self, parts: Iterable[Part]) -> Iterator[Event]:
        for part in parts:
            calls = parse_calls(part.text) if part.kind == "call" and self._tools else []
            yield from calls
            if part.kind == "think":
                yield Reasoning(part.text)
            elif not calls:
                if text := self._stops.push(part.text):
                    yield Text(text)
                if self._stops.found is not None:
                    yield self._done(None)

    def _done(self, token: Token | None) -> Done:
        finish = (token and token.finish) or "stop"
        return Done(finish, self._prompt_tokens, self._tokens, self._stops.found, self._thought)
