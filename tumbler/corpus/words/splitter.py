"""spaCy's English tokenizer on one run of characters without space: the same words, several times as fast.

FineWeb counts words as spaCy splits them (https://spacy.io/usage/linguistic-features#how-tokenizer-works).
The rules (prefixes, suffixes, infixes, addresses, 1,300 special cases) are spaCy's own; only the loop over
them is here, and it asks a rule only where the run has a character that the rule could want. Only spaCy looks for
special cases across single spaces too: the `) :` of `) :)don't` is its `):`, and hides `:)` from it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_letters
from typing import Final

from tumbler.corpus.words.spacy_reader import read_spacy_rules

Words = tuple[str, ...]
LONGEST_SUFFIX: Final = 16
"""No suffix but a row of dots is longer, so only the end of a run is searched."""
LONGEST_RUN: Final = 2000
"""The rules' time grows with the square of a run; a longer one (no word, no address) is split as if cut by spaces."""
EDGES: Final = frozenset("([{<>)]}\"'`“”‘’*_#&,;:!?")
"""Marks that are a prefix of their own at the beginning of a run, and a suffix of their own at its end."""
BEFORE_LETTERS: Final = frozenset("0123456789'’/")
"""Letters at the end of a run are a suffix only behind one of these: 5km, 3m/s, it's."""
_EDGE: Final = f"[{re.escape(''.join(sorted(EDGES)))}]"
_SIMPLE: Final = re.compile(
    rf"""({_EDGE}?)                                               # a prefix
    ((?:[A-Za-z0-9][A-Za-z0-9_]*)?[0-9]|(?:[A-Za-z0-9][A-Za-z0-9_]*_)?[A-Za-z]+)  # letters and digits, but no unit
    ((?<=[a-z0-9])\.|{_EDGE}?)                                   # a suffix""",
    re.VERBOSE,
)
"""Most runs that are not letters alone: with these, and nothing that is a special case, no rule but EDGES applies."""
_INFIX_START: Final = re.compile(r"[.+\-*^,:<>=/~]")
"""Every infix in ASCII begins with one of these."""


@dataclass(frozen=True)
class Splitter:
    """Call with a run of characters that holds no space: its words."""

    special: Mapping[str, Words]
    """Runs whose words are listed: `don't`, `p.m.`, `:)`."""
    rows: Mapping[Words, Mapping[Words, Words]]
    """By the first two words: rows of words, as the affix rules alone would split them, that are a special case after
    all."""
    prefix: Callable[[str], re.Match[str] | None]
    suffix: Callable[[str, int], re.Match[str] | None]
    infix: re.Pattern[str]
    address: Callable[[str], re.Match[str] | None]

    def __call__(self, run: str) -> Words:
        if (known := self.special.get(run)) is not None:
            return known
        if run.isalpha():
            return (run,)
        if len(run) > LONGEST_RUN:
            pieces = (run[start : start + LONGEST_RUN] for start in range(0, len(run), LONGEST_RUN))
            return tuple(word for piece in pieces for word in self(piece))
        if (found := _SIMPLE.fullmatch(run)) and self.special.keys().isdisjoint(_inner(found)):
            return tuple(filter(None, found.groups()))
        words = self.by_affixes(run)
        if len(words) == 1 or self.rows.keys().isdisjoint(pairwise(words)):
            return tuple(words)
        return self._with_rows(words)

    def by_affixes(self, run: str) -> list[str]:
        before: list[str] = []
        after: list[str] = []
        while run and run not in self.special and not run.isalpha():
            start, size = self._prefix_size(run), 0
            if not (start and run[start:] in self.special):
                size = self._suffix_size(run[start:])
                if size and run[:-size] in self.special:
                    start = 0
            if start:
                before.append(run[:start])
            if size:
                after.append(run[-size:])
            if not start and not size:
                break
            run = run[start : len(run) - size]
        return [*before, *self._core(run), *reversed(after)]

    def _prefix_size(self, run: str) -> int:
        first = run[0]
        if first in EDGES:
            return 1
        if first.isalnum() and "$" not in run:  # the one prefix with letters is US$
            return 0
        found = self.prefix(run)
        return found.end() if found else 0

    def _suffix_size(self, run: str) -> int:
        if not run:
            return 0
        last = run[-1]
        if last in EDGES:
            return 1
        if (
            last.isascii()
            and last.isalnum()
            and (last.isdigit() or run.rstrip(ascii_letters)[-1:] not in BEFORE_LETTERS)
        ):
            return 0
        found = self.suffix(run, 0 if run.endswith("..") else max(0, len(run) - LONGEST_SUFFIX))
        return len(run) - found.start() if found else 0

    def _core(self, core: str) -> Iterable[str]:
        if not core:
            return ()
        if (known := self.special.get(core)) is not None:
            return known
        is_ascii = core.isascii()
        if is_ascii and not _INFIX_START.search(core):
            return (core,)
        if "." in core and self.address(core):
            return (core,)
        return _cut(core, self._infixes(core) if is_ascii else self.infix.finditer(core))

    def _infixes(self, core: str) -> Iterator[re.Match[str]]:
        """Of a core in ASCII. Asked at the few places that could begin one, the long expression is soon done."""
        end = 0
        for start in _INFIX_START.finditer(core):
            if start.start() >= end and (found := self.infix.match(core, start.start())):
                yield found
                end = found.end()

    def _with_rows(self, words: list[str]) -> Words:
        """Rows among the words that are special cases become what is listed; of overlapping ones the longest."""
        found = [
            (len(row), -start, listed)
            for start, pair in enumerate(pairwise(words))
            for row, listed in self.rows.get(pair, {}).items()
            if tuple(words[start : start + len(row)]) == row
        ]
        chosen: dict[int, tuple[int, Words]] = {}
        taken: set[int] = set()
        for size, place, listed in sorted(found, reverse=True):
            if not taken & {-place, size - place - 1}:
                chosen[-place] = size, listed
            taken.update(range(-place, size - place))
        return tuple(_replaced(words, chosen)) if chosen else tuple(words)


def _inner(found: re.Match[str]) -> Words:
    """What is left without the prefix, without the suffix, and without both."""
    prefix, core, suffix = found.groups()
    return prefix + core, core + suffix, core


def _cut(core: str, infixes: Iterable[re.Match[str]]) -> Iterator[str]:
    """What lies between the infixes, and the infixes; one at the very beginning cuts nothing."""
    start = 0
    for found in infixes:
        if found.start() == 0:
            continue
        if found.start() != start:
            yield core[start : found.start()]
        if found.end() != found.start():
            yield found.group()
        start = found.end()
    if start < len(core):
        yield core[start:]


def _replaced(words: list[str], chosen: dict[int, tuple[int, Words]]) -> Iterator[str]:
    place = 0
    while place < len(words):
        size, listed = chosen.get(place, (1, (words[place],)))
        yield from listed
        place += size


@functools.cache
def english() -> Splitter:
    """The rules of `spacy.blank("en")`."""
    rules = read_spacy_rules()
    prefix, suffix, infix = re.compile(rules.prefix), re.compile(rules.suffix), re.compile(rules.infix)
    searches = prefix.search, suffix.search, infix, re.compile(rules.address).match
    plain = Splitter({}, {}, *searches)
    rows: dict[Words, dict[Words, Words]] = {}
    for run, words in rules.special.items():
        if prefix.search(run) or infix.search(run) or suffix.search(run):
            row = tuple(plain.by_affixes(run))
            if row != words:
                rows.setdefault(row[:2], {})[row] = words
    return Splitter(rules.special, rows, *searches)
