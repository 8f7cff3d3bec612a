"""What tells copies of a text apart from other texts: the hash of the text, and a key for each MinHash band."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from tumbler.corpus.duplicates.minhash import MinHash

KEYS, ROWS = "keys.npy", "rows.npy"
NO_KEY: Final = (1 << 64) - 1
"""In the place of a band of a text too short for a signature: it resembles nothing."""


def text_keys(text: str, minhash: MinHash) -> list[int]:
    """The hash of the text, then a key a band.

    Hashes of 64 bits: among 10^9 texts, 0.03 pairs are taken for copies by chance.
    """
    bands = minhash.band_keys(text) if minhash.enabled else None
    rest = [NO_KEY] * minhash.bands if bands is None else bands.tolist()
    return [xxhash.xxh3_64_intdigest(text.encode()), *rest]


def save_keys(keys: list[list[int]], bands: int, folder: Path) -> None:
    """(1 + bands, candidates) keys, each row sorted, and the candidates' numbers in that order."""
    table: NDArray[np.uint64] = np.array(keys, np.uint64).reshape(-1, 1 + bands).T
    order = np.argsort(table, axis=1, kind="stable")
    np.save(folder / KEYS, np.take_along_axis(table, order, axis=1))
    np.save(folder / ROWS, order.astype(np.uint32))
