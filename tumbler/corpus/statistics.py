"""Statistics of pages as columns: what the rules measured, one row a page, so that thresholds can be decided later.

A column is named `rule.statistic`, such as `gopher_quality.words`; the rules' frozen dataclasses tell which there are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any, Final, get_args, get_origin, get_type_hints

import pyarrow as pa

from tumbler.corpus.rules import fineweb_quality, gopher_quality, gopher_repetition
from tumbler.corpus.rules.language import LanguageFilter
from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.verdict import PageRules
from tumbler.corpus.words.prose import Prose

BEFORE: Final = ("language", "gopher_repetition", "gopher_quality")
"""Rules with statistics that stand before deduplication, in their order."""
BEHIND: Final = ("c4", "c4_paragraphs", "fineweb_quality")
"""Rules with statistics that stand behind it."""
MEASURED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "language": frozenset({"characters", "early"}),
        "gopher_quality": frozenset({"stop_words"}),
        "c4": frozenset({"enabled", "max_word_length", "remove_citations", "require_end_mark", "min_words_per_line",
                         "ban_lorem_ipsum", "remove_javascript", "ban_curly_brackets", "remove_policies"}),
        "c4_paragraphs": frozenset({"min_characters"}),
        "fineweb_quality": frozenset({"short_line_characters"}),
    }
)  # fmt: skip
"""Settings that the statistics themselves depend on: they can't be decided later."""
EXACT, BAND = "exact", "band_{:02d}"
"""Columns of keys by which duplicates are found; null for a text too short for a signature."""


@dataclass(frozen=True)
class LanguageStatistics:
    """The scores that the language filter judges, best first."""

    codes: tuple[str, ...]
    scores: tuple[float, ...]


def measure(rules: PageRules, text: str, scores: Mapping[str, float]) -> dict[str, Any]:
    """By rule, what it finds in a text that has words; `scores` is what the language filter found."""
    prose = Prose(text)
    refined = rules.c4(text, exact=True)
    left = refined.text if rules.c4.enabled else text
    return {
        "language": LanguageStatistics(tuple(scores), tuple(scores.values())),
        "gopher_repetition": gopher_repetition.measure(prose),
        "gopher_quality": gopher_quality.measure(prose, rules.gopher_quality.stop_words),
        "c4": refined,
        "c4_paragraphs": rules.c4_paragraphs.measure(left),
        "fineweb_quality": fineweb_quality.measure(Prose(left), rules.fineweb_quality.short_line_characters),
    }


def judge(rule: Rule, found: Any) -> str | None:
    """The rule's verdict on its statistics: None, or the reason to drop."""
    if isinstance(rule, LanguageFilter):
        return rule(dict(zip(found.codes, found.scores, strict=True)))
    verdict: str | None = rule.judge(found)  # type: ignore[attr-defined]
    return verdict


def statistics_class(rule: type[Rule]) -> type:
    """The dataclass that a rule's `judge` takes."""
    if issubclass(rule, LanguageFilter):
        return LanguageStatistics
    hints = get_type_hints(rule.judge)  # type: ignore[attr-defined]
    found: type = next(kind for name, kind in hints.items() if name != "return")
    return found


def columns(rules: Mapping[str, Rule], bands: int) -> pa.Schema:
    """The schema of a statistics file: the page, its keys, and what `rules` (by name) measure.

    `bytes` is the size that the text has, or would have, in the corpus; `reason` the first that a rule had that looks
    at a page alone (null: none; duplicates are found later), `late` the first of the rules behind deduplication.
    """
    page = [("id", pa.string()), ("url", pa.string()), ("language", pa.string()), ("language_score", pa.float64()),
            ("bytes", pa.int64()), ("reason", pa.string()), ("late", pa.string())]  # fmt: skip
    keys = [(EXACT, pa.uint64()), *((BAND.format(band), pa.uint64()) for band in range(bands))]
    measured = [
        (f"{name}.{field}", _arrow(kind))
        for name, rule in rules.items()
        for field, kind in _fields(statistics_class(type(rule)))
    ]
    return pa.schema([*page, *keys, *measured])


def row(rules: Mapping[str, Rule], found: Mapping[str, Any]) -> dict[str, Any]:
    """The statistics columns of one page."""
    return {
        f"{name}.{field}": _plain(getattr(found[name], field))
        for name, rule in rules.items()
        for field, _ in _fields(statistics_class(type(rule)))
    }


def from_rows(name: str, rule: type[Rule], batch: pa.RecordBatch) -> Iterator[Any]:
    """A rule's statistics of each page of a batch."""
    cls = statistics_class(rule)
    kinds = _fields(cls)
    lists = [batch.column(f"{name}.{field}").to_pylist() for field, _ in kinds]
    restored = (map(_restore(kind), items) for (_, kind), items in zip(kinds, lists, strict=True))
    return (cls(*values) for values in zip(*restored, strict=True))


def _fields(cls: type) -> list[tuple[str, Any]]:
    hints = get_type_hints(cls)
    return [(field.name, hints[field.name]) for field in dataclasses.fields(cls)]


def _arrow(kind: Any) -> pa.DataType:
    plain = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}
    if kind in plain:
        return plain[kind]
    inner = next(item for item in get_args(kind) if item not in (NoneType, Ellipsis))
    return pa.list_(_arrow(inner)) if get_origin(kind) in (tuple, frozenset) else _arrow(inner)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def _restore(kind: Any) -> Callable[[Any], Any]:
    origin = get_origin(kind)
    return origin if origin in (tuple, frozenset) else lambda value: value
