"""Examples for people: a few texts for each reason of rejection and a few that were kept; and what was replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tumbler.corpus.candidates import CANDIDATES, REJECTS
from tumbler.corpus.deduplication import Deduplicated
from tumbler.views import Samples

EACH: Final = 3
SHOWN_CHARACTERS: Final = 600
KEPT: Final = 12


def rejected_examples(folders: Sequence[Path], found: Deduplicated, reasons: Sequence[str]) -> Samples:
    """The first few rejects of each reason, in the order of `reasons`: (reason, text, URL)."""
    wanted = Counter(dict.fromkeys(reasons, EACH))
    items: list[tuple[str, str, str]] = []
    for reason, text, url in _rejects(folders, found):
        if wanted[reason]:
            wanted[reason] -= 1
            items.append((reason, shorten(text), url))
        if not wanted.total():
            break
    items.sort(key=lambda item: reasons.index(item[0]))
    return Samples("Rejected pages", tuple(items))


def _rejects(folders: Sequence[Path], found: Deduplicated) -> Iterator[tuple[str, str, str]]:
    for shard, folder in enumerate(folders):
        for batch in pq.ParquetFile(folder / REJECTS).iter_batches(64, columns=["reason", "text", "url"]):
            for row in batch.to_pylist():
                yield row["reason"], row["text"], row["url"]
        place = int(found.starts[shard])
        for batch in pq.ParquetFile(folder / CANDIDATES).iter_batches(64, columns=["text", "url"]):
            for row in batch.to_pylist():
                if not found.kept[place]:
                    yield found.reason(place), row["text"], row["url"]
                place += 1


def kept_examples(files: Sequence[Path]) -> Samples:
    """A few documents spread evenly over the first file: (URL, text, language)."""
    table = pq.read_table(files[0], columns=["url", "text", "language"])
    places = np.unique(np.linspace(0, table.num_rows - 1, KEPT).astype(int))
    rows = table.take(places).to_pylist() if table.num_rows else []
    return Samples("Kept documents", tuple((row["url"], shorten(row["text"]), row["language"]) for row in rows))


def shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS].rstrip() + " …"


def kept_languages(files: Sequence[Path]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for path in files:
        for entry in pc.value_counts(pq.read_table(path, columns=["language"])["language"]).to_pylist():
            counts[entry["values"]] += entry["counts"]
    return counts


def by_count(counts: Counter[str]) -> dict[str, int]:
    """The most frequent first, equals in alphabetical order."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def replaced(folders: Sequence[Path], found: Deduplicated) -> tuple[int, int]:
    """(e-mail addresses, IP addresses) that were replaced in the documents that stay."""
    emails = ips = 0
    for shard, folder in enumerate(folders):
        kept = found.kept[found.starts[shard] : found.starts[shard + 1]]
        table = pq.read_table(folder / CANDIDATES, columns=["emails", "ips"])
        emails += int(table["emails"].to_numpy()[kept].sum())
        ips += int(table["ips"].to_numpy()[kept].sum())
    return emails, ips
