"""What two copies of a text have in common: its words in lower case, every number 0, no punctuation, no accents.

As datatrove's `simplify_text` followed by spaCy's words. Nothing in it looks beyond a space, so each run of
characters is normalised once and then looked up.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from tumbler.corpus.words.marks import PUNCTUATION, characters
from tumbler.corpus.words.prose import Memory
from tumbler.corpus.words.splitter import english

MARKS: Final = "!\"'(),-.:;?[]{}"
"""Some of the punctuation, for most runs are letters between a few of these."""
_NUMBERS: Final = re.compile(r"\d+(?:[.,،٫⎖⎗⎘]\d+)?")


@dataclass(frozen=True)
class Normal:
    """The normalised words of a text, as UTF-8."""

    text: str

    @cached_property
    def joined(self) -> bytes:
        """The words, a space behind each."""
        joined = b"".join(map(_memory().__getitem__, self.text.split()))
        if _memory().full:
            _memory.cache_clear()
        return joined

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """(words,) the place in `joined` behind each word, where its space is."""
        return np.flatnonzero(np.frombuffer(self.joined, np.uint8) == ord(" "))

    def shingles(self, n: int) -> NDArray[np.uint64]:
        """(words - n + 1,) xxHash64 of every n words in a row, joined by a space."""
        ends = self.ends.tolist()
        starts = [0, *(end + 1 for end in ends)]
        joined, digest = self.joined, xxhash.xxh64_intdigest
        count = max(0, len(ends) - n + 1)
        spans = zip(starts[:count], ends[n - 1 :], strict=True)
        return np.fromiter((digest(joined[start:end]) for start, end in spans), np.uint64, count)


def normalised(run: str) -> list[str]:
    """The normalised words of one run of characters without space."""
    bare = run.strip(MARKS)
    if bare.isascii() and bare.isalpha():
        return list(english()(bare.lower()))
    text = _NUMBERS.sub("0", run.lower()).translate(_spaces())
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return [word for piece in text.split() for word in english()(piece)]


@functools.cache
def _memory() -> Memory[bytes]:
    return Memory(lambda run: " ".join([*normalised(run), ""]).encode())


@functools.cache
def _spaces() -> dict[int, str]:
    return dict.fromkeys(map(ord, characters(PUNCTUATION)), " ")
