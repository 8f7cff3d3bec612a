"""The balance of a corpus: every page and byte that came in was kept, or taken out by a rule for a reason.

Each shard keeps a tally; tallies add up, and the flow through the rules, by language, follows from their sum.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tumbler.views import Flow, Passage

KEPT: Final = "kept"
"""The outcome of what no rule took out."""
ALL, OTHER, NONE = "all", "other", "none"
"""Names of groups: everything, all but the largest languages, pages that were dropped before they had a text."""
LANGUAGES: Final = 8
"""Languages that get a group of their own."""


@dataclass(frozen=True)
class Count:
    pages: int = 0
    bytes: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.pages + other.pages, self.bytes + other.bytes)


Tally = dict[tuple[str, str], Count]
"""By outcome (KEPT, or a reason `rule:what`) and language ("" for none). The bytes are those of a page's form when
it met its outcome: its body before extraction, its text after. A rule that changes texts has an outcome of no pages
and the bytes that it took away (`extraction:markup`, `c4:lines`; fewer than 0 when the texts grew)."""


def count(tally: Tally, outcome: str, language: str, size: int, pages: int = 1) -> None:
    """Add `pages` of together `size` bytes."""
    key = (outcome, language)
    tally[key] = tally.get(key, Count()) + Count(pages, size)


def merged(tallies: Iterable[Tally]) -> Tally:
    total: Tally = {}
    for tally in tallies:
        for key, amount in tally.items():
            total[key] = total.get(key, Count()) + amount
    return total


def to_rows(tally: Tally) -> list[tuple[str, str, int, int]]:
    """(outcome, language, pages, bytes), sorted: the tally as JSON has it."""
    return sorted((outcome, language, amount.pages, amount.bytes) for (outcome, language), amount in tally.items())


def from_rows(rows: Iterable[Sequence[str | int]]) -> Tally:
    return {(str(outcome), str(language)): Count(int(pages), int(size)) for outcome, language, pages, size in rows}


def dropped(tally: Tally, rules: Sequence[str]) -> dict[str, int]:
    """How many pages each reason took: in the order of the rules, and of one rule the most frequent first."""
    pages: dict[str, int] = {}
    for (outcome, _), amount in tally.items():
        if outcome != KEPT and amount.pages:
            pages[outcome] = pages.get(outcome, 0) + amount.pages
    return dict(sorted(pages.items(), key=lambda item: (rules.index(rule_of(item[0])), -item[1], item[0])))


def rule_of(outcome: str) -> str:
    return outcome.partition(":")[0]


def by_language(tally: Tally, outcomes: Collection[str] | None = None) -> dict[str, Count]:
    """What met one of `outcomes` (None: all there are), by language: the most pages first."""
    found: dict[str, Count] = {}
    for (outcome, language), amount in tally.items():
        if outcomes is None or outcome in outcomes:
            found[language] = found.get(language, Count()) + amount
    return dict(sorted(found.items(), key=lambda item: (-item[1].pages, -item[1].bytes, item[0])))


def flow(tally: Tally, rules: Sequence[str], title: str = "Corpus", languages: int = LANGUAGES) -> Flow:
    """The flow through `rules` (in order; one may have taken nothing), for the languages that most is kept of."""
    stays = by_language(tally, {KEPT})
    known = sorted(filter(None, by_language(tally)), key=lambda name: -stays.get(name, Count()).pages)
    largest = known if len(known) <= languages + 1 else known[:languages]
    rest = known[len(largest) :]
    parts = [*((name, [name]) for name in largest), (OTHER, rest), (NONE, [""])]
    groups = [(ALL, passages(tally, rules)), *((name, passages(_of(tally, part), rules)) for name, part in parts)]
    return Flow(title, "pages", tuple(group for group in groups if group[0] == ALL or _has_pages(group[1])))


def passages(tally: Tally, rules: Sequence[str]) -> tuple[Passage, ...]:
    """In and out of each rule, from the last to the first: what goes in is what comes out and what it took."""
    reasons = _reasons(tally, rules)
    found: list[Passage] = []
    out = by_outcome(tally).get(KEPT, Count())
    for rule in reversed(rules):
        into = sum((amount for _, amount in reasons[rule]), out)
        told = tuple((what, amount.pages, amount.bytes) for what, amount in reasons[rule])
        found.append(Passage(rule, into.pages, out.pages, into.bytes, out.bytes, told))
        out = into
    return tuple(reversed(found))


def by_outcome(tally: Tally) -> dict[str, Count]:
    found: dict[str, Count] = {}
    for (outcome, _), amount in tally.items():
        found[outcome] = found.get(outcome, Count()) + amount
    return found


def _reasons(tally: Tally, rules: Sequence[str]) -> dict[str, list[tuple[str, Count]]]:
    """Of each rule (what, how much), the most pages first."""
    found: dict[str, list[tuple[str, Count]]] = {rule: [] for rule in rules}
    for outcome, amount in by_outcome(tally).items():
        if outcome != KEPT:
            rule, _, what = outcome.partition(":")
            found[rule].append((what, amount))
    for items in found.values():
        items.sort(key=lambda item: (-item[1].pages, -item[1].bytes, item[0]))
    return found


def _of(tally: Tally, languages: Collection[str]) -> Tally:
    return {key: amount for key, amount in tally.items() if key[1] in languages}


def _has_pages(steps: Sequence[Passage]) -> bool:
    return bool(steps) and steps[0].items_in > 0
