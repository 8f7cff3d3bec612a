"""A page through all rules that look at it alone, in FineWeb's order.

`judge` is what stands before deduplication, `refine` what stands behind it. Both are asked in one pass over the
pages; what `refine` says counts only for a document that no earlier one repeats. `admitted`, `read`, `told` and
`weighed` are judge's parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from tumbler.corpus.extraction.extraction import Extraction
from tumbler.corpus.rules.badwords import BadWords, WordList
from tumbler.corpus.rules.blocklist import Blocklist
from tumbler.corpus.rules.c4 import C4Paragraphs, C4Quality
from tumbler.corpus.rules.decontamination import Contamination, Decontamination, Index
from tumbler.corpus.rules.fineweb_quality import FineWebQuality
from tumbler.corpus.rules.gopher_quality import GopherQuality
from tumbler.corpus.rules.gopher_repetition import GopherRepetition
from tumbler.corpus.rules.language import LanguageFilter
from tumbler.corpus.rules.pii import PIIRemoval
from tumbler.corpus.rules.url_filter import URLFilter
from tumbler.corpus.words.normal import Normal
from tumbler.corpus.words.prose import Prose


@dataclass(frozen=True)
class PageRules:
    """The rules that judge a page by itself, in their order."""

    url_filter: URLFilter
    extraction: Extraction
    language: LanguageFilter
    gopher_repetition: GopherRepetition
    gopher_quality: GopherQuality
    c4: C4Quality
    c4_paragraphs: C4Paragraphs
    fineweb_quality: FineWebQuality
    badwords: BadWords
    decontamination: Decontamination
    pii: PIIRemoval


@dataclass(frozen=True)
class References:
    """What the rules look up."""

    blocklist: Blocklist
    word_lists: Mapping[str, WordList]
    eval_sets: Index | None


@dataclass(frozen=True)
class Verdict:
    """`reason` is None for a page that goes on. Text and language are as far as the page came."""

    reason: str | None
    text: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Of languages, best first."""
    prose: Prose | None = None
    """The text and its words."""
    sampled: bool = False
    """Whether the text is only a sample of the page's."""

    @property
    def language(self) -> str:
        return next(iter(self.scores), "unknown" if self.text else "")

    @property
    def language_score(self) -> float:
        return next(iter(self.scores.values()), 0.0)


@dataclass(frozen=True)
class Refined:
    """What the rules behind deduplication make of a text."""

    reason: str | None
    text: str
    """As it will stand in the corpus; where there is a reason, as the rule saw it."""
    c4_bytes: int
    """Bytes that C4's line rules left."""
    replaced: Mapping[str, int] = field(default_factory=dict)
    """Personal data replaced, by kind."""
    contamination: Contamination | None = None


def judge(rules: PageRules, references: References, url: str, body: str, form: Literal["html", "text"]) -> Verdict:
    return weighed(rules, told(rules, read(rules, admitted(rules, references, url, body, form), body, form)))


def admitted(rules: PageRules, references: References, url: str, body: str, form: Literal["html", "text"]) -> Verdict:
    """Unless its URL, its size or its first paragraphs speak against a page, it is worth reading."""
    if rules.url_filter.enabled and (reason := rules.url_filter(url, references.blocklist)):
        return Verdict(reason)
    if reason := rules.extraction.refuse(body, form):
        return Verdict(reason)
    if form == "html" and rules.language.enabled and (foreign := rules.language.foresee(body)):
        sample, scores = foreign
        return Verdict(rules.language(scores), sample, scores, sampled=True)
    return Verdict(None)


def read(rules: PageRules, verdict: Verdict, body: str, form: Literal["html", "text"], always: bool = False) -> Verdict:
    """With the page's text; `always`: instead of a sample, too."""
    if verdict.reason is None:
        text = rules.extraction(body, form)
        return Verdict(None, text) if text else Verdict("extraction:empty")
    if always and verdict.sampled:
        return Verdict(verdict.reason, rules.extraction(body, form), verdict.scores)
    return verdict


def told(rules: PageRules, verdict: Verdict) -> Verdict:
    """With the text's language."""
    if verdict.reason is not None:
        return verdict
    scores = rules.language.identify(verdict.text)
    return Verdict(rules.language(scores) if rules.language.enabled else None, verdict.text, scores)


def weighed(rules: PageRules, verdict: Verdict) -> Verdict:
    """With what Gopher's rules say of the text."""
    if verdict.reason is not None:
        return verdict
    prose = Prose(verdict.text)
    return Verdict(next(_gopher_reasons(rules, prose), None), verdict.text, verdict.scores, prose)


def _gopher_reasons(rules: PageRules, prose: Prose) -> Iterator[str]:
    """Lazy, so that the second rule costs nothing once the first has spoken."""
    if rules.gopher_repetition.enabled and (reason := rules.gopher_repetition(prose)):
        yield reason
    if rules.gopher_quality.enabled and (reason := rules.gopher_quality(prose)):
        yield reason


def refine(rules: PageRules, references: References, page: str, verdict: Verdict) -> Refined:
    """`page` is its id."""
    text = verdict.text
    if rules.c4.enabled:
        found = rules.c4(text)
        if reason := rules.c4.judge(found):
            return Refined(reason, text, len(text.encode()))
        text = found.text
    size = len(text.encode())
    prose = verdict.prose if verdict.prose and verdict.prose.text == text else Prose(text)
    if reason := next(_late_reasons(rules, references, page, verdict.language, prose), None):
        return Refined(reason, text, size)
    if references.eval_sets and (shared := rules.decontamination(Normal(text), references.eval_sets)):
        return Refined(shared.reason, text, size, contamination=shared)
    if not rules.pii.enabled:
        return Refined(None, text, size)
    cleaned = rules.pii(text)
    replaced = {kind: number for kind, number in asdict(cleaned).items() if kind != "text" and number}
    return Refined(None, cleaned.text, size, replaced)


def _late_reasons(rules: PageRules, references: References, page: str, language: str, prose: Prose) -> Iterator[str]:
    if rules.c4_paragraphs.enabled and (reason := rules.c4_paragraphs(prose.text)):
        yield reason
    if rules.fineweb_quality.enabled and (reason := rules.fineweb_quality(prose)):
        yield reason
    if rules.badwords.enabled and (reason := rules.badwords(prose.text, language, page, references.word_lists)):
        yield reason
