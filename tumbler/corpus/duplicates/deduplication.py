"""The pass over the whole corpus: from the shards' sorted keys to the candidates that repeat an earlier one.

A task takes one column of keys (the texts' hashes, or one MinHash band) and one range of its values from every
shard, sorts them and keeps the pairs. No step holds the corpus: a task has about `TASK_KEYS` keys, and what joins the
pairs to clusters has 4 bytes a document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tumbler.artifact import Work, replacing
from tumbler.corpus.duplicates.clusters import Places, clusters, pairs
from tumbler.corpus.duplicates.keys import KEYS, NO_KEY, ROWS

EXACT, NEAR = "exact_duplicate", "near_duplicate"
TASK_KEYS: Final = 1 << 22
"""Keys that one task sorts, about: 200 MB at the peak."""


@dataclass(frozen=True)
class Range:
    """A column of keys and a range of its values, `low` <= key < `high`."""

    column: int
    low: int
    high: int
    path: Path
    """Where its pairs go."""


@dataclass(frozen=True)
class Repeats:
    """The candidates of one shard that repeat an earlier document."""

    rows: Places
    """(repeats,) rising row numbers."""
    original: Places
    """(repeats,) places, in the whole corpus, of the documents that they repeat."""
    exact: NDArray[np.bool_]
    """(repeats,) whether it is equal to an earlier document, character by character."""


@dataclass(frozen=True)
class Deduplicated:
    starts: Places
    """(shards + 1,) the place in the whole corpus of each shard's first candidate."""
    places: Places
    """(repeats,) rising places of the candidates that repeat an earlier one."""
    original: Places
    """(repeats,) the place of the document that each repeats: the first of its cluster, which stays."""
    exact: NDArray[np.bool_]

    def of_shard(self, shard: int) -> Repeats:
        low, high = np.searchsorted(self.places, self.starts[shard : shard + 2])
        rows = self.places[low:high] - self.starts[shard]
        return Repeats(rows, self.original[low:high], self.exact[low:high])

    def sizes(self) -> tuple[Places, Places]:
        """((clusters,) place of the document that stays, (clusters,) documents in all): the largest first."""
        kept, repeats = np.unique(self.original, return_counts=True)
        order = np.argsort(-repeats, kind="stable")
        return kept[order], repeats[order] + 1


def deduplicate(folders: Sequence[Path], columns: Sequence[int], work: Work) -> Deduplicated:
    """Compare the given columns of all shards: 0 the texts' hashes, 1 and up the bands of MinHash."""
    sizes = [np.load(folder / KEYS, mmap_mode="r").shape[1] for folder in folders]
    starts = np.cumsum([0, *sizes]).astype(np.int64)
    ranges = list(_ranges(columns, int(starts[-1]), work.path / "resume" / "pairs"))
    files = work.map(partial(write_pairs, folders=folders, starts=starts), ranges, "bands compared")
    copies = np.concatenate([np.empty(0, np.int64), *(_load(file)[:, 1] for file in _of_column(ranges, files, 0))])
    found = clusters((_load(file) for file in files), int(starts[-1]))
    places, original = found.repeated
    return Deduplicated(starts, places, original, np.isin(places, copies))


def _of_column(ranges: Sequence[Range], files: Sequence[Path], column: int) -> Iterator[Path]:
    return (file for span, file in zip(ranges, files, strict=True) if span.column == column)


def _ranges(columns: Sequence[int], total: int, folder: Path) -> Iterator[Range]:
    parts = max(1, -(-total // TASK_KEYS))
    edges = [part * NO_KEY // parts for part in range(parts + 1)]
    for column in columns:
        for part, (low, high) in enumerate(pairwise(edges)):
            yield Range(column, low, high, folder / f"{column:02d}-{part:05d}.npy")


def write_pairs(span: Range, folders: Sequence[Path], starts: Places) -> Path:
    """Write the (pairs, 2) places of one range, unless an earlier run did."""
    if not span.path.exists():
        parts = [_keys(folder, span) for folder in folders]
        keys = np.concatenate([np.empty(0, np.uint64), *(keys for keys, _ in parts)])
        shards = zip(parts, starts, strict=False)
        places = np.concatenate(
            [np.empty(0, np.int64), *(rows.astype(np.int64) + start for (_, rows), start in shards)]
        )
        with replacing(span.path) as temporary, temporary.open("wb") as file:
            np.save(file, pairs(keys, places))
    return span.path


def _keys(folder: Path, span: Range) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """The keys of one shard in the range, rising, and the rows they are of. NO_KEY is in no range."""
    keys = np.load(folder / KEYS, mmap_mode="r")[span.column]
    low, high = np.searchsorted(keys, np.array([span.low, span.high], np.uint64))
    return np.asarray(keys[low:high]), np.asarray(np.load(folder / ROWS, mmap_mode="r")[span.column, low:high])


def _load(path: Path) -> Places:
    found: Places = np.load(path)
    return found
