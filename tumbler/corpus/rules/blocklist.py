"""Blocklist: a set of domains and URLs as sorted 64-bit hashes: 8 bytes an entry, shared by memory mapping.

With 5 million entries, a query is wrong by collision once in 10^12.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

Kind = Literal["domain", "url"]
Entry = tuple[Kind, str]
SEEDS: Final[dict[Kind, int]] = {"domain": 0, "url": 1}
"""So that a domain on a list of URLs does not block the whole domain."""


@dataclass(frozen=True)
class Blocklist:
    hashes: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """(entries,) sorted."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Blocklist:
        return cls(np.unique(np.fromiter((_hash(kind, entry) for kind, entry in entries), np.uint64)))

    @classmethod
    def open(cls, path: Path) -> Blocklist:
        """Map a file that `numpy.save` wrote of `hashes`: processes on one machine share its memory."""
        return cls(np.asarray(np.load(path, mmap_mode="r")))  # a plain array: queries on a memmap are slower

    def first(self, entries: Sequence[Entry]) -> int | None:
        """The place in `entries` of the first that is on the list."""
        if not len(self.hashes):
            return None
        values = np.array([_hash(kind, entry) for kind, entry in entries], np.uint64)
        places = np.minimum(self.hashes.searchsorted(values), len(self.hashes) - 1)
        listed = self.hashes[places] == values
        return int(listed.argmax()) if listed.any() else None

    def __len__(self) -> int:
        return len(self.hashes)


def _hash(kind: Kind, entry: str) -> int:
    return xxhash.xxh3_64_intdigest(entry.encode(), SEEDS[kind])
