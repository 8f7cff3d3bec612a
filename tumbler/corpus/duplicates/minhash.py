"""MinHash signatures (Broder 1997) for near-duplicates, with FineWeb's parameters and datatrove's hashing.

A document is the set of its 5-word shingles. 14 bands of 8 minima each: two documents of Jaccard
similarity s share a band with probability 1 - (1 - s^8)^14 (0.77 at s = 0.75, 0.92 at 0.8).
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.words.normal import Normal

PRIME: Final = np.uint64((1 << 61) - 1)
"""A Mersenne prime: h -> (a h + b) mod p permutes the hashes."""
BLOCK: Final = 256
"""Shingles permuted at a time: 256 x 112 hashes stay in the processor's cache."""


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
        shingles = Normal(text).shingles(self.shingle_words)
        if not len(shingles):
            return None
        minima = _minima(shingles, *_permutations(self.seed, self.bands * self.rows))
        return minima.reshape(self.bands, self.rows)

    def band_keys(self, text: str) -> NDArray[np.uint64] | None:
        """(bands,) one 64-bit key a band: equal keys, equal bands."""
        signature = self.signature(text)
        if signature is None:
            return None
        return np.array([xxhash.xxh3_64_intdigest(band.tobytes()) for band in signature], np.uint64)


def _minima(shingles: NDArray[np.uint64], a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(permutations,) the least of (a h + b) mod PRIME over all shingles h; block by block, in the same memory."""
    minima = np.full(a.shape[1], PRIME, np.uint64)
    values, spare = np.empty((2, BLOCK, a.shape[1]), np.uint64)
    for start in range(0, len(shingles), BLOCK):
        block = shingles[start : start + BLOCK, None]
        value, rest = values[: len(block)], spare[: len(block)]
        np.multiply(block, a, out=value)
        value += b
        _modulo_prime(value, rest)
        np.minimum(minima, value.min(axis=0), out=minima)
    return minima


def _modulo_prime(values: NDArray[np.uint64], spare: NDArray[np.uint64]) -> None:
    """values %= PRIME, without a division: 2^61 = 1 modulo 2^61 - 1."""
    np.right_shift(values, np.uint64(61), out=spare)
    values &= PRIME
    values += spare
    np.subtract(values, PRIME, out=spare)  # unsigned: where values < PRIME this wraps to a large number
    np.minimum(values, spare, out=values)


@functools.cache
def _permutations(seed: int, count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """(count,) multipliers and (count,) offsets, drawn as datatrove draws them."""
    random = np.random.RandomState(seed)
    shape = (1, count)
    a = random.randint(1, int(PRIME), dtype=np.uint64, size=shape)
    return a, random.randint(0, int(PRIME), dtype=np.uint64, size=shape)
