"""Which candidates of a shard become documents, and how often: what no rule took out, by the share of its source.

A mixture gives each source its part of the corpus, in bytes; a source is then used some number of epochs, such as
2.3: every document twice, and those with the lowest lots a third time, up to the byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tumbler.corpus.candidates import CANDIDATES
from tumbler.errors import UserError

LOTS: Final = 1 << 16
"""Bins of lots: a share is exact to a 65,536th of its source (or one document)."""
_SHIFT: Final = np.uint64(48)
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Share:
    """How often a source is used: each document `copies` times, and once more when its lot is below `lots`."""

    copies: int = 1
    lots: int = 0

    def of(self, draws: NDArray[np.uint64]) -> NDArray[np.int64]:
        """(documents,) how often each is used."""
        return self.copies + ((draws >> _SHIFT) < np.uint64(self.lots)).astype(np.int64)


@dataclass(frozen=True)
class Chosen:
    """Documents of one shard, each as often as it is used, in the shard's order."""

    rows: NDArray[np.int64]
    sizes: NDArray[np.int64]
    """Bytes of text."""
    lots: NDArray[np.uint64]
    """A number of its own for every copy: what a shuffle sorts by."""


@dataclass(frozen=True)
class ShardOfCandidates:
    folder: Path
    repeats: NDArray[np.int64]
    """(repeats,) rows that repeat an earlier document."""
    share: Share = Share()

    def chosen(self) -> Chosen:
        table = pq.read_table(self.folder / CANDIDATES, columns=["late", "bytes", "draw"])
        draws = table["draw"].to_numpy()
        used = self.share.of(draws) * pc.is_null(table["late"]).to_numpy()
        used[self.repeats] = 0
        rows = np.repeat(np.arange(len(used)), used)
        copy = np.arange(len(rows)) - np.repeat(np.cumsum(used) - used, used)
        lots = (draws[rows] ^ (draws[rows] >> np.uint64(29))) * _STEP + copy.astype(np.uint64) * _STEP
        return Chosen(rows, table["bytes"].to_numpy()[rows], lots)


def lot_bytes(draws: NDArray[np.uint64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(LOTS,) bytes of documents by lot."""
    return np.bincount((draws >> _SHIFT).astype(np.int64), weights=sizes, minlength=LOTS).astype(np.int64)


def shares(
    by_source: Mapping[str, NDArray[np.int64]], mixture: Mapping[str, float], epochs: Mapping[str, float]
) -> dict[str, Share]:
    """The share of each source, from its bytes by lot. As much as the mixture allows is used: the source that is
    scarcest for its part is used up (`epochs` times, once when not named).

    Raises UserError for a name that is no source, a source without a part, and parts that are not positive.
    """
    for name, numbers in (("mixture", mixture), ("epochs", epochs)):
        if strange := sorted(set(numbers) - set(by_source)):
            raise UserError(f"corpus.{name}: {strange[0]!r} is no source; sources: {', '.join(by_source)}")
        if bad := [source for source, number in numbers.items() if not number > 0]:
            raise UserError(f"corpus.{name}: {bad[0]} = {numbers[bad[0]]} is not above 0; leave the input out instead")
    if mixture and (missing := sorted(set(by_source) - set(mixture))):
        raise UserError(f"corpus.mixture: has no part for the source {missing[0]!r}; name every source or none")
    have = {source: float(lots.sum()) for source, lots in by_source.items()}
    most = {source: epochs.get(source, 1.0) for source in by_source}
    if not mixture:
        return {source: _share(most[source], lots) for source, lots in by_source.items()}
    parts = {source: part / sum(mixture.values()) for source, part in mixture.items()}
    total = min(have[source] * most[source] / parts[source] for source in by_source)
    return {source: _share(total * parts[source] / (have[source] or 1), lots) for source, lots in by_source.items()}


def _share(factor: float, lots: NDArray[np.int64]) -> Share:
    """Use a source `factor` times: whole epochs, and of one more the lowest lots."""
    copies = int(factor)
    below = np.concatenate([[0], np.cumsum(lots)])
    return Share(copies, int(np.abs(below - (factor - copies) * below[-1]).argmin()))
