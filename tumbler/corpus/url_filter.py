"""The URL filter of RefinedWeb and FineWeb: lists of domains and URLs, and words that give a page away.

Penedo et al. 2023 (RefinedWeb, arXiv 2306.01116), Appendix G.1; decisions in the order of datatrove's URLFilter.
"""

from __future__ import annotations

import functools
import re

import tldextract

from tumbler.corpus.blocklist import Blocklist
from tumbler.corpus.rule import Rule

_SEPARATORS = re.compile(r"[^a-zA-Z0-9]+")


class URLFilter(Rule):
    """Call with a URL and the blocklist: None, or `url_filter:` domain, subdomain, url, banned_word,
    soft_banned_words or banned_subword."""

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
        if len(blocklist):
            parts = _extractor()(url)
            if parts.top_domain_under_public_suffix in blocklist:
                return "url_filter:domain"
            if parts.fqdn in blocklist:
                return "url_filter:subdomain"
            if url in blocklist or _as_listed(url) in blocklist:
                return "url_filter:url"
        return self._by_words(url)

    def _by_words(self, url: str) -> str | None:
        found = set(_SEPARATORS.split(url))
        if not found.isdisjoint(self.banned_words):
            return "url_filter:banned_word"
        if len(found.intersection(self.soft_banned_words)) >= self.soft_word_threshold:
            return "url_filter:soft_banned_words"
        joined = _SEPARATORS.sub("", url).lower()
        if any(word in joined for word in self.banned_subwords):
            return "url_filter:banned_subword"
        return None


def _as_listed(url: str) -> str:
    """UT1 lists URLs without scheme, without `www.` and without a last slash."""
    return re.sub(r"^[a-z]+://(?:www\.)?", "", url).rstrip("/")


@functools.cache
def _extractor() -> tldextract.TLDExtract:
    """The public suffix list that ships with the library: no download, no cache."""
    return tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
