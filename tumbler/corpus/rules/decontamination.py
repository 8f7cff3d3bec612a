"""Decontamination: documents that share a row of 13 words with an evaluation set.

Brown et al. 2020 (GPT-3, arXiv 2005.14165), Appendix C; words normalised as in datatrove's NGramsDecontFilter.
The n-grams of all sets are one sorted array of 64-bit hashes, which all workers of a machine map.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.words.normal import Normal

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that no bit of a word's hash is lost."""
Hashes = NDArray[np.uint64]
ARRAYS: Final = ("hashes", "items", "present")
REST: Final = "index.json"


@dataclass(frozen=True)
class Item:
    """One question of an evaluation set, in the forms in which a page may hold it."""

    task: str
    passages: tuple[str, ...]


@dataclass(frozen=True)
class Index:
    """The n-grams of evaluation sets. Items are numbered through all tasks."""

    hashes: Hashes
    """(pairs,) rising; an n-gram of several items stands here once for each."""
    items: NDArray[np.int32]
    """(pairs,) the item of each."""
    present: NDArray[np.uint8]
    """Bits: bit h of it is set where an n-gram's hash begins with the bits of h. Most n-grams of a page are turned
    away here, at a tenth of a search's time."""
    sizes: tuple[int, ...]
    """Which lengths n-grams have, in words, the longest first."""
    tasks: tuple[str, ...]
    starts: tuple[int, ...]
    """(tasks + 1,) number of each task's first item; at the end the number of all items."""

    @classmethod
    def open(cls, folder: Path) -> Index:
        """Map what `save` wrote: processes on one machine share its memory."""
        hashes, items, present = (np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in ARRAYS)
        rest = json.loads((folder / REST).read_text(encoding="utf-8"))
        return cls(hashes, items, present, *(tuple(rest[name]) for name in ("sizes", "tasks", "starts")))

    def save(self, folder: Path) -> None:
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        rest = {"sizes": self.sizes, "tasks": self.tasks, "starts": self.starts}
        (folder / REST).write_text(json.dumps(rest), encoding="utf-8")

    def find(self, grams: Hashes) -> Iterator[tuple[int, list[int]]]:
        """The places of the n-grams that are in the index, and the items of each."""
        if not len(self.hashes):
            return
        bits = grams >> np.uint64(64 - _bits(self.present))
        maybe = np.flatnonzero(self.present[bits >> np.uint64(3)] >> (bits & np.uint64(7)).astype(np.uint8) & 1)
        left = self.hashes.searchsorted(grams[maybe])
        found = self.hashes[np.minimum(left, len(self.hashes) - 1)] == grams[maybe]
        places, left = maybe[found], left[found]
        right = self.hashes.searchsorted(grams[places], "right")
        for place, start, end in zip(places.tolist(), left.tolist(), right.tolist(), strict=True):
            yield place, self.items[start:end].tolist()

    def name(self, item: int) -> tuple[str, int]:
        """The task of an item and its place there, from 0."""
        task = int(np.searchsorted(self.starts, item, "right")) - 1
        return self.tasks[task], item - self.starts[task]


def _bits(present: NDArray[np.uint8]) -> int:
    """How many bits of a hash make a place in the table."""
    return (len(present) * 8).bit_length() - 1


@dataclass(frozen=True)
class Contamination:
    """What a document shares with evaluation sets."""

    reason: str
    """`decontamination:` and the task of the first n-gram found."""
    words: str
    """That n-gram, normalised."""
    items: tuple[int, ...]
    """All items that the document shares an n-gram with."""


@dataclass(frozen=True)
class TaskHits:
    task: str
    items: int
    items_hit: int
    documents: int
    """That share an n-gram with an item of this task."""


class Decontamination(Rule):
    """Call with a text's normalised words and an index: None, or what the text shares with evaluation sets."""

    eval_sets: tuple[str, ...] = ()
    """JSONL or JSON files of questions (.gz too), folders of them, .zip files of them."""
    ngram_words: int = 13
    """Words in a row that a document may not share (GPT-3: 13; datatrove's default is 12)."""
    short_item_words: int = 13
    """A question with fewer than `ngram_words` words, but at least this many, counts as one row of words. As it
    stands shorter ones never match, as in datatrove; GPT-3 went down to 8, which finds more and errs more."""
    min_different_words: int = 6
    """N-grams with fewer different words are no sign of copying: to the normalisation all numbers are equal, so that
    every table has a row of thirteen 0 (datatrove counts them: 1)."""

    def __call__(self, normal: Normal, index: Index) -> Contamination | None:
        grams = NGrams(normal)
        first, items = len(grams.words), set[int]()
        for size in index.sizes:
            for place, found in index.find(grams.hashes(size)):
                items.update(found)
                if place < first:
                    first, row, task = place, grams.row(place, size), index.name(found[0])[0]
        return Contamination(f"decontamination:{task}", row, tuple(sorted(items))) if items else None

    def index(self, questions: Iterable[Item]) -> Index:
        """The n-grams of questions, which come task by task."""
        hashes: list[Hashes] = []
        tasks: list[str] = []
        starts: list[int] = []
        sizes: set[int] = set()
        for number, item in enumerate(questions):
            if not tasks or tasks[-1] != item.task:
                tasks.append(item.task)
                starts.append(number)
            found = [pair for passage in item.passages for pair in self._grams(passage)]
            sizes.update(size for size, _ in found)
            hashes.append(np.unique(np.concatenate([np.empty(0, np.uint64), *(values for _, values in found)])))
        return _sorted(hashes, tuple(sorted(sizes, reverse=True)), tuple(tasks), (*starts, len(hashes)))

    def _grams(self, passage: str) -> Iterator[tuple[int, Hashes]]:
        grams = NGrams(Normal(passage))
        size = min(self.ngram_words, len(grams.words))
        if size >= min(self.short_item_words, self.ngram_words):
            yield size, grams.hashes(size)[grams.different(size) >= min(self.min_different_words, size)]


def _sorted(hashes: Sequence[Hashes], sizes: tuple[int, ...], tasks: tuple[str, ...], starts: tuple[int, ...]) -> Index:
    values = np.concatenate([np.empty(0, np.uint64), *hashes])
    owners = np.repeat(np.arange(len(hashes), dtype=np.int32), [len(item) for item in hashes])
    order = np.argsort(values, kind="stable")
    present = np.zeros(1 << (max(len(values), 16).bit_length() + 1), np.uint8)  # 16 to 32 bits an n-gram
    bits = values >> np.uint64(64 - _bits(present))
    np.bitwise_or.at(present, bits >> np.uint64(3), np.uint8(1) << (bits & np.uint64(7)).astype(np.uint8))
    return Index(values[order], owners[order], present, sizes, tasks, starts)


def tally(index: Index, found: Iterable[Contamination]) -> tuple[TaskHits, ...]:
    """Which share of each task was found in the documents."""
    documents: Counter[str] = Counter()
    hit: set[int] = set()
    for contamination in found:
        documents.update({index.name(item)[0] for item in contamination.items})
        hit.update(contamination.items)
    items_hit = Counter(index.name(item)[0] for item in hit)
    return tuple(
        TaskHits(task, end - start, items_hit[task], documents[task])
        for task, (start, end) in zip(index.tasks, pairwise(index.starts), strict=True)
    )


class NGrams:
    """Hashes of the n-grams of a text, of any length."""

    def __init__(self, normal: Normal) -> None:
        self.words = normal.joined.split(b" ")[:-1]
        self.hashed = np.fromiter(map(xxhash.xxh3_64_intdigest, self.words), np.uint64, len(self.words))
        """(words,)"""

    def hashes(self, size: int) -> Hashes:
        """(words - size + 1,) a hash of every `size` words in a row: a polynomial of theirs modulo 2^64."""
        count = max(0, len(self.hashed) - size + 1)
        grams = np.zeros(count, np.uint64)
        for place in range(size):
            grams = grams * _MIX + self.hashed[place : place + count]
        return grams

    def different(self, size: int) -> NDArray[np.int64]:
        """(words - size + 1,) how many different words there are in every `size` words in a row."""
        count = max(0, len(self.words) - size + 1)
        before, starts = _last_places(self.words), np.arange(count)
        fresh = [before[place : place + count] < starts for place in range(size)]
        return np.asarray(np.sum(fresh, axis=0), np.int64)

    def row(self, place: int, size: int) -> str:
        return b" ".join(self.words[place : place + size]).decode()


def _last_places(words: Sequence[bytes]) -> NDArray[np.int64]:
    """(words,) where each word stood last before, -1 for nowhere."""
    last: dict[bytes, int] = {}
    places = np.empty(len(words), np.int64)
    for place, word in enumerate(words):
        places[place] = last.get(word, -1)
        last[word] = place
    return places
