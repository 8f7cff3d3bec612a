"""What a corpus shows to people: lengths, languages, examples of what was removed and kept, clusters of duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tumbler.corpus.report.flow import KEPT, Count, Tally, by_language
from tumbler.html.numbers import share
from tumbler.views import Histogram, Samples, Table

EDGES: Final = (0, *(digit * 10**power for power in range(12) for digit in (1, 2, 5)))
"""Where the bins of lengths begin: 0, 1, 2, 5, 10, 20, 50, ... (three a decade, with labels that one can read)."""
EACH: Final = 3
"""Examples of a reason."""
SHOWN_CHARACTERS: Final = 600
SHOWN_URL_CHARACTERS: Final = 200
CLUSTERS: Final = 12
MEMBERS: Final = 5
"""Documents of one cluster that are named, beside the one that stays."""


@dataclass(frozen=True)
class Example:
    """A page as people see it: the beginning of its text and where it is from."""

    text: str
    url: str


@dataclass(frozen=True)
class Cluster:
    """Documents that repeat each other. `kept` is the one that stays; `members` are URLs of some others."""

    size: int
    kept: Example
    members: tuple[str, ...]


@dataclass
class Examples:
    """The first few pages of each reason, in the order in which they are offered."""

    found: dict[str, list[Example]] = field(default_factory=dict)

    def offer(self, reason: str, text: str, url: str) -> None:
        items = self.found.setdefault(reason, [])
        if len(items) < EACH:
            items.append(Example(shorten(text), _short_url(url)))

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        """Offer what `rows` of others gave."""
        for reason, text, url in rows:
            self.offer(reason, text, url)

    def rows(self) -> list[tuple[str, str, str]]:
        """(reason, text, URL): what JSON can hold, and `add` takes again."""
        return [(reason, item.text, item.url) for reason, items in self.found.items() for item in items]


def length_bins(sizes: NDArray[np.integer[Any]]) -> Counter[int]:
    """How many sizes lie in each bin, by the bin's number in EDGES."""
    numbers, counts = np.unique(np.searchsorted(EDGES, sizes, side="right") - 1, return_counts=True)
    return Counter(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))


def lengths(title: str, x: str, kept: Mapping[int, int], removed: Mapping[int, int]) -> Histogram:
    """Numbers of pages by bin. The bins reach from the first to the last that holds a page."""
    places = [place for counts in (kept, removed) for place, number in counts.items() if number]
    used = range(min(places), max(places) + 1) if places else range(0)
    bins = tuple((EDGES[n], EDGES[n + 1], (kept.get(n, 0), removed.get(n, 0))) for n in used)
    return Histogram(title, x, "pages", ("kept", "removed"), bins)


def languages(tally: Tally) -> Table:
    """Every language with a page: what came in and what was kept of it."""
    kept = by_language(tally, {KEPT})
    rows = []
    for language, amount in by_language(tally).items():
        left = kept.get(language, Count())
        if language and amount.pages:
            rows.append((language, amount.pages, left.pages, share(left.pages, amount.pages), left.bytes))
    return Table("Languages", ("language", "pages in", "documents", "kept", "bytes"), tuple(rows))


def removed(examples: Examples, reasons: Sequence[str]) -> Samples:
    """(reason, text, URL), in the order of `reasons`."""
    items = ((reason, item.text, item.url) for reason in reasons for item in examples.found.get(reason, ()))
    return Samples("Removed pages", tuple(items))


def kept(rows: Iterable[tuple[str, str, str]]) -> Samples:
    """Some documents that stay, given as (URL, text, language)."""
    return Samples("Kept documents", tuple((_short_url(url), shorten(text), language) for url, text, language in rows))


def clusters(found: Iterable[Cluster]) -> Samples:
    """The largest first: how many documents, their text, where the one that stays and some others are from."""
    largest = sorted(found, key=lambda item: (-item.size, item.kept.url))[:CLUSTERS]
    return Samples("Clusters of duplicates", tuple(_cluster(item) for item in largest))


def _cluster(item: Cluster) -> tuple[str, str, str]:
    named = item.members[:MEMBERS]
    more = item.size - 1 - len(named)
    lines = [f"kept: {_short_url(item.kept.url)}", *(f"same: {_short_url(url)}" for url in named)]
    lines += [f"and {more:,} more"] if more else []
    return f"{item.size:,} documents", shorten(item.kept.text), "\n".join(lines)


def shorten(text: str, most: int = SHOWN_CHARACTERS) -> str:
    return text if len(text) <= most else text[:most].rstrip() + " …"


def _short_url(url: str) -> str:
    return shorten(url, SHOWN_URL_CHARACTERS)
