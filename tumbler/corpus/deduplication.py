"""The pass over the whole corpus: from all shards' hashes to one verdict a candidate.

Memory: 8 bytes a candidate for the forest and, one band at a time, 8 for its keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tumbler.corpus.candidates import CANDIDATES, band_column
from tumbler.corpus.duplicates import exact_duplicates, near_duplicates

EXACT, NEAR = "exact_duplicate", "near_duplicate"


@dataclass(frozen=True)
class Deduplicated:
    """By candidate, in corpus order (shard by shard, row by row)."""

    starts: NDArray[np.int64]
    """(shards + 1,) place of each shard's first candidate."""
    original: NDArray[np.int64]
    """(candidates,) place of the document that it repeats; its own when it is kept."""
    exact: NDArray[np.bool_]
    """(candidates,) whether it repeats that document exactly."""
    sizes: NDArray[np.int64]
    """(candidates,) bytes of text."""

    @property
    def kept(self) -> NDArray[np.bool_]:
        kept: NDArray[np.bool_] = self.original == np.arange(len(self.original))
        return kept

    def reason(self, place: int) -> str:
        return EXACT if self.exact[place] else NEAR


def deduplicate(folders: Sequence[Path], exact: bool, bands: int) -> Deduplicated:
    """Exact duplicates first, then near ones among the rest. `bands` is 0 to leave near duplicates in."""
    files = [pq.ParquetFile(folder / CANDIDATES) for folder in folders]
    starts = np.cumsum([0, *(file.metadata.num_rows for file in files)]).astype(np.int64)
    total = int(starts[-1])
    own = np.arange(total)
    first = own
    if exact:
        first = exact_duplicates(np.stack([_column(files, "exact_0"), _column(files, "exact_1")], axis=1))
    alone = np.flatnonzero((first == own) & _has_bands(files, bands))
    original = near_duplicates(_bands(files, bands, alone), alone, total)
    return Deduplicated(starts, np.where(first == own, original, first), first != own, _column(files, "bytes"))


def _bands(files: Sequence[pq.ParquetFile], bands: int, places: NDArray[np.int64]) -> Iterator[NDArray[np.uint64]]:
    for number in range(bands):
        yield _column(files, band_column(number))[places]


def _has_bands(files: Sequence[pq.ParquetFile], bands: int) -> NDArray[np.bool_]:
    """(candidates,) false where a text was too short for a signature (its keys are null)."""
    if not bands:
        return np.zeros(sum(file.metadata.num_rows for file in files), bool)
    columns = [file.read([band_column(0)]).column(0) for file in files]
    return np.concatenate([column.is_valid().to_numpy() for column in columns] or [np.empty(0, bool)])


def _column(files: Sequence[pq.ParquetFile], name: str) -> NDArray[Any]:
    columns = [file.read([name]).column(0) for file in files]
    return np.concatenate([column.fill_null(0).to_numpy() for column in columns] or [np.empty(0, np.uint64)])
