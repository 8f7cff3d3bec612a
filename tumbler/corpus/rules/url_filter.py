"""The URL filter of RefinedWeb and FineWeb: lists of domains and URLs, and words that give a page away.

Penedo et al. 2023 (RefinedWeb, arXiv 2306.01116), Appendix G.1; decisions in the order of datatrove's URLFilter.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tumbler.corpus.rules.blocklist import Blocklist
from tumbler.corpus.rules.rule import Rule

if TYPE_CHECKING:
    from tldextract import TLDExtract

_SEPARATORS = re.compile(r"[^a-zA-Z0-9]+")
_SCHEME = re.compile(r"[a-z]+://(?:www\.)?", re.I)
DEEPEST: Final = 32
"""Folders of a URL that are looked up; a list names none that lies deeper."""
LONGEST_REMEMBERED: Final = 300
"""Characters; a host name has 253 at most, and hostile URLs are not to fill the memory."""


class URLFilter(Rule):
    """Call with a URL and the blocklist: None, or `url_filter:` domain, subdomain, url, banned_word,
    soft_banned_words or banned_subword.

    The word lists are short and English: they catch what gives itself away. The blocklists do the work
    (FineWeb's: the UT1 category `adult` and others, 4.6 million domains).
    """

    letter_for_letter: bool = False
    """Compare as datatrove does: hosts and words only in the case in which they are written, URL entries only with
    the whole URL, scheme included (UT1's have none, so they never match). false: any case, and a URL entry blocks
    what lies below it too, as UT1's format means it."""
    banned_words: tuple[str, ...] = ("porn", "porno", "xxx", "hentai", "camgirl", "camgirls", "milf", "gangbang")
    """One of these as a whole word of the URL drops the page."""
    soft_banned_words: tuple[str, ...] = (
        "adult", "babes", "casino", "erotic", "escort", "escorts", "fetish", "gambling", "horny", "naked", "nude",
        "nudes", "poker", "sex", "sexy", "slots", "viagra", "webcam",
    )  # fmt: skip
    """Words that are harmless alone: `soft_word_threshold` different ones drop the page."""
    soft_word_threshold: int = 2
    """How many different soft words drop a page (RefinedWeb: 2)."""
    banned_subwords: tuple[str, ...] = ("xvideos", "pornhub", "xhamster", "freeporn", "sexcam", "viagraonline")
    """One of these anywhere in the URL, separators taken out, drops the page."""

    def __call__(self, url: str, blocklist: Blocklist) -> str | None:
        return (self._by_list(url, blocklist) if len(blocklist) else None) or self._by_words(url)

    def _by_list(self, url: str, blocklist: Blocklist) -> str | None:
        start = "/".join(url.split("/", 3)[:3])
        registered, host = _remembered(start) if len(start) <= LONGEST_REMEMBERED else _names(start)
        if not self.letter_for_letter:
            registered, host = registered.lower(), host.lower()
        urls = [url] if self.letter_for_letter else [url, *_as_listed(url)]
        found = blocklist.first([("domain", registered), ("domain", host), *(("url", form) for form in urls)])
        return None if found is None else f"url_filter:{('domain', 'subdomain', 'url')[min(found, 2)]}"

    def _by_words(self, url: str) -> str | None:
        found = set(_SEPARATORS.split(url if self.letter_for_letter else url.lower()))
        if not found.isdisjoint(_normalised(self.banned_words)):
            return "url_filter:banned_word"
        if len(found & _normalised(self.soft_banned_words)) >= self.soft_word_threshold:
            return "url_filter:soft_banned_words"
        joined = _SEPARATORS.sub("", url).lower()
        if any(word in joined for word in _normalised(self.banned_subwords)):
            return "url_filter:banned_subword"
        return None


def _names(start: str) -> tuple[str, str]:
    """(registered domain, full host name) of a URL without what stands behind the host; empty for an address of
    numbers and for a host without public suffix."""
    parts = _extractor()(start)
    return parts.top_domain_under_public_suffix, parts.fqdn


_remembered = functools.lru_cache(maxsize=1 << 16)(_names)
"""Crawls come host by host: most calls are spared."""


def _as_listed(url: str) -> Iterator[str]:
    """The entries by which UT1 may name a URL or what it lies in: without scheme and `www.`, and no last slash."""
    host, *path = _SCHEME.sub("", url, count=1).rstrip("/").split("/", DEEPEST)
    for depth in range(len(path) + 1):
        yield "/".join([host.lower(), *path[:depth]])


@functools.cache
def _normalised(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_SEPARATORS.sub("", word).lower() for word in words) - {""}


@functools.cache
def _extractor() -> TLDExtract:
    """The public suffix list that ships with the library: no download, no cache."""
    import tldextract  # loads requests; only runs with lists of domains need it

    return tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
