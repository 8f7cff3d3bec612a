"""MinHash signatures (Broder 1997) for near-duplicates, with FineWeb's parameters and datatrove's hashing.

A document is the set of its 5-word shingles. 14 bands of 8 minima each: two documents of Jaccard
similarity s share a band with probability 1 - (1 - s^8)^14 (0.77 at s = 0.75, 0.92 at 0.8).
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from tumbler.corpus.rule import Rule
from tumbler.corpus.words import punctuation

PRIME: Final = np.uint64((1 << 61) - 1)
"""A Mersenne prime: h -> (a h + b) mod p permutes the hashes."""
BLOCK: Final = 256
"""Shingles permuted at a time: 256 x 112 hashes stay in the processor's cache."""
_NUMBERS = re.compile(r"\d+(?:[.,،٫⎖⎗⎘]\d+)?")


class MinHash(Rule):
    """Near-duplicates: of each cluster of documents that share a band, the first in corpus order stays
    (`near_duplicate`)."""

    shingle_words: int = 5
    """Words in a shingle (FineWeb: 5)."""
    bands: int = 14
    """Bands (FineWeb: 14)."""
    rows: int = 8
    """Minima in a band (FineWeb: 8)."""
    seed: int = 1
    """Of the hash functions (datatrove: 1)."""

    def signature(self, text: str) -> NDArray[np.uint64] | None:
        """(bands, rows) minima; None for a text shorter than one shingle, which resembles nothing."""
        shingles = shingle_hashes(normalised_words(text), self.shingle_words)
        if not len(shingles):
            return None
        a, b = _permutations(self.seed, self.bands * self.rows)
        blocks = (shingles[start : start + BLOCK, None] for start in range(0, len(shingles), BLOCK))
        minima = np.min([_modulo_prime(block * a + b).min(axis=0) for block in blocks], axis=0)
        return np.asarray(minima, np.uint64).reshape(self.bands, self.rows)

    def band_keys(self, text: str) -> NDArray[np.uint64] | None:
        """(bands,) one 64-bit key a band: equal keys, equal bands."""
        signature = self.signature(text)
        if signature is None:
            return None
        return np.array([xxhash.xxh3_64_intdigest(band.tobytes()) for band in signature], np.uint64)


def normalised_words(text: str) -> list[str]:
    """Lower case, every number 0, no punctuation, no accents: what two copies of a text have in common."""
    text = _NUMBERS.sub("0", text.lower()).translate(_to_spaces())
    if not text.isascii():
        text = unicodedata.normalize("NFD", text).translate(_accents())
    return text.split()


def shingle_hashes(words: list[str], n: int) -> NDArray[np.uint64]:
    """(len(words) - n + 1,) xxHash64 of every n neighbouring words, joined by a space."""
    if len(words) < n:
        return np.empty(0, np.uint64)
    text = " ".join(words).encode()
    ends = np.cumsum([len(word) + 1 for word in text.split(b" ")])
    starts = [0, *ends[:-n].tolist()]
    spans = zip(starts, (ends[n - 1 :] - 1).tolist(), strict=True)
    return np.fromiter((xxhash.xxh64_intdigest(text[start:end]) for start, end in spans), np.uint64, len(starts))


def _modulo_prime(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """values % PRIME without a division (2^61 = 1 modulo 2^61 - 1)."""
    folded = (values & PRIME) + (values >> np.uint64(61))
    return np.minimum(folded, folded - PRIME)  # unsigned: when folded < PRIME the difference wraps to a large number


@functools.cache
def _permutations(seed: int, count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """(count,) multipliers and (count,) offsets, drawn as datatrove draws them."""
    random = np.random.RandomState(seed)
    shape = (1, count)
    a = random.randint(1, int(PRIME), dtype=np.uint64, size=shape)
    return a, random.randint(0, int(PRIME), dtype=np.uint64, size=shape)


@functools.cache
def _to_spaces() -> dict[int, str]:
    return dict.fromkeys(map(ord, punctuation()), " ")


@functools.cache
def _accents() -> dict[int, None]:
    """Combining marks (Unicode category Mn), which NFD splits from their letters: to be deleted."""
    return dict.fromkeys(place for place in range(0x20000) if unicodedata.category(chr(place)) == "Mn")
