"""Personal data: e-mail and public IP addresses become example addresses, as in FineWeb (datatrove's PIIFormatter)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

from tumbler.corpus.rule import Rule

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
_EMAIL = re.compile(rf"\b{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}")
_IP = re.compile(rf"(?:{_BYTE}\.){{3}}{_BYTE}")


@dataclass(frozen=True)
class Cleaned:
    text: str
    emails: int
    ips: int


class PIIRemoval(Rule):
    """Call with a text: the text without addresses, and how many there were."""

    emails: bool = True
    """Replace e-mail addresses."""
    ips: bool = True
    """Replace public IPv4 addresses; private ones identify nobody."""
    email_replacements: tuple[str, ...] = ("email@example.com", "firstname.lastname@example.org")
    """Used in turn, from the first in every document."""
    ip_replacements: tuple[str, ...] = (
        "22.214.171.124", "126.96.36.199", "188.8.131.52", "184.108.40.206", "220.127.116.11", "18.104.22.168",
    )  # fmt: skip
    """Used in turn, from the first in every document (datatrove's list: addresses that answer nobody)."""

    def __call__(self, text: str) -> Cleaned:
        emails = ips = 0
        if self.emails and "@" in text:
            text, emails = _replace(_EMAIL, text, self.email_replacements, lambda _: True)
        if self.ips:
            text, ips = _replace(_IP, text, self.ip_replacements, _is_public)
        return Cleaned(text, emails, ips)


def _replace(
    pattern: re.Pattern[str], text: str, replacements: tuple[str, ...], wanted: Callable[[str], bool]
) -> tuple[str, int]:
    fresh, count = cycle(replacements), 0

    def substitute(match: re.Match[str]) -> str:
        nonlocal count
        if not wanted(match.group()):
            return match.group()
        count += 1
        return next(fresh)

    return pattern.sub(substitute, text), count


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
