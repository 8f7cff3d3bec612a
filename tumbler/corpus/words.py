"""Words: the one place where a text is split, once a document, for all rules that count words.

FineWeb splits with spaCy. This splitter follows spaCy's English rules where they matter to the
counts: every punctuation mark is a word of its own (a row of dots is one), contractions are two words
("do" + "n't", "it" + "'s"), and numbers, abbreviations, file names and addresses stay whole.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

REMEMBERED_CHARACTERS: Final = 40
ASCII_SYMBOLS: Final = "$+<=>^`|~"
"""ASCII marks that Unicode calls symbols and everyone calls punctuation."""
CURRENCIES: Final = "£€¥"


@functools.cache
def punctuation() -> str:
    """All characters that are marks rather than text: Unicode's P categories, control characters, ASCII symbols."""
    characters = map(chr, range(0x20000))  # planes 0 and 1 hold all marks
    marks = (c for c in characters if unicodedata.category(c)[0] == "P" or unicodedata.category(c) == "Cc")
    return "".join(marks) + ASCII_SYMBOLS


def words(text: str) -> list[str]:
    """The words and punctuation marks of a text, in order, without the space between them."""
    found: list[str] = []
    for chunk in text.split():
        found.extend(_pieces(chunk) if len(chunk) <= REMEMBERED_CHARACTERS else _splitter().findall(chunk))
    return found


@functools.lru_cache(maxsize=1 << 16)
def _pieces(chunk: str) -> tuple[str, ...]:
    """The words of a run without space. Most runs come again and again: remembering them is 5 times as fast."""
    return tuple(_splitter().findall(chunk))


@functools.cache
def _splitter() -> re.Pattern[str]:
    letter = rf"[^\s{re.escape(punctuation() + CURRENCIES)}]"
    kinds = (
        r"(?:https?://|www\.)\S+(?<![.,;:!?)\]}\"'»”])",  # an address is one word, without the mark behind it
        r"(?:[^\W\d_]\.){2,}|\b[A-Z]\.|(?:Mr|Mrs|Ms|Dr|St|Inc|Jr|Co|vs)\.",  # an abbreviation: p.m., J.R.R., Dr.
        rf"\d+(?:[.,:/]\d+)+{letter}*",  # a number: 1,000.50, 1/2, 83.1k
        rf"{letter}+(?=n['’]t\b)",  # do|n't
        r"n['’]t\b",
        rf"@?{letter}+(?:(?:[_@]|\.(?![A-Z])){letter}+)*",  # a name with marks inside: snake_case, a.b@c.org, file.txt
        rf"(?<={letter})['’]{letter}+",  # it|'s
        r"\.{2,}",
        r"\S",
    )
    return re.compile("|".join(kinds))


@functools.cache
def _marks() -> frozenset[str]:
    return frozenset(punctuation())


def is_symbol(word: str) -> bool:
    """Whether a word consists of punctuation marks only."""
    return word[0] in _marks() and all(character in _marks() for character in word)


@dataclass(frozen=True)
class Prose:
    """A text and what its words are, each worked out once however many rules ask."""

    text: str

    @cached_property
    def words(self) -> list[str]:
        return words(self.text)

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """(words,) the number of each word in the text's own vocabulary, in order of first appearance."""
        vocabulary = {word: number for number, word in enumerate(dict.fromkeys(self.words))}
        return np.fromiter((vocabulary[word] for word in self.words), np.int64, len(self.words))

    @cached_property
    def unique(self) -> list[str]:
        """The vocabulary: word of each id."""
        return list(dict.fromkeys(self.words))

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(words,) characters of each word."""
        sizes = np.fromiter(map(len, self.unique), np.int64, len(self.unique))
        return sizes[self.ids]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(vocabulary,) how often each word occurs."""
        return np.bincount(self.ids, minlength=len(self.unique))
