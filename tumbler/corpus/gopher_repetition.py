"""Repetition rules of Gopher (Rae et al. 2021, arXiv 2112.11446, Table A1), counted as datatrove does."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumbler.corpus.rule import Rule
from tumbler.corpus.words import Prose

_PARAGRAPHS = re.compile(r"\n{2,}")
_LINES = re.compile(r"\n+")
TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)


@dataclass(frozen=True)
class RepetitionStatistics:
    """Fractions of a text: of its paragraphs or lines, or of its characters."""

    duplicate_paragraphs: float
    duplicate_paragraph_characters: float
    duplicate_lines: float
    duplicate_line_characters: float
    top_ngram_characters: tuple[float, ...]
    """For 2-, 3- and 4-grams: characters in all occurrences of the most frequent one."""
    duplicate_ngram_characters: tuple[float, ...]
    """For 5- to 10-grams: characters in occurrences after the first, none counted twice."""


class GopherRepetition(Rule):
    """Call with the text's words: None or `gopher_repetition:` and the first fraction that is too high."""

    max_duplicate_paragraphs: float = 0.30
    """Duplicate paragraph fraction (Table A1)."""
    max_duplicate_paragraph_characters: float = 0.20
    """Duplicate paragraph character fraction (Table A1)."""
    max_duplicate_lines: float = 0.30
    """Duplicate line fraction (Table A1)."""
    max_duplicate_line_characters: float = 0.20
    """Duplicate line character fraction (Table A1)."""
    max_top_ngram_characters: tuple[float, float, float] = (0.20, 0.18, 0.16)
    """Top 2-, 3-, 4-gram character fraction (Table A1)."""
    max_duplicate_ngram_characters: tuple[float, float, float, float, float, float] = (
        0.15, 0.14, 0.13, 0.12, 0.11, 0.10,
    )  # fmt: skip
    """Duplicate 5-, 6-, 7-, 8-, 9-, 10-gram character fraction (Table A1)."""

    def __call__(self, prose: Prose) -> str | None:
        return self.judge(measure(prose))

    def judge(self, found: RepetitionStatistics) -> str | None:
        if found.duplicate_paragraphs > self.max_duplicate_paragraphs:
            return "gopher_repetition:duplicate_paragraphs"
        if found.duplicate_paragraph_characters > self.max_duplicate_paragraph_characters:
            return "gopher_repetition:duplicate_paragraph_characters"
        if found.duplicate_lines > self.max_duplicate_lines:
            return "gopher_repetition:duplicate_lines"
        if found.duplicate_line_characters > self.max_duplicate_line_characters:
            return "gopher_repetition:duplicate_line_characters"
        for n, share, limit in zip(TOP_SIZES, found.top_ngram_characters, self.max_top_ngram_characters, strict=True):
            if share > limit:
                return f"gopher_repetition:top_{n}_gram"
        limits = self.max_duplicate_ngram_characters
        for n, share, limit in zip(DUPLICATE_SIZES, found.duplicate_ngram_characters, limits, strict=True):
            if share > limit:
                return f"gopher_repetition:duplicate_{n}_grams"
        return None


def measure(prose: Prose) -> RepetitionStatistics:
    """The statistics of a text that is not empty."""
    size = len(prose.text)
    paragraphs = _PARAGRAPHS.split(prose.text.strip())
    lines = _LINES.split(prose.text)
    paragraph_count, paragraph_characters = _duplicates(paragraphs)
    line_count, line_characters = _duplicates(lines)
    grams, top, duplicate = prose.ids, [], []
    for n in range(2, TOP_SIZES[-1] + 1):
        grams = _longer(grams, prose.ids)
        top.append(_top_characters(grams, prose.lengths, n) / size)
    ends = np.concatenate([[0], np.cumsum(prose.lengths)])
    places = np.arange(len(grams))
    for n in DUPLICATE_SIZES:
        grams, places = _repeated(grams, places, prose.ids, n)
        duplicate.append(_duplicate_characters(grams, places, ends, n) / size)
    return RepetitionStatistics(
        duplicate_paragraphs=paragraph_count / len(paragraphs),
        duplicate_paragraph_characters=paragraph_characters / size,
        duplicate_lines=line_count / len(lines),
        duplicate_line_characters=line_characters / size,
        top_ngram_characters=tuple(top),
        duplicate_ngram_characters=tuple(duplicate),
    )


def _duplicates(items: list[str]) -> tuple[int, int]:
    """(count, characters) of items that occurred before."""
    seen: set[str] = set()
    count = characters = 0
    for item in items:
        if item in seen:
            count += 1
            characters += len(item)
        else:
            seen.add(item)
    return count, characters


def _longer(grams: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the (n+1)-grams from numbers of the n-grams, both by place: equal number, equal gram."""
    last = ids[len(ids) - len(grams) + 1 :]
    pairs = grams[: len(last)] * (len(ids) + 1) + last
    return np.unique(pairs, return_inverse=True)[1] if len(pairs) else pairs


def _top_characters(grams: NDArray[np.int64], lengths: NDArray[np.int64], n: int) -> int:
    """Characters in all occurrences of the most frequent n-gram (the first of equals), words joined by a space."""
    if not len(grams):
        return 0
    _, first, counts = np.unique(grams, return_index=True, return_counts=True)
    most = int(counts.max())
    place = int(first[counts == most].min())
    return (int(lengths[place : place + n].sum()) + n - 1) * most


def _repeated(
    grams: NDArray[np.int64], places: NDArray[np.int64], ids: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers and places of the n-grams that occur more than once, from the (n-1)-grams that may."""
    inside = places + n <= len(ids)
    grams, places = grams[inside], places[inside]
    if not len(places):
        return grams, places
    pairs = grams * (len(ids) + 1) + ids[places + n - 1]
    _, numbers, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    twice = counts[numbers] > 1
    return numbers[twice], places[twice]


def _duplicate_characters(grams: NDArray[np.int64], places: NDArray[np.int64], ends: NDArray[np.int64], n: int) -> int:
    """Characters of n-grams seen before, from left to right; after one, counting goes on behind it."""
    seen: set[int] = set()
    characters = free = 0
    for gram, place in zip(grams.tolist(), places.tolist(), strict=True):
        if place < free:
            continue
        if gram in seen:
            characters += int(ends[place + n] - ends[place])
            free = place + n
        else:
            seen.add(gram)
    return characters
