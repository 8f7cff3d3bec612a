"""Outlinks: keep only the pages that a list of URLs names, as WebText kept what Reddit's users linked to.

Radford et al. 2019 (GPT-2), section 2.1: links with at least 3 karma; the list and its threshold are yours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from tumbler.crawl.pages import Dropped, Page
from tumbler.recipe import Settings

NOT_LISTED: Final = Dropped("not in outlinks")
_SCHEME = re.compile(r"(?:[a-z][a-z0-9+-]*:)?//", re.IGNORECASE)
"""A scheme may have a dot, but none of the web's has: `a.org://` is a host with an empty port."""
_URL = re.compile(r"(?:https?:)?//(?:www\.)?([^/?#]*)([^?#]*)(\?[^#]*)?", re.IGNORECASE)


class Outlinks(Settings):
    """Which pages stay, by their URL."""

    files: tuple[str, ...]
    """Lists of URLs: text with one on each line, or JSONL with the field `url`; each may be .gz, and lie anywhere
    that fsspec reads. Scheme, `www.`, default port, fragment and last slash make no difference."""


@dataclass(frozen=True)
class PageSet:
    """Pages by their URLs, as sorted 64-bit hashes: 8 bytes a page. Of 50 million, one query in 10^11 errs."""

    hashes: NDArray[np.uint64]
    """(pages,) sorted."""

    @classmethod
    def of(cls, urls: Iterable[str]) -> PageSet:
        return cls(np.unique(np.fromiter(map(_hash, urls), np.uint64)))

    @classmethod
    def open(cls, path: Path) -> PageSet:
        """Map a file that `numpy.save` wrote of `hashes`: processes on one machine share its memory."""
        return cls(np.asarray(np.load(path, mmap_mode="r")))  # a plain array: queries on a memmap are slower

    def __contains__(self, url: str) -> bool:
        value = np.uint64(_hash(url))
        place = int(self.hashes.searchsorted(value))
        return place < len(self.hashes) and bool(self.hashes[place] == value)

    def __len__(self) -> int:
        return len(self.hashes)


def only_listed(records: Iterable[Page | Dropped], listed: PageSet) -> Iterator[Page | Dropped]:
    """The records, with `Dropped("not in outlinks")` in the place of each page that the list does not name."""
    for record in records:
        yield record if isinstance(record, Dropped) or record.url in listed else NOT_LISTED


def normalised(url: str) -> str:
    """What all spellings of a page's URL have in common. A URL without a scheme is taken for a web page's."""
    url = url.strip()
    found = _URL.match(url if _SCHEME.match(url) else f"//{url}")
    if found is None:  # another scheme
        return url
    host, path, query = found.groups("")
    return re.sub(r"\.?(:(80|443)?)?$", "", host.lower()) + path.rstrip("/") + query


def _hash(url: str) -> int:
    return xxhash.xxh3_64_intdigest(normalised(url).encode("utf-8", "surrogatepass"))
