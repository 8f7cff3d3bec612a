"""robots.txt (RFC 9309), read by protego: what a crawler named `tumbler` may fetch, and how fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protego import Protego

AGENT: Final = "tumbler"
"""The name to which a site's rules can be addressed."""
ROBOTS_BYTES: Final = 500 << 10
"""What a crawler reads of the file at least (section 2.5)."""
ROBOTS_HOPS: Final = 5
"""Redirects that a crawler follows at least (section 2.3.1.2)."""

LONGEST_DELAY: Final = 86_400.0
"""Seconds; a host that wants a longer one can say so by refusing all."""


@dataclass(frozen=True)
class Robots:
    rules: Protego
    delay: float = 0.0
    """Seconds between requests that the host asks for."""
    sitemaps: tuple[str, ...] = ()
    refusal: str = "robots.txt"

    def allows(self, url: str) -> bool:
        return bool(self.rules.can_fetch(url, AGENT))


def robots_of(status: int | None, body: bytes) -> Robots:
    """The rules behind the answer to /robots.txt; `status` None: there was no answer.

    A server that has no such file allows all; one that cannot be asked allows nothing (section 2.3.1).
    """
    if status is None or status >= 500:
        return Robots(Protego.parse("User-agent: *\nDisallow: /"), refusal="robots.txt cannot be read")
    text = body[:ROBOTS_BYTES].decode("utf-8-sig", "replace") if 200 <= status < 300 else ""
    rules = Protego.parse(text)
    delay, rate = rules.crawl_delay(AGENT) or 0.0, rules.request_rate(AGENT)
    paced = rate.seconds / rate.requests if rate and rate.requests else 0.0
    return Robots(rules, min(max(0.0, delay, paced), LONGEST_DELAY), tuple(rules.sitemaps))
