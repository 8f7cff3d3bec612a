"""Personal data: what identifies a person becomes an example that identifies nobody.

E-mail and public IP addresses as in FineWeb (datatrove's PIIFormatter); the other kinds are off by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

from tumbler.corpus.rules.pii_patterns import Spans, cards, emails, phones, public_ips, public_ipv6s
from tumbler.corpus.rules.rule import Rule


@dataclass(frozen=True)
class Cleaned:
    """The text, and how many pieces of each kind were replaced in it."""

    text: str
    emails: int = 0
    ips: int = 0
    ipv6s: int = 0
    cards: int = 0
    phones: int = 0


class PIIRemoval(Rule):
    """Call with a text: the text without personal data, and how much there was.

    Replacements are used in turn, from the first in every document. (datatrove goes on where the last document
    ended, so its output depends on which documents a process has seen before; on one document both are equal.)
    """

    emails: bool = True
    """Replace e-mail addresses."""
    ips: bool = True
    """Replace public IPv4 addresses; private ones identify nobody."""
    lone_ips_only: bool = False
    """Leave alone what is a piece of a longer row of numbers (1.3.6.1.4.1) or follows a letter (v1.2.3.4) or the word
    version, release or section. datatrove replaces these too: 128 of the 1,041 that it replaced in 5,952 pages."""
    ipv6s: bool = False
    """Replace public IPv6 addresses."""
    cards: bool = False
    """Replace numbers of payment cards: 13 to 19 digits of an issuer's range with a right check digit (Luhn)."""
    phones: bool = False
    """Replace telephone numbers: international ones that begin with +, and North American ones."""
    email_replacements: tuple[str, ...] = ("email@example.com", "firstname.lastname@example.org")
    """Domains that RFC 2606 keeps for examples (datatrove's list)."""
    ip_replacements: tuple[str, ...] = (
        "22.214.171.124", "126.96.36.199", "188.8.131.52", "184.108.40.206", "220.127.116.11", "18.104.22.168",
    )  # fmt: skip
    """Addresses that answered nobody when datatrove's authors drew them (datatrove's list)."""
    ipv6_replacements: tuple[str, ...] = ("2001:db8::1", "2001:db8::2")
    """Of the range that RFC 3849 keeps for examples."""
    card_replacements: tuple[str, ...] = ("0000 0000 0000 0000",)
    """Of no issuer."""
    phone_replacements: tuple[str, ...] = ("+1 202-555-0147", "+1 202-555-0182")
    """Of the range that is kept for fiction (555-0100 to 555-0199)."""

    def __call__(self, text: str) -> Cleaned:
        counts: dict[str, int] = {}
        if self.emails and "@" in text:
            text, counts["emails"] = _replace(text, emails(text), self.email_replacements)
        if self.ips:
            text, counts["ips"] = _replace(text, public_ips(text, self.lone_ips_only), self.ip_replacements)
        if self.ipv6s:
            text, counts["ipv6s"] = _replace(text, public_ipv6s(text), self.ipv6_replacements)
        if self.cards:
            text, counts["cards"] = _replace(text, cards(text), self.card_replacements)
        if self.phones:
            text, counts["phones"] = _replace(text, phones(text), self.phone_replacements)
        return Cleaned(text, **counts)


def _replace(text: str, spans: Spans, replacements: tuple[str, ...]) -> tuple[str, int]:
    pieces: list[str] = []
    done = count = 0
    for (start, end), fresh in zip(spans, cycle(replacements), strict=False):
        pieces += (text[done:start], fresh)
        done, count = end, count + 1
    return "".join([*pieces, text[done:]]), count
