"""Hashes of what words spell, put together from the words' own: equal wherever the text and the word begin.

A polynomial modulo 2^64: the character c at place k counts c / BASE^k, so the hash of a stretch of text is the
difference of two sums, taken back by the power of the place where it begins.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
BASE: Final = np.uint64(0xD6E8FEB86659FD93)
"""Odd, so that it has an inverse."""


def word_hashes(words: Sequence[str]) -> Hashes:
    """(words,) each as if the text began with it. No word is empty."""
    characters = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    lengths = np.array(list(map(len, words)), np.int64)
    starts = np.cumsum(lengths) - lengths
    inverse, _ = _powers(int(lengths.max(initial=0)))
    return np.add.reduceat(characters * inverse[np.arange(len(characters)) - np.repeat(starts, lengths)], starts)


class Spelling:
    """Of a text without its white space."""

    def __init__(self, words: Hashes, ends: NDArray[np.int64]) -> None:
        """`words`: (words,) their hashes; `ends`: (words + 1,) where each ends, 0 first."""
        inverse, powers = _powers(int(ends[-1]))
        self._sums = np.zeros(len(ends), np.uint64)
        np.cumsum(words * inverse[ends[:-1]], out=self._sums[1:])
        self._powers = powers[ends]

    def ngrams(self, n: int) -> Hashes:
        """(words - n + 1,) the hash of what every n words in a row spell."""
        return (self._sums[n:] - self._sums[:-n]) * self._powers[:-n]


def _powers(place: int) -> tuple[Hashes, Hashes]:
    """Powers of 1 / BASE and of BASE modulo 2^64, up to those of `place` at least."""
    return _power_table(max(12, place.bit_length()))


@functools.cache
def _power_table(bits: int) -> tuple[Hashes, Hashes]:
    bases = (np.uint64(pow(int(BASE), -1, 1 << 64)), BASE)
    one = np.ones(1, np.uint64)
    down, up = (np.multiply.accumulate(np.concatenate([one, np.full((1 << bits) - 1, base)])) for base in bases)
    return down, up
