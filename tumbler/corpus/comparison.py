"""A corpus as it is beside what other settings would make of it: which settings may differ, what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tumbler.corpus.replay import RULES
from tumbler.corpus.report.flow import KEPT, Count, Tally, by_language, by_outcome, rule_of
from tumbler.corpus.rules.language import LanguageFilter
from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.statistics import BEFORE, BEHIND, MEASURED
from tumbler.errors import UserError
from tumbler.html.numbers import size
from tumbler.recipe import Settings
from tumbler.views import Table

SWITCHES: Final = ("exact_duplicates.enabled", "minhash.enabled")
"""Settings that can be decided later, beside those of rules with statistics."""
LANGUAGES: Final = 10


def check(before: Settings, now: Settings) -> None:
    """Raise UserError, a line each, for settings that differ and can't be decided from statistics."""
    wrong = [path for path in changes(before, now) if not _decidable(path)]
    lines = [f"replay: {path} shapes what was measured; to change it, make the corpus again" for path in wrong]
    lines += [*_unknown_scores(before, now), *_unknown_signatures(before, now)]
    if lines:
        raise UserError("\n".join(lines))


def changes(before: Settings, now: Settings, prefix: str = "") -> Iterator[str]:
    """Paths of the settings that differ, such as `gopher_quality.min_words`."""
    for name, value in before:
        other = getattr(now, name)
        if isinstance(value, Settings):
            yield from changes(value, other, f"{prefix}{name}.")
        elif value != other:
            yield prefix + name


def _decidable(path: str) -> bool:
    rule, _, key = path.partition(".")
    return path in SWITCHES or (rule in (*BEFORE, *BEHIND) and key not in MEASURED.get(rule, ()))


def _unknown_scores(before: Settings, now: Settings) -> Iterator[str]:
    """The best k languages were kept: one that was not has a score of at most 1 / (k + 1)."""
    was, wanted = dict(before)["language"], dict(now)["language"]
    assert isinstance(was, LanguageFilter) and isinstance(wanted, LanguageFilter)
    lowest = 1 / (was.candidates() + 1)
    if wanted.threshold < min(lowest, was.threshold):
        yield f"replay: language.threshold = {wanted.threshold} is below {lowest:.2f}: lower scores were not kept"


def _unknown_signatures(before: Settings, now: Settings) -> Iterator[str]:
    was, wanted = dict(before)["minhash"], dict(now)["minhash"]
    assert isinstance(was, Rule) and isinstance(wanted, Rule)
    if wanted.enabled and not was.enabled:
        yield "replay: minhash.enabled: the corpus was made without it, so no signatures were kept"


def tables(before: Tally, now: Tally) -> tuple[Table, Table]:
    """What is kept, in all and by language; what each rule takes out."""
    return Table("Kept", ("", "as it is", "replayed", "change"), tuple(_kept(before, now))), Table(
        "Dropped pages", ("rule", "as it is", "replayed", "change"), tuple(_dropped(before, now))
    )


def _kept(before: Tally, now: Tally) -> Iterator[tuple[str, str, str, str]]:
    was, wanted = (by_outcome(tally).get(KEPT, Count()) for tally in (before, now))
    yield "documents", f"{was.pages:,}", f"{wanted.pages:,}", _signed(wanted.pages - was.pages)
    more = wanted.bytes - was.bytes
    yield "text", size(was.bytes), size(wanted.bytes), ("+" * (more > 0) + size(more)) if more else ""
    old, new = (by_language(tally, {KEPT}) for tally in (before, now))
    largest = sorted({*old, *new}, key=lambda name: (-max(_pages(old, name), _pages(new, name)), name))
    for name in largest[:LANGUAGES]:
        was_kept, is_kept = _pages(old, name), _pages(new, name)
        yield f"documents in {name}", f"{was_kept:,}", f"{is_kept:,}", _signed(is_kept - was_kept)


def _dropped(before: Tally, now: Tally) -> Iterator[tuple[str, int, int, str]]:
    old, new = _by_rule(before), _by_rule(now)
    others = sorted({*old, *new} - {*RULES})
    for rule in (*RULES, *others):
        yield rule, old.get(rule, 0), new.get(rule, 0), _signed(new.get(rule, 0) - old.get(rule, 0))


def _by_rule(tally: Tally) -> dict[str, int]:
    pages: dict[str, int] = {}
    for outcome, amount in by_outcome(tally).items():
        if outcome != KEPT:
            pages[rule_of(outcome)] = pages.get(rule_of(outcome), 0) + amount.pages
    return pages


def _pages(counts: Mapping[str, Count], name: str) -> int:
    return counts.get(name, Count()).pages


def _signed(number: int) -> str:
    return f"{number:+,}".replace("-", "−") if number else ""
