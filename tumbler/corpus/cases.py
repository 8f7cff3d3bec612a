"""The pages of a row group through the rules: part by part, for so each part finds its tables in the processor's
cache (page by page, language model, parser and word tables threw each other out: a quarter of the time)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tumbler.corpus.duplicates.keys import text_keys
from tumbler.corpus.duplicates.minhash import MinHash
from tumbler.corpus.extraction.extraction import CRASH
from tumbler.corpus.page_limit import PageGuard
from tumbler.corpus.page_reader import Pages, read_pages
from tumbler.corpus.verdict import PageRules, References, Refined, Verdict, admitted, read, refine, told, weighed


@dataclass
class Case:
    """A page and what has been said of it so far."""

    page: dict[str, Any]
    verdict: Verdict
    refined: Refined | None = None
    """What the rules behind deduplication say, with `keys`, of a text that stays so far; of others where wanted."""
    keys: list[int] | None = None

    @property
    def stays(self) -> bool:
        return self.verdict.reason is None


@dataclass(frozen=True)
class Bench:
    """What judges."""

    rules: PageRules
    references: References
    minhash: MinHash
    whole_texts: bool
    """Whether the text of a page is wanted though a sample was enough to drop it."""
    all_rules: bool
    """Whether all rules are asked about all texts."""

    def cases(self, pages: Pages, guard: PageGuard) -> Iterator[Case]:
        """The pages in their order, each with all that is said of it."""
        start = 0
        for group in read_pages(pages):
            places = range(start, start := start + len(group))
            cases = [
                Case(page, Verdict(CRASH if place in guard.refused else None))
                for place, page in zip(places, group, strict=True)
            ]
            for part in (self._admit, self._read, self._tell, self._weigh, self._refine, self._key):
                for _, case in guard.watch(zip(places, cases, strict=True)):
                    part(case)
            yield from cases

    def _admit(self, case: Case) -> None:
        if case.stays:
            page = case.page
            case.verdict = admitted(self.rules, self.references, page["url"], page["body"], page["form"])

    def _read(self, case: Case) -> None:
        case.verdict = read(self.rules, case.verdict, case.page["body"], case.page["form"], self.whole_texts)

    def _tell(self, case: Case) -> None:
        case.verdict = told(self.rules, case.verdict)

    def _weigh(self, case: Case) -> None:
        case.verdict = weighed(self.rules, case.verdict)

    def _refine(self, case: Case) -> None:
        if case.stays or (self.all_rules and case.verdict.text):
            case.refined = refine(self.rules, self.references, case.page["id"], case.verdict)

    def _key(self, case: Case) -> None:
        if case.refined:
            case.keys = text_keys(case.verdict.text, self.minhash)
