"""A page through all rules that look at it alone, in FineWeb's order; the duplicates come after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tumbler.corpus.blocklist import Blocklist
from tumbler.corpus.extraction import Extraction
from tumbler.corpus.gopher_quality import GopherQuality
from tumbler.corpus.gopher_repetition import GopherRepetition
from tumbler.corpus.language import LanguageFilter
from tumbler.corpus.url_filter import URLFilter
from tumbler.corpus.words import Prose


@dataclass(frozen=True)
class PageRules:
    """The rules that judge a page by itself."""

    url_filter: URLFilter
    extraction: Extraction
    language: LanguageFilter
    gopher_repetition: GopherRepetition
    gopher_quality: GopherQuality


@dataclass(frozen=True)
class Verdict:
    """`reason` is None for a page to keep. Text and language are as far as the page came."""

    reason: str | None
    text: str = ""
    language: str = ""
    language_score: float = 0.0


def judge(rules: PageRules, blocklist: Blocklist, url: str, body: str, form: Literal["html", "text"]) -> Verdict:
    if rules.url_filter.enabled and (reason := rules.url_filter(url, blocklist)):
        return Verdict(reason)
    if reason := rules.extraction.refuse(body, form):
        return Verdict(reason)
    text = rules.extraction(body, form)
    if not text:
        return Verdict("extraction:empty")
    scores = rules.language.identify(text)
    language, score = next(iter(scores.items()), ("unknown", 0.0))
    reason = next(_reasons(rules, scores, text), None)
    return Verdict(reason, text, language, score)


def _reasons(rules: PageRules, scores: dict[str, float], text: str) -> Iterator[str]:
    """Why to drop the text; lazy, so that a later rule costs nothing once an earlier one has spoken."""
    if rules.language.enabled and (reason := rules.language(scores)):
        yield reason
    prose = Prose(text)
    if rules.gopher_repetition.enabled and (reason := rules.gopher_repetition(prose)):
        yield reason
    if rules.gopher_quality.enabled and (reason := rules.gopher_quality(prose)):
        yield reason
