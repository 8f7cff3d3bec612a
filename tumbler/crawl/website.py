"""A website of one's own: what the crawler may fetch, and by which signs it knows a trap.

A trap is a place where a site makes up new addresses for ever: calendars, filters that add to their
own query, session identifiers, relative links that nest. None of these can be known for certain, so
each has a limit, and what a limit keeps out is counted under the limit's name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pydantic import Field

from tumbler.recipe import Settings

LONGEST_URL: Final = 2000
"""Characters; sitemaps.org allows 2,048, and browsers were long no better."""
MOST_SEGMENTS: Final = 20
"""Parts of a path."""
MOST_REPEATS: Final = 3
"""Times that one part may stand in a path: /a/b/a/b/a/b/a is a relative link gone wrong."""
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SESSION = re.compile(
    r"(?:phpsessid|jsessionid|aspsessionid\w*|asp\.net_sessionid|cfid|cftoken|session_?id|sess_?id|sid|s)"
    r"=[0-9a-z_-]{16,}",
    re.IGNORECASE,
)
_CAMPAIGN = re.compile(r"(?:utm_\w+|fbclid|gclid|msclkid|mc_[ce]id)=.*", re.IGNORECASE)
_PATH_SESSION = re.compile(r";jsessionid=[^/]*|/\(S\([0-9a-z]+\)\)", re.IGNORECASE)


class Website(Settings):
    """A site that you may crawl. Its robots.txt is obeyed, its sitemap read; answers are kept as WARC."""

    start: tuple[str, ...] = Field(min_length=1)
    """Where to begin: "https://docs.example.org/". Links are followed on these hosts only."""
    contact: str = Field(pattern=r"^(https?://[\x21-\x7e]+|[\x21-\x7e]+@[\x21-\x7e]+)$")
    """E-mail address or web page by which the site's owner can reach you; stands in every request's User-Agent."""
    hosts: tuple[str, ...] = ()
    """Further hosts that belong to the site: "www.example.org"."""
    max_pages: int = Field(default=1000, ge=1)
    """Requests for pages at most, with those that are answered by a redirect or an error."""
    max_depth: int = Field(default=16, ge=0)
    """Links from a start page, at most. Pages in the sitemap count as linked by a start page."""
    max_queries: int = Field(default=100, ge=0)
    """Addresses that differ in nothing but what follows the `?`, at most."""
    delay: float = Field(default=1.0, ge=0)
    """Seconds between two requests to a host, at least; a longer Crawl-delay in its robots.txt goes before."""
    connections: int = Field(default=2, ge=1)
    """Requests under way at the same time."""
    tries: int = Field(default=4, ge=1)
    """How often a page is asked for whose server is busy, broken or silent."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds that a request may take from its first byte to the answer's last."""


def host_of(url: str) -> str:
    """The host with its port, where that is not its scheme's own."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name
    return host if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{parts.port}"


def hosts_of(site: Website) -> frozenset[str]:
    return frozenset((*map(host_of, site.start), *(host.lower() for host in site.hosts)))


def cleaned(url: str) -> str | None:
    """The address without fragment, user, session and campaign; one spelling of scheme, host and port.

    None when it is no address of a web page.
    """
    try:
        parts = urlsplit(url.strip())
        if parts.scheme.lower() not in DEFAULT_PORTS or not parts.hostname:
            return None
        host = host_of(url.strip())
    except ValueError:  # a port that is no number, brackets that hold no address
        return None
    query = "&".join(
        part for part in parts.query.split("&") if not _SESSION.fullmatch(part) and not _CAMPAIGN.fullmatch(part)
    )
    path = _PATH_SESSION.sub("", parts.path) or "/"
    return SplitResult(parts.scheme.lower(), host, path, query, "").geturl()


def trap(url: str) -> str | None:
    """By which sign the address looks like a trap; None when it does not."""
    if len(url) > LONGEST_URL:
        return "URL too long"
    segments = [part for part in urlsplit(url).path.split("/") if part]
    if len(segments) > MOST_SEGMENTS:
        return "path too deep"
    if segments and _most(segments) > MOST_REPEATS:
        return "path repeats itself"
    return None


def _most(segments: Sequence[str]) -> int:
    return Counter(segments).most_common(1)[0][1]
