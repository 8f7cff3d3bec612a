"""Repetition rules of Gopher (Rae et al. 2021, arXiv 2112.11446, Table A1), counted as datatrove does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.words.prose import Prose
from tumbler.corpus.words.spelling import BASE, Hashes, Spelling

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
        by_lines = _of_lines(prose.text)
        if reason := self.judge(by_lines):
            return reason  # and the words are never asked for
        return self.judge(_with_ngrams(by_lines, prose, self.max_duplicate_ngram_characters))

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
    """The statistics of a text that has words."""
    return _with_ngrams(_of_lines(prose.text), prose, (0.0,) * len(DUPLICATE_SIZES))


def _of_lines(text: str) -> RepetitionStatistics:
    size = len(text)
    if "\n\n\n" in text:
        paragraphs, lines = _PARAGRAPHS.split(text.strip()), _LINES.split(text)
    else:  # the same, faster
        paragraphs, lines = text.strip().split("\n\n"), text.replace("\n\n", "\n").split("\n")
    paragraph_count, paragraph_characters = duplicates(paragraphs)
    line_count, line_characters = duplicates(lines)
    return RepetitionStatistics(
        duplicate_paragraphs=paragraph_count / len(paragraphs),
        duplicate_paragraph_characters=paragraph_characters / size,
        duplicate_lines=line_count / len(lines),
        duplicate_line_characters=line_characters / size,
        top_ngram_characters=(0.0,) * len(TOP_SIZES),
        duplicate_ngram_characters=(0.0,) * len(DUPLICATE_SIZES),
    )


def _with_ngrams(found: RepetitionStatistics, prose: Prose, enough: Sequence[float]) -> RepetitionStatistics:
    """`enough`: a share of duplicate n-grams that is surely not above this may be given as 0."""
    size = len(prose.text)
    return replace(
        found,
        top_ngram_characters=tuple(count / size for count in _top_characters(prose)),
        duplicate_ngram_characters=tuple(count / size for count in _duplicate_characters(prose, enough)),
    )


def duplicates(items: list[str]) -> tuple[int, int]:
    """(count, characters) of items that occurred before."""
    if len(set(items)) == len(items):
        return 0, 0
    seen: set[str] = set()
    count = characters = 0
    for item in items:
        if item in seen:
            count += 1
            characters += len(item)
        else:
            seen.add(item)
    return count, characters


def _top_characters(prose: Prose) -> Iterator[int]:
    """For 2-, 3- and 4-grams: characters in all occurrences of the most frequent one (the first of equals), its
    words joined by a space."""
    words, ends = prose.ids.astype(np.uint64) + np.uint64(1), prose.ends
    grams = words
    for n in TOP_SIZES:
        if len(words) < n:
            yield 0
            continue
        grams = grams[: len(words) - n + 1] * BASE + words[n - 1 :]
        place, count = _most_frequent(grams)
        yield int(ends[place + n] - ends[place] + n - 1) * count


def _most_frequent(values: Hashes) -> tuple[int, int]:
    """(place, count) of the value that occurs most often, the first of equals."""
    ordered = np.sort(values)
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(starts, append=len(ordered))
    most = int(counts.max())
    if most == 1:
        return 0, 1
    places = [int((values == value).argmax()) for value in ordered[starts[counts == most]]]
    return min(places), most


def _duplicate_characters(prose: Prose, enough: Sequence[float]) -> Iterator[int]:
    """For 5- to 10-grams: characters of n-grams seen before, from left to right; after one, counting goes on behind
    it. N-grams are equal when they spell the same, wherever their words begin (as datatrove joins them)."""
    ends, spelling, size = prose.ends, Spelling(prose.hashes, prose.ends), len(prose.text)
    for n, share in zip(DUPLICATE_SIZES, enough, strict=True):
        if len(ends) <= n:
            yield 0
            continue
        grams = spelling.ngrams(n)
        ordered = np.sort(grams)
        again = int(np.count_nonzero(ordered[1:] == ordered[:-1]))
        if not again or again * int((ends[n:] - ends[:-n]).max()) / size <= share:
            yield 0
            continue
        places = _repeated(grams)
        yield _characters_seen_before(grams[places], places, ends, n)


def _repeated(grams: Hashes) -> NDArray[np.int64]:
    """The rising places of the values that occur more than once."""
    order = np.argsort(grams)
    same = grams[order[1:]] == grams[order[:-1]]
    again = np.zeros(len(grams), bool)
    again[order[1:][same]] = again[order[:-1][same]] = True
    return np.flatnonzero(again)


def _characters_seen_before(grams: Hashes, places: NDArray[np.int64], ends: NDArray[np.int64], n: int) -> int:
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
