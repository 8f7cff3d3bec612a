"""What other thresholds would keep: the rules' decisions once more, from statistics instead of texts.

Pages that had no text (dropped by their URL, or empty) have no statistics and stay out of it. What rules without
statistics said (bad words, decontamination) stands as it was said; of a text that C4's or FineWeb's rules took out
before they were asked, they say nothing.
Memory: 24 bytes a page for each of the two sides, and while duplicates are found what `duplicates` states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tumbler.corpus.duplicates.clusters import clusters, pairs
from tumbler.corpus.duplicates.deduplication import EXACT as EXACT_DUPLICATE
from tumbler.corpus.duplicates.deduplication import NEAR as NEAR_DUPLICATE
from tumbler.corpus.report.flow import KEPT, Count, Tally, rule_of
from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.statistics import BAND, BEFORE, BEHIND, EXACT, columns, from_rows, judge
from tumbler.corpus.statistics_reader import StatisticsFiles
from tumbler.recipe import Settings

RULES: Final = (*BEFORE, EXACT_DUPLICATE, NEAR_DUPLICATE, *BEHIND)
"""What can be decided again, in the order of the rules."""
PAGE: Final = ["language", "bytes", "late"]

Codes = NDArray[np.int32]
Numbers = dict[str, int]
"""Texts by number, in the order in which they were met; "" is 0."""


@dataclass(frozen=True)
class Decisions:
    """One side of the comparison: the rules by name, and which duplicates go."""

    rules: Mapping[str, Rule]
    exact: bool
    bands: int
    """Columns of MinHash keys that are compared."""

    @classmethod
    def of(cls, settings: Settings) -> Decisions:
        fields = dict(settings)
        bands = fields["minhash"].bands if fields["minhash"].enabled else 0
        return cls({name: fields[name] for name in (*BEFORE, *BEHIND)}, fields["exact_duplicates"].enabled, bands)


def replay(files: StatisticsFiles, sides: Sequence[Decisions]) -> list[Tally]:
    """For each side, what every page comes to."""
    reasons: Numbers = {"": 0}
    languages: Numbers = {"": 0}
    wanted = [*PAGE, *(name for name in columns(sides[0].rules, 0).names if "." in name)]
    sizes, codes = [np.empty(0, np.int64)], [np.empty((2 + 2 * len(sides), 0), np.int32)]
    for batch in files.batches(wanted):
        sizes.append(batch.column("bytes").to_numpy())
        page = [_numbered(batch.column("language").to_pylist(), languages), _said(batch, reasons)]
        codes.append(
            np.stack([*page, *_verdicts(batch, BEFORE, sides, reasons), *_verdicts(batch, BEHIND, sides, reasons)])
        )
    language, said, *verdicts = np.concatenate(codes, axis=1)
    tallies = []
    for side, before, behind in zip(sides, verdicts[: len(sides)], verdicts[len(sides) :], strict=True):
        repeats = _repeats(files, side, before == 0, reasons)
        outcome = np.select([before > 0, repeats > 0, behind > 0], [before, repeats, behind], said)
        tallies.append(_tally(outcome, language, np.concatenate(sizes), list(reasons), list(languages)))
    return tallies


def _numbered(texts: Sequence[str | None], numbers: Numbers) -> Codes:
    return np.array([numbers.setdefault(text or "", len(numbers)) for text in texts], np.int32)


def _said(batch: pa.RecordBatch, reasons: Numbers) -> Codes:
    """The recorded reasons of rules behind deduplication that have no statistics."""
    texts = batch.column("late").to_pylist()
    return _numbered([None if text is None or rule_of(text) in RULES else text for text in texts], reasons)


def _verdicts(batch: pa.RecordBatch, names: Sequence[str], sides: Sequence[Decisions], reasons: Numbers) -> list[Codes]:
    """For each side the first reason of the named rules; a rule that both sides share is asked once."""
    found = [np.zeros(batch.num_rows, np.int32) for _ in sides]
    for name in names:
        asked: dict[Rule, Codes] = {}
        for side, verdict in zip(sides, found, strict=True):
            rule = side.rules[name]
            if not rule.enabled:
                continue
            if rule not in asked:
                asked[rule] = _numbered([judge(rule, item) for item in from_rows(name, type(rule), batch)], reasons)
            np.copyto(verdict, asked[rule], where=verdict == 0)
    return found


def _repeats(files: StatisticsFiles, side: Decisions, candidates: NDArray[np.bool_], reasons: Numbers) -> Codes:
    """(pages,) the reason of candidates that repeat an earlier one, as `deduplication` decides."""
    found = np.zeros(len(candidates), np.int32)
    exact = _pairs(files, EXACT, candidates) if side.exact else np.empty((0, 2), np.int64)
    near = (_pairs(files, BAND.format(band), candidates) for band in range(side.bands))
    found[clusters(_both(exact, near), len(candidates)).repeated[0]] = reasons.setdefault(NEAR_DUPLICATE, len(reasons))
    found[exact[:, 1]] = reasons.setdefault(EXACT_DUPLICATE, len(reasons))
    return found


def _both(first: NDArray[np.int64], rest: Iterator[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
    yield first
    yield from rest


def _pairs(files: StatisticsFiles, column: str, candidates: NDArray[np.bool_]) -> NDArray[np.int64]:
    keys, present = files.keys(column)
    places = np.flatnonzero(candidates & present)
    return pairs(keys[places], places)


def _tally(
    outcome: Codes, language: Codes, sizes: NDArray[np.int64], reasons: Sequence[str], languages: Sequence[str]
) -> Tally:
    both = outcome.astype(np.int64) * len(languages) + language
    used, places, pages = np.unique(both, return_inverse=True, return_counts=True)
    amounts = np.zeros(len(used), np.int64)
    np.add.at(amounts, places, sizes)
    return {
        (reasons[code // len(languages)] or KEPT, languages[code % len(languages)]): Count(number, size)
        for code, number, size in zip(used.tolist(), pages.tolist(), amounts.tolist(), strict=True)
    }
