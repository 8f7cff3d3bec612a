"""Tokens as cells: a text to show, its probability, what else could have stood there. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tumbler.chat.stop import StopStrings
from tumbler.engine import Token
from tumbler.engine.runner import PromptId
from tumbler.text.stream import TextStream
from tumbler.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Cell:
    """A token. Its probability is the model's own: before temperature, penalties and cuts."""

    text: str
    """Untrusted, as are those of `top`; bytes that are no whole character stand as `\\xe2`."""
    share: float | None
    """Its probability; None for the first of all, which nothing stands before."""
    top: tuple[tuple[str, float], ...] = ()
    """The likeliest tokens at its place, with their probabilities."""
    written: bool = False
    """By the model; else it is of the prompt."""


def piece(tokenizer: Tokenizer, id: int) -> str:
    """A token's own text. Others' models may have ids that their tokenizer does not know."""
    if id >= tokenizer.vocab_size:
        return f"<{id}>"
    return tokenizer.decode_bytes([id]).decode("utf-8", errors="backslashreplace")


def written_cell(tokenizer: Tokenizer, token: Token) -> Cell:
    return Cell(piece(tokenizer, token.id), math.exp(token.raw_logprob), _top(tokenizer, token.top), written=True)


def prompt_cells(tokenizer: Tokenizer, ids: Sequence[int], scores: Iterable[PromptId], skip: int) -> Iterator[Cell]:
    """The prompt's tokens but those that lie within its first `skip` bytes, and but the begin token."""
    known: list[PromptId | None] = [None, *scores]
    begin, place = len(tokenizer.begin), 0
    for id, score in list(zip(ids, known, strict=True))[begin:]:
        place += len(tokenizer.decode_bytes([id]))
        if place > skip:
            share = None if score is None else math.exp(score.score.logprob)
            yield Cell(piece(tokenizer, id), share, () if score is None else _top(tokenizer, score.top))


class HeldCells:
    """Lets tokens through up to the first stop string; those whose text may begin one wait."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._special = frozenset(tokenizer.special.values())
        self._stream, self._stops = TextStream(tokenizer), StopStrings(stops)
        self._waiting: deque[tuple[Cell, str, int]] = deque()
        """Cells, the text that each completed, and where in the whole text that begins."""
        self._length = 0
        self.tokens = 0
        self.text = ""
        """What stands before any stop string; special tokens make none."""

    @property
    def found(self) -> bool:
        """A stop string was: no more tokens are wanted."""
        return self._stops.found is not None

    def push(self, token: Token) -> Iterator[Cell]:
        """The cells that are now known to stand before any stop string; of one that a stop string cuts, its part."""
        self.tokens += 1
        text = self._text(token)
        self._waiting.append((written_cell(self._tokenizer, token), text, self._length))
        self._length += len(text)
        self.text += self._stops.push(text)
        over = token.finish is not None and not self.found
        self.text += self._stops.flush() if over else ""
        while self._waiting:
            cell, text, start = self._waiting[0]
            known = len(self.text) - start
            if known < len(text) and not over:
                break
            self._waiting.popleft()
            yield cell
        if self.found and self._waiting and known > 0:
            yield dataclasses.replace(cell, text=text[:known])

    def _text(self, token: Token) -> str:
        unknown = token.id >= self._tokenizer.vocab_size
        silent = token.finish == "stop" or token.id in self._special or unknown
        text = self._stream.flush() if silent else self._stream.push(token.id)
        return text + self._stream.flush() if token.finish else text


def _top(tokenizer: Tokenizer, top: Sequence[tuple[int, float]]) -> tuple[tuple[str, float], ...]:
    return tuple((piece(tokenizer, id), math.exp(logprob)) for id, logprob in top)
