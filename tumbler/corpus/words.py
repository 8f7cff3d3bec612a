"""Words: the one place where a text is split, once a document, for all rules that count words.

The same runs of characters come again and again, so what a run is split into, and what the rules ask of
a word (its length, whether it is a symbol), is worked out once and then looked up by number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tumbler.corpus.marks import symbols
from tumbler.corpus.spelling import word_hashes
from tumbler.corpus.splitter import Words, english

MOST_RUNS: Final = 1 << 18
"""Runs remembered; then a new lexicon is begun. With their words about 100 MB."""
MOST_CHARACTERS: Final = 1 << 24
"""Characters in the remembered runs: hostile text has long ones."""


class Lexicon:
    """Words by number. Arrays are indexed by a word's number; they only ever grow."""

    def __init__(self, split: Callable[[str], Words]) -> None:
        self.split = split
        self.runs: dict[str, tuple[int, ...]] = {}
        self.numbers: dict[str, int] = {}
        self.names: list[str] = []
        self.characters = 0
        self.length = np.empty(1 << 12, np.int64)
        """Characters of the word."""
        self.symbol = np.empty(1 << 12, np.bool_)
        """Whether it is punctuation only."""
        self.lettered = np.empty(1 << 12, np.bool_)
        """Whether it has a letter."""
        self.hash = np.empty(1 << 12, np.uint64)
        """Of its spelling."""

    @property
    def full(self) -> bool:
        return len(self.runs) > MOST_RUNS or self.characters > MOST_CHARACTERS

    def ids(self, text: str) -> NDArray[np.int64]:
        """(words,) the number of each word of the text, in order."""
        runs, known = text.split(), len(self.names)
        for run in set(runs).difference(self.runs):
            self.runs[run] = tuple(map(self._number, self.split(run)))
            self.characters += len(run)
        if len(self.names) > known:
            self._describe(known)
        return np.fromiter(chain.from_iterable(map(self.runs.__getitem__, runs)), np.int64)

    def _number(self, word: str) -> int:
        number = self.numbers.get(word)
        if number is None:
            number = self.numbers[word] = len(self.names)
            self.names.append(word)
        return number

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
    if not _current or _current[0].full:
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
