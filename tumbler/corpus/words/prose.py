"""Words: the one place where a text is split, once a document, for all rules that count words.

The same runs of characters come again and again, so what a run is split into, and what the rules ask of
a word (its length, whether it is a symbol), is worked out once and then looked up by number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from tumbler.corpus.words.marks import symbols
from tumbler.corpus.words.spelling import word_hashes
from tumbler.corpus.words.splitter import Words, english

V = TypeVar("V")
MOST_RUNS: Final = 1 << 18
"""Runs remembered; then a new lexicon is begun. With their words about 100 MB."""
MOST_CHARACTERS: Final = 1 << 24
"""Characters in the remembered runs: hostile text has long ones."""


class Memory(dict[str, V]):
    """Runs of characters without space, and what becomes of each: worked out when it is first asked for."""

    def __init__(self, work_out: Callable[[str], V]) -> None:
        self.work_out = work_out
        self.characters = 0

    def __missing__(self, run: str) -> V:
        found = self[run] = self.work_out(run)
        self.characters += len(run)
        return found

    @property
    def full(self) -> bool:
        return len(self) > MOST_RUNS or self.characters > MOST_CHARACTERS


class Lexicon:
    """Words by number. Arrays are indexed by a word's number; they only ever grow."""

    def __init__(self, split: Callable[[str], Words]) -> None:
        self.names: list[str] = []
        self.numbers = Memory(self._new)
        self.runs = Memory(lambda run: tuple(map(self.numbers.__getitem__, split(run))))
        self.length = np.empty(1 << 12, np.int64)
        """Characters of the word."""
        self.symbol = np.empty(1 << 12, np.bool_)
        """Whether it is punctuation only."""
        self.lettered = np.empty(1 << 12, np.bool_)
        """Whether it has a letter."""
        self.hash = np.empty(1 << 12, np.uint64)
        """Of its spelling."""

    def ids(self, text: str) -> NDArray[np.int64]:
        """(words,) the number of each word of the text, in order."""
        known = len(self.names)
        ids = np.fromiter(chain.from_iterable(map(self.runs.__getitem__, text.split())), np.int64)
        if len(self.names) > known:
            self._describe(known)
        return ids

    def _new(self, word: str) -> int:
        self.names.append(word)
        return len(self.names) - 1

    def _describe(self, known: int) -> None:
        """Work out what the rules ask of the words from number `known` on."""
        words = self.names[known:]
        if len(self.names) > len(self.length):
            for name in ("length", "symbol", "lettered", "hash"):
                old = getattr(self, name)
                setattr(self, name, np.resize(old, max(2 * len(old), len(self.names))))
        self.length[known : len(self.names)] = list(map(len, words))
        self.hash[known : len(self.names)] = word_hashes(words)
        self.symbol[known : len(self.names)] = list(map(symbols().issuperset, words))
        self.lettered[known : len(self.names)] = [word.isalpha() or any(map(str.isalpha, word)) for word in words]


_current: list[Lexicon] = []


def lexicon() -> Lexicon:
    """This process's lexicon of English words; a fresh one when the last is full."""
    if not _current or _current[0].runs.full:
        _current[:] = [Lexicon(english())]
    return _current[0]


@dataclass(frozen=True)
class Prose:
    """A text and what its words are, each worked out once however many rules ask."""

    text: str

    @cached_property
    def _lexicon(self) -> Lexicon:
        return lexicon()

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """(words,) a number for each word; equal words have equal numbers."""
        return self._lexicon.ids(self.text)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(words,) characters of each word."""
        return self._look_up("length")

    @property
    def symbols(self) -> NDArray[np.bool_]:
        """(words,) whether a word consists of punctuation marks only."""
        return self._look_up("symbol")

    @property
    def lettered(self) -> NDArray[np.bool_]:
        """(words,) whether a word has a letter."""
        return self._look_up("lettered")

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """(words + 1,) where each word ends when the words are written without space between them; 0 comes first."""
        return np.concatenate([[0], np.cumsum(self.lengths)])

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """(words,) of each word's spelling."""
        return self._look_up("hash")

    def _look_up(self, name: str) -> NDArray[Any]:
        ids = self.ids  # first: it may make the lexicon's arrays grow
        found: NDArray[Any] = getattr(self._lexicon, name)[ids]
        return found

    def holds(self, word: str) -> bool:
        """Whether this is one of the words."""
        ids = self.ids
        number = self._lexicon.numbers.get(word)
        return number is not None and bool((ids == number).any())

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def words(self) -> list[str]:
        ids, names = self.ids, self._lexicon.names
        return [names[number] for number in ids]
